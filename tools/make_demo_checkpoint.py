"""Make the bundled `demo` checkpoint: a small generator fitted to notes of a freely licensed soundfont.

    python tools/make_demo_checkpoint.py render --work WORK --soundfont FluidR3_GM.sf2   # notes and spectrograms
    python tools/make_demo_checkpoint.py fit    --work WORK                              # stop and repeat at will
    python tools/make_demo_checkpoint.py fit    --work WORK --start data/checkpoints/demo   # only the last pass, on top
    python tools/make_demo_checkpoint.py export --work WORK --out data/checkpoints/demo
    python tools/check_demo_checkpoint.py       --work WORK --checkpoint data/checkpoints/demo

`render` needs the `fluidsynth` program (Debian: fluidsynth, fluid-soundfont-gm); everything else is in
requirements.txt. The result is described in data/checkpoints/demo/README.md.

How the fit works. Each instrument has a fixed latent, so the first convolution is, for these notes, the sum of a table
by instrument and a table by pitch. The tables are trained in its place (through the convolution a pitch would learn
hundreds of times more slowly than a latent, having one input where a latent has 256) and folded back into a kernel by
least squares at the end. Most of a spectrum, and nearly all of its frequencies, stay as they are while a note is held,
so:

1. steady, coherent: the same network without its time axis learns every note's mean spectrum and frequencies. A note
   is one column instead of 128 frames, so the whole set goes by hundreds of times.
2. windows: its kernels become the middle rows of the real ones, which then learn attack, decay and release from short
   windows in time; the generator computes just the rows that a window needs, exactly.
3. sound: more of the same, and the first window of a note is made into samples and compared as well, because an error
   of phase that hardly shows in a spectrogram may be a stroke that is late by 20 ms. Spectral centroids are compared
   too, in all windows, and asked to go one way over a voice, two points between, and another voice.

Kernels are trained by Muon, whose step has every direction of a kernel alike: after the same minutes the spectra's
error was two thirds of Adam's, and the frequencies' less than half. Frequencies are compared on the linear axis,
after the mel-to-linear matrix, because that is what is heard.

A voice is an instrument played loud or soft; each has a latent of its own. Half of what is learned lies between two
voices and has to sound like a crossfade of both: of magnitudes, because then the spectral centroid goes straight from
one to the other (between logarithms it does not for a third of the pairs), and at the frequencies of both.
"""

from __future__ import annotations

import argparse
import math
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from demo_losses import (
    LOUDNESS_EXPONENT,
    centroid_losses,
    centroids,
    click_loss,
    crossfade,
    image_losses,
    note_levels,
    stroke_loss,
)
from tqdm.auto import tqdm

from helpers import compiled
from helpers.files import replacing
from helpers.gansynth import spectral
from helpers.gansynth.checkpoint import COMPACT_NAME, Checkpoint, read, write
from helpers.gansynth.config import MIN_PITCH, NUM_PITCHES, Config

# name: (General MIDI program counted from 0, NSynth family)
INSTRUMENTS = {
    "Grand Piano": (0, "keyboard"),
    "Electric Piano": (4, "keyboard"),
    "Harpsichord": (6, "keyboard"),
    "Celesta": (8, "mallet"),
    "Glockenspiel": (9, "mallet"),
    "Music Box": (10, "mallet"),
    "Vibraphone": (11, "mallet"),
    "Marimba": (12, "mallet"),
    "Xylophone": (13, "mallet"),
    "Dulcimer": (15, "guitar"),
    "Drawbar Organ": (16, "organ"),
    "Church Organ": (19, "organ"),
    "Reed Organ": (20, "organ"),
    "Accordion": (21, "organ"),
    "Harmonica": (22, "reed"),
    "Nylon Guitar": (24, "guitar"),
    "Steel Guitar": (25, "guitar"),
    "Jazz Guitar": (26, "guitar"),
    "Acoustic Bass": (32, "bass"),
    "Fingered Bass": (33, "bass"),
    "Violin": (40, "string"),
    "Viola": (41, "string"),
    "Cello": (42, "string"),
    "Pizzicato": (45, "string"),
    "Harp": (46, "string"),
    "String Ensemble": (48, "string"),
    "Choir": (52, "vocal"),
    "Trumpet": (56, "brass"),
    "Trombone": (57, "brass"),
    "French Horn": (60, "brass"),
    "Alto Sax": (65, "reed"),
    "Oboe": (68, "reed"),
    "Bassoon": (70, "reed"),
    "Clarinet": (71, "reed"),
    "Flute": (73, "flute"),
    "Recorder": (74, "flute"),
    "Square Lead": (80, "synth_lead"),
    "Kalimba": (108, "mallet"),
    "English Horn": (69, "reed"),
    "Banjo": (105, "guitar"),
}

# The published model's filters in the first blocks, where weights are many and multiplications few, and half as many in
# the others: a third of its multiplications and most of its weights.
CONFIG = Config(fmap_base=2048, fmap_max=256)

# Rendering.
LOUD, SOFT = 110, 60  # velocities that are learned: the voices are all instruments loud, then all of them soft
BETWEEN = 85  # the velocity that is held out, to see what lies half way from loud to soft
HELD_SECONDS = 3.0  # as in NSynth: held for three seconds of four
SLOT_SECONDS = 6.0  # a note, and time to ring out before the next
RENDER_RATE = 32000  # Hz; resampled to 16 kHz with a proper filter
PEAK = 0.9  # of each instrument's loudest note
STEADY_FRAMES = slice(8, 92)  # after the attack and before the release

# Fitting.
QUIETEST = -12.0  # log power below which a mean spectrum is not followed
# Of the error of normalised magnitudes, beside the frequency loss; the second where the sound is compared as well.
MAGNITUDE_WEIGHT, MAGNITUDE_WEIGHT_BY_SOUND = 3.0, 4.5
STEADY_BATCH, WINDOW_BATCH = 32, 16  # notes a step
# Of a batch, as shares: plain voices, then two voices of one instrument, then any two, then one random mixture of all.
PLAIN, SAME_INSTRUMENT = 0.5, 0.125
WINDOW = 16  # frames
BEGINNING = WINDOW * CONFIG.hop_length - CONFIG.front_padding  # samples that the first window has all frames of
WINDOW_ODDS = [4, 2, 1, 1, 1, 1, 2, 0.5]  # of each window of a note: its attack and its release count more
COHERENCE_WEIGHT = 0.5  # of the phases of neighbouring bins against each other
STEADY_DRIFT = 8  # frames over which a steady part's neighbours must stay together
CENTROID_WEIGHT, WAY_WEIGHT = 1.5, 15.0  # of `centroid_losses`
STROKE_WEIGHT, CLICK_WEIGHT = 1.0, 0.2
MOMENTUM, ADAM_DECAY = 0.9, 0.99
WARM_UP = 100  # steps
AVERAGE_DECAY = 0.995  # of the moving average of the weights, which is what is kept
SAVE_EVERY = 120  # seconds
# Of each pass the learning rate (root mean square of a kernel's step; constant for 30 % of the steps, then half a
# cosine to nothing), and the steps.
PASSES = {"steady": (0.012, 5000), "coherent": (0.006, 2500), "windows": (0.004, 4800), "sound": (0.002, 16000)}
# The last pass has all, the others the first three.
LOSSES = ("magnitude", "frequency", "coherence", "centroid", "way", "stroke", "click")
SEED = 0


VOICES = [*INSTRUMENTS, *(f"{name}, soft" for name in INSTRUMENTS)]


def latents() -> np.ndarray:
    """The fixed latent of each voice: random directions, all of the length that the first layer expects."""
    z = np.random.RandomState(SEED).normal(size=(len(VOICES), CONFIG.latent_vector_size))
    return z * np.sqrt(CONFIG.latent_vector_size) / np.linalg.norm(z, axis=1, keepdims=True)


# ---------------------------------------------------------------------------------------------------------- render


def render_instrument(program: int, velocity: int, soundfont: Path) -> np.ndarray:
    """All pitches of one General MIDI program, the loudest at PEAK: float32 [pitches, samples] at the model's rate."""
    librosa = compiled.librosa()
    import pretty_midi
    import soundfile

    midi = pretty_midi.PrettyMIDI()
    track = pretty_midi.Instrument(program)
    for i in range(NUM_PITCHES):
        start = i * SLOT_SECONDS
        track.notes.append(pretty_midi.Note(velocity, MIN_PITCH + i, start, start + HELD_SECONDS))
    midi.instruments.append(track)
    with tempfile.TemporaryDirectory() as folder:
        score, sound = f"{folder}/notes.mid", f"{folder}/notes.wav"
        midi.write(score)
        options = ["-ni", "-q", "-R", "0", "-C", "0", "-g", "0.5", "-r", str(RENDER_RATE), "-O", "float", "-T", "wav"]
        subprocess.run(["fluidsynth", *options, "-F", sound, str(soundfont), score], check=True, capture_output=True)
        audio, rate = soundfile.read(sound)
    audio = librosa.resample(audio.mean(axis=1), orig_sr=rate, target_sr=CONFIG.sample_rate, res_type="soxr_hq")
    slot = int(SLOT_SECONDS * CONFIG.sample_rate)
    audio = np.pad(audio, (0, max(0, NUM_PITCHES * slot - len(audio))))[: NUM_PITCHES * slot]
    notes = audio.reshape(NUM_PITCHES, slot)[:, : CONFIG.audio_length]
    if np.abs(notes).max(axis=1).min() == 0:
        raise ValueError(f"program {program} is silent at some pitch of this soundfont")
    return (notes * (PEAK / np.abs(notes).max())).astype(np.float32)


def render(work: Path, soundfont: Path) -> None:
    """Notes of all voices, waves.npy, and of all instruments at the velocity between, between.npy."""
    import joblib

    work.mkdir(parents=True, exist_ok=True)
    for file, velocities in (("waves", (LOUD, SOFT)), ("between", (BETWEEN,))):
        shape = (len(velocities) * len(INSTRUMENTS), NUM_PITCHES, CONFIG.audio_length)
        waves = np.lib.format.open_memmap(work / f"{file}.npy", "w+", np.float32, shape)
        keys = [(program, velocity) for velocity in velocities for program, _ in INSTRUMENTS.values()]
        jobs = (joblib.delayed(render_instrument)(*key, soundfont) for key in keys)
        done = joblib.Parallel(n_jobs=-1, return_as="generator")(jobs)
        for i, notes in enumerate(tqdm(done, desc=f"render {file}", total=len(keys))):
            waves[i] = notes
    analyse(work, np.load(work / "waves.npy", mmap_mode="r").reshape(-1, CONFIG.audio_length))


def analyse(work: Path, waves: np.ndarray) -> None:
    """Log mel power, linear magnitude and linear frequency of every frame, and of each note's steady part."""
    to_mel = spectral.mel_weights(CONFIG)
    shape = (len(waves), CONFIG.frames, CONFIG.bins)
    mel, magnitude, frequency = (
        np.lib.format.open_memmap(work / f"{name}.npy", "w+", np.float16, shape)
        for name in ("mel", "magnitude", "frequency")
    )
    steady = {name: np.zeros((len(waves), CONFIG.bins), np.float32) for name in ("mel", "magnitude", "frequency")}
    for i, wave in enumerate(tqdm(waves, desc="analyse")):
        spectrum = spectral.stft(wave[None], CONFIG)[0, :, 1:]
        phase = np.angle(spectrum)
        advance = np.diff(phase, axis=0, prepend=0.0) / np.pi
        mel[i] = np.log(np.abs(spectrum) ** 2 @ to_mel + spectral.EPSILON)
        magnitude[i] = np.abs(spectrum)
        frequency[i] = (advance + 1) % 2 - 1
        mean = (np.abs(spectrum) * np.exp(1j * np.pi * advance))[STEADY_FRAMES].mean(axis=0)
        steady["mel"][i] = np.maximum(mel[i, STEADY_FRAMES].astype(np.float32), QUIETEST).mean(axis=0)
        steady["magnitude"][i], steady["frequency"][i] = np.abs(mean), np.angle(mean) / np.pi
    np.savez(work / "steady.npz", **steady)


# ------------------------------------------------------------------------------------------------------------- fit


class Fit:
    """Weights, optimizer and step count of one phase, saved whole so that a stopped run goes on where it was."""

    def __init__(self, work: Path, label: str, variables: dict, steps: int):
        import tensorflow as tf

        self.path, self.label, self.variables = work / f"fit_{label}.npz", label, variables
        self.rate, self.steps, self.step = PASSES[label][0], steps, 0
        self.curves: list[list[float]] = []  # step and mean losses
        self.first = [tf.Variable(tf.zeros_like(v)) for v in variables.values()]
        self.second = [tf.Variable(tf.zeros_like(v)) for v in variables.values()]
        self.average = [tf.Variable(v) for v in variables.values()]
        if self.path.exists():
            with np.load(self.path) as saved:
                self.step, self.curves = int(saved["step"]), saved["curves"].tolist()
                for kind, values in self._state().items():
                    for name, value in zip(variables, values, strict=True):
                        value.assign(saved[f"{kind}/{name}"])

    def _state(self) -> dict[str, list]:
        kinds = {"weight": self.variables.values(), "average": self.average}
        return {kind: list(values) for kind, values in {**kinds, "first": self.first, "second": self.second}.items()}

    def save(self) -> None:
        rows = ((kind, zip(self.variables, values, strict=True)) for kind, values in self._state().items())
        arrays = {f"{kind}/{name}": value.numpy() for kind, pairs in rows for name, value in pairs}
        with replacing(self.path) as partial:
            np.savez(partial, step=self.step, curves=self.curves, **arrays)

    def averages(self) -> dict[str, np.ndarray]:
        return {name: value.numpy() for name, value in zip(self.variables, self.average, strict=True)}

    def learning_rate(self) -> float:
        fallen = max(0.0, self.step / self.steps - 0.3) / 0.7
        return self.rate * min(1.0, (self.step + 1) / WARM_UP) * 0.5 * (1 + math.cos(math.pi * fallen))

    def descend(self, gradients: list, rate, step) -> None:
        """One step of Muon for kernels and of Adam for all else, and of the moving average; traced into a graph."""
        import tensorflow as tf

        rows = zip(self.variables.items(), self.first, self.second, self.average, gradients, strict=True)
        for (name, value), first, second, average, gradient in rows:
            gradient = tf.convert_to_tensor(gradient)
            first.assign(MOMENTUM * first + (1 - MOMENTUM) * gradient)
            if name.endswith("kernel") and "to_rgb" not in name:
                ahead = MOMENTUM * first + (1 - MOMENTUM) * gradient  # as Nesterov looks
                matrix = tf.reshape(ahead, (-1, ahead.shape[-1]))
                value.assign_sub(rate * tf.reshape(orthogonal(matrix), value.shape))
            else:
                second.assign(ADAM_DECAY * second + (1 - ADAM_DECAY) * gradient**2)
                correction = 1 - tf.pow(ADAM_DECAY, step)
                value.assign_sub(rate * first / (tf.sqrt(second / correction) + 1e-8))
            average.assign(AVERAGE_DECAY * average + (1 - AVERAGE_DECAY) * value)

    def run(self, train_step, batches) -> None:
        """Train until `steps`; train_step(batch, rate, step) returns the first three or all of LOSSES."""
        import tensorflow as tf

        saved, recent = time.monotonic(), []
        bar = tqdm(total=self.steps, initial=self.step, desc=self.label, mininterval=10)
        with bar, ThreadPoolExecutor(1) as pool:
            ahead = pool.submit(next, batches)  # the next batch is made during a step
            while self.step < self.steps:
                batch, ahead = ahead.result(), pool.submit(next, batches)
                rate = tf.constant(self.learning_rate(), tf.float32)
                recent.append([float(x) for x in train_step(batch, rate, tf.constant(self.step + 1.0))])
                self.step += 1
                bar.update()
                if self.step % 100 == 0:
                    losses = np.nanmean(recent, axis=0).round(4).tolist()
                    self.curves.append([self.step, *losses])
                    bar.set_postfix_str(" ".join(f"{name} {x}" for name, x in zip(LOSSES, losses, strict=False)))
                    recent.clear()
                if time.monotonic() - saved > SAVE_EVERY or self.step == self.steps:
                    self.save()
                    saved = time.monotonic()


def orthogonal(matrix):
    """The nearest matrix whose rows (or columns, if they are fewer) are orthogonal, of root mean square about 1.

    Five steps of the Newton-Schulz iteration bring all singular values near 1, to between 0.7 and 1.2.
    Source: K. Jordan et al., "Muon: an optimizer for hidden layers in neural networks", 2024.
    """
    import tensorflow as tf

    tall = matrix.shape[0] > matrix.shape[1]
    x = tf.cast(matrix / (tf.norm(matrix) + 1e-7), tf.bfloat16)  # precise enough for a direction, and much faster
    x = tf.transpose(x) if tall else x
    for _ in range(5):
        square = x @ tf.transpose(x)
        x = 3.4445 * x + (-4.7750 * square + 2.0315 * square @ square) @ x
    return math.sqrt(max(matrix.shape)) * tf.cast(tf.transpose(x) if tall else x, tf.float32)


def first_layer(variables: dict, mixture, pitch, rows: int):
    """What the first convolution would give: table by instrument + table by pitch + bias.

    `mixture` [batch, instruments] has a 1 for a plain instrument; other rows mix their differences from the mean.
    """
    import tensorflow as tf

    table = variables["instruments"]
    mean = tf.reduce_mean(table, axis=0)
    x = (tf.matmul(mixture, table - mean) + mean + tf.gather(variables["pitches"], pitch)) / math.sqrt(2)
    return tf.reshape(x, (-1, rows, CONFIG.start_width, CONFIG.filters(1))) + variables["1/conv0/bias"]


def steady_variables() -> dict:
    """The network without its time axis: kernels [1, 3, in, out], tables with one row."""
    import tensorflow as tf

    rng = np.random.RandomState(SEED)
    width = CONFIG.start_width * CONFIG.filters(1)
    arrays = {
        "instruments": rng.normal(size=(len(VOICES), width)),
        "pitches": rng.normal(size=(NUM_PITCHES, width)),
        "1/conv0/bias": np.zeros(CONFIG.filters(1)),
    }
    channels = CONFIG.filters(1)
    for b in range(1, CONFIG.num_resolutions + 1):
        for conv in ("conv0", "conv1") if b > 1 else ("conv1",):
            arrays[f"{b}/{conv}/kernel"] = rng.normal(size=(1, CONFIG.kernel_size, channels, CONFIG.filters(b)))
            arrays[f"{b}/{conv}/bias"] = np.zeros(CONFIG.filters(b))
            channels = CONFIG.filters(b)
    last = f"{CONFIG.num_resolutions}/to_rgb"
    arrays |= {f"{last}/kernel": rng.normal(size=(1, 1, channels, 2)), f"{last}/bias": np.zeros(2)}
    return {name: tf.Variable(array.astype(np.float32)) for name, array in arrays.items()}


def steady_forward(variables: dict, mixture, pitch):
    """[batch, bins, 2]: the generator's output in the middle of a held note."""
    import tensorflow as tf

    from helpers.gansynth.networks import HIDDEN_GAIN, LEAKY_SLOPE, OUTPUT_GAIN, pixel_norm

    def conv(x, name, gain):
        kernel = variables[f"{name}/kernel"]
        scale = gain / math.sqrt(math.prod(kernel.shape[:-1]))
        return tf.nn.conv2d(x, kernel * scale, 1, "SAME") + variables[f"{name}/bias"]

    x = pixel_norm(tf.nn.leaky_relu(first_layer(variables, mixture, pitch, rows=1), LEAKY_SLOPE))
    for b in range(1, CONFIG.num_resolutions + 1):
        if b > 1:
            x = tf.repeat(x, 2, axis=2)
        for name in (f"{b}/conv0", f"{b}/conv1") if b > 1 else (f"{b}/conv1",):
            x = pixel_norm(tf.nn.leaky_relu(conv(x, name, HIDDEN_GAIN), LEAKY_SLOPE))
    return tf.tanh(conv(x, f"{CONFIG.num_resolutions}/to_rgb", OUTPUT_GAIN))[:, 0]


def shuffled(rng: np.random.RandomState, count: int, batch: int):
    """Endless batches of note numbers, each note once an epoch."""
    while True:
        order = rng.permutation(count)
        for i in range(0, count - batch + 1, batch):
            yield order[i : i + batch]


def fit_steady(work: Path, steps: dict[str, int]) -> dict[str, np.ndarray]:
    """Two passes: frequencies alone, then frequencies that stay together for STEADY_DRIFT frames."""
    import tensorflow as tf

    with np.load(work / "steady.npz") as steady:
        mel, frequency, weight = steady["mel"], steady["frequency"], steady["magnitude"] ** LOUDNESS_EXPONENT
    weight /= weight.sum(axis=1, keepdims=True)
    level = note_levels(mel)
    to_linear = tf.constant(spectral.mel_inverse_weights(CONFIG).toarray(), tf.float32)
    variables = steady_variables()

    def batches(rng: np.random.RandomState):
        for notes in shuffled(rng, len(mel), STEADY_BATCH):
            mixture, pair, shares = mixtures(rng, notes)
            spectra = spectral_units(crossfade(mel[pair], level[pair], shares))
            first, second = weights = shares[..., None] * weight[pair]
            arrays = (spectra, weights.sum(axis=0), frequency[pair[0]], first, frequency[pair[1]], second)
            tensors = (tf.constant(array[:, None], tf.float32) for array in arrays)  # a note is one frame
            yield tf.constant(mixture), tf.constant(pair[0] % NUM_PITCHES, tf.int32), *tensors

    def run(label: str, coherence_weight: float) -> dict[str, np.ndarray]:
        fit = Fit(work, label, variables, steps[label])

        @tf.function
        def train_step(batch, rate, step):
            mixture, pitch, *targets = batch
            with tf.GradientTape() as tape:
                out = steady_forward(variables, mixture, pitch)[:, None]
                magnitude, frequency, coherence = image_losses(
                    out, targets, to_linear, lambda e: STEADY_DRIFT * e, CONFIG
                )
                loss = MAGNITUDE_WEIGHT * magnitude + frequency + coherence_weight * coherence
            fit.descend(tape.gradient(loss, list(variables.values())), rate, step)
            return magnitude, frequency, coherence

        fit.run(train_step, batches(np.random.RandomState(SEED + fit.step)))
        return fit.averages()

    for name, value in run("steady", 0.0).items():
        variables[name].assign(value)
    return run("coherent", COHERENCE_WEIGHT)


def spectral_units(mel: np.ndarray):
    """Log mel power -> the generator's normalised magnitude channel."""
    return np.clip(mel * CONFIG.mag_normalizer_a + CONFIG.mag_normalizer_b, -1.0, 1.0)


def grow_time_axis(steady: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Weights of the real network that at first plays every note's steady part throughout."""
    grown = {}
    for name, array in steady.items():
        if name in ("instruments", "pitches"):
            array = np.tile(array, (1, CONFIG.start_height))
        elif name.endswith("kernel") and "to_rgb" not in name:
            kernel = np.zeros((CONFIG.kernel_size, *array.shape[1:]), np.float32)
            # The equalised scale shrinks with the root of the kernel's size.
            kernel[CONFIG.kernel_size // 2] = array[0] * math.sqrt(CONFIG.kernel_size)
            array = kernel
        grown[name] = array
    return grown


def fit_windows(
    work: Path, label: str, start: dict[str, np.ndarray], steps: int, precision: str
) -> dict[str, np.ndarray]:
    """The pass "windows", or "sound", which compares centroids and the samples of the first window as well."""
    import keras
    import tensorflow as tf

    from helpers.gansynth.accelerated import InverseTransform
    from helpers.gansynth.networks import Generator

    by_sound = label == "sound"
    plain, _, ways = batch_parts(WINDOW_BATCH)
    mel, magnitude, frequency = (np.load(work / f"{n}.npy", mmap_mode="r") for n in ("mel", "magnitude", "frequency"))
    waves = np.load(work / "waves.npy", mmap_mode="r").reshape(-1, CONFIG.audio_length)
    to_linear = tf.constant(spectral.mel_inverse_weights(CONFIG).toarray(), tf.float32)
    frame_level = WINDOW * magnitude_level(work, magnitude).astype(np.float32)
    with np.load(work / "steady.npz") as steady:
        level = note_levels(steady["mel"])
    generator, inverse = Generator(CONFIG), InverseTransform(CONFIG)
    variables = {n: v.value for n, v in generator.named_weights().items() if n != "1/conv0/kernel"}
    for name, variable in variables.items():
        variable.assign(start[name])
    variables |= {name: tf.Variable(start[name].astype(np.float32)) for name in ("instruments", "pitches")}
    if precision != "float32":
        for conv in (conv for pair in generator.convs for conv in pair):
            conv.dtype_policy = keras.DTypePolicy(f"mixed_{precision}")
    fit = Fit(work, label, variables, steps)

    @tf.function  # a graph for each of the windows; XLA is three times as slow in their transposed convolutions
    def train_step(batch, rate, step, first):
        mixture, pitch, targets, beginnings = batch
        with tf.GradientTape() as tape:
            x = first_layer(variables, mixture, pitch, rows=CONFIG.start_height)
            out = generator.grow(x, frames=(first, first + WINDOW))
            losses = image_losses(out, targets, to_linear, lambda error: tf.cumsum(error, axis=1), CONFIG)
            magnitude, frequency_loss, coherence = losses
            weight = MAGNITUDE_WEIGHT_BY_SOUND if by_sound else MAGNITUDE_WEIGHT
            loss = weight * magnitude + frequency_loss + COHERENCE_WEIGHT * coherence
            if by_sound:
                made, wanted = (centroids(drawn, to_linear, CONFIG) for drawn in (out[..., 0], targets[0]))
                off, way = centroid_losses(made, wanted, ways)
                stroke = click = tf.constant(math.nan)
                loss += CENTROID_WEIGHT * off + WAY_WEIGHT * way
                if first == 0:
                    sound = inverse(out[:plain])[:, :BEGINNING]
                    stroke, click = stroke_loss(sound, beginnings), click_loss(sound, beginnings)
                    loss += STROKE_WEIGHT * stroke + CLICK_WEIGHT * click
                losses += (off, way, stroke, click)
        fit.descend(tape.gradient(loss, list(variables.values())), rate, step)
        return losses

    def batches():
        rng = np.random.RandomState(SEED + fit.step)
        odds = np.array(WINDOW_ODDS) / np.sum(WINDOW_ODDS)
        for notes in shuffled(rng, len(mel), WINDOW_BATCH):
            first = int(rng.choice(len(odds), p=odds)) * WINDOW
            frames = slice(first, first + WINDOW)
            mixture, pair, shares = mixtures(rng, notes)
            powers = np.stack([mel[of_one, frames] for of_one in pair]).astype(np.float32)
            spectra = spectral_units(crossfade(powers, level[pair], shares))
            loudness, phases = 0.0, []
            for source, power, part in zip(pair, powers, shares[..., None, None], strict=True):
                levels = frame_level[source, frames, None]
                loudness += part * np.exp(LOUDNESS_EXPONENT / 2 * power) / levels
                loud = magnitude[source, frames].astype(np.float32) ** LOUDNESS_EXPONENT / levels
                phases += [frequency[source, frames], part * loud]
            targets = [tf.constant(array, tf.float32) for array in (spectra, loudness, *phases)]
            beginnings = tf.constant(waves[pair[0, :plain], :BEGINNING])
            yield (tf.constant(mixture), tf.constant(pair[0] % NUM_PITCHES, tf.int32), targets, beginnings), first

    fit.run(lambda batch, rate, step: train_step(batch[0], rate, step, batch[1]), batches())
    return fit.averages()


def batch_parts(count: int) -> tuple[int, int, np.ndarray]:
    """Which rows of a batch are what: the first row that is not plain, the first between any two voices, and the ways.

    A way is a plain voice, two points between it and another voice at the same pitch, and that other voice plain: rows
    [ways, 4].
    """
    plain = int(PLAIN * count)
    between = plain + int(SAME_INSTRUMENT * count)
    first = 2 * np.arange(min(plain, count - 1 - between) // 2)
    return plain, between, np.stack([first, between + first, between + first + 1, first + 1], axis=1)


def mixtures(rng: np.random.RandomState, notes: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What a batch is made of: some plain voices, some between two, and one from anywhere in the space.

    What lies between two is asked to sound like both in their shares, so that morphs stay in tune; a random latent
    like the voice that it has most of.

    Args:
      notes: [batch], a voice times NUM_PITCHES and a pitch. Those on a way take the pitch of its beginning.

    Returns:
      mixture [batch, voices], what the latents are mixed of; the two notes that each is made of [2, batch] and their
      shares [2, batch].
    """
    count, (voices, pitch) = len(notes), np.divmod(notes, NUM_PITCHES)
    partners, share = rng.randint(len(VOICES), size=count), np.zeros(count, np.float32)
    plain, between, ways = batch_parts(count)
    partners[plain:between] = (voices[plain:between] + len(INSTRUMENTS)) % len(VOICES)
    share[plain : count - 1] = rng.uniform(size=count - 1 - plain)
    for begin, *middle, end in ways:
        pitch[[*middle, end]] = pitch[begin]
        voices[middle], partners[middle] = voices[begin], voices[end]
        share[middle] = np.sort(share[middle])
    mixture = np.zeros((count, len(VOICES)), np.float32)
    angle = share * np.pi / 2  # as slerp goes between two latents, which are all but orthogonal
    np.add.at(mixture, (np.arange(count), voices), np.cos(angle))
    np.add.at(mixture, (np.arange(count), partners), np.sin(angle))
    mixture[-1] = rng.normal(size=len(VOICES)) / np.sqrt(len(VOICES))
    partners[-1], share[-1] = np.argmax(mixture[-1]), 1.0
    return mixture, np.stack([voices, partners]) * NUM_PITCHES + pitch, np.stack([1 - share, share])


def magnitude_level(work: Path, magnitude: np.ndarray) -> np.ndarray:
    """What the bins of a frame are divided by, [notes, frames]: half way between the frame's sum and the note's."""
    path = work / "level.npy"
    if not path.exists():
        notes = tqdm(magnitude, desc="levels")
        sums = np.stack([np.sum(note.astype(np.float32) ** LOUDNESS_EXPONENT, axis=1) for note in notes])
        floor = 0.01 * sums.max(axis=1, keepdims=True)  # keeps the noise in silent frames from counting
        np.save(path, np.sqrt((sums + floor) * sums.mean(axis=1, keepdims=True)))
    return np.load(path)


# ---------------------------------------------------------------------------------------------------------- export


def export(work: Path, out: Path) -> None:
    """Fold the tables into the first convolution and write our compact format in float16, and the losses beside it."""
    with np.load(work / "fit_sound.npz") as saved:
        weights = {name.removeprefix("average/"): saved[name] for name in saved.files if name.startswith("average/")}
        steps = int(saved["step"])
    weights["1/conv0/kernel"] = fold_tables(weights.pop("instruments"), weights.pop("pitches"))
    kinds = [*INSTRUMENTS.values()] * 2
    instruments = [
        {"name": name, "program": program, "family": family, "z": [round(float(x), 6) for x in z]}
        for name, (program, family), z in zip(VOICES, kinds, latents(), strict=True)
    ]
    about = {
        "title": "Demo: 40 General MIDI instruments of FluidR3 GM, fitted by reconstruction",
        "license": "MIT (soundfont and weights)",
        "steps": steps,
        "instruments": instruments,
    }
    checkpoint = Checkpoint(CONFIG, weights, stage=12, global_step=CONFIG.total_num_images, about=about)
    path = write(checkpoint, out / COMPACT_NAME, dtype="float16")
    read(path)
    write_curves(work, out)
    print(f"{path}: {path.stat().st_size / 1e6:.2f} MB, {sum(a.size for a in weights.values()):,} weights")


def write_curves(work: Path, out: Path) -> None:
    """The losses of all passes, means of 100 steps, as curves.csv and curves.png.

    Passes that were made elsewhere, before `--start`, keep what the file already has of them.
    """
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    found = {}
    if (out / "curves.csv").exists():
        for line in (out / "curves.csv").read_text().splitlines()[1:]:
            label, *row = line.split(",")
            found.setdefault(label, []).append([float(x) for x in row if x])
    for path in work.glob("fit_*.npz"):
        with np.load(path) as saved:
            found[path.stem.removeprefix("fit_")] = saved["curves"].tolist()

    labels = [label for label in PASSES if label in found]
    size = (1.2 + 2.6 * len(labels), 2.8)
    _, axes = plt.subplots(1, len(labels), figsize=size, sharey=True, squeeze=False, layout="constrained")
    axes = axes[0]
    lines = [",".join(("pass", "step", *LOSSES))]
    for ax, label in zip(axes, labels, strict=True):
        for step, *losses in found[label]:
            lines.append(",".join((label, f"{step:.0f}", *map(str, losses), *[""] * (len(LOSSES) - len(losses)))))
        steps, *curves = np.transpose(found[label])
        for loss, values in zip(LOSSES, curves, strict=False):
            ax.plot(steps, values, label=loss, linewidth=1)
        ax.set(title=label, xlabel="step", ylim=(0, 1))
        ax.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylabel("loss")
    axes[-1].figure.legend(*axes[-1].get_legend_handles_labels(), loc="outside right center", frameon=False)
    (out / "curves.csv").write_text("\n".join(lines) + "\n")
    plt.savefig(out / "curves.png", dpi=110)


def first_scale() -> float:
    """What the first convolution multiplies its kernel's answer by: the equalised scale, and the pixel norm's."""
    channels = CONFIG.latent_vector_size + NUM_PITCHES
    fan_in = CONFIG.start_height * CONFIG.start_width * channels
    return math.sqrt(2 / fan_in) / math.sqrt((CONFIG.latent_vector_size + 1) / channels)


def fold_tables(instruments: np.ndarray, pitches: np.ndarray) -> np.ndarray:
    """The kernel [height, width, 317, channels] whose response to each latent and pitch is what the tables hold.

    The latents of 40 instruments span 40 of 256 dimensions. The rest are given random mixtures of instruments, so that
    a random latent is as far from the mean instrument as the named ones are.
    """
    z = latents()
    mean = instruments.mean(axis=0)
    instruments, pitches = instruments - mean, pitches + mean  # one pitch is always on, so it can carry the mean
    shape = (CONFIG.start_height, CONFIG.start_width, CONFIG.filters(1))
    count, size = z.shape
    seen = np.linalg.pinv(z)  # [size, instruments]: a latent's share of each instrument
    unseen = np.eye(size) - seen @ z  # projection on what the named latents do not span
    spread = math.sqrt((1 / count - 1 / size) / (size - count))
    shares = seen + unseen @ np.random.RandomState(SEED + 1).normal(scale=spread, size=(size, count))
    from_z = shares @ instruments
    rows = np.concatenate([from_z, pitches]) / math.sqrt(2) / first_scale()  # [317, height * width * channels]
    response = rows.reshape(-1, *shape)
    # Output position (h, w) sees the one pixel through kernel position (height - 1 - h, width - 1 - w).
    return response[:, ::-1, ::-1].transpose(1, 2, 0, 3).astype(np.float32)


def unfold_tables(kernel: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The tables by voice and by pitch that `fold_tables` made a kernel of, with the mean voice in those by pitch."""
    rows = kernel.astype(np.float64).transpose(2, 0, 1, 3)[:, ::-1, ::-1].reshape(kernel.shape[2], -1)
    rows *= math.sqrt(2) * first_scale()
    size = CONFIG.latent_vector_size
    return latents() @ rows[:size], rows[size:]


def weights_of(checkpoint: Path) -> dict[str, np.ndarray]:
    """The weights of an earlier result of `export`, as the passes keep them."""
    found = read(checkpoint)
    if found.config != CONFIG:
        raise ValueError(f"{checkpoint} is a model of another size; start from one that this script made")
    weights = dict(found.weights)
    weights["instruments"], weights["pitches"] = unfold_tables(weights.pop("1/conv0/kernel"))
    return weights


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("render", "fit", "export"):
        command = commands.add_parser(name)
        command.add_argument("--work", type=Path, required=True, help="folder for notes and state (6 GB)")
        if name == "render":
            command.add_argument("--soundfont", type=Path, required=True)
        elif name == "fit":
            for label, (_, steps) in PASSES.items():
                command.add_argument(f"--{label}-steps", type=int, default=steps, help="default: %(default)s")
            command.add_argument(
                "--start", type=Path, help="a checkpoint to begin the last pass from, without the others"
            )
            command.add_argument(
                "--precision",
                choices=("float32", "bfloat16"),
                default="float32",
                help="of the convolutions; bfloat16 is quicker where the processor has it",
            )
        else:
            command.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    if args.command == "render":
        render(args.work, args.soundfont)
    elif args.command == "fit":
        steps = {label: getattr(args, f"{label}_steps") for label in PASSES}
        if args.start:
            weights = weights_of(args.start)
        else:
            weights = grow_time_axis(fit_steady(args.work, steps))
            weights = fit_windows(args.work, "windows", weights, steps["windows"], args.precision)
        fit_windows(args.work, "sound", weights, steps["sound"], args.precision)
    else:
        export(args.work, args.out)


if __name__ == "__main__":
    main()
