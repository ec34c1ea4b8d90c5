"""Render many scores in one run: each gets a clip with its report, and a summary table has a row for each score.

    run = many.Run(seed=1, each_track=True)
    for row in many.render_many(model, scores.find(["songs"]), "outputs/songs", run):
        print(row.score, row.result, row.why)

A clip depends only on its score and the run, not on the other scores or their order. So an interrupted run can be
restarted, and skips the clips that are done. A score that cannot be rendered does not stop the run; its row says why.

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
ABOUT = "many"  # key of a report's line about the run
ENGINES = {TENSORFLOW: "tensorflow", ONNX: "onnxruntime"}  # backend -> the package whose version affects the notes
MAX_HEAD = 1 << 14  # bytes at the beginning of a report within which that line must be
MAX_MANIFEST_BYTES = 64 << 20
MAX_NOTE_BYTES = 6 << 30  # size of the shared notes; all of the demo's instruments at all pitches take 2.1e9
# Number of scores from which sharing notes pays, if each track has a constant instrument. With the demo it saves
# processor time from 20 chorales, 30 mixed scores, or some 65 to 100 songs with little in common (docs/scale.md).
SHARED_FROM = 100
WRITE_EVERY = 30.0  # s; interval at which a summary in remote storage is rewritten
MAX_WHY = 300  # characters
FORMULAS = ("=", "+", "-", "@")  # first characters of a spreadsheet formula


class Full(OSError):
    """The disk is full, so no further score can be written either."""


@dataclasses.dataclass(frozen=True)
class Run:
    """The options shared by all clips of a run.

    Attributes:
      settings: options of the rendering.
      seed: seed of the run; each song's seed is derived from it and the bytes of its score.
      instruments: the instruments; if empty, random ones.
      each_track: use an instrument for each track instead of a timeline.
      secs_per_instrument: time from one random instrument to the next (s).
      kind: file format of the clips: "wav", "flac", "ogg" or "mp3".
      batch_size: notes generated at a time; by default a number that suits the model's hardware.
      stems: folder for stems, a WAV file for each track in a subfolder named after the clip; None: no stems.
      shares: generate notes that occur in several songs only once (`gansynth.SharedNotes`).
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
        names = ", ".join(instrument.name for instrument in self.instruments[:3]) or "random instruments"
        return f"Run(seed {self.seed}, {names}, .{self.kind})"

    def described(self) -> dict[str, Any]:
        """The options as values for JSON."""
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        values["settings"] = dataclasses.asdict(self.settings)
        values["instruments"] = [
            {**dataclasses.asdict(instrument), "z": instrument.z.tolist()} for instrument in self.instruments
        ]
        return values


@dataclasses.dataclass(frozen=True)
class Row:
    """The outcome for one score: a row of the summary table.

    Attributes:
      score: path of the score.
      clip: path of the clip, relative to the folder of the run.
      result: "made", "kept" (already there) or "failed".
      why: the reason for a failure.
      notes: number of notes in the song.
      rendered: number of notes in the clip.
      distinct: number of distinct sounds generated.
      duration: duration of the clip (s).
      seconds: time taken to render it (s).
      loudness: integrated loudness of the clip (LUFS); None if silent.
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
    """A report's line about the run: the key of the clip, and the numbers of its row."""

    key: jsonfile.Text
    notes: Annotated[jsonfile.Whole, Field(ge=0)]
    rendered: Annotated[jsonfile.Whole, Field(ge=0)]
    distinct: Annotated[jsonfile.Whole, Field(ge=0)]
    duration: Annotated[jsonfile.Number, Field(ge=0)]
    seconds: Annotated[jsonfile.Number, Field(ge=0)]
    loudness: jsonfile.Number | None


# ---- What a clip depends on ------------------------------------------------------------------------------------------


def seed_of(seed: int, content: bytes) -> int:
    """The seed of a song, derived from the seed of the run and the bytes of its score, not from the other scores."""
    return int.from_bytes(hashlib.sha256(f"{seed} ".encode() + hashlib.sha256(content).digest()).digest()[:4], "big")


def key_of(model: GANSynth, run: Run, content: bytes) -> str:
    """A hash of everything that determines a clip: model, version, run and score. Equal keys mean equal clips."""
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
    """The instruments of a song, as the `parts` of `render.render`.

    Args:
      model: the model that plays.
      song: the song.
      seed: seed for instruments drawn at random.
      instruments: a timeline of these, with an equal share of the song for each, or with `each_track` one for each
        track in turn. If empty, they are drawn at random.
      each_track: an instrument for each track; if `instruments` is empty, `render.render` assigns them.
      secs_per_instrument: time from one random instrument to the next (s).
      faithful: draw as the original does.

    Returns:
      A timeline, or {track number: instrument}; None leaves the choice to `render.render`.

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
        duration = notes[-1].end if notes else 0.0  # the end of the last note in the list, not the latest end
        return Timeline.original(model, duration, seed, secs_per_instrument)
    return Timeline.random(model, song.duration, seed, secs_per_instrument)


def sharing(model: GANSynth, instruments: Sequence[Instrument] = ()) -> GANSynth:
    """Wrap a model so that notes of its named instruments, and of others, are shared between songs and processes.

    The notes are kept in the folder of `gansynth.NoteCache`.

    Args:
      model: the model, loaded without a cache.
      instruments: further instruments whose notes are shared.
    """
    from .gansynth import NoteCache, SharedNotes, threads

    held = [*named(model).values(), *instruments]
    made_by = f"{versions().get(ENGINES[model.backend])} {threads()} threads"
    return cast(
        "GANSynth", SharedNotes(model, [instrument.z for instrument in held], NoteCache(limit=MAX_NOTE_BYTES), made_by)
    )


def pays(model: GANSynth, instruments: Sequence[Instrument], each_track: bool, count: int) -> bool:
    """Whether `count` scores are likely to be rendered faster if they share notes (`sharing`)."""
    return each_track and bool(instruments or named(model)) and count >= SHARED_FROM


# ---- One score -------------------------------------------------------------------------------------------------------


def kept(model: GANSynth, score: Score, content: bytes, store: Store, run: Run) -> Row | None:
    """The row of a clip from an earlier run if it is the clip that this run would make; otherwise None."""
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
    """The line about the run from the beginning of a report; None if it has none."""
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
    """Render one score of a run and write the clip and its report, each atomically.

    Args:
      model: the model to generate with.
      score: path and name of the score.
      content: bytes of the score.
      store: where to write the clip.
      run: options of the run.
      replace: replace an existing clip of the same name; otherwise that clip is renamed with a number.
      progress: as for `render.render`.

    Raises:
      ValueError: the score cannot be rendered.
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
    if not replace and (same := kept(model, score, content, store, run)):  # another worker has written it meanwhile
        return dataclasses.replace(same, result=MADE)
    name, report_name = f"{score.name}.{run.kind}", f"{score.name}{REPORT}"
    if replace:
        store.remove(name)
    else:
        _make_room(store, name, report_name)
    # The report first, so that an existing clip always belongs to the report next to it.
    with store.writing(report_name) as path:
        report.save(path, {ABOUT: {"key": key_of(model, run, content), **numbers}})
    is_exact = run.settings.faithful and run.kind == "wav"  # 32-bit float, like the original's WAV file
    with store.writing(name) as path:
        audio.write(clip, path, "float" if is_exact else None)
    return Row(str(score.path), name, MADE, **numbers)


def _make_room(store: Store, clip: str, report: str) -> None:
    """Rename an existing clip and its report with a number that is free for both."""
    if not store.exists(clip):
        return  # a report without a clip is left over from a process that was killed
    for free, beside in zip(_others(clip), _others(report), strict=False):
        if not store.exists(free) and not store.exists(beside):
            store.rename(clip, free)
            if store.exists(report):
                store.rename(report, beside)
            return


def _others(name: str) -> Iterator[str]:
    return (path.as_posix() for path in itertools.islice(numbered(Path(name)), 1, None))


def failed(score: Score, error: BaseException, run: Run) -> Row:
    """The row of a score that could not be rendered, with the reason in one line."""
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
    """Render many scores with one model.

    Args:
      model: the model to generate with.
      found: the scores, from `scores.find`.
      folder: where to write the clips and their reports, in the subfolders that the scores' names contain.
      run: options of the run.
      again: also render scores whose clips are done, and replace existing files.
      progress: show a progress bar with the remaining time.

    Yields:
      A `Row` for each score as soon as it is done. A score that fails has the reason in its row.

    Raises:
      Full: the disk is full. All earlier scores are done.
      KeyboardInterrupt: the run was interrupted; nothing is written for the current score.

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
    """Progress over all scores, measured by file size, which grows with the number of notes and needs no parsing."""

    def __init__(self, found: Sequence[Score], is_shown: bool):
        self._total = sum(score.bytes for score in found)
        self._count, self._done, self._failed = len(found), 0, 0
        self._reached = 0.0  # bytes done of the current score
        self._bar = tqdm(
            total=self._total,
            disable=not is_shown,
            smoothing=0,  # estimate the remaining time from the whole run, not the last song
            bar_format="{l_bar}{bar}| {postfix} [{elapsed}<{remaining}]",
        )
        self._tell()

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def within(self, score: Score) -> Callable[[int, int], None]:
        """Progress within the current score; a function for `render.render(progress=)`."""

        def tell(done: int, total: int) -> None:
            self._reach(score.bytes * done / max(total, 1))

        return tell

    def done(self, score: Score, row: Row) -> None:
        """Advance by one score."""
        self._done += 1
        self._failed += row.result == FAILED
        if row.result == KEPT:  # took no time, so it must not affect the estimate
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
        failures = f", {self._failed:,} failed" if self._failed else ""
        self._bar.set_postfix_str(f"{self._done:,} of {self._count:,} scores{failures}")


# ---- The summary table and the manifest ------------------------------------------------------------------------------


class Summary:
    """The summary table of a run as a CSV file: rows are appended as they come, and sorted by clip at the end.

    Files in remote storage cannot be appended to, so there the table is rewritten from time to time.

    Attributes:
      path: path or address of the file.
      rows: the rows so far.
    """

    def __init__(self, folder: str | os.PathLike):
        """
        Args:
          folder: folder of the run.
        """
        self._store = open_store(folder)
        self.path = f"{self._store.place.rstrip('/')}/{SUMMARY}"
        self.rows: list[Row] = []
        self._write(self.rows)

    def __repr__(self) -> str:
        return f"Summary({self.path}: {self})"

    def __str__(self) -> str:
        """The number of scores by result."""
        counts = {result: sum(row.result == result for row in self.rows) for result in (MADE, KEPT, FAILED)}
        return ", ".join(f"{count:,} {result}" for result, count in counts.items() if count) or "nothing was done"

    def add(self, row: Row) -> None:
        """Append a row."""
        self.rows.append(row)
        if self._store.folder is not None:
            with open(
                self._store.folder / SUMMARY, "a", encoding="utf-8", errors="backslashreplace", newline=""
            ) as file:
                file.write(_csv([dataclasses.astuple(row)]))
        elif time.monotonic() - self._written > WRITE_EVERY:
            self._write(self.rows)

    def finish(self) -> None:
        """Write the complete file, sorted by clip."""
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
    """A value as a single-line cell that spreadsheets do not take for a formula; names are not trusted."""
    if not isinstance(value, str):
        return value
    value = one_line(value)
    return f"'{value}" if value.startswith(FORMULAS) else value


def save_manifest(
    folder: str | os.PathLike, model: GANSynth, run: Run, inputs: Sequence[str], command: Sequence[str]
) -> None:
    """Write the manifest of a run: model, options, instruments, versions, inputs, and the command that repeats it."""
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
    """Versions of Python and of the packages that the samples depend on."""
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
    """`seed` and `shares` of the earlier run in a folder, from its manifest; empty if there is none.

    Raises:
      ValueError: the folder has a file with the name of the manifest or the summary that no run has written, and that a
        new run would overwrite.
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
    return ValueError(
        f"{one_line(store.place)} contains a {name} that is not from such a run; choose another --output_dir"
    )
