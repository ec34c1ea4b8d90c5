"""`make bench-render`: clicks, loop seams and memory of the render engine, measured on the bundled model.

No test depends on these numbers, which are in the README.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator

import numpy as np
from memory import peak_memory

from helpers import gansynth, instruments, midi, render
from helpers.gansynth import GANSynth
from helpers.render import original, shaping

PITCHES = (24, 36, 48, 60, 72, 84)
HOLDS = (0.001, 0.003, 0.005, 0.01, 0.03, 0.1)  # s
COUNTS, SECONDS, TRACKS = (300, 20_000), 2_340.0, 8
STEADY = 0.5  # a sound whose level falls to no less than this share in a second counts as sustained


def jump(wave: np.ndarray) -> float:
    """The largest step from one sample to the next, including those from and to silence."""
    return float(np.abs(np.diff(wave, prepend=0.0, append=0.0)).max())


def sounds(model: GANSynth) -> Iterator[tuple[str, int, np.ndarray]]:
    """Notes of 3.3 s of every instrument at PITCHES."""
    for name, instrument in instruments.named(model).items():
        for pitch, wave in zip(
            PITCHES, model.generate(instrument.z, PITCHES, duration=3.3, progress=False), strict=True
        ):
            yield name, pitch, wave.astype(np.float64)


def clicks(waves: list[np.ndarray], rate: int) -> None:
    """Print the steepest step of short notes, relative to that of a long note of the same sound."""
    print(f"Clicks: steepest step of a note relative to that of a long note of the same sound, {len(waves)} sounds")
    ways = {
        "here": lambda wave, hold: render.shape_note(wave, hold, 127, sample_rate=rate),
        "original": lambda wave, hold: original.shape_note(wave, hold, 127, rate),
    }
    for hold in HOLDS:
        for name, shape in ways.items():
            ratios = np.array([jump(shape(wave, hold)) / jump(shape(wave, shaping.HELD)) for wave in waves])
            above = np.mean(ratios > 1 + 1e-6)
            print(f"  {1000 * hold:5.0f} ms  {name:<9} worst {ratios.max():5.2f}   notes above 1: {above:.1%}")


def seams(rows: list[tuple[str, int, np.ndarray]], rate: int) -> None:
    """Print how seamless loops are, for all sounds and for sustained ones."""
    table = []
    for _, _, wave in rows:
        loop = shaping.find_loop(wave, rate)
        longer = shaping.extend(wave, loop, 10 * rate, rate)
        room = slice(loop.end - int(shaping.LOOP_SEAM * rate), loop.end + 1)
        steepest = np.abs(np.diff(wave[int(shaping.LOOP_FROM * rate) : loop.end])).max()
        per_second = loop.decay ** (rate / (loop.end - loop.start))
        table.append((loop.likeness, np.abs(np.diff(longer[room])).max() / steepest, per_second))
    likeness, steps, decays = np.array(table).T
    for name, chosen in (("all", decays > 0), ("sustained", decays > STEADY)):
        print(
            f"Seams, {name}: {chosen.sum()} loops, likeness median {np.median(likeness[chosen]):.2f}, "
            f"5 % below {np.percentile(likeness[chosen], 5):.2f}; steepest step in the seam relative to that of the "
            f"steady part: median {np.median(steps[chosen]):.2f}, worst {steps[chosen].max():.2f}"
        )


def long_song(count: int) -> midi.Song:
    """A song of `count` notes of all lengths and pitches on several panned tracks."""
    rng = np.random.RandomState(0)
    tracks = []
    for i in range(TRACKS):
        starts = np.sort(rng.uniform(0, SECONDS, count // TRACKS))
        lengths, pitches = rng.lognormal(-0.7, 1.0, len(starts)), rng.randint(24, 85, len(starts))
        rows = zip(pitches.tolist(), rng.randint(30, 128, len(starts)).tolist(), starts, starts + lengths, strict=True)
        pan = {"pan": ((0.0, 2 * i / (TRACKS - 1) - 1),)}
        tracks.append(midi.Track(f"track {i}", 0, False, tuple(midi.Note(*row) for row in rows), pan))
    return midi.Song("long", tuple(tracks))


def main() -> int:
    model = gansynth.load("demo")
    rows = list(sounds(model))
    clicks([wave for _, _, wave in rows], model.sample_rate)
    seams(rows, model.sample_rate)
    for count in COUNTS:
        song, began = long_song(count), time.monotonic()
        with peak_memory() as peak:
            clip = render.render(model, song, progress=sys.stderr.isatty())
        took = time.monotonic() - began
        original = count * model.config.audio_length * 4 / 1e6
        print(
            f"Memory: {count} notes, {clip.duration:.0f} s, stereo, {clip.report.distinct} sounds, {took:.0f} s: "
            f"{peak[0]:.0f} MB beyond the loaded model (the original holds {original:.0f} MB of notes)"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
