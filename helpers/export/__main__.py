"""The command line `python -m helpers.export`, which exports instruments and models.

    python -m helpers.export --checkpoint demo --instrument Cello --output cello.sfz
    python -m helpers.export --checkpoint demo --instruments "Cello,Flute,Harp" --output trio.sf2
    python -m helpers.export --checkpoint demo --instruments outputs/instruments.json --output mine.zip
    python -m helpers.export --checkpoint demo --instrument Cello --output cello.html       # a page that plays
    python -m helpers.export --checkpoint demo --pad Cello,Flute,Trumpet,Harp --output pads # for NSynth Super
    python -m helpers.export --checkpoint demo --output demo.onnx                           # the model itself
    python -m helpers.export --checkpoint demo --web --output outputs/web                   # a page that runs it

The ending of --output determines the format; a name without an ending is a folder of WAV files.

Notebook: 10_take_home.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from .. import export
from ..files import as_path
from ..instruments import Instrument, choose, is_file, load
from ..tables import counted
from ..terminal import ended, program, say
from .sampling import PITCHES, VELOCITIES
from .writing import WITH_FOLDER, check_folders, check_target, folder_of

if TYPE_CHECKING:
    from ..gansynth import GANSynth

PAGE, NETWORK = ".html", ".onnx"
CORNERS = 4


def parser() -> argparse.ArgumentParser:
    """The command\'s arguments."""
    flags = argparse.ArgumentParser(
        prog=program("helpers.export"), description="Export instruments of a checkpoint to samplers and hardware."
    )
    flags.add_argument(
        "--checkpoint", required=True, metavar="NAME", help="a checkpoint by name, or its folder, zip or .npz"
    )
    what = flags.add_mutually_exclusive_group()
    what.add_argument("--instrument", metavar="NAME", help="one of the checkpoint's instruments")
    what.add_argument("--instruments", metavar="FILE|NAMES", help="several, or a file written by instruments.save")
    what.add_argument(
        "--pad",
        metavar="FILE|NAMES",
        help="four instruments for the corners of an NSynth Super; Cello+Flute puts two at one corner (1, 2 or 4 fit)",
    )
    what.add_argument(
        "--web", action="store_true", help="the model itself as a static web page, for GitHub Pages and others"
    )
    flags.add_argument(
        "--output",
        required=True,
        metavar="PATH",
        help=".sfz, .sf2, .dspreset, .dslibrary, .multisample, .zip (all but .dspreset), .html (a page that plays), "
        ".onnx (the model), or a folder; an existing file is replaced",
    )
    flags.add_argument(
        "--pitches", metavar="LIST", help="MIDI numbers to sample, such as 36,48,60 (default: every third)"
    )
    flags.add_argument(
        "--velocities",
        metavar="LIST",
        help="highest velocity of each layer (default: 42,84,127 for instruments with a soft version); 127 alone is "
        "quicker",
    )
    flags.add_argument("--sample_rate", type=int, metavar="HZ", help="sample rate (default: that of the model, 16000)")
    flags.add_argument(
        "--resolution",
        type=int,
        metavar="CELLS",
        help="cells of a --pad in each direction, 2 to 11 (default: 11); the device's own pads have 9",
    )
    return flags


def run(args: argparse.Namespace) -> int:
    """Run the export that the flags describe."""
    pitches = None if args.pitches is None else _numbers("pitches", args.pitches)
    _check(args)
    from ..gansynth import load as load_model

    model = load_model(args.checkpoint)
    if as_path(args.output).suffix.lower() == NETWORK:
        say(export.onnx(model, args.output))
    elif args.web:
        say(f"{export.web(model, args.output, progress=sys.stderr.isatty())}: docs/web.md explains how to publish it")
    elif args.pad:
        _write_pads(model, args, pitches)
    else:
        _write_samples(model, args, pitches)
    return 0


def _check(args: argparse.Namespace) -> None:
    """Raise a ValueError for every mistake that can be found before the model is loaded."""
    ending = as_path(args.output).suffix.lower()
    wanted = args.instrument or args.instruments or args.pad or args.web
    if not wanted and ending != NETWORK:
        raise ValueError("nothing to export: give --instrument, --instruments, --pad or --web")
    if wanted and ending == NETWORK:
        raise ValueError("an .onnx file is the model itself: leave out --instrument, --instruments, --pad and --web")
    for flag in ("pad", "web"):
        if getattr(args, flag) and ending:
            raise ValueError(f"--{flag} writes a folder, but {args.output} has an ending")
    if args.resolution is not None and not args.pad:
        raise ValueError("--resolution is only for --pad")
    is_sampled = not args.pad and not args.web and ending not in (PAGE, NETWORK)
    for flag in ("sample_rate", "velocities"):
        if getattr(args, flag) is not None and not is_sampled:
            raise ValueError(f"--{flag} is only for samplers; for pads, pages and models it is fixed")
    if args.pitches is not None and (ending == NETWORK or args.web):
        raise ValueError("an .onnx file or a --web page is the model itself: leave out --pitches")
    if is_sampled:
        check_target(args.output, 1, also=(PAGE, NETWORK))
    if args.instruments and is_file(args.instruments):
        load(args.instruments)


def _numbers(flag: str, text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise ValueError(f"--{flag} is {text!r}; expected MIDI numbers such as 36,48,60") from None


def _write_samples(model: GANSynth, args: argparse.Namespace, pitches: list[int] | None) -> None:
    chosen = choose(args.instruments or args.instrument, model)
    if args.instrument and len(chosen) > 1:
        raise ValueError(f"--instrument is {args.instrument!r}, which gives {len(chosen)}; use --instruments")
    shown = sys.stderr.isatty()
    if as_path(args.output).suffix.lower() == PAGE:
        say(export.page(model, chosen, args.output, pitches=pitches, progress=shown))
        return
    layers = None if args.velocities is None else _numbers("velocities", args.velocities)
    if not check_target(args.output, len(chosen)):
        check_folders(as_path(args.output), chosen, pitches or PITCHES, layers or VELOCITIES)
    made = export.sampled(model, chosen, pitches or PITCHES, layers, args.sample_rate, progress=shown)
    for line in (made, *made.layers(), *made.evenness()):
        say(line)
    path = export.sampler(made, args.output)
    beside = path.parent / folder_of(path)
    say(f"{path}, with the folder {beside}" if path.suffix.lower() in WITH_FOLDER else path)


def _corners(text: str, model: GANSynth) -> list[list[Instrument]]:
    """The instruments of each corner: "+" joins instruments that share a corner, and a comma starts the next one."""
    if "+" in text and is_file(text) and not as_path(text).is_file():
        raise ValueError(
            f"--pad is {text!r}; it takes one file of four instruments, or names such as Cello+Flute,Harp,…"
        )
    corners: list[list[Instrument]] = []
    for i, part in enumerate([text] if is_file(text) else text.split("+")):
        first, *others = ([one] for one in choose(part, model))
        if i:
            corners[-1] += first
        else:
            corners.append(first)
        corners += others
    return corners


def _write_pads(model: GANSynth, args: argparse.Namespace, pitches: list[int] | None) -> None:
    corners = _corners(args.pad, model)
    if len(corners) != CORNERS:
        raise ValueError(f"--pad names {counted(len(corners), 'corner')}; a pad has {CORNERS} corners")
    how: dict = {
        name: value for name, value in (("pitches", pitches), ("resolution", args.resolution)) if value is not None
    }
    say(export.nsynth_super(model, corners, args.output, progress=sys.stderr.isatty(), **how))
    say(f"{args.output}: docs/nsynth_super.md explains where to copy the files on the device")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; an error of the user is one line on standard error, with exit status 1."""
    args = parser().parse_args(argv)
    return ended(lambda: run(args), stopped="stopped; nothing was written")


if __name__ == "__main__":
    sys.exit(main())
