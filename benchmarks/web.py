"""`make bench-web`: how soon the page of `make web` plays, in a headless Chromium, and how accurate its notes are.

Times are measured from opening the address, on a server on this machine; a real network adds the time of the download.
CPU seconds are those of the page's own process; on two idle cores, wall-clock time is hardly longer. Each round starts
with an empty cache.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from helpers import export, gansynth, instruments

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tools"))
import drive

ROUNDS = 3
LIMIT = 6.0  # s to the first sound, on two cores
PATIENCE = 180_000  # ms
ATTACK, UNTOUCHED = 0.01, 1.0  # s, the part of a note of the page that is unchanged from the network's output
# Records the messages from the worker with their times.
SPY = """
window.events = [];
window.Worker = class extends Worker {
    constructor(...given) {
        super(...given);
        this.addEventListener("message", ({ data }) => {
            const kind = data.zone ? "note" : data.ready ? "ready" : data.have === data.of ? "loaded" : "";
            if (kind) events.push({ kind, at: performance.now() / 1000, ready: data.ready, of: data.of,
                pitch: data.zone && Math.round(data.zone.pitch), wave: data.wave && [...data.wave] });
        });
    }
};
"""
DONE = "() => events.some(({ kind, ready, of }) => kind === 'note' && ready === of)"
FIRST = "() => events.some(({ kind }) => kind === 'note')"


def usage() -> tuple[float, float]:
    """CPU seconds used by the pages of this program's browser, and their memory (MB)."""
    spent = occupied = 0.0
    for process in psutil.Process().children(recursive=True):
        try:
            if "--type=renderer" in process.cmdline():
                times = process.cpu_times()
                spent += times.user + times.system
                occupied += process.memory_info().rss / 1e6
        except psutil.Error:  # the process has ended
            pass
    return spent, occupied


def visit(address: str) -> dict[str, Any]:
    """Open the page, wait for all notes of its first instrument, and return the times of all events."""
    with drive.chromium() as browser:
        page = browser.new_page()
        page.add_init_script(SPY)
        began, empty = usage()
        page.goto(address)
        page.wait_for_function(FIRST, timeout=PATIENCE)
        first, after_first = usage()
        page.wait_for_function(DONE, timeout=PATIENCE)
        whole, after_all = usage()
        page.keyboard.press("a")
        events = page.evaluate("events")
        script = float(page.locator(".latency").get_attribute("data-script"))
    notes = [event for event in events if event["kind"] == "note"]
    at = {event["kind"]: event["at"] for event in reversed(events)}  # the first of each kind
    return {
        **at,
        "first": first - began,
        "whole": whole - began,
        "empty": empty,
        "memory": max(after_first, after_all),
        "each": (notes[-1]["at"] - notes[0]["at"]) / (len(notes) - 1),
        "all": notes[-1]["at"],
        "script": script,
        "notes": notes,
    }


def main() -> int:
    """Measure the page, compare its notes with the port, and print the results."""
    model = gansynth.load("demo")
    with tempfile.TemporaryDirectory() as temporary:
        path = export.web(model, Path(temporary) / "web", progress=False)
        sizes = {
            file.name: file.stat().st_size for file in path.parent.iterdir() if file.suffix in (".bin", ".js", ".html")
        }
        for name, size in sorted(sizes.items()):
            print(f"{size / 1e6:6.2f} MB  {name}")
        print(f"{sum(sizes.values()) / 1e6:6.2f} MB  in all", flush=True)
        with drive.files(path.parent) as address:
            rounds = [visit(address) for _ in range(ROUNDS)]
    middle = {key: statistics.median(one[key] for one in rounds) for key in rounds[0] if key != "notes"}
    print(f"loaded and decompressed after {middle['loaded']:.1f} s, network ready after {middle['ready']:.1f} s")
    print(f"first note after {middle['note']:.1f} s (limit {LIMIT:g}); {middle['first']:.1f} CPU seconds")
    print(f"{middle['each']:.2f} s for each further note, all notes after {middle['all']:.1f} s", end="; ")
    print(f"{middle['whole']:.1f} CPU seconds")
    print(f"{middle['script']:.1f} ms from a key to the start of its note")
    print(f"memory: {middle['memory']:.0f} MB, of an empty page {middle['empty']:.0f} MB")

    begins = next(iter(instruments.bank(model).own.values()))
    notes, least = rounds[0]["notes"], np.inf
    expected = model.generate(begins.z, [note["pitch"] for note in notes], progress=False)
    part = slice(round(ATTACK * model.sample_rate), round(UNTOUCHED * model.sample_rate))
    for note, wave in zip(notes, expected[:, part].astype(np.float64), strict=True):
        error = np.array(note["wave"])[part] - wave
        least = min(least, 10 * np.log10(np.sum(wave**2) / np.sum(error**2)))
    print(f"{begins.name}: {len(notes)} notes, at least {least:.0f} dB above their difference from the port")
    return 0


if __name__ == "__main__":
    sys.exit(main())
