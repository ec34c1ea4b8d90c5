"""`make bench`: the speed-up from each optimization of the generator, in one run, on the published architecture.

Weights are random, since speed does not depend on them. The effect of lower precision on the sound is measured with the
bundled model. Takes about half an hour on two cores; the output is in docs/benchmarks.md.
"""

from __future__ import annotations

import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

import numpy as np
from memory import peak_memory
from tqdm.auto import tqdm

from helpers import compiled, gansynth, instruments, midi, render
from helpers.gansynth import GANSynth, NoteCache
from helpers.gansynth.backend import keras, ops, tf
from helpers.gansynth.checkpoint import Checkpoint, weight_shapes
from helpers.gansynth.config import NUM_PITCHES, Config
from helpers.gansynth.networks import upscale
from helpers.instruments import Timeline
from helpers.render.planning import plan, resolve
from helpers.render.types import Plan, Settings

librosa = compiled.librosa()

SCORES = Path(__file__).resolve().parents[1] / "tests" / "data" / "midi"
ROUNDS = 5
PLAIN_NOTES = 16  # of each song per round: without optimizations every note takes the same time
STAGE, STEP = 12, 11_000_000  # of the published models
PLAIN, OUTSIDE, MEMORY = "plain, whole notes", "not in the network", "memory"
LOW = "bfloat16"
PITCHES, HEARD = np.arange(36, 84, 6), 2.0  # pitches and duration (s) of the notes that are compared in two precisions
SQUARE = 4096  # size of the matrices used to measure the peak speed of the machine


def random_model(precision: str = "float32") -> GANSynth:
    """The published architecture with random weights."""
    config, rng = Config(), np.random.RandomState(0)
    shapes = weight_shapes(config, config.num_blocks(STAGE), config.progress(STAGE, STEP))
    weights = {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    return GANSynth(Checkpoint(config, weights, STAGE, STEP), "random", precision)


def unfold(model: GANSynth) -> GANSynth:
    """The same model with upsampling and convolution as two steps, as in the paper."""
    for conv0, _ in model.network.convs[1:]:

        def call(x, layer=conv0):
            x = ops.pad(upscale(x), [[0, 0], [1, 1], [1, 1], [0, 0]])
            return ops.conv(x, layer.kernel * layer.scale, padding="valid") + layer.bias

        conv0.call = call
    return model


def products(config: Config, folded: bool) -> float:
    """Number of multiply-add operations for a whole note."""
    channels, total = config.latent_vector_size + NUM_PITCHES, 0.0
    height, width = config.start_height, config.start_width
    for b in range(1, config.num_resolutions + 1):
        filters = config.filters(b)
        first = height * width if b == 1 else (4 if folded else 9)
        total += height * width * filters * (first * channels + 9 * filters)
        channels, height, width = filters, 2 * height, 2 * width
    return total


def generate(model: GANSynth, notes: Plan) -> None:
    for _ in render.generate_notes(model, notes, progress=False):
        pass


def seconds_of(action: Callable[..., object], *args, **kwargs) -> float:
    began = time.perf_counter()
    action(*args, **kwargs)
    return time.perf_counter() - began


class Stopwatch:
    """Sums the time that a model spends in its network."""

    def __init__(self, model: GANSynth):
        self.seconds, self.inner = 0.0, model._data
        model._data = self

    def __call__(self, *args):
        began = time.perf_counter()
        data = self.inner(*args)
        self.seconds += time.perf_counter() - began
        return data


def measure_song(
    ours: GANSynth, plain: GANSynth, low: GANSynth, song: midi.Song, timeline: Timeline
) -> dict[str, float]:
    """Seconds for all notes of a song, by variant; and the share of the rendering outside the network, and memory."""
    notes = plan(song, resolve(ours, song, timeline), Settings(), ours.max_duration)
    some = slice(0, PLAIN_NOTES)
    few = seconds_of(plain.generate, notes.z[some], notes.pitches[some], progress=False)
    taken = {PLAIN: few * len(notes) / PLAIN_NOTES}
    if len(timeline.instruments) > 1:  # otherwise these two would take the same time
        taken["only what is heard"] = seconds_of(generate, plain, notes)
        taken["and folded kernels"] = seconds_of(generate, ours, notes)
    else:
        taken["that, and equal notes once"] = seconds_of(generate, ours, notes)
    watch = Stopwatch(ours)
    with peak_memory() as peak:
        whole = seconds_of(render.render, ours, song, timeline, progress=False)
    ours._data = watch.inner
    taken |= {"all of `render`": whole, OUTSIDE: 1 - watch.seconds / whole, MEMORY: peak[0]}
    taken[f"all of `render`, {LOW}"] = seconds_of(render.render, low, song, timeline, progress=False)
    with tempfile.TemporaryDirectory() as folder:
        ours.cache = NoteCache(folder)
        taken["all of `render`, filling a cache"] = seconds_of(render.render, ours, song, timeline, progress=False)
        taken["all of `render`, from the cache"] = seconds_of(render.render, ours, song, timeline, progress=False)
        ours.cache = None
    return taken


def measure(ours: GANSynth, plain: GANSynth, low: GANSynth, songs: list[midi.Song], turn: int) -> dict[tuple, float]:
    """One round of all measurements."""
    square = tf.random.normal([SQUARE, SQUARE])
    taken = {("ceiling",): SQUARE**3 / seconds_of(lambda: float(tf.reduce_sum(square @ square)))}
    z, pitches = ours.sample_z(8, turn), np.arange(50, 58)
    for name, model, fresh in (("plain", plain, unfold(random_model())), ("here", ours, random_model())):
        taken["whole", name] = seconds_of(model.generate_data, z, pitches) / len(z)
        taken["first", name] = seconds_of(fresh.generate, z[:1], pitches[:1], 0.5 if name == "here" else None)
    held = Timeline.hold(instruments.sample(ours, 1, seed=1)[0])
    for song in songs:
        for kind, timeline in (("moving", Timeline.random(ours, song.duration, seed=1)), ("held", held)):
            for variant, value in measure_song(ours, plain, low, song, timeline).items():
                taken[f"{song.name}, {kind}", len(song.notes), variant] = value
    return taken


def spectrum(wave: np.ndarray) -> np.ndarray:
    return np.abs(librosa.stft(wave, n_fft=1024))


def difference() -> str:
    """The effect of lower precision on the notes of the bundled model."""
    model, low = gansynth.load("demo"), gansynth.load("demo", LOW)
    convergence, cents, decibels = [], [], []
    for instrument in instruments.named(model).values():
        pairs = zip(*(m.generate(instrument.z, PITCHES, HEARD, progress=False) for m in (model, low)), strict=True)
        for pitch, (wave, other) in zip(PITCHES, pairs, strict=True):
            a, b = spectrum(wave), spectrum(other)
            convergence.append(np.linalg.norm(a - b) / np.linalg.norm(a))
            loud = a > 1e-3 * a.max()
            decibels.append(np.sqrt(np.mean((20 * np.log10((b[loud] + 1e-9) / a[loud])) ** 2)))
            hertz = librosa.midi_to_hz(pitch)
            f0 = [
                np.median(librosa.yin(w[4000:], fmin=hertz / 1.5, fmax=hertz * 1.5, sr=model.sample_rate))
                for w in (wave, other)
            ]
            cents.append(abs(1200 * np.log2(f0[1] / f0[0])))
    rows = (("spectral convergence", convergence, ".3f"), ("dB", decibels, ".2f"), ("cents of pitch", cents, ".2f"))
    shown = (f"{name} {np.median(v):{f}} (95 % below {np.percentile(v, 95):{f}})" for name, v, f in rows)
    return f"- {LOW} against float32, {len(cents)} notes of the bundled model, medians: {', '.join(shown)}."


def main() -> int:
    songs = [midi.load(SCORES / f"{name}.mid") for name in ("bench300", "arpeggio60")]
    ours, plain, low = random_model(), unfold(random_model()), random_model(LOW)
    turns = tqdm(range(ROUNDS + 1), desc="rounds")
    rounds = [measure(ours, plain, low, songs, turn) for turn in turns][1:]  # the first one compiles

    def median(*key) -> float:
        return statistics.median(taken[key] for taken in rounds)

    machine = f"{date.today()}, {os.cpu_count()} cores ({platform.machine()}), Python {platform.python_version()}"
    print(f"{machine}, {keras.backend.backend()} {tf.__version__}, keras {keras.__version__}, numpy {np.__version__}.")
    print(f"Medians of {ROUNDS} rounds, in each of which everything is measured once.\n")
    print("| song, instruments | variant | s a note | s in all | times as fast |\n|---|---|---|---|---|")
    for name, count, variant in (key for key in rounds[0] if len(key) == 3 and key[2] not in (OUTSIDE, MEMORY)):
        ratio = statistics.median(taken[name, count, PLAIN] / taken[name, count, variant] for taken in rounds)
        total = median(name, count, variant)
        print(f"| {name} | {variant} | {total / count:.4f} | {total:.1f} | {ratio:.1f} |")
    print()
    for name, folded in (("plain", False), ("here", True)):
        amount, seconds, ceiling = products(ours.config, folded), median("whole", name), median("ceiling")
        rate = amount / seconds
        print(
            f"- A whole note, {name}: {seconds:.3f} s for {amount / 1e9:.1f} G products, {rate / 1e9:.0f} G/s, "
            f"{rate / ceiling:.0%} of what a large matrix product reaches ({ceiling / 1e9:.0f} G/s)."
        )
        print(f"- The first sound of a fresh model, {name}: {median('first', name):.2f} s.")
    for name, count in dict.fromkeys(key[:2] for key in rounds[0] if len(key) == 3):
        outside, megabytes = median(name, count, OUTSIDE), median(name, count, MEMORY)
        print(
            f"- {name}: {outside:.0%} of the rendering is not the network (inverse transform, mix, levels); "
            f"{megabytes:.0f} MB beyond the loaded model."
        )
    print(difference())
    return 0


if __name__ == "__main__":
    sys.exit(main())
