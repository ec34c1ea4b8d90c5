"""How well a clip follows its score: measure and plot its pitch classes, onsets and pitch against the notes.

The scores depend on the analysis as well as on the clip: reverberation, overtones, soft attacks and chords all lower
them. So they are meaningful only in comparison with those of a rendering known to be right: `soundfont.reference`.

Notebook: 06_compare.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .. import audio as sound
from .. import compiled, drawing
from ..audio import Audio
from ..midi import Song, plot

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SAMPLE_RATE = 16000  # Hz to which a clip is resampled for the analysis
HOP = 512  # samples between frames, 32 ms
ONSET_HOP = 128  # samples; with 256, onsets are detected 10 ms later, and some of them too late
CHROMA_BINS = 36  # per octave, three per semitone
CHROMA_OCTAVES = 7  # from C1 upwards
PITCH_WINDOW = 2048  # samples, four periods of C1
LOWEST, HIGHEST = "C1", "C7"  # range of the pitch tracker
RINGING = 0.3  # seconds that a note may ring on after its end: the default release of a rendering
ONSET_SECONDS = 0.05  # tolerance between an onset and its note, as is usual for onset detectors
SAME_ONSET_SECONDS = 0.03  # notes that begin within this time of each other have one onset, as in a chord
AGREE_CENTS = 50.0  # half a semitone: nearer to its note than to any other


class Agreement(NamedTuple):
    """Scores from 0 to 1; NaN where there was nothing to compare.

    Attributes:
      chroma: share of frames with notes in the score in which the clip's strongest pitch class is one of theirs.
      onsets: F-measure of the detected onsets against the score's, with a tolerance of ONSET_SECONDS.
      pitch: share of pitched frames within AGREE_CENTS of a note of the score, octaves disregarded.
    """

    chroma: float
    onsets: float
    pitch: float

    def __str__(self) -> str:
        return f"chroma {self.chroma:.0%}, onsets {self.onsets:.0%}, pitch {self.pitch:.0%}"


class _Tracks(NamedTuple):
    """The analysis of a clip."""

    seconds: np.ndarray  # time of the middle of each frame
    chroma: np.ndarray  # strongest pitch class of each frame, 0 is C
    pitch: np.ndarray  # pitch of each frame as a fractional MIDI number, NaN if unpitched
    onsets: np.ndarray  # times of the detected onsets (s)


def measure(clip: Audio, song: Song) -> Agreement:
    """Compare a clip with the score that it plays.

    The pitch is tracked by pYIN, which follows a single voice, so it is of little use for chords. The analysis takes a
    quarter of the clip's duration, or less.

    Args:
      clip: a rendering of the song from its beginning.
      song: the score; drum tracks are ignored.

    Raises:
      ValueError: the clip is empty or not finite, or the song has no pitched notes.

    >>> from helpers import midi, soundfont
    >>> from helpers.evaluation import agreement
    >>> song = midi.excerpt(midi.load("data/midi/bach_prelude.mid"), 0, 3)
    >>> found = agreement.measure(soundfont.reference(song), song)
    >>> found.chroma > 0.9, found.onsets > 0.9
    (True, True)
    """
    return _judge(_listen(clip), *_expected(song))


def draw(clip: Audio, song: Song, ax: Axes | None = None) -> tuple[Axes, Agreement]:
    """Plot the detected pitch and onsets over the notes: pitch in blue where it agrees, else red; onsets as ticks.

    Arguments and errors are those of `measure`; `ax` is the matplotlib axes to draw into, by default new ones.

    Returns:
      The axes, and the Agreement.
    """
    notes, starts = _expected(song)
    tracks = _listen(clip)
    ax = plot(song, ax)
    for collection in ax.collections:
        collection.set_alpha(0.35)  # keep the notes in the background
    nearest, cents = _nearest(tracks.seconds, tracks.pitch, notes)
    agrees = np.abs(cents) <= AGREE_CENTS
    height = nearest + cents / 100  # moved into the octave of the note
    low, high = ax.get_ylim()
    off = np.isfinite(cents) & ~agrees
    ax.plot(tracks.seconds[agrees], height[agrees], ".", markersize=2.5, color="#1f4e9c", label="pitch, agrees")
    ax.plot(tracks.seconds[off], height[off], ".", markersize=2.5, color="#d1322d", label="pitch, disagrees")
    ax.plot(tracks.onsets, np.full(len(tracks.onsets), low), "|", markersize=10, color="0.15", label="onset detected")
    ax.set_ylim(low, high)
    ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False, fontsize="small")
    agreement = _judge(tracks, notes, starts)
    drawing.literal(ax.set_title(f"{song.name}: {agreement}"))
    return ax, agreement


def _expected(song: Song) -> tuple[np.ndarray, np.ndarray]:
    """The pitched notes [n, 3] as pitch, start and end (release included); and the times of distinct onsets."""
    rows = [(n.pitch, n.start, n.end + RINGING) for track in song.tracks if not track.is_drum for n in track.notes]
    if not rows:
        raise ValueError(f"{song.name} has no pitched notes, so there is nothing to compare a clip with")
    notes = np.array(sorted(rows, key=lambda row: row[1]), float)
    starts = notes[:, 1]
    return notes, starts[np.diff(starts, prepend=-np.inf) > SAME_ONSET_SECONDS]


def _listen(clip: Audio) -> _Tracks:
    librosa = compiled.librosa()

    samples = sound.resample(Audio(np.asarray(clip.mono, np.float32), clip.sample_rate), SAMPLE_RATE).samples
    if not len(samples) or not np.isfinite(samples).all():
        raise ValueError("the audio is empty or has samples that are not finite, so it cannot be analysed")
    samples = np.pad(samples, (0, max(0, PITCH_WINDOW - len(samples))))
    lowest, highest = map(float, librosa.note_to_hz((LOWEST, HIGHEST)))
    chroma = librosa.feature.chroma_cqt(
        y=samples,
        sr=SAMPLE_RATE,
        hop_length=HOP,
        fmin=lowest,
        bins_per_octave=CHROMA_BINS,
        n_octaves=CHROMA_OCTAVES,
        tuning=0.0,  # no estimate from the clip: a clip that is out of tune must score lower
    )
    hertz, voiced, _ = librosa.pyin(
        samples, sr=SAMPLE_RATE, hop_length=HOP, frame_length=PITCH_WINDOW, fmin=lowest, fmax=highest
    )
    pitch = np.full(len(hertz), np.nan)
    pitch[voiced] = librosa.hz_to_midi(hertz[voiced])
    onsets = librosa.onset.onset_detect(y=samples, sr=SAMPLE_RATE, hop_length=ONSET_HOP, units="time")
    frames = min(chroma.shape[1], len(pitch))
    seconds = np.arange(frames) * HOP / SAMPLE_RATE
    return _Tracks(seconds, chroma[:, :frames].argmax(axis=0), pitch[:frames], onsets)


def _judge(tracks: _Tracks, notes: np.ndarray, starts: np.ndarray) -> Agreement:
    expected = np.zeros((12, len(tracks.seconds)), bool)
    for pitch, start, end in notes:
        expected[int(pitch) % 12, np.searchsorted(tracks.seconds, start) : np.searchsorted(tracks.seconds, end)] = True
    judged = expected.any(axis=0)
    agrees = expected[tracks.chroma, np.arange(len(tracks.chroma))][judged]
    found = _matched(starts, tracks.onsets)
    either = len(starts) + len(tracks.onsets)
    _, cents = _nearest(tracks.seconds, tracks.pitch, notes)
    cents = cents[np.isfinite(cents)]
    share = [float(np.mean(x)) if len(x) else float("nan") for x in (agrees, np.abs(cents) <= AGREE_CENTS)]
    return Agreement(share[0], 2 * found / either, share[1])


def _matched(starts: np.ndarray, heard: np.ndarray) -> int:
    """The most pairs of a start and an onset within ONSET_SECONDS, each used in one pair at most."""
    from mir_eval.util import match_events  # not mir_eval.onset, which warns if there are no onsets

    return len(match_events(starts, heard, ONSET_SECONDS))


def _nearest(seconds: np.ndarray, pitch: np.ndarray, notes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each frame, the sounding note nearest in pitch, octaves disregarded, and the deviation, -600 to 600 cents.

    Both are NaN where there is no pitch or no note.
    """
    nearest, cents = np.full(len(seconds), np.nan), np.full(len(seconds), np.nan)
    for note, start, end in notes:
        frames = slice(np.searchsorted(seconds, start), np.searchsorted(seconds, end))
        away = ((pitch[frames] - note + 6) % 12 - 6) * 100
        better = np.abs(away) < np.abs(np.nan_to_num(cents[frames], nan=np.inf))
        nearest[frames][better] = note
        cents[frames][better] = away[better]
    return nearest, cents
