"""Compare clips by ear: all of them share one position, and a cursor moves over their pictures.

The browser plays the sound with Web Audio. It holds all clips and keeps them in step, so that a switch from one to
another is a crossfade of a few milliseconds, without a gap.

Notebook: 06_compare.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, TypeAlias, TypeGuard

import anywidget
import ipywidgets
import numpy as np
import traitlets

from .. import audio, drawing, soundfont, spectrograms
from ..audio import Audio
from ..midi import Song
from .base import SCRIPTS, Control, Line, quoted, script
from .tune import MAX_LISTEN

if TYPE_CHECKING:
    from .each import GenerateEach
    from .generate import Generate
    from .tune import Tune

    Source: TypeAlias = Audio | Tune | Generate | GenerateEach
    Reference: TypeAlias = tuple[Song | None, Audio | None, str]  # a tune's song, its rendering, and an error or ""

PICTURE = (9.3, 3.0)  # inches
DPI = 100  # dots per inch; makes a picture as wide as the widest control
AXES = (0.07, 0.165, 0.8, 0.8)  # left, bottom, width and height of the time axis' box, as shares of the picture
COLOUR_BAR = (0.88, 0.165, 0.013, 0.8)  # the same for the colour bar
SHARED = ("position", "playing", "loop", "volume")  # traits that a player shares with its deck

FOLLOWED = ("song", "clip", "stale")  # the traits of controls that a player follows

PANELS = {
    "waveform": ("waveform", "the samples over time"),
    "mel": ("mel", "level over time and frequency, on the ear's mel scale: shows attacks and noise"),
    "cqt": ("CQT", "level over time and pitch"),
    "rainbowgram": ("rainbowgram", "brightness shows the level, colour the phase advance"),
}
MODES = {
    "paper": ("phase advance", "as in the paper: a steady partial keeps one colour"),
    "detune": ("cents", "deviation from the nearest semitone: green is in tune, warm is sharp, cool is flat"),
}


class Deck(anywidget.AnyWidget):
    """The front end of a player, with its sound and pictures. Clips and pictures are in the same order."""

    _esm = script("picture.js", "transport.js", "player.js")
    _css = SCRIPTS / "player.css"
    names = traitlets.List(traitlets.Unicode()).tag(sync=True)
    sounds = traitlets.List(traitlets.Bytes()).tag(sync=True)  # FLAC files
    seconds = traitlets.List(traitlets.Float()).tag(sync=True)  # length of each clip
    pictures = traitlets.List(traitlets.Bytes()).tag(sync=True)  # PNG files, or none
    picture = traitlets.Unicode().tag(sync=True)  # what the pictures show, or why there are none
    axes = traitlets.List(traitlets.Float(), list(AXES)).tag(sync=True)
    current = traitlets.Int(0).tag(sync=True)
    position = traitlets.Float(0.0, min=0.0).tag(sync=True)
    playing = traitlets.Bool(False).tag(sync=True)
    loop = traitlets.Bool(False).tag(sync=True)
    volume = traitlets.Float(1.0, min=0.0, max=1.0).tag(sync=True)
    trouble = traitlets.Unicode().tag(sync=True)  # what went wrong in the browser


class Player(Control):
    """An A/B player: switch between clips at a common position, and see the picture of the one that plays.

    Space plays and pauses, the keys 1 to 9 choose the clip, and the arrow keys, Page Up, Page Down, Home and End move
    the position, wherever the focus is inside the player.

    A control can be given in place of a clip, and the player follows it: a `Tune` provides its reference rendering, a
    `Generate` its last clip, and a `GenerateEach` the clips of all its checkpoints, under their names. A clip that
    differs from what its control would render now is marked as out of date until it is rendered again.

        player = Player({"original": tune, "custom": button})

    Args:
      clips: name -> clip or control. Clips may differ in duration, sample rate and number of channels.
      panel, mode: the kind of picture, as for `spectrograms.compare`.

    Traits:
      clips: name -> audio.Audio, the clips that exist now. Observe it, but set it with `set`.
      stale: name -> reason why that clip is out of date.
      current: name of the clip that is shown and played.
      panel, mode: as above.
      position: position (s); during playback, the position at which it started.
      playing, loop: whether the player plays, and whether it repeats.
      volume: volume from 0 to 1.

    Notebook: 06_compare.
    """

    clips = traitlets.Dict()
    stale = traitlets.Dict()
    current = traitlets.Unicode()
    panel = traitlets.Enum(list(PANELS))
    mode = traitlets.Enum(list(MODES))
    position = traitlets.Float(0.0, min=0.0)
    playing = traitlets.Bool(False)
    loop = traitlets.Bool(False)
    volume = traitlets.Float(1.0, min=0.0, max=1.0)

    def __init__(
        self,
        clips: Mapping[str, Source] | None = None,
        panel: str = "cqt",
        mode: str = "paper",
    ):
        self.sources: dict[str, Source] = {}
        self._following: list[tuple[traitlets.HasTraits, str]] = []
        self._references: dict[str, Reference] = {}  # by name
        self._worker: threading.Thread | None = None  # renders references
        self._lock = threading.RLock()  # clips arrive in the threads that render them
        self._drawn: dict[tuple[str, str | None], list[bytes]] = {}  # pictures of the present clips, as far as drawn
        self.deck = Deck()
        self._line = Line()
        self._panels, self._modes = _choice(PANELS), _choice(MODES)
        self._colours = ipywidgets.HBox([ipywidgets.Label("Colours"), self._modes])
        pictures = ipywidgets.HBox([ipywidgets.Label("Picture"), self._panels, self._colours])
        super().__init__("Player", [self._line, self.deck, pictures], [self._line])
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
            self.say("There is no clip yet: add some with set.")
        else:
            self.set(clips)

    def set(self, clips: Mapping[str, Source]) -> None:
        """Replace the clips. A clip with the name of the current one stays current; the position stays if possible.

        If one of the new clips cannot be played, an error is shown and the old clips stay.
        """
        with self.attempt():
            _check(clips)
            references = {name: self._reference(tune) for name, tune in clips.items() if _is_tune(tune)}
            sounds = _sounds(_existing(clips, references))
            with self._lock:
                for control, trait in self._following:
                    control.unobserve(self._on_source, trait)
                self.sources, self._references = dict(clips), references
                self._following = [
                    (control, trait)
                    for control in clips.values()
                    for trait in FOLLOWED
                    if isinstance(control, traitlets.HasTraits) and control.has_trait(trait)
                ]
                for control, trait in self._following:
                    control.observe(self._on_source, trait)
                self._show(sounds)
        self.changed()

    # ---- Following ---------------------------------------------------------------------------------------------------

    def _on_source(self, change: traitlets.Bunch) -> None:
        """Called, perhaps in another thread, when a control has a new song or clip.

        The reference of a new song is rendered at once or, if the song is long, when there is a new clip.
        """
        is_quick = change.name == "song" and (change.new is None or change.new.duration <= MAX_LISTEN)
        if (is_quick or change.name == "clip") and any(True for _ in self._wanted()):
            self._make_references()
        with self.attempt():
            self._update()

    def _update(self) -> None:
        with self._lock:
            if _existing(self.sources, self._references) != self.clips:
                self._show(_sounds(_existing(self.sources, self._references)))
            else:
                self._show_ages()
        self.changed()

    def _reference(self, tune: Tune) -> Reference:
        """A tune's song, its reference rendering or None, and the error message or ""."""
        song = tune.song
        try:
            if hasattr(tune, "reference"):
                return song, tune.reference(), ""
            return song, None if song is None else soundfont.reference(song), ""
        except Exception as error:
            return song, None, str(error)

    def _wanted(self) -> Iterator[tuple[str, Tune]]:
        """The tunes whose reference is out of date, with their names."""
        for name, source in self.sources.items():
            if _is_tune(source) and source.song is not self._references[name][0]:
                yield name, source

    def _make_references(self) -> None:
        """Render outdated references in a separate thread: a minute of music takes about a second.

        If several songs are chosen in quick succession, only the first and the last are rendered.
        """
        with self._lock:
            if self._worker is None:
                self._worker = threading.Thread(target=self._make, daemon=True)
                self._worker.start()

    def _make(self) -> None:
        while True:
            with self._lock:
                wanted = next(self._wanted(), None)
                if wanted is None:
                    self._worker = None
                    return
            name, tune = wanted
            made = self._reference(tune)
            with self._lock:
                if self.sources.get(name) is tune:
                    self._references[name] = made
            with self.attempt():
                self._update()

    @property
    def songs(self) -> dict[str, Song]:
        """The song that each clip of a control plays, by name of the clip; its tune may have changed since."""
        found: dict[str, Song] = {}
        for name, source in self.sources.items():
            if _renders(source):
                if source.played is not None:
                    found |= dict.fromkeys(_names(name, source), source.played)
            elif _is_tune(source) and (song := self._references[name][0]) is not None:
                found[name] = song
        return found

    def wait(self, timeout: float | None = None) -> dict[str, Audio]:
        """Wait until no reference is being rendered; returns the clips.

        Raises:
          TimeoutError: a reference is still being rendered after `timeout` seconds.
        """
        worker = self._worker
        if worker is not None:
            worker.join(timeout)
            if worker.is_alive():
                raise TimeoutError(f"after {timeout:g} s the reference is still being rendered")
        return self.clips

    # ---- Showing -----------------------------------------------------------------------------------------------------

    def _show(self, sounds: list[bytes]) -> None:
        """Show the present clips, whose FLAC files are `sounds`."""
        clips = _existing(self.sources, self._references)
        names, longest = list(clips), max((clip.duration for clip in clips.values()), default=0.0)
        chosen = names.index(self.current) if self.current in clips else 0
        self._drawn = {}
        with self.deck.hold_sync():
            self.deck.playing = False
            self.deck.sounds = sounds
            self.deck.seconds = [clip.duration for clip in clips.values()]
            self.deck.pictures = []
            if self.deck.position >= longest:
                self.deck.position = 0.0
            self.clips = clips
            self._show_ages()
            self.deck.current = chosen
        if names:
            self.current = names[chosen]
        self._draw()

    def _show_ages(self) -> None:
        """Show which clips are out of date or missing."""
        stale: dict[str, str] = {}
        missing, broken = [], []
        for name, source in self.sources.items():
            if _renders(source):
                if source.clip is None:
                    missing.append(name)
                elif source.stale:
                    stale |= dict.fromkeys(_names(name, source), source.stale)
            elif _is_tune(source):
                song, _, error = self._references[name]
                if song is not source.song:
                    stale[name] = "the tune has changed" + (", rendering it again" if self._worker else "")
                elif error:
                    broken.append(f"{name} cannot be rendered: {error}")
        self.deck.names = [
            (f"{name} (out of date)" if name in stale else name).encode("utf-8", "replace").decode("utf-8")
            for name in self.clips
        ]
        loud = [name for name, clip in self.clips.items() if clip.peak > 1.0]
        words = [f"{name}: {why}." for name, why in stale.items()]
        words += [f"{' and '.join(missing)}: press Generate."] if missing else []
        words += [f"Clipped, since it exceeds full scale: {', '.join(loud)}."] if loud else []
        if broken:
            self.complain(" ".join([*(f"{text}." for text in broken), *words]))
        else:
            self.say(" ".join(words))
        self.stale = stale

    def code(self) -> str:
        """Code that draws these pictures and plays the clip."""
        if not self.clips:
            return ""
        mode = f', "{self.mode}"' if self.panel == "rainbowgram" and self.mode != "paper" else ""
        return f'spectrograms.compare(clips, "{self.panel}"{mode}); audio.play(clips[{quoted(self.current)}])'

    def _draw(self) -> None:
        """Show the pictures of the chosen kind; they are drawn when they are first needed."""
        if not self.clips:
            return
        kind = self.panel, self.mode if self.panel == "rainbowgram" else None
        if kind not in self._drawn:
            self._show_pictures([], "drawing …")
            try:
                self._drawn[kind] = pictures(list(self.clips.values()), self.panel, self.mode)
            except Exception:
                self._show_pictures([], "no picture")
                raise
        self._show_pictures(self._drawn[kind], PANELS[self.panel][0])

    def _show_pictures(self, pictures: list[bytes], what: str) -> None:
        with self.deck.hold_sync():
            self.deck.pictures, self.deck.picture = pictures, what

    def _on_choice(self, _: traitlets.Bunch) -> None:
        self._show_modes()
        with self.attempt():
            self._draw()
        self.changed()

    @traitlets.validate("current")
    def _known(self, proposal: traitlets.Bunch) -> str:
        if proposal["value"] in self.clips:
            return proposal["value"]
        known = f"the clips are {', '.join(self.clips)}" if self.clips else "there are no clips yet"
        self.complain(f"there is no clip {proposal['value']!r}; {known}")
        return self.current

    def _on_current(self, change: traitlets.Bunch) -> None:
        self.deck.current = list(self.clips).index(change["new"])
        self.changed()

    def _on_deck(self, change: traitlets.Bunch) -> None:
        if 0 <= change["new"] < len(self.clips):
            self.current = list(self.clips)[change["new"]]

    def _on_trouble(self, change: traitlets.Bunch) -> None:
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


def _has(source: object, trait: str) -> bool:
    return isinstance(source, traitlets.HasTraits) and source.has_trait(trait)


def _renders(source: object) -> TypeGuard[Generate]:
    """Whether `source` is a control with a clip."""
    return _has(source, "clip")


def _renders_each(source: object) -> TypeGuard[GenerateEach]:
    """Whether `source` is a control with several clips."""
    return _has(source, "clips")


def _is_tune(source: object) -> TypeGuard[Tune]:
    """Whether `source` is a control with a song."""
    return _has(source, "song")


def _names(name: str, source: Generate) -> list[str]:
    """The names of the clips of a control that is itself called `name`."""
    return list(source.clips) if _renders_each(source) else [name]


def _check(clips: Mapping[str, Source]) -> None:
    if not isinstance(clips, Mapping) or not clips:
        raise ValueError('there is no clip; pass a dict from names to clips, such as {"A": clip}')
    for name, source in clips.items():
        if not isinstance(name, str) or not name.strip():
            raise ValueError(f"the name of a clip must be text, not {name!r}")
        if not (isinstance(source, Audio) or _renders(source) or _is_tune(source)):
            raise ValueError(f"{name!r} must be an audio.Audio, a Tune or a Generate, not a {type(source).__name__}")


def _existing(
    sources: Mapping[str, Source],
    references: Mapping[str, Reference],
) -> dict[str, Audio]:
    """The clips that exist, in the order of the sources."""
    found: dict[str, Audio] = {}
    for name, source in sources.items():
        if _renders_each(source):
            found |= source.clips
            continue
        clip: Audio | None
        if _renders(source):
            clip = source.clip
        elif isinstance(source, Audio):
            clip = source
        else:
            clip = references[name][1]
        if clip is not None:
            found[name] = clip
    return found


def _sounds(clips: Mapping[str, Audio]) -> list[bytes]:
    """Each clip as a FLAC file."""
    sounds = []
    for name, clip in clips.items():
        if not len(clip.samples) or not np.isfinite(clip.samples).all():
            raise ValueError(f"{name!r} is empty or contains samples that are not finite")
        try:
            sounds.append(audio.encode(clip, "flac")[0])
        except ValueError as error:
            raise ValueError(f"{name!r} cannot be played: {error}") from None
    return sounds


def pictures(
    clips: list[Audio],
    panel: str,
    mode: str = "paper",
    size: tuple[float, float] = PICTURE,
    axes: tuple[float, float, float, float] = AXES,
    key: tuple[float, float, float, float] | None = COLOUR_BAR,
    dpi: int = DPI,
) -> list[bytes]:
    """The panels of `spectrograms.compare` as separate PNG pictures, all with the time axis in the same place.

    The pictures do not contain the names of the clips, which are on the player's buttons.

    Args:
      clips: the clips to draw.
      panel, mode: as for `spectrograms.compare`.
      size: width and height of a picture (inches).
      axes: box of the time axis, like AXES.
      key: box of the colour bar, like AXES; None for no colour bar.
      dpi: dots per inch.

    Returns:
      A PNG file per clip.
    """
    from matplotlib.figure import Figure

    with drawing.plain():
        figure = Figure(figsize=size, dpi=dpi)
        panels = spectrograms.compare({str(i): clip for i, clip in enumerate(clips)}, panel, mode, figure=figure)
        for bar in set(figure.axes) - set(panels):
            if key is None:
                bar.remove()
            else:
                bar.set_position(key)
        for ax in panels:
            ax.set(position=axes, xlabel="time (s)")
            ax.set_title("", loc="left")
            ax.tick_params(labelbottom=True)
        made = []
        for shown in panels:
            for ax in panels:
                ax.set_visible(ax is shown)
            made.append(drawing.png(figure))
    return made
