"""`make bench-train`: whether adversarial training learns anything within minutes, in numbers.

The model of `python -m helpers.train --tiny` is trained on five instruments of the bundled soundfont and one octave.
Measured before and after: the discriminator's loss; its pitch accuracy on held-out instruments and on generated notes;
and the tuning of generated notes according to an independent pitch tracker.

    python benchmarks/train.py --published     time per image of the published architecture instead

No test depends on these numbers.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import statistics
import sys
import tempfile

import numpy as np
from memory import peak_memory
from tqdm.auto import tqdm

from helpers.gansynth import GANSynth, spectral
from helpers.gansynth.config import MIN_PITCH, NUM_PITCHES, Config
from helpers.pitch import pyin
from helpers.train import TINY
from helpers.training import dataset
from helpers.training import trainer as training

IMAGES = 2_000
PITCHES = (60, 71)  # C4 to B4
SHOWN = {"violin": 40, "trumpet": 56, "oboe": 68, "clarinet": 71, "flute": 73}  # General MIDI programs, from 0
HELD_OUT = {"French horn": 60, "alto saxophone": 65, "piccolo": 72}
HEARD = 96  # generated notes: each pitch eight times
RATE = 3e-3  # learning rate of the discriminator: an octave is learned faster than the 61 pitches of `--tiny`
STEPS = 50  # losses are averaged over so many steps at the start and at the end
AT_ONCE = 8
MOST = 1_000  # larger factors are printed as "over 1,000"

IN_TUNE = 50  # cents

STAGES, BATCH = (0, 6, 12), 4  # of the published architecture: 2 x 16 pixels, 16 x 128, all 128 x 1024


def cents_off(waves: np.ndarray, pitches: np.ndarray, rate: int) -> np.ndarray:
    """Deviation of each note from its pitch (cents), measured with pYIN; infinity if there is no pitch."""
    off = np.array([abs(pyin(wave, pitch, rate)) for wave, pitch in zip(waves, pitches, strict=True)])
    return np.where(np.isnan(off), np.inf, off)


def told(trainer: training.Trainer, data: np.ndarray, labels: np.ndarray) -> float:
    """Pitch accuracy of the discriminator."""
    parts = (data[i : i + AT_ONCE] for i in range(0, len(data), AT_ONCE))
    logits = np.concatenate([np.asarray(trainer.discriminator.call(part)[1]) for part in parts])
    return float(np.mean(logits.argmax(axis=1) == labels))


@dataclasses.dataclass(frozen=True)
class Measured:
    real: float  # pitch accuracy of the discriminator on notes of HELD_OUT
    generated: float  # the same on generated notes
    cents: np.ndarray  # [HEARD], deviations of the generated notes according to the pitch tracker


def measure(trainer: training.Trainer, held: dataset.Notes, seed: int) -> Measured:
    """Measure the networks in their present state; the generator has averaged weights, and always the same latents."""
    pitches = PITCHES[0] + np.arange(HEARD) % (PITCHES[1] - PITCHES[0] + 1)
    z = np.random.RandomState([seed, HEARD]).normal(size=(HEARD, trainer.config.latent_vector_size))
    data = GANSynth(trainer.average()).generate_data(z, pitches, batch_size=AT_ONCE)
    waves = spectral.data_to_waves(data, trainer.config)
    real = told(trainer, held.batch(np.arange(len(held))), held.labels)
    off = cents_off(waves, pitches, trainer.config.sample_rate)
    return Measured(real, told(trainer, data, pitches - MIN_PITCH), off)


def learn(images: int, seed: int) -> None:
    """Train, and print the changes."""
    config = Config.from_dict({**TINY, "discriminator_learning_rate": RATE, "total_num_images": images})
    with tempfile.TemporaryDirectory() as cache:
        shown, held = (
            dataset.open_data(
                "soundfont:", config, cache, pitches=PITCHES, programs=tuple(programs.values()), progress=False
            )
            for programs in (SHOWN, HELD_OUT)
        )
        trainer, batches = training.Trainer(config, shown.pitch_counts, seed=seed), training.Shuffled(shown, seed)
        rows, before = [], measure(trainer, held, seed)
        with tqdm(total=images, unit="image") as bar:
            while not trainer.finished:
                rows.append(trainer.step(*batches(trainer.global_step, trainer.batch_size)))
                bar.update(trainer.batch_size)
        after = measure(trainer, held, seed)
        source = cents_off(
            spectral.data_to_waves(shown.batch(np.arange(len(shown))), config),
            shown.labels + MIN_PITCH,
            config.sample_rate,
        )

    def losses(name: str) -> tuple[float, float]:
        return tuple(statistics.mean(row[name] for row in some) for some in (rows[:STEPS], rows[-STEPS:]))

    print(
        f"{trainer.global_step:,} images in {trainer.seconds:.0f} s on {os.cpu_count()} cores, batches of "
        f"{trainer.batch_size}, {config.frames} x {config.bins} pixels; {len(shown)} notes of {', '.join(SHOWN)}; "
        f"seed {seed}\n"
    )
    print("| | before | after | change |\n|---|---|---|---|")

    def row(name: str, old: float, new: float, form: str, less: bool = False) -> None:
        worse, better = (old, new) if less else (new, old)
        if old == 0 or min(old, new) < 0:  # the change cannot be given as a factor
            change = f"{new - old:+{form}}"
        elif worse > MOST * better:
            change = f"over {MOST:,} times better"
        else:
            change = f"{worse / better:.1f} times better"
        print(f"| {name} | {old:{form}} | {new:{form}} | {change} |")

    row("discriminator's loss", *losses("discriminator_loss"), ".2f", less=True)
    row("... of which pitch loss", *losses("real_pitch_loss"), ".4f", less=True)
    row(f"pitch accuracy, {', '.join(HELD_OUT)}", before.real, after.real, ".1%")
    row(f"pitch accuracy, {HEARD} generated notes", before.generated, after.generated, ".1%")
    row("tracker: median deviation, cents", np.median(before.cents), np.median(after.cents), ".0f", less=True)
    tuned = [np.mean(cents < IN_TUNE) for cents in (before.cents, after.cents, source)]
    row(f"tracker: within {IN_TUNE} cents", *tuned[:2], ".1%")
    print(
        "\nA discriminator's loss below 0 means that the distance of real from generated notes exceeds its penalties. "
        f"Chance level of the pitch accuracy: {1 / NUM_PITCHES:.1%}.\n"
        f"The training notes after a round trip through spectrograms: {tuned[2]:.0%} within {IN_TUNE} cents."
    )


def published(seed: int) -> None:
    """Print the time per image of the published architecture."""
    config, rng = Config(), np.random.RandomState(seed)
    data = rng.normal(size=(BATCH, config.frames, config.bins, 2)).astype(np.float32)  # speed does not depend on it
    print(f"Published architecture, batches of {BATCH}, {os.cpu_count()} cores; the second step of each stage")
    for stage in STAGES:
        with peak_memory() as peak:
            trainer = training.Trainer(config, seed=seed, stage=stage)
            for _ in range(2):
                trainer.seconds = 0.0
                trainer.step(data, np.arange(BATCH))
        side = 2 ** (trainer.num_blocks - 1)
        size = f"{config.start_height * side} x {config.start_width * side}"
        print(f"  stage {stage:2}, {size:>10} pixels: {trainer.seconds / BATCH:6.2f} s per image, {peak[0]:,.0f} MB")


def main() -> int:
    flags = argparse.ArgumentParser(description="Measure what a tiny training run learns, or time the published one.")
    flags.add_argument("--images", type=int, default=IMAGES, help="number of images to train on (default: %(default)s)")
    flags.add_argument("--seed", type=int, default=0, help="random seed (default: %(default)s)")
    flags.add_argument("--published", action="store_true", help="time the published architecture instead")
    args = flags.parse_args()
    if args.published:
        published(args.seed)
    else:
        learn(args.images, args.seed)
    return 0


if __name__ == "__main__":
    sys.exit(main())
