"""A few clips side by side, each with its picture, to compare by ear.

Notebook: 11_match.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import traitlets

from .. import audio
from ..audio import Audio
from .base import SCRIPTS, script
from .player import PANELS, Deck, pictures

PICTURE, DPI = (3.1, 2.3), 200  # inches of one of three pictures; dots per inch, for screens of high resolution
AXES = (0.235, 0.19, 0.735, 0.76)  # left, bottom, width and height of the time axis' box, as shares of the picture


class Sides(Deck):
    """A deck with its clips side by side, each under its picture, to compare by ear.

    Traits:
      captions: text above each picture.
      axes: left, bottom, width and height of the time axis' box, as shares of a picture.
    """

    _esm = script("transport.js", "sides.js")
    _css = SCRIPTS / "sides.css"
    captions = traitlets.List(traitlets.Unicode()).tag(sync=True)
    axes = traitlets.List(traitlets.Float(), list(AXES)).tag(sync=True)

    def show(self, clips: Mapping[str, Audio], captions: Sequence[str], panel: str, mode: str) -> None:
        """Show clips, each with a caption and a picture, as for `spectrograms.compare`."""
        drawn = pictures(list(clips.values()), panel, mode, PICTURE, AXES, None, DPI)
        sounds = [Audio(clip.samples / np.float32(max(clip.peak, 1.0)), clip.sample_rate) for clip in clips.values()]
        with self.hold_sync():
            self.playing = False
            self.names, self.captions = list(clips), list(captions)
            self.sounds = [audio.encode(sound, "flac")[0] for sound in sounds]
            self.seconds = [clip.duration for clip in clips.values()]
            self.pictures, self.picture = drawn, PANELS[panel][0]
            self.position = 0.0
