"""A keyboard to play an instrument live: by mouse, touch, computer keyboard or MIDI.

Notebook: 10_take_home.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import anywidget
import ipywidgets
import numpy as np
import traitlets

from .. import export, instruments, runtime
from ..audio import PEAK, SILENCE
from ..export.naming import stem
from ..export.playing import described, flac
from ..export.sampling import PITCHES, Zone, is_sustained, key_ranges, playable
from ..instruments import Bank, Instrument, blend_square
from ..render.shaping import HELD
from ..webpage import TEMPLATES
from .base import Control, Line, quoted, script, tip
from .generate import MAX_BYTES, Download
from .notes import bank_code, model_of, shared, with_more
from .pad import CORNERS, DIGITS, Square
from .tune import shown

if TYPE_CHECKING:
    from ..gansynth import GANSynth

MIDDLE = 66  # pitch around which notes are generated first: the two octaves that the computer keyboard starts with
RECENT_KEYS = 6  # number of recently played keys whose notes are generated first when the point of the pad moves


class Keys(anywidget.AnyWidget):
    """The piano. It receives notes one by one; it sends {played: key}, and {hello: true} when a page displays it."""

    _esm = "\n".join((TEMPLATES / name).read_text("utf-8") for name in ("sampler.js", "keys.js")) + script(
        "keyboard.js"
    )
    _css = TEMPLATES / "keys.css"


class _Wanted(NamedTuple):
    """A request for the notes of an instrument, with its number."""

    turn: int
    model: GANSynth
    instrument: Instrument


class Keyboard(Control):
    """A piano that plays an instrument of a bank, or a blend of four on a pad, live in the browser.

    Every third pitch is generated and sent to the browser, those around middle C first, so that one can start to play
    after a second or two; keys are grey until their note has arrived. Loops hold a note for as long as its key is down.
    Choosing another instrument cancels the notes still to be generated. When the point of a pad moves, the new notes
    replace the old ones as they arrive, those of the most recently played keys first; keys that still have an old note
    are drawn lighter.

    Unlike the other controls, the keyboard does not stop other sounds and is not stopped by them: one can play along
    with a clip.

    Args:
      model: the model, or an `instruments.Bank`, whose current model is used.
      instrument: the instrument at the start, or its name in the bank; by default the bank's first. Four of them give a
        pad, in the order top left, top right, bottom left, bottom right.
      bank: the instruments to choose from: a bank that controls share, or a dict of instruments by name; by default a
        new bank.

    Traits:
      selected: name of the chosen instrument, or "" with a pad.
      x, y: position of the pad's point, from 0 to 1; y goes downwards.
      instrument: the instrument that plays.
      ready: number of the instrument's notes that have been sent.
      running: whether notes are being generated.

    Notebook: 10_take_home.
    """

    selected = traitlets.Unicode()
    x = traitlets.Float(0.5, min=0.0, max=1.0)
    y = traitlets.Float(0.5, min=0.0, max=1.0)
    instrument = traitlets.Instance(Instrument, allow_none=True)
    ready = traitlets.Int(0)
    running = traitlets.Bool(False)

    def __init__(
        self,
        model: GANSynth | Bank,
        instrument: Instrument | str | Sequence[Instrument | str] | None = None,
        bank: Mapping[str, Instrument] | None = None,
    ):
        given = model if isinstance(model, Bank) else bank
        self._bank = instruments.bank(model_of(model)) if given is None else shared(given)
        self._source = self._bank if isinstance(self._bank, Bank) else model
        self._model = model_of(self._source)
        chosen = [instrument] if instrument is None or isinstance(instrument, (str, Instrument)) else list(instrument)
        if len(chosen) not in (1, 4):
            raise ValueError(f"there are {len(chosen)} instruments; a keyboard plays one, or four on a pad")
        self._brought = [one for one in chosen if isinstance(one, Instrument)]
        names = [one.name if isinstance(one, Instrument) else str(one) for one in chosen if one is not None]
        self._corners = names if len(chosen) == 4 else []
        for name in names:
            self._find(name)
        self._lock = threading.RLock()
        self._thread: threading.Thread | None = None
        self._saving: threading.Thread | None = None
        self._wanted: _Wanted | None = None
        self._turn = 0
        self._loudest = 0.0  # peak of the first note; all others are scaled with it, to keep their relative levels
        self._sent: list[tuple[dict, bytes]] = []  # the notes of the present request
        self._recent: deque[int] = deque(maxlen=RECENT_KEYS)
        self._filling = False  # whether code is setting the list, not the user
        self._build()
        parts = [self._square] if self._corners else [ipywidgets.HBox([self._list])]
        super().__init__("Keyboard", [*parts, self._keys, self._line, self._save], [self._line])
        self._choose(names[0] if names and not self._corners else "")
        if isinstance(self._bank, Bank):
            self._bank.on_change(self._follow)

    def _build(self) -> None:
        self._list = tip(ipywidgets.Dropdown(description="instrument"), "The instrument to play")
        self._list.add_class("gansynth-wide")
        self._square, self._keys, self._line = Square(), Keys(), Line()
        self._square.names = self._corners or [""] * len(CORNERS)
        self._save = Download(ready=True, label="Save as a page", media="text/html")
        self._save.hint = "One HTML file that plays this without Python: export.page(model, …)"
        self._save.on_msg(lambda *_: self.save())
        self._list.observe(self._on_list, "value")
        self._keys.on_msg(self._on_message)
        for name in ("x", "y"):
            traitlets.link((self, name), (self._square, name))

    @property
    def bank(self) -> Mapping[str, Instrument]:
        """The instruments to choose from."""
        return with_more(self._bank, self._brought) if self._brought else self._bank

    def _find(self, name: str) -> Instrument:
        if name not in self.bank:
            raise ValueError(f"there is no instrument {name!r} in the bank")
        return self.bank[name]

    # ----------------------------------------------------------------------------------------------------- choosing

    @traitlets.validate("selected")
    def _known(self, proposal: traitlets.Bunch) -> str:
        if self._corners and proposal.value:
            raise ValueError("a keyboard with a pad plays its point; set x and y")
        if proposal.value:
            self._find(proposal.value)
        return proposal.value

    @traitlets.observe("selected")
    def _on_selected(self, _: traitlets.Bunch) -> None:
        if self.selected:
            self._list_all()
            self._play(self._find(self.selected), keep=False)

    @traitlets.observe("x", "y")
    def _on_point(self, _: traitlets.Bunch) -> None:
        if self._corners:
            self._play(self._blend(), keep=True)

    def _on_list(self, change: traitlets.Bunch) -> None:
        if change.new and not self._filling:
            with self.attempt():
                self.selected = change.new

    def _choose(self, name: str) -> None:
        """Play an instrument by name, or the first one; with a pad, the blend at its point."""
        if self._corners:
            self._play(self._blend(), keep=False)
        else:
            self._list_all()
            self.selected = name or next(iter(self.bank))

    def _list_all(self) -> None:
        self._filling = True
        if self._list.options != tuple(self.bank):
            self._list.options = tuple(self.bank)
        self._list.value = self.selected or None
        self._filling = False

    def _blend(self) -> Instrument:
        corners = [self._find(name) for name in self._corners]
        return blend_square(corners, round(self.x, DIGITS), round(self.y, DIGITS))

    def _follow(self) -> None:
        """Update everything after the bank has changed, which other controls change too."""
        if self._model is not model_of(self._source):
            self._model, self._brought, self._loudest = model_of(self._source), [], 0.0
            names = list(self._bank)
            if self._corners:
                self._corners = [names[i * len(names) // 4] for i in range(4)]
                self._square.names = self._corners
            self.selected = ""
            self._choose("")
        elif not self._corners:
            if self.selected in self.bank:
                self._list_all()
            else:
                self.selected = next(iter(self.bank))

    # --------------------------------------------------------------------------------------------- generating notes

    def _play(self, instrument: Instrument, keep: bool) -> None:
        """Start to generate the notes of an instrument; those of another one stop after the present batch.

        Args:
          instrument: the instrument to play.
          keep: whether old notes stay playable until the new ones arrive.
        """
        with self._lock:
            self._turn += 1
            self._sent, self.ready, self.instrument = [], 0, instrument
            self._wanted = _Wanted(self._turn, self._model, instrument)
            self._keys.send({"begin": self._turn, "keep": keep})
            self.running = True
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, daemon=True)
                self._thread.start()
        self.changed()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until all notes have been generated. Returns False if `timeout` seconds passed first."""
        thread = self._thread
        if thread is not None:
            thread.join(timeout)
        return not self.running

    def _work(self) -> None:
        while True:
            with self._lock:
                wanted, self._wanted = self._wanted, None
                if wanted is None:
                    self._thread, self.running = None, False
                    return
            try:
                self._make(wanted)
            except Exception as error:  # shown in the control; the next instrument may succeed
                self.complain(error)

    def _make(self, wanted: _Wanted) -> None:
        ranges = dict(zip(PITCHES, key_ranges(PITCHES), strict=True))
        sustained = None
        for batch in _batches(wanted.model.batch_size, list(self._recent)[-wanted.model.batch_size :]):
            if wanted.turn != self._turn:
                return
            zs = wanted.instrument.z[None].repeat(len(batch), axis=0)
            waves = wanted.model.generate(zs, batch, duration=HELD, progress=False)
            rate = wanted.model.sample_rate
            sustained = is_sustained(waves, rate) if sustained is None else sustained
            for pitch, wave in zip(batch, waves, strict=True):
                samples, loop, cents = playable(wave, pitch, rate, rate, sustained)
                self._hand_over(wanted, Zone(pitch, *ranges[pitch], 1, 127, samples, loop, cents))

    def _hand_over(self, wanted: _Wanted, zone: Zone) -> None:
        """Send a note to the browser, unless another instrument has been chosen since."""
        self._loudest = self._loudest or max(float(np.abs(zone.samples).max()), SILENCE)
        rate = wanted.model.sample_rate
        about, content = described(zone, rate), flac(zone.samples, rate)
        about["gain"] *= PEAK / self._loudest
        with self._lock:
            if wanted.turn == self._turn:
                self._sent.append((about, content))
                self.ready = len(self._sent)
                self._keys.send({"zone": about, "turn": self._turn}, [content])

    def _on_message(self, _: Keys, content: dict, __: list) -> None:
        if "played" in content:
            nearest = min(PITCHES, key=lambda pitch: abs(pitch - int(content["played"])))
            if nearest in self._recent:
                self._recent.remove(nearest)
            self._recent.append(nearest)
        elif "hello" in content:
            with self._lock:
                self._keys.send({"begin": self._turn, "keep": True})
                for about, sound in self._sent:
                    self._keys.send({"zone": about, "turn": self._turn}, [sound])

    # ------------------------------------------------------------------------------------------------------- a page

    @property
    def path(self) -> Path:
        """The path of the page that `save` writes."""
        return runtime.outputs() / f"{stem(', '.join(self._corners) or self.selected)}.html"

    def save(self) -> None:
        """Start to write a page that plays the instrument, or the four of the pad, without Python."""
        if self._saving is None:
            self._save.busy = True
            self.say("writing the page: a few seconds, or half a minute for a pad")
            self._saving = threading.Thread(target=self._write_page, daemon=True)
            self._saving.start()

    def _write_page(self) -> None:
        with self.attempt():
            chosen = [self._find(name) for name in self._corners or [self.selected]]
            path = export.page(self._model, chosen, self.path, progress=False)
            self.say(f"saved as {shown(path.absolute())}: open it in a browser, or send it to a friend")
            if path.stat().st_size <= MAX_BYTES:
                self._save.send({"name": path.name}, [path.read_bytes()])
        self._saving, self._save.busy = None, False

    def code(self) -> str:
        lines = [bank_code(self._bank)] if isinstance(self._bank, Bank) else []
        chosen = ", ".join(f"bank[{quoted(name)}]" for name in self._corners or [self.selected])
        chosen = f"[{chosen}]" if self._corners else chosen
        return "\n".join([*lines, f"export.page(model, {chosen}, {quoted(f'outputs/{self.path.name}')})"])


def _batches(size: int, first: list[int]) -> list[list[int]]:
    """All pitches in batches of up to `size`: those of `first`, then the others from the middle outwards."""
    others = sorted((pitch for pitch in PITCHES if pitch not in first), key=lambda pitch: abs(pitch - MIDDLE))
    batches = [others[i : i + size] for i in range(0, len(others), size)]
    return [first, *batches] if first else batches
