"""Where the golden numbers are, and the formulas that their inputs came from."""

import os
import time
from pathlib import Path

import numpy as np

from helpers.casting import FAMILIES
from helpers.midi import Song, Track

DATA = Path(__file__).parent / "data"
# The full-size weights (29 MB) are not in the repository; the one test that wants them skips where they are not.
PARITY = Path(os.environ.get("GANSYNTH_PARITY") or Path(__file__).parents[2] / "shared" / "parity")
NO_PARITY = "the full-size weights (29 MB) are not in the repository (GANSYNTH_PARITY names their folder)"

RATE = 16000  # Hz
SAMPLES = 64000  # of one note
TINY = ("tiny_stage12", "tiny_stage11_blend", "tiny_stage05_blend")


def golden(name: str, folder: Path = DATA) -> dict[str, np.ndarray]:
    """All arrays of one of the files."""
    with np.load(folder / f"{name}.npz") as file:
        return {key: file[key] for key in file.files}


def snr(got, expected) -> np.ndarray:
    """Signal to noise in dB along the last axis."""
    got, expected = np.asarray(got, np.float64), np.asarray(expected, np.float64)
    return 10 * np.log10((expected**2).sum(-1) / np.maximum(((got - expected) ** 2).sum(-1), 1e-300))


def _frequency(pitch):
    return 440.0 * 2.0 ** ((pitch - 69) / 12.0)


def harmonic_wave(pitch, seed) -> np.ndarray:
    """A decaying tone of up to 12 harmonics in random phases, faded out between 3 and 3.5 s."""
    seconds, phases = np.arange(SAMPLES) / RATE, np.random.RandomState(seed).uniform(0, 2 * np.pi, 12)
    harmonics = [h for h in range(1, 13) if h * _frequency(pitch) < 7600]
    tone = sum(np.cos(2 * np.pi * _frequency(pitch) * h * seconds + phases[h - 1]) / h for h in harmonics)
    fade = np.clip(1 - (seconds - 3.0) / 0.5, 0, 1)
    tone = tone * np.minimum(1, seconds / 0.02) * np.exp(-0.8 * seconds) * fade
    return (0.7 * tone / np.abs(tone).max()).astype(np.float32)


def formula_data(batch=3, frames=128, bins=1024) -> np.ndarray:
    """Smooth ripples in the units of a spectrogram: log power, and phase advance over pi."""
    b, t, f = np.ogrid[:batch, :frames, :bins]
    magnitude = -6 + 5 * np.sin(0.11 * t + 0.7 * b) * np.cos(0.013 * f * (1 + 0.1 * b)) + 3 * np.cos(0.37 * f + b)
    frequency = 0.9 * np.sin(0.05 * t * (1 + b) + 0.021 * f) * np.cos(0.003 * f * b)
    return np.stack(np.broadcast_arrays(magnitude, frequency), axis=-1).astype(np.float32)


def note_audio(pitch, k) -> np.ndarray:
    """A decaying sine in place of a generated note, the k-th of a song."""
    seconds = np.arange(SAMPLES) / RATE
    level = (0.2 + 0.1 * k) * np.exp(-0.5 * seconds)
    return (np.sin(2 * np.pi * _frequency(pitch) * seconds + 0.3 * k) * level).astype(np.float32)


def save_tensors(prefix, tensors):
    """Write a checkpoint of the published kind."""
    import tensorflow as tf

    prefix.parent.mkdir(parents=True, exist_ok=True)
    names, values = list(tensors), [tf.constant(value) for value in tensors.values()]
    tf.raw_ops.SaveV2(prefix=str(prefix), tensor_names=names, shape_and_slices=[""] * len(names), tensors=values)


class Stub:
    """In place of a model: plays sines, counts what it is asked for, and ignores the latent but for its sign."""

    name, source, fingerprint, precision, backend, about = "stub", "", "", "float32", "tensorflow", {}
    sample_rate, max_duration, batch_size, latent_vector_size = RATE, 4.0, 8, 4
    latent_sizes = (4, 20)

    def __init__(self):
        self.asked = []

    def sample_z(self, n, seed):
        return np.random.RandomState(seed).normal(size=[n, 4])

    def cached(self, z, pitches, durations):
        return np.zeros(len(pitches), bool)

    def generate(self, z, pitches, duration=None, batch_size=8, progress=True):
        assert len(pitches) <= batch_size
        assert ((np.asarray(pitches) >= 24) & (np.asarray(pitches) <= 84)).all()
        seconds = np.broadcast_to(self.max_duration if duration is None else duration, len(pitches))
        assert ((seconds > 0) & (seconds <= self.max_duration)).all()
        longest = float(seconds.max())
        self.asked += [(float(row[0]), int(pitch), longest) for row, pitch in zip(z, pitches, strict=True)]
        t = np.arange(int(np.ceil(longest * RATE))) / RATE
        sines = np.sin(2 * np.pi * _frequency(np.asarray(pitches))[:, None] * t)
        return (sines * np.sign(z[:, :1])).astype(np.float32)


class Player(Stub):
    """A stub with a fingerprint, and one latent may play all the pitches, as with a real model."""

    fingerprint = "a1b2c3d4" * 8

    def generate(self, z, pitches, *given, **how):
        return super().generate(np.broadcast_to(z, (len(pitches), np.shape(z)[-1])), pitches, *given, **how)


class OtherPlayer(Player):
    name, fingerprint = "other", "f00dcafe" * 8


TYPICAL = {  # descriptors of a sound that no word fits
    "brightness": 1.6, "attack": -1.0, "decay": 1.1, "sustain": -5.0, "noisiness": -30.0, "odd_even": 0.0,
    "fundamental": -3.0, "inharmonicity": 1.0, "tremolo": 0.1, "vibrato": 0.1, "loudness": -13.0,
}  # fmt: skip


def described(spread=0.0, **changes):
    """Typical descriptors but for some, and no cepstra, at the three pitches of an atlas: [3, numbers]."""
    from helpers.timbre.descriptors import CEPSTRA, NAMES

    values = [(TYPICAL | changes)[name] for name in NAMES] + [0.0] * CEPSTRA
    return np.array([values]) + spread * np.array([[-1], [0], [1]])


def atlas_of(model, n=60, seed=0):
    """An atlas of random instruments of a model, whose descriptors are drawn and not heard."""
    from helpers import instruments, timbre
    from helpers.timbre.descriptors import CEPSTRA

    random = np.random.RandomState(seed)
    rows = np.repeat(random.normal(size=(n, 1, len(timbre.NAMES) + CEPSTRA)), 3, axis=1)
    return timbre.Atlas(model, instruments.sample(model, n, seed), rows)


def directions_of(size=4, model=None):
    """Two named directions of latents, along the first axis and the second, and one that is too weak for a name."""
    from helpers import timbre
    from helpers.timbre import steering

    vectors, names = np.eye(size), ("brightness", "decay", "vibrato")
    slopes = np.zeros((len(timbre.NAMES), size))
    for name, vector in zip(names, vectors, strict=False):
        slopes[timbre.NAMES.index(name)] = vector
    found = [
        timbre.Direction(name, vector, r, (r - 0.05, r + 0.05), others)
        for name, vector, r, others in zip(
            names, vectors, (0.87, 0.91, 0.2), ({"fundamental": -0.5}, {}, {}), strict=False
        )
    ]
    return timbre.Directions(found, steering.Linear(slopes), np.ones(len(timbre.NAMES)), 60, model)


def song_of(*notes, is_drum=False, controls=None) -> Song:
    """One track of these notes."""
    return Song("song", (Track("track", 0, is_drum, tuple(notes), controls or {}),))


def misfits(cast, model, keep: bool) -> list[str]:
    """The tracks of a cast (`timbre.cast`) without somebody of the right family, where the model has such a family.

    Right is the family of the program that the file names or, if it names none or `keep` is False, that of a program of
    the style: one for the track's part, as far as there is any in the model.
    """
    rows = {row["name"]: row for row in model.about["instruments"]}
    programs, families = ({row[key] for row in rows.values()} for key in ("program", "family"))
    tracks = dict(enumerate(cast.song.tracks, start=1))
    is_chosen = any(tracks[number].program for number in cast)
    wrong = []
    for number, track in tracks.items():
        if track.is_drum or not track.notes:
            if number in cast:
                wrong.append(f"{track.name}: somebody plays it")
            continue
        parts = {"melody": "lines", "counter-line": "lines", "chords": "chords", "bass": "bass"}
        part = cast.style.parts.get(parts[cast.roles[number].name], {})
        own = [track.program] if keep and is_chosen and track.has_program else []
        for wanted in (own, part, cast.style.programs):
            if here := [p for p in wanted if p in programs or FAMILIES[p] in families]:
                row = rows[cast[number].instrument.name]
                if not any(row["program"] == p or row["family"] == FAMILIES[p] for p in here):
                    wrong.append(f"{track.name}: {row['name']}")
                break
    return wrong


def matched(
    model, recording, notes=None, *, bank=None, name=None, seed=0, progress=None, stop=None, steps=3, pause=0.0
):
    """In place of `matching.match`: a drawn instrument after some steps, with sounds of the right pitch."""
    from helpers import instruments, matching

    notes, stopped = notes or matching.find_notes(recording), False
    for done in range(1, steps + 1):
        if stopped := bool(stop and stop()):
            break
        if callable(progress):
            progress(done, steps)
        time.sleep(pause)
    [drawn] = instruments.sample(model, 1, seed)
    instrument = instruments.Instrument(name or recording.name, drawn.z, drawn.checkpoint, drawn.fingerprint)
    nearest = next(iter((bank or instruments.bank(model)).own.values()))
    found = []
    for k, note in enumerate(notes):
        pitch = int(np.clip(note.pitch, 24, 84))
        waves = [note_audio(pitch, k + i) for i in range(3)]
        found.append(
            matching.MatchedNote(note, pitch, 4.6 + k, 7.0 + k, 3.6, 2.0, matching.Sounds(*waves)),
        )
    others = tuple(matching.OtherPitch(found[0].pitch + step, 3.0, {}, "") for step in (-7, 7))
    numbers = (4.6, nearest, 7.0, 3.6, notes[0].cents)
    match = matching.Match(instrument, *numbers, tuple(found), others, {}, "latent", 1.0, stopped, recording.warnings)
    object.__setattr__(match, "report", lambda: f"{recording.name}: 4.6 dB; {nearest.name}: 7.0 dB")
    return match
