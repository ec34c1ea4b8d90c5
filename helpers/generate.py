"""The command line: `python -m helpers.generate`, with the flags of the original `gansynth_generate`.

    python -m helpers.generate --checkpoint demo --midi_file data/midi/bach_prelude.mid --output_dir outputs
    python -m helpers.generate --checkpoint demo --midi_file song.mid --each_track --drums synth --sample_rate 44100
    python -m helpers.generate --ckpt_dir /models/acoustic_only --output_dir /tmp/notes      # random single notes

Notebook: 04_generate, 07_songs.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from .gansynth.config import MAX_PITCH, MIN_PITCH
from .gansynth.model import BATCH_SIZE, PRECISIONS
from .instruments import SECONDS_PER_INSTRUMENT
from .planning import CHOICES, DEFAULTS

# The original's defaults.
CKPT_DIR = "/tmp/gansynth/acoustic_only"
OUTPUT_DIR = "/tmp/gansynth/samples"
CLIP_NAME = "generated_clip.wav"
REPORT_NAME = "generated_clip.json"  # what render.reproduce makes the clip from again


def parser() -> argparse.ArgumentParser:
    flags = argparse.ArgumentParser(prog="python -m helpers.generate", description="Play a MIDI file with GANSynth.")
    model = flags.add_mutually_exclusive_group()
    model.add_argument("--ckpt_dir", default=CKPT_DIR, help="a checkpoint's folder or zip (default %(default)s)")
    model.add_argument("--checkpoint", metavar="NAME", help="a checkpoint by name instead: demo, acoustic_only, …")
    flags.add_argument("--output_dir", default=OUTPUT_DIR, help="where the audio goes (default %(default)s)")
    flags.add_argument("--midi_file", default="", help="the score; without one, --batch_size random notes are made")
    flags.add_argument("--batch_size", type=int, help=f"notes at a time (default {BATCH_SIZE}, and more on a GPU)")
    flags.add_argument(
        "--secs_per_instrument",
        type=float,
        default=SECONDS_PER_INSTRUMENT,
        help="seconds between random instruments (default %(default)s)",
    )
    flags.add_argument("--seed", type=int, help="number the instruments are drawn from (default: a new one, printed)")
    flags.add_argument("--faithful", action="store_true", help="reproduce the original's audio, its quirks included")
    ours = flags.add_argument_group("what the original did not have (see helpers.render.render)")
    ours.add_argument("--each_track", action="store_true", help="an instrument for each track, instead of a timeline")
    for name, known in CHOICES.items():
        ours.add_argument(f"--{name}", choices=known, default=getattr(DEFAULTS, name), help="default %(default)s")
    ours.add_argument(
        "--sample_rate", type=int, metavar="HZ", help="16000, 22050, 44100 or 48000 (default the model's)"
    )
    ours.add_argument("--precision", choices=PRECISIONS, default=PRECISIONS[0], help="default %(default)s")
    ours.add_argument("--cache", action="store_true", help="keep generated notes, so that none is generated twice")
    ours.add_argument("--loudness", type=float, metavar="LUFS", default=DEFAULTS.loudness, help="default %(default)s")
    flags.add_argument("--tfds_data_dir", help="accepted for the sake of old scripts; no dataset is needed")
    return flags


def run(args: argparse.Namespace) -> list[Path]:
    """Do what the flags say and return the files written."""
    from . import audio, gansynth, instruments, midi, render

    if args.batch_size is not None and args.batch_size < 1:
        raise ValueError(f"--batch_size is {args.batch_size}; it has to be 1 or more")
    if not 0 < args.secs_per_instrument < float("inf"):
        raise ValueError(f"--secs_per_instrument is {args.secs_per_instrument}; it has to be above 0")
    if args.seed is not None and not 0 <= args.seed < 2**32:
        raise ValueError(f"--seed is {args.seed}; it has to lie between 0 and {2**32 - 1}")
    seed = int(np.random.SeedSequence().generate_state(1)[0]) if args.seed is None else args.seed
    song = midi.load(args.midi_file) if args.midi_file else None
    cache = gansynth.NoteCache() if args.cache else None
    model = gansynth.load(args.checkpoint or args.ckpt_dir, args.precision, cache)
    folder = Path(args.output_dir)
    print(f"{model}, seed {seed}")
    if song is None:
        return random_notes(model, args.batch_size or BATCH_SIZE, seed, folder)
    if args.each_track:
        parts = None
    elif args.faithful:
        notes = render.original_notes(song)
        seconds = notes[-1].end if notes else 0.0  # the end of the note listed last, not of the last one to end
        parts = instruments.Timeline.original(model, seconds, seed, args.secs_per_instrument)
    else:
        parts = instruments.Timeline.random(model, song.seconds, seed, args.secs_per_instrument)
    choices = {name: getattr(args, name) for name in (*CHOICES, "sample_rate", "loudness")}
    clip = render.render(model, song, parts, faithful=args.faithful, seed=seed, batch_size=args.batch_size, **choices)
    print(clip.report)
    return [audio.write(clip, folder / CLIP_NAME, encoding="float"), clip.report.save(folder / REPORT_NAME)]


def random_notes(model, n: int, seed: int, folder: Path) -> list[Path]:
    """n notes of random instruments and pitches as generated_0.wav, …, at the level the model gives them.

    The original draws pitches by how often the training set has them; here each is equally likely.
    """
    from . import audio

    pitches = np.random.RandomState(seed).randint(MIN_PITCH, MAX_PITCH + 1, n)
    waves = model.generate(model.sample_z(n, seed), pitches)
    clips = [audio.Audio(wave, model.sample_rate) for wave in waves]
    return [audio.write(clip, folder / f"generated_{i}.wav", encoding="float") for i, clip in enumerate(clips)]


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; a user's mistake is one line on standard error and exit status 1."""
    args = parser().parse_args(argv)
    began = time.monotonic()
    try:
        written = run(args)
    except (ValueError, OSError, ImportError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    for path in written:
        print(path)
    print(f"done in {time.monotonic() - began:.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
