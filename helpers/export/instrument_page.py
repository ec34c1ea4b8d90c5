"""A playable web page: one HTML file with the notes of an instrument, or of a pad between up to four.

    export.page(model, bank["Cello"], "cello.html")
    export.page(model, bank[:4], "pad.html")

Notebook: 10_take_home.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .. import webpage
from ..errors import in_one_line
from ..files import check_writable
from ..instruments import Instrument, blend_square
from .naming import text
from .playing import FULL_BITS, described, flac
from .sampling import PITCHES, Sampled, Zone, checked_instruments, sampled

if TYPE_CHECKING:
    from ..gansynth import GANSynth

MAX_INSTRUMENTS = 4
STEPS, LINE_STEPS = 5, 9  # blends of a pad in each direction, and between two instruments
# Every ninth pitch from C2: with more pitches for each of 25 blends, a page would need fewer BITS or be larger.
PAD_PITCHES = tuple(range(36, 85, 9))
MAX_BYTES = 8_000_000  # of a page that can be mailed and that a phone opens
FRAME_BYTES, NOTE_BYTES = 60_000, 140  # of a page without its notes, and of the description of each note
BITS = (FULL_BITS, 14, 12, 11, 10)  # tried in turn; with 10 bits, rounding noise is 62 dB below a note's peak
SCRIPTS = ("sampler.js", "keys.js", "instrument.js")


@in_one_line
def page(
    model: GANSynth,
    instruments: Instrument | Sequence[Instrument],
    path: str | os.PathLike,
    title: str | None = None,
    pitches: Sequence[int] | None = None,
    progress: bool = True,
) -> Path:
    """Write a page that plays an instrument by mouse, touch, computer keyboard or MIDI, without Python or a network.

    Two to four instruments get a pad with blends that are rendered in advance: 5 x 5 of them, or 9 between two
    instruments. The point snaps to the nearest blend, which is used from the next note on.

    Args:
      model: the model of the instruments.
      instruments: one instrument, or up to four for a pad in the order top left, top right, bottom left, bottom right;
        the third of three takes the whole lower edge.
      path: path of the page, ending in .html.
      title: title of the page; by default the names of the instruments.
      pitches: MIDI numbers to sample; a key in between plays the nearest one. By default every third, for a pad every
        ninth.
      progress: show a progress bar.

    Returns:
      The path.

    Raises:
      ValueError: an instrument belongs to another model, there are more than four, or the page would be larger than
        8 MB even with its notes rounded to 10 bits.
      OSError: the page cannot be written. An existing file is then left as it was.

    >>> from helpers import export, gansynth, instruments
    >>> model = gansynth.load("demo")
    >>> flute = instruments.bank(model)["Flute"]
    >>> export.page(model, flute, "outputs/flute.html", pitches=[60, 66, 72], progress=False).name
    'flute.html'

    Notebook: 10_take_home.
    """
    path = webpage.checked_path(path)
    chosen = checked_instruments(model, instruments)
    if not 1 <= len(chosen) <= MAX_INSTRUMENTS:
        raise ValueError(f"there are {len(chosen)} instruments; a page plays one, or up to {MAX_INSTRUMENTS} on a pad")
    check_writable(path)
    columns, rows = _grid(len(chosen))
    cells, place = _cells(chosen, columns, rows)
    is_pad = len(place) > 1
    if pitches is None:
        pitches = PAD_PITCHES if is_pad else PITCHES
    made = sampled(model, cells, pitches, [127] if is_pad else None, progress=progress)
    bits, notes = _fitting(made)
    names = [text(instrument.name) for instrument in chosen]
    sounds = {"columns": columns, "rows": rows, "corners": names, "place": place, "cells": notes}
    values = {
        "title": text(title or ", ".join(names)),
        "lead": _lead(names, len(set(pitches))),
        "model": f"the checkpoint {text(model.name)} of GANSynth",
        "license": text(str(model.about.get("license", "")), most=300) if model.about.get("license") else "",
        "format": f"FLAC, {made.sample_rate} Hz, {bits} bits",
        "columns": columns,
        "rows": rows,
        "place": place,
        "sounds": sounds,
    }
    webpage.write(path, "instrument.html", values, script=SCRIPTS)
    return path


def _grid(count: int) -> tuple[int, int]:
    """The columns and rows of a pad for a number of instruments."""
    return {1: (1, 1), 2: (LINE_STEPS, 1)}.get(count, (STEPS, STEPS))


def _cells(chosen: list[Instrument], columns: int, rows: int) -> tuple[list[Instrument], list[int]]:
    """The distinct blends of a pad, and the index of the blend in each cell, row by row."""
    if len(chosen) == 1:
        return chosen, [0]
    corners = (chosen + chosen)[:4] if len(chosen) == 2 else (chosen + chosen[-1:])[:4]
    cells: dict[bytes, Instrument] = {}
    place = []
    for row in range(rows):
        for column in range(columns):
            here = blend_square(corners, column / (columns - 1), row / (rows - 1) if rows > 1 else 0.0)
            cells.setdefault(here.z.tobytes(), here)
            place.append(list(cells).index(here.z.tobytes()))
    return list(cells.values()), place


def _fitting(made: Sampled) -> tuple[int, list[list[dict]]]:
    """The number of bits that fits into a page, and the notes of each instrument with so many bits."""
    size = 0
    for bits in BITS:
        notes = [[_note(made, zone, bits) for zone in instrument.zones] for instrument in made.instruments]
        size = FRAME_BYTES + sum(len(note["flac"]) + NOTE_BYTES for row in notes for note in row)
        if size <= MAX_BYTES:
            return bits, notes
    raise ValueError(
        f"the page would have {size / 1e6:.1f} MB, more than {MAX_BYTES / 1e6:.0f}; use fewer pitches, such as "
        "pitches=[36, 48, 60, 72, 84], or fewer instruments"
    )


def _note(made: Sampled, zone: Zone, bits: int) -> dict:
    content = base64.b64encode(flac(zone.samples, made.sample_rate, bits)).decode("ascii")
    return {**described(zone, made.sample_rate), "flac": content}


def _lead(names: list[str], count: int) -> str:
    pitches = f"{count} pitches" if count > 1 else "1 pitch"
    if len(names) == 1:
        return f"An instrument to play, sampled at {pitches}."
    return f"{len(names)} instruments and the blends between them, sampled at {pitches}."
