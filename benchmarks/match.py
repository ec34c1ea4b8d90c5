"""`make bench-match`: how close the instrument found for a recording comes to it, note by note.

    python benchmarks/match.py [--only notes own full] [--latents 20] [--free "first layer"]

No test depends on these numbers, which are in docs/benchmarks.md.

notes: eight notes of NSynth, which were not used to fit the demo: distance (dB) to the nearest instrument and to the
  match, and that of the round trip through the representation; deviation (cents) at the recorded pitch, relative to the
  recording's own tuning, and a fifth up and down.
own: notes that the demo itself generates from random latents, at random pitches: how closely they are recovered.
full: the published architecture with random weights: seconds and memory.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
from memory import peak_memory
from speed import random_model

from helpers import gansynth, matching
from helpers.gansynth import GANSynth, inversion
from helpers.gansynth.config import MAX_PITCH, MIN_PITCH
from helpers.matching import fitting

NOTES = sorted((Path(__file__).resolve().parents[1] / "tests" / "data" / "nsynth").glob("*.flac"))
SEED = 23  # of latents and pitches that were not used during development
IN_TUNE = 15.0  # cents
NEAR = 1.5  # dB, distance within which a note of the model counts as recovered


def shown(cents: float) -> str:
    return f"{cents:+4.0f}" if np.isfinite(cents) else "   –"


def notes(model: GANSynth, free: str) -> None:
    print("note  pitch          nearest instrument dB  match  gain  back   cents  others      s  CPU s")
    gains, tuned = [], []
    for path in NOTES:
        recording = matching.read(path)
        found_notes = matching.find_notes(recording)
        used = time.process_time()
        found = matching.match(model, recording, found_notes, free=free, progress=False)
        used = time.process_time() - used
        gains.append(found.nearest_distance - found.distance)
        off = [*(note.cents for note in found.notes), *(other.cents for other in found.others)]
        tuned += [abs(value) <= IN_TUNE for value in off if np.isfinite(value)]
        others = " ".join(shown(other.cents) for other in found.others)
        print(
            f"{path.stem[-2:]}    {found_notes[0].pitch:3d} {found.cents:+4.0f} cents  {found.nearest.name:18s} "
            f"{found.nearest_distance:4.1f}  {found.distance:5.1f}  {gains[-1]:4.1f}  {found.round_trip:4.1f}   "
            f"{shown(found.notes[0].cents)}   {others}  {found.seconds:5.0f}  {used:5.0f}",
            flush=True,
        )
    print(
        f"{sum(gain >= 0 for gain in gains)} of {len(gains)} not farther than the nearest instrument; closer by "
        f"{np.median(gains):.1f} dB in the median; {sum(tuned)} of {len(tuned)} pitches within {IN_TUNE:g} cents"
    )


def own(model: GANSynth, count: int) -> None:
    random = np.random.RandomState(SEED)
    pitches = random.randint(MIN_PITCH, MAX_PITCH + 1, size=count)
    off, back = [], []
    for z, pitch in zip(model.sample_z(count, SEED), pitches.tolist(), strict=True):
        wave = model.generate(z, [pitch], progress=False)[0]
        recording = matching.recording(0.5 * wave / np.abs(wave).max(), model.sample_rate)
        found = matching.match(
            model, recording, matching.find_notes(recording, pitch=pitch), seed=SEED + 1, progress=False
        )
        off.append(found.distance)
        # The recording is tuned before matching, so it differs from the model's note; compare with that note as well.
        played = model.generate(found.instrument.z[None], [pitch], progress=False)
        compared = round(fitting.COMPARED_SECONDS * model.sample_rate)
        back.append(float(inversion.distances(played[:, :compared], wave[:compared], model.sample_rate)[0]))
        before = f"{found.nearest_distance:.1f} dB before, {off[-1]:.1f} after"
        print(f"own: MIDI {pitch} {found.cents:+.0f} cents, {before}; {back[-1]:.1f} from the note itself", flush=True)
    for what, values in (("tuned recording", off), ("note itself", back)):
        near = np.mean(np.array(values) <= NEAR)
        print(f"own: {near:.0%} of {count} within {NEAR:g} dB of the {what}, {np.median(values):.1f} dB in the median")


def full() -> None:
    model, recording = random_model(), matching.read(NOTES[0])
    found_notes = matching.find_notes(recording)
    with peak_memory() as peak:
        found = matching.match(model, recording, found_notes, progress=False)
    print(
        f"full: published size, random weights, {found.seconds:.0f} s, {peak[0]:.0f} MB, {found.nearest_distance:.1f} "
        f"dB before, {found.distance:.1f} after"
    )


def main() -> None:
    parts = ["notes", "own", "full"]
    parser = argparse.ArgumentParser(description="Measure how close matches come to recordings.")
    parser.add_argument("--only", nargs="+", choices=parts, default=parts)
    parser.add_argument("--latents", type=int, default=20)
    parser.add_argument("--free", choices=["latent", "first layer"], default="latent")
    args = parser.parse_args()
    model = gansynth.load("demo")
    if "notes" in args.only:
        notes(model, args.free)
    if "own" in args.only:
        own(model, args.latents)
    if "full" in args.only:
        full()


if __name__ == "__main__":
    main()
