"""How well a clip keeps to its score: its pitch classes, onsets and pitch against the notes, measured and drawn.

The numbers are of a clip and of the tools that listen to it: reverberation, overtones, soft attacks and chords all cost
some. So they say something only beside those of a rendering that is known to be right: `soundfont.reference`.

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

SAMPLE_RATE = 16000  # Hz at which a clip is listened to
HOP = 512  # samples from frame to frame, 32 ms
ONSET_HOP = 128  # samples; at 256 onsets are heard 10 ms later, and some of them too late
CHROMA_BINS = 36  # an octave, three a semitone
CHROMA_OCTAVES = 7  # from C1 on
PITCH_WINDOW = 2048  # samples, four periods of C1
LOWEST, HIGHEST = "C1", "C7"  # pitches that are looked for
RINGING = 0.3  # s that a note may sound on after its end: the release of a rendering, unless one asks for another
ONSET_SECONDS = 0.05  # between an onset and its note, as onset detectors are commonly judged
SAME_ONSET_SECONDS = 0.03  # notes of a chord begin within
IN_TUNE_CENTS = 50.0  # nearer to its note than to any other


class Agreement(NamedTuple):
    """Shares from 0 to 1; not a number where there was nothing to judge."""

    chroma: float  # of the frames in which the score sounds: the clip's strongest pitch class is one of its notes'
    onsets: float  # F-measure: of the score's onsets, found within ONSET_SECONDS, and of those found, the score's
    pitch: float  # of the frames with a pitch: within IN_TUNE_CENTS of a note of the score, octaves not counted

    def __str__(self) -> str:
        return f"chroma {self.chroma:.0%}, onsets {self.onsets:.0%}, pitch {self.pitch:.0%}"


class _Tracks(NamedTuple):
    """What was heard in a clip."""

    seconds: np.ndarray  # the middle of each frame
    chroma: np.ndarray  # the strongest pitch class of each frame, 0 is C
    pitch: np.ndarray  # of each frame as a MIDI number with a fraction, not a number where there is none
    onsets: np.ndarray  # s


def measure(clip: Audio, song: Song) -> Agreement:
    """Compare a clip with the score that it plays.

    The pitch is tracked by pYIN, which follows one voice: of chords it says little. It takes a quarter of the
    clip's time, or less.

    Args:
      clip: what plays the song, from its first second on.
      song: the score; drum tracks are left out.

    Raises:
      ValueError: the clip is empty or not finite, or the song has no pitched note.

    >>> from helpers import midi, soundfont
    >>> from helpers.evaluation import agreement
    >>> song = midi.excerpt(midi.load("data/midi/bach_prelude.mid"), 0, 3)
    >>> found = agreement.measure(soundfont.reference(song), song)
    >>> found.chroma > 0.9, found.onsets > 0.9
    (True, True)
    """
    return _judge(_listen(clip), *_expected(song))


def draw(clip: Audio, song: Song, ax: Axes | None = None) -> tuple[Axes, Agreement]:
    """Draw what was heard over the notes: the pitch, blue where it agrees and red where not, and onsets as ticks.

    Args, errors as for `measure`.

    Returns:
      (the axes, the Agreement).
    """
    notes, starts = _expected(song)
    tracks = _listen(clip)
    ax = plot(song, ax)
    for collection in ax.collections:
        collection.set_alpha(0.35)  # the notes are the background here
    nearest, cents = _nearest(tracks.seconds, tracks.pitch, notes)
    agrees = np.abs(cents) <= IN_TUNE_CENTS
    height = nearest + cents / 100  # in the octave of the note
    low, high = ax.get_ylim()
    off = np.isfinite(cents) & ~agrees
    ax.plot(tracks.seconds[agrees], height[agrees], ".", markersize=2.5, color="#1f4e9c", label="pitch, agrees")
    ax.plot(tracks.seconds[off], height[off], ".", markersize=2.5, color="#d1322d", label="pitch, does not")
    ax.plot(tracks.onsets, np.full(len(tracks.onsets), low), "|", markersize=10, color="0.15", label="onset heard")
    ax.set_ylim(low, high)
    ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False, fontsize="small")
    agreement = _judge(tracks, notes, starts)
    drawing.literal(ax.set_title(f"{song.name}: {agreement}"))
    return ax, agreement


def _expected(song: Song) -> tuple[np.ndarray, np.ndarray]:
    """The pitched notes [n, 3] as pitch, start, end of ringing (a rendering's release); and the seconds of onsets."""
    rows = [(n.pitch, n.start, n.end + RINGING) for track in song.tracks if not track.is_drum for n in track.notes]
    if not rows:
        raise ValueError(f"{song.name} has no pitched note, so there is nothing to compare a clip with")
    notes = np.array(sorted(rows, key=lambda row: row[1]), float)
    starts = notes[:, 1]
    return notes, starts[np.diff(starts, prepend=-np.inf) > SAME_ONSET_SECONDS]


def _listen(clip: Audio) -> _Tracks:
    librosa = compiled.librosa()

    samples = sound.resample(Audio(np.asarray(clip.mono, np.float32), clip.sample_rate), SAMPLE_RATE).samples
    if not len(samples) or not np.isfinite(samples).all():
        raise ValueError(
            "the audio is empty or holds samples that are not finite numbers, so nothing can be heard in it"
        )
    samples = np.pad(samples, (0, max(0, PITCH_WINDOW - len(samples))))
    lowest, highest = map(float, librosa.note_to_hz((LOWEST, HIGHEST)))
    chroma = librosa.feature.chroma_cqt(
        y=samples,
        sr=SAMPLE_RATE,
        hop_length=HOP,
        fmin=lowest,
        bins_per_octave=CHROMA_BINS,
        n_octaves=CHROMA_OCTAVES,
        tuning=0.0,  # not the clip's own: what is out of tune must count as that
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
    share = [float(np.mean(x)) if len(x) else float("nan") for x in (agrees, np.abs(cents) <= IN_TUNE_CENTS)]
    return Agreement(share[0], 2 * found / either, share[1])


def _matched(starts: np.ndarray, heard: np.ndarray) -> int:
    """How many pairs of a start and an onset lie within ONSET_SECONDS, each in one pair at most."""
    from mir_eval.util import match_events  # not mir_eval.onset: that warns when nothing was heard

    return len(match_events(starts, heard, ONSET_SECONDS))


def _nearest(seconds: np.ndarray, pitch: np.ndarray, notes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of each frame the sounding note that is nearest to its pitch, octaves aside, and the cents from it, -600 to 600.

    Not a number where there is no pitch or no note.
    """
    nearest, cents = np.full(len(seconds), np.nan), np.full(len(seconds), np.nan)
    for note, start, end in notes:
        frames = slice(np.searchsorted(seconds, start), np.searchsorted(seconds, end))
        away = ((pitch[frames] - note + 6) % 12 - 6) * 100
        better = np.abs(away) < np.abs(np.nan_to_num(cents[frames], nan=np.inf))
        nearest[frames][better] = note
        cents[frames][better] = away[better]
    return nearest, cents
