"""A recording of any kind -> the notes in it, each with its pitch, and with what stands in the way of matching it.

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

# What is read.
MAX_BYTES = 256 << 20  # of a file
MAX_SECONDS = 60.0  # decoded; the rest is left
MAX_CHANNELS = 64
MIN_SECONDS = 0.15  # of a note: less has no pitch that could be trusted, and no timbre
SILENT_DB = -60.0  # of full scale; a recording whose peak is below is silence
LOW_RATE = 12000  # Hz; below, the upper half of what a model draws is missing
CLIPPED_RUN = 4  # samples in a row at the highest value: no microphone and no sine does that by itself
OFFSET = 0.05  # of the peak: a mean beyond is no sound but a direct current, as some sound cards add it
CANCELS_DB = 3.0  # what mixing to mono may take away before the louder channel is taken alone

# Where notes begin and end.
STEP = 0.01  # s between two values of the level
HEARD_DB = 45.0  # below the loudest: what is softer is the silence around a note ...
ABOVE_NOISE_DB = 8.0  # ... and so is what lies no further above the noise
ONSET_DB = 4.0  # by which the bands of the mel spectrum rise, in the mean, where a note begins
SAME_SEMITONES = 0.6  # of two notes in a row: nearer, they are one, unless the second is struck anew ...
STRUCK_DB = 4.0  # ... which raises the level by so much
STEADY_SECONDS, STEADY_SEMITONES = 0.12, 0.3  # how long, and within what, a pitch is held on both sides of a step ...
STEP_SECONDS = 0.06  # ... that takes so long: a slide and a vibrato hold none
TAIL_DB = 12.0  # below the loudest of the note before: what comes out there rang already
BESIDE_SECONDS = 0.3  # before an onset and after it, in which pitches are compared
BEFORE = 0.01  # s before the onset that belong to the note
MAX_NOTES = 8  # of one recording; more make a match slower, and no better
ALIKE_SECONDS = 0.1  # notes whose lengths differ by less are as long
LISTENED_SECONDS = 1.5  # of each note, by the trackers

# What is said of a note.
LOWEST_SURE, HIGHEST_SURE = pitches.UNKNOWN[0] + 1, pitches.UNKNOWN[1] - 6  # MIDI
WANDERS = 0.8  # semitones between the lowest and the highest tenth of a pitch that is held
ONE_NOTE = 0.75  # share of a note's energy that lies on its partials; a chord has less, and so has noise
MISSING = 3  # a pitch whose first three partials are not there is not heard
NEARLY = 0.9  # of the best share, which a better pitch may have
AUDIBLE = 1e-3  # of the strongest partial's energy
PITCH_PARTIALS = 6  # the first ones decide which pitch is heard
RESOLVED_PERIODS = 8  # of a note that partials can be told apart in
EPSILON = 1e-20
ATTACK_DB = 3.0  # below its peak a sound has begun
DECAYS_DB = 25.0  # within DECAYS_SECONDS after that: a stroke
DECAYS_SECONDS = 0.3
HIGH_SHARE, TONAL = 0.5, 0.1  # of the energy above all pitches; spectral flatness below which that is a whistle


@dataclasses.dataclass(frozen=True, eq=False)
class Recording:
    """A recording as it was read: one channel, at the rate that it came with.

    Attributes:
      samples: float32 [n], mono, not beyond full scale.
      sample_rate: Hz.
      name: what to call it.
      warnings: what is wrong with it, a sentence each.
    """

    samples: np.ndarray
    sample_rate: int
    name: str
    warnings: tuple[str, ...] = ()

    @property
    def duration(self) -> float:
        return len(self.samples) / self.sample_rate

    def __repr__(self) -> str:
        return f"Recording({self.name!r}, {self.duration:.2f} s, {self.sample_rate} Hz)"


@dataclasses.dataclass(frozen=True)
class RecordedNote:
    """One note of a recording.

    Attributes:
      start, end: s in the recording, from its onset to where it is not heard any more.
      until: s, the next note's start, or the end of the part: the silence up to there belongs to the note's sound.
      pitch: MIDI number, the nearest to what is heard; it may lie outside of a model's range.
      cents: how far above it the recording is, from -50 to 50.
      readings: tracker -> MIDI number with decimals that it hears, not a number where it hears none.
      warnings: what stands in the way of matching it, a sentence each.
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
    """Read a recording: a file that libsndfile knows (WAV, FLAC, OGG, MP3, AIFF, …), or its bytes.

    Args:
      source: path, or the content of a file.
      name: what to call it; by default the file's name without its ending.

    Returns:
      At most its first MAX_SECONDS, mixed to one channel.

    Raises:
      FileNotFoundError, ValueError: no such file, not audio, or no sound in it.

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
    else:
        path = as_path(source)
        if not path.is_file():
            what = "it is a folder" if path.is_dir() else "there is no such file"
            raise FileNotFoundError(f"no recording at {path}: {what}")
        if path.stat().st_size > MAX_BYTES:
            raise ValueError(f"{path} has {path.stat().st_size >> 20} MB; a recording may have {MAX_BYTES >> 20}")
        content, name = path.read_bytes(), one_line(name or Path(path.name).stem)
    if len(content) > MAX_BYTES:
        raise ValueError(f"{name} has {len(content) >> 20} MB; a recording may have {MAX_BYTES >> 20}")
    channels, sample_rate, seconds = _decoded(content, name)
    warnings = []
    if seconds > MAX_SECONDS:
        warnings.append(
            f"it lasts {_minutes(seconds)}, and only the first {MAX_SECONDS:.0f} s were read: cut out a few seconds"
        )
    samples, said = _one_channel(channels)
    if warnings and _is_silent(samples):
        raise ValueError(f"{name} is silent in its first {MAX_SECONDS:.0f} s, and no more is read: cut out the note")
    return _checked(samples, sample_rate, name, [*warnings, *said])


def recording(samples: np.ndarray, sample_rate: int, name: str = "recording") -> Recording:
    """The same of samples that are in memory already: from a microphone, for one.

    Args:
      samples: [n] or [n, channels], full scale is 1.
      sample_rate: Hz.
      name: what to call it.

    Raises:
      ValueError: there is no sound in them, or they are no numbers.

    Notebook: 11_match.
    """
    channels = np.asarray(samples, np.float32)
    channels = channels[:, None] if channels.ndim == 1 else channels
    if channels.ndim != 2 or not 1 <= channels.shape[1] <= MAX_CHANNELS:
        raise ValueError(f"samples are [n] or [n, channels], not of shape {list(np.shape(samples))}")
    if not 0 < sample_rate <= MAX_SAMPLE_RATE:
        raise ValueError(f"a recording has up to {MAX_SAMPLE_RATE} Hz, not {sample_rate}")
    if not np.isfinite(channels).all():
        raise ValueError(f"{name} holds samples that are not finite numbers")
    mono, said = _one_channel(channels[: int(MAX_SECONDS * sample_rate)])
    return _checked(mono, int(sample_rate), name, said)


def _decoded(content: bytes, name: str) -> tuple[np.ndarray, int, float]:
    """Samples [n, channels], at most MAX_SECONDS of them, Hz, and the seconds of the whole."""
    import soundfile

    try:
        with soundfile.SoundFile(io.BytesIO(content)) as file:
            if not 0 < file.samplerate <= MAX_SAMPLE_RATE or file.channels > MAX_CHANNELS:
                raise ValueError(
                    f"{name} has {file.channels} channels at {file.samplerate} Hz; "
                    f"up to {MAX_CHANNELS} at {MAX_SAMPLE_RATE} Hz are read"
                )
            samples = file.read(int(MAX_SECONDS * file.samplerate), dtype="float32", always_2d=True)
            rate, seconds = file.samplerate, file.frames / file.samplerate
    except soundfile.LibsndfileError as error:
        raise ValueError(f"{name} is not a sound file: {one_line(error.error_string)}") from None
    if not np.isfinite(samples).all():
        raise ValueError(f"{name} holds samples that are not finite numbers")
    return samples, rate, seconds


def _minutes(seconds: float) -> str:
    return f"{int(seconds // 60)}:{int(seconds % 60):02d} minutes"


def _one_channel(channels: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """All channels as one, [n], and what is to be said of it. Where they cancel each other, the loudest alone."""
    count = channels.shape[1]
    if count == 1 or not len(channels):
        return channels[:, 0], []
    power = np.mean(np.square(channels, dtype=np.float64), axis=0)
    loudest, mono = int(np.argmax(power)), channels.mean(axis=1)
    kept = np.mean(np.square(mono, dtype=np.float64))
    if count == 2 and kept >= power.mean() * 10 ** (-CANCELS_DB / 10):
        return mono, []
    why = f"it has {count} channels" if count > 2 else "its two channels cancel each other"
    return channels[:, loudest], [f"{why}: the loudest, number {loudest + 1}, was taken"]


def _checked(samples: np.ndarray, sample_rate: int, name: str, warnings: list[str]) -> Recording:
    if not len(samples):
        raise ValueError(f"{name} holds no sound: its file ends before the first sample")
    peak = float(np.abs(samples).max())
    if _is_silent(samples):
        raise ValueError(f"{name} is silent: record nearer to the microphone, or choose another input")
    if len(samples) < MIN_SECONDS * sample_rate:
        raise ValueError(
            f"{name} lasts {1000 * len(samples) / sample_rate:.0f} ms, too short to have a pitch and a timbre: "
            "record a note of a second or more"
        )
    if clipped := _clipped(samples, peak):
        warnings.append(f"it is clipped in {clipped} places, which the match will imitate: record it softer")
    if sample_rate < LOW_RATE:
        warnings.append(
            f"its {sample_rate} Hz hold nothing above {sample_rate / 2000:g} kHz, and so the match will be dull: "
            "record with 16000 Hz or more"
        )
    if abs(offset := float(np.mean(samples, dtype=np.float64))) > OFFSET * peak:
        samples = samples - np.float32(offset)
        peak = float(np.abs(samples).max())
        if _is_silent(samples):
            raise ValueError(f"{name} is a constant and no sound: check the microphone and its cable")
    return Recording(np.ascontiguousarray(samples / max(peak, 1.0), np.float32), sample_rate, name, tuple(warnings))


def _is_silent(samples: np.ndarray) -> bool:
    return float(np.abs(samples).max(initial=0.0)) < 10 ** (SILENT_DB / 20)


def _clipped(samples: np.ndarray, peak: float) -> int:
    """How many times a run of samples stands at the highest value."""
    at = np.abs(samples) >= peak * (1 - 1e-4)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], at, [False]])))
    return int(np.sum(edges[1::2] - edges[::2] >= CLIPPED_RUN))


@in_one_line
def find_notes(
    recording: Recording, start: float | None = None, end: float | None = None, pitch: int | None = None
) -> list[RecordedNote]:
    """The notes of a recording, in the order of time.

    A note begins where the bands of the spectrum rise and, if it has the pitch of the one before, its level does too.
    Two trackers that know nothing of each other say its pitch; where they disagree, the one whose partials hold more of
    the sound is taken, and a warning says so.

    Args:
      recording: of one note or several, one after the other.
      start, end: s; the part to look at, all of it by default.
      pitch: MIDI number of the note, for where the trackers are wrong; the part is then one note.

    Returns:
      At least one note and at most MAX_NOTES, the longest, and of those that are as long the first; a warning of the
      first one says if there are more.

    Raises:
      ValueError: there is no note in that part; the sentence says what seems to be there instead.

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
        raise ValueError(f"pitch is {pitch}; it is a MIDI number from {pitches.UNKNOWN[0]} to {pitches.UNKNOWN[1]}")
    wave = recording.samples[round(begin * rate) : round(stop * rate)]
    if _is_silent(wave):
        raise ValueError(f"there is silence from {begin:.2f} to {stop:.2f} s: choose a part in which a note sounds")
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
        said = f"{len(spans)} notes are in it, and the longest {MAX_NOTES} are used: choose a part with fewer"
        heard[0] = dataclasses.replace(heard[0], warnings=(*heard[0].warnings, said))
    return heard


def _part(recording: Recording, start: float | None, end: float | None) -> tuple[float, float]:
    begin = 0.0 if start is None else float(start)
    stop = recording.duration if end is None else min(float(end), recording.duration)
    if not 0 <= begin < stop:
        raise ValueError(f"from {begin:g} to {stop:g} s is no part of a recording of {recording.duration:.2f} s")
    if stop - begin < MIN_SECONDS:
        raise ValueError(
            f"a part of {1000 * (stop - begin):.0f} ms is too short to have a pitch and a timbre; "
            f"{1000 * MIN_SECONDS:.0f} ms are needed, and a second is better"
        )
    return begin, stop


def _level(wave: np.ndarray, rate: int) -> np.ndarray:
    """Root mean square every STEP, dB below the loudest."""
    step = round(STEP * rate)
    padded = np.pad(np.asarray(wave, np.float64), (0, -len(wave) % step + step))
    power = np.square(padded).reshape(-1, step).mean(axis=1)
    power = 0.5 * (power[:-1] + power[1:])
    return 10 * np.log10(np.maximum(power / power.max(), 1e-10))


def _whole(sounds: np.ndarray) -> tuple[float, float, float]:
    """Start, end and until of all that sounds, as one note."""
    heard = np.flatnonzero(sounds)
    return max(heard[0] * STEP - BEFORE, 0.0), (heard[-1] + 1) * STEP, len(sounds) * STEP


def _spans(wave: np.ndarray, rate: int, level: np.ndarray, sounds: np.ndarray) -> list[tuple[float, float, float]]:
    """Start, end and until of each note that lasts MIN_SECONDS, s."""
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
    """Where notes begin, in steps: after silence, where the spectrum rises and either pitch or level is new, or where
    one held pitch follows another without a stroke.
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
    """By how many dB the bands of a mel spectrum rise in the mean, every STEP."""
    librosa = compiled.librosa()
    size = 1 << round(0.04 * rate).bit_length()
    power = librosa.feature.melspectrogram(y=wave, sr=rate, n_fft=size, hop_length=round(STEP * rate), n_mels=64)
    decibels = librosa.power_to_db(power, ref=np.max, top_db=60.0)
    lag = 2
    rise = np.maximum(decibels[:, lag:] - decibels[:, :-lag], 0.0).mean(axis=0)
    return np.pad(rise, (lag, max(0, steps)))[:steps]


def _slurs(wave: np.ndarray, rate: int, steps: int) -> list[int]:
    """Where one held pitch follows another, in steps."""
    wide, apart = round(STEADY_SECONDS / STEP), round(STEP_SECONDS / STEP)
    if steps <= 2 * wide + apart:
        return []
    times, curve = pitches.swift_f0_curve(wave, rate)
    curve = curve[np.minimum(np.searchsorted(times, np.arange(steps) * STEP), len(curve) - 1)]
    held = np.lib.stride_tricks.sliding_window_view(curve, wide)
    low, pitch, high = np.percentile(held, [10, 50, 90], axis=1)  # not numbers where one in the window is none
    pitch[~(high - low <= STEADY_SEMITONES)] = np.nan
    moved = np.abs(pitch[wide + apart :] - pitch[: -wide - apart]) > SAME_SEMITONES
    edges = np.flatnonzero(np.diff(np.concatenate([[False], moved, [False]])))
    return [int(first + last - 1) // 2 + wide + apart // 2 for first, last in edges.reshape(-1, 2)]


def _is_new(wave: np.ndarray, rate: int, level: np.ndarray, before: int, at: int) -> bool:
    """Whether a note begins at a step, and not only something within the one that began at `before`."""
    near = round(0.06 / STEP)
    if level[at : at + near].max() - level[max(at - near, 0) : at].min() >= STRUCK_DB:
        return True
    heard = [pitches.swift_f0_track(part, rate) for part in _around(wave, rate, before, at)]
    if not all(len(track) for track in heard):
        return False
    return abs(float(np.median(heard[0]) - np.median(heard[1]))) > SAME_SEMITONES


def _is_slurred(wave: np.ndarray, rate: int, level: np.ndarray, before: int, at: int) -> bool:
    """Whether a note begins at a step without a stroke, and it is not the tracker that went to another octave."""
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
            warnings.append(f"the trackers disagree: {said}; listen, and say which it is if {_named(chosen)} is wrong")
        elif len(heard) < len(readings):
            deaf = next(name for name, value in readings.items() if not np.isfinite(value))
            if deaf != "SwiftF0" or chosen >= pitches.SWIFT_LOWEST:
                warnings.append(f"{deaf} hears no pitch: listen, and say which it is if {_named(chosen)} is wrong")
        if (spread := _spread(tracks)) > WANDERS:
            warnings.append(
                f"its pitch moves over {spread:.1f} semitones, as in speech, a slide, a drum or a bird's song; the "
                f"match holds {_named(chosen)}: record a note that is held"
            )
        if share < ONE_NOTE:
            warnings.append(
                f"{100 * (1 - share):.0f} % of it do not belong to {_named(chosen)}: a chord, several voices or "
                "noise; record one note alone"
            )
        if not LOWEST_SURE <= chosen <= HIGHEST_SURE:
            warnings.append(
                f"{_named(chosen)} is at the end of what the trackers can hear, and what lies beyond is heard as that: "
                "listen, and record a note between C1 and C7 if you can"
            )
    else:
        chosen = float(pitch)
        if not any(abs(value - pitch) <= 1 for value in heard):
            said = ", ".join(f"{name} {_named(value)}" for name, value in readings.items())
            warnings.append(f"you said {note_name(pitch)}, and no tracker hears that ({said})")
    midi = round(chosen)
    return RecordedNote(start, end, until, midi, _cents(tone, chosen, midi, rate), readings, tuple(warnings))


def _named(value: float) -> str:
    return note_name(round(value)) if np.isfinite(value) else "none"


def _partials(tone: np.ndarray, midi: float, rate: int) -> Partials | None:
    """The note taken apart, in its first seconds; None where it is too short for partials to stand apart."""
    part = tone[: round(LISTENED_SECONDS * rate)].astype(np.float64)
    hertz = note_hertz(midi)
    if len(part) < RESOLVED_PERIODS * rate / hertz:
        return None
    return partials_of(part, hertz, rate)


def _likeliest(tone: np.ndarray, heard: Sequence[float], rate: int) -> tuple[float, float]:
    """Of some pitches the one whose partials hold most of a note's energy, and the largest share that one holds."""
    shares = [_share(tone, value, rate) for value in heard]
    # The octave below a note has all of its partials too, so that the higher one is right where both fit.
    return max(value for value, share in zip(heard, shares, strict=True) if share >= NEARLY * max(shares)), max(shares)


def _share(tone: np.ndarray, midi: float, rate: int) -> float:
    """Of a note's energy, what lies on the partials of a pitch; less where its lowest partials are missing.

    Every chord lies on the partials of some very low tone, but that tone's own lowest are not in it.
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
    """Semitones between the lowest and the highest tenth of what the steadier tracker hears."""
    return min(
        (float(np.subtract(*np.percentile(track, [90, 10]))) for track in tracks.values() if len(track)), default=0.0
    )


def measured_cents(tone: np.ndarray, midi: float, rate: int) -> float:
    """How far a note lies above a MIDI number, by its first partials: cents, not a number where they say nothing."""
    found = _partials(tone, midi, rate)
    if found is None or not found.energies.sum() > found.noise:
        return float("nan")
    energies = np.where(found.energies > found.energies.max() * AUDIBLE, found.energies, 0.0)[:PITCH_PARTIALS]
    if not energies.any():
        return float("nan")
    above = 1200 * np.log2(found.frequencies[: len(energies)] / (note_hertz(midi) * (1 + np.arange(len(energies)))))
    return float(np.average(above, weights=energies))


def _cents(tone: np.ndarray, heard: float, midi: int, rate: int) -> float:
    """How far a recorded note lies above a MIDI number: by its partials or, where they say nothing, as it was heard."""
    off = measured_cents(tone, heard, rate)
    exact = heard + (off / 100 if np.isfinite(off) else 0.0)
    return float(np.clip(100 * (exact - midi), -50.0, 50.0))


def _what_instead(wave: np.ndarray, rate: int, level: np.ndarray) -> str:
    """A sentence for a sound without a pitch."""
    power = np.square(np.abs(np.fft.rfft(wave * np.hanning(len(wave)))))
    high = power[int(note_hertz(pitches.UNKNOWN[1]) * len(wave) / rate) :]
    flatness = np.exp(np.mean(np.log(high + EPSILON))) / (np.mean(high) + EPSILON) if len(high) else 1.0
    if high.sum() > HIGH_SHARE * power.sum() and flatness < TONAL:
        return (
            f"what sounds lies above {note_name(pitches.UNKNOWN[1])}, as in a bird's song or a whistle, higher than "
            "any note of the model: record a lower one"
        )
    begins = int(np.argmax(level >= -ATTACK_DB))  # noise has its peak anywhere
    after = level[begins : begins + round(DECAYS_SECONDS / STEP) + 1]
    if after[-1] <= -DECAYS_DB or len(after) < DECAYS_SECONDS / STEP:
        return (
            "no pitch is heard, as in a drum or a click: record a note of an instrument that has one, or say its pitch"
        )
    return (
        "no pitch is heard, as in noise, breath or a crowd: record one note alone, nearer to the microphone, "
        "or say its pitch"
    )
