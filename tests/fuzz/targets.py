"""What reads files from outside, and how a file is made that it has never seen.

A reader may take a file, or refuse it with a ValueError of one short line. Everything else is a finding.
"""

from __future__ import annotations

import copy
import functools
import io
import json
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st
from inputs import DATA, Stub

from helpers import instruments, midi, render
from helpers.evaluation import listening_result
from helpers.gansynth import checkpoint
from helpers.gansynth.config import Config
from helpers.midi import Note, Song, Track

FOUND = Path(__file__).parent / "found"  # inputs that were findings once: target/name
MOST_EDITS = 8
MAX_MESSAGE = 600  # characters, without the path
ODD_BYTES = (
    b"\0",
    b"\xff",
    b"\x7f\xff\xff\xff",
    b"\xff" * 8,
    b"\0" * 8,
    b"[" * 300,
    b"1e999",
    b"-1",
    b"NaN",
    b'"',
    b"\\u",
)
ODD_VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**31, 2**63, 10**300, -(10**300), 0.5, 1e-320, 1e300, float("nan"), float("inf"), "",
    "x", "\0", "\ud800", "\x1b[31m", "x" * 30_000, [], [[]], [None], {}, {"a": 1}, [0.5] * 3000,
)  # fmt: skip


class Target(NamedTuple):
    """A reader, and files that it can read."""

    read: Callable[[Path], Any]
    name: str  # of the file
    seeds: Callable[[], list[bytes]]
    is_json: bool = False


def check(target: Target, content: bytes) -> None:
    """Let a reader read; AssertionError if it does anything but take the file or refuse it in a short line."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / target.name
        path.write_bytes(content)
        try:
            target.read(path)
            refused = None
        except ValueError as error:
            refused = error
    if refused is not None:
        message = str(refused).replace(folder, "")
        assert type(refused) is ValueError, f"{type(refused).__name__}: {message[:200]}"
        assert message, "it says nothing"
        assert "\n" not in message, message[:200]
        assert len(message) <= MAX_MESSAGE, message[:200]


def inputs(target: Target) -> st.SearchStrategy[bytes]:
    """Files that were whole once."""
    seeds = target.seeds()
    which = st.integers(0, len(seeds) - 1)
    edits = st.lists(_EDIT, min_size=1, max_size=MOST_EDITS)
    edited = st.tuples(which, edits).map(lambda drawn: _edited(seeds[drawn[0]], drawn[1]))
    if not target.is_json:
        return edited
    changes = st.lists(
        st.tuples(st.lists(st.integers(0, 400), max_size=8), st.integers(0, len(ODD_VALUES) - 1)),
        min_size=1,
        max_size=3,
    )
    return edited | st.tuples(which, changes).map(lambda drawn: _changed(seeds[drawn[0]], drawn[1]))


_EDIT = st.tuples(
    st.sampled_from(["set", "insert", "delete", "repeat", "cut", "number"]),
    st.floats(0, 1),  # where
    st.integers(1, 64),  # how much
    st.binary(min_size=1, max_size=8) | st.sampled_from(ODD_BYTES),
)


def _edited(content: bytes, edits: list[tuple[str, float, int, bytes]]) -> bytes:
    for kind, where, count, new in edits:
        at = int(where * len(content))
        if kind == "set":
            content = content[:at] + new + content[at + len(new) :]
        elif kind == "insert":
            content = content[:at] + new + content[at:]
        elif kind == "delete":
            content = content[:at] + content[at + count :]
        elif kind == "repeat":
            content = content[:at] + content[at : at + count] * 3 + content[at + count :]
        elif kind == "cut":
            content = content[:at]
        elif kind == "number" and at < len(content):
            content = content[:at] + bytes([(content[at] + count) % 256]) + content[at + 1 :]
    return content


def _changed(content: bytes, changes: list[tuple[list[int], int]]) -> bytes:
    """JSON with odd values in some places; a place is where a walk from the top by these numbers ends."""
    values = json.loads(content)
    for walk, number in changes:
        inside, key, last = values, None, None
        for step in walk:
            if not isinstance(inside, (list, dict)) or not inside:
                break
            key = step % len(inside) if isinstance(inside, list) else sorted(inside)[step % len(inside)]
            last, inside = inside, inside[key]
        if last is None:
            continue
        last[key] = copy.deepcopy(ODD_VALUES[number])
    return json.dumps(values).encode()


# ---- The readers -----------------------------------------------------------------------------------------------------


def _read_song(path: Path) -> None:
    song = midi.load(path)
    assert np.isfinite(song.duration)
    assert all(0 <= note.start <= note.end for note in song.notes)


def _read_model(path: Path) -> None:
    model = checkpoint.read(path)
    assert all(np.isfinite(array).all() for array in model.weights.values())
    instruments.named(_named(model.about))


class _named:
    name, fingerprint = "model", ""

    def __init__(self, about):
        self.about = about


def _read_index(path: Path) -> None:
    """A published folder whose index is this file."""
    _beside(path, _published("stage_00005/model.ckpt-4400000.data-00000-of-00001"))


def _read_experiment(path: Path) -> None:
    _beside(path, None)


def _beside(path: Path, data: bytes | None) -> None:
    source, folder = DATA / "checkpoints" / "tiny_stage05_blend", path.parent / "model"
    (folder / "stage_00005").mkdir(parents=True)
    for file in source.rglob("*"):
        if file.is_file() and file.suffix != path.suffix:
            (folder / file.relative_to(source)).write_bytes(file.read_bytes())
    inside = folder / "experiment.json" if data is None else folder / "stage_00005" / "model.ckpt-4400000.index"
    inside.write_bytes(path.read_bytes())
    _read_model(folder)


def _published(name: str) -> bytes:
    return (DATA / "checkpoints" / "tiny_stage05_blend" / name).read_bytes()


def _reproduce(path: Path) -> None:
    clip = render.reproduce(path, Stub(), progress=False)
    assert np.isfinite(clip.samples).all()


def _read_answers(path: Path) -> None:
    """The answers to a listening test, or the key to them, whichever the file is."""
    key, answers = path.with_suffix(".json"), path.with_suffix(".csv")
    for file, content in ((key, _key()[0]), (answers, _answers()[0])):
        if file != path:
            file.write_bytes(content)
    str(listening_result(answers, key=key))


# ---- The seeds -------------------------------------------------------------------------------------------------------


def _songs() -> list[bytes]:
    files = [*sorted((DATA / "midi").glob("*.mid")), DATA.parents[1] / "data" / "midi" / "study.mid"]
    return [file.read_bytes() for file in files if file.stat().st_size < 20_000]


@functools.cache
def _small() -> checkpoint.Checkpoint:
    size = {"num_resolutions": 2, "start_height": 2, "start_width": 4, "audio_length": 20, "train_progressive": False}
    config = Config(**size, latent_vector_size=2, fmap_base=4, fmap_max=2)
    shapes = checkpoint.weight_shapes(config, 2, 1.0)
    weights = {name: np.full(shape, 0.5, np.float32) for name, shape in shapes.items()}
    named = [{"name": "Flute", "z": [0.5, 1.0], "program": 73, "family": "flute"}]
    return checkpoint.Checkpoint(config, weights, 2, 9, {"instruments": named})


def _compact() -> list[bytes]:
    with tempfile.TemporaryDirectory() as folder:
        whole = checkpoint.write(_small(), Path(folder) / "a.npz").read_bytes()
        plain = io.BytesIO()
        with zipfile.ZipFile(io.BytesIO(whole)) as source, zipfile.ZipFile(plain, "w") as archive:
            for info in source.infolist():  # not compressed, so that edits reach what is inside
                archive.writestr(info.filename, source.read(info))
        return [whole, plain.getvalue()]


def _zips() -> list[bytes]:
    source, out = DATA / "checkpoints" / "tiny_stage05_blend", io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(p for p in source.rglob("*") if p.is_file()):
            archive.write(file, f"tiny/{file.relative_to(source).as_posix()}")
    return [out.getvalue()]


def _instruments() -> list[bytes]:
    rows = [instruments.Instrument(f"i{k}", np.full(3, k + 0.5), "stub", "", k) for k in range(2)]
    with tempfile.TemporaryDirectory() as folder:
        return [instruments.save(rows, Path(folder) / "a.json").read_bytes()]


@functools.cache
def _reports() -> list[bytes]:
    controls = {"bend": ((0.0, 0.0), (0.1, 2.0)), "pan": ((0.0, 0.5),), "volume": ((0.0, 1.0),)}
    lead = Track("Lead", 73, False, (Note(60, 90, 0, 0.2), Note(64, 60, 0.1, 0.3)), controls)
    song = Song("song", (lead, Track("Drums", 0, True, (Note(38, 90, 0, 0.1),))), unclosed=1)
    players = [instruments.Instrument(f"i{k}", np.full(4, k + 0.5), "stub", "") for k in range(2)]
    clip = render.render(Stub(), song, instruments.Timeline(players, [0, 1]), progress=False)
    return [clip.report.to_json().encode()]


def _key() -> list[bytes]:
    questions = [{"question": 1, "item": "1", "a": "x", "b": "y"}, {"question": 2, "item": "2", "a": "y", "b": "x"}]
    return [json.dumps({"test": "0" * 16, "systems": ["x", "y"], "questions": questions}).encode()]


def _answers() -> list[bytes]:
    rows = [f'{"0" * 16},{listener:016x},"\'=A, B",{i},{1 + i}' for listener in (1, 2) for i in (1, 2)]
    return ["\r\n".join(["test,session,listener,question,answer", *rows, ""]).encode()]


TARGETS = {
    "midi": Target(_read_song, "a.mid", _songs),
    "compact": Target(_read_model, "a.npz", _compact),
    "zip": Target(_read_model, "a.zip", _zips),
    "index": Target(_read_index, "a.index", lambda: [_published("stage_00005/model.ckpt-4400000.index")]),
    "experiment": Target(_read_experiment, "a.json", lambda: [_published("experiment.json")], True),
    "instruments": Target(instruments.load, "a.json", _instruments, True),
    "reproduce": Target(_reproduce, "a.json", _reports, True),
    "answers": Target(_read_answers, "a.csv", _answers),
    "key": Target(_read_answers, "a.json", _key, True),
}
