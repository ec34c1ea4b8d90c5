"""Pads for Open NSynth Super: four corners of sound, and all that lies between them, on a touch pad.

    export.nsynth_super(model, [bank["Cello"], bank["Flute"], bank["Trumpet"], bank["Harp"]], "outputs/pads")

The device computes nothing: each place of its pad is a cell of a file, with a note for each of some pitches, and the
four instruments that are chosen at its corners make the file's name. What goes where is in docs/nsynth_super.md.

Source: the app's own code (googlecreativelab/open-nsynth-super, 2019). Notebook: 10_take_home.
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import itertools
import json
import os
import shutil
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from tqdm.auto import tqdm

from .. import files
from ..audio import SILENCE
from ..errors import in_one_line
from ..gansynth.config import MAX_PITCH, MIN_PITCH
from ..instruments import Instrument, blend_square, check_model
from ..midi import note_hertz
from ..tables import counted
from .naming import stem
from .sampling import check_loaded
from .tuning import MAX_CENTS, measured_cents, retuned

if TYPE_CHECKING:
    from ..gansynth import GANSynth

# The device's own. It transposes the nearest of the pitches, and needs no more of them.
PITCHES = tuple(range(24, 85, 4))
LENGTH, SAMPLE_RATE = 60_000, 16_000  # of a row, the note of one cell at one pitch
MAX_RESOLUTION = 11  # places of the touch pad, each way: with 9 cells, two of them sound like their neighbours
SETTINGS = "settings.json"
PAD = ".bin"
ON_DEVICE = "/home/pi/pads"  # where its app looks for the files
MAX_BYTES = 64_000_000_000  # of all pads: 256, all that four instruments a corner can make, are 59 GB

# Its dials go back from the first instrument to the last only where their number is a power of two.
DIAL = (1, 2, 4)
MAX_NAME, MAX_DISPLAY = 24, 8  # characters of a name in the file's name, and of one on the display

AT_ONCE = 2  # batches of notes: one leaves a sixth of two cores idle

# Nothing limits the sum of what sounds: four notes at -12 dBFS reach full scale. In whole numbers, so that the peaks
# are not below or above for having been rounded.
FULL = 32767
LOUDEST, QUIETEST = int(FULL * 10 ** (-12 / 20)), int(FULL * 10 ** (-30 / 20)) + 1
FADE = 8  # samples at either end of a row

# A key that is held plays to and fro between two turns. At each, CROSSFADE samples of output are faded, by amplitudes
# near the square root, from the way there into the way back, which begins CROSSFADE samples further on. The app adds up
# its position in 32 bits, which from sample 32,768 on makes a note up to 10 cents wrong; so the loop ends before.
LOOP_START, LOOP_END = 0.15, 0.54  # of LENGTH
CROSSFADE = 4000
OUTPUT_RATE = 48_000
# A note that has fallen by FALL from one turn to the other swells on the way back. Where this share of all notes does,
# none loops.
FALL, DYING = 6.0, 0.5  # dB, share

# How the partials are turned around a turn (`_with_turns`), in samples.
COMPARED = 4096  # of the Fourier transforms by which the two ways are compared
STEADY, ARRIVING = 2600, 6000  # to either side of the middle: turned as far as needed, and less and less
SEGMENT = 18_000
HOLE = -2.0  # dB
WINDOWS = 3  # of a crossfade, whose levels are measured: the shortest that hold a period of the lowest notes


class Turn(NamedTuple):
    """Where a held note turns: samples of a row, the last of the way there and the first of the way back."""

    last: int
    first: int


_start, _end = round(LOOP_START * LENGTH), round(LOOP_END * LENGTH)
LOWER, UPPER = Turn(_start + CROSSFADE, _start), Turn(_end - CROSSFADE, _end - 1)


@dataclasses.dataclass(frozen=True, repr=False)
class Pads:
    """What `nsynth_super` has written.

    Attributes:
      folder: where.
      files: the pads, then settings.json.
      size: bytes of all pads.
      resolution: cells each way.
      pitches: MIDI numbers.
      looping: whether a held note goes on.
      dying: share of the notes that die away, by which that is decided.
      loop_start, loop_end: shares of a row.
      gain: dB, the same for all notes but those that were lifted.
      quietest, loudest: dBFS, peaks of notes.
      lifted: how many notes were louder by more than the gain, to reach -30 dBFS.
      silent: how many have no sound, because the model gave none.
      turns: dB, the deepest hole and the highest bump where held notes turn; none without loops.
    """

    folder: Path
    files: tuple[Path, ...]
    size: int
    resolution: int
    pitches: tuple[int, ...]
    looping: bool
    dying: float
    loop_start: float
    loop_end: float
    gain: float
    quietest: float
    loudest: float
    lifted: int
    silent: int
    turns: tuple[float, float] | None

    def __repr__(self) -> str:
        loop = "not looped"
        if self.turns is not None:
            loop = f"looped from {self.loop_start:g} to {self.loop_end:g}, turns of {self.turns[0]:.1f} to "
            loop += f"{self.turns[1]:+.1f} dB"
        parts = [
            f"{counted(len(self.files) - 1, 'pad')} of {self.resolution} x {self.resolution} cells with "
            f"{counted(len(self.pitches), 'note')}",
            f"{self.size / 1e6:.0f} MB",
            f"peaks from {self.quietest:.1f} to {self.loudest:.1f} dBFS",
            f"{loop} ({self.dying:.0%} of the notes die away)",
        ]
        parts += [f"{counted(self.lifted, 'note')} lifted"] if self.lifted else []
        parts += [f"{counted(self.silent, 'note')} silent"] if self.silent else []
        return f"Pads({', '.join(parts)})"


@in_one_line
def nsynth_super(
    model: GANSynth,
    corners: Sequence[Instrument | Sequence[Instrument]],
    folder: str | os.PathLike,
    pitches: Sequence[int] = PITCHES,
    resolution: int = MAX_RESOLUTION,
    looping: bool | None = None,
    progress: bool = True,
    stop: Callable[[], bool] | None = None,
) -> Pads:
    """Write pads for Open NSynth Super, and the settings.json that its app finds them by.

    Every note is brought in tune. One gain for all brings the loudest to -12 dBFS, so that how loud a sound is remains
    its own; only notes that would be below -30 dBFS are lifted to that. Where notes are looped, their partials are
    turned by up to 45 degrees around the two turns, so that the way back neither cancels nor doubles the way there.
    Nothing is written unless all is.

    Args:
      model: plays them.
      corners: top left, top right, bottom left, bottom right: an instrument each, or 1, 2 or 4 of them to choose from
        with the corner's dial. There is a pad for every choice.
      folder: where the files go. Pads of these names are replaced, with their settings.json.
      pitches: MIDI numbers from 24 to 84, rising; the device transposes the nearest.
      resolution: cells each way, from 2 to 11. 11 is one for each place of the touch pad; pads of the original pipeline
        have 9. All pads on a device must have the same.
      looping: whether a held note goes on after its 3.75 s; by default, unless half of the notes die away.
      progress: show a bar.
      stop: called after each batch of notes; when it returns True, nothing is written.

    Returns:
      What was written, and how it was measured.

    Raises:
      ValueError: a value is out of range, or an instrument belongs to another model.
      FileExistsError: the folder holds other pads, or a settings.json that is not of these.
      InterruptedError: `stop` has returned True.
      OSError: there is not enough room, or the files cannot be written.

    Notebook: 10_take_home.

    >>> from helpers import export, gansynth, instruments
    >>> model = gansynth.load("demo")
    >>> bank = instruments.bank(model)
    >>> corners = [bank["Cello"], bank["Flute"], bank["Trumpet"], bank["Clarinet"]]
    >>> pads = export.nsynth_super(model, corners, "pads", pitches=[60], resolution=2)
    >>> [path.name for path in pads.files]
    ['cello_flute_trumpet_clarinet.bin', 'settings.json']
    """
    if looping not in (None, True, False):
        raise ValueError(f"looping is {looping!r}; it is True, False or None, and the loop is always the same")
    dials, folder = _dials(model, corners), files.as_path(folder)
    pitches = _checked(pitches, resolution)
    named = _named(dials)
    choices = list(itertools.product(*dials))
    rows = resolution**2 * len(pitches)
    size = len(choices) * rows * LENGTH * 2
    names = [f"{'_'.join(named[_key(one)].name for one in four)}{PAD}" for four in choices]
    files.check_no_others(folder, [*names, SETTINGS], [PAD], own=all((folder / name).is_file() for name in names))
    _check_room(folder, size, len(choices))
    with files.filling(folder, last=SETTINGS) as partial:
        paths = [partial / name for name in names]
        measured = []
        with tqdm(total=len(choices) * rows, desc="pads", unit="note", disable=not progress) as bar:
            for path, four in zip(paths, choices, strict=True):
                z = np.repeat(_cells(four, resolution), len(pitches), axis=0)
                measured.append(_sound(model, z, np.tile(pitches, resolution**2), path, bar, stop, folder))
        dying = float(np.mean([pad.falls > FALL for pad in measured]))
        loops = dying < DYING if looping is None else bool(looping)
        peaks = np.array([pad.turned if loops else pad.peaks for pad in measured])
        levels = _levels(peaks)
        turns = []
        for path, pad in zip(tqdm(paths, desc="level", unit="pad", disable=not progress), levels, strict=True):
            turns.append(_finish(path, pad, pitches, loops))
            _check_going(stop, folder)
        settings = _settings([[named[_key(one)] for one in dial] for dial in dials], pitches, resolution, loops)
        (partial / SETTINGS).write_text(json.dumps(settings, indent=4) + "\n", "utf-8")
    sounding, made = peaks[peaks > 0], levels[peaks > 0]
    common = LOUDEST / sounding.max(initial=SILENCE)
    return Pads(
        folder=folder,
        files=(*(folder / path.name for path in paths), folder / SETTINGS),
        size=size,
        resolution=int(resolution),
        pitches=pitches,
        looping=loops,
        dying=dying,
        loop_start=LOOP_START,
        loop_end=LOOP_END,
        gain=_decibels(common / FULL),
        quietest=_decibels(made.min(initial=FULL) / FULL),
        loudest=_decibels(made.max(initial=0) / FULL),
        lifted=int((made > np.rint(common * sounding)).sum()),
        silent=int((peaks == 0).sum()),
        turns=(min(low for low, _ in turns), max(high for _, high in turns)) if loops else None,
    )


# ---- What is asked for -----------------------------------------------------------------------------------------------


def _dials(model: GANSynth, corners: Sequence[Instrument | Sequence[Instrument]]) -> list[list[Instrument]]:
    """The instruments of each corner's dial."""
    check_loaded(model)
    if isinstance(corners, str) or not isinstance(corners, Sequence):
        raise ValueError(f"corners is {corners!r:.100}; it must be a list of four, as in bank[:4]")
    if len(corners) != 4:
        raise ValueError(f"a pad has four corners, not {len(corners)}")
    dials: list[list[Any]] = [list(corner) if isinstance(corner, (list, tuple)) else [corner] for corner in corners]
    for dial, corner in zip(dials, corners, strict=True):
        if not all(isinstance(one, Instrument) for one in dial):
            raise ValueError(f"a corner is {corner!r}; it must be an instrument or a list of instruments")
        if len(dial) not in DIAL:
            raise ValueError(f"a corner has {len(dial)} instruments; the dial works with 1, 2 or 4")
        if len({_key(one) for one in dial}) < len(dial):
            raise ValueError(f"an instrument is twice in one corner: {', '.join(one.name for one in dial)}")
        for one in dial:
            check_model(one, model)
    return dials


def _checked(pitches: Sequence[int], resolution: int) -> tuple[int, ...]:
    if not (isinstance(resolution, (int, np.integer)) and 2 <= resolution <= MAX_RESOLUTION):
        raise ValueError(f"resolution is {resolution!r}; it must be a whole number from 2 to {MAX_RESOLUTION}")
    numbers = np.asarray(pitches)
    whole = numbers.ndim == 1 and numbers.size > 0 and np.issubdtype(numbers.dtype, np.integer)
    if not whole or numbers[0] < MIN_PITCH or numbers[-1] > MAX_PITCH or (np.diff(numbers) <= 0).any():
        raise ValueError(f"pitches must be whole numbers that rise, from {MIN_PITCH} to {MAX_PITCH}")
    return tuple(numbers.tolist())


def _check_room(folder: Path, size: int, count: int) -> None:
    """Check that so many bytes may be written, and fit onto the disk."""
    what = f"{counted(count, 'pad')} of {size / count / 1e6:.0f} MB"
    if size > MAX_BYTES:
        raise ValueError(
            f"{what} are more than {MAX_BYTES / 1e9:.0f} GB; take fewer pitches, cells or instruments a corner"
        )
    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    free = shutil.disk_usage(there).free
    if size > free:
        raise OSError(f"{what} take {size / 1e9:.2f} GB, and the disk of {there} has {free / 1e9:.2f} GB free")


# ---- Names -----------------------------------------------------------------------------------------------------------


class _Name(NamedTuple):
    """What an instrument is called: in file names, on the display, and in its corner."""

    name: str
    display: str
    abbr: str


def _key(one: Instrument) -> tuple[str, bytes]:
    """What makes two instruments the same one, in one corner or in two."""
    return one.name, one.z.tobytes()


def _named(dials: list[list[Instrument]]) -> dict[tuple[str, bytes], _Name]:
    """A name for each instrument, by its key. Whatever they are called, no two have the same."""
    named: dict[tuple[str, bytes], _Name] = {}
    taken: set[str] = set()
    for one in itertools.chain(*dials):
        if _key(one) in named:
            continue
        words = stem(one.name).lower().strip("-").split("-")
        name = _free("".join(words)[:MAX_NAME], MAX_NAME, taken)
        display = _free(_shortened(words), MAX_DISPLAY, taken)
        initials = "".join(word[0] for word in words[:2]) if len(words) > 1 else words[0][:2]
        abbr = _free(f"{initials:2s}".replace(" ", "1").upper(), 2, taken)
        named[_key(one)] = _Name(name, display, abbr)
    return named


def _shortened(words: Sequence[str]) -> str:
    """Some words in capitals and few characters: of many, the first and the last."""
    whole = " ".join(words).upper()
    if len(whole) <= MAX_DISPLAY or len(words) == 1:
        return whole[:MAX_DISPLAY]
    last = words[-1][: MAX_DISPLAY // 2]
    return f"{words[0][: MAX_DISPLAY - 1 - len(last)]} {last}".upper()


def _free(name: str, length: int, taken: set[str]) -> str:
    """A name, or if it is taken, one of the same length at most with a number at its end; then that is taken too."""
    numbers = map(str, itertools.count(2))
    candidates = itertools.chain([name], (name[: length - len(number)] + number for number in numbers))
    found = next(candidate for candidate in candidates if candidate not in taken)
    taken.add(found)
    return found


def _settings(dials: list[list[_Name]], pitches: Sequence[int], resolution: int, looping: bool) -> dict:
    """What the app reads. Of what is not written it has defaults, some of which nobody would expect: MIDI channel 7."""
    return {
        "nsynth": {
            "dataDirectory": ON_DEVICE,
            "resolution": int(resolution),
            "pitches": list(pitches),
            "length": LENGTH,
            "sampleRate": SAMPLE_RATE,
            "looping": looping,
            "loopStart": LOOP_START,
            "loopEnd": LOOP_END,
        },
        "corners": [{"instruments": [name._asdict() for name in dial]} for dial in dials],
        "audio": {"sampleRate": OUTPUT_RATE, "bufferSize": 128},
        "midi": {"device": "/dev/ttyAMA0", "channel": 1},
        "osc": {"in": {"port": 8000}},
    }


# ---- Sound -----------------------------------------------------------------------------------------------------------


class _Measured(NamedTuple):
    """Of each row of a pad: its peak, 0 if it is silent, as it is and `_with_turns`, and how many dB it falls by."""

    peaks: np.ndarray
    turned: np.ndarray
    falls: np.ndarray


def _cells(corners: Sequence[Instrument], resolution: int) -> np.ndarray:
    """The latents of all cells, row by row from the top: [resolution ** 2, size]."""
    places = np.linspace(0.0, 1.0, resolution).tolist()
    return np.stack([blend_square(corners, x, y).z for y in places for x in places])


def _sound(
    model: GANSynth,
    z: np.ndarray,
    pitches: np.ndarray,
    path: Path,
    bar: tqdm,
    stop: Callable[[], bool] | None,
    folder: Path,
) -> _Measured:
    """Write all notes of a pad, each at full scale, because what gain they get is known only when all are there."""
    peaks, turned, falls = np.zeros((3, len(z)))
    # A note that is brought up to its pitch becomes shorter.
    duration = min(LENGTH / SAMPLE_RATE * 2 ** (MAX_CENTS / 1200), model.max_duration)
    size = model.batch_size
    firsts = range(0, len(z), size)

    def make(first: int) -> np.ndarray:
        part = slice(first, first + size)
        return model.generate(z[part], pitches[part], duration, progress=False)

    with open(path, "wb") as file, contextlib.closing(_ahead(make, firsts)) as batches:
        for first, batch in zip(firsts, batches, strict=True):
            for row, wave in enumerate(batch, first):
                note = _in_tune(wave, int(pitches[row]), model.sample_rate)
                peak = float(np.abs(note).max())
                if peak >= SILENCE:
                    peaks[row], falls[row] = peak, _fall(note)
                note = np.rint(note * (FULL / peak if peak >= SILENCE else 0.0))
                turned[row] = np.abs(_with_turns(note, int(pitches[row]))).max() / FULL * peaks[row]
                file.write(note.astype("<i2").tobytes())
                bar.update()
            _check_going(stop, folder)
    return _Measured(peaks, turned, falls)


def _ahead(make: Callable[[int], np.ndarray], numbers: Sequence[int]) -> Generator[np.ndarray, None, None]:
    """`make` of each number in turn, `AT_ONCE` at a time, while the one before is dealt with."""
    yield make(numbers[0])  # alone: the first one compiles the network for all
    coming: collections.deque[Future[np.ndarray]] = collections.deque()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        try:
            for number in numbers[1:]:
                coming.append(pool.submit(make, number))
                if len(coming) > AT_ONCE:
                    yield coming.popleft().result()
            while coming:
                yield coming.popleft().result()
        finally:
            for future in coming:
                future.cancel()


def _check_going(stop: Callable[[], bool] | None, folder: Path) -> None:
    if stop is not None and stop():
        raise InterruptedError(f"stopped, and nothing was written to {folder}")


def _in_tune(wave: np.ndarray, pitch: int, sample_rate: int) -> np.ndarray:
    """A note in tune, with the length and the sample rate of a row."""
    note = retuned(wave, measured_cents(wave, pitch, sample_rate), sample_rate, SAMPLE_RATE)[:LENGTH]
    return np.pad(note, (0, LENGTH - len(note)))


def _fall(note: np.ndarray) -> float:
    """By how many dB a note falls from one turn to the other."""
    lower, upper = (_rms(note[min(turn) : max(turn) + 1]) for turn in (LOWER, UPPER))
    return _decibels(max(lower, SILENCE) / max(upper, SILENCE))


def _levels(peaks: np.ndarray) -> np.ndarray:
    """The peaks that rows are to have, in whole numbers, of the peaks that they have."""
    scaled = np.rint(peaks * (LOUDEST / max(peaks.max(initial=0.0), SILENCE)))
    return np.where(peaks > 0, np.maximum(scaled, QUIETEST), 0)


def _finish(path: Path, levels: np.ndarray, pitches: Sequence[int], looping: bool) -> tuple[float, float]:
    """Give all rows of a pad their levels, fades and turns; the lowest and the highest level where they turn, in dB."""
    ramp = np.minimum(np.arange(LENGTH) / FADE, 1.0)
    fades, lowest, highest = ramp * ramp[::-1], 0.0, 0.0
    with open(path, "r+b") as file:
        for row, level in enumerate(levels):
            note = np.fromfile(file, "<i2", LENGTH).astype(np.float64)
            if looping:
                note = _with_turns(note, pitches[row % len(pitches)])
            note *= fades
            note = np.rint(note * (level / max(np.abs(note).max(), 1.0)))
            file.seek(-2 * LENGTH, os.SEEK_CUR)
            file.write(note.astype("<i2").tobytes())
            if looping and level > 0:
                turning = [*_turn_levels(note, LOWER), *_turn_levels(note, UPPER)]
                lowest, highest = min(lowest, *turning), max(highest, *turning)
    return lowest, highest


def _with_turns(note: np.ndarray, pitch: int) -> np.ndarray:
    """A note whose ways there and back, where they are faded at a turn, are neither in nor out of phase.

    A turn fades a partial into its own mirror image, which makes a hole, a bump or neither, by the phase between the
    two. It is neither at a right angle. Turning the partial turns its mirror image the other way, so that 45 degrees
    are enough to get to one of the two right angles. Where that leaves a hole all the same, because the partial
    wavers, the strongest is turned to the other.

    Args:
      note: [LENGTH], in the units of a row.
      pitch: MIDI number.
    """
    edges = np.arange(0.5, SAMPLE_RATE / 2 / note_hertz(pitch)) * note_hertz(pitch)  # of a band around each partial
    firsts = np.searchsorted(np.fft.rfftfreq(COMPARED, 1 / SAMPLE_RATE), edges)
    bands = np.searchsorted(edges, np.fft.rfftfreq(SEGMENT, 1 / SAMPLE_RATE))
    for turn in (LOWER, UPPER):
        there, back = (np.fft.rfft(way * np.hanning(len(way)), COMPARED) for way in _ways(note, turn))
        both = np.add.reduceat(there * back.conj(), firsts)
        apart = np.angle(both)
        needed = np.sign(turn.first - turn.last) * (np.copysign(np.pi / 2, apart) - apart) / 2
        turned = _turned(note, turn, np.concatenate([[0.0], needed])[bands])  # nothing below the first
        if min(_turn_levels(turned, turn), default=0.0) < HOLE:
            strongest = np.argmax(np.abs(both))
            needed[strongest] -= np.copysign(np.pi / 2, needed[strongest])
            other = _turned(note, turn, np.concatenate([[0.0], needed])[bands])
            turned = max(turned, other, key=lambda one: min(_turn_levels(one, turn)))
        note = turned
    return note


def _turned(note: np.ndarray, turn: Turn, angles: np.ndarray) -> np.ndarray:
    """A note with the frequencies of a segment around a turn turned by so many radians, and less and less outside."""
    middle = (turn.last + turn.first) / 2
    start = int(middle) - SEGMENT // 2
    segment = note[start : start + SEGMENT]
    changed = np.fft.irfft(np.fft.rfft(segment) * np.exp(1j * angles))
    away = np.abs(start + np.arange(SEGMENT) - middle)
    share = np.clip((STEADY + ARRIVING - away) / ARRIVING, 0.0, 1.0)
    note = note.copy()
    note[start : start + SEGMENT] += share * (changed - segment)
    return note


def _ways(note: np.ndarray, turn: Turn) -> tuple[np.ndarray, np.ndarray]:
    """What is faded into what at a turn, each as it is heard, at the note's own pitch."""
    count = CROSSFADE * SAMPLE_RATE // OUTPUT_RATE
    step = 1 if turn.first > turn.last else -1
    return note[turn.last : turn.last + step * count : step], note[turn.first : turn.first - step * count : -step]


def _turn_levels(note: np.ndarray, turn: Turn) -> list[float]:
    """The level of a turn, against that of two sounds that have nothing to do with each other, in dB, in `WINDOWS`."""
    there, back = _ways(note, turn)
    fade = np.arange(len(there)) / len(there)
    there, back = there * np.sqrt(1 - fade), back * np.sqrt(fade)
    levels = []
    for part in np.array_split(np.arange(len(there)), WINDOWS):
        alone = np.hypot(_rms(there[part]), _rms(back[part]))
        if alone >= 1:  # below that there is nothing but rounding
            levels.append(_decibels(max(_rms(there[part] + back[part]), 0.1) / alone))
    return levels


def _rms(samples: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))


def _decibels(ratio: float) -> float:
    return float(20 * np.log10(ratio)) if ratio > 0 else -np.inf
