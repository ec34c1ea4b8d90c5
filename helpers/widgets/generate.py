"""A control that renders a song: Generate and Cancel buttons, a progress bar, and then the clip with its report.

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

MAX_BYTES = 50_000_000  # of a file sent to the browser: 26 minutes in mono at 16 kHz


class HasParts(Protocol):
    """A `Tune`, a `Mixer`, or anything else with a song and its parts."""

    @property
    def song(self) -> Song | None: ...

    @property
    def parts(self) -> dict[int, Part]: ...


class HasTimeline(Protocol):
    """A control with a timeline."""

    @property
    def timeline(self) -> Timeline | None: ...


class Generate(Background[render.Clip]):
    """Render a song in the background, while the notebook stays usable.

        generate = Generate(model, Mixer(tune), drums="synth")
        clip = generate.run()  # or the button, and then generate.clip

    Args:
      model: the model, or an `instruments.Bank`, whose current model is used.
      source: what to play: a `Tune` or `Mixer`, or anything with `song` and `parts`; or a midi.Song.
      instruments: an Instrument, a Timeline, or a control with a `timeline`, for the tracks that have no instrument of
        their own. By default `instruments.assign` gives each of them one.
      settings: other arguments of `render.render`.

    Traits:
      clip: the last render.Clip, or None. Observers are called in the thread that renders.
      running: whether a clip is being rendered.
      drums: "skip" or "synth", as for `render.render`; shown as a checkbox if the song has drums.
      stale: why a new rendering would differ from the clip ("the tune has changed"), or "".

    Raises:
      TypeError: `render.render` has no such argument.

    Notebook: 07_songs.
    """

    UNIT = "{done} of {total} notes"
    UNDER_WAY = "a rendering"
    ENDING = "stopping after the notes in progress …"

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
        changed_settings(render.Settings(), by_name)  # raises here, rather than when the button is pressed
        self._player, self.source, self.instruments = model, source, instruments
        self.set_trait("drums", settings.pop("drums", "skip"))
        self.settings = settings
        self._saved: Path | None = None  # the clip's file, once it is saved
        self._choices: dict[str, Any] = {}  # the choices that the clip was rendered from
        self._wanted: dict[str, Any] = {}  # the choices of the rendering in progress
        self._has_failed = False  # whether the last attempt, after the clip, failed
        self._expected: tuple = ()  # the last arguments of `Tune.expect`
        self._line, self._plan, self._age = Line(), ipywidgets.HTML(), Line()
        self._synth = ipywidgets.Checkbox(description="drums", indent=False)
        self._sound = Sound()
        self._download = Download()
        self._report = ipywidgets.HTML()
        tip(self._synth, 'Play the drum tracks with a soundfont: render.render(..., drums="synth")')
        row = self._run_row(
            ipywidgets.Button(description="Generate", icon="music", button_style="primary"),
            "Play the song with the model: render.render(model, song, parts)",
            "Stop early and keep what has been rendered",
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
        """The model that renders."""
        assert self._player is not None, "only GenerateEach has no model, and loads its own"
        return model_of(self._player)

    @property
    def played(self) -> Song | None:
        """The song that the clip plays, or None if there is no clip; another song may have been chosen since."""
        return self._choices.get("tune")

    # ---- Choices -----------------------------------------------------------------------------------------------------

    def _follow(self) -> None:
        """Update the texts after a change of a choice, here or in another control."""
        song, _, player = self._chosen()
        tune = getattr(self.source, "tune", self.source)
        if isinstance(tune, Tune):
            self._inform_tune(tune, player)
        drums = [track for track in song.tracks if track.is_drum] if song else []
        self._synth.layout.display = "" if drums and not self.settings.get("faithful") else "none"
        self._synth.value = self.drums == "synth"
        self._plan.value = html.escape(self._words(song, tune, len(drums)))
        self._show_age()
        self.changed()

    def _inform_tune(self, tune: Tune, player: Instrument | Timeline | None) -> None:
        """Let the tune show which instruments will play its tracks."""
        rest = "the timeline" if isinstance(player, Timeline) else getattr(player, "name", "")
        expected = self.model.fingerprint, rest, self.drums
        if expected != self._expected:  # expect lists all instruments again
            self._expected = expected
            tune.expect(self.model, rest, self.settings.get("seed", 0), self.drums)

    def _player_name(self) -> str:
        """The name of the model."""
        return self.model.name

    def _model_identity(self) -> Any:
        """The identity of the model, as a value that can be compared."""
        return self.model.fingerprint or id(self.model)

    def _words(self, song: Song | None, tune: Any, drums: int) -> str:
        """A sentence that says what the button will do."""
        if song is None:
            return ""
        is_of_tune = isinstance(tune, Tune) and tune.song is song
        what = f"{self._player_name()} will play {tune.about if is_of_tune else f'{song.name}, {song.duration:.0f} s'}"
        if not drums or self.settings.get("faithful"):
            return what
        tracks = "1 drum track" if drums == 1 else f"{drums} drum tracks"
        how = "played with a soundfont" if self.drums == "synth" else "left out"
        return f"{what}; {tracks} will be {how}"

    def _choices_now(self) -> dict[str, Any]:
        """The choices that determine the clip, as values that can be compared, by their names in messages."""
        song, parts, player = self._chosen()
        return {
            "model": self._model_identity(),
            "tune": song,
            "choice for the tracks": {
                number: (_latents(part.instrument), part.mute, part.solo, part.gain, part.pan)
                for number, part in parts.items()
            },
            "timeline": _latents(player),
            "choice of drums": self.drums,
        }

    def _show_age(self) -> None:
        """Show whether the clip is out of date."""
        why = ""
        if self.clip is not None and self._has_failed:
            why = "the last attempt failed"
        elif self.clip is not None:
            changed = [name for name, value in self._choices_now().items() if value != self._choices[name]]
            why = f"the {' and the '.join(changed)} {'has' if len(changed) == 1 else 'have'} changed" if changed else ""
        said = f"Out of date: {html.escape(why)}. Press Generate." if why else ""
        if self.running and self.clip is not None:
            said = "Rendering a new clip; the one below is the previous one."
        self._age.value = f"<i>{said}</i>" if said else ""
        self.stale = why

    # ---- Rendering ---------------------------------------------------------------------------------------------------

    def _last(self) -> render.Clip | None:
        return self.clip

    def _perform(self, work: Callable[[], render.Clip]) -> render.Clip:
        choices = self._wanted
        spectrograms.warm_up()  # a player will draw the clip
        try:
            clip = work()
            if not len(clip.samples):
                raise ValueError("cancelled before the first note was finished")
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
        self.running = False  # before observers of `clip`, which may draw pictures, are called
        with self.hold_trait_notifications():  # so that observers see the new clip with its own `stale`
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
        """The song, its parts, and the instrument or timeline for tracks without an instrument."""
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
        """Show the clip, its report and its download button; or nothing, so that an old one is not taken for it."""
        self._report.value = f'<pre class="gansynth-report">{html.escape(str(clip.report))}</pre>' if clip else ""
        self._download.ready = clip is not None
        if clip is not None and 2 * clip.samples.size <= MAX_BYTES:
            self._sound.load(clip)
        else:
            self._sound.layout.display = "none"
        if clip is not None and 2 * clip.samples.size > MAX_BYTES:
            self.say("the clip is too long to play in this page: use the button to save it")

    def _switch(self, change: traitlets.Bunch) -> None:
        self._start.disabled, self._cancel.disabled = change.new, not change.new
        self._show_age()

    # ---- The clip ----------------------------------------------------------------------------------------------------

    def save(self) -> Path:
        """Write the clip to outputs/<song>.wav, or to the next free number if that file exists.

        A clip is saved once: later calls return the same file.

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
        """Save the clip and send it to the browser."""
        with self.attempt():
            path = self.save()
            fits = path.stat().st_size <= MAX_BYTES
            self.say(f"saved as {shown(path)}" + ("" if fits else ", which is too large to download from this page"))
            if fits:
                self._download.send({"name": path.name}, [path.read_bytes()])

    def code(self) -> str:
        """The call of `render.render`, with the variable names of the other controls' code."""
        _, parts, player = self._chosen()
        words = ["model", "song"] + (["parts"] if parts else [])
        if player is not None:
            name = "timeline" if isinstance(player, Timeline) else "instrument"
            words.append(f"default={name}" if parts else name)
        words += [f"{name}={literal(value)}" for name, value in self._all_settings().items()]
        return f"clip = render.render({', '.join(words)})"


def _latents(player: Instrument | Timeline | None) -> tuple:
    """An instrument or a timeline as a value that can be compared."""
    player = Timeline.hold(player) if isinstance(player, Instrument) else player
    return () if player is None else (player.held, *((second, i.z.tobytes()) for i, second in player.stops))


class Download(anywidget.AnyWidget):
    """A button that asks Python for a file, receives {"name"} and the bytes, and saves them on the user's computer."""

    _esm = SCRIPTS / "download.js"
    _css = SCRIPTS / "download.css"
    ready = traitlets.Bool(False).tag(sync=True)
    label = traitlets.Unicode("Download").tag(sync=True)
    hint = traitlets.Unicode("Save the clip to the folder outputs, and to your computer").tag(sync=True)
    media = traitlets.Unicode("audio/wav").tag(sync=True)  # media type of the file
    busy = traitlets.Bool(False).tag(sync=True)  # whether the file is being prepared
