"""Take the screenshots of controls for the README and the guide: docs/screenshots.

    python tools/make_screenshots.py

A notebook of two cells shows the controls in a real JupyterLab, in the light theme, 1000 pixels wide. Needs a Chromium.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import drive
from look import BARE, LAB_THEME, NOTEBOOK_SECONDS, settle

if TYPE_CHECKING:
    from playwright.sync_api import Page

ROOT = Path(__file__).resolve().parents[1]
OUTPUT = ROOT / "docs" / "screenshots"
WINDOW = {"width": 1000, "height": 3000}
SCALE = 1.5  # pixels of a picture per pixel of the page

SETUP = """
import os

os.chdir("..")

from helpers import gansynth, instruments, midi, render, soundfont, widgets

model = gansynth.load("demo")
bank = instruments.bank(model)
song = midi.load("data/midi/study.mid")
tune = widgets.Tune(bank, "data/midi/study.mid")
names = ["Cello", "Clarinet", "Harp"]
timeline = instruments.Timeline([bank[name] for name in names], at=[0, 10, 25])
clips = {"original": soundfont.reference(song), "custom": render.render(model, song, timeline)}
"""
CONTROLS = {  # by the name of its picture
    "tune": "tune",
    "browser": "widgets.Browser(bank)",
    "timeline": "widgets.TimelineEditor(bank, tune, timeline)",
    "player": "widgets.Player(clips)",
}


def act(page: Page) -> None:
    """Use the controls as a user would, before the screenshots are taken."""
    browser, player = page.locator(".gansynth-control").nth(1), page.locator(".gansynth-control").nth(3)
    browser.get_by_text("Clarinet", exact=True).first.click()
    player.get_by_text("custom", exact=True).click()
    player.get_by_text("rainbowgram", exact=True).click()


def take(page: Page, folder: Path) -> None:
    """Take a screenshot of each of CONTROLS."""
    act(page)
    page.mouse.move(0, 0)
    page.wait_for_timeout(8000)  # until the note has been played and the picture of the player has been drawn
    settle(page)
    for name, control in zip(CONTROLS, page.locator(".gansynth-control").all(), strict=True):
        control.screenshot(path=folder / f"{name}.png", animations="disabled")


def main() -> int:
    if lack := drive.missing("jupyterlab"):
        print(f"Cannot take screenshots: {lack}.", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as temporary, drive.chromium() as chromium:
        checkout, home = Path(temporary) / "suite", Path(temporary) / "home"
        checkout.mkdir()
        drive.copy(checkout)
        notebook = drive.write(checkout, "screenshots", SETUP, "\n".join(f"display({c})" for c in CONTROLS.values()))
        with drive.lab(checkout, drive.environment(home)) as lab:
            page = chromium.new_context(viewport=WINDOW, device_scale_factor=SCALE).new_page()
            drive.open_run(page, "lab", lab, notebook, seconds=NOTEBOOK_SECONDS)
            page.evaluate(BARE)
            page.evaluate(LAB_THEME, "JupyterLab Light")
            take(page, OUTPUT)
            drive.leave(page)
    return 0


if __name__ == "__main__":
    sys.exit(main())
