"""A control that changes the model: it loads a checkpoint and switches the shared bank to it.

Notebook: 00_quickstart.
"""

from __future__ import annotations

import html
import threading

import ipywidgets
import traitlets

from .. import gansynth, instruments
from ..gansynth import hub
from ..instruments import Bank
from .background import wait_for
from .base import Control, Line, tip
from .notes import bank_code
from .tune import literal

MB = 1e6


class Models(Control):
    """Choose the checkpoint. All controls that share the bank follow.

    A checkpoint that is not installed is downloaded first. If that fails, the previous model stays.

    Args:
      bank: the bank whose model is changed.

    Traits:
      name: name of the present model.
      running: whether another model is being loaded.

    Notebook: 00_quickstart.
    """

    name = traitlets.Unicode()
    running = traitlets.Bool(False)

    def __init__(self, bank: Bank):
        self.bank = bank
        self._thread: threading.Thread | None = None
        self._filling = False  # whether code is setting the list, not the user
        self._list = tip(ipywidgets.Dropdown(description="model"), "The checkpoint to use: gansynth.load(name)")
        self._list.add_class("gansynth-wide")
        self._line, self._about = Line(), ipywidgets.HTML()
        super().__init__("Model", [ipywidgets.HBox([self._list]), self._line, self._about], [self._line])
        self._list.observe(lambda change: None if self._filling else self.start(change.new), "value")
        self.observe(lambda change: setattr(self._list, "disabled", change.new), "running")
        bank.on_change(self._show)
        self._show()

    def start(self, name: str) -> None:
        """Start to load a checkpoint in a thread, unless one is being loaded."""
        if not self.running:
            self.running = True
            self._thread = threading.Thread(target=self.choose, args=[name], daemon=True)
            self._thread.start()

    def wait(self, timeout: float | None = None) -> str:
        """Wait until nothing is being loaded; returns the name of the model.

        Raises:
          TimeoutError: the checkpoint is still being loaded after `timeout` seconds.
        """
        wait_for(self._thread, timeout, "the model is still being loaded")
        return self.name

    def choose(self, name: str) -> None:
        """Load a checkpoint in the calling thread, and make it the model of the bank."""
        self.running = True
        with self.attempt():
            if not next((entry.bytes for entry in hub.listing() if entry.name == name), 1):
                self.say(f"connecting, to download {name} …")
                hub.download(name, progress=lambda have, total: self._arriving(name, have, total))
            self.say(f"loading {name} …")
            self.bank.use(gansynth.load(name))
            self.say("")
        self.running = False
        self._show()

    def _arriving(self, name: str, have: int, total: int | None) -> None:
        self.say(f"downloading {name}: {have / MB:.0f}{f' of {total / MB:.0f}' if total else ''} MB")

    def _show(self) -> None:
        """List all checkpoints, with the present one selected."""
        model = self.bank.model
        options = {
            entry.name: entry.name if entry.bytes else f"{entry.name} (not downloaded yet)" for entry in hub.listing()
        }
        options.setdefault(model.name, model.name)
        self._filling = True
        self._list.options = [(label, name) for name, label in options.items()]
        self._list.value = model.name
        self._filling = False
        own, kept = len(self.bank.own), len(set(self.bank.kept) - set(self.bank.own))
        what = "named instruments" if instruments.named(model) else "random instruments (this model names none)"
        self._about.value = html.escape(f"{own} {what}" + (f", and {kept} that you kept" if kept else ""))
        self.name = model.name
        self.changed()

    def code(self) -> str:
        return f"model = gansynth.load({literal(self.name)})\n{bank_code(self.bank)}"
