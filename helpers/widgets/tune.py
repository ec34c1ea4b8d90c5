"""A control to choose a score, with mute, solo and instrument of each track, a piano roll and a reference rendering.

Notebook: 07_songs.
"""

from __future__ import annotations

import contextlib
import dataclasses
import html
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anywidget
import ipywidgets
import numpy as np
import traitlets

from .. import drawing, folders, instruments, midi, midi_sources, runtime, scores, soundfont
from ..audio import Audio
from ..files import as_path
from ..instruments import Bank, Instrument
from ..limits import MAX_BYTES
from ..midi import Song, Track
from ..midi.song import TRACK_COLOURS
from ..render.types import Part, is_heard
from .base import SCRIPTS, Control, Line, Sound, quoted, tip
from .roll import Roll

if TYPE_CHECKING:
    from ..gansynth import GANSynth

SCORES = folders.BUNDLED / "midi"
ROLL_INCHES, ROLL_DPI = (9.2, 2.7), 100
NO_SCORE = "choose a score"
MUTED_GREY = "0.88"  # grey of notes in muted tracks
# In the app, links are fetched only if this environment variable is "1": it is the server's network that is used.
MAY_FETCH = "GANSYNTH_APP_DOWNLOADS"
MAX_LISTEN = 180.0  # s, longest rendering to listen to; an hour would take a minute to render
AUTOMATIC = "automatic"  # shown in place of an instrument as long as no model is known
MAX_ROWS = 40  # tracks with controls; each row has several widgets, and a page with thousands of them does not load


class Tune(Control):
    """Choose a score, mute its tracks and choose their instruments.

    Scores come from a folder, by upload (button, or drop on the control), from a web address or from Google Drive.
    Uploaded and downloaded files are kept in `midi_sources.folder()`. In the app, which would use the server's network,
    links are not offered unless the app was started with GANSYNTH_APP_DOWNLOADS=1.

        tune = Tune(instruments.named(model))
        tune.set(2, instrument="Cello")
        clip = render.render(model, tune.song, tune.parts)

    Args:
      bank: the instruments to choose from: a bank that controls share, or a dict by name; without one,
        `instruments.assign` gives each track an instrument.
      path: the score to load at the start; by default the first one of the folder.
      folder: folder of the scores in the list.
      seconds: use only this much from the start of a score (s), until the user switches to the whole piece.

    Traits:
      song: the midi.Song, or None. Can be set.
      whole: whether `song` is the whole score or only its beginning.
      parts_changed: a counter that rises whenever `parts` changes.

    Notebook: 07_songs.
    """

    song = traitlets.Instance(Song, allow_none=True)
    whole = traitlets.Bool(True)
    parts_changed = traitlets.Int(0)

    def __init__(
        self,
        bank: Mapping[str, Instrument] | None = None,
        path: str | os.PathLike | None = None,
        folder: str | os.PathLike = SCORES,
        seconds: float | None = None,
    ):
        self.bank = bank if isinstance(bank, Bank) else dict(bank or {})
        self._folder, self._seconds = as_path(folder).absolute(), seconds
        self._path: Path | None = None  # file of the song, if known
        self._score: Song | None = None  # the whole score
        # As set with `expect`: the model, if known, and how it will play tracks for which no instrument is chosen here.
        self._model: GANSynth | None = None
        self._rest, self._seed, self._drums = "", 0, "skip"
        self._reference: tuple[Song, Audio] | None = None
        self._filling = False  # whether code is setting the fields, not the user
        self._rows: list[dict[str, ipywidgets.Widget]] = []
        self._list = ipywidgets.Dropdown(description="score")
        listen = ipywidgets.Button(description="Listen", icon="play")
        self._upload = ipywidgets.FileUpload(
            description="Upload", accept=",".join((*scores.ENDINGS, ".gz")), multiple=False
        )
        self._drop = Drop()
        self._link = ipywidgets.Text(description="link", placeholder="https://… or a Google Drive link")
        fetch = ipywidgets.Button(description="Fetch", icon="download")
        self._length = ipywidgets.ToggleButtons(
            options=[(f"first {seconds:g} s" if seconds else "", False), ("whole piece", True)]
        )
        self._length.style.button_width = "110px"
        self._about = ipywidgets.HTML()
        self._roll = Roll()
        self._tracks = ipywidgets.GridBox()
        self._tracks.add_class("gansynth-tracks")
        self._link.add_class("gansynth-wide")
        self._list.add_class("gansynth-wide")
        self._sound = Sound()
        self._by_list, self._by_upload, self._by_link = Line(), Line(), Line()
        tip(self._list, "The scores of this notebook, and those you have added")
        tip(listen, "Play the audible tracks with a General MIDI soundfont: soundfont.reference(song)")
        tip(self._upload, "Upload a MIDI file from your computer")
        tip(self._link, "The web address of a MIDI file, or a link from Share in Google Drive")
        tip(fetch, "Download the MIDI file at this link: midi_sources.download(link)")
        tip(self._length, "How much of the score to use, here and below: midi.excerpt(song, 0, seconds)")
        lines = [self._by_list, self._by_upload, self._by_link]
        bars = [[self._list, listen], [self._upload, self._drop], [self._link, fetch]]
        rows = [ipywidgets.HBox(bar) for bar in bars]
        rows[-1].layout.display = "" if may_fetch() else "none"
        rows = [widget for pair in zip(rows, lines, strict=True) for widget in pair]
        super().__init__("Tune", [*rows, self._length, self._about, self._roll, self._tracks, self._sound], lines)

        self._list.observe(self._listed, "value")
        listen.on_click(lambda _: self.listen())
        self._upload.observe(self._uploaded, "value")
        self._drop.on_msg(self._dropped)
        fetch.on_click(lambda _: self.fetch(self._link.value))
        self._link.on_msg(lambda _, message, __: self.fetch(self._link.value) if is_enter(message) else None)
        self.whole = seconds is None
        traitlets.link((self, "whole"), (self._length, "value"))
        self.observe(lambda _: self._on_song(), "song")
        self.observe(lambda _: self._on_whole(), "whole")
        self._show()
        if isinstance(self.bank, Bank):
            self.bank.on_change(self._follow)
        known = midi_sources.listing(self._folder) if path is None else [path]
        if known:
            self.load(known[0])

    # ---- Choosing a score --------------------------------------------------------------------------------------------

    def load(self, path: str | os.PathLike) -> None:
        """Load a score from a file. If that fails, the previous score stays."""
        with self.attempt(self._by_list):
            self._take(as_path(path).absolute())
        self._refresh()

    def upload(self, content: bytes, name: str) -> None:
        """Load a score from the bytes of a file, and keep the file."""
        with self.attempt(self._by_upload):
            self._take(midi_sources.keep(content, name))
        self._refresh()

    def fetch(self, url: str) -> None:
        """Load a score from a web address or Google Drive link, and keep the file; the app may not allow this."""
        with self.attempt(self._by_link):
            if not may_fetch():
                raise ValueError("this app does not fetch files: download the file yourself and upload it here")
            self.say(f"fetching {url} …", self._by_link)
            self._take(midi_sources.download(url))
            self.say("")
        self._refresh()

    def _take(self, path: Path) -> None:
        self._score, self._path = midi.load(path), path
        self.song = self._beginning()
        self._show()

    def _beginning(self) -> Song | None:
        """The score, or its first seconds if only those are to be played."""
        score, seconds = self._score, self._seconds
        if score is None or seconds is None or self.whole or score.duration <= seconds:
            return score
        return midi.excerpt(score, 0.0, seconds) if any(note.start < seconds for note in score.notes) else score

    @property
    def _is_long(self) -> bool:
        """Whether there is a choice between the beginning and the whole."""
        return self._score is not None and self._seconds is not None and self._score.duration > self._seconds

    def _on_song(self) -> None:
        """Show a new song. One that was set from outside has no path, and is the whole score."""
        if self.song is None or (self.song is not self._score and self.song != self._beginning()):
            self._score, self._path = self.song, None
            self.whole = True
            self._show()

    def _on_whole(self) -> None:
        """Switch between the beginning and the whole piece, and keep the choices for the tracks."""
        chosen = {}
        for track, row in zip(self.song.tracks if self.song else (), self._rows, strict=False):
            chosen[track.name, track.program] = {name: widget.value for name, widget in row.items()}
        self.song = self._beginning()
        self._show()
        with self._quietly():
            for track, row in zip(self.song.tracks if self.song else (), self._rows, strict=False):
                for name, value in chosen.get((track.name, track.program), {}).items():
                    row[name].value = value
        self._draw()
        self._chosen()

    @property
    def about(self) -> str:
        """The song's name, and how much of it is played."""
        if self.song is None or self._score is None:
            return "no score yet"
        part = (
            "" if self.song is self._score else f", the first {self.song.duration:.0f} of {self._score.duration:.0f} s"
        )
        return f"{self.song.name}{part}"

    def _refresh(self) -> None:
        """List all scores, with the present one selected."""
        paths = {path: path.stem for path in midi_sources.listing(self._folder)}
        paths |= {path: f"{path.stem} (added)" for path in midi_sources.listing(midi_sources.folder())}
        if self._path is not None:
            paths.setdefault(self._path, self._path.stem)
        self._list.unobserve(self._listed, "value")
        self._list.options = [(NO_SCORE, ""), *((name, path) for path, name in paths.items())]
        self._list.value = self._path or ""  # with None the field would be blank
        self._list.observe(self._listed, "value")

    def _listed(self, change: traitlets.Bunch) -> None:
        if change.new:
            self.load(change.new)
        else:
            self._refresh()

    def _uploaded(self, change: traitlets.Bunch) -> None:
        """Load uploads, {name: {"metadata": …, "content": …}} in ipywidgets 7, ({"name": …, "content": …}, …) in 8."""
        files = change.new.values() if isinstance(change.new, Mapping) else change.new
        for file in files:
            name = file["name"] if "name" in file else file["metadata"]["name"]
            self.upload(bytes(file["content"]), name)
        if files:
            self._upload.set_trait("value", type(self._upload.value)())  # so that the same file can be uploaded again

    def _dropped(self, _: ipywidgets.Widget, message: Mapping[str, Any], buffers: list[memoryview]) -> None:
        if buffers:
            self.upload(bytes(buffers[0]), str(message.get("name", "")))
        else:
            self.complain(f"{message.get('name')} is too large for a MIDI file", self._by_upload)

    # ---- Tracks ------------------------------------------------------------------------------------------------------

    @property
    def parts(self) -> dict[int, Part]:
        """The choices for the tracks, by track number, for `render.render`; unchanged tracks are left out."""
        parts = {
            number: Part(self.bank.get(row["instrument"].value), row["mute"].value, row["solo"].value)
            for number, row in enumerate(self._rows, start=1)
        }
        return {number: part for number, part in parts.items() if part != Part()}

    def set(
        self, number: int, *, mute: bool | None = None, solo: bool | None = None, instrument: str | None = None
    ) -> None:
        """Set the choices for a track; an argument of None changes nothing.

        Args:
          number: track number, from 1.
          mute, solo: whether to mute or solo the track.
          instrument: a name from the bank, or "" for the automatic choice.

        Raises:
          ValueError: there is no such track or instrument.
        """
        row = row_of(self._rows, number)
        if instrument is not None:
            known = [name for _, name in row["instrument"].options]
            if instrument not in known:
                raise ValueError(f"track {number} cannot be played by {instrument!r}; choose one of {known}")
            row["instrument"].value = instrument
        if mute is not None:
            row["mute"].value = bool(mute)
        if solo is not None:
            row["solo"].value = bool(solo)

    def heard(self) -> Song | None:
        """The song without its muted tracks."""
        if self.song is None:
            return None
        tracks = zip(self.song.tracks, self._is_heard(), strict=True)
        return dataclasses.replace(self.song, tracks=tuple(track for track, is_on in tracks if is_on))

    def _is_heard(self) -> list[bool]:
        parts, tracks = self.parts, self.song.tracks if self.song else ()
        return is_heard([parts.get(number, Part()) for number in range(1, len(tracks) + 1)])

    def _show(self) -> None:
        """Show a new song."""
        tracks = self.song.tracks if self.song else ()
        self._rows = [self._row(track) for track in tracks[:MAX_ROWS]]
        cells = []
        for number, row in enumerate(self._rows, start=1):
            cells += [label(number, tracks[number - 1]), row["mute"], row["solo"]]
            cells += [row["instrument"]] if self.bank else []
        self._tracks.children = cells
        self._list_instruments()
        about = str(self.song).splitlines()[0] if self.song else "no score yet"
        if self._score is not None and self.song is not self._score:
            about += f"; the first {self._seconds:g} of {self._score.duration:.0f} s"
        rest = f"; tracks {MAX_ROWS + 1} to {len(tracks)} are played as they are" if len(tracks) > MAX_ROWS else ""
        remarks = f"; in the file: {', '.join(self._score.remarks)}" if self._score and self._score.remarks else ""
        self._about.value = html.escape(about + rest + remarks)
        self._length.layout.display = "" if self._is_long else "none"
        self._refresh()
        self._draw()
        self.changed()

    def _row(self, track: Track) -> dict[str, ipywidgets.Widget]:
        """The widgets of a track."""
        narrow = {"width": "auto"}
        mute = ipywidgets.Checkbox(description="mute", indent=False, layout=narrow)
        solo = ipywidgets.Checkbox(description="solo", indent=False, layout=narrow)
        instrument = ipywidgets.Dropdown(options=[("", "")], layout=narrow, disabled=track.is_drum)
        tip(mute, f"Leave {track.name} out")
        tip(solo, f"Play only {track.name} and other solo tracks")
        row = {"mute": mute, "solo": solo, "instrument": instrument}
        for widget in (mute, solo):
            widget.observe(lambda _: None if self._filling else self._draw(), "value")
        for widget in row.values():
            widget.observe(lambda _: None if self._filling else self._chosen(), "value")
        return row

    # ---- Instruments of the tracks -----------------------------------------------------------------------------------

    def expect(self, model: GANSynth, rest: str = "", seed: int = 0, drums: str = "skip") -> None:
        """Show which instruments will play the tracks for which none is chosen here. `Generate` calls this.

        Args:
          model: the model that will render; ignored if the bank is a `Bank`, which has its own.
          rest: name of what plays those tracks; by default those given by `instruments.assign`.
          seed: seed for `instruments.assign`.
          drums: "skip" or "synth", as for `render.render`.
        """
        self._model, self._rest, self._seed, self._drums = model, rest, seed, drums
        self._list_instruments()

    def _follow(self) -> None:
        """Update the lists after the bank has changed, which other controls change too."""
        before = self.parts
        self._list_instruments()
        if self.parts != before:
            self._chosen()

    def _default_instruments(self) -> dict[int, tuple[str, str]]:
        """The name of the instrument for each track if none is chosen, and the reason, by track number."""
        model = self.bank.model if isinstance(self.bank, Bank) else self._model
        tracks = enumerate(self.song.tracks if self.song else (), start=1)
        players = {}
        for number, track in tracks:
            if track.is_drum and self._drums == "synth":
                players[number] = "drum kit", "drums are played with a soundfont"
            elif track.is_drum:
                players[number] = "left out", "the model has no drums; tick drums at Generate to hear them"
            else:
                players[number] = self._rest or AUTOMATIC, "no instrument is chosen here"
        if model is not None and self.song is not None and not self._rest:
            for number, (instrument, why) in instruments.assign(model, self.song, self._seed).items():
                players[number] = f"{instrument.name} ({AUTOMATIC})", why
        return players

    def _list_instruments(self) -> None:
        """Update the lists of instruments."""
        players, tracks = self._default_instruments(), self.song.tracks if self.song else ()
        with self._quietly():
            for number, (track, row) in enumerate(zip(tracks, self._rows, strict=False), start=1):
                (player, why), field = players[number], row["instrument"]
                names = [] if track.is_drum else [(name, name) for name in self.bank]
                options, value = ((player, ""), *names), field.value
                if field.options != options:
                    field.options = options
                    field.value = value if value in self.bank else ""
                field.description = "played by"
                tip(field, f"The instrument of the model that plays {track.name}. {player}: {why}")

    @contextlib.contextmanager
    def _quietly(self) -> Iterator[None]:
        """Set fields without counting that as a choice of the user."""
        self._filling = True
        try:
            yield
        finally:
            self._filling = False

    def _chosen(self) -> None:
        self.changed()
        self.parts_changed += 1

    def _draw(self) -> None:
        """Draw the piano roll, with muted tracks in grey."""
        from matplotlib.figure import Figure

        self._roll.layout.display = "" if self.song else "none"
        if self.song is None:
            return
        with drawing.plain():
            figure = Figure(ROLL_INCHES, ROLL_DPI, layout="constrained")
            ax = midi.plot(self.song, figure.subplots())
            ax.set_title("")  # it is in the line above
            if legend := ax.get_legend():
                legend.remove()  # the list of tracks below shows the colours
            for notes, is_on in zip(ax.collections, self._is_heard(), strict=False):  # bar lines come last
                if not is_on:
                    notes.set(facecolor=MUTED_GREY, zorder=0.5)
            self._roll.show(figure)

    def reference(self) -> Audio | None:
        """The song as a General MIDI soundfont plays it, for comparison; None without a song.

        It is rendered on the first call: a minute of music takes about a second.
        """
        song = self.song
        if song is None:
            return None
        if self._reference is None or self._reference[0] is not song:
            self._reference = song, soundfont.reference(song)
        return self._reference[1]

    def listen(self) -> None:
        """Play the audible tracks with a General MIDI soundfont."""
        with self.attempt(self._by_list):
            song = self.heard()
            if song is None or not song.tracks:
                raise ValueError("choose a score first" if song is None else "all tracks are muted")
            is_long = song.duration > MAX_LISTEN
            self.say("rendering …")
            if is_long:
                song = midi.excerpt(song, 0.0, MAX_LISTEN)
            clip = self.reference() if song == self.song else None
            self._sound.play(soundfont.reference(song) if clip is None else clip)
            self.say(f"the first {MAX_LISTEN:.0f} s" if is_long else "")

    def code(self) -> str:
        """Code that loads the score and sets the choices for its tracks."""
        lines = [f"song = midi.load({literal(shown(self._path))})"] if self._path else []
        if lines and self.song is not self._score:
            lines.append(f"song = midi.excerpt(song, 0, {self._seconds:g})")
        return "\n".join(lines + ([parts_code(self.parts, self.bank)] if self.parts else []))


class Drop(anywidget.AnyWidget):
    """A place to drop a file on. It sends {"name"} with the content, or without it if the file is too large."""

    _esm = SCRIPTS / "drop.js"
    _css = SCRIPTS / "drop.css"
    text = traitlets.Unicode("or drop a MIDI file here").tag(sync=True)
    most_bytes = traitlets.Int(MAX_BYTES).tag(sync=True)


def may_fetch() -> bool:
    """Whether files may be fetched from the web: always in a notebook, in the app only if `MAY_FETCH` is set."""
    return runtime.kind() != runtime.VOILA or os.environ.get(MAY_FETCH) == "1"


# ---- Shared by the controls for songs --------------------------------------------------------------------------------


def label(number: int, track: Track) -> ipywidgets.HTML:
    """A track's colour in the piano roll, number, name and number of notes."""
    colour = TRACK_COLOURS[(number - 1) % len(TRACK_COLOURS)]
    name = html.escape(track.name)
    square = f'<i style="background:{colour};display:inline-block;width:10px;height:10px;margin-right:8px"></i>'
    on_one_line = "overflow:hidden;text-overflow:ellipsis;white-space:nowrap"
    shown = ipywidgets.HTML(
        f'<div title="{name}" style="{on_one_line}">{square}{number} {name} '
        f"<small>{len(track.notes)} notes</small></div>",
        layout={"display": "block", "min_width": "0", "overflow": "hidden"},
    )
    shown.add_class("gansynth-track")
    return shown


def row_of(rows: list[dict[str, ipywidgets.Widget]], number: int) -> dict[str, ipywidgets.Widget]:
    """The widgets of a track, by its number.

    Raises:
      ValueError: there is no row with this number.
    """
    if not 1 <= number <= len(rows):
        raise ValueError(f"there is no track {number!r}; the tracks are numbered from 1 to {len(rows)}")
    return rows[number - 1]


def parts_code(parts: Mapping[int, Part], bank: Mapping[str, Instrument]) -> str:
    """Code for a dict of parts, in which instruments are looked up in a dict `bank`."""
    rows = []
    for number, part in parts.items():
        words = [f"bank[{literal(name)}]" for name, instrument in bank.items() if instrument is part.instrument]
        for field in dataclasses.fields(Part)[1:]:
            if (value := getattr(part, field.name)) != field.default:
                words.append(f"{field.name}={value}")
        rows.append(f"{number}: render.Part({', '.join(words)})")
    lines = "".join(f"\n    {row}," for row in rows)
    return f"parts = {{{lines}\n}}" if len(rows) > 1 else f"parts = {{{''.join(rows)}}}"


def literal(value: Any) -> str:
    """A plain value as a Python literal."""
    value = value.item() if isinstance(value, np.generic) else value
    return quoted(value) if isinstance(value, str) else repr(value)


def shown(path: Path) -> str:
    """A path, relative to the working directory if it is inside."""
    here = Path.cwd()
    return (path.relative_to(here) if path.is_relative_to(here) else path).as_posix()


def is_enter(message: Any) -> bool:
    """Whether the message of a text field reports that Enter was pressed."""
    return isinstance(message, Mapping) and message.get("event") == "submit"
