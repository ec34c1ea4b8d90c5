"""`make bench-spectra`: time and memory of pictures, for noise of 4 s and of 5 minutes at 16 kHz.

Drawing includes writing the PNG. The first picture of a process compiles functions of librosa and is timed separately.
"""

from __future__ import annotations

import io
import time

import matplotlib
import numpy as np
from memory import peak_memory

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from helpers import spectrograms
from helpers.spectrograms import SAMPLE_RATE

ROUNDS = 7
DRAWINGS = {
    "waveform": spectrograms.waveform,
    "mel": spectrograms.mel,
    "cqt": spectrograms.cqt,
    "rainbowgram, paper": spectrograms.rainbowgram,
    "rainbowgram, detune": lambda y: spectrograms.rainbowgram(y, mode="detune"),
}


def noise(seconds: float) -> np.ndarray:
    return 0.1 * np.random.RandomState(0).normal(size=int(seconds * SAMPLE_RATE)).astype(np.float32)


def draw(name: str, y: np.ndarray) -> float:
    """Seconds to draw a picture, from samples to PNG."""
    began = time.perf_counter()
    ax, *_ = DRAWINGS[name](y)
    ax.figure.savefig(io.BytesIO(), format="png")
    plt.close(ax.figure)
    return time.perf_counter() - began


def main() -> None:
    short = noise(4)
    print(f"first rainbowgram of the process: {draw('rainbowgram, paper', short):.1f} s")
    print(f"\n{'':<20} {'4 s':>8} {'5 min':>8} {'memory':>10}   (median of {ROUNDS}; a single run, and its memory)")
    long = noise(300)
    for name in DRAWINGS:
        draw(name, short)
        seconds = np.median([draw(name, short) for _ in range(ROUNDS)])
        with peak_memory() as megabytes:
            once = draw(name, long)
        print(f"{name:<20} {seconds:7.2f}s {once:7.1f}s {megabytes[0]:7.0f} MB")


if __name__ == "__main__":
    main()
