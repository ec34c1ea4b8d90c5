"""A control to choose a score: its tracks with mute, solo and instrument, its piano roll, and how it is meant to sound.

Notebook: 07_songs.
"""

from __future__ import annotations

import dataclasses
import html
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anywidget
import ipywidgets
import traitlets

from .. import audio, drawing, midi, scores
from ..instruments import Instrument
from ..midi import Song, Track
from ..place import ROOT
from ..planning import Part, is_heard
from .base import SCRIPTS, Control, Sound, quoted, tip

SCORES = ROOT / "data" / "midi"
ROLL_INCHES, ROLL_DPI = (9.2, 2.7), 100
NO_SCORE = "choose a score"
UNHEARD = "0.88"  # the grey of notes that are not heard
LONGEST_LISTEN = 180.0  # s that are played at most; an hour would take a minute to make
MOST_ROWS = 40  # tracks with controls; a row is some widgets, and a page of thousands does not load


class Tune(Control):
    """Choose a score, and which of its tracks are heard and who plays them.

    Scores come from a folder, by upload (button, or drop on the control), from a web address or from Google Drive. What
    comes from outside is kept in `scores.folder()`.

        tune = Tune(instruments.named(model))
        tune.set(2, instrument="Cello")
        clip = render.render(model, tune.song, tune.parts)

    Args:
      bank: the instruments to choose from, by name; without one, tracks are played by what is drawn for them.
      path: the score to begin with; by default the first one of the folder.
      folder: where the scores of the list are.

    Traits:
      song: the midi.Song, or None. Can be set.
      parts_changed: a counter that rises when `parts` changes.

    Notebook: 07_songs.
    """

    song = traitlets.Instance(Song, allow_none=True)
    parts_changed = traitlets.Int(0)

    def __init__(
        self,
        bank: Mapping[str, Instrument] | None = None,
        path: str | os.PathLike | None = None,
        folder: str | os.PathLike = SCORES,
    ):
        self.bank, self._folder = dict(bank or {}), Path(folder).absolute()
        self._path: Path | None = None  # where the song came from, if that is known
        self._rows: list[dict[str, ipywidgets.Widget]] = []
        self._list = ipywidgets.Dropdown(description="score", layout={"width": "360px"})
        listen = ipywidgets.Button(description="Listen", icon="play")
        self._upload = ipywidgets.FileUpload(description="Upload", accept=",".join(scores.ENDINGS), multiple=False)
        self._drop = Drop()
        self._link = ipywidgets.Text(
            description="link", placeholder="https://… or a Google Drive link", layout={"flex": "1 1 auto"}
        )
        fetch = ipywidgets.Button(description="Fetch", icon="download")
        self._about = ipywidgets.HTML()
        self._roll = ipywidgets.Image(format="png", layout={"width": "100%", "max_width": "920px"})
        columns = "minmax(180px, 1fr) 90px 90px" + (" 300px" if self.bank else "")
        self._tracks = ipywidgets.GridBox(layout={"grid_template_columns": columns, "align_items": "center"})
        self._sound = Sound()
        tip(self._list, "The scores that come with this notebook, and those that you have added")
        tip(listen, "Play what is heard with a General MIDI soundfont, without the model: audio.reference(song)")
        tip(self._upload, "Take a MIDI file from your computer")
        tip(self._link, "The web address of a MIDI file, or the link that Google Drive's Share copies")
        tip(fetch, "Download the MIDI file at this link: scores.download(link)")
        bars = [[self._list, listen], [self._upload, self._drop], [self._link, fetch]]
        rows = [ipywidgets.HBox(bar, layout={"align_items": "center"}) for bar in bars]
        super().__init__("Tune", [*rows, self._about, self._roll, self._tracks, self._sound])

        self._list.observe(self._listed, "value")
        listen.on_click(lambda _: self.listen())
        self._upload.observe(self._uploaded, "value")
        self._drop.on_msg(self._dropped)
        fetch.on_click(lambda _: self.fetch(self._link.value))
        self._link.on_msg(lambda _, message, __: self.fetch(self._link.value) if _is_enter(message) else None)
        self.observe(lambda _: self._show(), "song")
        self._show()
        known = scores.listing(self._folder) if path is None else [path]
        if known:
            self.load(known[0])

    # ---- Choosing a score --------------------------------------------------------------------------------------------

    def load(self, path: str | os.PathLike) -> None:
        """Take the score of a file. If it cannot be read, the one that was there stays."""
        with self.attempt():
            self._take(Path(path).absolute())
        self._refresh()

    def upload(self, content: bytes, name: str) -> None:
        """Take the score of a file's bytes, and keep the file."""
        with self.attempt():
            self._take(scores.keep(content, name))
        self._refresh()

    def fetch(self, url: str) -> None:
        """Take the score at a web address or Google Drive link, and keep the file."""
        with self.attempt():
            self.say(f"fetching {url} …")
            self._take(scores.download(url))
            self.say("")
        self._refresh()

    def _take(self, path: Path) -> None:
        self.song = midi.load(path)  # what observes it forgets the path
        self._path = path
        self.changed()

    def _refresh(self) -> None:
        """List what there is, with the score that is shown chosen."""
        paths = {path: path.stem for path in scores.listing(self._folder)}
        paths |= {path: f"{path.stem} (added)" for path in scores.listing(scores.folder())}
        if self._path is not None:
            paths.setdefault(self._path, self._path.stem)
        self._list.unobserve(self._listed, "value")
        self._list.options = [(NO_SCORE, ""), *((name, path) for path, name in paths.items())]
        self._list.value = self._path or ""  # None would be a field without text
        self._list.observe(self._listed, "value")

    def _listed(self, change) -> None:
        if change.new:
            self.load(change.new)
        else:
            self._refresh()

    def _uploaded(self, change) -> None:
        """ipywidgets 7 hands over {name: {"metadata": …, "content": …}}, 8 ({"name": …, "content": …}, …)."""
        files = change.new.values() if isinstance(change.new, Mapping) else change.new
        for file in files:
            name = file["name"] if "name" in file else file["metadata"]["name"]
            self.upload(bytes(file["content"]), name)
        if files:
            self._upload.set_trait("value", type(self._upload.value)())  # so that the same file can come again

    def _dropped(self, _, message: Mapping[str, Any], buffers: list[memoryview]) -> None:
        if buffers:
            self.upload(bytes(buffers[0]), str(message.get("name", "")))
        else:
            self.complain(f"{message.get('name')} is too large; a MIDI file is far smaller")

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
            row["mute"].value = mute
        if solo is not None:
            row["solo"].value = solo

    def heard(self) -> Song | None:
        """The song without what is muted."""
        if self.song is None:
            return None
        tracks = zip(self.song.tracks, self._is_heard(), strict=True)
        return dataclasses.replace(self.song, tracks=tuple(track for track, is_on in tracks if is_on))

    def _is_heard(self) -> list[bool]:
        parts = self.parts
        return is_heard([parts.get(number, Part()) for number in range(1, len(self.song.tracks) + 1)])

    def _show(self) -> None:
        """Show a new song."""
        self._path = None
        tracks = self.song.tracks if self.song else ()
        self._rows = [self._row(track) for track in tracks[:MOST_ROWS]]
        cells = []
        for number, row in enumerate(self._rows, start=1):
            cells += [label(number, tracks[number - 1]), row["mute"], row["solo"]]
            cells += [row["instrument"]] if self.bank else []
        self._tracks.children = cells
        about = str(self.song).splitlines()[0] if self.song else "no score yet"
        rest = f"; tracks {MOST_ROWS + 1} to {len(tracks)} are played as they are" if len(tracks) > MOST_ROWS else ""
        self._about.value = html.escape(about + rest)
        self._refresh()
        self._draw()
        self.changed()

    def _row(self, track: Track) -> dict[str, ipywidgets.Widget]:
        """The widgets of a track."""
        narrow = {"width": "auto"}
        mute = ipywidgets.Checkbox(description="mute", indent=False, layout=narrow)
        solo = ipywidgets.Checkbox(description="solo", indent=False, layout=narrow)
        own = "drums have their own" if track.is_drum else "one that is drawn"
        names = [] if track.is_drum else [(name, name) for name in self.bank]
        instrument = ipywidgets.Dropdown(
            description="played by", options=[(own, ""), *names], layout=narrow, disabled=track.is_drum
        )
        tip(mute, f"Leave {track.name} out")
        tip(solo, f"Hear {track.name} and other solo tracks alone")
        tip(instrument, f"The instrument of the model that plays {track.name}")
        row = {"mute": mute, "solo": solo, "instrument": instrument}
        for widget in (mute, solo):
            widget.observe(lambda _: self._draw(), "value")
        for widget in row.values():
            widget.observe(lambda _: self._chosen(), "value")
        return row

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
            if ax.get_legend():
                ax.get_legend().remove()  # the tracks below have the colours
            for notes, is_on in zip(ax.collections, self._is_heard(), strict=False):  # bar lines come last
                if not is_on:
                    notes.set(facecolor=UNHEARD, zorder=0.5)
            self._roll.value = drawing.png(figure)

    def listen(self) -> None:
        """Play what is heard as a General MIDI soundfont plays it."""
        with self.attempt():
            song = self.heard()
            if song is None or not song.tracks:
                raise ValueError("choose a score first" if song is None else "all tracks are muted")
            if song.seconds > LONGEST_LISTEN:
                song = midi.excerpt(song, 0.0, LONGEST_LISTEN)
                self.say(f"the first {LONGEST_LISTEN:.0f} s")
            self._sound.play(audio.reference(song))

    def code(self) -> str:
        """The lines that load the score and choose for its tracks."""
        lines = [f"song = midi.load({literal(shown(self._path))})"] if self._path else []
        return "\n".join(lines + ([parts_code(self.parts, self.bank)] if self.parts else []))


class Drop(anywidget.AnyWidget):
    """A place to drop a file on. It sends {"name"} with the content; or without, if that is too large."""

    _esm = SCRIPTS / "drop.js"
    _css = SCRIPTS / "drop.css"
    text = traitlets.Unicode("or drop a MIDI file here").tag(sync=True)
    most_bytes = traitlets.Int(midi.MAX_BYTES).tag(sync=True)


# ---- What the controls for songs share -------------------------------------------------------------------------------


def label(number: int, track: Track) -> ipywidgets.HTML:
    """A track's colour, as in the piano roll, number, name and notes."""
    colour = midi.TRACK_COLOURS[(number - 1) % len(midi.TRACK_COLOURS)]
    name = html.escape(track.name)
    square = f'<i style="background:{colour};display:inline-block;width:10px;height:10px;margin-right:8px"></i>'
    on_one_line = "overflow:hidden;text-overflow:ellipsis;white-space:nowrap"
    return ipywidgets.HTML(
        f'<div title="{name}" style="{on_one_line}">{square}{number} {name} '
        f"<small>{len(track.notes)} notes</small></div>",
        layout={"display": "block", "min_width": "0", "overflow": "hidden"},
    )


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
    return quoted(value) if isinstance(value, str) else repr(value)


def shown(path: Path) -> str:
    """A path, as short as it can be from where this runs."""
    here = Path.cwd()
    return (path.relative_to(here) if path.is_relative_to(here) else path).as_posix()


def _is_enter(message: Any) -> bool:
    """Whether a text field says that Enter was pressed in it."""
    return isinstance(message, Mapping) and message.get("event") == "submit"
