"""Hear clips against each other: one position for all of them, and a cursor that moves over their pictures.

The sound is played by the browser's Web Audio, which holds all clips and runs them in step, so that a switch between
two of them is a crossfade of a few milliseconds and never a gap.

Notebook: 06_compare.
"""

from __future__ import annotations

import io
from collections.abc import Mapping

import anywidget
import ipywidgets
import numpy as np
import traitlets

from .. import drawing, spectra
from ..audio import Audio
from .base import SCRIPTS, Control, quoted

PICTURE = (9.3, 3.0)  # inches
DPI = 100  # dots an inch: as wide as a control is at its widest
AXES = (0.07, 0.165, 0.8, 0.8)  # left, bottom, width and height of the time axis' box, as shares of the picture
COLOUR_BAR = (0.88, 0.165, 0.013, 0.8)  # the same of the key to its colours
SHARED = ("position", "playing", "loop", "volume")  # traits that a player has from its deck

PANELS = {
    "waveform": ("waveform", "the samples over time"),
    "mel": ("mel", "level over time, rows as the ear spaces them: attacks and noise"),
    "cqt": ("CQT", "level over time and pitch"),
    "rainbowgram": ("rainbowgram", "brightness is level, colour is what the phase does"),
}
MODES = {
    "paper": ("phase advance", "as in the paper: a steady partial keeps one colour"),
    "detune": ("cents", "deviation from the nearest semitone: green is in tune, warm is sharp, cool is flat"),
}


class Deck(anywidget.AnyWidget):
    """The part of a player that is drawn and heard. Clips and pictures are lists of the same order."""

    _esm = SCRIPTS / "player.js"
    _css = SCRIPTS / "player.css"
    names = traitlets.List(traitlets.Unicode()).tag(sync=True)
    sounds = traitlets.List(traitlets.Bytes()).tag(sync=True)  # FLAC files
    seconds = traitlets.List(traitlets.Float()).tag(sync=True)  # length of each clip
    pictures = traitlets.List(traitlets.Bytes()).tag(sync=True)  # PNG files, or none
    picture = traitlets.Unicode().tag(sync=True)  # what they show, or why there are none
    axes = traitlets.List(traitlets.Float(), list(AXES)).tag(sync=True)
    current = traitlets.Int(0).tag(sync=True)
    position = traitlets.Float(0.0, min=0.0).tag(sync=True)
    playing = traitlets.Bool(False).tag(sync=True)
    loop = traitlets.Bool(False).tag(sync=True)
    volume = traitlets.Float(1.0, min=0.0, max=1.0).tag(sync=True)
    trouble = traitlets.Unicode().tag(sync=True)  # what went wrong in the browser


class Player(Control):
    """An A/B player: clips at one position, and the picture of the one that is heard.

    Space plays and pauses, the keys 1 to 9 choose the clip, and the arrow keys, Page Up, Page Down, Home and End move
    the position, wherever the focus is inside the player.

    Args:
      clips: name -> clip, of any lengths, rates and numbers of channels.
      panel, mode: the pictures, as for `spectra.compare`.

    Traits:
      current: name of the clip that is shown and heard.
      panel, mode: as above.
      position: seconds; while it plays, where playing began.
      playing, loop: whether it does.
      volume: 0 to 1.

    Notebook: 06_compare.
    """

    current = traitlets.Unicode()
    panel = traitlets.Enum(list(PANELS))
    mode = traitlets.Enum(list(MODES))
    position = traitlets.Float(0.0, min=0.0)
    playing = traitlets.Bool(False)
    loop = traitlets.Bool(False)
    volume = traitlets.Float(1.0, min=0.0, max=1.0)

    def __init__(self, clips: Mapping[str, Audio] | None = None, panel: str = "cqt", mode: str = "paper"):
        self._clips: dict[str, Audio] = {}
        self._drawn: dict[tuple[str, str | None], list[bytes]] = {}  # pictures of these clips that there are already
        self.deck = Deck()
        self._panels, self._modes = _choice(PANELS), _choice(MODES)
        self._colours = ipywidgets.HBox([ipywidgets.Label("Colours"), self._modes])
        pictures = ipywidgets.HBox([ipywidgets.Label("Picture"), self._panels, self._colours])
        pictures.layout.flex_flow = "row wrap"
        super().__init__("Player", [self.deck, pictures])
        self.set_trait("panel", panel)
        self.set_trait("mode", mode)
        for trait in SHARED:
            traitlets.link((self, trait), (self.deck, trait))
        traitlets.link((self, "panel"), (self._panels, "value"))
        traitlets.link((self, "mode"), (self._modes, "value"))
        self.observe(self._on_choice, ["panel", "mode"])
        self.observe(self._on_current, "current")
        self.deck.observe(self._on_deck, "current")
        self.deck.observe(self._on_trouble, "trouble")
        self._show_modes()
        if clips is None:
            self.say("There is no clip yet: give some with set.")
        else:
            self.set(clips)

    def set(self, clips: Mapping[str, Audio]) -> None:
        """Replace the clips. The one of the same name stays chosen, and the position stays if it is in them.

        Where one of them cannot be played, an error says so and those of before stay.
        """
        with self.attempt():
            sounds = _sounds(clips)
            self._clips, self._drawn = dict(clips), {}
            names, longest = list(clips), max(clip.seconds for clip in clips.values())
            chosen = names.index(self.current) if self.current in clips else 0
            with self.deck.hold_sync():
                self.deck.playing = False
                self.deck.names = [name.encode("utf-8", "replace").decode("utf-8") for name in names]
                self.deck.sounds = sounds
                self.deck.seconds = [clip.seconds for clip in clips.values()]
                self.deck.pictures = []
                self.deck.current = chosen
                if self.deck.position >= longest:
                    self.deck.position = 0.0
            self.current = names[chosen]
            if loud := [name for name, clip in clips.items() if clip.peak > 1.0]:
                self.say(f"Above full scale, and cut off there: {', '.join(loud)}.")
            self._draw()
        self.changed()

    def code(self) -> str:
        """What draws these pictures, and plays the clip."""
        if not self._clips:
            return ""
        mode = f', "{self.mode}"' if self.panel == "rainbowgram" and self.mode != "paper" else ""
        return f'spectra.compare(clips, "{self.panel}"{mode}); audio.play(clips[{quoted(self.current)}])'

    def _draw(self) -> None:
        """Show the pictures that are chosen; they are drawn when they are first wanted."""
        if not self._clips:
            return
        kind = self.panel, self.mode if self.panel == "rainbowgram" else None
        if kind not in self._drawn:
            self._show_pictures([], "drawing …")
            try:
                self._drawn[kind] = _pictures(list(self._clips.values()), self.panel, self.mode)
            except Exception:
                self._show_pictures([], "no picture")
                raise
        self._show_pictures(self._drawn[kind], PANELS[self.panel][0])

    def _show_pictures(self, pictures: list[bytes], what: str) -> None:
        with self.deck.hold_sync():
            self.deck.pictures, self.deck.picture = pictures, what

    def _on_choice(self, _) -> None:
        self._show_modes()
        with self.attempt():
            self._draw()
        self.changed()

    @traitlets.validate("current")
    def _known(self, proposal) -> str:
        if proposal["value"] in self._clips:
            return proposal["value"]
        known = f"there are {', '.join(self._clips)}" if self._clips else "there is none yet"
        self.complain(f"there is no clip {proposal['value']!r}; {known}")
        return self.current

    def _on_current(self, change) -> None:
        self.deck.current = list(self._clips).index(change["new"])
        self.changed()

    def _on_deck(self, change) -> None:
        if 0 <= change["new"] < len(self._clips):
            self.current = list(self._clips)[change["new"]]

    def _on_trouble(self, change) -> None:
        if change["new"]:
            self.complain(change["new"])
        else:
            self.say("")

    def _show_modes(self) -> None:
        self._colours.layout.display = "" if self.panel == "rainbowgram" else "none"


def _choice(options: Mapping[str, tuple[str, str]]) -> ipywidgets.ToggleButtons:
    """Buttons for value -> (label, tooltip)."""
    choice = ipywidgets.ToggleButtons(
        options=[(name, value) for value, (name, _) in options.items()],
        tooltips=[tooltip for _, tooltip in options.values()],
    )
    choice.layout.width = choice.style.button_width = "auto"
    return choice


def _sounds(clips: Mapping[str, Audio]) -> list[bytes]:
    """Each clip as a FLAC file of 16 bits, half as large as a WAV file and as exact."""
    import soundfile

    if not isinstance(clips, Mapping) or not clips:
        raise ValueError('there is no clip; give a dict from names to clips, like {"A": clip}')
    sounds = []
    for name, clip in clips.items():
        if not isinstance(name, str) or not name.strip():
            raise ValueError(f"the name of a clip has to be text, not {name!r}")
        if not isinstance(clip, Audio):
            raise ValueError(f"{name!r} has to be an audio.Audio, not a {type(clip).__name__}")
        if not len(clip.samples) or not np.isfinite(clip.samples).all():
            raise ValueError(f"{name!r} is empty or holds samples that are not finite numbers")
        content = io.BytesIO()
        try:
            soundfile.write(content, clip.samples.clip(-1.0, 1.0), clip.sample_rate, format="FLAC", subtype="PCM_16")
        except soundfile.LibsndfileError as error:
            raise ValueError(f"{name!r} cannot be played at {clip.sample_rate} Hz: {error.error_string}") from None
        sounds.append(content.getvalue())
    return sounds


def _pictures(clips: list[Audio], panel: str, mode: str) -> list[bytes]:
    """The panels of `spectra.compare`, a PNG picture each, every one with its time axis in the box AXES.

    Names are not written into them: the player has them on its buttons.
    """
    from matplotlib.figure import Figure

    with drawing.plain():
        figure = Figure(figsize=PICTURE, dpi=DPI)
        panels = spectra.compare({str(i): clip for i, clip in enumerate(clips)}, panel, mode, figure=figure)
        for key in set(figure.axes) - set(panels):
            key.set_position(COLOUR_BAR)
        for ax in panels:
            ax.set(position=AXES, xlabel="time (s)")
            ax.set_title("", loc="left")
            ax.tick_params(labelbottom=True)
        pictures = []
        for shown in panels:
            for ax in panels:
                ax.set_visible(ax is shown)
            pictures.append(drawing.png(figure))
    return pictures
