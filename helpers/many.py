"""Many scores in one run: each becomes a clip with its report, and a table says what became of which.

    run = many.Run(seed=1, each_track=True)
    for row in many.render_many(model, scores.find(["songs"]), "outputs/songs", run):
        print(row.score, row.result, row.why)

What a clip is depends on its score and on the run, and on nothing else: not on the other scores, nor on their order. So
a run that was ended, by whatever, is begun again and skips what is done. A score that cannot be played costs its row in
the table and nothing else.

Notebook: 07_songs.
"""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import hashlib
import io
import itertools
import json
import os
import platform
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import numpy as np
from pydantic import Field
from tqdm.auto import tqdm

from . import __version__, audio, jsonfile, midi, render, scores
from .errors import one_line
from .files import as_path, is_full, numbered, replacing
from .gansynth.cache import ONNX, TENSORFLOW
from .instruments import SECONDS_PER_INSTRUMENT, Instrument, Timeline, named
from .render import Settings, original
from .render.types import DEFAULTS
from .scores import Score
from .stores import Store, open_store

if TYPE_CHECKING:
    from .gansynth import GANSynth
    from .midi import Song

SUMMARY, MANIFEST, REPORT = "summary.csv", "manifest.json", ".json"
RESERVED = (Path(SUMMARY).stem, Path(MANIFEST).stem)  # no clip may have these names
MADE, KEPT, FAILED = "made", "kept", "failed"
ABOUT = "many"  # the line of a report that says which run made the clip
ENGINES = {TENSORFLOW: "tensorflow", ONNX: "onnxruntime"}  # backend -> the package whose version notes depend on
MAX_HEAD = 1 << 14  # bytes at the beginning of a report, within which that line is
MAX_MANIFEST_BYTES = 64 << 20
MAX_NOTE_BYTES = 6 << 30  # of shared notes; all of the demo's instruments at all pitches take 2.1e9
# Scores from which sharing notes pays, where each track has an instrument that is held: with the demo it costs less
# processor from 20 chorales on, 30 mixed scores, and some 65 to 100 songs that have little in common (docs/scale.md).
SHARED_FROM = 100
WRITE_EVERY = 30.0  # s between versions of a table elsewhere
MAX_WHY = 300  # characters
FORMULAS = ("=", "+", "-", "@")  # begin what a spreadsheet computes


class Full(OSError):
    """The disk is full: no score after this one can be written either."""


@dataclasses.dataclass(frozen=True)
class Run:
    """What all clips of a run have in common.

    Attributes:
      settings: how the songs are played.
      seed: from which each song's own seed is derived, together with the bytes of its score.
      instruments: who plays; random ones if there are none.
      each_track: an instrument for each track, instead of a timeline.
      secs_per_instrument: s between random instruments.
      kind: of the clips' files: "wav", "flac", "ogg" or "mp3".
      batch_size: notes generated at a time; as many as suit the model's hardware by default.
      stems: folder for a WAV of each track as well, in a folder named like the clip.
      shares: notes that several songs have are made once (`gansynth.SharedNotes`).
    """

    settings: Settings = DEFAULTS
    seed: int = 0
    instruments: tuple[Instrument, ...] = ()
    each_track: bool = False
    secs_per_instrument: float = SECONDS_PER_INSTRUMENT
    kind: str = "wav"
    batch_size: int | None = None
    stems: str | None = None
    shares: bool = False

    def __repr__(self) -> str:
        players = ", ".join(instrument.name for instrument in self.instruments[:3]) or "random instruments"
        return f"Run(seed {self.seed}, {players}, .{self.kind})"

    def described(self) -> dict[str, Any]:
        """As values for JSON."""
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        values["settings"] = dataclasses.asdict(self.settings)
        values["instruments"] = [
            {**dataclasses.asdict(instrument), "z": instrument.z.tolist()} for instrument in self.instruments
        ]
        return values


@dataclasses.dataclass(frozen=True)
class Row:
    """What became of one score; a row of the table.

    Attributes:
      score: path of the file.
      clip: path of the clip within the folder of the run.
      result: "made", "kept" (it was there) or "failed".
      why: it failed.
      notes: how many the song has.
      rendered: how many of them are in the clip.
      distinct: sounds that were generated.
      duration: s of the clip.
      seconds: that it took to make.
      loudness: LUFS of the clip; None for silence.
    """

    score: str
    clip: str
    result: str
    why: str = ""
    notes: int | None = None
    rendered: int | None = None
    distinct: int | None = None
    duration: float | None = None
    seconds: float | None = None
    loudness: float | None = None


COLUMNS = tuple(field.name for field in dataclasses.fields(Row))
NUMBERS = ("notes", "rendered", "distinct", "duration", "seconds", "loudness")


class _About(jsonfile.Row):
    """The line of a report that says which run made the clip: as much of its row as depends on the song."""

    key: jsonfile.Text
    notes: Annotated[jsonfile.Whole, Field(ge=0)]
    rendered: Annotated[jsonfile.Whole, Field(ge=0)]
    distinct: Annotated[jsonfile.Whole, Field(ge=0)]
    duration: Annotated[jsonfile.Number, Field(ge=0)]
    seconds: Annotated[jsonfile.Number, Field(ge=0)]
    loudness: jsonfile.Number | None


# ---- What a clip depends on ------------------------------------------------------------------------------------------


def seed_of(seed: int, content: bytes) -> int:
    """The seed of a song, from that of the run and the bytes of its score: the same beside whatever other scores."""
    return int.from_bytes(hashlib.sha256(f"{seed} ".encode() + hashlib.sha256(content).digest()).digest()[:4], "big")


def key_of(model: GANSynth, run: Run, content: bytes) -> str:
    """A hash of all that a clip depends on: model, version, run and score. Equal keys are equal clips."""
    made_by = {
        "version": __version__,
        "fingerprint": model.fingerprint,
        "precision": model.precision,
        **({} if model.backend == TENSORFLOW else {"backend": model.backend}),
        **run.described(),
        "batch_size": run.batch_size or model.batch_size,
        "score": hashlib.sha256(content).hexdigest(),
    }
    return hashlib.sha256(json.dumps(made_by, sort_keys=True).encode()).hexdigest()[:40]


def players(
    model: GANSynth,
    song: Song,
    seed: int,
    instruments: Sequence[Instrument] = (),
    each_track: bool = False,
    secs_per_instrument: float = SECONDS_PER_INSTRUMENT,
    faithful: bool = False,
) -> Timeline | dict[str | int, Instrument] | None:
    """Who plays a song, as `render.render` takes it.

    Args:
      model: what they are for.
      song: what they play.
      seed: of those that are drawn.
      instruments: they share the song, or with `each_track` its tracks in turn; none: they are drawn.
      each_track: an instrument for each track. If none are given, `render.render` chooses them.
      secs_per_instrument: s between those that are drawn.
      faithful: draw as the original does.

    >>> from helpers import gansynth, instruments, many, midi
    >>> model, song = gansynth.load("demo"), midi.load("data/midi/study.mid")
    >>> many.players(model, song, 1, instruments.choose("Cello, Harp", model))
    Timeline(Cello at 0 s, Harp at 14.9... s)
    """
    if instruments and each_track:
        pitched = [number for number, track in enumerate(song.tracks, start=1) if not track.is_drum]
        return dict(zip(pitched, itertools.cycle(instruments), strict=False))
    if instruments:
        return Timeline(instruments, at=np.arange(len(instruments)) * (song.duration / len(instruments)))
    if each_track:
        return None
    if faithful:
        notes = original.notes(song)
        seconds = notes[-1].end if notes else 0.0  # the end of the note listed last, not of the last one to end
        return Timeline.original(model, seconds, seed, secs_per_instrument)
    return Timeline.random(model, song.duration, seed, secs_per_instrument)


def sharing(model: GANSynth, instruments: Sequence[Instrument] = ()) -> GANSynth:
    """The model with notes that are shared: those of its own named instruments, and of others that play.

    They are kept where `gansynth.NoteCache` keeps them.

    Args:
      model: loaded without a cache.
      instruments: that play besides the model's own.
    """
    from .gansynth import NoteCache, SharedNotes, threads

    held = [*named(model).values(), *instruments]
    made_by = f"{versions().get(ENGINES[model.backend])} {threads()} threads"
    return cast(
        "GANSynth", SharedNotes(model, [instrument.z for instrument in held], NoteCache(limit=MAX_NOTE_BYTES), made_by)
    )


def pays(model: GANSynth, instruments: Sequence[Instrument], each_track: bool, count: int) -> bool:
    """Whether so many scores are made sooner if their notes are shared (`sharing`)."""
    return each_track and bool(instruments or named(model)) and count >= SHARED_FROM


# ---- One score -------------------------------------------------------------------------------------------------------


def kept(model: GANSynth, score: Score, content: bytes, store: Store, run: Run) -> Row | None:
    """The row of a clip that an earlier run has made, if it is what this one would make."""
    clip = f"{score.name}.{run.kind}"
    if not store.exists(clip):
        return None
    try:
        about = _about(store.head(f"{score.name}{REPORT}", MAX_HEAD))
    except (OSError, ValueError):
        return None
    if about is None or about.key != key_of(model, run, content):
        return None
    return Row(str(score.path), clip, KEPT, **{name: getattr(about, name) for name in NUMBERS})


def _about(head: bytes) -> _About | None:
    """What the beginning of a report says of the run that it is from."""
    begins = f'"{ABOUT}": '.encode()
    line = next((line for line in head.split(b"\n")[:-1] if line.startswith(begins)), None)
    if line is None:
        return None
    return jsonfile.checked(jsonfile.parse(line[len(begins) :].rstrip(b",\r").decode("utf-8")), _About)


def make(
    model: GANSynth,
    score: Score,
    content: bytes,
    store: Store,
    run: Run,
    replace: bool = False,
    progress: render.Progress = False,
) -> Row:
    """Play one score of a run: the clip and its report, both whole or not there.

    Args:
      model: what to play with.
      score: where it is from, and its name.
      content: its bytes.
      store: where the clip goes.
      run: how it is played.
      replace: a clip that is there under its name; otherwise that one gets a number.
      progress: as for `render.render`.

    Raises:
      ValueError: the score cannot be played.
      OSError: the clip cannot be written.
      KeyboardInterrupt: the rendering was interrupted; nothing is written.
    """
    began = time.monotonic()
    song = midi.parse(content, score.path.name)
    seed = seed_of(run.seed, content)
    chosen = players(model, song, seed, run.instruments, run.each_track, run.secs_per_instrument, run.settings.faithful)
    clip = render.render(
        model, song, chosen, settings=run.settings, seed=seed, batch_size=run.batch_size, progress=progress
    )
    report = clip.report
    if report.stopped_at is not None:
        raise KeyboardInterrupt
    if run.stems:
        from . import export

        export.stems(clip, as_path(run.stems) / score.name, model, progress=False)
    numbers: dict[str, Any] = {name: getattr(report, name) for name in ("notes", "rendered", "distinct", "loudness")}
    if report.loudness is not None:
        numbers["loudness"] = round(report.loudness, 3)
    numbers |= {"duration": round(clip.duration, 3), "seconds": round(time.monotonic() - began, 3)}
    if not replace and (same := kept(model, score, content, store, run)):  # another worker was faster
        return dataclasses.replace(same, result=MADE)
    name, report_name = f"{score.name}.{run.kind}", f"{score.name}{REPORT}"
    if replace:
        store.remove(name)
    else:
        _make_room(store, name, report_name)
    # The report first: a clip that is there beside a report is that report's.
    with store.writing(report_name) as path:
        report.save(path, {ABOUT: {"key": key_of(model, run, content), **numbers}})
    as_it_is = run.settings.faithful and run.kind == "wav"  # to the last bit, as the original's
    with store.writing(name) as path:
        audio.write(clip, path, "float" if as_it_is else None)
    return Row(str(score.path), name, MADE, **numbers)


def _make_room(store: Store, clip: str, report: str) -> None:
    """Give a clip that is there already another name, together with its report."""
    if not store.exists(clip):
        return  # a report alone was left by a program that was killed
    for free, beside in zip(_others(clip), _others(report), strict=False):
        if not store.exists(free) and not store.exists(beside):
            store.rename(clip, free)
            if store.exists(report):
                store.rename(report, beside)
            return


def _others(name: str) -> Iterator[str]:
    return (path.as_posix() for path in itertools.islice(numbered(Path(name)), 1, None))


def failed(score: Score, error: BaseException, run: Run) -> Row:
    """The row of a score that could not be played, with one line on why."""
    is_sentence = isinstance(error, (ValueError, OSError, ImportError))
    why = one_line(error if is_sentence else f"{type(error).__name__}: {error}")[:MAX_WHY]
    return Row(str(score.path), f"{score.name}.{run.kind}", FAILED, why)


# ---- All of them -----------------------------------------------------------------------------------------------------


def render_many(
    model: GANSynth,
    found: Sequence[Score],
    folder: str | os.PathLike,
    run: Run,
    *,
    again: bool = False,
    progress: bool = True,
) -> Iterator[Row]:
    """Play many scores with one model; a row for each as soon as it is done.

    Args:
      model: what to play with.
      found: the scores (`scores.find`).
      folder: where the clips go, each with its report, in the folders that their names have.
      run: how they are played.
      again: make also what is there and would be the same, and replace what is there.
      progress: show a bar over all, with the time that is left.

    Yields:
      A `Row` for each score. What goes wrong with one is in its row.

    Raises:
      Full: the disk is full. The scores before are done.
      KeyboardInterrupt: as it comes; the clip that was being made is not there.

    >>> from helpers import gansynth, many, scores
    >>> model = gansynth.load("demo")
    >>> found = scores.find(["data/midi/study.mid"])
    >>> for row in many.render_many(model, found, "outputs/many", many.Run(seed=1), progress=False):
    ...     print(row.clip, row.notes)
    study.wav 241

    Notebook: 07_songs.
    """
    store = open_store(folder)
    with Bar(found, progress) as bar:
        for score in found:
            try:
                content = scores.content(score)
                row = None if again else kept(model, score, content, store, run)
                if row is None:
                    row = make(model, score, content, store, run, again, bar.within(score))
            except Exception as error:
                if isinstance(error, OSError) and is_full(error):
                    raise Full(error.errno, str(error)) from None
                row = failed(score, error, run)
            bar.done(score, row)
            yield row


class Bar:
    """Progress over all scores, measured in the bytes of their files: they go with the notes, and cost no reading."""

    def __init__(self, found: Sequence[Score], is_shown: bool):
        self._total = sum(score.bytes for score in found)
        self._count, self._done, self._failed = len(found), 0, 0
        self._reached = 0.0  # bytes of the score that is being played
        self._bar = tqdm(
            total=self._total,
            disable=not is_shown,
            smoothing=0,  # the time left is that of the whole run, not of the last song
            bar_format="{l_bar}{bar}| {postfix} [{elapsed}<{remaining}]",
        )
        self._tell()

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def within(self, score: Score) -> Callable[[int, int], None]:
        def tell(done: int, total: int) -> None:
            self._reach(score.bytes * done / max(total, 1))

        return tell

    def done(self, score: Score, row: Row) -> None:
        self._done += 1
        self._failed += row.result == FAILED
        if row.result == KEPT:  # it took no time, and says nothing of how long the others take
            self._total -= score.bytes
            self._bar.total = self._total
        else:
            self._reach(score.bytes)
        self._reached = 0.0
        self._tell()

    def _reach(self, reached: float) -> None:
        self._bar.update(reached - self._reached)
        self._reached = reached

    def _tell(self) -> None:
        lost = f", {self._failed:,} failed" if self._failed else ""
        self._bar.set_postfix_str(f"{self._done:,} of {self._count:,} scores{lost}")


# ---- The table, and what the run was ---------------------------------------------------------------------------------


class Summary:
    """The table of a run as a CSV file: a line for each row as it comes, and in the end whole and sorted.

    A file elsewhere cannot be added to. It is written anew from time to time.

    Attributes:
      path: of the file.
      rows: that have come.
    """

    def __init__(self, folder: str | os.PathLike):
        """`folder` is that of the run."""
        self._store = open_store(folder)
        self.path = f"{self._store.place.rstrip('/')}/{SUMMARY}"
        self.rows: list[Row] = []
        self._write(self.rows)

    def __repr__(self) -> str:
        return f"Summary({self.path}: {self})"

    def __str__(self) -> str:
        """How many were made, kept and failed."""
        counts = {result: sum(row.result == result for row in self.rows) for result in (MADE, KEPT, FAILED)}
        return ", ".join(f"{count:,} {result}" for result, count in counts.items() if count) or "nothing was done"

    def add(self, row: Row) -> None:
        """Write a row at the end of the file."""
        self.rows.append(row)
        if self._store.folder is not None:
            with open(
                self._store.folder / SUMMARY, "a", encoding="utf-8", errors="backslashreplace", newline=""
            ) as file:
                file.write(_csv([dataclasses.astuple(row)]))
        elif time.monotonic() - self._written > WRITE_EVERY:
            self._write(self.rows)

    def finish(self) -> None:
        """Write the file anew, in the order of the clips."""
        self._write(sorted(self.rows, key=lambda row: row.clip))

    def _write(self, rows: Iterable[Row]) -> None:
        text = _csv([COLUMNS, *map(dataclasses.astuple, rows)])
        _write_text(self._store, SUMMARY, text)
        self._written = time.monotonic()


def _write_text(store: Store, name: str, text: str) -> None:
    with store.writing(name) as path, replacing(path) as partial:
        partial.write_bytes(text.encode("utf-8", "backslashreplace"))


def _csv(rows: Iterable[Sequence[Any]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([_cell(value) for value in row] for row in rows)
    return text.getvalue()


def _cell(value: Any) -> Any:
    """A value as a cell that is one line, and that no spreadsheet takes for a formula: names come from outside."""
    if not isinstance(value, str):
        return value
    value = one_line(value)
    return f"'{value}" if value.startswith(FORMULAS) else value


def save_manifest(
    folder: str | os.PathLike, model: GANSynth, run: Run, inputs: Sequence[str], command: Sequence[str]
) -> None:
    """Write what a run was: model, settings, who plays, versions, inputs, and the command that does it again."""
    about = {
        "made_by": f"gansynth-suite {__version__}",
        "command": list(command),
        "inputs": list(inputs),
        "model": {name: getattr(model, name) for name in ("name", "source", "fingerprint", "precision", "backend")},
        "versions": versions(),
        "run": run.described(),
    }
    lines = (f"{json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}" for key, value in about.items())
    _write_text(open_store(folder), MANIFEST, "{\n" + ",\n".join(lines) + "\n}\n")


def versions() -> dict[str, str]:
    """Versions of all that the samples depend on."""
    from importlib import metadata

    found = {"python": platform.python_version()}
    for package in ("numpy", "scipy", "tensorflow", "keras", "onnxruntime", "soundfile", "soxr"):
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[package] = metadata.version(package)
    return found


class _EarlierRun(jsonfile.Row):
    seed: Annotated[jsonfile.Whole, Field(ge=0, le=2**32 - 1)]
    shares: jsonfile.Flag


class _Manifest(jsonfile.Row):
    run: _EarlierRun


def earlier(folder: str | os.PathLike) -> Mapping[str, Any]:
    """The `seed` of the run that left a manifest in a folder, and whether it `shares` notes; nothing without one.

    Raises:
      ValueError: the folder holds a manifest or a table that no such run has written, and that one would replace.
    """
    store = open_store(folder)
    begins = _csv([COLUMNS]).encode().strip()
    with contextlib.suppress(OSError):
        if store.head(SUMMARY, len(begins)) != begins:
            raise _not_ours(store, SUMMARY)
    try:
        text = store.head(MANIFEST, MAX_MANIFEST_BYTES).decode("utf-8")
        return jsonfile.checked(jsonfile.parse(text), _Manifest).run.model_dump()
    except OSError:
        return {}
    except ValueError:
        raise _not_ours(store, MANIFEST) from None


def _not_ours(store: Store, name: str) -> ValueError:
    return ValueError(f"{one_line(store.place)} holds {name} of something else: name another --output_dir")
