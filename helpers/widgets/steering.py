"""Sliders for named directions of the latent space, to make an instrument brighter, longer or purer.

Notebook: 09_explore.
"""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import Any

import ipywidgets
import traitlets

from ..gansynth.config import MAX_PITCH, MIN_PITCH
from ..instruments import Bank, Instrument
from ..timbre import Direction, Directions
from .base import Control, Line, quoted, tip
from .notes import MIDDLE_C, Piano, Preview, bank_code, note_code
from .tune import shown

FARTHEST, STEP = 2.0, 0.1  # standard deviations
DIGITS = 2  # decimal places of an amount


class Steering(Control):
    """Sliders that steer an instrument: a control for `Directions.steer`.

        turn = timbre.directions(atlas)
        steering = Steering(turn, bank, "Cello")

    Releasing a slider plays the note again. "Keep" puts the result into the bank, and so into the lists of all controls
    that share the bank. While the bank has another model, to which the directions do not apply, the control is disabled
    and says so.

    Args:
      directions: directions of the bank's model.
      bank: the instruments that can be steered.
      start: name of the instrument that is selected at the start; by default the first of the bank.

    Traits:
      start: name of the instrument to steer.
      amounts: descriptor -> standard deviations from -2 to 2; descriptors that are left out stay at 0.
      instrument: the steered instrument.
      pitch: MIDI number of the note that is played.

    Raises:
      TypeError: `bank` is not a Bank.
      ValueError: the directions are for latents of another size, or there is no such instrument.

    Notebook: 09_explore.
    """

    start = traitlets.Unicode()
    amounts: traitlets.Dict[str, Any] = traitlets.Dict()
    instrument = traitlets.Instance(Instrument, allow_none=True)
    pitch = traitlets.Int(MIDDLE_C, min=MIN_PITCH, max=MAX_PITCH)

    def __init__(self, directions: Directions, bank: Bank, start: str | None = None):
        if not isinstance(bank, Bank):
            raise TypeError("the instruments to steer must be in a bank, such as instruments.bank(model)")
        size = bank.model.latent_vector_size
        if wrong := next((d for d in directions.values() if len(d.vector) != size), None):
            raise ValueError(
                f"the directions are for latents of {len(wrong.vector)} numbers; those of {bank.model.name} have {size}"
            )
        self.directions, self._bank, self._model = directions, bank, bank.model
        self._filling = False  # whether code is setting the fields, not the user
        self._build()
        children = [self._choice, self._grid, self._keeping, self._line, self._age, self._piano, self._sound]
        super().__init__("Steering", children, [self._line])
        self.start = self._offered()[0] if start is None else start
        self._follow()
        bank.on_change(self._follow)

    def _build(self) -> None:
        self._line, self._age = Line(), Line()
        self._instrument = tip(
            ipywidgets.Dropdown(options=self._offered(), description="instrument"), "The instrument to steer"
        )
        reset = ipywidgets.Button(description="Reset", icon="undo", layout={"width": "90px"})
        tip(reset, "Set all sliders back to 0")
        self._choice = ipywidgets.HBox([self._instrument, reset])
        self._sliders = {name: _slider(direction) for name, direction in self.directions.items()}
        rows = [
            part for name, direction in self.directions.items() for part in (self._sliders[name], *_words(direction))
        ]
        self._grid = ipywidgets.GridBox(rows)
        self._grid.add_class("gansynth-steer")
        self._name = ipywidgets.Text(description="name", layout={"width": "340px"})
        tip(self._name, "The name under which the result is kept")
        keep = ipywidgets.Button(description="Keep", icon="star", layout={"width": "90px"})
        tip(keep, "Keep the result: bank.keep(turned, name)")
        self._keeping = ipywidgets.HBox([self._name, keep])
        self._piano, self._sound = Piano(), Preview(self._model)
        self._buttons = [self._instrument, reset, keep, *self._sliders.values()]

        self._instrument.observe(lambda change: self._choose(change.new), "value")
        reset.on_click(lambda _: self.reset())
        keep.on_click(lambda _: self.keep(self._name.value))
        for name, slider in self._sliders.items():
            slider.observe(lambda change, name=name: self._turn(name, change.new), "value")
        self._piano.on_key(self._on_key)
        traitlets.link((self, "pitch"), (self._piano, "pitch"))

    # ----------------------------------------------------------------------------------------------------- steering

    @traitlets.validate("start")
    def _known(self, proposal: traitlets.Bunch) -> str:
        if proposal.value not in self._bank:
            raise ValueError(f"there is no instrument {proposal.value!r} in the bank")
        if proposal.value not in self._offered():
            raise ValueError(f"{proposal.value!r} is not a point of the latent space and cannot be steered")
        return proposal.value

    def _offered(self) -> tuple[str, ...]:
        """Names of the instruments that can be steered: those that are points of the latent space."""
        return tuple(name for name, one in self._bank.items() if len(one.z) == self._bank.model.latent_vector_size)

    @traitlets.validate("amounts")
    def _possible(self, proposal: traitlets.Bunch) -> dict[str, float]:
        return _checked(proposal.value, self.directions)

    @traitlets.observe("start", "amounts")
    def _steer(self, _: traitlets.Bunch | None = None) -> None:
        """Update the result and the fields."""
        begin = self._bank[self.start]
        self.instrument = self.directions.steer(begin, **self.amounts) if self.amounts else begin
        self._filling = True
        if self._instrument.options != self._offered():
            self._instrument.options = self._offered()
        self._instrument.value = self.start
        for name, slider in self._sliders.items():
            slider.value = self.amounts.get(name, 0.0)
        self._filling = False
        self._name.placeholder = self.instrument.name
        self.changed()

    def _choose(self, name: str) -> None:
        if not self._filling:
            with self.attempt():
                self.start = name
                self._sound.play_note(self._result, self.pitch)

    def _turn(self, descriptor: str, amount: float) -> None:
        if not self._filling:
            with self.attempt():
                self.amounts = self.amounts | {descriptor: amount}
                self._sound.play_note(self._result, self.pitch)

    def reset(self) -> None:
        """Set all sliders back to 0, and play the instrument."""
        self.amounts = {}
        self.play()

    def _follow(self) -> None:
        """Update everything after the bank has changed, which other controls change too."""
        is_own = self._bank.model.fingerprint == self._model.fingerprint
        self._age.value = (
            ""
            if is_own
            else html.escape(
                f"These directions belong to {self._model.name}; to steer instruments of {self._bank.model.name}, use "
                "timbre.directions(timbre.atlas(bank.model))."
            )
        )
        for button in self._buttons:
            button.disabled = not is_own
        if not is_own:
            return
        if self.start in self._bank:
            self._steer()
        else:
            self.start = self._offered()[0]

    # ------------------------------------------------------------------------------------------- playing and keeping

    @property
    def _result(self) -> Instrument:
        assert self.instrument is not None, "the instrument is set in __init__"
        return self.instrument

    @traitlets.observe("pitch")
    def _on_pitch(self, _: traitlets.Bunch) -> None:
        self.changed()

    def _on_key(self, pitch: int) -> None:
        with self.attempt():
            self.pitch = pitch
            self._sound.play_note(self._result, self.pitch)

    def play(self) -> None:
        """Play the result at the chosen pitch."""
        with self.attempt():
            self._sound.play_note(self._result, self.pitch)

    def keep(self, name: str = "") -> None:
        """Keep the result in the bank, by default under a name that describes how it was steered."""
        with self.attempt():
            kept = self._bank.keep(self._result, name.strip() or None)
            self.say(f"kept as {kept.name} in {shown(self._bank.path)}")
            self._name.value = ""

    def code(self) -> str:
        begin = f"bank[{quoted(self.start)}]"
        amounts = ", ".join(f"{name}={amount:g}" for name, amount in self.amounts.items())
        turned = f"turn.steer({begin}, {amounts})" if amounts else begin
        return "\n".join([bank_code(self._bank), f"turned = {turned}", note_code("turned", self.pitch)])


def _checked(amounts: Mapping[str, float], directions: Directions) -> dict[str, float]:
    """The amounts other than 0, rounded, in the order of the sliders."""
    for name, amount in amounts.items():
        if name not in directions:
            raise ValueError(f"there is no direction {name!r}; the directions are {', '.join(directions)}")
        if not abs(float(amount)) <= FARTHEST:
            raise ValueError(
                f"{name} is {amount:g}; it must be between {-FARTHEST:g} and {FARTHEST:g} standard deviations"
            )
    rounded = {name: round(float(amounts.get(name, 0.0)), DIGITS) for name in directions}
    return {name: amount for name, amount in rounded.items() if amount}


def _slider(direction: Direction) -> ipywidgets.FloatSlider:
    slider = ipywidgets.FloatSlider(
        min=-FARTHEST,
        max=FARTHEST,
        step=STEP,
        description=direction.name.replace("_", "/"),
        readout_format="+.1f",
        continuous_update=False,
    )
    return tip(slider, f"One standard deviation to the right: {direction}")


def _words(direction: Direction) -> tuple[ipywidgets.HTML, ipywidgets.HTML]:
    """Two labels: the correlation r of a direction, and what changes along it."""
    low, high = direction.interval
    r = ipywidgets.HTML(f'<span title="95 % interval: {low:.2f} to {high:.2f}">r {direction.r:.2f}</span>')
    return r, ipywidgets.HTML(f'<span class="gansynth-soft">{html.escape(str(direction))}</span>')
