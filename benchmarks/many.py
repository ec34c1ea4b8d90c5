"""`make bench-many`: sixty of music21's scores in one process and by two workers: the same files, and how much sooner.

Both are whole commands, start included, with the bundled model, an instrument for each track, and one thread for
TensorFlow in each process. On a machine that has other work, the clock says little. Therefore seconds of processor are
told too, of all processes of a command. `python benchmarks/many.py 6` takes six scores.

`python benchmarks/many.py notes` renders nothing: it tells how many notes and distinct sounds real scores have, what
they cost by the measured seconds of a note, and from how many scores on it pays to share notes (docs/scale.md).
"""

from __future__ import annotations

import contextlib
import itertools
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
MOST_NOTES = 400  # of a score that is rendered: it is to be many, and not to take the day
OF_MUSIC21 = 429  # with the 71 of other packages, 500
FLAGS = ("--checkpoint=demo", "--each_track", "--seed=1", "--threads=1", "--no-cache")
LENGTHS = (0.5, 1.0, 2.0, 4.0)  # s
ROUNDS = 5
QUANTILES = (10, 50, 90, 99)  # %
BAND = 5  # tracks from which on a file is an arrangement, as most of the Lakh set are
ORDERS = 20  # in which scores may come


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
    with contextlib.closing(corpus.music21()) as paths:  # or it would go on converting meanwhile
        scores = list(itertools.islice((path for path in paths if len(midi.load(path).notes) <= MOST_NOTES), count))
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
    print(f"by the clock {alone[0] / shared[0]:.2f} times as fast, with {shared[1] / alone[1]:.2f} times the processor")
    return 0 if same == len(scores) == len(got) else 1


# ---- Without a rendering: what real scores have, and what that costs -------------------------------------------------


def batch_seconds(model: gansynth.GANSynth) -> np.ndarray:
    """Seconds of processor for a batch of `BLOCK` notes of each of LENGTHS: the least of some rounds."""
    z, pitches = model.sample_z(BLOCK, 0), np.arange(BLOCK) + 60
    taken = np.full((ROUNDS, len(LENGTHS)), np.inf)
    for number in range(ROUNDS):
        for column, length in enumerate(LENGTHS):
            began = time.process_time()
            model.generate(z, pitches, length, batch_size=BLOCK, progress=False)
            taken[number, column] = time.process_time() - began
    return taken.min(axis=0)


def lookup_seconds(model: gansynth.GANSynth) -> float:
    """Seconds of processor to find a whole note in a cache."""
    wave = model.generate(model.sample_z(1, 0), [60], progress=False)[0]
    with tempfile.TemporaryDirectory() as temporary:
        cache = gansynth.NoteCache(temporary)
        cache.put("note", wave)
        began = time.process_time()
        for _ in range(100):
            cache.get("note", len(wave))
        return (time.process_time() - began) / 100


class Needs:
    """What a score needs: how many notes and distinct sounds, the s of each sound, and the blocks they belong to."""

    def __init__(self, model: gansynth.GANSynth, content: bytes, name: str):
        song = midi.parse(content, name)
        parts = planning.resolve(model, song, None, seed=many.seed_of(1, content))
        plan = planning.plan(song, parts, render.Settings(), model.max_duration)
        self.tracks, self.notes, sounds = len(song.tracks), len(plan), plan.sounds
        _, first = np.unique(sounds, return_index=True)
        self.lengths = np.zeros(len(first))
        np.maximum.at(self.lengths, sounds, plan.durations)
        self.blocks = {
            (plan.z[row].tobytes(), (int(plan.pitches[row]) - planning.MIN_PITCH) // BLOCK) for row in first.tolist()
        }

    def seconds(self, batches: np.ndarray) -> float:
        """Of processor for its sounds, if it shares none: in batches of like length, as it is rendered."""
        lengths = np.sort(self.lengths)[::-1]
        longest = lengths[np.arange(len(lengths)) // BLOCK * BLOCK]
        return float(np.interp(longest, LENGTHS, batches).sum() / BLOCK)


def crossover(needs: list[Needs], batches: np.ndarray, lookup: float) -> list[int]:
    """The number of scores from which on sharing has cost less, in each of many orders, least first."""
    own = np.array([need.seconds(batches) for need in needs])
    found = []
    for seed in range(ORDERS):
        order, seen, taken = np.random.RandomState(seed).permutation(len(needs)), set(), []
        for number in order:
            new = needs[number].blocks - seen
            seen |= new
            taken.append(len(new) * batches[-1] + lookup * len(needs[number].lengths))
        is_dearer = np.cumsum(taken) >= np.cumsum(own[order])
        found.append(int(np.flatnonzero(is_dearer).max(initial=-1)) + 2)
    return sorted(found)


def tell(title: str, needs: list[Needs], costs: dict[str, np.ndarray], lookup: float) -> None:
    """Print the distribution of some scores, and what they cost."""
    print(f"\n{title}: {len(needs)} scores")
    rows = {
        "notes": [need.notes for need in needs],
        "distinct sounds": [len(need.lengths) for need in needs],
        "s of a sound": np.concatenate([need.lengths for need in needs]),
    } | {f"CPU s of a score, {name}": [need.seconds(batches) for need in needs] for name, batches in costs.items()}
    print(f"{'':<34}{'mean':>9}" + "".join(f"{f'{q} %':>9}" for q in QUANTILES))
    for name, values in rows.items():
        print(f"{name:<34}{np.mean(values):9.2f}" + "".join(f"{v:9.2f}" for v in np.percentile(values, QUANTILES)))
    blocks = set().union(*(need.blocks for need in needs))
    for name, batches in costs.items():
        shared = len(blocks) * batches[-1] + lookup * sum(len(need.lengths) for need in needs)
        alone = sum(need.seconds(batches) for need in needs)
        found = crossover(needs, batches, lookup)
        least, middle, most = found[0], found[len(found) // 2], found[-1]
        print(
            f"{name}: {alone:.0f} CPU s if each makes its own, {shared:.0f} if they share {len(blocks)} blocks; sharing"
        )
        print(
            f"  costs less from {middle} scores on (median of {ORDERS} orders, "
            f"{least} to {most}; {len(needs) + 1} is never)"
        )


def notes(of_music21: int) -> int:
    """Measure the seconds of notes, and tell what real scores need."""
    from speed import random_model  # of the published size

    gansynth.use_threads(1)
    model = gansynth.load("demo")
    costs = {"demo": batch_seconds(model), "published size": batch_seconds(random_model())}
    lookup = lookup_seconds(model)
    for name, batches in costs.items():
        each = ", ".join(
            f"{1000 * s / BLOCK:.0f} ms at {length:g} s" for length, s in zip(LENGTHS, batches, strict=True)
        )
        print(f"a note in a batch of {BLOCK}, one thread, seconds of processor, {name}: {each}")
    print(f"a note found in the cache: {1000 * lookup:.2f} ms")
    with contextlib.closing(corpus.music21()) as paths:
        scores = {path.name: path.read_bytes() for path in itertools.islice(paths, of_music21)}
    groups: dict[str, list[Needs]] = {}
    sources = {"MIDI files of other packages": corpus.of_packages(), "music21": scores}
    for title, files in sources.items():
        groups[title] = []
        for name, content in files.items():
            try:
                groups[title].append(Needs(model, content, name))
            except ValueError as error:
                print(f"left out: {name}: {one_line(error)}")
    every = len(instruments.named(model)) * -(-(planning.MAX_PITCH - planning.MIN_PITCH + 1) // BLOCK)
    print(f"all notes of the demo's instruments: {every} blocks, {every * costs['demo'][-1]:.0f} CPU s")
    for title, needs in groups.items():
        tell(title, needs, costs, lookup)
    several = [need for need in groups["MIDI files of other packages"] if need.tracks >= BAND]
    tell(f"of other packages, those of {BAND} tracks or more", several, costs, lookup)
    tell("all", [need for needs in groups.values() for need in needs], costs, lookup)
    return 0


if __name__ == "__main__":
    given = [int(word) for word in sys.argv[1:] if word.isdigit()]
    sys.exit(notes(*given or [OF_MUSIC21]) if "notes" in sys.argv else compare(*given or [SCORES]))
