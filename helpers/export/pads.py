"""Pads for Open NSynth Super: blends of four instruments on a touch pad.

    export.nsynth_super(model, [bank["Cello"], bank["Flute"], bank["Trumpet"], bank["Harp"]], "outputs/pads")

The device computes nothing: each place on its pad is a cell of a file, which contains a note for each of several
pitches, and the file's name consists of the four instruments chosen at the corners. docs/nsynth_super.md explains
where to copy the files.

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

# The pitches of the device's own pads. It transposes the nearest one, so that more of them are not needed.
PITCHES = tuple(range(24, 85, 4))
LENGTH, SAMPLE_RATE = 60_000, 16_000  # samples and rate of a row, which is the note of one cell at one pitch
MAX_RESOLUTION = 11  # places on the touch pad in each direction; with 9 cells, two places sound like their neighbours
SETTINGS = "settings.json"
PAD = ".bin"
ON_DEVICE = "/home/pi/pads"  # the folder in which the app expects the files
MAX_BYTES = 64_000_000_000  # of all pads; the 256 pads for four instruments per corner take 59 GB

# The dials turn back from the first instrument to the last only if their number is a power of two.
DIAL = (1, 2, 4)
MAX_NAME, MAX_DISPLAY = 24, 8  # characters of a name in a file name, and on the display

AT_ONCE = 2  # batches of notes generated at once; with one, a sixth of two cores would be idle

# The device does not limit its output: four notes at -12 dBFS reach full scale. Integers, so that rounding does not
# move a peak below QUIETEST or above LOUDEST.
FULL = 32767
LOUDEST, QUIETEST = int(FULL * 10 ** (-12 / 20)), int(FULL * 10 ** (-30 / 20)) + 1
FADE = 8  # samples at either end of a row

# A held note plays back and forth between two turns. At each turn, CROSSFADE samples of output are faded, with gains
# near the square root, from the forward pass into the backward pass, which begins CROSSFADE samples further on. The app
# accumulates its position in 32-bit floats, which from sample 32,768 on detunes a note by up to 10 cents; so the loop
# ends before that.
LOOP_START, LOOP_END = 0.15, 0.54  # shares of LENGTH
CROSSFADE = 4000
OUTPUT_RATE = 48_000
# A note that falls by more than FALL from one turn to the other would swell on the way back. If the share of such notes
# reaches DYING, no note is looped.
FALL, DYING = 6.0, 0.5  # dB, share

# How the phases of partials are shifted around a turn (`_with_turns`), in samples.
COMPARED = 4096  # length of the Fourier transforms that compare the two passes
STEADY, ARRIVING = 2600, 6000  # to either side of the middle: full phase shift, then a fade back to none
SEGMENT = 18_000
HOLE = -2.0  # dB
WINDOWS = 3  # parts of a crossfade whose levels are measured; shorter ones would not hold a period of the lowest notes


class Turn(NamedTuple):
    """Where a held note turns: the last sample of the pass up to the turn, and the first sample of the pass back.

    Attributes:
      last: last sample of the pass up to the turn.
      first: first sample of the pass back.
    """

    last: int
    first: int


_start, _end = round(LOOP_START * LENGTH), round(LOOP_END * LENGTH)
LOWER, UPPER = Turn(_start + CROSSFADE, _start), Turn(_end - CROSSFADE, _end - 1)


@dataclasses.dataclass(frozen=True, repr=False)
class Pads:
    """The pads that `nsynth_super` has written, with measurements.

    Attributes:
      folder: the folder of the files.
      files: the pads, then settings.json.
      size: total size of the pads (bytes).
      resolution: cells in each direction.
      pitches: MIDI numbers.
      looping: whether a held note is looped.
      dying: share of the notes that die away, which decides whether notes are looped.
      loop_start, loop_end: shares of a row.
      gain: gain of all notes (dB), except those that were lifted.
      quietest, loudest: lowest and highest peak of a note (dBFS).
      lifted: number of notes that got a higher gain, so that they reach -30 dBFS.
      silent: number of notes without sound, because the model generated silence.
      turns: deepest dip and highest bump of the level where held notes turn (dB); None without loops.
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
    """Write pads for Open NSynth Super, and the settings.json that its app needs to find them.

    Every note is tuned. A common gain brings the loudest note to -12 dBFS and keeps relative loudness; only notes that
    would be below -30 dBFS are lifted to that level. If notes are looped, the phases of their partials are shifted by
    up to 45 degrees around the two turns, so that the backward pass neither cancels nor doubles the forward pass.
    Either all files are written or none.

    Args:
      model: the model of the instruments.
      corners: top left, top right, bottom left, bottom right: for each corner an instrument, or a list of 1, 2 or 4
        instruments to choose from with the corner's dial. There is a pad for every combination.
      folder: folder of the files. Pads with the same names are replaced, together with their settings.json.
      pitches: MIDI numbers from 24 to 84, increasing; the device transposes the nearest one.
      resolution: cells in each direction, from 2 to 11. 11 gives a cell for each place on the touch pad; pads of the
        original pipeline have 9. All pads on a device must have the same resolution.
      looping: whether a held note continues after its 3.75 s; by default yes, unless half of the notes die away.
      progress: show progress bars.
      stop: called after each batch of notes; if it returns True, nothing is written.

    Returns:
      The files that were written, with measurements.

    Raises:
      ValueError: a value is out of range, or an instrument belongs to another model.
      FileExistsError: the folder contains other pads, or a settings.json that does not belong to these pads.
      InterruptedError: `stop` returned True.
      OSError: there is not enough disk space, or the files cannot be written.

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
        raise ValueError(f"looping is {looping!r}; it must be True, False or None (the loop points are fixed)")
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


# ---- Checks of the arguments -----------------------------------------------------------------------------------------


def _dials(model: GANSynth, corners: Sequence[Instrument | Sequence[Instrument]]) -> list[list[Instrument]]:
    """The instruments of each corner's dial."""
    check_loaded(model)
    if isinstance(corners, str) or not isinstance(corners, Sequence):
        raise ValueError(f"corners is {corners!r:.100}; it must be a list of four, such as bank[:4]")
    if len(corners) != 4:
        raise ValueError(f"a pad has four corners, not {len(corners)}")
    dials: list[list[Any]] = [list(corner) if isinstance(corner, (list, tuple)) else [corner] for corner in corners]
    for dial, corner in zip(dials, corners, strict=True):
        if not all(isinstance(one, Instrument) for one in dial):
            raise ValueError(f"a corner is {corner!r}; it must be an instrument or a list of instruments")
        if len(dial) not in DIAL:
            raise ValueError(f"a corner has {len(dial)} instruments; it must have 1, 2 or 4")
        if len({_key(one) for one in dial}) < len(dial):
            raise ValueError(f"a corner contains an instrument twice: {', '.join(one.name for one in dial)}")
        for one in dial:
            check_model(one, model)
    return dials


def _checked(pitches: Sequence[int], resolution: int) -> tuple[int, ...]:
    if not (isinstance(resolution, (int, np.integer)) and 2 <= resolution <= MAX_RESOLUTION):
        raise ValueError(f"resolution is {resolution!r}; it must be a whole number from 2 to {MAX_RESOLUTION}")
    numbers = np.asarray(pitches)
    whole = numbers.ndim == 1 and numbers.size > 0 and np.issubdtype(numbers.dtype, np.integer)
    if not whole or numbers[0] < MIN_PITCH or numbers[-1] > MAX_PITCH or (np.diff(numbers) <= 0).any():
        raise ValueError(f"pitches must be increasing whole numbers from {MIN_PITCH} to {MAX_PITCH}")
    return tuple(numbers.tolist())


def _check_room(folder: Path, size: int, count: int) -> None:
    """Check that the size of the pads is within MAX_BYTES and fits onto the disk."""
    what = f"{counted(count, 'pad')} of {size / count / 1e6:.0f} MB"
    if size > MAX_BYTES:
        raise ValueError(
            f"{what} are more than {MAX_BYTES / 1e9:.0f} GB; use fewer pitches, cells or instruments per corner"
        )
    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    free = shutil.disk_usage(there).free
    if size > free:
        raise OSError(f"{what} take {size / 1e9:.2f} GB, but the disk of {there} has only {free / 1e9:.2f} GB free")


# ---- Names -----------------------------------------------------------------------------------------------------------


class _Name(NamedTuple):
    """The names of an instrument: in file names, on the display, and in its corner."""

    name: str
    display: str
    abbr: str


def _key(one: Instrument) -> tuple[str, bytes]:
    """The identity of an instrument: equal for the same instrument in one or several corners."""
    return one.name, one.z.tobytes()


def _named(dials: list[list[Instrument]]) -> dict[tuple[str, bytes], _Name]:
    """Names for each instrument, by its key, which are all different even if instruments share a name."""
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
    """Words in capitals, shortened to MAX_DISPLAY characters: of several words, the first and the last are kept."""
    whole = " ".join(words).upper()
    if len(whole) <= MAX_DISPLAY or len(words) == 1:
        return whole[:MAX_DISPLAY]
    last = words[-1][: MAX_DISPLAY // 2]
    return f"{words[0][: MAX_DISPLAY - 1 - len(last)]} {last}".upper()


def _free(name: str, length: int, taken: set[str]) -> str:
    """A name, or if it is taken, a numbered one of at most `length` characters; it is added to `taken`."""
    numbers = map(str, itertools.count(2))
    candidates = itertools.chain([name], (name[: length - len(number)] + number for number in numbers))
    found = next(candidate for candidate in candidates if candidate not in taken)
    taken.add(found)
    return found


def _settings(dials: list[list[_Name]], pitches: Sequence[int], resolution: int, looping: bool) -> dict:
    """The settings of the app, all of them, because some of its defaults are surprising: MIDI channel 7."""
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
    """For each row of a pad: its peak (0 if silent), its peak after `_with_turns`, and by how many dB it falls."""

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
    """Write all notes of a pad, each at full scale, because the common gain is known only after all are generated."""
    peaks, turned, falls = np.zeros((3, len(z)))
    # A note becomes shorter when it is tuned up.
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
    """Yield `make(number)` for each number in turn, computed `AT_ONCE` at a time while earlier results are used."""
    yield make(numbers[0])  # alone: the first call compiles the network
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
        raise InterruptedError(f"stopped; nothing was written to {folder}")


def _in_tune(wave: np.ndarray, pitch: int, sample_rate: int) -> np.ndarray:
    """A note, tuned and converted to the length and sample rate of a row."""
    note = retuned(wave, measured_cents(wave, pitch, sample_rate), sample_rate, SAMPLE_RATE)[:LENGTH]
    return np.pad(note, (0, LENGTH - len(note)))


def _fall(note: np.ndarray) -> float:
    """By how many dB the level of a note falls from one turn to the other."""
    lower, upper = (_rms(note[min(turn) : max(turn) + 1]) for turn in (LOWER, UPPER))
    return _decibels(max(lower, SILENCE) / max(upper, SILENCE))


def _levels(peaks: np.ndarray) -> np.ndarray:
    """The peaks that rows should have, as integers, computed from their present peaks."""
    scaled = np.rint(peaks * (LOUDEST / max(peaks.max(initial=0.0), SILENCE)))
    return np.where(peaks > 0, np.maximum(scaled, QUIETEST), 0)


def _finish(path: Path, levels: np.ndarray, pitches: Sequence[int], looping: bool) -> tuple[float, float]:
    """Apply levels, fades and turns to all rows of a pad; returns the lowest and highest level at a turn (dB)."""
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
    """A note whose forward and backward passes are in quadrature where they are crossfaded at a turn.

    A turn fades each partial into its own mirror image. Depending on the phase between the two, this causes a dip, a
    bump or, at 90 degrees, neither. Shifting the phase of the partial shifts that of its mirror image the other way, so
    that 45 degrees suffice to reach 90 or -90 degrees. If a dip remains because partials waver, the strongest partial
    is shifted to the other of the two.

    Args:
      note: [LENGTH], in 16-bit units.
      pitch: MIDI number.
    """
    edges = np.arange(0.5, SAMPLE_RATE / 2 / note_hertz(pitch)) * note_hertz(pitch)  # of the bands around partials
    firsts = np.searchsorted(np.fft.rfftfreq(COMPARED, 1 / SAMPLE_RATE), edges)
    bands = np.searchsorted(edges, np.fft.rfftfreq(SEGMENT, 1 / SAMPLE_RATE))
    for turn in (LOWER, UPPER):
        there, back = (np.fft.rfft(way * np.hanning(len(way)), COMPARED) for way in _ways(note, turn))
        both = np.add.reduceat(there * back.conj(), firsts)
        apart = np.angle(both)
        needed = np.sign(turn.first - turn.last) * (np.copysign(np.pi / 2, apart) - apart) / 2
        turned = _turned(note, turn, np.concatenate([[0.0], needed])[bands])  # no shift below the first
        if min(_turn_levels(turned, turn), default=0.0) < HOLE:
            strongest = np.argmax(np.abs(both))
            needed[strongest] -= np.copysign(np.pi / 2, needed[strongest])
            other = _turned(note, turn, np.concatenate([[0.0], needed])[bands])
            turned = max(turned, other, key=lambda one: min(_turn_levels(one, turn)))
        note = turned
    return note


def _turned(note: np.ndarray, turn: Turn, angles: np.ndarray) -> np.ndarray:
    """A note with the frequency bins of a segment around a turn shifted in phase by `angles` (radians).

    The shift fades out towards the ends of the segment.
    """
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
    """The two passes that are crossfaded at a turn, in playback order, for a note at its own pitch."""
    count = CROSSFADE * SAMPLE_RATE // OUTPUT_RATE
    step = 1 if turn.first > turn.last else -1
    return note[turn.last : turn.last + step * count : step], note[turn.first : turn.first - step * count : -step]


def _turn_levels(note: np.ndarray, turn: Turn) -> list[float]:
    """The level in each window of a turn, relative to a crossfade of two uncorrelated sounds (dB)."""
    there, back = _ways(note, turn)
    fade = np.arange(len(there)) / len(there)
    there, back = there * np.sqrt(1 - fade), back * np.sqrt(fade)
    levels = []
    for part in np.array_split(np.arange(len(there)), WINDOWS):
        alone = np.hypot(_rms(there[part]), _rms(back[part]))
        if alone >= 1:  # quieter than that, there is only rounding noise
            levels.append(_decibels(max(_rms(there[part] + back[part]), 0.1) / alone))
    return levels


def _rms(samples: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))


def _decibels(ratio: float) -> float:
    return float(20 * np.log10(ratio)) if ratio > 0 else -np.inf
