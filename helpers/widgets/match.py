"""A control that makes an instrument of a recording: from the microphone, a file or a link to the bank.

Notebook: 11_match.
"""

from __future__ import annotations

import contextlib
import functools
import html
import inspect
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ipywidgets
import numpy as np
import traitlets

from .. import audio, instruments, matching, recording_sources, runtime
from ..audio import Audio
from ..files import as_path
from ..instruments import Bank, Instrument
from ..matching import RecordedNote, Recording
from ..matching.recordings import MAX_SECONDS, MIN_SECONDS
from ..midi import note_name
from ..pitch import UNKNOWN
from .background import Background
from .base import Line, Sound, quoted, tip
from .notes import bank_code, model_of
from .player import MODES, PANELS
from .recorder import Recorder, Take
from .sides import Sides
from .trim import Trim
from .tune import is_enter, literal, may_fetch, shown

if TYPE_CHECKING:
    from ..gansynth import GANSynth

HEARD_RATES = (8000, 48000)  # Hz that every browser plays; what is beyond is resampled for listening

AS_HEARD = -1  # in the list of pitches
NO_RECORDING = "choose a recording"
PITCHES = (("as heard", AS_HEARD), *((f"{note_name(p)} ({p})", p) for p in range(UNKNOWN[0], UNKNOWN[1] + 1)))
MATCHED, NEAREST = "match", "nearest voice"  # the names of clips


class Match(Background[matching.Match]):
    """Make an instrument of a recording: record or choose it, trim it, match it, hear it beside the match, keep it.

    A recording comes from the microphone, from a file (chosen, or dropped on the control) or from a link, and is kept
    in `recording_sources.folder()`. Two handles mark the part that is used. The notes in it and what two pitch trackers
    hear are shown; where they are wrong, the pitch is set by hand. The match is what `matching.match` finds, and "Keep"
    puts it into the bank, and so into the lists of all controls that share the bank.

        mine = Match(bank)
        mine.load("oboe.wav")
        mine.run()                       # or the button, and then mine.found
        mine.keep("My oboe")

    Args:
      model: what is to play; or a `instruments.Bank`, whose model is followed.
      path: the recording to begin with; by default the first one of the folder.
      folder: where the recordings of the list are.
      settings: other arguments of `matching.match`, such as seed.

    Traits:
      recording: the matching.Recording, or None.
      part: (start, end) in s, what is used of it.
      pitch: MIDI number of the note, or None for what the trackers hear.
      notes: the matching.RecordedNotes of that part.
      found: the last matching.Match, or None. What observes it is called in the thread that matches.
      running: whether one is being made.
      stale: why what was found is not what would be found now ("the part has changed"), or "".
      panel, mode: the pictures, as for `spectrograms.compare`.

    Raises:
      TypeError: `matching.match` has no such argument.

    Notebook: 11_match.
    """

    UNIT = "step {done} of {total}"
    UNDER_WAY = "a match"
    ENDING = "ends with this step"

    recording = traitlets.Instance(Recording, allow_none=True)
    part = traitlets.Tuple(traitlets.CFloat(), traitlets.CFloat(), default_value=(0.0, 0.0))
    pitch = traitlets.Int(None, allow_none=True, min=UNKNOWN[0], max=UNKNOWN[1])
    notes: traitlets.List[RecordedNote] = traitlets.List()
    found = traitlets.Instance(matching.Match, allow_none=True)
    stale = traitlets.Unicode()
    panel = traitlets.Enum(list(PANELS), "mel")
    mode = traitlets.Enum(list(MODES), "paper")

    def __init__(
        self,
        model: GANSynth | Bank,
        path: str | os.PathLike | None = None,
        folder: str | os.PathLike = recording_sources.BUNDLED,
        **settings: Any,
    ):
        inspect.signature(matching.match).bind(None, None, None, bank=None, progress=None, stop=None, **settings)
        self._bank = model if isinstance(model, Bank) else instruments.bank(model_of(model))
        self.settings, self._folder = settings, as_path(folder).absolute()
        self._path: Path | None = None  # of the recording
        self._mine: list[Path] = []  # what has come here; in the app nobody sees what others have recorded
        self._unread = ""  # why the file that came last cannot be read, while the browser tries
        self._lock = threading.RLock()  # a kernel may hear of two widgets at once: who matches waits for the notes
        self._choices: dict[str, Any] = {}  # what was found was made of these
        self._wanted: tuple[dict[str, Any], int] = {}, 0  # what the attempt under way is made of, and its rate in Hz
        self._kept: Instrument | None = None
        self._rate = self._bank.model.sample_rate  # Hz, of the sounds that were found
        self._filling = False  # whether the fields are being written to, and not by a person
        self._build()
        self._connect()
        self._bank.on_change(self._follow)
        known = recording_sources.listing(self._folder) if path is None else [as_path(path)]
        self._show_recording()
        if known:
            self.load(known[0])

    def _build(self) -> None:
        self._by_list, self._by_page, self._by_link, self._by_part = Line(), Line(), Line(), Line()
        self._by_match, self._by_keep = Line(), Line()
        self._list = tip(
            ipywidgets.Dropdown(description="recording"), "Those that come with this notebook, and those that you added"
        )
        self._listen = ipywidgets.Button(description="Listen", icon="play")
        tip(self._listen, "Play the part that is used")
        self._recorder, self._sound = Recorder(), Sound()
        self._link = ipywidgets.Text(description="link", placeholder="https://… or a Google Drive link")
        tip(self._link, "The web address of a sound file, or the link that Google Drive's Share copies")
        self._fetch = ipywidgets.Button(description="Fetch", icon="download")
        tip(self._fetch, "Download the sound at this link: recording_sources.download(link)")
        for field in (self._list, self._link):
            field.add_class("gansynth-wide")
        link = ipywidgets.HBox([self._link, self._fetch])
        link.layout.display = "" if may_fetch() else "none"
        privacy = ipywidgets.HTML(f'<span class="gansynth-soft">{html.escape(_where())}</span>')
        self._trim, self._heard = Trim(), ipywidgets.HTML()
        self._pitch = ipywidgets.Dropdown(options=PITCHES, description="pitch", layout={"width": "190px"})
        tip(self._pitch, "If the trackers are wrong, say which note it is: find_notes(recording, pitch=...)")
        self._used = ipywidgets.VBox([self._trim, self._by_part, ipywidgets.HBox([self._pitch, self._heard])])
        self._age = Line()
        run = self._run_row(
            ipywidgets.Button(description="Match", icon="magic", button_style="primary"),
            "Find the nearest sound that this model can make: matching.match(model, recording, notes)",
            "End early, with the best so far",
            self._by_match,
        )
        self._build_result()
        children = [ipywidgets.HBox([self._list, self._listen]), self._by_list, self._recorder, self._by_page]
        children += [link, self._by_link, privacy, self._used, self._sound, run, self._by_match, self._age]
        lines = [self._by_match, self._by_list, self._by_page, self._by_link, self._by_part, self._by_keep]
        super().__init__("Match", [*children, self._result], lines)

    def _build_result(self) -> None:
        """The parts that show what was found."""
        self._words = ipywidgets.HTML()
        self._which = ipywidgets.Dropdown(description="note", layout={"width": "230px"})
        tip(self._which, "Which note of the recording is compared")
        self._panels = ipywidgets.ToggleButtons(options=[(name, value) for value, (name, _) in PANELS.items()])
        self._modes = ipywidgets.ToggleButtons(options=[(name, value) for value, (name, _) in MODES.items()])
        for choice in (self._panels, self._modes):
            choice.layout.width = choice.style.button_width = "auto"
        self._sides = Sides()
        self._name = ipywidgets.Text(description="name", layout={"width": "340px"})
        tip(self._name, "What the instrument is called when it is kept")
        self._keep = ipywidgets.Button(description="Keep", icon="star", layout={"width": "90px"})
        tip(self._keep, "Put the instrument into the bank: bank.keep(found.instrument, name)")
        keeping = ipywidgets.HBox([self._name, self._keep])
        looks = ipywidgets.HBox([self._which, self._panels, self._modes])
        self._result = ipywidgets.VBox([self._words, self._sides, looks, keeping, self._by_keep])
        self._result.layout.display = "none"

    def _connect(self) -> None:
        self._list.observe(self._listed, "value")
        self._listen.on_click(lambda _: self.listen())
        self._recorder.on_take(self._receive)
        self._recorder.on_unknown(lambda: self.complain(self._unread, self._by_page))
        self._fetch.on_click(lambda _: self.fetch(self._link.value))
        self._link.on_msg(lambda _, message, __: self.fetch(self._link.value) if is_enter(message) else None)
        self._trim.on_msg(lambda _, content, __: self.trim(*content["trim"]) if "trim" in content else None)
        self._pitch.observe(self._on_pitch_list, "value")
        self._keep.on_click(lambda _: self.keep(self._name.value))
        self._which.observe(lambda _: None if self._filling else self._show_clips(), "value")
        self._sides.observe(lambda change: self.complain(change.new, self._by_keep) if change.new else None, "trouble")
        self.observe(lambda _: None if self._filling else self._find(), ["part", "pitch"])
        self.observe(lambda _: self._show_clips(), ["panel", "mode"])
        self.observe(self._switch, "running")
        traitlets.link((self, "panel"), (self._panels, "value"))
        traitlets.link((self, "mode"), (self._modes, "value"))

    @property
    def bank(self) -> Bank:
        """Where instruments are kept; its model plays."""
        return self._bank

    # ---------------------------------------------------------------------------------------- choosing a recording

    def load(self, path: str | os.PathLike) -> None:
        """Take the recording of a file. If it cannot be read, the one that was there stays."""
        with self.attempt(self._by_list):
            self._take(as_path(path).absolute())
        self._refresh()

    def upload(self, content: bytes, name: str) -> None:
        """Take a file's bytes, and keep the file."""
        with self._taking(self._by_page):
            self._add(recording_sources.keep(content, name))

    def record(self, samples: np.ndarray, sample_rate: int, name: str = "recording") -> None:
        """Take samples, as they come from a microphone, and keep them as a file."""
        with self._taking(self._by_page):
            self._add(recording_sources.keep_samples(samples, sample_rate, name))

    def fetch(self, url: str) -> None:
        """Take the sound at a web address or Google Drive link, and keep the file. The app does so only if it may."""
        with self._taking(self._by_link):
            if not may_fetch():
                raise ValueError("this app fetches nothing from the web: download the file yourself and upload it here")
            self.say(f"fetching {url} …", self._by_link)
            path = recording_sources.download(url)
            self.say("")
            self._add(path)

    @contextlib.contextmanager
    def _taking(self, line: Line) -> Iterator[None]:
        with self.attempt(line):
            yield
        self._refresh()

    def _add(self, path: Path) -> None:
        """Take a file that has just been kept, and say where it is."""
        if path not in self._mine:
            self._mine.append(path)
        self._take(path)
        if not self.message:
            self.say(f"kept as {shown(path)}", self._by_page)

    def _take(self, path: Path) -> None:
        recording = matching.read(path)
        with self._lock:
            self._path, self.recording = path, recording
            with self._quietly():
                self.pitch, self.part = None, (0.0, recording.duration)
            self._show_recording()
            self._find()

    def _listed(self, change: traitlets.Bunch) -> None:
        if change.new:
            self.load(change.new)
        else:
            self._refresh()

    def _refresh(self) -> None:
        """List what there is, with the recording that is shown chosen."""
        paths = {path: path.stem for path in recording_sources.listing(self._folder)}
        own = self._mine if runtime.kind() == runtime.VOILA else recording_sources.listing(recording_sources.folder())
        paths |= {path: f"{path.stem} (added)" for path in own}
        if self._path is not None:
            paths.setdefault(self._path, self._path.stem)
        self._list.unobserve(self._listed, "value")
        self._list.options = [(NO_RECORDING, ""), *((name, path) for path, name in paths.items())]
        self._list.value = self._path or ""
        self._list.observe(self._listed, "value")
        self.changed()

    def _receive(self, take: Take) -> None:
        """Take what the page has sent."""
        if take.sample_rate:
            self.record(take.samples, take.sample_rate, Path(take.name).stem or "recording")
            if take.seconds > MAX_SECONDS + 1 and "kept as" in self._by_page.value:
                self.say(f"only the first {MAX_SECONDS:.0f} of {take.seconds:.0f} s were taken", self._by_page)
            return
        try:
            matching.read(take.content, take.name)
        except ValueError as error:  # the browser knows more formats
            self._unread = str(error)
            self.say(f"taking {take.name} apart …", self._by_page)
            self._recorder.decode(take)
        else:
            self.upload(take.content, take.name)

    # ------------------------------------------------------------------------------------------- the part and its notes

    @contextlib.contextmanager
    def _quietly(self) -> Iterator[None]:
        """What is written to fields here is no choice of a person."""
        before, self._filling = self._filling, True
        try:
            yield
        finally:
            self._filling = before

    @traitlets.validate("part")
    def _possible(self, proposal: traitlets.Bunch) -> tuple[float, float]:
        if self.recording is None:
            raise ValueError(f"{NO_RECORDING} first")
        start, end = max(proposal.value[0], 0.0), min(proposal.value[1], self.recording.duration)
        if not end - start >= MIN_SECONDS:  # nor if one is no number
            raise ValueError(
                f"from {start:.2f} to {end:.2f} s is too little to match; {MIN_SECONDS:g} s are needed, and a second "
                "is better"
            )
        return start, end

    def trim(self, start: float, end: float) -> None:
        """Use the part from `start` to `end`, s. If it is too short, the one that was there stays."""
        with self.attempt(self._by_part):
            self.part = start, end
        self._show_part()

    def _on_pitch_list(self, change: traitlets.Bunch) -> None:
        if not self._filling:
            self.pitch = None if change.new == AS_HEARD else change.new

    def _find(self) -> None:
        """Find the notes of the part anew. Where there is none, an error says what seems to be there instead."""
        with self._lock:
            self.notes = []
            self._show_part()
            with self.attempt(self._by_part):
                self._heard.value = "listening …"
                assert self.recording is not None, "a part is one of a recording"
                start, end = self.part
                self.notes = matching.find_notes(self.recording, start, end, self.pitch)
            self._show_part()

    def _show_recording(self) -> None:
        """Show a new recording."""
        self._used.layout.display = "none" if self.recording is None else ""
        self._start.disabled = self.running or self.recording is None
        self._listen.disabled = self.recording is None
        if self.recording is not None:
            self._trim.show(self.recording)

    def _show_part(self) -> None:
        """Show the part that is used, and what is heard in it."""
        self._trim.mark(self.part, self.notes)
        with self._quietly():
            self._pitch.value = AS_HEARD if self.pitch is None else self.pitch
        said = self.recording.warnings if self.recording is not None else ()
        self._heard.value = _table(self.notes, said)
        self._show_age()
        self.changed()

    def listen(self) -> None:
        """Play the part that is used, at the loudness of a finished clip."""
        with self.attempt(self._by_list):
            self._sound.play(self._heard_part())

    def _heard_part(self) -> Audio:
        if self.recording is None:
            raise ValueError(f"{NO_RECORDING} first")
        rate = self.recording.sample_rate
        start, end = (round(second * rate) for second in self.part)
        part = Audio(self.recording.samples[start:end], rate)
        return audio.to_loudness(audio.resample(part, int(np.clip(rate, *HEARD_RATES))))

    # ------------------------------------------------------------------------------------------------------- matching

    def _last(self) -> matching.Match | None:
        return self.found

    def _choices_now(self) -> dict[str, Any]:
        """What decides what is found, as values that can be compared; by its name in words."""
        return {
            "model": self._bank.model.fingerprint or id(self._bank.model),
            "recording": self.recording,
            "part": self.part,
            "pitch": self.pitch,
        }

    def _prepare(self) -> Callable[[], matching.Match]:
        with self._lock:
            if self.recording is None:
                raise ValueError(f"{NO_RECORDING} first")
            if not self.notes:
                raise ValueError("there is no note to match in this part: move the handles, or say its pitch")
            model = self._bank.model
            self._wanted = self._choices_now(), model.sample_rate
            return functools.partial(
                matching.match,
                model,
                self.recording,
                tuple(self.notes),
                bank=self._bank,
                progress=self._progress,
                stop=self._cancelled.is_set,
                **self.settings,
            )

    def _perform(self, work: Callable[[], matching.Match]) -> matching.Match:
        choices, rate = self._wanted
        try:
            found = work()
        except BaseException as error:
            self._count.value, self._bar.value = "", 0
            self.complain(error, self._by_match)
            self.running = False
            raise
        self._choices, self._kept, self._rate = choices, None, rate
        self.running = False
        self._count.value = f"matched in {found.seconds:.0f} s"
        self.found = found
        self._show_found()
        if found.stopped:
            self.say("cancelled: this is the best so far", self._by_match)
        return found

    def _switch(self, change: traitlets.Bunch) -> None:
        self._start.disabled, self._cancel.disabled = change.new or self.recording is None, not change.new
        self._show_age()

    def _follow(self) -> None:
        """Bring what is said up to date with the bank, which others change as well."""
        self._show_age()
        self.changed()

    def _show_age(self) -> None:
        """Say whether what was found is still what would be found."""
        changed = (
            [] if self.found is None else [name for name, v in self._choices_now().items() if v != self._choices[name]]
        )
        self.stale = f"the {' and the '.join(changed)} {_has(changed)} changed" if changed else ""
        said = f"Out of date: {self.stale}. Press Match." if self.stale else ""
        if self.running and self.found is not None:
            said = "A new match is being made; below is the one before."
        self._age.value = f"<i>{html.escape(said)}</i>" if said else ""
        self._keep.disabled = "model" in changed

    # --------------------------------------------------------------------------------------------------- what was found

    @property
    def instrument(self) -> Instrument | None:
        """The instrument that was found."""
        return None if self.found is None else self.found.instrument

    @property
    def clips(self) -> dict[str, Audio]:
        """What is compared, by name: the recording, the match, and the nearest voice of the bank."""
        if self.found is None:
            return {}
        note = self.found.notes[self._which.value or 0]
        names = (self.found.name, MATCHED, f"{NEAREST}, {self.found.nearest.name}")
        return {name: Audio(sound, self._rate) for name, sound in zip(names, note.sounds, strict=True)}

    def _show_found(self) -> None:
        """Show what was found."""
        found = self.found
        assert found is not None, "this is called when something has been found"
        with self._quietly():
            self._which.options = [(str(each.note), i) for i, each in enumerate(found.notes)]
            self._which.value = 0
        self._which.layout.display = "" if len(found.notes) > 1 else "none"
        self._words.value = f'<pre class="gansynth-report">{html.escape(found.report())}</pre>'
        self._name.placeholder, self._name.value = found.name, ""
        self._result.layout.display = ""
        self._show_clips()
        self._show_age()

    def _show_clips(self) -> None:
        """Show the sounds of a note, and their pictures."""
        self._modes.layout.display = "" if self.panel == "rainbowgram" else "none"
        if self.found is None:
            return
        note = self.found.notes[self._which.value or 0]
        captions = [
            f"at {note_name(note.pitch)}; its own round trip costs {note.round_trip:.1f} dB",
            f"{note.distance:.1f} dB from the recording",
            f"{note.nearest_distance:.1f} dB from the recording",
        ]
        with self.attempt(self._by_keep):
            self._sides.show(self.clips, captions, self.panel, self.mode)
        self.changed()

    def keep(self, name: str = "") -> None:
        """Keep the instrument in the bank, by default under the name of the recording."""
        with self.attempt(self._by_keep):
            if self.instrument is None:
                raise ValueError("match a recording first")
            self._kept = self._bank.keep(self.instrument, name.strip() or None)
            self.say(f"kept as {self._kept.name} in {shown(self._bank.path)}", self._by_keep)
            self._name.value = ""
        self.changed()

    # --------------------------------------------------------------------------------------------------------- code

    def code(self) -> str:
        if self._path is None or self.recording is None:
            return ""
        whole = self.part == (0.0, self.recording.duration)
        part = "" if whole else ", {:g}, {:g}".format(*self.part)
        said = "" if self.pitch is None else f", pitch={self.pitch}"
        more = "".join(f", {name}={literal(value)}" for name, value in self.settings.items())
        lines = [
            bank_code(self._bank),
            f"recording = matching.read({quoted(shown(self._path))})",
            f"notes = matching.find_notes(recording{part}{said})",
            f"found = matching.match(model, recording, notes, bank=bank{more})",
        ]
        if self._kept is not None:
            lines.append(f"bank.keep(found.instrument, {quoted(self._kept.name)})")
        return "\n".join(lines)


def _where() -> str:
    """Where a recording goes, truthfully."""
    kind = runtime.kind()
    if kind == runtime.COLAB:
        kept = "your Google Drive" if runtime.outputs().is_symlink() else "the folder outputs of this session"
        return (
            "In Colab, Python runs on a machine of Google's. A recording goes there and is kept in "
            f"{kept}; nobody else is sent it."
        )
    if kind == runtime.VOILA:
        return "A recording goes to the server that runs this page, and is kept there; nobody else is sent it."
    return (
        "A recording never leaves the machine on which Python runs: your own, unless this notebook comes from a "
        "server. It is kept in the folder outputs/recordings."
    )


def _table(notes: list[RecordedNote], warnings: tuple[str, ...]) -> str:
    """What was heard, as HTML."""
    if not notes:
        return ""
    trackers = list(notes[0].readings)
    head = "".join(f"<th>{html.escape(cell)}</th>" for cell in ("note", "tuning", *trackers))
    rows = ""
    for note in notes:
        readings = [f"{value:.2f}" if np.isfinite(value) else "nothing" for value in note.readings.values()]
        cells = [note_name(note.pitch), f"{round(note.cents):+d} cents", *readings]
        rows += f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in cells)}</tr>"
    said = dict.fromkeys([*warnings, *(warning for note in notes for warning in note.warnings)])
    remarks = "".join(f'<div class="gansynth-remark">{html.escape(warning)}</div>' for warning in said)
    return f'<table class="gansynth-table"><tr>{head}</tr>{rows}</table>{remarks}'


def _has(names: list[str]) -> str:
    return "has" if len(names) == 1 else "have"
