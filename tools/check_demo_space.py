"""Measure the space between the voices of a checkpoint: whether any latent is an instrument, and a different one.

    python tools/check_demo_space.py --work WORK --checkpoint data/checkpoints/demo [--count 200]

WORK is the folder filled by `make_demo_checkpoint.py render`. For the voices, for random latents as the model draws
them (`sample_z`), for midpoints and random points between two random voices, and for the source notes, at three
pitches:

1. diversity: the mean distance between two of them (root mean square of dB in mel bands at ten moments of a note), and
   the spread of spectral centroid, attack and decay;
2. tuning: the share of notes that pYIN finds within 25 cents;
3. distance to the nearest source note, relative to that of source notes to their own nearest neighbours: whether a
   sound is among real instruments, or far from all of them;
4. modulation of held sounds from 2 to 12 Hz, of the voices relative to their sources.

And for instruments that were never trained: the distance to the nearest voice, and to the nearest of many latents.
Prints a table and writes space.json next to the checkpoint.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from check_demo_checkpoint import cents_off, on_all_cores, part
from demo_voices import VOICES, VOICES_HELD_OUT
from make_demo_checkpoint import CONFIG, pictures

from helpers.gansynth.config import MIN_PITCH
from helpers.instruments import slerp

PITCHES = (48, 60, 72)
IN_TUNE = 25  # cents
SEED = 0
RATE = CONFIG.sample_rate


def describe(note: np.ndarray, pitch: int) -> list[float]:
    """Centroid in Hz, logarithm of the attack in s, decay in dB from 0.6 to 2.6 s, modulation in dB, and cents."""
    spectrum = np.abs(np.fft.rfft(part(note, (0.2, 2.0))))
    centroid = np.sum(np.fft.rfftfreq(int(1.8 * RATE), 1 / RATE) * spectrum) / max(spectrum.sum(), 1e-9)
    blocks = np.sqrt(np.mean(note[: len(note) // 80 * 80].reshape(-1, 80).astype(np.float64) ** 2, axis=1))  # 5 ms
    smooth = np.convolve(blocks, np.ones(8) / 8, "same")
    attack = (1 + np.argmax(smooth[:300] >= 0.9 * smooth[:300].max())) * 80 / RATE
    early, late = (np.sqrt(np.mean(part(note, ends).astype(np.float64) ** 2)) for ends in ((0.5, 0.75), (2.5, 2.75)))
    held = np.log(smooth[100:560] + 1e-6)
    held -= np.polyval(np.polyfit(np.arange(len(held)), held, 2), np.arange(len(held)))
    rates = np.fft.rfftfreq(len(held), 80 / RATE)
    power = np.abs(np.fft.rfft(held * np.hanning(len(held)))) ** 2
    modulation = 10 * np.log10(power[(rates >= 2) & (rates <= 12)].mean() + 1e-9)
    decay = 20 * np.log10(max(early, 1e-6) / max(late, 1e-6))
    return [centroid, np.log(attack), min(decay, 60.0), modulation, cents_off(note, pitch)]


def distances(here: np.ndarray, there: np.ndarray) -> np.ndarray:
    """Root mean square difference of pictures [n, ...] and [m, ...]: [n, m]."""
    here, there = here.reshape(len(here), -1).astype(np.float64), there.reshape(len(there), -1).astype(np.float64)
    square = np.sum(here**2, axis=1)[:, None] + np.sum(there**2, axis=1) - 2 * here @ there.T
    return np.sqrt(np.maximum(square, 0) / here.shape[1])


class Heard:
    """Measurements of a set of instruments: `pictures` [n, pitches, ...] and descriptions [n, pitches, 5]."""

    def __init__(self, notes: np.ndarray):
        self.pictures = pictures(notes)
        flat, pitches = notes.reshape(-1, notes.shape[-1]), list(PITCHES) * len(notes)
        self.numbers = np.array(on_all_cores(describe, flat, pitches)).reshape(len(notes), len(PITCHES), -1)

    def diversity(self) -> float:
        """The mean distance between two different instruments at the same pitch."""
        upper = np.triu_indices(len(self.pictures), 1)
        return float(np.mean([distances(at, at)[upper].mean() for at in self.pictures.swapaxes(0, 1)]))

    def spread(self, which: int) -> float:
        return float(np.std(self.numbers[:, :, which], axis=0).mean())

    def in_tune(self) -> np.ndarray:
        """[n, pitches]."""
        return np.abs(self.numbers[:, :, 4]) <= IN_TUNE

    def nearest(self, others: Heard, neighbour: int = 0) -> np.ndarray:
        """Distance to the nearest of others at the same pitch, or to the `neighbour`-th after it, [n, pitches]."""
        pairs = zip(self.pictures.swapaxes(0, 1), others.pictures.swapaxes(0, 1), strict=True)
        return np.stack([np.sort(distances(*pair), axis=1)[:, neighbour] for pair in pairs], axis=1)

    def summary(self, sources: Heard, same: bool) -> dict[str, float]:
        gap = np.median(sources.nearest(sources, 1))
        return {
            "distance_db": self.diversity(),
            **{name: self.spread(i) for i, name in enumerate(("centroid_hz", "attack_log", "decay_db"))},
            "in_tune": float(np.mean(self.in_tune())),
            "nearest_source": float(np.median(self.nearest(sources, int(same))) / gap),
        }


def play(model, z: np.ndarray) -> np.ndarray:
    """[n, pitches, samples]."""
    pitches = np.tile(PITCHES, len(z))
    return model.generate(np.repeat(z, len(PITCHES), axis=0), pitches).reshape(len(z), len(PITCHES), -1)


def check(work: Path, checkpoint: Path, count: int) -> dict:
    from helpers.gansynth import load

    model = load(checkpoint)
    names = [voice.name for voice in VOICES]
    rows = [row for row in model.about["instruments"] if row["name"] in names]
    which = [names.index(row["name"]) for row in rows]
    columns = np.array(PITCHES) - MIN_PITCH
    notes = np.stack([np.array(np.load(work / "waves.npy", mmap_mode="r")[i, columns]) for i in which])
    looks = pictures(notes)
    same = np.array([np.argmax(row < 0.5) for row in distances(looks, looks)])
    distinct = np.unique(same)  # some voices sound the same loud and soft; one of the two is enough
    z = np.array([row["z"] for row in rows])[distinct]
    sources = Heard(notes[distinct])
    rng = np.random.RandomState(SEED)
    first = rng.randint(len(z), size=count)
    second = (first + rng.randint(1, len(z), size=count)) % len(z)
    kinds = {
        "voices": z,
        "random": model.sample_z(count, SEED),
        "middles": slerp(z[first], z[second], 0.5),
    }
    kinds["ways"] = slerp(z[first], z[second], rng.uniform(size=count))
    kinds["normal"] = rng.normal(size=(count, z.shape[1]))
    found = {"sources": sources.summary(sources, True)}
    heard = {}
    for kind, latents in kinds.items():
        heard[kind] = Heard(play(model, latents))
        found[kind] = heard[kind].summary(sources, False)
        print(kind, {key: round(value, 3) for key, value in found[kind].items()}, flush=True)
    good = heard["voices"].in_tune()
    both = good[first] & good[second]
    found["middles"]["in_tune_of_good"] = float(np.mean(heard["middles"].in_tune()[both]))
    nearest = np.stack(
        [
            good[np.argsort(distances(at, of_voices), axis=1)[:, :2], i].all(axis=1)
            for i, (at, of_voices) in enumerate(
                zip(heard["random"].pictures.swapaxes(0, 1), heard["voices"].pictures.swapaxes(0, 1), strict=True)
            )
        ],
        axis=1,
    )
    found["random"]["in_tune_of_good"] = float(np.mean(heard["random"].in_tune()[nearest]))
    held = np.abs(sources.numbers[:, :, 2]) < 6
    found["voices"]["modulation_db"] = float(np.median((heard["voices"].numbers - sources.numbers)[:, :, 3][held]))
    pairs = zip(heard["voices"].pictures.swapaxes(0, 1), sources.pictures.swapaxes(0, 1), strict=True)
    found["voices"]["own_source_db"] = float(np.mean([np.diag(distances(*pair)).mean() for pair in pairs]))
    held_out = np.array(np.load(work / "held_out.npy", mmap_mode="r")[:, columns])
    unlearned = pictures(held_out)
    many = np.concatenate([heard["random"].pictures, heard["middles"].pictures])
    found["held_out"] = {
        "instruments": len(VOICES_HELD_OUT),
        "nearest_voice": float(np.mean(distances(unlearned, heard["voices"].pictures).min(axis=1))),
        f"nearest_of_{len(many)}_latents": float(np.mean(distances(unlearned, many).min(axis=1))),
    }
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, required=True, help="folder of `make_demo_checkpoint.py render`")
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--count", type=int, default=200, help="latents of each kind (default: %(default)s)")
    args = parser.parse_args()
    found = check(args.work, args.checkpoint, args.count)
    columns = list(found["sources"])
    print(f"{'':10s}" + "".join(f"{name:>16s}" for name in columns))
    for kind, row in found.items():
        if "distance_db" in row:
            print(f"{kind:10s}" + "".join(f"{row[name]:16.3f}" for name in columns))
    print({kind: {k: round(v, 3) for k, v in row.items() if k not in columns} for kind, row in found.items()})
    folder = args.checkpoint if args.checkpoint.is_dir() else args.checkpoint.parent
    rounded = {kind: {key: round(float(x), 4) for key, x in row.items()} for kind, row in found.items()}
    (folder / "space.json").write_text(json.dumps(rounded, indent=1) + "\n")


if __name__ == "__main__":
    main()
