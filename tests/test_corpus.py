"""Any MIDI file there is: those that other packages are tested with, and five hundred damaged ones.

The tests take a part of them, drawn by a seed; `make fuzz` takes all (GANSYNTH_CORPUS=all).
"""

import contextlib
import dataclasses
import itertools
import math
import os
import re
import signal
import stat
import struct
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest
from inputs import DATA, RATE, Stub, misfits

from helpers import casting, midi, render, timbre
from helpers.gansynth import checkpoint
from helpers.render import planning

try:
    import resource
except ImportError:  # not on Windows
    resource = None

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gansynth-suite" / "corpus"
PIP = (sys.executable, "-m", "pip", "download", "--no-deps", "--no-input", "--quiet", "--disable-pip-version-check")
ARCHIVES = {
    "wheels": ("--only-binary", ":all:", "pretty_midi", "note-seq", "mido", "music21"),
    "sdists": ("--no-binary", "symusic", "symusic"),
}
FETCH_LIMIT = 300.0  # s for each of the two
NO_CORPUS = "pip cannot fetch the MIDI files of other packages"
LARGEST_MEMBER = 16 << 20  # bytes
MOST_MEMBERS = 1000

FILE_LIMIT = 60.0  # s of this process, whatever else the machine does; the longest of the corpus, Mahler's, takes half
MEMORY_LIMIT = 4 << 30  # bytes
MAX_MESSAGE = 400
RELEASE = 0.3  # s after the last note

# How many of the 71 files, and of the damaged ones.
ALL = os.environ.get("GANSYNTH_CORPUS") == "all"
SAMPLE, DAMAGED = (1000, 500) if ALL else (12, 60)
SMALL = 9_000  # bytes; larger ones take longer to render, and their damage is no other


# ---- The corpus ------------------------------------------------------------------------------------------------------


def last_line(log: Path) -> str:
    return log.read_text(errors="replace").strip().rpartition("\n")[2]


def fetch(kind: str) -> Path:
    """The folder with one kind of archives: from the cache, or else whole from the package registry."""
    folder = CACHE / kind
    if folder.is_dir():
        return folder
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE, prefix=".") as temporary:
        partial, log = Path(temporary, kind), Path(temporary, "log")
        command = [*PIP, "-d", str(partial), *ARCHIVES[kind]]
        try:
            with log.open("w") as output:  # no pipe: pip's own children would keep it open beyond the limit
                subprocess.run(command, stdout=output, stderr=output, timeout=FETCH_LIMIT, check=True)
        except subprocess.TimeoutExpired:
            raise ConnectionError(f"{NO_CORPUS}: it is not done after {FETCH_LIMIT:g} s") from None
        except subprocess.CalledProcessError:
            raise ConnectionError(f"{NO_CORPUS}: {last_line(log)}") from None
        try:
            partial.rename(folder)
        except OSError:  # another process may have been first
            if not folder.is_dir():
                raise
    return folder


def is_wanted(name: str, size: int) -> bool:
    return name.lower().endswith((".mid", ".midi")) and size <= LARGEST_MEMBER


def members(archive: Path) -> Iterator[tuple[str, bytes]]:
    """Name and content of each MIDI file in an archive. Nothing is unpacked: names could lead anywhere."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as file:
            for info in file.infolist():
                # Some programs leave the type out. No more is read than the size that the member claims.
                is_file = stat.S_IFMT(info.external_attr >> 16) in (0, stat.S_IFREG)
                if is_file and is_wanted(info.filename, info.file_size):
                    yield info.filename, file.read(info)
    else:
        with tarfile.open(archive) as file:
            for info in file:
                if info.isreg() and is_wanted(info.name, info.size):
                    yield info.name, file.extractfile(info).read()


@pytest.fixture(scope="session")
def fetched():
    """The corpus, name -> content, and why it is empty if it is."""
    try:
        archives = [archive for kind in ARCHIVES for archive in sorted(fetch(kind).iterdir())]
    except ConnectionError as error:
        return {}, str(error)
    found = ((f"{archive.name}: {name}", content) for archive in archives for name, content in members(archive))
    return dict(itertools.islice(found, MOST_MEMBERS)), ""


@pytest.fixture
def corpus(fetched):
    files, why = fetched
    if not files:
        pytest.skip(why)
    return files


# ---- What becomes of a file ------------------------------------------------------------------------------------------


class Late(BaseException):
    """No Exception: those that a damaged file leads to are caught where it is read."""


@contextlib.contextmanager
def limit(name: str, seconds: float = FILE_LIMIT):
    """Fail when the block computes for longer; at once where the platform has an alarm, or else at its end."""

    def ring(*_):
        raise Late

    began = time.process_time()
    if hasattr(signal, "SIGPROF"):
        before = signal.signal(signal.SIGPROF, ring)
        signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    except Late:
        raise AssertionError(f"{name} hangs: it is not done after {seconds:g} s") from None
    finally:
        if hasattr(signal, "SIGPROF"):
            signal.setitimer(signal.ITIMER_PROF, 0)
            signal.signal(signal.SIGPROF, before)
    assert time.process_time() - began <= seconds, f"{name} takes longer than {seconds:g} s"


def expected_length(song) -> int:
    """Samples of a clip with the default settings, by the notes of the file."""
    notes = [note for track in song.tracks if not track.is_drum for note in midi.pedalled(track).notes]
    holds = planning._within(
        np.array([min(note.duration, planning.MAX_NOTE_DURATION) for note in notes]), planning.MAX_TOTAL_DURATION
    )
    ends = [int(note.start * RATE) + int(RATE * hold) for note, hold in zip(notes, holds, strict=True)]
    return max(ends) + int(RATE * RELEASE)


def outcome(path: Path):
    """("rendered", seconds it took, clip) or ("refused", message); anything else that happens is a fault."""
    began, refusal = time.monotonic(), None
    try:
        with limit(path.name):
            song = midi.load(path)
            clip = render.render(Stub(), song, seed=0, progress=False)
    except ValueError as error:
        refusal = error
    if refusal is not None:
        message = str(refusal)
        assert type(refusal) is ValueError, f"{type(refusal).__name__}: {message}"  # and no kind of it
        assert message.strip()
        assert len(message.splitlines()) == 1
        assert len(message) < MAX_MESSAGE
        return "refused", message
    seconds, report = time.monotonic() - began, clip.report
    assert clip.samples.dtype == np.float32
    assert np.isfinite(clip.samples).all()
    assert clip.peak <= 1.0
    assert len(clip.samples) == expected_length(song)
    assert report.rendered + sum(report.skipped.values()) == report.notes
    return "rendered", seconds, clip


def peak_memory() -> int:
    """The most bytes that this process ever held; 0 where that is not known."""
    if resource is None:
        return 0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


@dataclasses.dataclass
class Tally:
    """What became of many files."""

    rendered: int = 0
    notes: int = 0
    longest: tuple[float, str] = (0.0, "none")  # s for one file, and which
    reasons: Counter = dataclasses.field(default_factory=Counter)  # of refusals
    failures: list[str] = dataclasses.field(default_factory=list)

    def __str__(self) -> str:
        refused = sum(self.reasons.values())
        rows = [
            f"{self.rendered} rendered, {self.notes} notes in all; {refused} refused; {len(self.failures)} failed",
            f"longest {self.longest[0]:.1f} s, for {self.longest[1]}; peak memory {peak_memory() / 1e9:.1f} GB",
        ]
        return "\n  ".join(rows + [f"{count} refused: {reason}" for reason, count in self.reasons.most_common()])


def sweep(files: Iterable[tuple[str, bytes]], folder: Path) -> Tally:
    """Try all files, (name, content), which are written to a folder under numbers; those that fail stay there."""
    tally, before = Tally(), peak_memory()  # tests that ran earlier in this process may have held more
    for number, (name, content) in enumerate(files):
        path = folder / f"{number}.mid"
        path.write_bytes(content)
        try:
            kind, *found = outcome(path)
        except Exception as error:
            tally.failures.append(f"{name!r}, {path}: {type(error).__name__}: {error}")
            continue
        path.unlink()
        if kind == "refused":
            # Numbers differ from file to file, the reasons do not.
            tally.reasons[re.sub(r"0x\w+|[\d.]*\d", "…", found[0].replace(str(path), "it"))] += 1
        else:
            seconds, clip = found
            tally.rendered += 1
            tally.notes += clip.report.notes
            tally.longest = max(tally.longest, (seconds, name))
    if peak_memory() > max(before, MEMORY_LIMIT):
        tally.failures.append(f"this took {peak_memory() / 1e9:.1f} GB of memory")
    return tally


def never_done():
    while True:
        with contextlib.suppress(Exception):
            sum(range(100_000))


@pytest.mark.skipif(not hasattr(signal, "SIGPROF"), reason="there is no alarm on this platform")
def test_the_limit_ends_what_swallows_exceptions():
    with pytest.raises(AssertionError, match=r"endless\.mid hangs"), limit("endless.mid", 0.05):
        never_done()


@pytest.mark.slow
@pytest.mark.network
def test_files_of_other_packages_render_or_say_why(corpus, tmp_path, capsys):
    assert len(corpus) >= 60  # 71 when this was written
    names = [sorted(corpus)[i] for i in np.random.RandomState(0).permutation(len(corpus))[:SAMPLE]]
    tally = sweep([(name, corpus[name]) for name in names], tmp_path)
    with capsys.disabled():
        print(f"\n{len(names)} of {len(corpus)} files of the corpus: {tally}")
    assert not tally.failures, "\n".join(tally.failures)
    assert tally.rendered >= 0.9 * len(names)


# ---- Damage ----------------------------------------------------------------------------------------------------------


def piece(data: bytes, rng) -> slice:
    """Any part of a file, short ones as often as long ones."""
    start = rng.randint(len(data))
    return slice(start, start + int(2 ** rng.uniform(0, math.log2(len(data)))))


def with_bytes_set(data: bytes, places, rng) -> bytes:
    changed = bytearray(data)
    for place in places:
        changed[place] = rng.randint(256)
    return bytes(changed)


def flip(data: bytes, rng) -> bytes:
    return with_bytes_set(data, rng.randint(len(data), size=rng.randint(1, 21)), rng)


def set_header(data: bytes, rng) -> bytes:
    """Format, number of tracks, ticks a beat, and how long header and first track claim to be."""
    return with_bytes_set(data, rng.randint(4, 22, size=rng.randint(1, 4)), rng)


def delete(data: bytes, rng) -> bytes:
    cut = piece(data, rng)
    return data[: cut.start] + data[cut.stop :]


def insert(data: bytes, rng) -> bytes:
    cut = piece(data, rng)
    return data[: cut.start] + rng.bytes(cut.stop - cut.start) + data[cut.start :]


def truncate(data: bytes, rng) -> bytes:
    return data[: rng.randint(len(data))]


def duplicate(data: bytes, rng) -> bytes:
    cut = piece(data, rng)
    return data[: cut.stop] + data[cut] + data[cut.stop :]


def swap(data: bytes, rng) -> bytes:
    a, b, c, d = sorted(rng.randint(len(data) + 1, size=4))
    return data[:a] + data[c:d] + data[b:c] + data[a:b] + data[d:]


DAMAGES = (flip, set_header, delete, insert, truncate, duplicate, swap)


def mended(data: bytes) -> bytes:
    """With the length of each track put right: most readers stop at a wrong one and never come to the damage."""
    head, *tracks = data.split(b"MTrk")
    return head + b"".join(b"MTrk" + struct.pack(">L", max(len(t) - 4, 0)) + t[4:] for t in tracks)


def damaged(bases: list[bytes], seed: int) -> tuple[str, bytes]:
    """One of the files with one kind of damage, and what to call it; in half of them the tracks fit their lengths."""
    rng = np.random.RandomState(seed)
    base, damage = rng.randint(len(bases)), DAMAGES[rng.randint(len(DAMAGES))]
    data, name = damage(bases[base], rng), f"seed {seed}, {damage.__name__} on base {base}"
    return (f"{name}, mended", mended(data)) if rng.randint(2) else (name, data)


@pytest.mark.slow
def test_damaged_files_render_or_say_why(fetched, tmp_path, capsys):
    own = [(DATA / "midi" / f"{name}.mid").read_bytes() for name in ("small", "melody14", "bench300")]
    others = [content for _, content in sorted(fetched[0].items()) if len(content) < SMALL]
    bases = list(dict.fromkeys(own + others))  # without the copies that some packages hold
    tally = sweep((damaged(bases, seed) for seed in range(DAMAGED)), tmp_path)
    with capsys.disabled():
        print(f"\n{DAMAGED} damaged files from {len(bases)}: {tally}")
    assert not tally.failures, "\n".join(tally.failures)
    assert tally.rendered >= 0.1 * DAMAGED  # else the damage says nothing about rendering,
    assert sum(tally.reasons.values()) >= 0.1 * DAMAGED  # or nothing about refusing


# ---- Who plays it, by a style ----------------------------------------------------------------------------------------

# Songs of several tracks, with the track that has the tune, where the file says so.
SONGS = {
    "Aicha.mid": "Chant",
    "All The Small Things.mid": "Vocals",
    "Funkytown.mid": "Vocal",
    "Girls Just Want to Have Fun.mid": "Melody",
    "I Gotta Feeling.mid": "",
    "In Too Deep.mid": "",
    "Les Yeux Revolvers.mid": "",
    "Mr. Blue Sky.mid": "Melody",
    "Shut Up.mid": "",
    "What a Fool Believes.mid": "Lead Voca",
    "RunTimeError_unexpected_EOF.mid": "Melody",
    "ValueError_Control168.mid": "melody",
    "k525MIDIMvt1.mid": "Viola",  # the first violin
    "mahler.mid": "",
}


def songs(corpus):
    contents = {name.rpartition("/")[2]: content for name, content in corpus.items()}
    return {name: midi.parse(contents[name], name) for name in SONGS}


@pytest.mark.slow
def test_every_track_of_songs_has_somebody_of_the_right_family(corpus):
    demo = Stub()
    demo.about = checkpoint.read(DATA.parents[1] / "data" / "checkpoints" / "demo").about
    for name, song in songs(corpus).items():
        for style in ("tango", "rock", "bigband"):
            for keep in (True, False):
                assert misfits(timbre.cast(song, demo, style, keep=keep), demo, keep) == [], (name, style, keep)


@pytest.mark.slow
def test_the_tune_is_found_in_most_songs(corpus):
    """The rule was chosen on these, so it may do worse on others."""
    right = {}
    for name, song in songs(corpus).items():
        if tune := SONGS[name]:
            melody = next(n for n, role in timbre.roles_of(song).items() if role.name == "melody")
            right[name] = song.tracks[melody - 1].name == tune
    assert len(right) == 9
    assert sum(right.values()) >= 8, right


@pytest.mark.slow
def test_what_plays_on_a_bass_is_a_bass(corpus):
    found = [
        timbre.roles_of(song)[number].name
        for song in songs(corpus).values()
        for number, track in enumerate(song.tracks, start=1)
        if casting.FAMILIES[track.program] == "bass" and len(track.notes) > 100 and not track.is_drum
    ]
    assert len(found) >= 10
    assert found.count("bass") == len(found), found
