"""A control to choose a score: its tracks with mute, solo and instrument, its piano roll, and how it is meant to sound.

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
UNHEARD = "0.88"  # the grey of notes that are not heard
# In the app, addresses are fetched only where the environment has this as "1": its network is not its visitors'.
MAY_FETCH = "GANSYNTH_APP_DOWNLOADS"
MAX_LISTEN = 180.0  # s that are played at most; an hour would take a minute to make
AUTOMATIC = "automatic"  # who plays, as long as no model is known
MAX_ROWS = 40  # tracks with controls; a row is some widgets, and a page of thousands does not load


class Tune(Control):
    """Choose a score, and which of its tracks are heard and who plays them.

    Scores come from a folder, by upload (button, or drop on the control), from a web address or from Google Drive. What
    comes from outside is kept in `midi_sources.folder()`. In the app, where the network is the server's, addresses are
    left out unless it was started with GANSYNTH_APP_DOWNLOADS=1.

        tune = Tune(instruments.named(model))
        tune.set(2, instrument="Cello")
        clip = render.render(model, tune.song, tune.parts)

    Args:
      bank: the instruments to choose from: a bank that controls share, or a dict by name; without one, each track is
        played by what `instruments.assign` gives it.
      path: the score to begin with; by default the first one of the folder.
      folder: where the scores of the list are.
      seconds: begin with no more than this of a score; a switch changes to the whole.

    Traits:
      song: the midi.Song, or None. Can be set.
      whole: whether that is the whole score, and not its beginning alone.
      parts_changed: a counter that rises when `parts` changes.

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
        self._path: Path | None = None  # where the song came from, if that is known
        self._score: Song | None = None  # all of it
        self._model: GANSynth | None = None  # what will play it, as far as that is known ...
        self._rest, self._seed, self._drums = "", 0, "skip"  # ... and how it plays what is not chosen here
        self._reference: tuple[Song, Audio] | None = None
        self._filling = False  # whether the fields are being written to, and not by a person
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
        tip(self._list, "The scores that come with this notebook, and those that you have added")
        tip(listen, "Play what is heard with a General MIDI soundfont, without the model: soundfont.reference(song)")
        tip(self._upload, "Take a MIDI file from your computer")
        tip(self._link, "The web address of a MIDI file, or the link that Google Drive's Share copies")
        tip(fetch, "Download the MIDI file at this link: midi_sources.download(link)")
        tip(self._length, "How much of the score is played, here and below: midi.excerpt(song, 0, seconds)")
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
        """Take the score of a file. If it cannot be read, the one that was there stays."""
        with self.attempt(self._by_list):
            self._take(as_path(path).absolute())
        self._refresh()

    def upload(self, content: bytes, name: str) -> None:
        """Take the score of a file's bytes, and keep the file."""
        with self.attempt(self._by_upload):
            self._take(midi_sources.keep(content, name))
        self._refresh()

    def fetch(self, url: str) -> None:
        """Take the score at a web address or Google Drive link, and keep the file. The app does so only if it may."""
        with self.attempt(self._by_link):
            if not may_fetch():
                raise ValueError("this app fetches nothing from the web: download the file yourself and upload it here")
            self.say(f"fetching {url} …", self._by_link)
            self._take(midi_sources.download(url))
            self.say("")
        self._refresh()

    def _take(self, path: Path) -> None:
        self._score, self._path = midi.load(path), path
        self.song = self._beginning()
        self._show()

    def _beginning(self) -> Song | None:
        """The score, or as much of it as is to be played."""
        score, seconds = self._score, self._seconds
        if score is None or seconds is None or self.whole or score.duration <= seconds:
            return score
        return midi.excerpt(score, 0.0, seconds) if any(note.start < seconds for note in score.notes) else score

    @property
    def _is_long(self) -> bool:
        """Whether there is a choice between the beginning and the whole."""
        return self._score is not None and self._seconds is not None and self._score.duration > self._seconds

    def _on_song(self) -> None:
        """Show a new song. One that was set from outside has no path, and is all there is."""
        if self.song is None or (self.song is not self._score and self.song != self._beginning()):
            self._score, self._path = self.song, None
            self.whole = True
            self._show()

    def _on_whole(self) -> None:
        """Change between the beginning and the whole; what was chosen for the tracks stays."""
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
        """What is played, in words: the song's name and how much of it there is."""
        if self.song is None or self._score is None:
            return "no score yet"
        part = (
            "" if self.song is self._score else f", the first {self.song.duration:.0f} of {self._score.duration:.0f} s"
        )
        return f"{self.song.name}{part}"

    def _refresh(self) -> None:
        """List what there is, with the score that is shown chosen."""
        paths = {path: path.stem for path in midi_sources.listing(self._folder)}
        paths |= {path: f"{path.stem} (added)" for path in midi_sources.listing(midi_sources.folder())}
        if self._path is not None:
            paths.setdefault(self._path, self._path.stem)
        self._list.unobserve(self._listed, "value")
        self._list.options = [(NO_SCORE, ""), *((name, path) for path, name in paths.items())]
        self._list.value = self._path or ""  # None would be a field without text
        self._list.observe(self._listed, "value")

    def _listed(self, change: traitlets.Bunch) -> None:
        if change.new:
            self.load(change.new)
        else:
            self._refresh()

    def _uploaded(self, change: traitlets.Bunch) -> None:
        """ipywidgets 7 hands over {name: {"metadata": …, "content": …}}, 8 ({"name": …, "content": …}, …)."""
        files = change.new.values() if isinstance(change.new, Mapping) else change.new
        for file in files:
            name = file["name"] if "name" in file else file["metadata"]["name"]
            self.upload(bytes(file["content"]), name)
        if files:
            self._upload.set_trait("value", type(self._upload.value)())  # so that the same file can come again

    def _dropped(self, _: ipywidgets.Widget, message: Mapping[str, Any], buffers: list[memoryview]) -> None:
        if buffers:
            self.upload(bytes(buffers[0]), str(message.get("name", "")))
        else:
            self.complain(f"{message.get('name')} is too large; a MIDI file is far smaller", self._by_upload)

    # ---- Tracks ------------------------------------------------------------------------------------------------------

    @property
    def parts(self) -> dict[int, Part]:
        """What is chosen for the tracks, by number, for `render.render`; tracks that are left alone are not in it."""
        parts = {
            number: Part(self.bank.get(row["instrument"].value), row["mute"].value, row["solo"].value)
            for number, row in enumerate(self._rows, start=1)
        }
        return {number: part for number, part in parts.items() if part != Part()}

    def set(
        self, number: int, *, mute: bool | None = None, solo: bool | None = None, instrument: str | None = None
    ) -> None:
        """Choose for a track; what is None stays.

        Args:
          number: the track's, from 1.
          mute, solo: whether it is.
          instrument: a name from the bank, or "" for one that is drawn.

        Raises:
          ValueError: there is no such track or instrument.
        """
        row = row_of(self._rows, number)
        if instrument is not None:
            known = [name for _, name in row["instrument"].options]
            if instrument not in known:
                raise ValueError(f"track {number} cannot be played by {instrument!r}; it can be {known}")
            row["instrument"].value = instrument
        if mute is not None:
            row["mute"].value = bool(mute)
        if solo is not None:
            row["solo"].value = bool(solo)

    def heard(self) -> Song | None:
        """The song without what is muted."""
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
        self._name_players()
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
        tip(solo, f"Hear {track.name} and other solo tracks alone")
        row = {"mute": mute, "solo": solo, "instrument": instrument}
        for widget in (mute, solo):
            widget.observe(lambda _: None if self._filling else self._draw(), "value")
        for widget in row.values():
            widget.observe(lambda _: None if self._filling else self._chosen(), "value")
        return row

    # ---- Who plays ---------------------------------------------------------------------------------------------------

    def expect(self, model: GANSynth, rest: str = "", seed: int = 0, drums: str = "skip") -> None:
        """Show who will play the tracks for which nothing is chosen here. `Generate` says so.

        Args:
          model: what plays; of a shared bank it is the bank's.
          rest: who plays those tracks, in words; by default what `instruments.assign` gives them.
          seed: of that.
          drums: "skip" or "synth", as for `render.render`.
        """
        self._model, self._rest, self._seed, self._drums = model, rest, seed, drums
        self._name_players()

    def _follow(self) -> None:
        """List what is in the bank now, since others change it as well."""
        before = self.parts
        self._name_players()
        if self.parts != before:
            self._chosen()

    def _players(self) -> dict[int, tuple[str, str]]:
        """Who plays each track for which nothing is chosen, and why."""
        model = self.bank.model if isinstance(self.bank, Bank) else self._model
        tracks = enumerate(self.song.tracks if self.song else (), start=1)
        players = {}
        for number, track in tracks:
            if track.is_drum and self._drums == "synth":
                players[number] = "drum kit", "drums are played with a soundfont"
            elif track.is_drum:
                players[number] = "left out", "the model has no drums; the switch at Generate plays them"
            else:
                players[number] = self._rest or AUTOMATIC, "nothing is chosen here"
        if model is not None and self.song is not None and not self._rest:
            for number, (instrument, why) in instruments.assign(model, self.song, self._seed).items():
                players[number] = f"{instrument.name} ({AUTOMATIC})", why
        return players

    def _name_players(self) -> None:
        """Bring the lists of instruments up to date."""
        players, tracks = self._players(), self.song.tracks if self.song else ()
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
        """What is written to fields here is no choice of a person."""
        self._filling = True
        try:
            yield
        finally:
            self._filling = False

    def _chosen(self) -> None:
        self.changed()
        self.parts_changed += 1

    def _draw(self) -> None:
        """The piano roll; what is not heard is grey."""
        from matplotlib.figure import Figure

        self._roll.layout.display = "" if self.song else "none"
        if self.song is None:
            return
        with drawing.plain():
            figure = Figure(ROLL_INCHES, ROLL_DPI, layout="constrained")
            ax = midi.plot(self.song, figure.subplots())
            ax.set_title("")  # the line above has it
            if legend := ax.get_legend():
                legend.remove()  # the tracks below have the colours
            for notes, is_on in zip(ax.collections, self._is_heard(), strict=False):  # bar lines come last
                if not is_on:
                    notes.set(facecolor=UNHEARD, zorder=0.5)
            self._roll.show(figure)

    def reference(self) -> Audio | None:
        """The song as a General MIDI soundfont plays it, to compare with; None without a song.

        It is made when it is first asked for: a minute of music takes about a second.
        """
        song = self.song
        if song is None:
            return None
        if self._reference is None or self._reference[0] is not song:
            self._reference = song, soundfont.reference(song)
        return self._reference[1]

    def listen(self) -> None:
        """Play what is heard as a General MIDI soundfont plays it."""
        with self.attempt(self._by_list):
            song = self.heard()
            if song is None or not song.tracks:
                raise ValueError("choose a score first" if song is None else "all tracks are muted")
            is_long = song.duration > MAX_LISTEN
            self.say("making the sound …")
            if is_long:
                song = midi.excerpt(song, 0.0, MAX_LISTEN)
            clip = self.reference() if song == self.song else None
            self._sound.play(soundfont.reference(song) if clip is None else clip)
            self.say(f"the first {MAX_LISTEN:.0f} s" if is_long else "")

    def code(self) -> str:
        """The lines that load the score and choose for its tracks."""
        lines = [f"song = midi.load({literal(shown(self._path))})"] if self._path else []
        if lines and self.song is not self._score:
            lines.append(f"song = midi.excerpt(song, 0, {self._seconds:g})")
        return "\n".join(lines + ([parts_code(self.parts, self.bank)] if self.parts else []))


class Drop(anywidget.AnyWidget):
    """A place to drop a file on. It sends {"name"} with the content; or without, if that is too large."""

    _esm = SCRIPTS / "drop.js"
    _css = SCRIPTS / "drop.css"
    text = traitlets.Unicode("or drop a MIDI file here").tag(sync=True)
    most_bytes = traitlets.Int(MAX_BYTES).tag(sync=True)


def may_fetch() -> bool:
    """Whether scores are fetched from the web here: everywhere but in the app, and there if `MAY_FETCH` is set."""
    return runtime.kind() != runtime.VOILA or os.environ.get(MAY_FETCH) == "1"


# ---- What the controls for songs share -------------------------------------------------------------------------------


def label(number: int, track: Track) -> ipywidgets.HTML:
    """A track's colour, as in the piano roll, number, name and notes."""
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
      ValueError: no row has it.
    """
    if not 1 <= number <= len(rows):
        raise ValueError(f"there is no track {number!r} to choose for; there are {len(rows)}")
    return rows[number - 1]


def parts_code(parts: Mapping[int, Part], bank: Mapping[str, Instrument]) -> str:
    """A dict of parts as Python; instruments are those of a dict `bank`."""
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
    """A plain value as it stands in Python."""
    value = value.item() if isinstance(value, np.generic) else value
    return quoted(value) if isinstance(value, str) else repr(value)


def shown(path: Path) -> str:
    """A path, as short as it can be from where this runs."""
    here = Path.cwd()
    return (path.relative_to(here) if path.is_relative_to(here) else path).as_posix()


def is_enter(message: Any) -> bool:
    """Whether a text field says that Enter was pressed in it."""
    return isinstance(message, Mapping) and message.get("event") == "submit"
