"""A control that writes a page with a player's clips, to hand in, and downloads it to the user's computer.

Notebook: 00_quickstart.
"""

from __future__ import annotations

import datetime
import html
import os
import tempfile
import threading
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import ipywidgets
import traitlets

from .. import audio, page, runtime
from ..audio import Audio
from ..evaluation.agreement import Agreement
from ..files import as_path, plain_name, replacing
from ..page import Section
from .background import wait_for
from .base import Control, Line, quoted, tip
from .comparison import Comparison
from .generate import MAX_BYTES, Download
from .player import Player
from .tune import shown

if TYPE_CHECKING:
    from ..midi import Song
    from ..render.report import RenderReport

SONG = "{song}"  # placeholder in a title for the name of the tune
LABEL = "Make and download the page"
CLIPS_LABEL = "Download the clips"


class TakeHome(Control):
    """Write a page with a player's clips, a title, an author and a date: a control for `page.write`.

        home = TakeHome(player, template=page.STUDENT_REPORT)
        home.make()                        # or the button, which also downloads it

    Args:
      player: the player with the clips.
      title: title of the page. "{song}" in it is replaced by the name of the tune, and updated until the user types a
        title.
      template: sections that come first, as for `page.write`; or a function that returns them for the names of the
        checkpoints used, such as `page.student_report`.
      author: author at the start.
      path: path of the page; by default in the folder of results, and named after the title.
      comparison: a control whose measurements of these clips are included, if they are up to date.

    Traits:
      title, author, date: the heading of the page; the date is today's at the start.
      observations: name of a clip -> what the user wrote about it.
      path: path of the page, or None before it is written.
      stale: why a new page would differ from the one written, or "".

    Notebook: 00_quickstart.
    """

    title = traitlets.Unicode()
    author = traitlets.Unicode()
    date = traitlets.Unicode()
    path = traitlets.Instance(Path, allow_none=True)
    stale = traitlets.Unicode()

    def __init__(
        self,
        player: Player,
        title: str = "{song}, played by GANSynth",
        template: Sequence[Section] | Callable[[list[str]], Sequence[Section]] = (),
        author: str = "",
        path: str | os.PathLike | None = None,
        comparison: Comparison | None = None,
    ):
        self.player, self._template, self._comparison = player, template, comparison
        self._pattern, self._wanted = title, None if path is None else as_path(path)
        self._made: tuple = ()  # the content that the page was written from
        self._shown_clips: dict[str, Audio] = {}  # keeps those clips alive, so that their ids stay unique
        self._followed = ""  # the title that follows the tune
        self._thread: threading.Thread | None = None
        self._notes: dict[str, ipywidgets.Textarea] = {}  # name of a clip -> observations
        self._button = Download(ready=True, label=LABEL, media="text/html")
        self._button.hint = "One HTML file with the sound, pictures and origin of every clip: page.write(clips, path)"
        self._zip = Download(ready=True, label=CLIPS_LABEL, media="application/zip")
        self._zip.hint = "All clips as WAV files, in one zip file"
        self._line, self._age = Line(), Line()
        fields = {
            name: tip(ipywidgets.Text(description=name, continuous_update=False), hint)
            for name, hint in (
                ("title", "The title of the page; clear it to use the name of the tune"),
                ("author", "Your name"),
                ("date", "The date on the page"),
            )
        }
        fields["title"].add_class("gansynth-wide")
        self._open = tip(ipywidgets.ToggleButton(description="Observations"), "Write what you have heard and seen")
        self._open.observe(lambda change: self._unfold(change.new), "value")
        self._fields = ipywidgets.VBox(layout={"display": "none"})
        buttons = ipywidgets.HBox([self._button, self._zip])
        rows = [ipywidgets.HBox(list(fields.values())), self._open, self._fields, buttons, self._line, self._age]
        super().__init__("Take it home", rows, [self._line])
        for name, field in fields.items():
            traitlets.link((self, name), (field, "value"))
        self.date, self.author = datetime.date.today().isoformat(), author
        self._follow()
        self._button.on_msg(lambda *_: self.start())
        self._zip.on_msg(lambda *_: self._hand_clips_over())
        player.observe(lambda _: self._follow(), ["clips", "stale"])
        if comparison is not None:
            comparison.observe(lambda _: self._follow(), ["agreement", "stale"])
        self.observe(lambda _: self._follow(), ["title", "author", "date"])

    # ---- Following ---------------------------------------------------------------------------------------------------

    @property
    def observations(self) -> dict[str, str]:
        """What the user wrote about each of the present clips."""
        return {name: field.value for name, field in self._notes.items() if field.value and name in self.player.clips}

    @observations.setter
    def observations(self, texts: dict[str, str]) -> None:
        for name, text in texts.items():
            if name not in self._notes:
                raise ValueError(f"there is no clip {name!r}; the clips are {', '.join(self._notes) or 'none yet'}")
            self._notes[name].value = text

    @property
    def template(self) -> tuple[Section, ...]:
        """The sections that come first on the page."""
        if not callable(self._template):
            return tuple(self._template)
        played = [names for source in self.player.sources.values() if (names := getattr(source, "clips", None))]
        names = [name for names in played for name in names]
        return tuple(self._template(names)) if names else ()

    @property
    def agreement(self) -> dict[str, Agreement]:
        """How well the clips agree with the score, if the comparison is up to date."""
        if self._comparison is None or self._comparison.stale:
            return {}
        return {name: result for name, result in self._comparison.agreement.items() if name in self.player.clips}

    def _songs(self) -> list[Song]:
        """The songs chosen in the player's controls."""
        return [song for source in self.player.sources.values() if (song := getattr(source, "song", None))]

    def _reports(self) -> list[RenderReport]:
        return [clip.report for clip in self.player.clips.values() if getattr(clip, "report", None)]

    def _other_song(self) -> Song | None:
        """The present song, if the page would otherwise show the song of an older clip."""
        tune = next(iter(self._songs()), None)
        shown = next((report.recipe.song for report in self._reports() if report.recipe), None)
        return tune if tune != shown else None

    def _automatic(self) -> str:
        """The title with the name of the tune filled in."""
        names = [song.name for song in self._songs()] + [report.song for report in self._reports()]
        return self._pattern.replace(SONG, names[0] if names else "a tune")

    def _follow(self) -> None:
        """Update the title, the fields and the messages."""
        before, self._followed = self._followed, self._automatic()
        if self.title.strip() in ("", before):
            self.title = self._followed
        for name in dict.fromkeys([section.name for section in self.template] + list(self.player.clips)):
            if name not in self._notes:
                field = ipywidgets.Textarea(description=name, rows=2, layout={"width": "100%"}, continuous_update=False)
                field.observe(lambda _: self._follow(), "value")
                self._notes[name] = field
        self._fields.children = [field for name, field in self._notes.items() if name in self.player.clips]
        self.stale = "its content has changed" if self.path and self._made != self._content() else ""
        words = ["The page is out of date: make it again."] if self.stale else []
        words += [f"{name} is out of date ({why}); the page contains the old clip." for name, why in self._old()]
        self._age.value = f"<i>{html.escape(' '.join(words))}</i>" if words else ""
        self.changed()

    def _old(self) -> list[tuple[str, str]]:
        return [(name, why) for name, why in self.player.stale.items() if name in self.player.clips]

    def _unfold(self, is_open: bool) -> None:
        self._fields.layout.display = "" if is_open else "none"

    def _content(self) -> tuple:
        """The content of the page, as a value that can be compared."""
        clips = tuple((name, id(clip)) for name, clip in self.player.clips.items())
        return (
            clips,
            self.title,
            self.author,
            self.date,
            tuple(self.observations.items()),
            tuple(self.agreement.items()),
        )

    # ---- The page ----------------------------------------------------------------------------------------------------

    def make(self) -> Path:
        """Write the page; returns its path.

        Raises:
          ValueError: there is no clip yet, or `page.write` rejects an argument.
        """
        if not self.player.clips:
            raise ValueError("there is no clip yet: press Generate first")
        content, clips = self._content(), dict(self.player.clips)
        path = self._wanted or runtime.outputs() / f"{plain_name(self.title, 'page')}.html"
        page.write(
            clips,
            path,
            self.title,
            author=self.author,
            date=self.date,
            observations=self.observations,
            song=self._other_song(),
            template=self.template,
            agreement=self.agreement,
            progress=False,
        )
        self._made, self._shown_clips = content, clips
        self.path = path
        self._follow()
        return path

    def save_clips(self) -> Path:
        """Write all clips as WAV files into a zip file next to the page; returns its path.

        Raises:
          ValueError: there is no clip yet.
        """
        if not self.player.clips:
            raise ValueError("there is no clip yet: press Generate first")
        page_path = self._wanted or runtime.outputs() / f"{plain_name(self.title, 'page')}.html"
        path = page_path.with_name(f"{page_path.stem}_clips.zip")
        with (
            tempfile.TemporaryDirectory() as folder,
            replacing(path) as partial,
            zipfile.ZipFile(partial, "w") as archive,  # not compressed: sound barely gets smaller
        ):
            for number, (name, clip) in enumerate(self.player.clips.items(), start=1):
                wav = audio.write(clip, Path(folder) / f"{number:02}_{plain_name(name, 'clip')}.wav")
                archive.write(wav, wav.name)
        return path

    def _hand_clips_over(self) -> None:
        with self.attempt():
            self._give(self.save_clips(), self._zip)

    def _give(self, path: Path, button: Download) -> None:
        """Show where a file is, and send it to the user's computer unless it is too large for the page."""
        size = path.stat().st_size
        fits = size <= MAX_BYTES
        about = f"{size / 1e6:.1f} MB" if fits else "which is too large to download from this page"
        self.say(f"saved as {shown(path.absolute())}, {about}")
        if fits:
            button.send({"name": path.name}, [path.read_bytes()])

    def start(self) -> None:
        """Send the page to the browser, from a thread; it is written first unless it is up to date."""
        if not self._button.busy:
            self._button.busy = True
            self._thread = threading.Thread(target=self._hand_over, daemon=True)
            self._thread.start()

    def wait(self, timeout: float | None = None) -> Path | None:
        """Wait until no page is being written; returns the path of the last one.

        Raises:
          TimeoutError: the page is still being written after `timeout` seconds.
        """
        wait_for(self._thread, timeout, "the page is still being written")
        return self.path

    def _hand_over(self) -> None:
        with self.attempt():
            path = self.path
            if path is None or self.stale or not path.exists():
                self.say(f"drawing the pictures of {' and '.join(self.player.clips)} …")
                path = self.make()
            self._give(path, self._button)
        self._button.busy = False

    def _template_code(self) -> str:
        if self.template == page.STUDENT_REPORT:
            return "page.STUDENT_REPORT"
        if self._template is page.student_report:
            return f"page.student_report({[section.name for section in self.template[1:-2]]})"
        return "template"

    def code(self) -> str:
        path = (self._wanted or Path(f"outputs/{plain_name(self.title, 'page')}.html")).as_posix()
        words = ["clips", quoted(path), quoted(self.title)]
        words += [f"{name}={quoted(value)}" for name in ("author", "date") if (value := getattr(self, name))]
        words += [f"observations={self.observations!r}"] if self.observations else []
        words += ["song=song"] if self._other_song() else []
        if self.template:
            words.append(f"template={self._template_code()}")
        if self.agreement:
            words.append("agreement=agreement")
        return f"page.write({', '.join(words)})"
