"""Read a recording and detect its notes, each with its pitch and with warnings about what could spoil a match.

    recording = matching.read("oboe.wav")
    matching.find_notes(recording)                 # or a part of it: find_notes(recording, start=1.2, end=3.5)

Notebook: 11_match.
"""

from __future__ import annotations

import dataclasses
import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from .. import compiled
from .. import pitch as pitches
from ..audio import MAX_SAMPLE_RATE
from ..errors import in_one_line, one_line
from ..files import as_path
from ..midi import note_hertz, note_name
from ..timbre.descriptors import Partials, partials_of

# Reading.
MAX_BYTES = 256 << 20  # of a file
MAX_SECONDS = 60.0  # decoded; the rest is ignored
MAX_CHANNELS = 64
MIN_SECONDS = 0.15  # of a note: a shorter one has neither a reliable pitch nor a timbre
SILENT_DB = -60.0  # dB relative to full scale: a recording with a lower peak is silent
LOW_RATE = 12000  # Hz: at a lower rate, the upper half of a model's spectrograms would be empty
CLIPPED_RUN = 4  # samples in a row at the highest value: an unclipped recording or sine wave has none
OFFSET = 0.05  # share of the peak: a larger mean is a DC offset, as some sound cards add
CANCELS_DB = 3.0  # the most that mixing to mono may lose; otherwise only the louder channel is used

# Segmentation into notes.
STEP = 0.01  # s between values of the level
HEARD_DB = 45.0  # levels further than this below the loudest are silence ...
ABOVE_NOISE_DB = 8.0  # ... and so are those less than this above the noise
ONSET_DB = 4.0  # mean rise of the mel bands at an onset
SAME_SEMITONES = 0.6  # two successive notes closer than this are one, unless the second has an attack of its own ...
STRUCK_DB = 4.0  # ... which raises the level by at least this
STEADY_SECONDS, STEADY_SEMITONES = 0.12, 0.3  # how long and how steady the pitch must be before and after a slur ...
STEP_SECONDS = 0.06  # ... whose change of pitch takes this long: slides and vibrato have no steady pitch
TAIL_DB = 12.0  # a slur this far below the previous note's loudest level only uncovers a sound that rang on
BESIDE_SECONDS = 0.3  # before and after an onset, in which pitches are compared
BEFORE = 0.01  # s before the onset that are included in the note
MAX_NOTES = 8  # of a recording; more would make a match slower, but no better
ALIKE_SECONDS = 0.1  # notes whose lengths differ by less than this count as equally long
LISTENED_SECONDS = 1.5  # of each note, for the pitch trackers

# Pitch and warnings.
LOWEST_SURE, HIGHEST_SURE = pitches.UNKNOWN[0] + 1, pitches.UNKNOWN[1] - 6  # MIDI pitches that trackers detect reliably
WANDERS = 0.8  # semitones: a steady pitch has less between its 10th and 90th percentiles
ONE_NOTE = 0.75  # share of a note's energy in its partials; chords and noise have less
MISSING = 3  # a pitch is rejected if this many of its lowest partials are missing
NEARLY = 0.9  # a higher pitch is preferred if its share is at least this part of the best share
AUDIBLE = 1e-3  # share of the strongest partial's energy below which a partial is ignored
PITCH_PARTIALS = 6  # number of partials, the lowest, that determine the perceived pitch
RESOLVED_PERIODS = 8  # number of periods needed to resolve partials
EPSILON = 1e-20
ATTACK_DB = 3.0  # a sound has begun when its level is this far below the peak
DECAYS_DB = 25.0  # a drop of this much within DECAYS_SECONDS after that is percussive
DECAYS_SECONDS = 0.3
HIGH_SHARE, TONAL = 0.5, 0.1  # of energy above all pitches; spectral flatness below which that is a whistle


@dataclasses.dataclass(frozen=True, eq=False)
class Recording:
    """A recording, mixed to mono, at its original sample rate.

    Attributes:
      samples: float32 [n], mono, within full scale.
      sample_rate: Hz.
      name: name of the recording.
      warnings: problems with it, one sentence each.
    """

    samples: np.ndarray
    sample_rate: int
    name: str
    warnings: tuple[str, ...] = ()

    @property
    def duration(self) -> float:
        """Duration (s)."""
        return len(self.samples) / self.sample_rate

    def __repr__(self) -> str:
        return f"Recording({self.name!r}, {self.duration:.2f} s, {self.sample_rate} Hz)"


@dataclasses.dataclass(frozen=True)
class RecordedNote:
    """One note of a recording.

    Attributes:
      start, end: seconds in the recording, from the onset until the note has died away.
      until: start of the next note, or end of the part (s); the silence up to there is part of the note's sound.
      pitch: nearest MIDI number; it may be outside a model's range.
      cents: deviation of the recording from that pitch, -50 to 50.
      readings: tracker -> fractional MIDI number that it detects, NaN if none.
      warnings: problems that could spoil a match, one sentence each.
    """

    start: float
    end: float
    until: float
    pitch: int
    cents: float
    readings: Mapping[str, float]
    warnings: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{note_name(self.pitch)} {round(self.cents):+d} cents, from {self.start:.2f} to {self.end:.2f} s"


@in_one_line
def read(source: str | os.PathLike | bytes, name: str | None = None) -> Recording:
    """Read a recording from a file that libsndfile supports (WAV, FLAC, OGG, MP3, AIFF, …), or from its bytes.

    Args:
      source: path, or the contents of a file.
      name: name of the recording; by default the file's name without its suffix.

    Returns:
      The recording, at most its first MAX_SECONDS, mixed to mono.

    Raises:
      FileNotFoundError: the file does not exist.
      ValueError: it is not audio, is too large, or is silent.

    >>> from helpers import audio, gansynth, matching
    >>> model = gansynth.load("demo")
    >>> note = model.generate(model.sample_z(1, seed=1), [60])[0]
    >>> path = audio.write(audio.Audio(0.5 * note / abs(note).max(), model.sample_rate), "outputs/note.wav")
    >>> matching.read(path)
    Recording('note', 4.00 s, 16000 Hz)

    Notebook: 11_match.
    """
    if isinstance(source, bytes):
        content, name = source, one_line(name or "recording")
        file_name = name
    else:
        path = as_path(source)
        if not path.is_file():
            what = "it is a folder" if path.is_dir() else "there is no such file"
            raise FileNotFoundError(f"no recording at {path}: {what}")
        if path.stat().st_size > MAX_BYTES:
            raise ValueError(f"{path} has {path.stat().st_size >> 20} MB; the limit is {MAX_BYTES >> 20} MB")
        content, name = path.read_bytes(), one_line(name or Path(path.name).stem)
        file_name = one_line(path.name)
    if len(content) > MAX_BYTES:
        raise ValueError(f"{file_name} has {len(content) >> 20} MB; the limit is {MAX_BYTES >> 20} MB")
    channels, sample_rate, seconds = _decoded(content, file_name)
    warnings = []
    if seconds > MAX_SECONDS:
        warnings.append(
            f"it lasts {_minutes(seconds)}, but only the first {MAX_SECONDS:.0f} s were read: cut out a few seconds"
        )
    samples, said = _one_channel(channels)
    if warnings and _is_silent(samples):
        raise ValueError(f"{name} is silent in its first {MAX_SECONDS:.0f} s, the most that is read: cut out the note")
    return _checked(samples, sample_rate, name, [*warnings, *said])


def recording(samples: np.ndarray, sample_rate: int, name: str = "recording") -> Recording:
    """A recording from samples in memory, for example from a microphone.

    Args:
      samples: [n] or [n, channels], full scale is 1.
      sample_rate: Hz.
      name: name of the recording.

    Raises:
      ValueError: the samples are silent or not finite, or have a wrong shape or rate.

    Notebook: 11_match.
    """
    channels = np.asarray(samples, np.float32)
    channels = channels[:, None] if channels.ndim == 1 else channels
    if channels.ndim != 2 or not 1 <= channels.shape[1] <= MAX_CHANNELS:
        raise ValueError(f"samples have shape {list(np.shape(samples))}; expected [n] or [n, channels]")
    if not 0 < sample_rate <= MAX_SAMPLE_RATE:
        raise ValueError(f"sample_rate is {sample_rate} Hz; it must be above 0 and up to {MAX_SAMPLE_RATE} Hz")
    if not np.isfinite(channels).all():
        raise ValueError(f"{name} has samples that are not finite")
    mono, said = _one_channel(channels[: int(MAX_SECONDS * sample_rate)])
    return _checked(mono, int(sample_rate), name, said)


def _decoded(content: bytes, name: str) -> tuple[np.ndarray, int, float]:
    """Samples [n, channels] of at most MAX_SECONDS, their sample rate, and the duration of the whole file (s)."""
    import soundfile

    try:
        with soundfile.SoundFile(io.BytesIO(content)) as file:
            if not 0 < file.samplerate <= MAX_SAMPLE_RATE or file.channels > MAX_CHANNELS:
                raise ValueError(
                    f"{name} has {file.channels} channels at {file.samplerate} Hz; "
                    f"the limit is {MAX_CHANNELS} channels at {MAX_SAMPLE_RATE} Hz"
                )
            samples = file.read(int(MAX_SECONDS * file.samplerate), dtype="float32", always_2d=True)
            rate, seconds = file.samplerate, file.frames / file.samplerate
    except soundfile.LibsndfileError as error:
        raise ValueError(f"{name} is not a sound file: {one_line(error.error_string)}") from None
    if not np.isfinite(samples).all():
        raise ValueError(f"{name} has samples that are not finite")
    return samples, rate, seconds


def _minutes(seconds: float) -> str:
    return f"{int(seconds // 60)}:{int(seconds % 60):02d} minutes"


def _one_channel(channels: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """The mean of two channels, [n], or the loudest if they cancel or there are more; and warnings about that."""
    count = channels.shape[1]
    if count == 1 or not len(channels):
        return channels[:, 0], []
    power = np.mean(np.square(channels, dtype=np.float64), axis=0)
    loudest, mono = int(np.argmax(power)), channels.mean(axis=1)
    kept = np.mean(np.square(mono, dtype=np.float64))
    if count == 2 and kept >= power.mean() * 10 ** (-CANCELS_DB / 10):
        return mono, []
    why = f"it has {count} channels" if count > 2 else "its two channels cancel each other"
    return channels[:, loudest], [f"{why}: only the loudest, number {loudest + 1}, is used"]


def _checked(samples: np.ndarray, sample_rate: int, name: str, warnings: list[str]) -> Recording:
    if not len(samples):
        raise ValueError(f"{name} is empty: it has no samples")
    peak = float(np.abs(samples).max())
    if _is_silent(samples):
        raise ValueError(f"{name} is silent: record closer to the microphone, or choose another input")
    if len(samples) < MIN_SECONDS * sample_rate:
        raise ValueError(
            f"{name} lasts {1000 * len(samples) / sample_rate:.0f} ms, too short for a pitch and a timbre: record a "
            "note of a second or more"
        )
    if clipped := _clipped(samples, peak):
        warnings.append(f"it is clipped in {clipped} places, which the match will imitate: record it at a lower level")
    if sample_rate < LOW_RATE:
        warnings.append(
            f"at {sample_rate} Hz it has nothing above {sample_rate / 2000:g} kHz, so the match will be dull: record "
            "at 16000 Hz or more"
        )
    if abs(offset := float(np.mean(samples, dtype=np.float64))) > OFFSET * peak:
        samples = samples - np.float32(offset)
        peak = float(np.abs(samples).max())
        if _is_silent(samples):
            raise ValueError(f"{name} is a constant value, not a sound: check the microphone and its cable")
    return Recording(np.ascontiguousarray(samples / max(peak, 1.0), np.float32), sample_rate, name, tuple(warnings))


def _is_silent(samples: np.ndarray) -> bool:
    return float(np.abs(samples).max(initial=0.0)) < 10 ** (SILENT_DB / 20)


def _clipped(samples: np.ndarray, peak: float) -> int:
    """Number of runs of samples at the highest value."""
    at = np.abs(samples) >= peak * (1 - 1e-4)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], at, [False]])))
    return int(np.sum(edges[1::2] - edges[::2] >= CLIPPED_RUN))


@in_one_line
def find_notes(
    recording: Recording, start: float | None = None, end: float | None = None, pitch: int | None = None
) -> list[RecordedNote]:
    """Detect the notes of a recording, in order of time.

    A note begins where the bands of the spectrum rise; if it has the same pitch as the note before, its level must rise
    too. Its pitch is detected by two independent trackers; if they disagree, the pitch whose partials hold more of the
    energy is used, and a warning is added.

    Args:
      recording: a recording of one note, or of several one after another.
      start, end: the part to analyse, in seconds; all of it by default.
      pitch: MIDI number of the note, if the trackers get it wrong; the part is then taken as a single note.

    Returns:
      One to MAX_NOTES notes: the longest, and of equally long ones the first. If there are more, the first note has a
      warning.

    Raises:
      ValueError: there is no note in that part; the message suggests what it contains instead.

    >>> import numpy as np
    >>> from helpers import matching
    >>> seconds = np.arange(32000) / 16000
    >>> sound = matching.recording(0.5 * np.sin(2 * np.pi * 441.0 * seconds) * np.exp(-seconds), 16000)
    >>> print(matching.find_notes(sound)[0])
    A4 +4 cents, from 0.00 to 2.00 s

    Notebook: 11_match.
    """
    rate = recording.sample_rate
    begin, stop = _part(recording, start, end)
    if pitch is not None and not pitches.UNKNOWN[0] <= pitch <= pitches.UNKNOWN[1]:
        raise ValueError(
            f"pitch is {pitch}; it must be a MIDI number from {pitches.UNKNOWN[0]} to {pitches.UNKNOWN[1]}"
        )
    wave = recording.samples[round(begin * rate) : round(stop * rate)]
    if _is_silent(wave):
        raise ValueError(f"it is silent from {begin:.2f} to {stop:.2f} s: choose a part in which a note sounds")
    level = _level(wave, rate)
    sounds = level > max(-HEARD_DB, min(float(np.percentile(level, 5)) + ABOVE_NOISE_DB, -HEARD_DB / 2))
    spans = [_whole(sounds)] if pitch is not None else _spans(wave, rate, level, sounds)
    chosen = sorted(sorted(spans, key=lambda span: -round((span[1] - span[0]) / ALIKE_SECONDS))[:MAX_NOTES])
    found = []
    for first, last, until in chosen:
        note = wave[round(first * rate) : round(until * rate)]
        found.append(_described(note, rate, begin + first, begin + last, begin + until, pitch))
    heard = [note for note in found if note is not None]
    if not heard:
        raise ValueError(_what_instead(wave, rate, level))
    if len(spans) > MAX_NOTES:
        said = f"it has {len(spans)} notes, of which the longest {MAX_NOTES} are used: choose a part with fewer"
        heard[0] = dataclasses.replace(heard[0], warnings=(*heard[0].warnings, said))
    return heard


def _part(recording: Recording, start: float | None, end: float | None) -> tuple[float, float]:
    begin = 0.0 if start is None else float(start)
    stop = recording.duration if end is None else min(float(end), recording.duration)
    if not 0 <= begin < stop:
        raise ValueError(f"{begin:g} to {stop:g} s is not a part of a recording of {recording.duration:.2f} s")
    if stop - begin < MIN_SECONDS:
        raise ValueError(
            f"a part of {1000 * (stop - begin):.0f} ms is too short for a pitch and a timbre; at least "
            f"{1000 * MIN_SECONDS:.0f} ms are needed, and a second is better"
        )
    return begin, stop


def _level(wave: np.ndarray, rate: int) -> np.ndarray:
    """Root mean square at intervals of STEP, dB relative to the loudest."""
    step = round(STEP * rate)
    padded = np.pad(np.asarray(wave, np.float64), (0, -len(wave) % step + step))
    power = np.square(padded).reshape(-1, step).mean(axis=1)
    power = 0.5 * (power[:-1] + power[1:])
    return 10 * np.log10(np.maximum(power / power.max(), 1e-10))


def _whole(sounds: np.ndarray) -> tuple[float, float, float]:
    """Start, end and until of one note that spans everything above silence (s)."""
    heard = np.flatnonzero(sounds)
    return max(heard[0] * STEP - BEFORE, 0.0), (heard[-1] + 1) * STEP, len(sounds) * STEP


def _spans(wave: np.ndarray, rate: int, level: np.ndarray, sounds: np.ndarray) -> list[tuple[float, float, float]]:
    """Start, end and until of each note that lasts at least MIN_SECONDS (s)."""
    starts = _onsets(wave, rate, level, sounds)
    stops = [*starts[1:], len(sounds)]
    spans = []
    for first, stop in zip(starts, stops, strict=True):
        heard = np.flatnonzero(sounds[first:stop])
        last = first + (heard[-1] + 1 if len(heard) else 0)
        if (last - first) * STEP >= MIN_SECONDS:
            spans.append((max(first * STEP - BEFORE, 0.0), last * STEP, stop * STEP))
    return spans


def _onsets(wave: np.ndarray, rate: int, level: np.ndarray, sounds: np.ndarray) -> list[int]:
    """The onsets of notes, in steps: after silence, where the spectrum rises and the pitch changes or the level rises,
    or where one steady pitch follows another without an attack.
    """
    rising = np.flatnonzero(np.diff(np.concatenate([[False], sounds]).astype(int)) == 1)
    flux = _flux(wave, rate, len(level))
    wide = round(0.05 / STEP)
    peaks = [
        i
        for i in range(1, len(flux))
        if sounds[i] and flux[i] >= ONSET_DB and flux[i] == flux[max(0, i - wide) : i + wide + 1].max()
    ]
    gap = round(MIN_SECONDS / STEP)
    slurs = [i for i in _slurs(wave, rate, len(level)) if sounds[i] and all(abs(i - peak) > gap for peak in peaks)]
    starts: list[int] = []
    for i in sorted({*rising.tolist(), *peaks, *slurs}):
        if not starts or not sounds[starts[-1] : i].any():
            starts = [*starts[:-1], i] if starts and not sounds[starts[-1] : i].any() else [*starts, i]
        elif i - starts[-1] >= gap and (_is_slurred if i in slurs else _is_new)(wave, rate, level, starts[-1], i):
            starts.append(i)
    return starts


def _flux(wave: np.ndarray, rate: int, steps: int) -> np.ndarray:
    """Mean rise of the bands of a mel spectrum, dB, at intervals of STEP."""
    librosa = compiled.librosa()
    size = 1 << round(0.04 * rate).bit_length()
    power = librosa.feature.melspectrogram(y=wave, sr=rate, n_fft=size, hop_length=round(STEP * rate), n_mels=64)
    decibels = librosa.power_to_db(power, ref=np.max, top_db=60.0)
    lag = 2
    rise = np.maximum(decibels[:, lag:] - decibels[:, :-lag], 0.0).mean(axis=0)
    return np.pad(rise, (lag, max(0, steps)))[:steps]


def _slurs(wave: np.ndarray, rate: int, steps: int) -> list[int]:
    """The places where one steady pitch follows another, in steps."""
    wide, apart = round(STEADY_SECONDS / STEP), round(STEP_SECONDS / STEP)
    if steps <= 2 * wide + apart:
        return []
    times, curve = pitches.swift_f0_curve(wave, rate)
    curve = curve[np.minimum(np.searchsorted(times, np.arange(steps) * STEP), len(curve) - 1)]
    held = np.lib.stride_tricks.sliding_window_view(curve, wide)
    low, pitch, high = np.percentile(held, [10, 50, 90], axis=1)  # NaN if any value in the window is
    pitch[~(high - low <= STEADY_SEMITONES)] = np.nan
    moved = np.abs(pitch[wide + apart :] - pitch[: -wide - apart]) > SAME_SEMITONES
    edges = np.flatnonzero(np.diff(np.concatenate([[False], moved, [False]])))
    return [int(first + last - 1) // 2 + wide + apart // 2 for first, last in edges.reshape(-1, 2)]


def _is_new(wave: np.ndarray, rate: int, level: np.ndarray, before: int, at: int) -> bool:
    """Whether a new note begins at a step, as opposed to a change within the note that began at `before`."""
    near = round(0.06 / STEP)
    if level[at : at + near].max() - level[max(at - near, 0) : at].min() >= STRUCK_DB:
        return True
    heard = [pitches.swift_f0_track(part, rate) for part in _around(wave, rate, before, at)]
    if not all(len(track) for track in heard):
        return False
    return abs(float(np.median(heard[0]) - np.median(heard[1]))) > SAME_SEMITONES


def _is_slurred(wave: np.ndarray, rate: int, level: np.ndarray, before: int, at: int) -> bool:
    """Whether a new note begins at a step without an attack, as opposed to an octave error of the tracker."""
    if level[at : at + round(MIN_SECONDS / STEP)].max() < level[before:at].max() - TAIL_DB:
        return False
    parts = _around(wave, rate, before, at)
    tracks = [pitches.swift_f0_track(part, rate) for part in parts]
    if not all(len(track) for track in tracks):
        return False
    heard = [float(np.median(track)) for track in tracks]
    if abs(heard[0] - heard[1]) <= SAME_SEMITONES:
        return False
    return all(_likeliest(part, heard, rate)[0] == pitch for part, pitch in zip(parts, heard, strict=True))


def _around(wave: np.ndarray, rate: int, before: int, at: int) -> tuple[np.ndarray, np.ndarray]:
    """The sound before a step, from the step `before` on, and after it."""
    step, length = round(STEP * rate), round(BESIDE_SECONDS * rate)
    return wave[max(before * step, at * step - length) : at * step], wave[at * step : at * step + length]


def _described(
    note: np.ndarray, rate: int, start: float, end: float, until: float, pitch: int | None
) -> RecordedNote | None:
    """A note with its pitch, or None if it has none."""
    tone = note[: round((end - start) * rate)]
    tracks = pitches.tracks(tone[: round(LISTENED_SECONDS * rate)], rate)
    readings = {name: float(np.median(track)) if len(track) else float("nan") for name, track in tracks.items()}
    heard = sorted({value for value in readings.values() if np.isfinite(value)})
    warnings = []
    if pitch is None:
        if not heard:
            return None
        chosen, share = _likeliest(tone, heard, rate)
        if heard[-1] - heard[0] > pitches.DISAGREE_CENTS / 100:
            said = " and ".join(f"{name} {_named(value)}" for name, value in readings.items())
            warnings.append(
                f"the pitch trackers disagree: {said}; listen, and give the pitch if {_named(chosen)} is wrong"
            )
        elif len(heard) < len(readings):
            deaf = next(name for name, value in readings.items() if not np.isfinite(value))
            if deaf != "SwiftF0" or chosen >= pitches.SWIFT_LOWEST:
                warnings.append(f"{deaf} detects no pitch: listen, and give the pitch if {_named(chosen)} is wrong")
        if (spread := _spread(tracks)) > WANDERS:
            warnings.append(
                f"its pitch moves over {spread:.1f} semitones, as in speech, a slide, a drum or birdsong; the match "
                f"is at a steady {_named(chosen)}: record a note of steady pitch"
            )
        if share < ONE_NOTE:
            warnings.append(
                f"{100 * (1 - share):.0f} % of its energy is not part of {_named(chosen)}: a chord, several voices or "
                "noise; record a single note"
            )
        if not LOWEST_SURE <= chosen <= HIGHEST_SURE:
            warnings.append(
                f"{_named(chosen)} is at the limit of the pitch trackers, which report notes beyond it as this one: "
                "listen, and record a note between C1 and C7 if you can"
            )
    else:
        chosen = float(pitch)
        if not any(abs(value - pitch) <= 1 for value in heard):
            said = ", ".join(f"{name} {_named(value)}" for name, value in readings.items())
            warnings.append(f"you gave {note_name(pitch)}, but no tracker detects that pitch ({said})")
    midi = round(chosen)
    return RecordedNote(start, end, until, midi, _cents(tone, chosen, midi, rate), readings, tuple(warnings))


def _named(value: float) -> str:
    return note_name(round(value)) if np.isfinite(value) else "none"


def _partials(tone: np.ndarray, midi: float, rate: int) -> Partials | None:
    """The partials of the first LISTENED_SECONDS of a note; None if it is too short to resolve them."""
    part = tone[: round(LISTENED_SECONDS * rate)].astype(np.float64)
    hertz = note_hertz(midi)
    if len(part) < RESOLVED_PERIODS * rate / hertz:
        return None
    return partials_of(part, hertz, rate)


def _likeliest(tone: np.ndarray, heard: Sequence[float], rate: int) -> tuple[float, float]:
    """The pitch whose partials hold most of a note's energy, and the largest share of energy of any pitch."""
    shares = [_share(tone, value, rate) for value in heard]
    # The octave below a note includes all of its partials, so the higher pitch is right if both fit.
    return max(value for value, share in zip(heard, shares, strict=True) if share >= NEARLY * max(shares)), max(shares)


def _share(tone: np.ndarray, midi: float, rate: int) -> float:
    """The share of a note's energy that is in the partials of a pitch; 0 if the pitch's lowest partials are missing.

    The partials of any chord are also partials of some very low pitch, but that pitch's lowest partials are missing.
    """
    found = _partials(tone, midi, rate)
    if found is None:
        return 1.0
    energies = found.energies
    total = energies.sum() + found.noise
    if not total > 0:
        return 0.0
    heard = np.flatnonzero(energies > energies.max() * AUDIBLE)
    return float(energies.sum() / total) if len(heard) and heard[0] < MISSING else 0.0


def _spread(tracks: Mapping[str, np.ndarray]) -> float:
    """Semitones between the 10th and 90th percentiles of the pitch, by the steadier tracker."""
    return min(
        (float(np.subtract(*np.percentile(track, [90, 10]))) for track in tracks.values() if len(track)), default=0.0
    )


def measured_cents(tone: np.ndarray, midi: float, rate: int) -> float:
    """Deviation of a note from a MIDI number in cents, by its lowest partials; NaN if they cannot be measured."""
    found = _partials(tone, midi, rate)
    if found is None or not found.energies.sum() > found.noise:
        return float("nan")
    energies = np.where(found.energies > found.energies.max() * AUDIBLE, found.energies, 0.0)[:PITCH_PARTIALS]
    if not energies.any():
        return float("nan")
    above = 1200 * np.log2(found.frequencies[: len(energies)] / (note_hertz(midi) * (1 + np.arange(len(energies)))))
    return float(np.average(above, weights=energies))


def _cents(tone: np.ndarray, heard: float, midi: int, rate: int) -> float:
    """Deviation of a recorded note from a MIDI number in cents, by its partials or else by the trackers' pitch."""
    off = measured_cents(tone, heard, rate)
    exact = heard + (off / 100 if np.isfinite(off) else 0.0)
    return float(np.clip(100 * (exact - midi), -50.0, 50.0))


def _what_instead(wave: np.ndarray, rate: int, level: np.ndarray) -> str:
    """The error message for a sound without a pitch."""
    power = np.square(np.abs(np.fft.rfft(wave * np.hanning(len(wave)))))
    high = power[int(note_hertz(pitches.UNKNOWN[1]) * len(wave) / rate) :]
    flatness = np.exp(np.mean(np.log(high + EPSILON))) / (np.mean(high) + EPSILON) if len(high) else 1.0
    if high.sum() > HIGH_SHARE * power.sum() and flatness < TONAL:
        return (
            f"the sound is above {note_name(pitches.UNKNOWN[1])}, as in birdsong or a whistle, higher than any note of "
            "the model: record a lower one"
        )
    begins = int(np.argmax(level >= -ATTACK_DB))  # not the peak, which can be anywhere in noise
    after = level[begins : begins + round(DECAYS_SECONDS / STEP) + 1]
    if after[-1] <= -DECAYS_DB or len(after) < DECAYS_SECONDS / STEP:
        return "no pitch is detected, as in a drum or a click: record a note of a pitched instrument, or give its pitch"
    return (
        "no pitch is detected, as in noise, breath or a crowd: record a single note, closer to the microphone, or give "
        "its pitch"
    )
