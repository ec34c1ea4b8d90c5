"""`make bench-explore`: accuracy and speed of steering, of reaching a spectral centroid, and of family recognition.

    python benchmarks/explore.py [--instruments 50] [--only steering ear reach families seconds]

Measured with the demo and its bundled atlas. No test depends on these numbers, which are in docs/benchmarks.md.

steering: random instruments that were not used to fit the directions are moved by 0.5, 1 and 1.5 standard deviations
  along each named direction, and measured at C4: how often the descriptor moves the right way, by how much, what else
  changes, and how far the pitch deviates. Instruments above the atlas' median are moved down, and those below it up,
  because a sound that is fully sustained cannot be sustained more.
ear: the same with `timbre.by_ear`, which measures the result and corrects it.
reach: the same instruments, each moved to the centroid of another one.
families: each General MIDI program of the small soundfont that comes with pretty_midi, whose notes were not used to
  fit the demo: whether the nearest instrument of the demo belongs to its family, and whether the nearest other program
  does.
seconds: duration of a search, of fitting directions, of one move of a slider, and of describing 512 instruments of the
  demo and of a model of the published size.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from speed import random_model

from helpers import casting, gansynth, instruments, timbre
from helpers.gansynth import GANSynth
from helpers.gansynth.config import Config
from helpers.instruments import Instrument
from helpers.midi import note_hertz
from helpers.pitch import pyin
from helpers.timbre import atlases
from helpers.timbre.descriptors import cepstra
from helpers.training.dataset import open_sounds

SEED = 7  # of instruments that are in no atlas
PITCH = 60
STEPS = (0.5, 1.0, 1.5)  # standard deviations
IN_TUNE = 15.0  # cents
NEAR = 0.1  # relative deviation from the target centroid that counts as reached
SLIDER_SECONDS = 1.0  # duration of the note played after a move of a slider


def heard(model: GANSynth, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Descriptors of notes at PITCH, [n, descriptors], and their deviations from it in cents, [n]."""
    notes = model.generate(z, [PITCH] * len(z), progress=False)
    values = [list(timbre.describe_note(note, PITCH, model.sample_rate).values()) for note in notes]
    return np.array(values), np.array([pyin(note, PITCH, model.sample_rate) for note in notes])


def estimated(turn: timbre.Directions, one: Instrument, name: str, amount: float) -> Instrument:
    return turn.steer(one, **{name: amount})


def listened(turn: timbre.Directions, one: Instrument, name: str, amount: float) -> Instrument:
    return timbre.by_ear(turn, one, PITCH, **{name: amount}).instrument


def steering(
    model: GANSynth,
    atlas: timbre.Atlas,
    count: int,
    steer: Callable[[timbre.Directions, Instrument, str, float], Instrument],
) -> None:
    turn = timbre.directions(atlas)
    chosen = instruments.sample(model, count, SEED)
    before, tuned = heard(model, np.stack([one.z for one in chosen]))
    usable = np.abs(tuned) <= IN_TUNE
    deviations = np.array([turn.deviations[name] for name in timbre.NAMES])
    print(f"{'direction':14s} right way  per SD asked  in tune   what else moves (SD, for 1 asked)")
    right_all, tuned_all = [], []
    for name in turn:
        column, ways, pitches = timbre.NAMES.index(name), [], []
        signs = np.where(before[:, column] < np.median(atlas.values[:, column]), 1.0, -1.0)
        for step in STEPS:
            turned = [steer(turn, one, name, step * sign) for one, sign in zip(chosen, signs, strict=True)]
            values, cents = heard(model, np.stack([one.z for one in turned]))
            ways.append(signs[:, None] * (values - before) / deviations)
            pitches.append(np.abs(cents[usable]) <= IN_TUNE)
        moved = np.array(ways)  # [steps, instruments, descriptors]
        right, in_tune = moved[:, :, column] > 0, np.array(pitches)
        right_all.append(right)
        tuned_all.append(in_tune)
        drift = np.median(moved[1], axis=0)
        others = sorted((i for i in range(len(drift)) if i != column), key=lambda i: -abs(drift[i]))[:3]
        beside = ", ".join(f"{timbre.NAMES[i]} {drift[i]:+.1f}" for i in others)
        print(f"{name:14s} {right.mean():9.0%} {drift[column]:13.2f} {in_tune.mean():8.0%}   {beside}", flush=True)
    print(f"{'all':14s} {np.mean(right_all):9.1%} {'':13s} {np.mean(tuned_all):8.1%}")


def reach(model: GANSynth, count: int) -> None:
    chosen = instruments.sample(model, count, SEED)
    before, _ = heard(model, np.stack([one.z for one in chosen]))
    wanted = note_hertz(PITCH) * 2 ** np.roll(before[:, 0], 1)
    began = time.monotonic()
    found = [timbre.reach(model, one, centroid, PITCH) for one, centroid in zip(chosen, wanted, strict=True)]
    seconds = (time.monotonic() - began) / count
    off = np.array([[np.log(one.centroids[end] / one.wanted) for end in (0, -1)] for one in found])
    near = np.abs(np.expm1(off)) <= NEAR
    steps = np.mean([len(one.centroids) - 1 for one in found])
    print(
        f"reach: {near[:, 1].mean():.0%} within {NEAR:.0%} of the wanted centroid, {near[:, 0].mean():.0%} before;",
        end=" ",
    )
    worse = np.sum(np.abs(off[:, 1]) > np.abs(off[:, 0]))
    print(f"{worse} farther away than before; {seconds:.1f} s and {steps:.1f} steps each")


def retrieval(model: GANSynth, atlas: timbre.Atlas) -> None:
    families = {row["name"]: row["family"] for row in model.about["instruments"]}
    described = {
        one.name: row for one, row in zip(atlas.instruments, atlas.features, strict=True) if one.name in families
    }
    theirs, known = np.array(list(described.values())), np.array([families[name] for name in described])
    programs = [program for program, family in enumerate(casting.FAMILIES) if family]
    notes = {}
    for pitch in atlases.PITCHES:
        sounds = open_sounds("soundfont:", Config(), pitches=(pitch, pitch), programs=programs)
        for number, wave in sounds.read(range(len(sounds))):
            row = [*timbre.describe_note(wave, pitch, 16000).values(), *cepstra(wave, 16000)]
            notes.setdefault(programs[number], []).append(row)
    rows = np.array(
        [[*np.median(r, axis=0)[: len(timbre.NAMES)], *np.mean(r, axis=0)[len(timbre.NAMES) :]] for r in notes.values()]
    )
    truth = np.array([casting.FAMILIES[program] for program in notes])
    scale = rows.std(axis=0)
    scale[timbre.NAMES.index("loudness")] = np.inf  # it depends on the levels of the soundfont
    here = np.linalg.norm((rows[:, None] - theirs) / scale, axis=2)
    among = np.linalg.norm((rows[:, None] - rows) / scale, axis=2) + np.diag([np.inf] * len(rows))
    chance = max(np.mean(truth == family) for family in set(truth))
    print(f"families of {len(truth)} programs: nearest instrument", end=" ")
    print(f"{np.mean(known[here.argmin(axis=1)] == truth):.0%} correct,", end=" ")
    print(f"nearest other program {np.mean(truth[among.argmin(axis=1)] == truth):.0%}, the largest family {chance:.0%}")


def seconds(model: GANSynth, atlas: timbre.Atlas) -> None:
    def timed(what: str, call: Callable[[], Any], times: int = 5) -> None:
        call()
        taken = []
        for _ in range(times):
            began = time.monotonic()
            call()
            taken.append(time.monotonic() - began)
        print(f"{what:44s} {np.median(taken):8.3f} s")

    turn = timbre.directions(atlas)
    one = instruments.sample(model, 1, SEED)[0]

    def slider() -> None:
        turned = turn.steer(one, brightness=np.random.default_rng().normal())
        model.generate(turned.z[None], [PITCH], duration=SLIDER_SECONDS, progress=False)

    timed("find", lambda: atlas.find("bright plucked", n=5))
    timed("directions", lambda: timbre.directions(atlas), 3)
    timed("a move of a slider, and its note", slider, 20)
    for title, plays in (("demo", model), ("published size", random_model())):
        some = instruments.sample(plays, 48, SEED)
        atlases.describe(plays, some[:16], progress=False)  # compiles the network
        began = time.monotonic()
        atlases.describe(plays, some[16:], progress=False)
        taken = (time.monotonic() - began) / len(some[16:]) * atlases.SIZE
        print(f"{f'{atlases.SIZE} instruments described, {title}':44s} {taken:8.0f} s (from {len(some) - 16})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--instruments", type=int, default=50)
    parts = ("steering", "ear", "reach", "families", "seconds")
    parser.add_argument("--only", nargs="+", choices=parts, default=parts)
    args = parser.parse_args()
    model = gansynth.load("demo")
    atlas = timbre.atlas(model)
    if "seconds" in args.only:
        seconds(model, atlas)
    if "families" in args.only:
        retrieval(model, atlas)
    if "reach" in args.only:
        reach(model, args.instruments)
    if "steering" in args.only:
        steering(model, atlas, args.instruments, estimated)
    if "ear" in args.only:
        steering(model, atlas, args.instruments, listened)


if __name__ == "__main__":
    main()
