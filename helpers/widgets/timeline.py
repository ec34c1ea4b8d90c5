"""An editor for timelines: a coloured ribbon under the piano roll, with handles to drag and times to type.

Notebook: 05_instruments.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import anywidget
import ipywidgets
import numpy as np
import traitlets

from .. import drawing, midi
from ..instruments import Bank, Instrument, Timeline
from ..midi import Song
from .base import SCRIPTS, Control, Line, quoted, tip
from .notes import shared, with_more

GAP = 0.1  # s, smallest distance of two entries
DIGITS = 3  # decimal places: times are rounded to the millisecond
WITHOUT_SONG = 60.0  # s, length of the ribbon without a song
MIN_DURATION = 0.1  # s, smallest width of the time axis, for songs of no duration
MAX_ENTRIES = 100  # each is a row of three fields
PICTURE = (10.0, 1.8)  # inches of the piano roll, at 100 pixels each; the browser stretches it
LINEAR, HELD = "linear", "held"

# Colours of instruments, in the order in which they are first used: Paul Tol's "muted" scheme, which colour-blind
# readers can tell apart, and which differs from the colours of the tracks.
COLOURS = ("#332288", "#88ccee", "#ddcc77", "#117733", "#cc6677", "#44aa99", "#aa4499", "#999933", "#882255")


class Ribbon(anywidget.AnyWidget):
    """Piano roll, ribbon and handles. Sends {move: [entry, second]}, {remove: entry} and {add: second or null}.

    Traits:
      picture: PNG of the piano roll without margins, or b"".
      picture_seconds: duration shown by the picture (s).
      seconds: duration from the left edge to the right edge (s).
      entries: [second, name] of each entry, in order of time.
      colours: colour of each entry.
      held: whether the colours change abruptly instead of gradually.
      gap: smallest distance of two entries (s).
    """

    _esm = SCRIPTS / "timeline.js"
    _css = SCRIPTS / "timeline.css"
    picture = traitlets.Bytes().tag(sync=True)
    picture_seconds = traitlets.Float().tag(sync=True)
    seconds = traitlets.Float(WITHOUT_SONG).tag(sync=True)
    entries: traitlets.List[list[Any]] = traitlets.List().tag(sync=True)
    colours = traitlets.List(traitlets.Unicode()).tag(sync=True)
    held = traitlets.Bool().tag(sync=True)
    gap = traitlets.Float(GAP).tag(sync=True)


class TimelineEditor(Control):
    """An editor for an `instruments.Timeline`: each entry is an instrument and the second at which it is reached.

    Between two entries the sound morphs ("linear"), or it stays and then changes abruptly ("held"). Entries can be
    dragged on the ribbon, moved with the arrow keys, or typed below it. They stay in order, at least 0.1 s apart and
    within the song.

    When the song changes, the entries scale with its duration as long as the user has not chosen any time. After that
    they keep their times, and the "Fit" button stretches them to the song.

    Args:
      bank: instruments by name: a bank that controls share, or a dict.
      song: the song whose piano roll is shown; or a control with a song, such as a `Tune`, which is then followed.
      timeline: the timeline at the start: a Timeline, whose times are rounded to the millisecond and count as chosen,
        or names of the bank, which are spread evenly over the song. By default the first instrument of the bank.

    Traits:
      song: as above, or None.
      entries: list of [seconds, name].
      held: whether instruments change abruptly instead of morphing.
      timeline: the resulting timeline. It can also be set; its instruments are then added to `bank`.

    Notebook: 05_instruments.
    """

    song = traitlets.Instance(Song, allow_none=True)
    entries: traitlets.List[list[Any]] = traitlets.List()
    held = traitlets.Bool()
    timeline = traitlets.Instance(Timeline, allow_none=True)

    def __init__(
        self,
        bank: Mapping[str, Instrument],
        song: Song | traitlets.HasTraits | None = None,
        timeline: Timeline | Sequence[str] | None = None,
    ):
        self._bank = shared(bank)
        self._brought: list[Instrument] = []  # instruments of timelines that are not in the bank
        self._made: Timeline | None = None
        self._filling = False  # whether code is setting the fields, not the user
        self._is_chosen = False  # whether the user, or code, has chosen the times
        self._shares: list[float] = []  # positions of the entries as shares of the song
        self._colours: dict[str, str] = {}
        self._rows: list[ipywidgets.HBox] = []
        self._ribbon = Ribbon()
        self._ribbon.on_msg(lambda _, content, __: self._on_ribbon(content))
        self._mode = tip(
            ipywidgets.ToggleButtons(options=[LINEAR, HELD]), "Between two entries: morph, or hold and then switch"
        )
        self._mode.style.button_width = "70px"
        self._mode.observe(lambda change: setattr(self, "held", change.new == HELD), "value")
        add = tip(ipywidgets.Button(description="Add", icon="plus", layout={"width": "90px"}), "Add an entry")
        add.on_click(lambda _: self.add())
        self._fit = ipywidgets.Button(description="Fit", icon="arrows-h", layout={"width": "90px"})
        tip(self._fit, "Stretch all entries to the length of the song")
        self._fit.on_click(lambda _: self.fit())
        self._line = Line()
        self._table = ipywidgets.VBox()
        self._table.add_class("gansynth-entries")
        buttons = ipywidgets.HBox([self._mode, add, self._fit])
        super().__init__("Timeline", [self._ribbon, buttons, self._line, self._table], [self._line])
        if isinstance(song, traitlets.HasTraits):
            traitlets.dlink((song, "song"), (self, "song"))
        else:
            self.song = song
        if isinstance(timeline, Timeline):
            self.timeline = timeline
        else:
            names = list(self.bank)[:1] if timeline is None else list(timeline)
            self._place([i / len(names) for i in range(len(names))], names)
        if isinstance(self._bank, Bank):
            self._bank.on_change(functools.partial(self._follow, self._bank))

    @property
    def bank(self) -> Mapping[str, Instrument]:
        """The instruments to choose from, by name."""
        return with_more(self._bank, self._brought) if self._brought else self._bank

    @property
    def _end(self) -> float:
        return WITHOUT_SONG if self.song is None else max(self.song.duration, MIN_DURATION)

    @property
    def seconds(self) -> float:
        """The latest time of an entry (s): the end of the song, or the last entry if that is later."""
        return max([self._end, *(second for second, _ in self.entries)])

    # ------------------------------------------------------------------------------------------------------- traits

    @traitlets.validate("entries")
    def _checked(self, proposal: traitlets.Bunch) -> list[list]:
        entries = [[round(float(second), DIGITS), str(name)] for second, name in proposal.value]
        if not 1 <= len(entries) <= MAX_ENTRIES:
            raise ValueError(f"the timeline must have 1 to {MAX_ENTRIES} entries, not {len(entries)}")
        for _, name in entries:
            if name not in self.bank:
                raise ValueError(f"there is no instrument {name!r} in the bank")
        times = np.array([second for second, _ in entries])
        if not np.isfinite(times).all() or times[0] < 0 or (np.diff(times) < GAP - 1e-6).any():
            raise ValueError(
                f"the times of a timeline must start at 0 or later and increase by at least {GAP:g} s, "
                f"unlike {times.tolist()}"
            )
        return entries

    @traitlets.validate("timeline")
    def _taken(self, proposal: traitlets.Bunch) -> Timeline | None:
        """Convert a timeline that was set from outside to entries, and rebuild it from them."""
        if proposal.value is self._made:
            return proposal.value
        if proposal.value is None:
            raise ValueError("the editor always has a timeline; to change it, set its entries")
        stops = proposal.value.stops
        brought = [instrument for instrument, _ in stops if instrument.name not in self._bank]
        with_more(self.bank, [instrument for instrument, _ in stops])  # raises if they do not fit the bank
        self._brought = [*self._brought, *brought]
        times = [round(max(second, 0.0), DIGITS) for _, second in stops]
        for i in range(1, len(times)):
            times[i] = round(max(times[i], times[i - 1] + GAP), DIGITS)
        entries = [[second, instrument.name] for second, (instrument, _) in zip(times, stops, strict=True)]
        with self._quietly():
            self.entries, self.held = entries, proposal.value.held
        self._choose_times()
        return self._make()

    @traitlets.observe("entries", "held")
    def _on_entries(self, change: traitlets.Bunch) -> None:
        if self._filling:
            return
        if change.name == "entries" and [second for second, _ in change.old] != [second for second, _ in change.new]:
            self._choose_times()
        self.timeline = self._make()

    @traitlets.observe("timeline")
    def _on_timeline(self, _: traitlets.Bunch) -> None:
        self._show()

    @traitlets.observe("song")
    def _on_song(self, change: traitlets.Bunch) -> None:
        with self.attempt():
            self._ribbon.picture, self._ribbon.picture_seconds = b"", 0.0
            if change.new is not None:
                self._ribbon.picture, self._ribbon.picture_seconds = piano_roll(change.new), self._end
            if self.entries and change.new is not None and not self._is_chosen:
                self._place(self._shares, [name for _, name in self.entries])
        self._show()

    def _choose_times(self) -> None:
        """From now on the times stay as they are until `fit` is called."""
        self._is_chosen = True
        times = [second for second, _ in self.entries]
        self._shares = [second / max(self._end, *times) for second in times]

    def _fitted(self, shares: Sequence[float]) -> list[float]:
        """Times (s) for shares of the song, at least `GAP` apart."""
        times: list[float] = []
        for share in shares:
            lowest = round(times[-1] + GAP, DIGITS) if times else 0.0
            times.append(max(round(share * self._end, DIGITS), lowest))
        return times

    def _place(self, shares: Sequence[float], names: Sequence[str]) -> None:
        """Place entries at shares of the song; their times then do not count as chosen."""
        entries = [[second, name] for second, name in zip(self._fitted(shares), names, strict=True)]
        with self._quietly():
            self.entries = entries
        self._is_chosen, self._shares = False, list(shares)
        self.timeline = self._make()

    def _warn_of_late_entries(self) -> None:
        """Show a message if entries are after the end of the song, where they have no effect."""
        late = sum(second > self._end for second, _ in self.entries)
        if late and self.song is not None and not self.message:
            entries = "1 entry is" if late == 1 else f"{late} entries are"
            self.say(f"{entries} after the end of the song ({self._end:.4g} s); press Fit")

    def _follow(self, bank: Bank) -> None:
        """Update the entries after the bank has changed, which other controls change too."""
        model, used = bank.model, [name for _, name in self.entries]
        self._brought = [brought for brought in self._brought if brought.fingerprint in ("", model.fingerprint)]
        gone = [name for name in dict.fromkeys(used) if name not in self.bank]
        free = [name for name in self.bank if name not in used] or list(self.bank)
        instead = {name: free[i % len(free)] for i, name in enumerate(gone)}
        with self._quietly():
            self.entries = [[second, instead.get(name, name)] for second, name in self.entries]
        self.timeline = self._make()
        if gone:
            self.say(f"{model.name} has no {', '.join(gone)}; replaced by other instruments")

    def _make(self) -> Timeline:
        make = Timeline.steps if self.held else Timeline
        self._made = make([self.bank[name] for _, name in self.entries], [second for second, _ in self.entries])
        return self._made

    # ------------------------------------------------------------------------------------------------------ editing

    def add(self, seconds: float | None = None, name: str | None = None) -> None:
        """Add an entry.

        Args:
          seconds: its time (s); by default the middle of the longest gap.
          name: name of its instrument; by default the first of the bank that is not in use.
        """
        with self.attempt():
            times, is_chosen = [second for second, _ in self.entries], self._is_chosen or seconds is not None
            if seconds is None:
                bounds = np.unique([0.0, *times, self.seconds])
                seconds = float(bounds[np.argmax(np.diff(bounds))] + np.diff(bounds).max() / 2)
            seconds = min(max(float(seconds), 0.0), self.seconds)
            if min(abs(seconds - other) for other in times) < GAP:
                raise ValueError(
                    f"there is already an entry near {seconds:.4g} s; entries must be at least {GAP:g} s apart"
                )
            used = {used for _, used in self.entries}
            name = name or next((free for free in self.bank if free not in used), next(iter(self.bank)))
            self.entries = sorted([*self.entries, [seconds, name]])
            self._is_chosen = is_chosen

    def move(self, entry: int, seconds: float) -> None:
        """Move an entry (numbered from 0) to another second, or as near as its neighbours and the song allow."""
        with self.attempt():
            self._check(entry)
            times = [second for second, _ in self.entries]
            lowest = times[entry - 1] + GAP if entry else 0.0
            highest = times[entry + 1] - GAP if entry + 1 < len(times) else self.seconds
            moved = round(min(max(float(seconds), lowest), highest), DIGITS)
            if abs(moved - float(seconds)) > 10**-DIGITS:
                self.say(f"{self.entries[entry][1]} can be placed between {lowest:.4g} and {highest:.4g} s")
            self._replace(entry, [moved, self.entries[entry][1]])

    def choose(self, entry: int, name: str) -> None:
        """Give an entry (numbered from 0) another instrument of the bank."""
        with self.attempt():
            self._check(entry)
            self._replace(entry, [self.entries[entry][0], name])

    def remove(self, entry: int) -> None:
        """Remove an entry (numbered from 0). The last remaining one cannot be removed."""
        with self.attempt():
            self._check(entry)
            is_chosen = self._is_chosen
            self.entries = [*self.entries[:entry], *self.entries[entry + 1 :]]
            self._is_chosen = is_chosen

    def fit(self) -> None:
        """Scale the times of all entries to the song, so that each keeps its relative position."""
        with self.attempt():
            self._place(self._shares, [name for _, name in self.entries])

    def _check(self, entry: int) -> None:
        if not 0 <= entry < len(self.entries):
            raise ValueError(f"there is no entry {entry}; the entries are numbered from 0 to {len(self.entries) - 1}")

    def _replace(self, entry: int, row: list) -> None:
        self.entries = [*self.entries[:entry], row, *self.entries[entry + 1 :]]
        self._show()  # replaces typed values that were not accepted

    def _on_ribbon(self, content: dict) -> None:
        if "move" in content:
            self.move(*content["move"])
        elif "remove" in content:
            self.remove(content["remove"])
        elif "add" in content:
            self.add(content["add"])

    # ------------------------------------------------------------------------------------------------------ showing

    @contextlib.contextmanager
    def _quietly(self) -> Iterator[None]:
        """Set fields and traits without reacting to the changes."""
        self._filling = True
        try:
            yield
        finally:
            self._filling = False

    def _show(self) -> None:
        if not self.entries:  # in __init__, the song is set before the first timeline
            return
        names = [name for _, name in self.entries]
        for name in names:
            self._colours.setdefault(name, COLOURS[len(self._colours) % len(COLOURS)])
        ribbon = self._ribbon
        with ribbon.hold_sync():
            ribbon.seconds, ribbon.held = self.seconds, self.held
            ribbon.colours = [self._colours[name] for name in names]
            ribbon.entries = [list(row) for row in self.entries]
        with self._quietly():
            self._mode.value = HELD if self.held else LINEAR
            self._rows = [*self._rows[: len(names)], *(self._row(i) for i in range(len(self._rows), len(names)))]
            for (second, name), (time, instrument, remove) in zip(
                self.entries, (row.children for row in self._rows), strict=True
            ):
                time.max = max(self.seconds, second)
                time.value, remove.disabled = second, len(names) == 1
                if instrument.options != tuple(self.bank):
                    instrument.options = tuple(self.bank)
                instrument.value = name
            self._table.children = self._rows
            self._fit.disabled = self._fitted(self._shares) == [second for second, _ in self.entries]
        self._warn_of_late_entries()
        self.changed()

    def _row(self, entry: int) -> ipywidgets.HBox:
        time = ipywidgets.BoundedFloatText(min=0, max=self.seconds, step=0.1, description="at (s)")
        instrument = ipywidgets.Dropdown(options=tuple(self.bank), description="instrument")
        remove = ipywidgets.Button(icon="times", layout={"width": "36px"})
        tip(time, "The second at which the instrument is reached")
        tip(instrument, "The instrument")
        tip(remove, "Remove this entry")
        time.observe(lambda change: None if self._filling else self.move(entry, change.new), "value")
        instrument.observe(lambda change: None if self._filling else self.choose(entry, change.new), "value")
        remove.on_click(lambda _: self.remove(entry))
        return ipywidgets.HBox([time, instrument, remove])

    def code(self) -> str:
        players = ", ".join(f"bank[{quoted(name)}]" for _, name in self.entries)
        at = ", ".join(f"{second:.12g}" for second, _ in self.entries)
        return f"timeline = instruments.Timeline{'.steps' if self.held else ''}([{players}], at=[{at}])"


def piano_roll(song: Song) -> bytes:
    """The notes of `midi.plot` as a PNG file that spans exactly the duration of the song, without margins."""
    from matplotlib.figure import Figure

    with drawing.plain():
        figure = Figure(figsize=PICTURE, dpi=100)
        midi.plot(song, figure.add_axes((0, 0, 1, 1)))  # labels around the axes fall outside the picture
        return drawing.png(figure)
