"""helpers.limits: what costs more than it weighs is shortened or refused before any work is done."""

import dataclasses
import struct
import time
import tracemalloc

import numpy as np
import pytest
from inputs import RATE, Stub, song_of

from helpers import audio, limits, midi, render, soundfont
from helpers.instruments import Instrument, Timeline
from helpers.midi import Note, Song, Track, reading
from helpers.render import controllers, mixing, planning, rendering, shaping
from helpers.render.types import Part, ResolvedPart, Settings

ONE = Timeline.hold(Instrument("one", np.ones(4)))
NOTE = b"\0\x90\x3c\x40\x01\x3c\0"
MB = 1 << 20


@pytest.fixture
def load(tmp_path):
    """Load a MIDI file of tracks that are given as bytes."""

    def loaded(*tracks, division=96):
        head = b"MThd" + struct.pack(">IHHH", 6, 1, len(tracks), division)
        ends = (data + b"\0\xff\x2f\0" for data in tracks)
        content = head + b"".join(b"MTrk" + struct.pack(">I", len(data)) + data for data in ends)
        (tmp_path / "score.mid").write_bytes(content)
        return midi.load(tmp_path / "score.mid")

    return loaded


def peak_of(function, *args):
    """What a function returns, and the bytes that it holds at once at most."""
    tracemalloc.start()
    try:
        result = function(*args)
        return result, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def sweep(count):
    """So many changes of volume, a tick apart."""
    return b"\0\xb0\x07\x40" + b"".join(bytes([1, 7, i % 128]) for i in range(1, count))


# ------------------------------------------------------------------------------------------------------------- reading


def test_of_too_many_notes_the_first_are_read(load, monkeypatch):
    monkeypatch.setattr(reading, "MAX_NOTES", 10)
    song = load(NOTE * 7, NOTE * 7)
    assert [len(track.notes) for track in song.tracks] == [7, 3]
    assert song.remarks == ("4 notes after the first 10, left out",)
    assert load(NOTE * 10).remarks == ()


CHANGES = {
    "controllers": b"\0\xb0\x07\x40",
    "programs": b"\0\xc0\x05",
    "bends": b"\0\xe0\x00\x50",
    "resets": b"\0\xb0\x79\x00",
    "banks": b"\0\xb0\x00\x01",
    "parameters": b"\0\xb0\x06\x01",
    "silences": b"\0\xb0\x7b\x00",
    "tempos": b"\0\xff\x51\x03\x07\xa1\x20",
    "meters": b"\0\xff\x58\x04\x04\x02\x18\x08",
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_of_too_many_changes_the_first_are_read(load, monkeypatch, change):
    monkeypatch.setattr(reading, "MAX_CHANGES", 10)
    song = load(NOTE + change * 12)
    assert song.remarks == ("2 changes of controllers, programs or tempo after the first 10, ignored",)
    assert load(NOTE + change * 10).remarks == ()


def test_a_message_to_all_channels_counts_as_one_to_each(load, monkeypatch):
    monkeypatch.setattr(reading, "MAX_CHANGES", 40)
    song = load(NOTE + b"\0\xf0\x05\x7e\x7f\x09\x01\xf7" * 3)
    assert song.remarks == ("1 change of controllers, programs or tempo after the first 40, ignored",)


def test_controllers_that_nobody_reads_are_no_changes(load, monkeypatch):
    monkeypatch.setattr(reading, "MAX_CHANGES", 10)
    song = load(b"\0\xb0\x01\x40" * 20 + CHANGES["controllers"] + NOTE)
    assert song.remarks == ()
    assert song.tracks[0].controls["volume"]


def test_tracks_of_a_channel_share_its_controllers(load):
    song, peak = peak_of(load, sweep(2000), *[NOTE] * 400)
    assert len(song.tracks) == 400
    assert len({id(track.controls["volume"]) for track in song.tracks}) == 1
    assert len(song.tracks[0].controls["volume"]) == 2000
    assert peak < 10 * MB  # a copy for each took 70


def test_tracks_that_bend_on_a_tuned_channel_are_no_copies_without_end(load, monkeypatch):
    monkeypatch.setattr(reading, "MAX_CHANGES", 2000)
    tuning = b"\0\xb0\x65\0\0\x64\x01" + b"".join(bytes([1, 6, i % 128]) for i in range(500))
    song = load(*[b"\0\xe0\0\x41" + NOTE] * 20, tuning)
    sizes = [len(track.controls["bend"]) for track in song.tracks]
    assert sorted(set(sizes)) == [1, 501]
    left = sizes.count(1)
    assert song.remarks == (f"{left} tracks without the tuning of the channel, which changes too often",)


def test_many_tracks_of_a_channel_are_looked_through_once(load, monkeypatch):
    looked = []

    class Counted(reading._Channel):
        def __getattribute__(self, name):
            if name == "controls":
                looked.append(1)
            return super().__getattribute__(name)

    monkeypatch.setattr(reading, "_Channel", Counted)
    song = load(*[NOTE] * 99, *[b"\0\xb0\x07\x40"] * 2000)
    assert len(song.tracks) == 99
    assert len(looked) < 5 * 2099  # once for each track that plays would be 200,000


def test_a_message_in_a_million_pieces(load):
    began = time.process_time()
    load(b"\0\xf0\x01\x41" + b"\0\xf7\x01\x41" * 300_000 + NOTE)
    assert time.process_time() - began < 60  # half a second; copying it with each took minutes


def test_the_programs_of_a_track_share_its_controllers(load):
    song = load(sweep(10) + b"".join(bytes([0, 0xC0, program]) + NOTE for program in range(100)))
    assert len(song.tracks) == 100
    assert len({id(track.controls["volume"]) for track in song.tracks}) == 1


def test_tracks_of_a_tuned_channel_share_its_bends(load):
    fine = b"\0\xb0\x65\0\0\x64\x01\0\x06\x60\0\xe0\0\x50"
    song = load(fine, *[NOTE] * 20)
    assert len({id(track.controls["bend"]) for track in song.tracks}) == 1


def test_a_tracks_own_controllers_stay_its_own(load):
    song = load(sweep(10), NOTE, b"\0\xb0\x07\x20" + NOTE)
    assert [len(track.controls["volume"]) for track in song.tracks] == [10, 1]


def test_tracks_that_share_controllers_share_their_curves():
    shared = tuple((0.01 * i, i % 2 / 2) for i in range(1000))
    tracks = tuple(
        Track(f"track {i}", 0, False, (Note(60, 90, 0.0, 1.0),), {"volume": shared, "bend": shared}) for i in range(50)
    )
    moves = controllers.curves(Song("song", tracks), [ResolvedPart(None)] * 50, Settings())
    assert len({id(curves["volume"]) for curves in moves}) == 1
    assert len({id(curves["bend"]) for curves in moves}) == 1
    assert moves[0]["volume"] is not moves[0]["bend"]


# ----------------------------------------------------------------------------------------------------------- rendering


def planned(song):
    return planning.plan(song, [ResolvedPart(ONE)] * len(song.tracks), Settings())


def bent(count, seconds, semitones=24.0):
    return song_of(*(Note(24 + i % 61, 64, 0.0, seconds) for i in range(count)), controls={"bend": ((0.0, semitones),)})


def test_a_bent_note_uses_up_no_more_sound_than_a_plain_one_can():
    assert planned(bent(1, 300.0)).holds.tolist() == [limits.MAX_NOTE_DURATION / 4]
    assert planned(bent(1, 300.0, -24.0)).holds.tolist() == [limits.MAX_NOTE_DURATION]
    assert planned(bent(1, 70.0)).holds.tolist() == [70.0]


def test_bent_notes_count_for_the_work_that_they_are():
    plan = planned(bent(200, 300.0))
    assert plan.holds.sum() * (1 + 4 * limits.BENDING) == pytest.approx(limits.MAX_TOTAL_DURATION)
    assert plan.shortened == 200


@pytest.mark.slow
def test_more_bent_notes_than_can_be_played_are_refused():
    """Each takes its release, however short it is cut."""
    most = limits.MAX_TOTAL_DURATION / (0.3 * 4 * limits.BENDING)
    assert len(planned(bent(int(0.99 * most), 0.01))) > 0
    with pytest.raises(ValueError, match="bends 10,100 notes, which would take too long; use controllers=False"):
        planned(bent(int(1.01 * most), 0.01))


def test_of_notes_of_unlike_work_the_longest_are_cut():
    holds, rates = np.array([1.0, 10.0, 4.0]), np.array([2.0, 1.0, 3.0])
    assert planning._within(holds, 24.0, rates).tolist() == [1.0, 10.0, 4.0]
    assert planning._within(holds, 19.0, rates).tolist() == [1.0, 5.0, 4.0]
    assert planning._within(holds, 10.0, rates).tolist() == [1.0, 2.0, 2.0]


def test_a_bent_note_is_read_in_blocks_without_seams(monkeypatch):
    wave = np.sin(np.arange(40_000) * 0.2)
    bends = 12 * np.sin(np.arange(30_000) / 3000)
    whole = shaping.bend(wave, bends)
    monkeypatch.setattr(shaping, "BEND_BLOCK", 1000)
    np.testing.assert_allclose(shaping.bend(wave, bends), whole, atol=1e-12)
    assert shaping.bend(wave, np.full(100_000, 12.0)).shape == (100_000,)  # on into what is after its end


def test_a_long_bent_note_takes_little_memory():
    samples = 40 * shaping.BEND_BLOCK // 10
    wave = np.zeros(samples)
    _, peak = peak_of(shaping.bend, wave, np.zeros(samples))
    assert peak < 8 * wave.nbytes  # all at once took 11 times


def swaying(seconds):
    """Controllers that are changed ten times a second."""
    times = np.arange(0.0, seconds, 0.1)
    return {kind: tuple((t, level * (1 + np.sin(t + level)) / 2) for t in times) for kind, level in SWAYING.items()}


SWAYING = {"pan": 1.0, "volume": 0.9, "expression": 0.8}


def mixer_of(song):
    parts = [ResolvedPart(ONE)] * len(song.tracks)
    return mixing.Mixer(song, parts, Settings(), planning.plan(song, parts, Settings()), RATE)


def test_a_long_note_under_moving_controllers_takes_no_more_memory_than_a_plain_one():
    wave = np.sin(np.arange(4 * RATE) * 0.2).astype(np.float32)
    note = Note(60, 64, 0.0, 120.0)
    plain, moved = mixer_of(song_of(note)), mixer_of(song_of(note, controls=swaying(120.0)))
    plain.add(np.array([0]), wave)  # what is loaded once
    _, least = peak_of(plain.add, np.array([0]), wave)
    _, peak = peak_of(moved.add, np.array([0]), wave)
    assert peak < 1.1 * least  # as one block, 1.7 times


def test_levels_move_along_a_note_without_seams():
    mixer = mixer_of(song_of(Note(60, 127, 0.5, 9.0), controls=swaying(10.0)))
    note = np.sin(np.arange(9 * RATE) * 0.2)
    mixer._place(0, note)
    times = 0.5 + np.arange(len(note)) / RATE
    expected = np.zeros_like(mixer.clip)
    audio.mix(expected, note * mixing.levels(mixer.moves[0], 0.0, times, 2), RATE // 2)
    np.testing.assert_allclose(mixer.clip, expected, atol=2e-3)  # of each block
    assert np.abs(mixer.clip).max() > 0.5


def test_more_notes_than_can_be_played_are_refused_before_they_are_planned(monkeypatch):
    monkeypatch.setattr(rendering, "MAX_PLAYED", 3)
    song = song_of(*(Note(60, 90, 0.1 * i, 1.0) for i in range(4)))
    assert render.render(Stub(), midi.excerpt(song, 0.0, 0.25), ONE, progress=False).report.rendered == 3
    monkeypatch.setattr(rendering, "plan", None)  # it is not called
    with pytest.raises(ValueError, match="has 4 notes to play, but a clip can have only 3; mute some of its tracks"):
        render.render(Stub(), song, ONE, progress=False)


# ------------------------------------------------------------------------------------------------ the soundfont player


def played(song):
    """Seconds that the player plays."""
    return sum(piece.end - piece.start for track in song.tracks for piece in soundfont.pieces(track))


def minutes(count, is_drum=False, hours=2):
    """Keys pressed a minute apart, and held to the end."""
    return song_of(*(Note(35 + i % 47, 64, 60.0 * i, 3600.0 * hours) for i in range(count)), is_drum=is_drum)


def test_keys_that_got_stuck_are_let_go():
    assert played(song_of(Note(60, 64, 0.0, 7200.0))) == limits.MAX_KEY_DURATION + soundfont.TAIL
    assert played(minutes(47)) == 47 * (limits.MAX_KEY_DURATION + soundfont.TAIL)


def test_a_drum_is_not_held():
    assert played(minutes(47, is_drum=True)) == 47 * (limits.MAX_HIT_DURATION + soundfont.TAIL)


def test_silence_is_not_played():
    song = song_of(*(Note(60, 64, second, second + 1.0) for second in (20.5, 55.0, 7000.0, 7079.0)))
    pieces = soundfont.pieces(song.tracks[0])
    assert [(piece.start, piece.end) for piece in pieces] == [
        (20.0, 25.5), (55.0, 60.0), (7000.0, 7005.0), (7079.0, 7084.0),
    ]  # fmt: skip


def test_what_the_pedal_holds_is_no_silence():
    notes = Note(60, 64, 0.0, 1.0), Note(60, 64, 20.0, 21.0)
    assert len(soundfont.pieces(song_of(*notes).tracks[0])) == 2
    assert len(soundfont.pieces(song_of(*notes, controls={"pedal": ((0.5, 1.0),)}).tracks[0])) == 1


def test_notes_between_which_there_is_a_rest_are_played_at_once_and_in_their_order():
    notes = Note(60, 64, 10.0, 11.0), Note(64, 64, 0.5, 12.0), Note(67, 64, 23.0, 59.0)
    [piece] = soundfont.pieces(song_of(*notes).tracks[0])
    assert (piece.start, piece.notes, piece.end) == (0.0, list(notes), 63.0)


def test_changes_are_those_of_the_piece_and_the_last_before():
    changes = tuple((float(second), second / 100) for second in range(100))
    assert soundfont._within(changes, 10.5, 13.0) == changes[10:13]
    assert soundfont._within(changes, 10.0, 10.0) == ()
    assert soundfont._within(changes[5:], 0.0, 6.0) == changes[5:6]
    assert soundfont._within((), 0.0, 6.0) == ()


def test_work_counts_what_the_player_does():
    quiet = soundfont.work(song_of(Note(60, 64, 0.0, 50.0)).tracks[0])
    chord = soundfont.work(song_of(*(Note(pitch, 64, 0.0, 50.0) for pitch in range(40, 48))).tracks[0])
    cluster = soundfont.work(song_of(*(Note(pitch, 64, 0.0, 50.0) for pitch in range(128))).tracks[0])
    moved = song_of(Note(60, 64, 0.0, 50.0), controls={"pan": tuple((i / 1000, 0.0) for i in range(50_000))})
    assert 50 < quiet < 100 < chord < cluster
    assert cluster < 10 * 54 + 10  # there are 64 voices
    assert soundfont.work(moved.tracks[0]) == pytest.approx(quiet + 50_000 * soundfont.EVENT_WORK)


def test_two_hours_of_drums_can_be_played():
    hits = (Note(pitch, 100, 0.25 * i, 0.25 * i + 0.1) for i in range(4 * 7190) for pitch in (36, 42, 38))
    soundfont.check(song_of(*hits, is_drum=True).tracks, "drums")


def orchestra(tracks, minutes, voices=1):
    """Each track plays half of the time, in strings."""
    notes = tuple(Note(50 + voice, 64, 2.0 * i, 2.0 * i + 1.0) for i in range(30 * minutes) for voice in range(voices))
    return Song("symphony", tuple(Track(f"track {i}", 48, False, notes) for i in range(tracks)))


def test_a_movement_of_a_symphony_can_be_played():
    song = orchestra(18, 40)
    assert sum(map(soundfont.work, song.tracks)) > 3 * limits.MAX_WORK
    soundfont.check(song.tracks, song.name)


@pytest.mark.parametrize("song", [orchestra(18, 40, voices=4), orchestra(18, 90), orchestra(90, 8)])
def test_what_is_denser_or_longer_is_refused(song):
    with pytest.raises(ValueError, match="symphony " + TOO_MUCH):
        soundfont.check(song.tracks, song.name)


def test_programs_of_many_voices_cost_more():
    notes = tuple(Note(pitch, 64, 0.0, 50.0) for pitch in range(60, 64))
    piano, strings = (soundfont.work(Track("track", program, False, notes)) for program in (0, 48))
    assert strings - piano == pytest.approx(200 * (soundfont.NOTE_WORK[6] - soundfont.NOTE_WORK[0]))


@pytest.fixture
def untouched(monkeypatch):
    """Playing fails."""

    def fail(*args):
        raise AssertionError("it is played")

    monkeypatch.setattr(soundfont, "play_with", fail)


TOO_MUCH = (
    r"has more sound in .* than the soundfont player can play in a few minutes; "
    r"take an excerpt with midi\.excerpt, or fewer tracks"
)


def many(count, is_drum=False):
    notes = tuple(Note(pitch, 64, 60.0 * i, 60.0 * i + 59.0) for i in range(20) for pitch in range(40, 100))
    return Song("song", tuple(Track(f"track {i}", 0, is_drum, notes) for i in range(count)))


def test_a_reference_that_takes_too_long_is_refused_before_anything_is_played(untouched):
    with pytest.raises(ValueError, match=TOO_MUCH):
        soundfont.reference(many(10))
    with pytest.raises(ValueError, match=r"lasts 3\.0 h, but a clip can last only 2 h; take an excerpt"):
        soundfont.reference(song_of(Note(60, 64, 0.0, 3 * 3600.0)))


def test_drums_that_take_too_long_are_refused_before_anything_is_rendered(untouched, monkeypatch):
    monkeypatch.setattr(rendering, "plan", None)
    song = dataclasses.replace(many(100, is_drum=True), name="drums")
    with pytest.raises(ValueError, match="drums " + TOO_MUCH):
        render.render(Stub(), song, ONE, drums="synth", progress=False)


def test_drums_that_are_not_heard_cost_nothing():
    song = many(100, is_drum=True)
    song = dataclasses.replace(song, tracks=(*song.tracks, Track("lead", 0, False, (Note(60, 64, 0.0, 1.0),))))
    for choices in ({"parts": {101: Part(ONE, solo=True)}, "drums": "synth"}, {"parts": ONE}):
        parts = choices.pop("parts")
        assert render.render(Stub(), song, parts, default=ONE, progress=False, **choices).report.rendered == 1


@pytest.mark.slow
def test_a_long_reference_takes_little_more_memory_than_its_clip():
    pytest.importorskip("midirenderer", reason="the soundfont player is not installed (pip install midirenderer)")
    soundfont.reference(song_of(Note(60, 64, 0.0, 1.0)))  # what is loaded once
    clip, peak = peak_of(soundfont.reference, song_of(Note(60, 64, 0.0, 1800.0)))
    assert clip.duration == 1801.0
    assert peak < clip.samples.nbytes + 200 * MB  # of a whole clip at once, a gigabyte
    assert not clip.samples[130 * RATE :].any()
