"""`make bench-widgets`: response times of the notebooks' controls with the bundled model.

Measured from a click, when it arrives in Python, to the sound file that is sent to the page. Each click uses another
instrument, so that no cached notes are used; the first one, which starts TensorFlow, is listed separately. If
instruments morph, every note is a distinct sound; if one plays throughout, equal notes are generated only once.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from helpers import gansynth, instruments, midi, runtime, widgets
from helpers.instruments import Instrument

ROUNDS = 20
BARS = 8  # of the prelude
NOTE_LIMIT, PHRASE_LIMIT = 0.5, 2.0  # s, target response times on two cores


def note(model: gansynth.GANSynth, bank: dict[str, Instrument], folder: str) -> Callable[[str], bytes]:
    """A click on a card of the instrument browser."""
    browser = widgets.Browser(model, bank, path=Path(folder) / "instruments.json")

    def click(name: str) -> bytes:
        browser._on_card(None, {"play": name}, [])
        return browser._sound.value

    return click


def phrase(model: gansynth.GANSynth, bank: dict[str, Instrument], *, morphs: bool) -> Callable[[str], bytes]:
    """Change an instrument of the timeline, held throughout or morphed to, and then generate."""
    whole = midi.load(runtime.ROOT / "data" / "midi" / "bach_prelude.mid")
    song = midi.excerpt(whole, 0.0, midi.bars(whole)[BARS])
    editor = widgets.TimelineEditor(bank, song)
    if morphs:
        editor.add(song.duration, list(bank)[-1])
    generate = widgets.Generate(model, song, editor)

    def change(name: str) -> bytes:
        editor.choose(len(editor.entries) - 1, name)
        generate.run()
        return generate._sound.value

    return change


def measure(act: Callable[[str], bytes], names: list[str]) -> list[float]:
    """Response time in seconds for each instrument."""
    seconds = []
    for name in names:
        began = time.perf_counter()
        if not act(name):
            raise RuntimeError(f"{name} gives no sound")
        seconds.append(time.perf_counter() - began)
    return seconds


def main() -> None:
    model = gansynth.load("demo")
    bank = instruments.named(model)
    names = list(bank)[1 : ROUNDS + 2]  # without the first one, with which timelines start
    print(f"{os.cpu_count()} cores\n\n{'':<38} {'first':>8} {'median':>8} {'longest':>8} {'limit':>8}")
    with tempfile.TemporaryDirectory() as folder:
        rows = [
            ("a preview note", note(model, bank, folder), NOTE_LIMIT),
            (f"another instrument in {BARS} bars", phrase(model, bank, morphs=False), PHRASE_LIMIT),
            (f"a morph to another one in {BARS} bars", phrase(model, bank, morphs=True), PHRASE_LIMIT),
        ]
        for title, act, limit in rows:
            first, *others = measure(act, names)
            print(f"{title:<38} {first:7.2f}s {np.median(others):7.2f}s {max(others):7.2f}s {limit:7.1f}s")


if __name__ == "__main__":
    main()
