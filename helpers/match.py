"""The command `python -m helpers.match`: find the instrument of a checkpoint that sounds nearest to a recording.

    python -m helpers.match --recording oboe.wav --checkpoint demo --output oboe.json
    python -m helpers.match --recording song.wav --start 12.5 --end 14 --pitch 67 --checkpoint demo --output voice.json
    python -m helpers.match --recording oboe.wav --checkpoint demo --output oboe.json --sounds compare

The output is in the format of `instruments.save`: `helpers.generate --instruments oboe.json` plays a song with it.
--sounds writes sounds to compare by ear into a folder: the recording, the match, and the nearest existing instrument.
The recording never leaves this machine.

Notebook: 11_match.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .files import as_path, check_writable
from .terminal import program, say

if TYPE_CHECKING:
    from .matching import Match

FREE = ("latent", "first layer")
PRECISIONS = ("float32", "bfloat16")


def parser() -> argparse.ArgumentParser:
    """The command\'s arguments."""
    flags = argparse.ArgumentParser(
        prog=program("helpers.match"), description="Find the instrument of a checkpoint that is nearest to a recording."
    )
    flags.add_argument("--recording", required=True, metavar="FILE", help="a sound file: WAV, FLAC, OGG, MP3, AIFF, …")
    flags.add_argument(
        "--checkpoint", required=True, metavar="NAME", help="a checkpoint's name, or its folder, zip or .npz"
    )
    flags.add_argument("--output", required=True, metavar="FILE", help="the file for the instrument, .json")
    flags.add_argument("--start", type=float, metavar="SECONDS", help="start of the part to match")
    flags.add_argument("--end", type=float, metavar="SECONDS", help="end of the part to match")
    flags.add_argument(
        "--pitch", type=int, metavar="MIDI", help="pitch of the note, if the detected one is wrong; 60 is C4"
    )
    flags.add_argument("--name", help="name of the instrument (default the recording's)")
    flags.add_argument("--seed", type=int, default=0, help="seed of the random starts (default %(default)s)")
    flags.add_argument(
        "--free",
        choices=FREE,
        default=FREE[0],
        help="the parameters to fit; 'first layer' comes nearer, but its result is not a point in latent space",
    )
    flags.add_argument(
        "--precision",
        choices=PRECISIONS,
        default=PRECISIONS[0],
        help="precision of the convolutions (default %(default)s)",
    )
    flags.add_argument(
        "--sounds", metavar="FOLDER", help="write the recording, the match and the nearest instrument there, as WAV"
    )
    return flags


def run(args: argparse.Namespace) -> int:
    """Match as the flags specify and return the exit status."""
    if as_path(args.output).suffix.lower() != ".json":
        raise ValueError(f"--output is {args.output}; its name must end in .json")
    if not 0 <= args.seed < 2**32:
        raise ValueError(f"--seed is {args.seed}; it must be between 0 and {2**32 - 1}")
    check_writable(as_path(args.output))
    if args.sounds:
        check_writable(as_path(args.sounds) / "match.wav")
    from . import instruments, matching

    recording = matching.read(args.recording, args.name)
    notes = matching.find_notes(recording, args.start, args.end, args.pitch)
    from .gansynth import load

    model = load(args.checkpoint, precision=args.precision)
    found = matching.match(model, recording, notes, seed=args.seed, free=args.free, progress=sys.stderr.isatty())
    say(found)
    say(instruments.save([found.instrument], args.output))
    if args.sounds:
        _write_sounds(found, as_path(args.sounds), model.sample_rate)
    return 0


def _write_sounds(found: Match, folder: Path, sample_rate: int) -> None:
    from .audio import Audio, write

    for number, note in enumerate(found.notes, start=1):
        for name, wave in note.sounds._asdict().items():
            stem = name if len(found.notes) == 1 else f"{number} {name}"
            say(write(Audio(wave, sample_rate), folder / f"{stem}.wav"))


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; an error in the input is one line on standard error and exit status 1."""
    args = parser().parse_args(argv)
    try:
        return run(args)
    except (ValueError, OSError, ImportError) as error:
        say(f"error: {error}", sys.stderr)
        return 1
    except KeyboardInterrupt:
        say("stopped; nothing was written", sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
