"""A map of an atlas: each instrument is a point to play, find or keep, and a path through points is a timeline.

Notebook: 09_explore.
"""

from __future__ import annotations

import html
from typing import Any

import anywidget
import ipywidgets
import numpy as np
import traitlets

from .. import instruments
from ..gansynth.config import MAX_PITCH, MIN_PITCH
from ..instruments import Bank, Instrument, Timeline
from ..timbre import Atlas, Layout, families, layout, wording
from ..timbre.layouts import BY, DESCRIPTORS
from ..webpage import TEMPLATES
from .base import SCRIPTS, Control, Line, quoted, script, tip
from .notes import MIDDLE_C, Piano, Preview, bank_code, note_code
from .tune import shown

MATCHES = 12  # instruments that a search highlights
MAX_STOPS = 40  # instruments of a path; a longer timeline is hard to read
SECONDS, MAX_SECONDS = 12.0, 3600.0  # s, duration of a timeline: at the start, and at most
SURE = 0.5  # probability from which a family is called "probably" the right one


class Plane(anywidget.AnyWidget):
    """The points. It sends {hear: point}, {keep: point} and {path: [point, ...]}; Python answers {heard: point} after a
    note and {drawn: true} after a path.

    Traits:
      points: [across, down] of each point, from 0 to 1.
      labels: name, description and family of each point.
      families: {name, colour, shape} of each family.
      members: index of the family of each point.
      about: how the families were determined.
      axes: what increases to the right, and upwards.
      selected: index of the point that was chosen last, or -1.
      lit, kept, path: indices of the points found by a search, those in the bank, and those on the path.
      hover: whether resting the mouse on a point plays it.
    """

    _esm = (TEMPLATES / "points.js").read_text("utf-8") + script("map.js")
    _css = SCRIPTS / "map.css"
    points: traitlets.List[list[float]] = traitlets.List().tag(sync=True)
    labels: traitlets.List[list[str]] = traitlets.List().tag(sync=True)
    families: traitlets.List[dict[str, str]] = traitlets.List().tag(sync=True)
    members: traitlets.List[int] = traitlets.List().tag(sync=True)
    about = traitlets.Unicode().tag(sync=True)
    axes: traitlets.List[str] = traitlets.List(default_value=["", ""]).tag(sync=True)
    selected = traitlets.Int(-1).tag(sync=True)
    lit: traitlets.List[int] = traitlets.List().tag(sync=True)
    kept: traitlets.List[int] = traitlets.List().tag(sync=True)
    path: traitlets.List[int] = traitlets.List().tag(sync=True)
    hover = traitlets.Bool(True).tag(sync=True)


class TimbreMap(Control):
    """The instruments of an atlas as points on a map; similar sounds, or similar latents, are close together.

    Resting the mouse on a point, tapping it or moving to it with the arrow keys plays it. A click, a second tap or
    Enter keeps it in the bank, and so in the lists of all controls that share the bank. A search highlights the results
    of `Atlas.find`; comparatives ("darker") refer to the chosen instrument. A path drawn across the map gives a
    timeline of the instruments that it passes, for `Generate` or `TimelineEditor`.

        explore = TimbreMap(timbre.atlas(bank.model), bank)
        button = Generate(bank, tune, explore)

    Args:
      atlas: the instruments. If the bank changes to another model, the map stays as it is and shows a message.
      bank: the bank in which instruments are kept, of the same model; by default a new bank.

    Traits:
      by: "descriptors" or "latents", whichever determine the positions of the points; see `timbre.layout`.
      selected: name of the instrument that was chosen last, or "".
      instrument: that instrument, or None.
      pitch: MIDI number of the note that is played.
      matches: names of the instruments found by the last search.
      path: names of the instruments on the path, in order.
      seconds: duration of the timeline (s).
      timeline: timeline along the path, evenly spaced; None if the path has fewer than two instruments.
      hover: whether resting the mouse on a point plays it.

    Raises:
      TypeError: `atlas` is not an Atlas, or `bank` is not a Bank.
      ValueError: the bank has another model, or two different instruments of the atlas have the same name.

    Notebook: 09_explore.
    """

    by = traitlets.Enum(BY, DESCRIPTORS)
    selected = traitlets.Unicode()
    instrument = traitlets.Instance(Instrument, allow_none=True)
    pitch = traitlets.Int(MIDDLE_C, min=MIN_PITCH, max=MAX_PITCH)
    matches = traitlets.List(traitlets.Unicode())
    path = traitlets.List(traitlets.Unicode())
    seconds = traitlets.CFloat(SECONDS, min=0.5, max=MAX_SECONDS)
    timeline = traitlets.Instance(Timeline, allow_none=True)
    hover = traitlets.Bool(True)

    def __init__(self, atlas: Atlas, bank: Bank | None = None):
        if not isinstance(atlas, Atlas):
            raise TypeError(f"the atlas must be one such as timbre.atlas(model), not a {type(atlas).__name__}")
        if bank is not None and not isinstance(bank, Bank):
            raise TypeError(f"the bank must be one such as instruments.bank(model), not a {type(bank).__name__}")
        self._bank = instruments.bank(atlas.model) if bank is None else bank
        if other := _wrong_model(atlas, self._bank):
            raise ValueError(other)
        self.atlas, self._numbers = atlas, _numbered(atlas)
        self._query, self._example = "", ""  # of the last search
        self._filling = False  # whether code is setting the search field, not the user
        self._build()
        children = [self._choice, self._found, self._plane, self._keeping, self._drawing, self._line, self._age]
        children += [self._piano, self._sound]
        super().__init__("Timbre map", children, [self._line, self._found])
        self._place()
        self._follow()
        self._bank.on_change(self._follow)

    def _build(self) -> None:
        self._found, self._line, self._age = Line(), Line(), Line()  # below the search, below the map, and of the model
        self._search = ipywidgets.Text(
            description="search", placeholder="bright plucked", continuous_update=False, layout={"width": "260px"}
        )
        tip(
            self._search,
            "Words, families or names: atlas.find(...). Comparatives such as darker refer to the chosen instrument",
        )
        self._similar = ipywidgets.Button(description="Similar", icon="search", layout={"width": "100px"})
        tip(self._similar, "Find the instruments most like the chosen one: atlas.find(like=...)")
        self._by = tip(ipywidgets.ToggleButtons(options=list(BY)), "What determines the positions on the map")
        self._by.style.button_width = "100px"
        self._choice = ipywidgets.HBox([self._search, self._similar, self._by])
        self._plane = self._drawn_plane()
        self._star = ipywidgets.Button(description="Keep", icon="star", layout={"width": "110px"})
        tip(self._star, "Keep the chosen instrument, or discard it: bank.keep(...), bank.discard(...)")
        self._hover = ipywidgets.Checkbox(description="play points under the mouse", indent=False)
        self._keeping = ipywidgets.HBox([self._star, self._hover])
        self._seconds = ipywidgets.BoundedFloatText(
            min=0.5, max=MAX_SECONDS, step=1, description="seconds", layout={"width": "160px"}
        )
        tip(self._seconds, "Duration of the timeline along the path")
        self._clear = ipywidgets.Button(description="Clear", icon="times", layout={"width": "90px"})
        tip(self._clear, "Remove the path")
        self._words = ipywidgets.HTML()
        self._drawing = ipywidgets.HBox([self._words, self._seconds, self._clear])
        self._piano, self._sound = Piano(), Preview(self.atlas.model)

        self._search.observe(lambda change: None if self._filling else self.search(change.new), "value")
        self._similar.on_click(lambda _: self.search(like=self.selected))
        self._star.on_click(lambda _: self._on_star())
        self._clear.on_click(lambda _: setattr(self, "path", []))
        self._plane.on_msg(self._on_plane)
        self._plane.observe(lambda change: setattr(self, "selected", self._name(change.new)), "selected")
        self._piano.on_key(self._on_key)
        traitlets.link((self, "by"), (self._by, "value"))
        traitlets.link((self, "pitch"), (self._piano, "pitch"))
        traitlets.link((self, "seconds"), (self._seconds, "value"))
        traitlets.link((self, "hover"), (self._hover, "value"))
        traitlets.dlink((self, "hover"), (self._plane, "hover"))

    def _drawn_plane(self) -> Plane:
        """The points, without their positions."""
        described = [self.atlas.description(number) for number in range(len(self.atlas))]
        right, of = families.accuracy()
        about = (
            "Colour and shape: the most probable family, from a classifier that is right for "
            f"{right:.0%} of {of} instruments that it was not trained on."
        )
        return Plane(
            labels=[[one.name, one.words, _guess(one.family, one.probability)] for one in described],
            families=[
                {"name": family.replace("_", " "), "colour": colour, "shape": shape}
                for family, (colour, shape) in families.SIGNS.items()
            ],
            members=[list(families.SIGNS).index(one.family) for one in described],
            about=about,
        )

    def _name(self, number: int) -> str:
        return self.atlas.instruments[number].name if number >= 0 else ""

    # --------------------------------------------------------------------------------------------------- the points

    @traitlets.observe("by")
    def _on_by(self, _: traitlets.Bunch) -> None:
        self._place()

    def _place(self) -> None:
        """Set the positions of the points, scaled so that they fill the map in both directions."""
        places = layout(self.atlas, self.by)
        points = places.points - places.points.min(axis=0)
        points = points / np.maximum(points.max(axis=0), 1e-9)
        with self._plane.hold_sync():
            self._plane.points = np.column_stack([points[:, 0], 1 - points[:, 1]]).round(4).tolist()
            self._plane.axes = _axes(places)
        self.changed()

    def _follow(self) -> None:
        """Update everything after the bank has changed, which other controls change too."""
        kept = [self._numbers[name] for name in self._bank.kept if name in self._numbers]
        self._age.value = html.escape(_wrong_model(self.atlas, self._bank))
        self._plane.kept = [n for n in kept if np.array_equal(self.atlas.instruments[n].z, self._bank[self._name(n)].z)]
        self._show()

    def _show(self) -> None:
        """Update the buttons and the code."""
        self._star.disabled = self._similar.disabled = not self.selected
        self._star.description = "Discard" if self._is_kept else "Keep"
        self._drawing.layout.display = "" if self.path else "none"
        self._words.value = html.escape(" › ".join(self.path))
        self.changed()

    @property
    def _is_kept(self) -> bool:
        return bool(self.selected) and self._numbers[self.selected] in self._plane.kept

    # ---------------------------------------------------------------------------------------------------- searching

    def search(self, query: str = "", like: str = "") -> None:
        """Highlight the instruments found by `Atlas.find`; without arguments, clear the search.

        Args:
          query: words, families and names. Comparatives refer to the example.
          like: name of an example; by default the chosen instrument if `query` has a comparative.
        """
        self._query, self._example, self.matches = "", "", []
        self._filling = True
        self._search.value = query
        self._filling = False
        with self.attempt(self._found):
            compares = [word for word in query.lower().replace(",", " ").split() if word in wording.COMPARATIVES]
            if compares and not (like or self.selected):
                raise ValueError(f'"{compares[0]}" needs something to compare with: choose an instrument first')
            if compares and not like:
                like = self.selected
            found = self.atlas.find(query, like or None, MATCHES) if query.strip() or like else []
            self._query, self._example = query.strip(), like
            self.matches = [match.instrument.name for match in found]
            if found and not like:
                self.selected = self.matches[0]
            self.say(f"Best match first: {'; '.join(self.matches)}" if found else "", self._found)
        self.changed()

    @traitlets.observe("matches")
    def _on_matches(self, change: traitlets.Bunch) -> None:
        self._plane.lit = [self._numbers[name] for name in change.new]

    # --------------------------------------------------------------------------------------- choosing, playing, keeping

    @traitlets.validate("selected")
    def _known(self, proposal: traitlets.Bunch) -> str:
        if proposal.value:
            self._find(proposal.value)
        return proposal.value

    def _find(self, name: str) -> Instrument:
        """An instrument by its name; raises a ValueError with a readable message."""
        try:
            return self.atlas[name]
        except KeyError as error:
            raise ValueError(error.args[0]) from None

    @traitlets.observe("selected")
    def _on_selected(self, change: traitlets.Bunch) -> None:
        self.instrument = self.atlas[change.new] if change.new else None
        self._plane.selected = self._numbers.get(change.new, -1)
        self._show()

    @traitlets.observe("pitch")
    def _on_pitch(self, _: traitlets.Bunch) -> None:
        self.changed()

    def play(self, name: str | None = None) -> None:
        """Play an instrument, by default the one that was chosen last, at the chosen pitch."""
        with self.attempt():
            if name is not None:
                self.selected = name
            self._sound.play_note(self._chosen, self.pitch)

    @property
    def _chosen(self) -> Instrument:
        if self.instrument is None:
            raise ValueError("choose an instrument first")
        return self.instrument

    def _on_key(self, pitch: int) -> None:
        with self.attempt():
            self.pitch = pitch
            if self.instrument is not None:
                self._sound.play_note(self.instrument, self.pitch)

    def _on_plane(self, _: Plane, content: dict[str, Any], __: list) -> None:
        if "hear" in content:
            self.play(self._name(content["hear"]))
            self._plane.send({"heard": content["hear"]})
        elif "keep" in content:
            self.keep(self._name(content["keep"]))
        elif "path" in content:
            with self.attempt():
                self.path = [self._name(number) for number in content["path"]]
            self._plane.send({"drawn": True})

    def keep(self, name: str | None = None) -> None:
        """Keep an instrument in the bank, by default the one that was chosen last."""
        with self.attempt():
            if name is not None:
                self.selected = name
            kept = self._bank.keep(self._chosen)
            self.say(f"kept as {kept.name} in {shown(self._bank.path)}")

    def discard(self, name: str | None = None) -> None:
        """Remove an instrument from the bank, by default the one that was chosen last."""
        with self.attempt():
            if name is not None:
                self.selected = name
            self._bank.discard(self._chosen.name)
            self.say(f"{self.selected} is no longer kept")

    def _on_star(self) -> None:
        if self._is_kept:
            self.discard()
        else:
            self.keep()

    # ------------------------------------------------------------------------------------------------------ drawing

    @traitlets.validate("path")
    def _passable(self, proposal: traitlets.Bunch) -> list[str]:
        if len(proposal.value) > MAX_STOPS:
            raise ValueError(f"a path can have up to {MAX_STOPS} instruments, not {len(proposal.value)}")
        for name in proposal.value:
            self._find(name)
        return proposal.value

    @traitlets.observe("path", "seconds")
    def _on_path(self, _: traitlets.Bunch) -> None:
        players = [self.atlas[name] for name in self.path]
        self.timeline = Timeline(players, self._times) if len(players) > 1 else None
        self._plane.path = [self._numbers[name] for name in self.path]
        self._show()

    @property
    def _times(self) -> list[float]:
        return np.linspace(0.0, self.seconds, len(self.path)).round(3).tolist()

    # --------------------------------------------------------------------------------------------------------- code

    def code(self) -> str:
        lines = [f"places = timbre.layout(atlas{'' if self.by == DESCRIPTORS else f', by={quoted(self.by)}'})"]
        if self.matches:
            query = [quoted(self._query)] if self._query else []
            like = [f"like={self._code_of(self._example)}"] if self._example else []
            lines.append(f"found = atlas.find({', '.join([*query, *like, f'n={MATCHES}'])})")
        if self.selected:
            lines.append(note_code(self._code_of(self.selected), self.pitch))
        if self._is_kept:
            lines += [bank_code(self._bank), f"bank.keep({self._code_of(self.selected)})"]
        if self.timeline:
            players, at = ", ".join(map(self._code_of, self.path)), ", ".join(f"{time:.12g}" for time in self._times)
            lines.append(f"timeline = instruments.Timeline([{players}], at=[{at}])")
        return "\n".join(lines)

    @staticmethod
    def _code_of(name: str) -> str:
        return f"atlas[{quoted(name)}]"


def _numbered(atlas: Atlas) -> dict[str, int]:
    """The index of each instrument, by name."""
    numbers: dict[str, int] = {}
    for number, instrument in enumerate(atlas.instruments):
        first = numbers.setdefault(instrument.name, number)
        if not np.array_equal(atlas.instruments[first].z, instrument.z):
            raise ValueError(f"two different instruments are called {instrument.name!r}; give one another name")
    return numbers


def _guess(family: str, probability: float) -> str:
    """A family with its probability: "probably string (81 %)"."""
    return f"{'probably' if probability >= SURE else 'perhaps'} {family.replace('_', ' ')} ({probability:.0%})"


def _axes(places: Layout) -> list[str]:
    """The labels of the axes."""
    return [
        f"{arrow} {f'{meaning} ({share:.0%} of the variance)' if meaning else f'{share:.0%} of the variance'}"
        for arrow, meaning, share in zip("→↑", places.meanings, places.shares, strict=True)
    ]


def _wrong_model(atlas: Atlas, bank: Bank) -> str:
    """An error message if the bank has another model than the atlas, or ""."""
    if atlas.model.fingerprint == bank.model.fingerprint:
        return ""
    return (
        f"This atlas belongs to {atlas.model.name}, but the bank to {bank.model.name}: "
        "use timbre.atlas(bank.model) for a map of the bank's model."
    )
