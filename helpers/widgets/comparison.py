"""All clips of a player side by side: two kinds of spectrogram, and how well each clip agrees with the score.

Notebook: 00_report.
"""

from __future__ import annotations

import html
from collections.abc import Mapping

import ipywidgets
import numpy as np
import traitlets

from .. import drawing, spectrograms
from ..audio import Audio
from ..evaluation import agreement
from ..evaluation.agreement import Agreement
from ..midi import Song
from .base import Control, Line, tip
from .player import Player
from .tune import Tune

# In inches: the width of a picture, the height of each clip in it and of the time axis. A picture is half as wide as a
# control, so that its labels have the size of text. DPI is in dots per inch, for screens of high resolution.
WIDTH, ROW, MARGIN, DPI = 4.6, 1.35, 0.8, 180
PICTURES = {"cqt": "Constant-Q spectrograms", "rainbowgram": "Rainbowgrams"}
SHARES = {"chroma": "chroma", "onsets": "onsets", "pitch": "pitch"}


class Comparison(Control):
    """Spectrograms of all clips in two columns, on a common scale, above a table of their agreement with the score.

        comparison = Comparison(player, tune)
        comparison.run()                       # or the button

    Args:
      player: the player whose clips are compared; press the button again when they have changed.
      tune: the score that the clips play.

    Traits:
      agreement: name of a clip -> `agreement.Agreement`.
      stale: whether the player's clips have changed since the comparison.

    Notebook: 00_report.
    """

    agreement = traitlets.Dict()
    stale = traitlets.Bool(True)

    def __init__(self, player: Player, tune: Tune):
        self._player, self._tune = player, tune
        self._known: list[tuple[Audio, Song, Agreement]] = []  # what has been measured already
        self._compared: Mapping[str, Audio] = {}
        self._button = tip(
            ipywidgets.Button(description="Compare", icon="columns"),
            "Draw all clips, and measure how well each agrees with the score",
        )
        self._line = Line()
        self._pictures = {
            panel: ipywidgets.Image(format="png", layout={"width": "100%", "max_width": "704px"}) for panel in PICTURES
        }
        self._table = ipywidgets.HTML()
        columns = ipywidgets.GridBox(list(self._pictures.values()))
        columns.layout = {"grid_template_columns": "repeat(auto-fit, minmax(min(340px, 100%), 1fr))", "width": "100%"}
        bar = ipywidgets.HBox([self._button, self._line], layout={"flex_flow": "row wrap", "align_items": "center"})
        super().__init__("Comparison", [bar, columns, self._table], [self._line])
        self._button.on_click(lambda _: self._pressed())
        player.observe(lambda _: self._show_age(), ["clips", "stale"])
        self._show(False)
        self.changed()

    def run(self) -> dict[str, Agreement]:
        """Draw and measure the player's clips.

        Measuring takes about a quarter of a clip's duration; a clip that has been measured is not measured again. A
        clip rendered before the tune was changed is compared with the score that it plays.

        Returns:
          Name of the clip -> its agreement with the score.

        Raises:
          ValueError: there is no clip or no score.
        """
        clips, songs = dict(self._player.clips), self._player.songs
        if not clips or self._tune.song is None:
            raise ValueError("there is nothing to compare yet: choose a score and generate a clip first")
        for panel, picture in self._pictures.items():
            self.say(f"drawing {PICTURES[panel][0].lower()}{PICTURES[panel][1:]} …")
            picture.value = _picture(clips, panel)
        measured = {}
        for number, (name, clip) in enumerate(clips.items(), start=1):
            self.say(f"measuring {name} ({number} of {len(clips)}) …")
            measured[name] = self._measure(clip, songs.get(name, self._tune.song))
        self._known = [row for row in self._known if any(row[0] is clip for clip in clips.values())]
        self._table.value = _table(measured)
        self._compared, self.agreement = clips, measured
        self.say("")
        self._show(True)
        self._show_age()
        self.changed()
        return measured

    def _pressed(self) -> None:
        self._button.disabled = True
        with self.attempt():
            self.run()
        self._button.disabled = False

    def _measure(self, clip: Audio, song: Song) -> Agreement:
        for known, of, result in self._known:
            if known is clip and of is song:
                return result
        result = agreement.measure(clip, song)
        self._known.append((clip, song, result))
        return result

    def _show(self, is_shown: bool) -> None:
        for widget in (*self._pictures.values(), self._table):
            widget.layout.display = "" if is_shown else "none"

    def _show_age(self) -> None:
        clips = self._player.clips
        self.stale = {name: id(clip) for name, clip in clips.items()} != {
            name: id(clip) for name, clip in self._compared.items()
        }
        outdated = "; ".join(f"{name}: {why}" for name, why in self._player.stale.items())
        if outdated:
            self.say(f"{outdated}: press Generate again, then Compare")
        elif self.stale and self._compared:
            self.say("the clips have changed: press Compare again")
        else:
            self.say("")

    def code(self) -> str:
        return "\n".join(
            [
                *(f'spectrograms.compare(clips, "{panel}")' for panel in PICTURES),
                "for name, clip in clips.items():",
                '    print(f"{name:<20}{agreement.measure(clip, song)}")',
            ]
        )


def _picture(clips: Mapping[str, Audio], panel: str) -> bytes:
    """All clips below each other, over one time axis."""
    from matplotlib.figure import Figure

    with drawing.plain():
        figure = Figure((WIDTH, ROW * len(clips) + MARGIN), DPI, layout="constrained")
        first = spectrograms.compare(clips, panel, figure=figure)[0]
        labels = [label.get_text() for label in first.get_yticklabels()]
        first.set_yticks(first.get_yticks()[1::2], labels[1::2])  # every other octave, C2, C4, …; the axis is shared
        figure.suptitle(PICTURES[panel], fontsize="large")
        return drawing.png(figure)


def _table(measured: Mapping[str, Agreement]) -> str:
    head = "".join(f"<th scope='col'>{name}</th>" for name in SHARES.values())
    rows = "".join(
        f"<tr><th scope='row'>{html.escape(name)}</th>"
        + "".join(f"<td>{_percent(getattr(result, share))}</td>" for share in SHARES)
        + "</tr>"
        for name, result in measured.items()
    )
    caption = "<caption>Agreement with the score, measured from the sound</caption>"
    return f'<table class="gansynth-table">{caption}<tr><th scope="col">clip</th>{head}</tr>{rows}</table>'


def _percent(share: float) -> str:
    return "–" if np.isnan(share) else f"{share:.0%}"
