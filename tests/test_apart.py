"""render.stems: tracks alone, which add up to the clip; render.played: the song as it was played."""

import dataclasses
import errno
import types
from pathlib import Path

import numpy as np
import pytest
from inputs import DATA, RATE, OtherPlayer, Player, Stub, song_of

from helpers import audio, midi, render
from helpers.instruments import Instrument, Timeline
from helpers.midi import Note, Song, Track
from helpers.render import Part, apart

STUDY = DATA.parents[1] / "data" / "midi" / "study.mid"
ONE, TWO = (Instrument(name, np.full(4, value)) for name, value in (("one", 1.0), ("two", -0.5)))
SILENT = -90.0  # dB below the clip
NEEDS_PLAYER = pytest.importorskip("midirenderer", reason="no soundfont player for this machine")


def play(song, parts=ONE, model=None, **choices):
    return render.render(model or Stub(), song, parts, progress=False, **choices)


def parted(clip, model=None, **how):
    return list(render.stems(clip, model or Stub(), progress=False, **how))


def difference(clip, stems):
    """What the stems together lack, in dB below the clip's own level."""
    total = np.sum([stem.samples.astype(np.float64) for _, stem in stems], axis=0)
    error = np.sqrt(np.mean((total - clip.samples) ** 2))
    return 20 * np.log10(error / np.sqrt(np.mean(clip.samples.astype(np.float64) ** 2)) + 1e-20)


def counting(limit):
    """Stop after some batches."""
    calls = []
    return lambda: calls.append(1) or len(calls) >= limit


PARTS = {
    "Flute": Part(Timeline([ONE, TWO], at=[0, 20]), gain=-7.0, pan=-1.0),
    "Piano": Part(TWO, gain=4.0),
    "Bass": Part(mute=True),
}
CHOICES = {
    "plain": {"parts": ONE},
    "panned and muted": {"parts": PARTS},
    "drums": {"parts": PARTS, "drums": "synth"},
    "44.1 kHz": {"parts": PARTS, "drums": "synth", "sample_rate": 44100},
    "mono": {"parts": PARTS, "drums": "synth", "stereo": False},
    "solo": {"parts": {"Strings": Part(ONE, solo=True), "Drums": Part(solo=True)}, "drums": "synth"},
    "no controllers, peaks": {"parts": ONE, "controllers": False, "level": "peak", "loudness": None},
    "faithful": {"parts": Timeline.hold(ONE), "faithful": True},
    "stopped": {"parts": ONE, "drums": "synth", "stop": counting(3), "sample_rate": 22050},
    "stopped, faithful": {"parts": Timeline.hold(ONE), "faithful": True, "stop": counting(2)},
}


@pytest.mark.parametrize("name", CHOICES)
@pytest.mark.slow
def test_stems_add_up_to_the_clip(name):
    clip = play(midi.load(STUDY), **CHOICES[name])
    stems = parted(clip)
    assert difference(clip, stems) < SILENT
    assert [track for track, _ in stems] == [track for track in clip.report.tracks if track.rendered]
    assert len(stems) > 1
    for _, stem in stems:
        assert stem.samples.shape == clip.samples.shape
        assert stem.sample_rate == clip.sample_rate
        assert audio.loudness(stem) > -60
    assert ("stopped" in name) == (clip.report.stopped_at is not None)


def test_each_stem_is_its_track_and_nothing_else():
    tracks = (
        Track("low", 0, False, (Note(40, 90, 0.0, 1.0),)),
        Track("none", 0, False, (Note(50, 90, 0.0, 1.0),)),
        Track("high", 0, False, (Note(80, 90, 1.5, 2.0),)),
    )
    clip = play(Song("song", tracks), {1: ONE, 2: Part(mute=True), 3: ONE})
    (low, lows), (high, highs) = parted(clip)
    assert (low.name, high.name) == ("low", "high")
    assert not lows.samples[int(1.3 * RATE) :].any()
    assert not highs.samples[: int(1.5 * RATE)].any()
    alone = play(Song("song", tracks[:1]), ONE, loudness=None).samples
    scaled = lows.samples[: len(alone)] * (np.abs(alone).max() / np.abs(lows.samples).max())
    np.testing.assert_allclose(scaled, alone, atol=1e-6)


def test_a_stem_may_go_above_full_scale():
    """Two tracks that cancel each other, but for a little."""
    tracks = tuple(Track(name, 0, False, (Note(60, 90, 0.0, 2.0),)) for name in "ab")
    clip = play(Song("song", tracks), {1: ONE, 2: Part(TWO, gain=-0.5)}, loudness=None)
    stems = parted(clip)
    assert max(stem.peak for _, stem in stems) > 1
    assert difference(clip, stems) < SILENT


def test_notes_are_generated_once_and_as_before():
    model = Stub()
    clip = play(midi.load(STUDY), {"Flute": ONE, "Piano": ONE, "Strings": ONE, "Bass": ONE}, model)
    before, model.asked = model.asked, []
    parted(clip, model)
    assert model.asked == before


def test_the_factor_of_the_mix_is_in_the_report():
    song = song_of(Note(60, 90, 0.0, 2.0))
    loud, soft = (play(song, loudness=loudness) for loudness in (-16.0, -22.0))
    assert loud.report.factor / soft.report.factor == pytest.approx(10 ** (6 / 20), rel=1e-3)
    np.testing.assert_allclose(loud.samples / loud.report.factor, soft.samples / soft.report.factor, atol=1e-6)


def test_what_waits_is_on_disk_and_gone_afterwards(tmp_path, monkeypatch):
    clip = play(midi.load(STUDY))
    stems = render.stems(clip, Stub(), progress=False, folder=tmp_path)
    next(stems)
    stems.close()
    assert not list(tmp_path.iterdir())


def test_what_would_lie_behind_the_end_of_a_track_is_left_out(tmp_path):
    mixer = types.SimpleNamespace(
        notes=types.SimpleNamespace(tracks=np.array([3, 5])), clip=np.zeros((2, 10), np.float32)
    )
    with open(tmp_path / "file", "w+b") as file:
        waiting = apart._Waiting(file, mixer)
        waiting.add(0, np.ones((2, 4)), 8)
        waiting.add(0, np.ones(3), 12)
        waiting.add(1, np.ones((2, 1)), 0)
        waiting.add(1, np.ones((2, 2)), 0)
        np.testing.assert_array_equal(waiting.track(3), [[0] * 8 + [1] * 2] * 2)
        np.testing.assert_array_equal(waiting.track(5), [[2, 1] + [0] * 8] * 2)
        assert not waiting.track(4).any()


def test_a_full_disk_is_one_sentence(tmp_path, monkeypatch):
    def full(*given):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(apart._Waiting, "add", full)
    clip = play(midi.load(STUDY))
    with pytest.raises(OSError, match=f"cannot be written: No space left on device; the disk of {tmp_path} is full"):
        parted(clip, folder=tmp_path)


def test_an_interrupt_ends_it(monkeypatch):
    """Half a stem would be worse than none."""

    class Impatient(Stub):
        def generate(self, *given, **how):
            if len(self.asked) > 8:
                raise KeyboardInterrupt
            return super().generate(*given, **how)

    clip = play(midi.load(STUDY))
    with pytest.raises(KeyboardInterrupt):
        parted(clip, Impatient())


def test_the_right_model_and_a_clip_that_says_how_it_was_made():
    clip = play(song_of(Note(60, 90, 0.0, 1.0)), ONE, Player())
    assert len(parted(clip, Player())) == 1
    with pytest.raises(ValueError, match="the clip was made with stub a1b2c3d4 in float32 by tensorflow, not with"):
        render.stems(clip, OtherPlayer())
    with pytest.raises(ValueError, match="the clip does not say where stub came from"):
        render.stems(clip)
    bare = dataclasses.replace(clip, report=dataclasses.replace(clip.report, recipe=None))
    for call in (render.stems, render.played):
        for made in (bare, audio.Audio(clip.samples, RATE)):
            with pytest.raises(ValueError, match="has no report on how it was made; clips returned by"):
                call(made)


# ---------------------------------------------------------------------------------------- the song as it was played


class Named(Stub):
    """Knows the programs of its instruments."""

    def __init__(self):
        super().__init__()
        programs = {"one": 46, "two": 73}
        self.about = {"instruments": [{"name": n, "program": p, "z": [0] * 4} for n, p in programs.items()]}


def test_a_song_that_nothing_happened_to_is_the_same():
    song = midi.load(DATA / "midi" / "melody14.mid")
    got = render.played(play(song))
    want = dataclasses.replace(song.tracks[0], name=f"{song.tracks[0].name}: one")
    assert (got.name, got.tempos, got.meters) == (song.name, song.tempos, song.meters)
    assert [track.name for track in got.tracks] == [want.name]
    for note, written in zip(got.notes, sorted(want.notes, key=lambda note: note.end), strict=True):
        assert dataclasses.astuple(note) == pytest.approx(dataclasses.astuple(written))


@pytest.mark.slow
def test_who_plays_is_in_the_names_and_programs():
    song = midi.load(STUDY)
    parts = {"Flute": ONE, "Piano": Timeline([TWO, ONE], at=[0, 9]), "Strings": Instrument("Strings", np.ones(4))}
    got = render.played(play(song, {**parts, "Bass": Part(mute=True)}, Named(), drums="synth"))
    assert [(track.name, track.program, track.is_drum) for track in got.tracks] == [
        ("Flute: one", 46, False),
        ("Piano: two > one", 73, False),
        ("Strings", 48, False),
        ("Drums", 0, True),
    ]
    assert got.tracks[-1] == song.tracks[-1]
    without = render.played(play(song, ONE, Named()))
    assert [track.is_drum for track in without.tracks] == [False] * 4, "drums were not played"


@pytest.mark.parametrize(("pitch", "expected"), [("fold", [78, 66]), ("drop", [66]), ("shift", [84, 60])])
def test_notes_are_where_they_were_moved(pitch, expected):
    song = song_of(Note(90, 90, 0.0, 1.0), Note(66, 80, 1.0, 2.0))
    assert [note.pitch for note in render.played(play(song, pitch=pitch)).notes] == expected


def test_the_pedals_are_in_the_lengths_of_the_notes():
    controls = {"pedal": ((0.5, 1.0), (3.0, 0.0)), "pan": ((0.0, -1.0),), "bend": ((0.0, 0.0), (0.1, 30.0), (0.2, 0.0))}
    song = song_of(Note(60, 90, 0.0, 1.0), controls=controls)
    track = render.played(play(song)).tracks[0]
    assert track.notes == (Note(60, 90, 0.0, 3.0),)
    assert track.controls == {"pan": ((0.0, -1.0),), "bend": ((0.0, 0.0), (0.1, 24.0), (0.2, 0.0))}
    apart_from_them = render.played(play(song, {1: Part(ONE, pan=0.5)}, controllers=False)).tracks[0]
    assert apart_from_them.notes == song.tracks[0].notes
    assert apart_from_them.controls == {"pan": ((0.0, 0.5),)}


def test_long_notes_are_as_long_as_they_were_held():
    song = song_of(Note(60, 90, 0.0, 9.0))
    assert render.played(play(song)).notes[0].end == 9.0
    assert render.played(play(song, sustain="once")).notes[0].end == 3.0

    class Short(Stub):
        max_duration = 2.0

    assert render.played(play(song, ONE, Short())).notes[0].end == 3.0
    assert render.played(play(song, Timeline.hold(ONE), faithful=True)).notes[0].end == 3.0


def test_faithful_plays_drums_as_pitches():
    song = midi.load(STUDY)
    clip = play(song, Timeline.hold(ONE), faithful=True)
    got = render.played(clip)
    assert len(got.notes) == clip.report.rendered
    assert got.tracks[-1].name == "Drums: one"
    assert not got.tracks[-1].is_drum
    assert not any(track.controls for track in got.tracks)


@pytest.mark.slow
def test_a_stopped_rendering_ends_where_it_was_stopped():
    clip = play(midi.load(STUDY), ONE, stop=counting(3), drums="synth")
    got = render.played(clip)
    assert len(got.notes) == clip.report.rendered
    assert got.duration <= clip.report.stopped_at < clip.report.recipe.song.duration
    song = song_of(Note(40, 90, 0.0, 50.0), *(Note(50 + i, 90, i, i + 0.5) for i in range(30)))
    clip = play(song, ONE, stop=counting(1))
    assert render.played(clip).duration == clip.report.stopped_at < 30


@pytest.mark.slow
def test_played_again_it_sounds_the_same(tmp_path):
    """The proof: the song as it was played, rendered by the same instrument, is the clip."""
    song = midi.load(STUDY)
    clip = play(song, ONE, drums="synth", pitch="shift")
    again = play(midi.load(midi.write(render.played(clip), tmp_path / "song.mid")), ONE, drums="synth")
    length = min(len(clip.samples), len(again.samples))
    assert abs(len(clip.samples) - len(again.samples)) < 0.01 * RATE
    low, high = (audio.Audio(c.samples[:length], RATE) for c in (clip, again))
    assert np.corrcoef(low.mono, high.mono)[0, 1] > 0.99
    assert Path(tmp_path / "song.mid").stat().st_size < 10_000
