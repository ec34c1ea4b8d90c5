"""Train the classifier of instrument families in helpers/timbre: logistic regression on the descriptors of an atlas.

    python tools/make_family_classifier.py soundfont: soundfont:FluidR3_GM.sf2

The training set is each General MIDI program that belongs to one of NSynth's families, from each soundfont, played at
the three pitches of an atlas and described like a model's instrument. Writes helpers/timbre/families.json, with the
accuracy on held-out programs, of which no soundfont's version was used for training.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import joblib
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from helpers.casting import FAMILIES
from helpers.gansynth.config import Config
from helpers.timbre import families
from helpers.timbre.atlases import PITCHES
from helpers.timbre.descriptors import cepstra, describe_note
from helpers.training.dataset import open_sounds

TARGET = Path(families.__file__).with_name("families.json")
CONFIG = Config()
PENALTY = 0.1  # inverse strength of the L2 regularisation
FOLDS = 10
PROGRAMS = [program for program, family in enumerate(FAMILIES) if family]


def described(source: str) -> dict[int, np.ndarray]:
    """Program -> [pitches, descriptors and cepstra], for the programs that are audible at all pitches."""
    found: dict[int, list[np.ndarray]] = {}
    for pitch in PITCHES:
        sounds = open_sounds(source, CONFIG, pitches=(pitch, pitch), programs=PROGRAMS)
        notes = [(number, wave) for number, wave in sounds.read(range(len(sounds))) if not isinstance(wave, str)]
        rows = joblib.Parallel(n_jobs=-1)(joblib.delayed(row)(wave, pitch) for _, wave in notes)
        for (number, _), values in zip(notes, rows, strict=True):
            found.setdefault(PROGRAMS[number], []).append(values)
    return {program: np.array(rows) for program, rows in found.items() if len(rows) == len(PITCHES)}


def row(wave: np.ndarray, pitch: int) -> np.ndarray:
    return np.array([*describe_note(wave, pitch, CONFIG.sample_rate).values(), *cepstra(wave, CONFIG.sample_rate)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sources", nargs="+", help="soundfont: or soundfont:FILE.sf2")
    parser.add_argument("--penalty", type=float, default=PENALTY)
    args = parser.parse_args()
    programs, rows = [], []
    for source in args.sources:
        for program, values in described(source).items():
            programs.append(program)
            rows.append(families.features(values[None])[0])
    x, groups = np.array(rows), np.array(programs)
    truth = np.array([families.FAMILIES.index(FAMILIES[program]) for program in programs])
    model = make_pipeline(StandardScaler(), LogisticRegression(C=args.penalty, max_iter=2000, class_weight="balanced"))
    guesses = np.zeros((len(x), len(families.FAMILIES)))
    for known, asked in GroupKFold(FOLDS, shuffle=True, random_state=0).split(x, groups=groups):
        model.fit(x[known], truth[known])
        guesses[np.ix_(asked, model.classes_)] = model.predict_proba(x[asked])
    right = guesses.argmax(axis=1) == truth
    confident = guesses.max(axis=1)
    by_family = {name: float(right[truth == i].mean()) for i, name in enumerate(families.FAMILIES)}
    print(f"{right.mean():.1%} of {len(x)} correct; mean confidence {confident.mean():.1%}; {by_family}")
    model.fit(x, truth)
    scaler, regression = model[0], model[1]
    content = {
        "made_by": "tools/make_family_classifier.py " + " ".join(args.sources),
        "instruments": len(x),
        "accuracy": round(float(right.mean()), 4),
        "chance": round(float(np.bincount(truth).max() / len(truth)), 4),
        "by_family": {name: round(share, 4) for name, share in by_family.items()},
        "mean": np.round(scaler.mean_, 5).tolist(),
        "scale": np.round(scaler.scale_, 5).tolist(),
        "weights": np.round(regression.coef_, 5).tolist(),
        "bias": np.round(regression.intercept_, 5).tolist(),
    }
    TARGET.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
