"""`make bench-many`: sixty of music21's scores rendered in one process and by two workers: same files, and speed-up.

Both are complete commands, including start-up, with the bundled model, an instrument for each track, and one thread for
TensorFlow in each process. On a busy machine, wall-clock time means little; therefore the CPU seconds of all processes
of a command are printed too. `python benchmarks/many.py 6` uses six scores.

`python benchmarks/many.py notes` renders nothing: it prints how many notes and distinct sounds real scores have, their
cost according to the measured time per note, and the number of scores from which sharing notes pays (docs/scale.md).
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
MOST_NOTES = 400  # of a score that is rendered, to limit the total time
OF_MUSIC21 = 429  # which gives 500 with the 71 files of other packages
FLAGS = ("--checkpoint=demo", "--each_track", "--seed=1", "--threads=1", "--no-cache")
LENGTHS = (0.5, 1.0, 2.0, 4.0)  # s
ROUNDS = 5
QUANTILES = (10, 50, 90, 99)  # %
BAND = 5  # tracks from which a file counts as an arrangement, like most of the Lakh MIDI dataset
ORDERS = 20  # number of random orders of the scores


def run(scores: list[Path], folder: Path, *more: str) -> tuple[float, float]:
    """Wall-clock seconds and CPU seconds of one command."""
    command = [sys.executable, "-m", "helpers.generate", *map(str, scores), *FLAGS, f"--output_dir={folder}", *more]
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    wall, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def clips(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.wav")}


def compare(count: int) -> int:
    """Render with one process and with workers, and compare the files."""
    with contextlib.closing(corpus.music21()) as paths:  # otherwise it would continue to convert
        scores = list(itertools.islice((path for path in paths if len(midi.load(path).notes) <= MOST_NOTES), count))
    print(f"{len(scores)} scores, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}", flush=True)
    with tempfile.TemporaryDirectory() as temporary:
        one, several = Path(temporary, "one"), Path(temporary, "several")
        alone = run(scores, one)
        print(f"one process: {alone[0]:.0f} s wall-clock time, {alone[1]:.0f} CPU seconds", flush=True)
        shared = run(scores, several, f"--workers={WORKERS}")
        print(f"{WORKERS} workers: {shared[0]:.0f} s wall-clock time, {shared[1]:.0f} CPU seconds")
        expected, got = clips(one), clips(several)
    same = sum(got.get(name) == content for name, content in expected.items())
    print(f"{same} of {len(scores)} clips are bit-identical")
    print(f"{alone[0] / shared[0]:.2f} times as fast, with {shared[1] / alone[1]:.2f} times the CPU time")
    return 0 if same == len(scores) == len(got) else 1


# ---- Without rendering: notes of real scores, and their cost ---------------------------------------------------------


def batch_seconds(model: gansynth.GANSynth) -> np.ndarray:
    """CPU seconds for a batch of `BLOCK` notes of each of LENGTHS: the minimum of ROUNDS rounds."""
    z, pitches = model.sample_z(BLOCK, 0), np.arange(BLOCK) + 60
    taken = np.full((ROUNDS, len(LENGTHS)), np.inf)
    for number in range(ROUNDS):
        for column, length in enumerate(LENGTHS):
            began = time.process_time()
            model.generate(z, pitches, length, batch_size=BLOCK, progress=False)
            taken[number, column] = time.process_time() - began
    return taken.min(axis=0)


def lookup_seconds(model: gansynth.GANSynth) -> float:
    """CPU seconds to read a whole note from a cache."""
    wave = model.generate(model.sample_z(1, 0), [60], progress=False)[0]
    with tempfile.TemporaryDirectory() as temporary:
        cache = gansynth.NoteCache(temporary)
        cache.put("note", wave)
        began = time.process_time()
        for _ in range(100):
            cache.get("note", len(wave))
        return (time.process_time() - began) / 100


class Needs:
    """The needs of a score: numbers of notes and distinct sounds, duration of each sound, and the blocks of sounds."""

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
        """CPU seconds for its sounds without sharing: in batches of similar length, as when rendering."""
        lengths = np.sort(self.lengths)[::-1]
        longest = lengths[np.arange(len(lengths)) // BLOCK * BLOCK]
        return float(np.interp(longest, LENGTHS, batches).sum() / BLOCK)


def crossover(needs: list[Needs], batches: np.ndarray, lookup: float) -> list[int]:
    """The number of scores from which sharing costs less, for each of ORDERS random orders, sorted."""
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
    """Print the distribution of the needs of a set of scores, and their cost."""
    print(f"\n{title}: {len(needs)} scores")
    rows = {
        "notes": [need.notes for need in needs],
        "distinct sounds": [len(need.lengths) for need in needs],
        "s per sound": np.concatenate([need.lengths for need in needs]),
    } | {f"CPU s per score, {name}": [need.seconds(batches) for need in needs] for name, batches in costs.items()}
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
            f"{name}: {alone:.0f} CPU s if each generates its own, {shared:.0f} if they share {len(blocks)} blocks; "
            "sharing"
        )
        print(
            f"  costs less from {middle} scores on (median of {ORDERS} orders, "
            f"{least} to {most}; {len(needs) + 1} means never)"
        )


def notes(of_music21: int) -> int:
    """Measure the cost of notes, and print the needs of real scores."""
    from speed import random_model  # of the published size

    gansynth.use_threads(1)
    model = gansynth.load("demo")
    costs = {"demo": batch_seconds(model), "published size": batch_seconds(random_model())}
    lookup = lookup_seconds(model)
    for name, batches in costs.items():
        each = ", ".join(
            f"{1000 * s / BLOCK:.0f} ms at {length:g} s" for length, s in zip(LENGTHS, batches, strict=True)
        )
        print(f"CPU time per note in a batch of {BLOCK}, one thread, {name}: {each}")
    print(f"a note read from the cache: {1000 * lookup:.2f} ms")
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
    tell(f"MIDI files of other packages with {BAND} tracks or more", several, costs, lookup)
    tell("all", [need for needs in groups.values() for need in needs], costs, lookup)
    return 0


if __name__ == "__main__":
    given = [int(word) for word in sys.argv[1:] if word.isdigit()]
    sys.exit(notes(*given or [OF_MUSIC21]) if "notes" in sys.argv else compare(*given or [SCORES]))
