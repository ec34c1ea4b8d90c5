"""The controllers of each track over time: volume, expression, pan and pitch bend as curves.

Notebook: 07_songs.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..midi import Song, Track
from .shaping import Curve
from .types import ResolvedPart, Settings

VOLUME, EXPRESSION = 100 / 127, 1.0  # General MIDI's defaults
MAX_BEND = 24.0  # semitones; some damaged files have bends of hundreds


def curves(song: Song, parts: Sequence[ResolvedPart], settings: Settings) -> list[dict[str, Curve]]:
    """The curves of each track: "volume", "expression", "pan" and "bend" (semitones) over time.

    Tracks that share the changes of a controller also share its curve, because a song may have a thousand tracks.
    """
    made: dict[tuple[int, str], Curve] = {}

    def curve(track: Track, kind: str, default: float) -> Curve:
        changes = track.controls.get(kind, ()) if settings.controllers else ()
        key = id(changes), kind
        if key not in made:
            limit = MAX_BEND if kind == "bend" else np.inf
            made[key] = Curve([(second, min(max(value, -limit), limit)) for second, value in changes], default)
        return made[key]

    return [
        {
            "volume": curve(track, "volume", VOLUME),
            "expression": curve(track, "expression", EXPRESSION),
            "pan": curve(track, "pan", 0.0) if part.pan is None else Curve((), part.pan),
            "bend": curve(track, "bend", 0.0),
        }
        for track, part in zip(song.tracks, parts, strict=True)
    ]
