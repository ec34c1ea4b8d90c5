"""A slider for each named direction of the latent space: an instrument made brighter, longer or purer, and heard.

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
DIGITS = 2  # of an amount that is set in code


class Steering(Control):
    """Sliders that steer an instrument: `Directions.steer`, by hand.

        turn = timbre.directions(atlas)
        steering = Steering(turn, bank, "Cello")

    Letting a slider go plays the note again. "Keep" puts the result into the bank, and so into the lists of all
    controls that share the bank. When the bank changes to another model, to which the directions do not apply, the
    control says so and waits.

    Args:
      directions: of the model of the bank.
      bank: the instruments to begin from.
      start: name of the one that is shown first; by default the first of the bank.

    Traits:
      start: name of the instrument that is steered.
      amounts: descriptor -> standard deviations from -2 to 2; what is not in it stays 0.
      instrument: the result.
      pitch: MIDI number that is played.

    Raises:
      TypeError: what is given is no bank.
      ValueError: the directions are those of latents of another size, or there is no such instrument.

    Notebook: 09_explore.
    """

    start = traitlets.Unicode()
    amounts: traitlets.Dict[str, Any] = traitlets.Dict()
    instrument = traitlets.Instance(Instrument, allow_none=True)
    pitch = traitlets.Int(MIDDLE_C, min=MIN_PITCH, max=MAX_PITCH)

    def __init__(self, directions: Directions, bank: Bank, start: str | None = None):
        if not isinstance(bank, Bank):
            raise TypeError("steering begins from the instruments of a bank, as instruments.bank(model) makes it")
        size = bank.model.latent_vector_size
        if wrong := next((d for d in directions.values() if len(d.vector) != size), None):
            raise ValueError(
                f"the directions are those of latents of {len(wrong.vector)} numbers; {bank.model.name} has {size}"
            )
        self.directions, self._bank, self._model = directions, bank, bank.model
        self._filling = False  # whether the fields are being written to, and not by a person
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
        tip(reset, "All sliders back to 0")
        self._choice = ipywidgets.HBox([self._instrument, reset])
        self._sliders = {name: _slider(direction) for name, direction in self.directions.items()}
        rows = [
            part for name, direction in self.directions.items() for part in (self._sliders[name], *_words(direction))
        ]
        self._grid = ipywidgets.GridBox(rows)
        self._grid.add_class("gansynth-steer")
        self._name = ipywidgets.Text(description="name", layout={"width": "340px"})
        tip(self._name, "What the result is called when it is kept")
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
            raise ValueError(f"{proposal.value!r} is no point of the latent space, and cannot be steered")
        return proposal.value

    def _offered(self) -> tuple[str, ...]:
        """Names of those that can be steered: the points of the latent space."""
        return tuple(name for name, one in self._bank.items() if len(one.z) == self._bank.model.latent_vector_size)

    @traitlets.validate("amounts")
    def _possible(self, proposal: traitlets.Bunch) -> dict[str, float]:
        return _checked(proposal.value, self.directions)

    @traitlets.observe("start", "amounts")
    def _steer(self, _: traitlets.Bunch | None = None) -> None:
        """Bring the result and the fields up to date."""
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
        """All sliders back to 0, and play the instrument as it was."""
        self.amounts = {}
        self.play()

    def _follow(self) -> None:
        """Bring everything up to date with the bank, which others change as well."""
        is_own = self._bank.model.fingerprint == self._model.fingerprint
        self._age.value = (
            ""
            if is_own
            else html.escape(
                f"These directions are {self._model.name}'s; those of {self._bank.model.name} need an atlas of it: "
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

    # ------------------------------------------------------------------------------------------- hearing and keeping

    @property
    def _result(self) -> Instrument:
        assert self.instrument is not None, "there is a result as soon as there is an instrument to begin from"
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
        """Keep the result in the bank, by default under a name that says how it was steered."""
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
    """The amounts that change something, in the order of the sliders."""
    for name, amount in amounts.items():
        if name not in directions:
            raise ValueError(f"there is no direction {name!r} here; there are {', '.join(directions)}")
        if not abs(float(amount)) <= FARTHEST:
            raise ValueError(f"{name} goes from {-FARTHEST:g} to {FARTHEST:g} standard deviations, not to {amount:g}")
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
    """How well a direction holds, and what moves along it."""
    low, high = direction.interval
    r = ipywidgets.HTML(f'<span title="95 % interval: {low:.2f} to {high:.2f}">r {direction.r:.2f}</span>')
    return r, ipywidgets.HTML(f'<span class="gansynth-soft">{html.escape(str(direction))}</span>')
