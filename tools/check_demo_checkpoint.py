"""Compare the voices of a checkpoint written by make_demo_checkpoint.py with the notes that it was fitted to.

    python tools/check_demo_checkpoint.py --work WORK --checkpoint data/checkpoints/demo

Prints the results over all notes, and writes those of every instrument to measurements.json next to the checkpoint.
WORK is the folder filled by `render`. For the forty instruments with a loud and a soft version, at every STEP-th pitch:

1. tuning: the share of notes that pYIN finds within 25 and 50 cents, among those whose source note is;
2. log-spectral distance to the source;
3. whether a classifier, trained on the loud and soft source notes, recognises the instrument's family;
4. clicks: whether the largest jump from sample to sample is more than JUMP_FACTOR times that of the source note; and
   how much later than its source a struck or plucked note begins, because a note that fades in has no clicks either.

The space between the voices is measured by check_demo_space.py.
"""

from __future__ import annotations

import argparse
import itertools
import json
from pathlib import Path

import numpy as np
from demo_voices import INSTRUMENTS, VOICES
from make_demo_checkpoint import CONFIG
from tqdm.auto import tqdm

from helpers import compiled
from helpers.files import replacing
from helpers.gansynth import spectral
from helpers.gansynth.config import MIN_PITCH, NUM_PITCHES
from helpers.pitch import pyin

IN_TUNE = (25, 50)  # cents

DISTANCE_RANGE = 80  # dB below a source's loudest bin; anything lower counts as silence

# Features for the family, which are known to distinguish timbres: the shape of the spectrum, its changes, and the
# envelope. With more than 13 cepstra, the pitch shows, and source notes at other pitches are recognised less often.
FAMILY_SECONDS = 3.0  # for which the key is held
MEL_BANDS, CEPSTRA = 64, 13
FAMILY_FRAME, FAMILY_HOP = 1024, 256  # samples
ATTACK_SECONDS = 0.1
ENVELOPE_SECONDS = (0, 0.05, 0.1, 0.2, 0.5, 1, 2, 3)
QUIETEST = -60.0  # dB below the loudest part of the envelope
PENALTY = 10.0  # of the support vector machine

# Clicks. A bright note has steeper slopes, so the source note is the standard: the largest jump of a sample, relative
# to the note's peak, may be twice as large (6 dB). Hardly any source note differs as much from the next one in pitch.
# In bright notes, smaller clicks go unnoticed.
ATTACK_SAMPLES = CONFIG.sample_rate // 50  # the first 20 ms, which are ignored because of the attack
JUMP_FACTOR = 2.0

# Strokes, in families with struck or plucked notes: the time at which half of the highest peak of the first 150 ms is
# reached.
STRUCK = ("bass", "guitar", "keyboard", "mallet")
STROKE_SECONDS, STROKE_BLOCK = 0.15, 32  # samples

STEP = 10  # semitones between two measured pitches
PITCHES = MIN_PITCH + np.arange(0, NUM_PITCHES, STEP)
KINDS = ("loud", "soft")


# ------------------------------------------------------------------------------------------------------- single notes


def part(wave: np.ndarray, seconds: tuple[float, float]) -> np.ndarray:
    """The samples from one second to another."""
    return wave[slice(*(int(t * CONFIG.sample_rate) for t in seconds))]


def cents_off(wave: np.ndarray, note: int) -> float:
    """The deviation of a note from its pitch, measured with pYIN (cents); NaN if there is no pitch."""
    return pyin(wave, note, CONFIG.sample_rate)


def spectral_distance(note: np.ndarray, source: np.ndarray) -> float:
    """Log-spectral distance in dB: root mean square over bins, mean over frames.

    Both are brought to the same level first; values DISTANCE_RANGE below the source's loudest bin count as silence.
    """
    decibels = []
    for wave in (note, source):
        level = np.sqrt(np.mean(wave.astype(np.float64) ** 2))
        spectrum = spectral.stft(wave[None] / max(level, 1e-9), CONFIG)[0]
        decibels.append(20 * np.log10(np.abs(spectrum) + 1e-9))
    floor = decibels[1].max() - DISTANCE_RANGE
    difference = np.maximum(decibels[0], floor) - np.maximum(decibels[1], floor)
    return float(np.mean(np.sqrt(np.mean(difference**2, axis=1))))


def largest_jump(wave: np.ndarray) -> float:
    """The largest difference of neighbouring samples after the attack, relative to the note's peak."""
    jumps = np.abs(np.diff(wave[ATTACK_SAMPLES:].astype(np.float64)))
    return float(jumps.max() / max(np.abs(wave).max(), 1e-9))


def stroke_milliseconds(wave: np.ndarray) -> float:
    """When a note begins (ms): the first block that reaches half of the highest peak within STROKE_SECONDS."""
    begun = np.abs(part(wave, (0, STROKE_SECONDS)))
    peaks = begun[: len(begun) // STROKE_BLOCK * STROKE_BLOCK].reshape(-1, STROKE_BLOCK).max(axis=1)
    return 1000 * STROKE_BLOCK / CONFIG.sample_rate * float(np.argmax(peaks >= peaks.max() / 2))


def descriptors(wave: np.ndarray, pitch: int) -> np.ndarray:
    """The classifier's features of a note, independent of its level: float32 [47].

    Mel-frequency cepstra (mean, deviation over time, mean of the attack), the envelope in dB, and the pitch.
    """
    librosa = compiled.librosa()

    heard = part(wave, (0, FAMILY_SECONDS))
    size = {"n_fft": FAMILY_FRAME, "hop_length": FAMILY_HOP, "n_mels": MEL_BANDS}
    mel = librosa.feature.melspectrogram(y=heard, sr=CONFIG.sample_rate, **size)
    cepstra = librosa.feature.mfcc(S=librosa.power_to_db(mel, ref=max(mel.max(), 1e-12)), n_mfcc=CEPSTRA)
    attack = cepstra[:, : int(ATTACK_SECONDS * CONFIG.sample_rate / FAMILY_HOP) + 1]
    pieces = [part(heard, ends) for ends in itertools.pairwise(ENVELOPE_SECONDS)]
    power = np.array([np.mean(piece.astype(np.float64) ** 2) for piece in pieces])
    envelope = 10 * np.log10(np.maximum(power / max(power.max(), 1e-12), 10 ** (QUIETEST / 10)))
    rows = (cepstra.mean(axis=1), cepstra.std(axis=1), attack.mean(axis=1), envelope, [pitch])
    return np.concatenate(rows).astype(np.float32)


def measure_note(note: np.ndarray, pitch: int, source: np.ndarray) -> dict[str, float | np.ndarray]:
    """All measurements of one note, [samples] like its source note."""
    return {
        "cents": cents_off(note, pitch),
        "distance": spectral_distance(note, source),
        "jump": largest_jump(note),
        "descriptors": descriptors(note, pitch),
    }


def on_all_cores(function, *columns) -> list:
    """Apply `function` to each row of the columns, in parallel; pYIN alone takes a sixth of a second per note."""
    import joblib

    job = joblib.delayed(function)
    return joblib.Parallel(n_jobs=-1)(job(*row) for row in zip(*columns, strict=True))


def measure(notes: np.ndarray, sources: np.ndarray) -> dict[str, np.ndarray]:
    """`measure_note` of an instrument's notes at all pitches, as arrays [pitches] and [pitches, descriptors]."""
    rows = on_all_cores(measure_note, np.asarray(notes), PITCHES, np.asarray(sources))
    return {key: np.array([row[key] for row in rows]) for key in rows[0]}


# ---------------------------------------------------------------------------------------------------------- all notes


def source_notes(work: Path) -> dict[str, np.ndarray]:
    """Loud and soft: [instruments, PITCHES, samples] each, read as needed."""
    path, shape = work / "waves.npy", (len(VOICES), NUM_PITCHES, CONFIG.audio_length)
    if not path.is_file():
        raise FileNotFoundError(f"there are no notes at {path}; run `make_demo_checkpoint.py render` first")
    notes = np.load(path, mmap_mode="r")
    if notes.shape != shape:
        raise ValueError(f"{path} has shape {notes.shape}, not {shape}: render the notes again")
    count = len(INSTRUMENTS)
    return {kind: notes[i * count : (i + 1) * count, ::STEP] for i, kind in enumerate(KINDS)}


def latents_by_kind(about: dict) -> dict[str, dict[str, np.ndarray]]:
    """The latent of each instrument, loud and soft."""
    listed = {row["name"]: np.array(row["z"]) for row in about.get("instruments", [])}
    endings = dict(zip(KINDS, ("", ", soft"), strict=True))
    names = {kind: {name: f"{name}{ending}" for name in INSTRUMENTS} for kind, ending in endings.items()}
    if not {voice for of_kind in names.values() for voice in of_kind.values()} <= set(listed):
        raise ValueError("the checkpoint does not contain the instruments that make_demo_checkpoint.py writes")
    return {kind: {name: listed[voice] for name, voice in of_kind.items()} for kind, of_kind in names.items()}


def family_classifier(known: np.ndarray, families: list[str] | np.ndarray):
    """A support vector machine fitted to `descriptors` [n, 47] of notes with known families."""
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    return make_pipeline(StandardScaler(), SVC(C=PENALTY, class_weight="balanced")).fit(known, families)


def recognise(measured: dict[str, dict[str, dict]]) -> None:
    """Add to all measurements whether the family is "recognised", [pitches].

    Args:
      measured: kind -> instrument -> "source" or "model" -> result of `measure`; the classifier is fitted to "source".
    """
    rows = [(INSTRUMENTS[name][1], row) for of_kind in measured.values() for name, row in of_kind.items()]
    families = np.repeat([family for family, _ in rows], len(PITCHES))
    classifier = family_classifier(np.concatenate([row["source"]["descriptors"] for _, row in rows]), families)
    for family, row in rows:
        for values in row.values():
            values["recognised"] = classifier.predict(values["descriptors"]) == family


def counted_in_tune(source_cents: np.ndarray, cents: np.ndarray, limit: float) -> list[int]:
    """The number of notes in tune, and the number of notes whose source is in tune."""
    usable = np.abs(source_cents) <= limit  # False for NaN, where there is no pitch
    return [int(np.sum(usable & (np.abs(cents) <= limit))), int(np.sum(usable))]


def scores(source: dict[str, np.ndarray], made: dict[str, np.ndarray]) -> dict:
    """The numbers of the table for a set of notes: tuning as [in tune, of how many], the rest as means or shares."""
    found = {f"in_tune_{limit}": counted_in_tune(source["cents"], made["cents"], limit) for limit in IN_TUNE}
    ratios = made["jump"] / np.maximum(source["jump"], 1e-9)
    found["distance_db"] = float(np.mean(made["distance"]))
    found["family"] = float(np.mean(made["recognised"]))
    found["clicks"] = float(np.mean(ratios > JUMP_FACTOR))
    found["jump_ratio_median"], found["jump_ratio_max"] = float(np.median(ratios)), float(ratios.max())
    found["jump_max"], found["source_jump_max"] = float(made["jump"].max()), float(source["jump"].max())
    return found


def pooled(rows: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """The measurements of several instruments, joined."""
    return {key: np.concatenate([row[key] for row in rows]) for key in rows[0]}


# -------------------------------------------------------------------------------------------------------------- report


def rounded(value):
    """Numbers for a compact file: four decimal places, and None instead of NaN."""
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, (list, np.ndarray)):
        return [rounded(item) for item in value]
    if isinstance(value, (float, np.floating)):
        return round(float(value), 4) if np.isfinite(value) else None
    return value


def measure_all(
    model, latents: dict[str, dict[str, np.ndarray]], sources: dict[str, np.ndarray]
) -> tuple[dict[str, dict[str, dict]], dict[str, list[float]]]:
    """Measure all notes: kind -> instrument -> "source" or "model" -> result of `measure`; and kind -> delays (ms)."""
    measured, late = {kind: {} for kind in KINDS}, {kind: [] for kind in latents}
    keys = [(kind, name, sources[kind][i]) for kind in KINDS for i, name in enumerate(INSTRUMENTS)]
    for kind, name, of_source in tqdm(keys):
        notes = model.generate(latents[kind][name], PITCHES, progress=False)
        measured[kind][name] = {
            "source": measure(of_source, of_source),
            "model": measure(notes, of_source),
        }
        if INSTRUMENTS[name][1] in STRUCK:
            rows = zip(notes, of_source, strict=True)
            late[kind] += [stroke_milliseconds(note) - stroke_milliseconds(source) for note, source in rows]
    return measured, late


def check(work: Path, checkpoint: Path) -> None:
    from helpers.gansynth import load

    model = load(checkpoint)
    measured, late = measure_all(model, latents_by_kind(model.about), source_notes(work))
    recognise(measured)
    all_notes = {whose: {} for whose in ("source", "model")}
    for kind, rows in measured.items():
        for whose, found in all_notes.items():
            found[kind] = scores(*(pooled([row[who] for row in rows.values()]) for who in ("source", whose)))
        all_notes["model"][kind]["stroke_late_ms"] = np.percentile(late[kind], (25, 50, 75)).tolist()
    result = {
        "fingerprint": model.fingerprint,
        "all": all_notes,
        "instruments": {
            name: {kind: scores(rows[name]["source"], rows[name]["model"]) for kind, rows in measured.items()}
            for name in INSTRUMENTS
        },
        "pitches": PITCHES.tolist(),
        "cents": {
            name: {
                kind: {whose: values["cents"].round(1) for whose, values in rows[name].items()}
                for kind, rows in measured.items()
            }
            for name in INSTRUMENTS
        },
    }
    print(json.dumps(rounded(all_notes["model"]), indent=1))
    folder = checkpoint if checkpoint.is_dir() else checkpoint.parent
    with replacing(folder / "measurements.json") as partial:
        partial.write_text(json.dumps(rounded(result), separators=(",", ":")))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, required=True, help="folder of `make_demo_checkpoint.py render`")
    parser.add_argument("--checkpoint", type=Path, required=True)
    args = parser.parse_args()
    check(args.work, args.checkpoint)


if __name__ == "__main__":
    main()
