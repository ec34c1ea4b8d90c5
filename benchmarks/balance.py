"""`make bench-balance`: how loud each track of a score is, compared with the same score played by a soundfont.

    python benchmarks/balance.py FILE.mid FILE.mid …       # default: data/midi/study.mid
    python benchmarks/balance.py songs                     # songs from the test data of other packages

A track's share is its loudness minus that of all pitched tracks; for drums, minus that of all tracks. No test depends
on these numbers. Those of the songs are in docs/benchmarks.md.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from helpers import audio, gansynth, midi, render, soundfont
from helpers.audio import mix
from helpers.gansynth import GANSynth
from helpers.midi import Song, Track
from helpers.render import mixing

STUDY = Path(__file__).resolve().parents[1] / "data" / "midi" / "study.mid"
EXCERPT, EXCERPT_FROM = 20.0, 0.4  # duration of the excerpt (s), and its start as a share of the score's duration
FEWEST_NOTES = 5  # in a track that is compared
SONGS, TRACKS, LENGTHS = "songs", 5, (60.0, 360.0)  # fewest such tracks of a song, and range of its duration (s)
FAINTEST = -30.0  # LU; tracks that are softer than this share with the soundfont are not compared
TAIL = 2.0  # s
WAYS = (("here", "loudness", 2.0), ("by peak, as the original", "peak", 1.0))  # name, level, velocity


def songs() -> Iterator[Song]:
    """The songs among the MIDI files in the test data of other packages."""
    import corpus  # imported here, because tests load this file by its path

    for name, content in corpus.of_packages().items():
        try:
            song = midi.parse(content, Path(name).stem)
        except ValueError:
            continue
        tracks = sum(len(track.notes) >= FEWEST_NOTES for track in song.tracks)
        if tracks >= TRACKS and LENGTHS[0] <= song.duration <= LENGTHS[1]:
            yield song


def excerpt(song: Song) -> Song:
    start = EXCERPT_FROM * song.duration if song.duration > EXCERPT / EXCERPT_FROM else 0.0
    return midi.excerpt(song, start, min(start + EXCERPT, song.duration))


def by_soundfont(track: Track, length: int, rate: int) -> np.ndarray:
    clip = np.zeros(length, np.float32)
    for start, samples in soundfont.play(track, rate):
        mix(clip, samples.mean(axis=1), start)
    return clip


def by_model(model: GANSynth, song: Song, length: int, level: str, velocity: float) -> list[np.ndarray]:
    """Each pitched track by itself, at its level in the mix."""
    settings = render.Settings(level=level, velocity=velocity, stereo=False)
    parts = render.resolve(model, song)
    clips = []
    for number, track in enumerate(song.tracks):
        clip = np.zeros((1, length), np.float32)
        if not track.is_drum and track.notes:
            alone = [dataclasses.replace(part, mute=i != number) for i, part in enumerate(parts)]
            mixer = mixing.Mixer(song, alone, settings, render.plan(song, alone, settings), model.sample_rate)
            for batch in render.generate_notes(model, mixer.notes, progress=False):
                for rows, wave in batch:
                    mixer.add(rows, wave)
            mix(clip, mixer.clip, 0)
        clips.append(clip[0])
    return clips


def shares(clips: Sequence[np.ndarray], rate: int, whole: Sequence[np.ndarray] | None = None) -> np.ndarray:
    """Loudness of each clip minus that of all of them together (LU)."""
    together = sum(clips if whole is None else whole)
    levels = [audio.loudness(audio.Audio(clip, rate)) for clip in (*clips, together)]
    return np.array(levels[:-1]) - levels[-1]


def compared(model: GANSynth, song: Song, level: str, velocity: float) -> tuple[np.ndarray, np.ndarray]:
    """Deviation of each pitched track's share from the soundfont's (LU), and that of the drums, if any."""
    rate = model.sample_rate
    length = round((song.duration + TAIL) * rate)
    reference = [by_soundfont(track, length, rate) for track in song.tracks]
    made = by_model(model, song, length, level, velocity)
    pitched = [i for i, track in enumerate(song.tracks) if not track.is_drum and len(track.notes) >= FEWEST_NOTES]
    drums = [clip for clip, track in zip(reference, song.tracks, strict=True) if track.is_drum and track.notes]
    wanted = shares([reference[i] for i in pitched], rate)
    off = shares([made[i] for i in pitched], rate) - wanted
    beat = [sum(drums)] if drums else []
    beat_off = shares(beat, rate, [*made, *drums]) - shares(beat, rate, reference) if drums else np.zeros(0)
    return off[np.isfinite(wanted) & (wanted > FAINTEST)], beat_off


def main(arguments: Sequence[str] | None = None) -> int:
    names = list(sys.argv[1:] if arguments is None else arguments)
    chosen = songs() if names == [SONGS] else map(midi.load, names or [STUDY])
    model = gansynth.load("demo", cache=gansynth.NoteCache())
    found: dict[str, list[float]] = {}
    for song in map(excerpt, chosen):
        for name, level, velocity in WAYS:
            tracks, drums = compared(model, song, level, velocity)
            found.setdefault(f"tracks, {name}", []).extend(tracks)
            found.setdefault(f"drums, {name}", []).extend(drums)
            middle, worst = np.median(abs(tracks)), abs(tracks).max()
            line = f"{song.name[:30]:<30}  {name:<25} median {middle:4.1f}  worst {worst:4.1f} LU"
            print(line + "".join(f"  drums {off:+5.1f}" for off in drums), flush=True)
    for name, values in found.items():
        off = np.abs(values)
        print(
            f"{name}: {len(off)} compared, off by {np.median(off):.1f} LU in the median, {np.percentile(off, 95):.1f} "
            f"at 95 %, {off.max():.1f} at most; {np.mean(values):+.1f} in the mean"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
