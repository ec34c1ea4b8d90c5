"""A control that renders: a button, progress, a way to cancel, and then the clip to hear, to read about and to keep.

Notebook: 07_songs.
"""

from __future__ import annotations

import functools
import html
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import anywidget
import ipywidgets
import traitlets

from .. import audio, render, runtime, spectrograms
from ..files import numbered, plain_name
from ..instruments import Bank, Instrument, Timeline
from ..midi import Song
from ..render.types import Part, changed_settings
from .background import Background
from .base import SCRIPTS, Line, Sound, tip
from .notes import model_of
from .tune import Tune, literal, shown

if TYPE_CHECKING:
    from ..gansynth import GANSynth

MAX_BYTES = 50_000_000  # of a clip that goes to the page: 26 minutes in mono at 16 kHz


class HasParts(Protocol):
    """A `Tune`, a `Mixer`, or whatever else knows what to play."""

    @property
    def song(self) -> Song | None: ...

    @property
    def parts(self) -> dict[int, Part]: ...


class HasTimeline(Protocol):
    """A control that makes a timeline."""

    @property
    def timeline(self) -> Timeline | None: ...


class Generate(Background[render.Clip]):
    """Render a song, while the notebook stays free for other things.

        generate = Generate(model, Mixer(tune), drums="synth")
        clip = generate.run()  # or the button, and then generate.clip

    Args:
      model: what to play with; or a `instruments.Bank`, whose model is followed.
      source: what to play: a `Tune` or `Mixer`, or anything with `song` and `parts`; or a midi.Song.
      instruments: who plays the tracks that have no instrument of their own: an Instrument, a Timeline, or a control
        with a `timeline`. By default each gets one from `instruments.assign`.
      settings: other arguments of `render.render`.

    Traits:
      clip: the last render.Clip, or None. What observes it is called in the thread that renders.
      running: whether one is being rendered.
      drums: "skip" or "synth", as for `render.render`; the switch shows it where the song has drums.
      stale: why the clip is not what would be rendered now ("the tune has changed"), or "".

    Raises:
      TypeError: `render.render` has no such argument.

    Notebook: 07_songs.
    """

    UNIT = "{done} of {total} notes"
    UNDER_WAY = "a rendering"
    ENDING = "ends with the notes that are being made"

    clip = traitlets.Instance(render.Clip, allow_none=True)
    drums = traitlets.Unicode("skip")
    stale = traitlets.Unicode()

    def __init__(
        self,
        model: GANSynth | Bank | None,
        source: HasParts | Song,
        instruments: Instrument | Timeline | HasTimeline | None = None,
        **settings: Any,
    ):
        arguments = inspect.signature(render.render)
        arguments.bind(None, None, progress=None, stop=None, **settings)
        by_name = {name: value for name, value in settings.items() if name not in arguments.parameters}
        changed_settings(render.Settings(), by_name)  # what is wrong is said now, not when the button is pressed
        self._player, self.source, self.instruments = model, source, instruments
        self.set_trait("drums", settings.pop("drums", "skip"))
        self.settings = settings
        self._saved: Path | None = None  # where the clip is, once it is saved
        self._choices: dict[str, Any] = {}  # that the clip was made from
        self._wanted: dict[str, Any] = {}  # that the attempt under way is made from
        self._has_failed = False  # whether the attempt after it did
        self._told: tuple = ()  # what the tune has been told
        self._line, self._plan, self._age = Line(), ipywidgets.HTML(), Line()
        self._synth = ipywidgets.Checkbox(description="drums", indent=False)
        self._sound = Sound()
        self._download = Download()
        self._report = ipywidgets.HTML()
        tip(self._synth, 'Play the drum tracks with a soundfont: render.render(..., drums="synth")')
        row = self._run_row(
            ipywidgets.Button(description="Generate", icon="music", button_style="primary"),
            "Play the song with the model: render.render(model, song, parts)",
            "End early and keep what there is",
            self._line,
        )
        plan = ipywidgets.HBox([self._synth, self._plan])
        self._result = ipywidgets.HBox([self._sound, self._download])
        super().__init__("Generate", [row, self._line, plan, self._age, self._result, self._report], [self._line])

        self._download.on_msg(lambda *_: self._hand_over())
        self._synth.value = self.drums == "synth"
        self._synth.observe(lambda change: setattr(self, "drums", "synth" if change.new else "skip"), "value")
        self.observe(self._switch, "running")
        self.observe(lambda _: self._follow(), "drums")
        for control, names in ((source, ("song", "parts_changed")), (instruments, ("timeline",))):
            for name in names:
                if isinstance(control, traitlets.HasTraits) and control.has_trait(name):
                    control.observe(lambda _: self._follow(), name)
        if isinstance(model, Bank):
            model.on_change(self._follow)
        self._follow()

    @property
    def model(self) -> GANSynth:
        """What plays."""
        assert self._player is not None, "only GenerateEach has no model, and loads its own"
        return model_of(self._player)

    @property
    def played(self) -> Song | None:
        """What the clip plays, or None as long as there is no clip; the choice may have changed since."""
        return self._choices.get("tune")

    # ---- What is chosen ----------------------------------------------------------------------------------------------

    def _follow(self) -> None:
        """Bring what is said up to date with what is chosen, here and in the other controls."""
        song, _, player = self._chosen()
        tune = getattr(self.source, "tune", self.source)
        if isinstance(tune, Tune):
            self._tell(tune, player)
        drums = [track for track in song.tracks if track.is_drum] if song else []
        self._synth.layout.display = "" if drums and not self.settings.get("faithful") else "none"
        self._synth.value = self.drums == "synth"
        self._plan.value = html.escape(self._words(song, tune, len(drums)))
        self._show_age()
        self.changed()

    def _tell(self, tune: Tune, player: Instrument | Timeline | None) -> None:
        """Let the tune say who will play its tracks."""
        rest = "the timeline" if isinstance(player, Timeline) else getattr(player, "name", "")
        told = self.model.fingerprint, rest, self.drums
        if told != self._told:  # it lists the instruments anew
            self._told = told
            tune.expect(self.model, rest, self.settings.get("seed", 0), self.drums)

    def _who(self) -> str:
        """What plays, in words."""
        return self.model.name

    def _who_exactly(self) -> Any:
        """What plays, as a value that can be compared."""
        return self.model.fingerprint or id(self.model)

    def _words(self, song: Song | None, tune: Any, drums: int) -> str:
        """What the button will do."""
        if song is None:
            return ""
        is_of_tune = isinstance(tune, Tune) and tune.song is song
        what = f"{self._who()} will play {tune.about if is_of_tune else f'{song.name}, {song.duration:.0f} s'}"
        if not drums or self.settings.get("faithful"):
            return what
        tracks = "1 drum track" if drums == 1 else f"{drums} drum tracks"
        how = "played with a soundfont" if self.drums == "synth" else "left out"
        return f"{what}; {tracks} will be {how}"

    def _choices_now(self) -> dict[str, Any]:
        """What decides what is rendered, as values that can be compared; by its name in words."""
        song, parts, player = self._chosen()
        return {
            "model": self._who_exactly(),
            "tune": song,
            "choice for the tracks": {
                number: (_latents(part.instrument), part.mute, part.solo, part.gain, part.pan)
                for number, part in parts.items()
            },
            "timeline": _latents(player),
            "choice of drums": self.drums,
        }

    def _show_age(self) -> None:
        """Say whether the clip is still what would be rendered."""
        why = ""
        if self.clip is not None and self._has_failed:
            why = "the last attempt failed"
        elif self.clip is not None:
            changed = [name for name, value in self._choices_now().items() if value != self._choices[name]]
            why = f"the {' and the '.join(changed)} {'has' if len(changed) == 1 else 'have'} changed" if changed else ""
        said = f"Out of date: {html.escape(why)}. Press Generate." if why else ""
        if self.running and self.clip is not None:
            said = "A new clip is being made; below is the one before."
        self._age.value = f"<i>{said}</i>" if said else ""
        self.stale = why

    # ---- Rendering ---------------------------------------------------------------------------------------------------

    def _last(self) -> render.Clip | None:
        return self.clip

    def _perform(self, work: Callable[[], render.Clip]) -> render.Clip:
        choices = self._wanted
        spectrograms.warm_up()  # a player is going to draw the clip
        try:
            clip = work()
            if not len(clip.samples):
                raise ValueError("cancelled before the first note was there")
        except BaseException as error:
            self._has_failed = True
            self._count.value, self._bar.value = "", 0
            self._show_result(None)
            self.complain(error)
            self._show_age()
            self.running = False
            raise
        self._has_failed, self._choices, self._saved = False, choices, None
        self._show(clip)
        self.running = False  # before others hear of the clip, who may draw pictures of it
        with self.hold_trait_notifications():  # so that nobody sees a new clip with the age of the old one
            self.clip = clip
            self._show_age()
        return clip

    def _prepare(self) -> Callable[[], render.Clip]:
        song, parts, player = self._chosen()
        if song is None:
            raise ValueError("choose a score first")
        task = self._task(song, parts, player)
        self._wanted = self._choices_now()
        return task

    def _task(
        self, song: Song, parts: dict[int, Part], player: Instrument | Timeline | None
    ) -> Callable[[], render.Clip]:
        given = [parts, player] if parts else [player]
        return functools.partial(
            render.render,
            self.model,
            song,
            *given,
            **self._all_settings(),
            progress=self._progress,
            stop=self._cancelled.is_set,
        )

    def _all_settings(self) -> dict[str, Any]:
        return self.settings | ({} if self.drums == "skip" else {"drums": self.drums})

    def _chosen(self) -> tuple[Song | None, dict[int, Part], Instrument | Timeline | None]:
        """The song, its parts, and who plays what they leave open."""
        song, parts = (self.source, {}) if isinstance(self.source, Song) else (self.source.song, self.source.parts)
        given = self.instruments
        return song, parts, given if given is None or isinstance(given, (Instrument, Timeline)) else given.timeline

    def _show(self, clip: render.Clip) -> None:
        report = clip.report
        stopped = report.stopped_at is not None
        self.say(f"cancelled: these are the first {report.stopped_at:.1f} s" if stopped else "")
        self._count.value = f"{report.rendered} of {report.notes} notes in {report.elapsed:.1f} s"
        self._show_result(clip)

    def _show_result(self, clip: render.Clip | None) -> None:
        """The clip to hear, to read about and to download; or nothing, so that no older one is taken for the result."""
        self._report.value = f'<pre class="gansynth-report">{html.escape(str(clip.report))}</pre>' if clip else ""
        self._download.ready = clip is not None
        if clip is not None and 2 * clip.samples.size <= MAX_BYTES:
            self._sound.load(clip)
        else:
            self._sound.layout.display = "none"
        if clip is not None and 2 * clip.samples.size > MAX_BYTES:
            self.say("the clip is too long for a player in this page: the button saves it")

    def _switch(self, change: traitlets.Bunch) -> None:
        self._start.disabled, self._cancel.disabled = change.new, not change.new
        self._show_age()

    # ---- The clip ----------------------------------------------------------------------------------------------------

    def save(self) -> Path:
        """Write the clip to outputs/<song>.wav, with a number if another clip is there; asked again, it is that file.

        Raises:
          ValueError: there is no clip yet.
        """
        if self.clip is None:
            raise ValueError("there is no clip yet")
        if self._saved is None:
            wanted = runtime.outputs() / f"{plain_name(self.clip.report.song, 'clip')}.wav"
            self._saved = audio.write(self.clip, next(path for path in numbered(wanted) if not path.exists()))
        return self._saved

    def _hand_over(self) -> None:
        """Save the clip and send it to the page that asks for it."""
        with self.attempt():
            path = self.save()
            fits = path.stat().st_size <= MAX_BYTES
            self.say(f"saved as {shown(path)}" + ("" if fits else ", which is too large to come through this page"))
            if fits:
                self._download.send({"name": path.name}, [path.read_bytes()])

    def code(self) -> str:
        """The call of `render.render`, for the names that the other controls' code has."""
        _, parts, player = self._chosen()
        words = ["model", "song"] + (["parts"] if parts else [])
        if player is not None:
            name = "timeline" if isinstance(player, Timeline) else "instrument"
            words.append(f"default={name}" if parts else name)
        words += [f"{name}={literal(value)}" for name, value in self._all_settings().items()]
        return f"clip = render.render({', '.join(words)})"


def _latents(player: Instrument | Timeline | None) -> tuple:
    """A player as a value that can be compared."""
    player = Timeline.hold(player) if isinstance(player, Instrument) else player
    return () if player is None else (player.held, *((second, i.z.tobytes()) for i, second in player.stops))


class Download(anywidget.AnyWidget):
    """A button that asks for a file, and gives what is sent to it, {"name"} and the bytes, to the reader's computer."""

    _esm = SCRIPTS / "download.js"
    _css = SCRIPTS / "download.css"
    ready = traitlets.Bool(False).tag(sync=True)
    label = traitlets.Unicode("Download").tag(sync=True)
    hint = traitlets.Unicode("Save the clip to the folder outputs, and to your computer").tag(sync=True)
    media = traitlets.Unicode("audio/wav").tag(sync=True)  # the kind of file that comes
    busy = traitlets.Bool(False).tag(sync=True)  # whether the file is being made
