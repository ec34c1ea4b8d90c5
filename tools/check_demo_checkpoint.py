"""Measure a checkpoint that make_demo_checkpoint.py made, against the notes that it was fitted to.

    python tools/check_demo_checkpoint.py --work WORK --checkpoint data/checkpoints/demo [--only "Grand Piano" Violin]

Prints a table and writes measurements.json beside the checkpoint; with `--only`, a quick look at a few instruments
that leaves out what is about all of them, and writes nothing. WORK is the folder that `render` filled.

Every instrument plays every pitch loud, soft, and between. Between is held out: a velocity that no latent was fitted
to, asked of the latent half way from loud to soft. A checkpoint without soft voices (the first version) is asked for
it as it is. Measured are

1. tuning: how many notes pyin hears in tune, of those whose source note it hears in tune;
2. the log-spectral distance to the source note;
3. whether a classifier, trained on the loud and soft source notes, recognises the instrument's family; and whether
   one does that was not trained on this pitch, because many instruments sound alike loud, soft and between;
4. clicks: whether the largest jump from sample to sample is more than JUMP_FACTOR times the source note's; and how much
   later than the source a struck or plucked note is there, because a note that fades in has no clicks either;
5. tuning half way between two instruments, and of random latents;
6. whether the spectral centroid moves one way from an instrument to another; to read it against, whether it does where
   the two source notes themselves are mixed, with and without the round trip;
7. which of its two images is to blame: distance and family of the model's magnitudes with the source's frequencies, and
   the other way around.

To read 1 to 4 against: the same for the source notes themselves, made into spectrograms and back ("round trip"). So
would a generator score that drew every spectrogram as it is; the mel axis alone loses that much.

The source notes are measured once and kept in WORK/measured. On two cores that takes half an hour, and a checkpoint a
quarter.
"""

from __future__ import annotations

import argparse
import itertools
import json
from pathlib import Path

import numpy as np
from make_demo_checkpoint import CONFIG, INSTRUMENTS, VOICES
from tqdm.auto import tqdm

from helpers import compiled
from helpers.evaluation.pitch import pyin
from helpers.files import replacing
from helpers.gansynth import spectral
from helpers.gansynth.config import MIN_PITCH, NUM_PITCHES
from helpers.instruments import slerp

IN_TUNE = (25, 50)  # cents

DISTANCE_RANGE = 80  # dB below a source's loudest bin, where silence begins

# The family, by what is known to tell timbres apart: the shape of the spectrum, how it moves, and the envelope. More
# cepstra than 13 begin to tell the pitch, and source notes at other pitches are recognised less often.
FAMILY_SECONDS = 3.0  # the key is held for as long
MEL_BANDS, CEPSTRA = 64, 13
FAMILY_FRAME, FAMILY_HOP = 1024, 256  # samples
ATTACK_SECONDS = 0.1
ENVELOPE_SECONDS = (0, 0.05, 0.1, 0.2, 0.5, 1, 2, 3)
QUIETEST = -60.0  # dB below the loudest part of the envelope
PENALTY = 10.0  # of the support vector machine
NEIGHBOURS = 5  # pitches that are held out together, every third such group at a time

# Clicks. How steep a note may be depends on how bright it is, so the source note says it: the largest jump of a sample,
# relative to the note's peak, may be twice as large (6 dB). Hardly any source note differs as much from its neighbour
# in pitch, or from itself after the round trip. In bright notes smaller clicks go unnoticed.
ATTACK_SAMPLES = CONFIG.sample_rate // 50  # 20 ms that a stroke may begin in
JUMP_FACTOR = 2.0

# Strokes: of families whose notes are struck or plucked, when half of the highest peak of the first 150 ms is reached.
STRUCK = ("bass", "guitar", "keyboard", "mallet")
STROKE_SECONDS, STROKE_BLOCK = 0.15, 32  # samples

HALVES_PITCHES = slice(2, None, 6)  # at which the two images are exchanged

# Ways from one instrument to another.
MIXTURES = 200  # morphs, random latents, and pairs
POINTS = 7  # from one end to the other
STEADY_SECONDS = (0.2, 2.0)  # where the centroid is measured
WAY_BACK = 0.01  # of the centroid's range on the way, which counts as standing still
TOLERANT = f"monotonic_within_{WAY_BACK:g}"
SEED = 0

PITCHES = MIN_PITCH + np.arange(NUM_PITCHES)
KINDS = ("loud", "soft", "between")


# ---------------------------------------------------------------------------------------------------- of single notes


def part(wave: np.ndarray, seconds: tuple[float, float]) -> np.ndarray:
    """The samples from one second to another."""
    return wave[slice(*(int(t * CONFIG.sample_rate) for t in seconds))]


def cents_off(wave: np.ndarray, note: int) -> float:
    """How far pYIN hears a note from its pitch."""
    return pyin(wave, note, CONFIG.sample_rate)


def spectral_distance(note: np.ndarray, source: np.ndarray) -> float:
    """Log-spectral distance in dB: root mean square over bins, mean over frames.

    Both are brought to one level first, and what lies DISTANCE_RANGE below the source's loudest bin counts as silence.
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
    """When a note is there: the first block in which half of the highest peak of STROKE_SECONDS is reached."""
    begun = np.abs(part(wave, (0, STROKE_SECONDS)))
    peaks = begun[: len(begun) // STROKE_BLOCK * STROKE_BLOCK].reshape(-1, STROKE_BLOCK).max(axis=1)
    return 1000 * STROKE_BLOCK / CONFIG.sample_rate * float(np.argmax(peaks >= peaks.max() / 2))


def descriptors(wave: np.ndarray, pitch: int) -> np.ndarray:
    """What the classifier receives of a note, whatever its level: float32 [47].

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


def centroid(wave: np.ndarray) -> float:
    """Centre of mass in Hz of the mean magnitude spectrum in STEADY_SECONDS."""
    librosa = compiled.librosa()

    spectrum = np.abs(librosa.stft(part(wave, STEADY_SECONDS), n_fft=CONFIG.frame_length, center=False)).mean(axis=1)
    frequencies = librosa.fft_frequencies(sr=CONFIG.sample_rate, n_fft=CONFIG.frame_length)
    return float(np.sum(frequencies * spectrum) / max(np.sum(spectrum), 1e-12))


def way_back(centroids: np.ndarray) -> np.ndarray:
    """How far a centroid ever falls behind where it has been, on its way from first to last: 0 if it is monotonic.

    Args:
      centroids: [..., points].

    Returns:
      [...], as a share of all the range.
    """
    upwards = np.where(centroids[..., -1:] >= centroids[..., :1], centroids, -centroids)
    behind = np.maximum.accumulate(upwards, axis=-1) - upwards
    return behind.max(axis=-1) / np.maximum(np.ptp(centroids, axis=-1), 1e-12)


def measure_note(note: np.ndarray, pitch: int, source: np.ndarray) -> dict[str, float | np.ndarray]:
    """All that is measured of one note, [samples] like its source note."""
    return {
        "cents": cents_off(note, pitch),
        "distance": spectral_distance(note, source),
        "jump": largest_jump(note),
        "descriptors": descriptors(note, pitch),
    }


def on_all_cores(function, *columns) -> list:
    """`function` of each row of the columns; pyin alone takes a sixth of a second a note."""
    import joblib

    job = joblib.delayed(function)
    return joblib.Parallel(n_jobs=-1)(job(*row) for row in zip(*columns, strict=True))


def measure(notes: np.ndarray, sources: np.ndarray) -> dict[str, np.ndarray]:
    """`measure_note` of an instrument's notes at all pitches, as arrays [pitches] and [pitches, descriptors]."""
    rows = on_all_cores(measure_note, np.asarray(notes), PITCHES, np.asarray(sources))
    return {key: np.array([row[key] for row in rows]) for key in rows[0]}


# ------------------------------------------------------------------------------------------------------- of all notes


def source_notes(work: Path) -> dict[str, np.ndarray]:
    """Loud, soft and between: [instruments, pitches, samples] each, read as needed."""
    shapes = {"waves": 2 * len(INSTRUMENTS), "between": len(INSTRUMENTS)}
    found = {}
    for name, count in shapes.items():
        path, shape = work / f"{name}.npy", (count, NUM_PITCHES, CONFIG.audio_length)
        if not path.is_file():
            raise FileNotFoundError(f"no notes at {path}; `make_demo_checkpoint.py render` makes them")
        found[name] = np.load(path, mmap_mode="r")
        if found[name].shape != shape:
            raise ValueError(f"{path} has shape {found[name].shape}, not {shape}: render the notes again")
    loud, soft = np.split(found["waves"], 2)
    return dict(zip(KINDS, (loud, soft, found["between"]), strict=True))


def round_trip(notes: np.ndarray) -> np.ndarray:
    """What is left of notes after the generator's spectrogram and back."""
    trips = [spectral.data_to_waves(spectral.waves_to_data(note[None], CONFIG), CONFIG) for note in notes]
    return np.concatenate(trips)


def measure_source(work: Path, kind: str, name: str, notes: np.ndarray) -> dict[str, dict[str, np.ndarray]]:
    """`measure` of source notes ("source") and of their "round trip", kept until the notes are rendered again."""
    path = work / "measured" / f"{name}, {kind}.npz"
    rendered = work / ("between.npy" if kind == "between" else "waves.npy")
    if not path.exists() or path.stat().st_mtime < rendered.stat().st_mtime:
        measured = {"source": measure(notes, notes), "round trip": measure(round_trip(notes), notes)}
        flat = {f"{whose}/{key}": values for whose, rows in measured.items() for key, values in rows.items()}
        with replacing(path) as partial:
            np.savez(partial, **flat)
    found = {"source": {}, "round trip": {}}
    with np.load(path) as saved:
        for entry in saved.files:
            whose, key = entry.split("/")
            found[whose][key] = saved[entry]
    return found


def latents_by_kind(about: dict) -> dict[str, dict[str, np.ndarray]]:
    """The latent of each instrument, loud, soft (unless the checkpoint has none) and between."""
    listed = {row["name"]: np.array(row["z"]) for row in about.get("instruments", [])}
    loud = {name: listed[name] for name in INSTRUMENTS if name in listed}
    if len(loud) < len(INSTRUMENTS):
        raise ValueError("the checkpoint does not bring the instruments that make_demo_checkpoint.py gives it")
    soft_names = dict(zip(INSTRUMENTS, VOICES[len(INSTRUMENTS) :], strict=True))
    soft = {name: listed[voice] for name, voice in soft_names.items() if voice in listed}
    if not soft:
        return {"loud": loud, "between": loud}
    return {"loud": loud, "soft": soft, "between": {name: slerp(loud[name], soft[name], 0.5) for name in INSTRUMENTS}}


def family_classifier(known: np.ndarray, families: list[str] | np.ndarray):
    """A support vector machine on `descriptors` [n, 47] of notes whose families are known; `predict` tells others'."""
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    return make_pipeline(StandardScaler(), SVC(C=PENALTY, class_weight="balanced")).fit(known, families)


def taught_classifier(measured: dict[str, dict[str, dict]], heard: np.ndarray):
    """`family_classifier` that knows the loud and soft source notes at those pitches that `heard` [pitches] says."""
    known = [(name, row["source"]) for kind in ("loud", "soft") for name, row in measured[kind].items()]
    families = np.repeat([INSTRUMENTS[name][1] for name, _ in known], heard.sum())
    return family_classifier(np.concatenate([source["descriptors"][heard] for _, source in known]), families)


def recognise(measured: dict[str, dict[str, dict]]):
    """Add to what was measured whether its family is recognised, [pitches]; return the classifier of all pitches.

    "recognised" is by a classifier that knows the loud and soft source notes of all pitches, "recognised_unheard" by
    one that knows none of the pitch that it is asked about.

    Args:
      measured: kind -> instrument -> whose -> what `measure` gives; "source" of all kinds is among it.
    """
    every, thirds = np.full(NUM_PITCHES, True), np.arange(NUM_PITCHES) // NEIGHBOURS % 3
    of_all = taught_classifier(measured, every)
    rounds = [("recognised", of_all, every)]
    for third in range(3):
        rounds.append(("recognised_unheard", taught_classifier(measured, thirds != third), thirds == third))
    for key, classifier, asked in rounds:
        for name, row in (item for of_kind in measured.values() for item in of_kind.items()):
            for values in row.values():
                right = classifier.predict(values["descriptors"][asked]) == INSTRUMENTS[name][1]
                values.setdefault(key, np.full(NUM_PITCHES, False))[asked] = right
    return of_all


def counted_in_tune(source_cents: np.ndarray, cents: np.ndarray, limit: float) -> list[int]:
    """How many notes are in tune, of how many whose source is (0 for a source: count them all)."""
    usable = np.abs(source_cents) <= limit  # no comparison holds for NaN, where no pitch is heard
    return [int(np.sum(usable & (np.abs(cents) <= limit))), int(np.sum(usable))]


def scores(source: dict[str, np.ndarray], made: dict[str, np.ndarray]) -> dict:
    """The numbers of the table for some notes: tuning as [in tune, of how many], the rest as means or shares."""
    found = {f"in_tune_{limit}": counted_in_tune(source["cents"], made["cents"], limit) for limit in IN_TUNE}
    ratios = made["jump"] / np.maximum(source["jump"], 1e-9)
    found["distance_db"] = float(np.mean(made["distance"]))
    if "recognised" in made:
        found["family"] = float(np.mean(made["recognised"]))
        found["family_unheard"] = float(np.mean(made["recognised_unheard"]))
    found["clicks"] = float(np.mean(ratios > JUMP_FACTOR))
    found["jump_ratio_median"], found["jump_ratio_max"] = float(np.median(ratios)), float(ratios.max())
    found["jump_max"], found["source_jump_max"] = float(made["jump"].max()), float(source["jump"].max())
    return found


def pooled(rows: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """What was measured of several instruments, as if it were of one."""
    return {key: np.concatenate([row[key] for row in rows]) for key in rows[0]}


def halves(model, z: dict[str, np.ndarray], sources: np.ndarray, classifier) -> dict[str, dict[str, float]]:
    """Distance and family with one image of the model's and the other of the source's, for loud notes.

    Args:
      model: a loaded generator.
      z: the latent of each instrument.
      sources: [instruments, pitches, samples].
      classifier: of `taught_classifier`.
    """
    pitches = PITCHES[HALVES_PITCHES]
    rows: dict[str, list] = {"magnitudes": [], "frequencies": []}
    for (name, latent), notes in zip(tqdm(z.items(), desc="halves"), sources, strict=True):
        notes = np.asarray(notes[HALVES_PITCHES])
        made, drawn = model.generate_data(latent, pitches), spectral.waves_to_data(notes, CONFIG)
        for i, of_model in enumerate(rows):
            data = drawn.copy()
            data[..., i] = made[..., i]
            mixed = spectral.data_to_waves(data, CONFIG)
            heard = np.stack(on_all_cores(descriptors, mixed, pitches))
            right = classifier.predict(heard) == INSTRUMENTS[name][1]
            rows[of_model] += zip(on_all_cores(spectral_distance, mixed, notes), right, strict=True)
    means = {of_model: np.mean(pairs, axis=0) for of_model, pairs in rows.items()}
    return {of_model: {"distance_db": distance, "family": family} for of_model, (distance, family) in means.items()}


# ---------------------------------------------------------------------------------------------------------- of the way


def random_pairs(rng: np.random.RandomState, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Two different numbers below `count`, MIXTURES times."""
    first = rng.randint(count, size=MIXTURES)
    return first, (first + rng.randint(1, count, size=MIXTURES)) % count


def random_pitches(rng: np.random.RandomState) -> np.ndarray:
    return rng.randint(MIN_PITCH, MIN_PITCH + NUM_PITCHES, size=MIXTURES)


def tuning_elsewhere(model, z: np.ndarray, source_cents: np.ndarray) -> dict[str, dict]:
    """Tuning half way between random instruments, and of random latents, at random pitches, as [in tune, of how many].

    "in_tune" is of all; "of_heard" leaves out morphs of an instrument whose source note is not in tune for pyin.

    Args:
      model: a loaded generator.
      z: the latent of each instrument.
      source_cents: of `cents_off`, [instruments, pitches].
    """
    rng = np.random.RandomState(SEED)
    first, second = random_pairs(rng, len(z))
    found = {}
    for kind, points in (("morphs", slerp(z[first], z[second], 0.5)), ("random", model.sample_z(MIXTURES, SEED))):
        pitches = random_pitches(rng)
        cents = np.array(on_all_cores(cents_off, model.generate(points, pitches), pitches))
        found[kind] = {f"in_tune_{limit}": counted_in_tune(np.zeros(MIXTURES), cents, limit) for limit in IN_TUNE}
        if kind == "morphs":
            ends = np.abs(source_cents[np.stack([first, second]), pitches - MIN_PITCH]).max(axis=0)
            found[kind] |= {f"of_heard_{limit}": counted_in_tune(ends, cents, limit) for limit in IN_TUNE}
    return found


def random_ways() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The instruments that MIXTURES ways begin and end at, and one pitch for each of them."""
    rng = np.random.RandomState(SEED + 1)
    return *random_pairs(rng, len(INSTRUMENTS)), random_pitches(rng)


def one_way(centroids: np.ndarray) -> dict[str, float]:
    """The shares of ways on which the centroid goes up or down throughout; [ways, points]."""
    back = way_back(centroids)
    return {"monotonic": float(np.mean(back == 0)), TOLERANT: float(np.mean(back <= WAY_BACK))}


def centroids_on_the_way(model, z: np.ndarray) -> dict:
    """The spectral centroid at POINTS points from one random instrument to another, one pitch for each pair."""
    first, second, pitches = random_ways()
    ways = slerp(z[first, None], z[second, None], np.linspace(0, 1, POINTS))
    points = tqdm(ways.swapaxes(0, 1), desc="ways")
    notes = (model.generate(z, pitches, duration=STEADY_SECONDS[1], progress=False) for z in points)
    found = np.stack([[centroid(note) for note in of_point] for of_point in notes], axis=1)
    names = np.array(list(INSTRUMENTS))
    pairs = zip(names[first].tolist(), names[second].tolist(), pitches.tolist(), found.round(1).tolist(), strict=True)
    return {**one_way(found), "pairs": [list(pair) for pair in pairs]}


def centroids_of_mixes(notes: np.ndarray) -> dict[str, dict[str, float]]:
    """The same where the two source notes are mixed, at equal levels: of the "mix", and of its "round trip".

    Args:
      notes: [instruments, pitches, samples].
    """
    shares = np.linspace(0, 1, POINTS)[:, None]
    found: dict[str, list] = {"mix": [], "round trip": []}
    for first, second, pitch in tqdm(list(zip(*random_ways(), strict=True)), desc="mixes"):
        ends = [np.asarray(notes[i, pitch - MIN_PITCH], np.float64) for i in (first, second)]
        ends = [end / max(np.sqrt(np.mean(part(end, STEADY_SECONDS) ** 2)), 1e-9) for end in ends]
        mixed = ((1 - shares) * ends[0] + shares * ends[1]).astype(np.float32)
        for whose, waves in (("mix", mixed), ("round trip", round_trip(mixed))):
            found[whose].append([centroid(wave) for wave in waves])
    return {whose: one_way(np.array(rows)) for whose, rows in found.items()}


# -------------------------------------------------------------------------------------------------------------- report


def share(counts: list[int]) -> float:
    return counts[0] / counts[1] if counts[1] else float("nan")


COLUMNS = {
    f"in tune ({IN_TUNE[0]}), %": lambda found: 100 * share(found[f"in_tune_{IN_TUNE[0]}"]),
    f"in tune ({IN_TUNE[1]}), %": lambda found: 100 * share(found[f"in_tune_{IN_TUNE[1]}"]),
    "distance, dB": lambda found: found["distance_db"],
    "family, %": lambda found: 100 * found["family"],
    f"jump > {JUMP_FACTOR:g} x, %": lambda found: 100 * found["clicks"],
}


def table(rows: dict[str, dict[str, dict]], kinds: list[str]) -> str:
    """Text with a line for each row: name -> kind -> `scores`."""
    columns = dict(COLUMNS)
    if not all("family" in found for row in rows.values() for found in row.values()):
        columns.pop("family, %")
    width = 8 * len(kinds)
    lines = [
        " " * 18 + " |".join(f"{title:>{width}s}" for title in columns),
        " " * 18 + " |".join("".join(f"{kind:>8s}" for kind in kinds) for _ in columns),
    ]
    for name, row in rows.items():
        cells = ("".join(f"{column(row[kind]):8.1f}" for kind in kinds) for column in columns.values())
        lines.append(f"{name:18s}" + " |".join(cells))
    return "\n".join(lines)


def rounded(value):
    """Numbers for a compact file: four decimals, None instead of NaN."""
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, (list, np.ndarray)):
        return [rounded(item) for item in value]
    if isinstance(value, (float, np.floating)):
        return round(float(value), 4) if np.isfinite(value) else None
    return value


def measure_all(
    model, work: Path, latents: dict[str, dict[str, np.ndarray]], sources: dict[str, np.ndarray], names: list[str]
) -> tuple[dict[str, dict[str, dict]], dict[str, list[float]]]:
    """All notes of some instruments: kind -> instrument -> whose -> what `measure` gives, and kind -> late strokes.

    A checkpoint that has no voice for a kind is measured without it; the sources are measured for all kinds.
    """
    measured, late = {kind: {} for kind in KINDS}, {kind: [] for kind in latents}
    keys = [(kind, name, sources[kind][list(INSTRUMENTS).index(name)]) for kind in KINDS for name in names]
    for kind, name, notes in tqdm(keys, desc="sources"):
        measured[kind][name] = measure_source(work, kind, name, notes)
    for kind, name, of_source in tqdm([key for key in keys if key[0] in latents], desc="model"):
        notes = model.generate(latents[kind][name], PITCHES, progress=False)
        measured[kind][name]["model"] = measure(notes, of_source)
        if INSTRUMENTS[name][1] in STRUCK:
            rows = zip(notes, of_source, strict=True)
            late[kind] += [stroke_milliseconds(note) - stroke_milliseconds(source) for note, source in rows]
    return measured, late


def print_notes(rows: dict[str, dict[str, dict]], all_notes: dict[str, dict[str, dict]]) -> None:
    """The table of `scores` by instrument and of all of them, and what does not fit into its columns."""
    model = all_notes["model"]
    print(table({**rows, "all": model, "round trip": all_notes["round trip"]}, list(model)))
    for kind, found in model.items():
        in_tune = ", ".join("{} of {} within {} cents".format(*found[f"in_tune_{n}"], n) for n in IN_TUNE)
        jumps = f"{found['jump_ratio_median']:.2f} x the source's, at most {found['jump_ratio_max']:.1f} x"
        print(f"{kind}: {in_tune}; largest jumps {jumps} and {found['jump_max']:.2f} of a peak")
        if "stroke_late_ms" in found:
            print("... strokes late by {:.0f}, {:.0f}, {:.0f} ms (quartiles)".format(*found["stroke_late_ms"]))


def print_of_all(all_notes: dict[str, dict[str, dict]], elsewhere: dict, way: dict, parts: dict) -> None:
    """What is not about single instruments."""
    for whose, found in all_notes.items():
        known, unheard = (found["between"][key] for key in ("family", "family_unheard"))
        print(f"family between ({whose}): {known:.1%}; by classifiers that do not know the pitch: {unheard:.1%}")
    for kind, counted, title in (
        ("morphs", "in_tune", "half way between two instruments"),
        ("morphs", "of_heard", "... of those whose sources are heard in tune"),
        ("random", "in_tune", "random latents"),
    ):
        in_tune = ", ".join(f"{share(elsewhere[kind][f'{counted}_{n}']):.1%} within {n} cents" for n in IN_TUNE)
        print(f"{title}: {in_tune}")
    for whose, found in (("model", way), *((f"sources, {whose}", row) for whose, row in way["sources"].items())):
        tolerant = f"{found[TOLERANT]:.1%} if ways back of {WAY_BACK:.0%} of its range are let pass"
        print(f"centroid from one instrument to another ({whose}): {found['monotonic']:.1%} one way; {tolerant}")
    for of_model, found in parts.items():
        print(f"the model's {of_model} alone: {found['distance_db']:.1f} dB, family {found['family']:.1%}")


def check(work: Path, checkpoint: Path, only: list[str]) -> None:
    from helpers.gansynth import load

    names = only or list(INSTRUMENTS)
    model = load(checkpoint)
    latents, sources = latents_by_kind(model.about), source_notes(work)
    measured, late = measure_all(model, work, latents, sources, names)
    if not only:
        classifier = recognise(measured)
    kinds = list(latents)
    rows = {name: {k: scores(measured[k][name]["source"], measured[k][name]["model"]) for k in kinds} for name in names}
    all_notes = {
        whose: {
            kind: scores(*(pooled([row[who] for row in measured[kind].values()]) for who in ("source", whose)))
            for kind in kinds
        }
        for whose in ("source", "round trip", "model")
    }
    for kind, milliseconds in late.items():
        if milliseconds:
            all_notes["model"][kind]["stroke_late_ms"] = np.percentile(milliseconds, (25, 50, 75)).tolist()
    print_notes(rows, all_notes)
    if only:
        return

    z = np.stack([latents["loud"][name] for name in INSTRUMENTS])
    source_cents = np.stack([row["source"]["cents"] for row in measured["loud"].values()])
    elsewhere = tuning_elsewhere(model, z, source_cents)
    way = {**centroids_on_the_way(model, z), "sources": centroids_of_mixes(sources["loud"])}
    parts = halves(model, latents["loud"], sources["loud"], classifier)
    print_of_all(all_notes, elsewhere, way, parts)

    cents = {
        name: {kind: {w: measured[kind][name][w]["cents"].round(1) for w in ("source", "model")} for kind in kinds}
        for name in names
    }
    result = {
        "fingerprint": model.fingerprint,
        "all": all_notes,
        "elsewhere": elsewhere,
        "centroid": way,
        "halves": parts,
        "instruments": rows,
        "lowest_pitch": MIN_PITCH,
        "cents": cents,
    }
    folder = checkpoint if checkpoint.is_dir() else checkpoint.parent
    with replacing(folder / "measurements.json") as partial:
        partial.write_text(json.dumps(rounded(result), separators=(",", ":")))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, required=True, help="folder that make_demo_checkpoint.py rendered into")
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--only", nargs="+", default=[], choices=list(INSTRUMENTS), metavar="NAME")
    args = parser.parse_args()
    check(args.work, args.checkpoint, args.only)


if __name__ == "__main__":
    main()
