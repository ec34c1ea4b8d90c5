"""The command `python -m helpers.evaluate`: measure how good a model is.

    python -m helpers.evaluate --checkpoint demo --quick                                # is it intact? takes 30 s
    python -m helpers.evaluate --checkpoint demo --reference soundfont: --n 1000 --output outputs/demo.json
    python -m helpers.evaluate --checkpoint runs/mine --reference soundfont: --n 1000 --output outputs/mine.json
    python -m helpers.evaluate --compare outputs/demo.json outputs/mine.json --page outputs/both.html

`--output` writes the results, `--picture` plots them, and `--page` combines both with explanations on one page, to
mail, to print or to publish with a paper.

The features of notes are cached in --cache_dir, so that an interrupted command can be resumed, and a second model is
compared with the same reference in less than half the time.

Notebook: 12_measure.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from . import folders
from .files import as_path, replacing
from .terminal import ended, program, say

if TYPE_CHECKING:
    from .evaluation.results import Evaluation
    from .gansynth import GANSynth

CACHE = folders.ROOT / "outputs" / "cache" / "evaluation"
PROGRAMS = tuple(range(0, 96, 2))  # default programs of a soundfont, all of families that NSynth has
VELOCITIES = (100,)
PICTURE_DPI = 120


def parser() -> argparse.ArgumentParser:
    """The command\'s arguments."""
    flags = argparse.ArgumentParser(
        prog=program("helpers.evaluate"), description="Evaluate a model, or compare existing results."
    )
    what = flags.add_mutually_exclusive_group(required=True)
    what.add_argument("--checkpoint", metavar="NAME", help="a checkpoint's name, or its folder, zip or .npz")
    what.add_argument("--compare", nargs="+", metavar="FILE", help="results files to print as one table")
    flags.add_argument(
        "--quick", action="store_true", help="check with 48 notes and no reference whether the checkpoint is intact"
    )
    flags.add_argument(
        "--reference",
        metavar="NOTES",
        help="notes to compare with: a folder, a .tfrecord, tfds:NAME or soundfont:[FILE.sf2]",
    )
    flags.add_argument(
        "--n", type=int, default=1000, help="number of notes of the model, and of the reference (default %(default)s)"
    )
    flags.add_argument("--seed", type=int, default=0, help="random seed (default %(default)s)")
    flags.add_argument(
        "--voices", action="store_true", help="use the checkpoint's named instruments instead of random ones"
    )
    flags.add_argument(
        "--programs", metavar="LIST", help="General MIDI programs of a soundfont, counted from 0, as in 0,24,40"
    )
    flags.add_argument("--output", metavar="FILE", help="write the results to this file, .json")
    flags.add_argument("--picture", metavar="FILE", help="plot the results to this file, .png")
    flags.add_argument("--page", metavar="FILE", help="write both, with explanations, to one page, .html")
    flags.add_argument("--cache_dir", default=str(CACHE), help="folder of the cache (default %(default)s)")
    return flags


def run(args: argparse.Namespace) -> int:
    """Run as the flags specify; the exit status is 1 if `--quick` finds a fault."""
    _check(args)
    if args.compare:
        from .evaluation import results

        found = {Path(file).stem: results.read(file) for file in args.compare}
        if len(found) < len(args.compare):
            raise ValueError("two of the results files have the same name: rename one")
        say(results.compare(found))
        _show(found, args)
        return 0
    from .gansynth import load

    model = load(args.checkpoint)
    if args.quick:
        from .evaluation import selfcheck

        checked = selfcheck.self_check(model, args.seed)
        say(checked)
        return int(not checked.is_right)
    _measure(model, args)
    return 0


def _check(args: argparse.Namespace) -> None:
    """Check the flags before anything is loaded."""
    if args.checkpoint and not args.quick and not args.reference:
        raise ValueError(
            "give notes to compare with, such as --reference soundfont: or a folder of notes, or use --quick"
        )
    for flag, suffix in (("output", ".json"), ("picture", ".png"), ("page", ".html")):
        value = getattr(args, flag)
        if value and Path(value).suffix.lower() != suffix:
            raise ValueError(f"--{flag} is {value}; its name must end in {suffix}")
    if args.seed < 0:
        raise ValueError(f"--seed is {args.seed}; it must be 0 or more")
    if args.compare and (args.quick or args.reference or args.voices or args.programs):
        raise ValueError("--compare reads results files: omit --quick, --reference, --voices and --programs")
    if args.quick and (args.reference or args.voices or args.programs):
        raise ValueError("--quick needs no reference: omit --reference, --voices and --programs")
    if args.output and (args.compare or args.quick):
        raise ValueError("--output is for the results of one model with a --reference")
    if args.quick and (args.picture or args.page):
        raise ValueError("--picture and --page are for results with a --reference, not for --quick")


def _measure(model: GANSynth, args: argparse.Namespace) -> None:
    import numpy as np

    from .evaluation import evaluating, results
    from .instruments import named
    from .training import dataset

    z = None
    if args.voices:
        chosen = named(model)
        if not chosen:
            raise ValueError(f"{model.name} has no named instruments: omit --voices")
        z = np.stack([instrument.z for instrument in chosen.values()])
    programs = _programs(args.programs) if args.programs else PROGRAMS
    sounds = dataset.open_sounds(args.reference, model.config, programs=programs, velocities=VELOCITIES)
    found = evaluating.evaluate(
        model,
        sounds,
        args.n,
        args.seed,
        z=z,
        cache_dir=args.cache_dir,
        named=f"{args.reference} (programs {args.programs})" if args.programs else args.reference,
        progress=sys.stderr.isatty(),
    )
    say(found)
    if args.output:
        say(results.write(found, args.output))
    _show({model.name: found}, args)


def _show(found: dict[str, Evaluation], args: argparse.Namespace) -> None:
    """Write the plot and the page, if requested."""
    from .evaluation import results, results_page

    if args.picture:
        from matplotlib.figure import Figure

        path = as_path(args.picture)
        with replacing(path) as partial:
            results.plot(found, Figure()).savefig(partial, dpi=PICTURE_DPI)
        say(path)
    if args.page:
        say(results_page.write(found, args.page))


def _programs(text: str) -> tuple[int, ...]:
    try:
        return tuple(dict.fromkeys(int(part) for part in text.split(",")))
    except ValueError:
        raise ValueError(f"--programs is {text!r}; expected numbers from 0 to 127, as in 0,24,40") from None


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; an error in the input is one line on standard error and exit status 1."""
    args = parser().parse_args(argv)
    return ended(lambda: run(args), stopped="stopped; the same command continues from here")


if __name__ == "__main__":
    sys.exit(main())
