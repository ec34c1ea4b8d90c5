"""Make the bundled `demo` checkpoint: a generator fitted to notes of two freely licensed soundfonts.

    python tools/make_demo_checkpoint.py render --work WORK --soundfonts FOLDER ...
    python tools/make_demo_checkpoint.py fit    --work WORK --minutes MINUTES    # kill and repeat at will
    python tools/make_demo_checkpoint.py export --work WORK --out data/checkpoints/demo

`render` needs the `fluidsynth` program (Debian: fluidsynth, fluid-soundfont-gm, musescore-general-soundfont), `fit`
needs JAX, on a GPU if it is to be done in minutes. What came of it: data/checkpoints/demo/README.md.

The latent space. Of the 256 numbers of a latent, the first AXES are heard, and the others change nothing. Each voice
has a place in the space of those: a principal component analysis of what the voices sound like lays them out, so that
neighbours are alike, and each axis is stretched until the voices are normally distributed on it, because latents are.
A point anywhere in the space must sound like the voices nearest to it, mixed in shares that depend on its distance,
and these are chosen so that each voice is nearest to an equal share of random latents. A point on the way from one
voice to another must sound like those two.

The fit. Each step draws notes at places of all three kinds and compares spectrograms: magnitudes, the frequencies on a
linear axis (because that is what is heard), the phases of neighbouring bins, spectral centroids, and the first samples
of plain voices, because an error of phase that hardly shows in a spectrogram may be a stroke that is late by 20 ms.
Most of a spectrum, and nearly all of its frequencies, stay as they are while a note is held. So the network first
learns the steady part of all notes without its time axis, where a note is one column instead of 128 frames; those
kernels then become the middle rows of the real ones.
"""

from __future__ import annotations

import argparse
import functools
import json
import math
import struct
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from demo_voices import VOICES, VOICES_HELD_OUT, Voice
from tqdm.auto import tqdm

from helpers.files import replacing
from helpers.gansynth import spectral
from helpers.gansynth.config import MIN_PITCH, NUM_PITCHES, Config

# Half as many filters as the published models' in the later blocks, where a filter costs most multiplications, and more
# in the first, where it costs most weights.
CONFIG = Config(fmap_base=2048, fmap_max=384)
SEED = 0

# Rendering.
HELD_SECONDS = 3.0  # as in NSynth: held for three seconds of four
SLOT_SECONDS = 6.0  # a note, and time to ring out before the next
RENDER_RATE = 32000  # Hz; resampled to 16 kHz with a proper filter
PEAK = 0.9  # of each voice's loudest note
FILES = {"waves": VOICES, "held_out": VOICES_HELD_OUT}

# The space.
AXES = 16
LOOK_PITCHES = (36, 48, 60, 72)  # at which voices are compared
LOOK_BANDS, LOOK_RANGE = 64, 80.0  # mel bands; dB below a note's loudest, where silence begins
LOOK_FRAMES = (6, 7, 8, 10, 14, 22, 38, 70, 100, 117, 128)  # borders of the moments that are compared
SAME = 0.5  # dB; voices that differ by less are one
SHARPNESS = 0.3  # distance over which one voice turns into another
NEAREST = 3  # voices that a point between voices is mixed of

# The fit.
STEADY_FRAMES = slice(8, 92)  # after the attack and before the release
STEADY_SHARE = 0.05  # of the time
STEADY_DRIFT = 8.0  # frames over which a steady part's neighbours must stay together
LONGEST_DRIFT = 64  # frames over which they must in the end; at first it is SECTION
BATCH, STEADY_BATCH = 64, 192
PLAIN, BETWEEN_TWO = 0.45, 0.2  # of a batch: at voices, and on the way from one to another; the rest anywhere
NEARBY = 0.15  # what is still that voice, about its place: standard deviation on each axis, at most this ...
NEARBY_SHARE = 0.25  # ... and in all at most this share of the way to the nearest voice
RATE, STEADY_RATE = 0.006, 0.012  # root mean square of a kernel's step; constant at first, then half a cosine
SECTION_WEIGHTS = np.array([4, 2, 1, 1, 1, 1, 2, 0.5])  # of each 16 frames: attack and release count more
BEGINNING = 16  # frames that are made into samples
WEIGHTS = {"magnitude": 4.5, "frequency": 1.0, "coherence": 0.5, "centroid": 1.0, "stroke": 0.4, "click": 0.06}
KINDS = ("plain", "between", "anywhere")
WARM_UP = 100  # steps
CHUNK = 20  # steps between two looks at the clock
SAVE_EVERY = 60  # seconds


# ------------------------------------------------------------------------------------------------------------- render


def midi_file(bank: int, program: int, velocity: int) -> bytes:
    """All pitches of one program, one in each slot."""
    events = [(0, bytes([0xB0, 0, bank])), (0, bytes([0xC0, program]))]  # in milliseconds
    for i in range(NUM_PITCHES):
        start = int(1000 * SLOT_SECONDS * i)
        events.append((start, bytes([0x90, MIN_PITCH + i, velocity])))
        events.append((start + int(1000 * HELD_SECONDS), bytes([0x80, MIN_PITCH + i, 0])))
    track, now = b"\0\xff\x51\x03" + (1_000_000).to_bytes(3, "big"), 0  # a beat a second, of a thousand ticks
    for when, message in [*events, (events[-1][0] + 3000, b"\xff\x2f\0")]:
        delta, now = when - now, when
        track += bytes([delta >> 14 | 0x80, delta >> 7 & 0x7F | 0x80, delta & 0x7F]) + message
    return b"MThd" + struct.pack(">IHHH", 6, 0, 1, 1000) + b"MTrk" + struct.pack(">I", len(track)) + track


def render_voice(voice: Voice, fonts: dict[str, Path]) -> np.ndarray:
    """All pitches of one voice, the loudest at PEAK: float32 [pitches, samples] at the model's rate."""
    import soxr

    with tempfile.TemporaryDirectory() as folder:
        score, raw = Path(folder, "notes.mid"), Path(folder, "notes.raw")
        score.write_bytes(midi_file(voice.bank, voice.program, voice.velocity))
        options = ["-ni", "-q", "-R", "0", "-C", "0", "-g", "0.5", "-r", str(RENDER_RATE), "-O", "float", "-T", "raw"]
        options += ["-o", "synth.dynamic-sample-loading=1"]
        command = ["fluidsynth", *options, "-F", str(raw), str(fonts[voice.font]), str(score)]
        subprocess.run(command, check=True, capture_output=True)
        audio = np.fromfile(raw, np.float32).reshape(-1, 2).mean(axis=1)
    audio = soxr.resample(audio, RENDER_RATE, CONFIG.sample_rate, quality="HQ")
    slot = int(SLOT_SECONDS * CONFIG.sample_rate)
    audio = np.pad(audio, (0, max(0, NUM_PITCHES * slot - len(audio))))[: NUM_PITCHES * slot]
    notes = audio.reshape(NUM_PITCHES, slot)[:, : CONFIG.audio_length]
    if np.abs(notes).max(axis=1).min() == 0:
        raise ValueError(f"{voice.name} is silent at some pitch")
    return (notes * (PEAK / np.abs(notes).max())).astype(np.float32)


def render(work: Path, folders: list[Path]) -> None:
    """The notes of each list of voices, FILE.npy [voices, pitches, samples]."""
    import os

    work.mkdir(parents=True, exist_ok=True)
    names = {voice.font for voices in FILES.values() for voice in voices}
    found = {name: [path for folder in folders if (path := folder / name).is_file()] for name in names}
    if missing := [name for name, paths in found.items() if not paths]:
        raise FileNotFoundError(f"no {' and no '.join(missing)} in {', '.join(map(str, folders))}")
    fonts = {name: paths[0] for name, paths in found.items()}
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for file, voices in FILES.items():
            shape = (len(voices), NUM_PITCHES, CONFIG.audio_length)
            waves = np.lib.format.open_memmap(work / f"{file}.npy", "w+", np.float32, shape)
            done = pool.map(lambda voice: render_voice(voice, fonts), voices)
            for i, notes in enumerate(tqdm(done, desc=f"render {file}", total=len(voices), mininterval=5)):
                waves[i] = notes


# -------------------------------------------------------------------------------------------------------------- space


def pictures(notes: np.ndarray) -> np.ndarray:
    """What instruments sound like: dB in mel bands at some moments, [instruments, pitches, moments, bands].

    Args:
      notes: [instruments, pitches, samples].
    """
    to_mel = spectral.mel_weights(CONFIG).toarray()
    bands = to_mel.reshape(len(to_mel), LOOK_BANDS, -1).sum(axis=2)
    rows = []
    for of_one in notes:
        power = np.abs(spectral.stft(of_one, CONFIG)[:, :, 1:]) ** 2 @ bands
        moments = np.add.reduceat(power[:, : LOOK_FRAMES[-1]], LOOK_FRAMES[:-1], axis=1)
        moments /= np.diff(LOOK_FRAMES)[:, None]
        decibels = 10 * np.log10(moments + 1e-12)
        loudest = decibels.max(axis=(1, 2), keepdims=True)
        rows.append(np.maximum(decibels - loudest, -LOOK_RANGE))
    return np.array(rows)


def distinct(looks: np.ndarray) -> np.ndarray:
    """For each voice the first that sounds the same: some programs have one sound for all velocities."""
    flat = looks.reshape(len(looks), -1)
    near = (np.mean((flat - one) ** 2, axis=1) < SAME**2 for one in flat)
    return np.array([np.argmax(row) for row in near])


def places(looks: np.ndarray) -> np.ndarray:
    """Coordinates of voices, [voices, AXES], normally distributed on each axis."""
    from scipy.stats import norm, rankdata

    flat = looks.reshape(len(looks), -1)
    scores, _, _ = np.linalg.svd(flat - flat.mean(axis=0), full_matrices=False)
    ranks = rankdata(scores[:, :AXES], axis=0)
    return norm.ppf((ranks - 0.5) / len(looks))


def shares(u: np.ndarray, voices: np.ndarray, bonus: np.ndarray, sharpness: float = SHARPNESS) -> np.ndarray:
    """Of which voices the points u [n, AXES] are mixed: [n, voices]."""
    distance = np.sum(u**2, axis=1)[:, None] - 2 * u @ voices.T + np.sum(voices**2, axis=1)
    score = (bonus - distance) / (2 * sharpness**2)
    weight = np.exp(score - score.max(axis=1, keepdims=True))
    return weight / weight.sum(axis=1, keepdims=True)


def bonuses(voices: np.ndarray, rounds: int = 400) -> np.ndarray:
    """What to add to each voice's nearness so that each has an equal share of N(0, I)."""
    u = np.random.RandomState(SEED).normal(size=(20_000, AXES))
    bonus = np.zeros(len(voices))
    for i in range(rounds):
        share = shares(u, voices, bonus).mean(axis=0) * len(voices)
        bonus -= (2.0 if i < rounds // 2 else 0.5) * np.clip(np.log(share + 1e-3), -1, 1)
    return bonus - bonus.mean()


def space(work: Path) -> dict[str, np.ndarray]:
    """The voices that differ ("index", of all VOICES), whose sound each voice has ("same"), their places and bonuses.

    "latents" [VOICES, 256] are of the length that the first layer expects, and their silent part is random.
    """
    path = work / "space.npz"
    if not path.exists():
        waves = np.load(work / "waves.npy", mmap_mode="r")
        looks = pictures(waves[:, np.array(LOOK_PITCHES) - MIN_PITCH])
        same = distinct(looks)
        index = np.unique(same)
        u = places(looks[index])
        row = np.searchsorted(index, same)
        silent = np.random.RandomState(SEED).normal(size=(len(VOICES), CONFIG.latent_vector_size - AXES))
        rest = np.sqrt(CONFIG.latent_vector_size - np.sum(u[row] ** 2, axis=1))
        silent *= (rest / np.linalg.norm(silent, axis=1))[:, None]
        latents = np.concatenate([u[row], silent], axis=1)
        with replacing(path) as partial:
            np.savez(partial, index=index, row=row, places=u, bonus=bonuses(u), latents=latents)
    with np.load(path) as saved:
        return {name: saved[name] for name in saved.files}


# ---------------------------------------------------------------------------------------------------------------- fit


def analyse(waves: np.ndarray):
    """Log mel power, linear magnitude and frequency of all frames of all notes, and of their steady parts, on the GPU.

    Args:
      waves: [voices, pitches, samples].

    Returns:
      Two dictionaries of "mel", "magnitude", "frequency" [notes, frames, bins] (float16; one frame for the steady
      parts), "level" [notes, frames], which a bin's loudness is divided by, and "loudness" [notes], of the steady part.
    """
    import jax
    import jax.numpy as jnp
    from demo_network import EXACT, LOUDNESS_EXPONENT

    to_mel = jnp.asarray(spectral.mel_weights(CONFIG).toarray(), jnp.float32)
    window = jnp.asarray(np.hanning(CONFIG.frame_length + 1)[:-1], jnp.float32)
    at = np.arange(CONFIG.frames)[:, None] * CONFIG.hop_length + np.arange(CONFIG.frame_length)

    @jax.jit
    def of_voice(notes):
        padded = jnp.pad(notes, [(0, 0), (CONFIG.front_padding, 0)])
        spectrum = jnp.fft.rfft(padded[:, at] * window)[..., 1:]
        magnitude, phase = jnp.abs(spectrum), jnp.angle(spectrum) / math.pi
        advance = jnp.diff(phase, axis=1, prepend=0.0)
        mel = jnp.log(jnp.matmul(magnitude**2, to_mel, precision=EXACT) + spectral.EPSILON)
        sums = jnp.sum(magnitude**LOUDNESS_EXPONENT, axis=2)
        floor = 0.01 * sums.max(axis=1, keepdims=True)  # keeps the noise in silent frames from counting
        level = CONFIG.frames * jnp.sqrt((sums + floor) * sums.mean(axis=1, keepdims=True))
        mean = (magnitude * jnp.exp(1j * math.pi * advance))[:, STEADY_FRAMES].mean(axis=1, keepdims=True)
        steady_mel = jnp.maximum(mel[:, STEADY_FRAMES], -12.0).mean(axis=1, keepdims=True)
        held = {
            "mel": steady_mel.astype(jnp.float16),
            "magnitude": jnp.abs(mean).astype(jnp.float16),
            "frequency": (jnp.angle(mean) / math.pi).astype(jnp.float16),
            "level": jnp.sum(jnp.abs(mean) ** LOUDNESS_EXPONENT, axis=2),
            "loudness": jax.nn.logsumexp(steady_mel[:, 0] / 2, axis=1),
        }
        whole = {
            "mel": mel.astype(jnp.float16),
            "magnitude": magnitude.astype(jnp.float16),
            "frequency": ((advance + 1) % 2 - 1).astype(jnp.float16),
            "level": level,
            "loudness": held["loudness"],
        }
        return whole, held

    rows = [of_voice(jnp.asarray(notes)) for notes in tqdm(waves, desc="analyse", mininterval=5)]
    joined = []
    for which in (0, 1):  # one array at a time: there is room for little more than all of them
        joined.append({key: jnp.concatenate([row[which].pop(key) for row in rows]) for key in list(rows[0][which])})
    return joined


def batch_parts(batch: int) -> list[int]:
    """How many rows of a batch are of each of KINDS."""
    plain, between = round(PLAIN * batch), round(BETWEEN_TWO * batch)
    return [plain, between, batch - plain - between]


def draw_batch(key, batch: int, table: dict):
    """Where a batch lies and what it is to sound like.

    Args:
      key: of JAX's random numbers.
      batch: rows.
      table: "places" and "latents" of the voices that differ, their "bonus", and how far around a place is "nearby".

    Returns:
      u [batch, AXES], length of the latents [batch], pitch - MIN_PITCH [batch], and the voices that each row is mixed
      of and their shares, [NEAREST, batch] each. The first rows are at voices, the next on the way from one to another.
    """
    import jax
    import jax.numpy as jnp

    plain, between, anywhere = batch_parts(batch)
    keys = iter(jax.random.split(key, 9))
    count, size = len(table["places"]), float(CONFIG.latent_vector_size)
    pitch = jax.random.randint(next(keys), [batch], 0, NUM_PITCHES)

    voice = jax.random.randint(next(keys), [plain], 0, count)
    near = table["places"][voice] + table["nearby"][voice, None] * jax.random.normal(next(keys), [plain, AXES])
    alone = jnp.zeros([NEAREST, plain]).at[0].set(1.0)

    ends = jax.random.randint(next(keys), [2, between], 0, count)
    way = jax.random.uniform(next(keys), [between])
    first, second = table["latents"][ends[0]], table["latents"][ends[1]]
    angle = jnp.arccos(jnp.clip(jnp.sum(first * second, axis=1) / size, -1.0, 1.0 - 1e-6))[:, None]
    arc = jnp.sin((1 - way[:, None]) * angle) * first + jnp.sin(way[:, None] * angle) * second
    arc = (arc / jnp.sin(angle))[:, :AXES]
    both = jnp.zeros([NEAREST, between]).at[0].set(1 - way).at[1].set(way)

    free = jax.random.normal(next(keys), [anywhere, AXES])
    distance = jnp.sum((free[:, None] - table["places"]) ** 2, axis=2)
    score, nearest = jax.lax.top_k((table["bonus"] - distance) / (2 * SHARPNESS**2), NEAREST)
    silent = 2 * jax.random.gamma(next(keys), (size - AXES) / 2, [anywhere])  # squared length of the silent numbers

    u = jnp.concatenate([near, arc, free])
    length = jnp.sqrt(jnp.sum(free**2, axis=1) + silent)
    length = jnp.concatenate([jnp.full([plain + between], math.sqrt(size)), length])
    voices = jnp.concatenate([jnp.stack([voice] * NEAREST), jnp.stack([*ends, ends[0]][:NEAREST]), nearest.T], axis=1)
    share = jnp.concatenate([alone, both, jax.nn.softmax(score, axis=1).T], axis=1)
    return u, length, pitch, voices, share


def losses(weights, data: dict, key, table: dict, drift, batch: int, precision):
    """The weighted sum of all losses, and them one by one, of a batch at random.

    Args:
      data: of `analyse`, with "waves" [notes, samples] of their beginnings unless it is of steady parts.
      drift: see `frequency_losses`.
    """
    import demo_network as net
    import jax.numpy as jnp

    u, length, pitch, voices, share = draw_batch(key, batch, table)
    notes = voices * NUM_PITCHES + pitch
    made = net.draw(weights, u, pitch, length, CONFIG, precision)
    frames = made.shape[1]
    frame_weights = jnp.ones(frames)
    if frames > 1:
        frame_weights = jnp.repeat(jnp.asarray(SECTION_WEIGHTS / SECTION_WEIGHTS.mean(), jnp.float32), net.SECTION)
    powers = data["mel"][notes].astype(jnp.float32)
    target = net.crossfade(powers, data["loudness"][notes], share)
    target = jnp.clip(target * CONFIG.mag_normalizer_a + CONFIG.mag_normalizer_b, -1.0, 1.0)
    level = (share / jnp.moveaxis(data["level"][notes], -1, 0))[..., None]  # [frames, NEAREST, batch, 1]
    level = jnp.moveaxis(level, 0, 2)
    loudness = jnp.sum(level * jnp.exp(net.LOUDNESS_EXPONENT / 2 * powers), axis=0)
    drawn = jnp.matmul(made[..., 1] / CONFIG.p_normalizer_a, table["to_linear"], precision=net.EXACT)
    frequency = coherence = 0.0
    for i in range(NEAREST):
        loud = data["magnitude"][notes[i]].astype(jnp.float32) ** net.LOUDNESS_EXPONENT
        weight = frame_weights[:, None] * level[i] * loud
        row = net.frequency_losses(drawn, data["frequency"][notes[i]].astype(jnp.float32), weight, drift)
        frequency, coherence = frequency + row[0], coherence + row[1]
    found = {
        "magnitude": net.magnitude_loss(made[..., 0], target, loudness, frame_weights),
        "frequency": frequency,
        "coherence": coherence,
    }
    if frames > 1:
        magnitude = net.linear_magnitude(made[..., 0], table["to_linear"], CONFIG)
        wanted = net.log_centroids(net.linear_magnitude(target, table["to_linear"], CONFIG))
        off = jnp.abs(net.log_centroids(magnitude) - wanted)
        found["centroid"] = jnp.mean(off * frame_weights[:: net.SECTION], axis=1)
        plain = batch_parts(batch)[0]
        begun = net.sound(magnitude[:plain, :BEGINNING], drawn[:plain, :BEGINNING], CONFIG)
        source = data["waves"][notes[0, :plain]]
        found["stroke"], found["click"] = net.stroke_loss(begun, source), net.click_loss(begun, source)
    total = sum(WEIGHTS[name] * jnp.mean(values) for name, values in found.items())
    ends = np.cumsum([0, *batch_parts(batch)])
    for name in ("magnitude", "frequency", "coherence"):
        for kind, start, stop in zip(KINDS, ends, ends[1:], strict=False):
            found[f"{name} {kind}"] = found[name][start:stop]
    return total, {name: jnp.mean(values) for name, values in found.items()}


@functools.cache
def stepper(batch: int, precision: str):
    """CHUNK steps of the fit in one compiled function."""
    import jax
    import jax.numpy as jnp
    from demo_network import descend

    kind = jnp.dtype(precision)

    def scaled(weights, scale, *args):
        total, found = losses(weights, *args, batch, kind)
        return scale * total, found

    def run(state, data, table, drift, rate, key):
        def step(state, key):
            scale = state["scale"]
            gradients, found = jax.grad(scaled, has_aux=True)(state["weight"], scale, data, key, table, drift)
            sane = jnp.array([jnp.all(jnp.isfinite(x)) for x in gradients.values()]).all()
            gradients = {name: jnp.where(sane, x / scale, 0.0) for name, x in gradients.items()}
            state = descend(state, gradients, rate) | {"scale": jnp.where(sane, scale, scale / 2)}
            return state, found | {"skipped": 1.0 - sane}

        state, found = jax.lax.scan(step, state, jax.random.split(key, CHUNK))
        return state, {name: jnp.mean(values) for name, values in found.items()}

    return jax.jit(run, donate_argnums=0)


def drift_matrix(share: float) -> np.ndarray:
    """What sums up errors of frequency: from its section's beginning on at first, later over more and more frames."""
    from demo_network import SECTION

    span = SECTION * 2 ** round(max(0.0, share - 0.4) / 0.4 * math.log2(LONGEST_DRIFT / SECTION))
    span = min(span, LONGEST_DRIFT)
    at = np.arange(CONFIG.frames)
    return ((at[:, None] >= at) & (at[:, None] // span == at // span)).astype(np.float32)


def learning_rate(peak: float, step: int, share: float) -> float:
    """`share` is how much of the pass is over."""
    fallen = min(1.0, max(0.0, share - 0.3) / 0.7)
    return peak * min(1.0, (step + 1) / WARM_UP) * 0.5 * (1 + math.cos(math.pi * fallen))


class Fit:
    """A fit that is saved whole so that a stopped one goes on where it was."""

    def __init__(self, work: Path, minutes: float, precision: str):
        import jax
        import jax.numpy as jnp
        from demo_network import first_state, first_weights

        self.path, self.out = work / "fit.npz", work / "weights.npz"
        self.budget, self.precision = 60 * minutes, precision
        self.passed, self.seconds, self.step = "steady", 0.0, 0
        self.curves: list[dict] = []
        self.state = first_state(first_weights(CONFIG, AXES, SEED))
        if self.path.exists():
            with np.load(self.path) as saved:
                record = json.loads(str(saved["record"]))
                self.passed, self.seconds, self.step = record["pass"], record["seconds"], record["step"]
                self.curves = record["curves"]
                self.state = {name: jnp.asarray(saved[name]) for name in ("step", "scale")}
                for kind in ("weight", "average", "first", "second"):
                    names = [name for name in saved.files if name.startswith(f"{kind}:")]
                    self.state[kind] = {name.partition(":")[2]: jnp.asarray(saved[name]) for name in names}
        self.jax = jax

    def save(self) -> None:
        """All of it, and the averages by themselves, in float16."""
        state = self.jax.device_get(self.state)
        record = {"pass": self.passed, "seconds": self.seconds, "step": self.step, "curves": self.curves}
        kinds = ("weight", "average", "first", "second")
        arrays = {f"{kind}:{name}": x for kind in kinds for name, x in state[kind].items()}
        with replacing(self.path) as partial:
            np.savez(partial, record=json.dumps(record), step=state["step"], scale=state["scale"], **arrays)
        halves = {name: x.astype(np.float16) for name, x in state["average"].items()}
        with replacing(self.out) as partial:
            np.savez_compressed(partial, record=json.dumps(record), **halves)

    def run(self, label: str, until: float, start: float, data: dict, table: dict) -> None:
        """Go on with a pass that lasts from `start` to `until` seconds of the fit."""
        import jax
        import jax.numpy as jnp

        steady = label == "steady"
        batch = STEADY_BATCH if steady else BATCH
        step = stepper(batch, self.precision)
        began = time.monotonic()
        drift = np.full((1, 1), STEADY_DRIFT, np.float32) if steady else drift_matrix(0.0)
        copy = jax.tree.map(jnp.copy, self.state)  # the first call compiles, and its steps are not kept
        jax.block_until_ready(step(copy, data, table, drift, 0.0, jax.random.key(0)))
        print(f"{label}: batch {batch}, compiled in {time.monotonic() - began:.0f} s", flush=True)
        clock = saved = told = time.monotonic()
        recent: list[dict] = []
        while self.seconds < until:
            share = (self.seconds - start) / (until - start)
            if not steady:
                drift = drift_matrix(share)
            rate = learning_rate(STEADY_RATE if steady else RATE, self.step, share)
            self.state, found = step(self.state, data, table, drift, rate, jax.random.key(SEED + self.step))
            recent.append({name: float(x) for name, x in found.items()})  # waits until it is done
            self.step += CHUNK
            now = time.monotonic()
            self.seconds += now - clock
            clock = now
            if now - told > 10 or self.seconds >= until:
                means = {name: round(float(np.mean([row[name] for row in recent])), 4) for name in recent[0]}
                self.curves.append({"pass": label, "step": self.step, "seconds": round(self.seconds, 1), **means})
                print(json.dumps(self.curves[-1]), flush=True)
                recent, told = [], now
            if now - saved > SAVE_EVERY:
                self.save()
                saved = clock = time.monotonic()


def fit(work: Path, minutes: float, precision: str) -> None:
    import jax
    import jax.numpy as jnp
    from demo_network import first_state, grow_time_axis

    layout = space(work)
    index, row = layout["index"], layout["row"]
    waves = np.load(work / "waves.npy", mmap_mode="r")[index]
    whole, held = analyse(waves)
    apart = np.linalg.norm(layout["places"][:, None] - layout["places"], axis=2) + 1e9 * np.eye(len(index))
    covered = BEGINNING * CONFIG.hop_length - CONFIG.front_padding
    whole["waves"] = jnp.asarray(waves[:, :, :covered].reshape(-1, covered))
    table = {
        "places": jnp.asarray(layout["places"], jnp.float32),
        "bonus": jnp.asarray(layout["bonus"], jnp.float32),
        "nearby": jnp.asarray(np.minimum(NEARBY, NEARBY_SHARE * apart.min(axis=1) / math.sqrt(AXES)), jnp.float32),
        "latents": jnp.asarray(layout["latents"][np.unique(row, return_index=True)[1]], jnp.float32),
        "to_linear": jnp.asarray(spectral.mel_inverse_weights(CONFIG).toarray(), jnp.float32),
    }
    jax.block_until_ready((whole, held, table))
    going = Fit(work, minutes, precision)
    share = STEADY_SHARE * going.budget
    if going.passed == "steady":
        going.run("steady", share, 0.0, held, table)
        going.state = first_state(grow_time_axis(going.state["average"], CONFIG))
        going.passed, going.step = "whole", 0
        going.save()
    going.run("whole", going.budget, share, whole, table)
    going.save()


# ------------------------------------------------------------------------------------------------------------- export


def first_scale() -> float:
    """What the first convolution multiplies its kernel's answer by: the equalised scale, and the pixel norm's."""
    channels = CONFIG.latent_vector_size + NUM_PITCHES
    fan_in = CONFIG.start_height * CONFIG.start_width * channels
    return math.sqrt(2 / fan_in) / math.sqrt((CONFIG.latent_vector_size + 1) / channels)


def first_kernel(axes: np.ndarray, pitches: np.ndarray) -> np.ndarray:
    """The first convolution's kernel [height, width, 317, channels], whose response is that of the tables."""
    shape = (CONFIG.start_height, CONFIG.start_width, CONFIG.filters(1))
    silent = np.zeros((CONFIG.latent_vector_size - len(axes), axes.shape[1]))
    rows = np.concatenate([axes, silent, pitches]) / math.sqrt(2) / first_scale()
    # Output position (h, w) sees the one pixel through kernel position (height - 1 - h, width - 1 - w).
    return rows.reshape(-1, *shape)[:, ::-1, ::-1].transpose(1, 2, 0, 3).astype(np.float32)


def export(work: Path, out: Path) -> None:
    """Write our compact format in float16, and the losses beside it."""
    from helpers.gansynth.checkpoint import COMPACT_NAME, Checkpoint, read, write
    from helpers.gansynth.model import BETWEEN_INSTRUMENTS

    with np.load(work / "weights.npz") as saved:
        record = json.loads(str(saved["record"]))
        weights = {name: saved[name].astype(np.float32) for name in saved.files if name != "record"}
    weights["1/conv0/kernel"] = first_kernel(weights.pop("axes"), weights.pop("pitches"))
    latents = space(work)["latents"]
    instruments = [
        {"name": voice.name, "program": voice.program, "family": voice.family, "velocity": voice.velocity}
        | {"z": [round(float(x), 4) for x in z]}
        for voice, z in zip(VOICES, latents, strict=True)
    ]
    about = {
        "title": f"Demo: {len(VOICES)} voices of FluidR3 GM and MuseScore General, fitted by reconstruction",
        "license": "MIT (soundfonts and weights)",
        "prior": BETWEEN_INSTRUMENTS,
        "axes": AXES,
        "steps": record["step"],
        "instruments": instruments,
    }
    checkpoint = Checkpoint(CONFIG, weights, stage=12, global_step=CONFIG.total_num_images, about=about)
    path = write(checkpoint, out / COMPACT_NAME, dtype="float16")
    read(path)
    write_curves(record["curves"], out)
    print(f"{path}: {path.stat().st_size / 1e6:.2f} MB, {sum(a.size for a in weights.values()):,} weights")


def write_curves(curves: list[dict], out: Path) -> None:
    """The losses, means of ten seconds each, as curves.csv, and for each kind of place as curves.png."""
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    names = list(curves[-1])
    lines = [",".join(names), *(",".join(str(row.get(name, "")) for name in names) for row in curves)]
    (out / "curves.csv").write_text("\n".join(lines) + "\n")
    shown = ("magnitude", "frequency", "coherence")
    _, axes = plt.subplots(1, len(shown), figsize=(8.4, 2.8), sharey=True, layout="constrained")
    for ax, loss in zip(axes, shown, strict=True):
        for kind in KINDS:
            minutes = [row["seconds"] / 60 for row in curves]
            ax.plot(minutes, [row[f"{loss} {kind}"] for row in curves], label=kind, linewidth=1)
        ax.set(title=loss, xlabel="minute", ylim=(0, 0.8))
        ax.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylabel("loss")
    axes[-1].figure.legend(*axes[-1].get_legend_handles_labels(), loc="outside right center", frameon=False)
    plt.savefig(out / "curves.png", dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("render", "fit", "export"):
        command = commands.add_parser(name)
        command.add_argument("--work", type=Path, required=True, help="folder for notes and state (3 GB)")
        if name == "render":
            command.add_argument("--soundfonts", type=Path, nargs="+", required=True, help="folders")
        elif name == "fit":
            command.add_argument("--minutes", type=float, required=True, help="of the whole fit")
            command.add_argument("--precision", choices=("float32", "float16", "bfloat16"), default="float32")
        else:
            command.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    if args.command == "render":
        render(args.work, args.soundfonts)
    elif args.command == "fit":
        fit(args.work, args.minutes, args.precision)
    else:
        export(args.work, args.out)


if __name__ == "__main__":
    main()
