"""`make bench-many`: sixty of music21's scores in one process and by two workers: the same files, and how much sooner.

Both are whole commands, start included, with the bundled model, an instrument for each track, and one thread for
TensorFlow in each process. On a machine that has other work, the clock says little. Therefore seconds of processor are
told too, of all processes of a command. `python benchmarks/many.py 6` takes six scores.

`python benchmarks/many.py notes` renders nothing: it tells how many notes and distinct sounds real scores have, what
they cost by the measured seconds of a note, and from how many scores on it pays to share notes (docs/scale.md).
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import corpus
import numpy as np

from helpers import gansynth, instruments, many, midi, render
from helpers.errors import one_line
from helpers.gansynth.shared import BLOCK
from helpers.render import planning

SCORES, WORKERS = 60, 2
MOST_NOTES = 150  # of a score that is rendered: it is to be many, and not to take the day
OF_MUSIC21 = 429  # with the 71 of other packages, 500
FLAGS = ("--checkpoint=demo", "--each_track", "--seed=1", "--threads=1", "--no-cache")
LENGTHS = (0.5, 1.0, 2.0, 4.0)  # s
ROUNDS = 5
QUANTILES = (10, 50, 90, 99)  # %


def run(scores: list[Path], folder: Path, *more: str) -> tuple[float, float]:
    """Seconds by the clock, and of all processors, of one command."""
    command = [sys.executable, "-m", "helpers.generate", *map(str, scores), *FLAGS, f"--output_dir={folder}", *more]
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    wall, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def clips(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.wav")}


def compare(count: int) -> int:
    """Render with one process and with workers, and compare the files."""
    scores: list[Path] = []
    for path in corpus.music21(8 * count):
        if len(midi.load(path).notes) <= MOST_NOTES:
            scores.append(path)
    scores = scores[:count]
    print(f"{len(scores)} scores, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}", flush=True)
    with tempfile.TemporaryDirectory() as temporary:
        one, several = Path(temporary, "one"), Path(temporary, "several")
        alone = run(scores, one)
        print(f"one process: {alone[0]:.0f} s by the clock, {alone[1]:.0f} s of processor", flush=True)
        shared = run(scores, several, f"--workers={WORKERS}")
        print(f"{WORKERS} workers: {shared[0]:.0f} s by the clock, {shared[1]:.0f} s of processor")
        expected, got = clips(one), clips(several)
    same = sum(got.get(name) == content for name, content in expected.items())
    print(f"{same} of {len(scores)} clips are the same to the last bit")
    print(f"times as fast by the clock: {alone[0] / shared[0]:.2f}; the workers took {shared[1] / alone[1]:.2f} times")
    print("the seconds of processor")
    return 0 if same == len(scores) == len(got) else 1


if __name__ == "__main__":
    sys.exit(compare(int(sys.argv[1]) if len(sys.argv) > 1 else SCORES))
