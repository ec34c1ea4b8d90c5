"""helpers.midi: files in, songs out, pedals and bars, piano rolls."""

import dataclasses
from pathlib import Path

import mido
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from inputs import DATA, golden, song_of
from matplotlib.collections import LineCollection, PolyCollection

from helpers import midi
from helpers.midi import Note, Song, Track, loading
from helpers.midi.reading import MAX_NAME, clean
from helpers.midi.song import MAX_NAMED, MAX_PEDAL_SECONDS

PRELUDE = Path(__file__).parents[1] / "data" / "midi" / "bach_prelude.mid"


@pytest.fixture
def song():
    flute = Track("Flute", 73, False, (Note(60, 100, 0.0, 1.0), Note(64, 50, 1.0, 3.0)))
    drums = Track("Drums", 0, True, (Note(36, 90, 0.5, 0.6),))
    return Song("two", (flute, drums))


# Each of these is a list of events, (tick, message), of which a track of a file is put together.


def note(tick, pitch=60, length=1000, channel=0):
    pressed = mido.Message("note_on", note=pitch, velocity=100, channel=channel)
    return [(tick, pressed), (tick + length, mido.Message("note_off", note=pitch, channel=channel))]


def control(tick, number, value, channel=0):
    return [(tick, mido.Message("control_change", control=number, value=value, channel=channel))]


def wheel(tick, pitch):
    return [(tick, mido.Message("pitchwheel", pitch=pitch))]


def program(tick, number, channel=0):
    return [(tick, mido.Message("program_change", program=number, channel=channel))]


def tempo(tick, per_minute):
    return [(tick, mido.MetaMessage("set_tempo", tempo=mido.bpm2tempo(per_minute)))]


def meter(tick, beats, value):
    return [(tick, mido.MetaMessage("time_signature", numerator=beats, denominator=value))]


def title(name):
    return [(0, mido.MetaMessage("track_name", name=name))]


@pytest.fixture
def save(tmp_path):
    """Writes a file of some tracks. At 500 ticks a beat, and no tempo that says otherwise, a tick is a millisecond."""

    def save(*tracks, ticks_per_beat=500, charset="utf-8"):
        file = mido.MidiFile(ticks_per_beat=ticks_per_beat, charset=charset)
        for events in tracks:
            track, now = file.add_track(), 0
            for tick, message in sorted(events, key=lambda event: event[0]):
                track.append(message.copy(time=tick - now))
                now = tick
        path = tmp_path / "score.mid"
        file.save(path)
        return path

    return save


@pytest.fixture
def read(save):
    """The song that a file of some tracks holds."""
    return lambda *tracks, **how: midi.load(save(*tracks, **how))


def times(song):
    return [(note.start, note.end) for note in song.notes]


# ---------------------------------------------------------------------------------------------------------------- files


def test_the_bundled_score():
    prelude = midi.load(PRELUDE)
    assert len(prelude.notes) == 656
    assert prelude.duration == pytest.approx(126.0)
    assert "Mutopia, public domain" in prelude.tracks[0].name
    assert prelude.tracks[0].program == 42


@pytest.mark.parametrize("score", ["small", "melody14", "bench300"])
def test_notes_are_those_of_the_original_reader(score):
    arrays = golden("generate_util")
    notes = [note for note in midi.load(DATA / "midi" / f"{score}.mid").notes if 36 <= note.pitch <= 84]
    assert [note.pitch for note in notes] == arrays[f"{score}_pitches"].tolist()
    assert [note.velocity for note in notes] == arrays[f"{score}_velocities"].tolist()
    assert [note.start for note in notes] == pytest.approx(arrays[f"{score}_start_times"].tolist())
    assert [note.end for note in notes] == pytest.approx(arrays[f"{score}_end_times"].tolist())


def test_tracks_programs_and_drums_are_kept():
    tracks = midi.load(DATA / "midi" / "small.mid").tracks
    assert [(track.program, track.is_drum, len(track.notes)) for track in tracks] == [
        (0, False, 8), (40, False, 3), (0, True, 2),
    ]  # fmt: skip
    assert [track.name for track in tracks] == ["Acoustic Grand Piano", "Violin", "Drums"]


def test_missing_file(tmp_path):
    with pytest.raises(IsADirectoryError, match="it is a folder"):
        midi.load(tmp_path)
    with pytest.raises(FileNotFoundError, match="no such file"):
        midi.load(tmp_path / "none.mid")


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "an empty file"), (b"PK\x03\x04zip", "not a MIDI file"), (b"MThd", "damaged"),
     (b"MThd\0\0\0\6\0\1\0\1\1\xe0MTrk\0\0\xff\xff\0\x90", "damaged")],
)  # fmt: skip
def test_other_files_get_one_sentence(tmp_path, content, message):
    path = tmp_path / "score.mid"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message) as caught:
        midi.load(path)
    assert "\n" not in str(caught.value)


def test_beats_without_a_length(save):
    with pytest.raises(ValueError, match="its ticks per quarter note are 0"):
        midi.load(save(note(0), ticks_per_beat=0))


def test_a_pause_of_more_bytes_than_a_pause_has(save):
    path = save(note(0))
    content = path.read_bytes()
    longer = content.replace(b"\x00\x90", b"\xff" * 200 + b"\x7f\x90", 1)
    length = int.from_bytes(content[18:22], "big") + 200
    path.write_bytes(longer[:18] + length.to_bytes(4, "big") + longer[22:])
    with pytest.raises(ValueError, match="is a damaged MIDI file: there is no note before the damage"):
        midi.load(path)


def test_a_million_bytes_behind_a_file(save):
    path = save(note(0))
    path.write_bytes(path.read_bytes() + b"\xff" * (1 << 20))
    assert times(midi.load(path)) == [(0.0, 1.0)]


def test_too_many_tracks(save, monkeypatch):
    path = save(note(0), note(0), note(0))
    monkeypatch.setattr(loading, "MAX_TRACKS", 2)
    with pytest.raises(ValueError, match="has 3 tracks; the maximum is 2"):
        midi.load(path)


def test_too_large_a_file(save, monkeypatch):
    monkeypatch.setattr(loading, "MAX_BYTES", 10)
    with pytest.raises(ValueError, match="a MIDI file is far smaller"):
        midi.load(save(note(0)))


def test_a_file_without_notes(save):
    with pytest.raises(ValueError, match="has no notes"):
        midi.load(save(tempo(0, 100)))


def test_a_file_that_claims_centuries(save):
    six_hours = 6 * 3600 * 1000
    assert midi.load(save(note(0, length=six_hours))).duration == six_hours / 1000
    with pytest.raises(ValueError, match="would last 7 hours"):
        midi.load(save(note(0, length=six_hours * 7 // 6)))


def test_wrapped_files_are_read(save, tmp_path):
    content = save(note(0) + note(1000, 64)).read_bytes()
    wrapped = tmp_path / "score.rmi"
    head = [b"RIFF", (len(content) + 12).to_bytes(4, "little"), b"RMIDdata", len(content).to_bytes(4, "little")]
    wrapped.write_bytes(b"".join(head) + content)
    assert [note.pitch for note in midi.load(wrapped).notes] == [60, 64]
    wrapped.write_bytes(b"RIFF\4\0\0\0WAVE")
    with pytest.raises(ValueError, match="a WAV recording, not a score"):
        midi.load(wrapped)


def test_bytes_above_127_are_played_as_127(save):
    path = save(control(0, 7, 100) + note(0))
    broken = path.read_bytes().replace(bytes([0xB0, 7, 100]), bytes([0xB0, 7, 200]))
    path.write_bytes(broken.replace(bytes([0x90, 60, 100]), bytes([0x90, 60, 255])))
    (track,) = midi.load(path).tracks
    assert track.notes == (Note(60, 127, 0.0, 1.0),)
    assert track.controls == {"volume": ((0.0, 1.0),)}


@given(st.data())
@pytest.mark.slow
def test_damaged_files_give_a_song_or_one_sentence(tmp_path_factory, data):
    content = bytearray((DATA / "midi" / "small.mid").read_bytes())
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=5)):
        content[place] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "damaged.mid"
    path.write_bytes(content)
    try:
        result = midi.load(path)
    except ValueError as error:
        result = str(error)
    assert "\n" not in result if isinstance(result, str) else result.notes


# --------------------------------------------------------------------------------------------------------------- tracks


def test_programs_and_channels_are_tracks_of_their_own(read):
    song = read(note(0) + program(1000, 40) + note(1000, 64) + note(2000, 67, channel=9))
    assert [(track.name, track.program, track.is_drum) for track in song.tracks] == [
        ("Acoustic Grand Piano", 0, False), ("Violin", 40, False), ("Drums", 0, True),
    ]  # fmt: skip
    assert [track.notes[0].pitch for track in song.tracks] == [60, 64, 67]


def test_a_head_track_may_change_programs_along_the_song(read):
    song = read(program(0, 73) + program(1500, 40), note(0, 60, 2000) + note(2000, 64))
    assert [(track.program, track.notes[0].pitch) for track in song.tracks] == [(73, 60), (40, 64)]


def test_a_head_track_sets_the_programs_of_channels(read):
    head = program(0, 73, channel=0) + program(0, 40, channel=1)
    song = read(head, note(0), note(0, channel=1), program(0, 11, channel=1) + note(0, 64, channel=1))
    assert [track.program for track in song.tracks] == [73, 40, 11]  # its own counts before the head's


@pytest.mark.parametrize(
    ("tracks", "expected"),
    [
        ([note(0)], [False]),
        ([program(0, 0) + note(0)], [True]),  # a piano on purpose
        ([note(0) + program(1500, 0) + note(2000)], [True]),  # one player, who is named later
        ([note(0) + program(1500, 73) + note(2000)], [False, True]),
        ([program(0, 73), note(0)], [True]),  # by the head
        ([program(0, 73, channel=1), note(0)], [False]),  # of another channel
        ([program(0, 73) + note(0), note(500, 64)], [True, True]),  # by another track of the channel
        ([program(0, 73) + note(0), note(0, 64, channel=1)], [True, False]),
    ],
)
def test_a_track_knows_whether_the_file_names_its_program(read, tracks, expected):
    assert [track.has_program for track in read(*tracks).tracks] == expected


def test_notes_may_be_closed_by_velocity_0(read):
    closing = mido.Message("note_on", note=60, velocity=0)
    assert times(read([note(0)[0], (250, closing)])) == [(0.0, 0.25)]


# ------------------------------------------------------------------------------------- notes without a length or an end


def on(tick, pitch=60, channel=0, velocity=100):
    return [(tick, mido.Message("note_on", note=pitch, velocity=velocity, channel=channel))]


def off(tick, pitch=60, channel=0):
    return [(tick, mido.Message("note_off", note=pitch, channel=channel))]


def end(tick):
    return [(tick, mido.MetaMessage("end_of_track"))]


@pytest.mark.parametrize("channel", [0, 9])
def test_a_note_without_a_length_is_given_one(read, channel):
    song = read(note(0, 72, 0, channel) + note(500, 74, 0, channel) + note(1000, 76, channel=channel))
    assert times(song) == [(0.0, 0.1), (0.5, 0.6), (1.0, 2.0)]
    assert song.tracks[0].is_drum == (channel == 9)
    short = ("2 notes without a length, given one of 0.1 s",)
    assert song.remarks == (() if channel == 9 else short)  # drums need none


def test_notes_without_a_length_are_counted_once(read):
    song = read(on(0) + off(0) + program(100, 0) + on(200) + off(200))
    assert song.remarks == ("2 notes without a length, given one of 0.1 s",)


def test_it_ends_where_its_key_is_struck_again(read):
    assert times(read(note(0, length=0) + note(60, length=0) + note(500, length=0))) == [
        (0.0, 0.06), (0.06, pytest.approx(0.16)), (0.5, 0.6),
    ]  # fmt: skip
    both = read(on(0) + on(0) + off(0) + off(0))
    assert times(both) == [(0.0, 0.1), (0.0, 0.1)]


def test_a_key_that_is_struck_before_it_comes_up_is_struck_again(read):
    song = read(on(0) + on(500) + off(500) + on(1000) + off(1000) + off(1500))
    assert times(song) == [(0.0, 0.5), (0.5, 1.0), (1.0, 1.5)]
    assert song.remarks == ()
    assert song.as_original() is song
    # ... and if it never comes up after that, it was a note without a length
    assert times(read(on(0) + on(500) + off(500) + note(1000, 64))) == [(0.0, 0.5), (1.0, 2.0), (0.5, 0.6)]


def test_drums_without_note_off_are_hits(read):
    song = read(on(0, 36, 9) + on(250, 38, 9) + on(500, 36, 9) + note(0, length=5000))
    drums = next(track for track in song.tracks if track.is_drum)
    assert [(note.pitch, note.start, note.end) for note in drums.notes] == [
        (36, 0.0, 0.1), (38, 0.25, 0.35), (36, 0.5, 0.6),
    ]  # fmt: skip
    assert song.unclosed == 0


def test_a_note_without_note_off_lasts_as_long_as_its_track(read):
    song = read(note(0, 62) + on(500) + end(4000), note(0, 72, 9000))
    assert [(note.pitch, note.start, note.end) for note in song.tracks[0].notes] == [(62, 0.0, 1.0), (60, 0.5, 4.0)]
    assert song.remarks == ("1 note without an end, held until its track ends or its key is struck again",)


def test_or_until_its_key_is_struck_again(read):
    assert times(read(on(0) + on(500) + on(500, 64) + on(1000) + end(3000))) == [
        (0.0, 0.5), (0.5, 1.0), (1.0, 3.0), (0.5, 3.0),  # the one at 0.5 that is not struck again
    ]  # fmt: skip


@pytest.mark.parametrize("number", [120, 123, 124, 125, 126, 127])
def test_or_until_all_notes_are_ended(read, number):
    song = read(on(0) + on(250, 64) + control(1000, number, 0) + note(1000, 67) + on(2000, 72) + end(4000))
    assert [(note.pitch, note.start, note.end) for note in song.notes] == [
        (60, 0.0, 1.0), (64, 0.25, 1.0), (67, 1.0, 2.0), (72, 2.0, 4.0),
    ]  # fmt: skip
    other = read(on(0) + control(1000, number, 0, channel=1) + end(4000))
    assert times(other) == [(0.0, 4.0)]


def test_a_note_that_begins_at_that_tick_goes_on(read):
    song = read(on(0) + on(1000, 64) + control(1000, 123, 0) + end(4000))
    assert [(note.pitch, note.start, note.end) for note in song.notes] == [(60, 0.0, 1.0), (64, 1.0, 4.0)]


def test_a_name_of_the_largest_size_is_left_as_it_is():
    assert clean("x" * MAX_NAME) == "x" * MAX_NAME
    assert clean("x" * (MAX_NAME + 1)) == "x" * (MAX_NAME - 1) + "…"


def test_another_track_of_the_channel_may_end_them(read):
    song = read(on(0) + note(0, 64, 3000) + end(4000), control(1000, 123, 0))
    assert [(note.pitch, note.end) for note in song.notes] == [(64, 3.0), (60, 1.0)]


def test_a_note_off_behind_all_notes_off_ends_nothing(read):
    assert times(read(on(0) + control(500, 123, 0) + on(750) + off(1000))) == [(0.0, 0.5), (0.75, 1.0)]


def test_all_sound_off_ends_what_the_pedal_holds(read):
    pedal = control(0, 64, 127) + control(3000, 64, 0)
    (track,) = read(pedal + note(0, length=500) + control(1000, 120, 0) + note(2000, 64, 500)).tracks
    assert [(note.start, note.end) for note in midi.pedalled(track).notes] == [(0.0, 1.0), (2.0, 3.0)]
    (track,) = read(pedal + note(0, length=500) + control(1000, 123, 0) + note(2000, 64, 500)).tracks
    assert [(note.start, note.end) for note in midi.pedalled(track).notes] == [(0.0, 3.0), (2.0, 3.0)]


def test_the_program_of_a_note_is_that_of_its_beginning(read):
    song = read(program(0, 0) + note(0, 60, 500) + program(250, 40) + note(500, 64))
    assert [(track.program, [note.pitch for note in track.notes]) for track in song.tracks] == [(0, [60]), (40, [64])]


def test_the_original_program_reads_other_notes(read):
    odd = program(0, 1) + note(0, 60, 500) + program(250, 40) + note(500, 62, 0) + note(600, 64) + on(700, 65)
    song = read(odd + control(800, 123, 0) + note(2000, 72))
    assert [(track.program, [note.pitch for note in track.notes]) for track in song.tracks] == [
        (1, [60]), (40, [62, 64, 65, 72]),
    ]  # fmt: skip
    read_by_it = song.as_original()
    assert [(note.pitch, note.start, note.end) for note in read_by_it.notes] == [
        (60, 0.0, 0.5), (64, 0.6, 1.6), (72, 2.0, 3.0),
    ]  # fmt: skip
    assert [track.program for track in read_by_it.tracks] == [40]  # the one in which they end
    assert (read_by_it.unclosed, read_by_it.remarks) == (1, ())
    assert read_by_it.as_original() is read_by_it
    fewer = dataclasses.replace(song, tracks=song.tracks[:1])  # those of a song are believed when they were chosen
    assert fewer.as_original() is fewer
    part = midi.excerpt(song, 0.25, 1.0)
    assert [note.pitch for note in part.as_original().notes] == [60, 64]
    assert part.as_original().notes[1].end == 0.75


# ---------------------------------------------------------------------------------------------------------------- names


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["", "", ""], ["Violin", "Violin 2", "Violin 3"]),
        (["Solo", "solo", "Solo 2"], ["Solo", "solo 2", "Solo 2 2"]),
        (["Flöte", "笛", "Ⅰ – Соло"], ["Flöte", "笛", "Ⅰ – Соло"]),
        (["Vio\0lin\r\nI", "\x1b[31m red\x07", "a\u202eb"], ["Vio lin I", "[31m red", "a b"]),
        (["\t", " two  words ", "x" * 300], ["Violin", "two words", "x" * 79 + "…"]),
        (["many words " * 8, "a", "b"], ["many words " * 6 + "many words…", "a", "b"]),
    ],
)
def test_names_of_tracks(read, names, expected):
    tracks = [title(name) + program(0, 40, channel=i) + note(0, channel=i) for i, name in enumerate(names)]
    assert [track.name for track in read(*tracks).tracks] == expected


def test_a_name_in_latin_1(read):
    assert read(title("Flöte für Å") + note(0), charset="latin-1").tracks[0].name == "Flöte für Å"


@pytest.mark.parametrize(
    ("charset", "names"),
    [
        ("cp932", ["ピアノ", "主旋律", "東方紅魔郷"]),
        ("cp1251", ["Пианино", "Бас", "Соло (ударные)"]),
        ("cp1252", ["Flöte", "Piano à queue", "“Café”"]),
    ],
)
def test_names_in_older_encodings(read, charset, names):
    tracks = [title(name) + program(0, 40, channel=i) + note(0, channel=i) for i, name in enumerate(names)]
    assert [track.name for track in read(*tracks, charset=charset).tracks] == names


def test_words_help_to_guess_the_encoding_of_names(read):
    words = [(0, mido.MetaMessage("lyrics", text=text)) for text in ("さくら", "さくら", "やよいの空は")]
    assert read(title("ｿﾛ") + words + note(0), charset="cp932").tracks[0].name == "ｿﾛ"


def test_a_name_that_several_tracks_would_share_is_not_used(read):
    song = read(title("Everything") + program(0, 40) + note(0) + note(0, channel=9))
    assert [track.name for track in song.tracks] == ["Violin", "Drums"]


# ---------------------------------------------------------------------------------------------------------- controllers


@pytest.mark.parametrize(
    ("number", "value", "kind", "expected"),
    [
        (7, 0, "volume", 0.0), (7, 127, "volume", 1.0), (11, 64, "expression", 64 / 127),
        (10, 0, "pan", -1.0), (10, 1, "pan", -1.0), (10, 64, "pan", 0.0), (10, 127, "pan", 1.0),
        (64, 63, "pedal", 0.0), (64, 64, "pedal", 1.0),
    ],
)  # fmt: skip
def test_controllers_in_their_units(read, number, value, kind, expected):
    (track,) = read(note(0) + control(250, number, value)).tracks
    assert track.controls == {kind: ((0.25, expected),)}


RANGE_12 = (101, 0), (100, 0), (6, 12)


@pytest.mark.parametrize(
    ("said", "semitones"),
    [
        ([], 2.0),
        (RANGE_12, 12.0),
        ([(100, 0), (101, 0), (6, 12)], 12.0),
        ([*RANGE_12, (38, 50)], 12.5),
        ([*RANGE_12, (101, 127), (100, 127), (6, 3)], 12.0),  # nothing is selected any more
        ([(101, 0), (100, 1), (6, 64)], 2.0),  # fine tuning
        ([(99, 0), (98, 0), (6, 12)], 2.0),  # not a registered parameter
        ([*RANGE_12[:2], (99, 1), (98, 8), (6, 12)], 2.0),
        ([(6, 12)], 2.0),
    ],
)
def test_the_range_of_the_bend(read, said, semitones):
    head = [event for number, value in said for event in control(0, number, value)]
    (track,) = read(head + note(0) + wheel(0, 4096) + wheel(500, -8192) + wheel(750, 0)).tracks
    assert track.controls == {"bend": ((0.0, semitones / 2), (0.5, -semitones), (0.75, 0.0))}


def test_each_channel_has_its_own_range_of_the_bend(read):
    other = [event for number, value in RANGE_12 for event in control(0, number, value, channel=1)]
    assert read(other + wheel(0, 4096) + note(0)).tracks[0].controls == {"bend": ((0.0, 1.0),)}


def test_a_range_that_another_track_sets_later_in_the_file_counts_from_its_tick(read):
    ranges = [event for number, value in RANGE_12 for event in control(500, number, value)]
    played = note(0) + wheel(0, 4096) + wheel(500, 4096) + wheel(750, -8192)
    (track,) = read(played, ranges).tracks
    assert track.controls == {"bend": ((0.0, 1.0), (0.5, 6.0), (0.75, -12.0))}


def test_reset_of_all_controllers(read):
    before = control(0, 7, 0) + control(0, 10, 0) + control(0, 11, 0) + control(0, 64, 127) + wheel(0, 4096)
    (track,) = read(before + control(500, 121, 0) + note(0)).tracks
    assert track.controls == {
        "volume": ((0.0, 0.0),),
        "pan": ((0.0, -1.0),),
        "expression": ((0.0, 0.0), (0.5, 1.0)),
        "pedal": ((0.0, 1.0), (0.5, 0.0)),
        "bend": ((0.0, 1.0), (0.5, 0.0)),
    }


def test_a_reset_of_what_has_not_moved_is_nothing(read):
    """Many files begin with one; a hand that does so still hears the pedal of the other."""
    left = control(0, 121, 0) + note(0)
    right = control(100, 64, 127) + control(900, 64, 0) + note(0)
    assert [track.controls for track in read(left, right).tracks] == [{"pedal": ((0.1, 1.0), (0.9, 0.0))}] * 2
    assert read(left).tracks[0].controls == {}


def test_a_key_that_does_not_exist_is_no_reason_to_refuse_a_file(save):
    path = save([(0, mido.MetaMessage("key_signature", key="C")), *note(0)])
    path.write_bytes(path.read_bytes().replace(b"\xff\x59\x02\x00\x00", b"\xff\x59\x02\x0c\x07"))
    with pytest.raises(Exception, match="key"):
        mido.MidiFile(path)
    assert len(midi.load(path).notes) == 1


def test_hands_of_a_piano_share_a_pedal(read):
    right, left = note(0, 72), control(0, 64, 127) + control(0, 7, 0) + note(0, 48) + control(500, 64, 0)
    song = read(right + control(250, 7, 127), left)
    assert [track.controls["pedal"] for track in song.tracks] == [((0.0, 1.0), (0.5, 0.0))] * 2
    # ... but where a track sets a controller itself, that is all it hears of it
    assert [track.controls["volume"] for track in song.tracks] == [((0.25, 1.0),), ((0.0, 0.0),)]


def test_controllers_of_another_channel_or_port_do_not_count(read):
    second_port = [(0, mido.MetaMessage("midi_port", port=1))]
    song = read(note(0), note(0) + control(0, 64, 127, channel=1), second_port + control(0, 7, 0) + note(0))
    assert [track.controls for track in song.tracks] == [{}, {}, {"volume": ((0.0, 0.0),)}]


@pytest.mark.parametrize("own", [True, False])
def test_of_simultaneous_changes_of_a_controller_the_last_counts(read, own):
    changes = control(0, 64, 127) + control(500, 64, 127) + control(500, 64, 0)
    track = read(note(0) + changes if own else note(0), [] if own else changes).tracks[0]
    assert track.controls == {"pedal": ((0.0, 1.0), (0.5, 0.0))}


# ------------------------------------------------------------------------------------------------------ tempos and bars


def test_tempos_count_wherever_they_stand(read):
    # 1000 ticks are two beats: a second at 120, two at 60, half a second at 240
    notes = note(0, length=1000) + note(1500, length=1000) + note(3000, length=1000)
    song = read(notes, tempo(1000, 60), tempo(2000, 240))
    assert song.tempos == ((0.0, 120.0), (1.0, 60.0), (3.0, 240.0))
    assert times(song) == [(0.0, 1.0), (2.0, 3.25), (3.5, 4.0)]


def test_a_tempo_from_the_start(read):
    song = read(tempo(0, 60) + note(0))
    assert song.tempos == ((0.0, 60.0),)
    assert times(song) == [(0.0, 2.0)]


def test_of_simultaneous_tempos_the_last_counts(read):
    head = meter(0, 1, 4) + tempo(0, 60) + tempo(0, 240) + tempo(1000, 240) + tempo(1000, 60)
    song = read(head + note(0) + note(1000))
    assert times(song) == [(0.0, 0.5), (0.5, 2.5)]
    assert midi.bars(song) == pytest.approx([0.0, 0.25, 0.5, 1.5])  # a beat each, two at 240 a minute and two at 60


def test_tempos_and_meters_of_nothing_are_left_out(read):
    stopped = [(0, mido.MetaMessage("set_tempo", tempo=0))]
    song = read(stopped + meter(0, 0, 4) + note(0))
    assert (song.tempos, song.meters) == (((0.0, 120.0),), ((0.0, 4, 4),))
    assert times(song) == [(0.0, 1.0)]


def test_film_time(read):
    # 25 frames of 40 ticks a second, bytes 0xE7 0x28: a tick is a millisecond, whatever the tempo
    division = int.from_bytes([0xE7, 0x28], "big", signed=True)
    assert times(read(tempo(0, 33) + note(500), ticks_per_beat=division)) == [(0.5, pytest.approx(1.5))]


def test_film_time_of_29_frames_has_a_little_more(read):
    division = int.from_bytes([0x100 - 29, 100], "big", signed=True)
    assert times(read(note(2997, length=2997), ticks_per_beat=division)) == [(pytest.approx(1.0), pytest.approx(2.0))]


@pytest.mark.parametrize(
    ("head", "length", "expected"),
    [
        ([], 5000, [0, 2, 4]),
        (meter(0, 3, 4), 5000, [0, 1.5, 3, 4.5]),
        (meter(0, 3, 4), 4500, [0, 1.5, 3]),  # no bar begins where the last note ends
        (meter(0, 3, 4) + tempo(0, 77), 3000, [0, 180 / 77]),  # ... nor by rounding
        (meter(0, 6, 8), 4000, [0, 1.5, 3]),
        (meter(0, 3, 4) + meter(3000, 4, 4), 6000, [0, 1.5, 3, 5]),
        (meter(1000, 3, 4), 3000, [0, 1, 2.5]),  # a bar begins wherever the meter changes
        (meter(0, 3, 4) + tempo(1500, 60), 4000, [0, 1.5, 4.5]),
        (meter(0, 3, 4) + tempo(500, 60), 4000, [0, 2.5, 5.5]),
        (meter(0, 4, 4) + meter(0, 3, 4), 2000, [0, 1.5]),  # of simultaneous ones the last counts
        (meter(0, 3, 4) + meter(0, 4, 4), 3000, [0, 2]),
    ],
)
def test_bars(read, head, length, expected):
    assert midi.bars(read(head, note(0, length=length))) == pytest.approx(expected)


def test_meters_are_read(read):
    song = read(meter(0, 3, 4) + meter(3000, 7, 8) + note(0, length=4000))
    assert song.meters == ((0.0, 3, 4), (3.0, 7, 8))
    assert read(meter(500, 3, 4) + note(0)).meters == ((0.0, 4, 4), (0.5, 3, 4))


def test_there_are_ten_thousand_bars_at_most():
    hour = song_of(Note(60, 100, 0.0, 3600.0))
    hour = dataclasses.replace(hour, meters=((0.0, 1, 64), (200.0, 1, 128)))  # 32 and 64 bars a second
    lines = midi.bars(hour)
    assert len(lines) == 10_000
    assert lines[-1] == pytest.approx(200 + 3599 / 64)


def test_a_song_without_notes_has_no_bars():
    assert len(midi.bars(Song("empty", ()))) == 0


def changes(*values):
    """Up to five changes, the first at 0 and the others up to a second apart."""
    gaps = st.lists(st.floats(0.01, 1.0), max_size=4)
    seconds = gaps.map(lambda gaps: np.cumsum([0.0, *gaps]).tolist())
    return seconds.flatmap(lambda seconds: st.tuples(*(st.tuples(st.just(second), *values) for second in seconds)))


@given(changes(st.floats(20, 300)), changes(st.integers(1, 12), st.sampled_from([1, 2, 4, 8, 16])), st.floats(0.01, 6))
@pytest.mark.slow
def test_bars_rise_from_the_start_and_begin_inside_the_song(tempos, meters, seconds):
    song = dataclasses.replace(song_of(Note(60, 100, 0.0, seconds)), tempos=tempos, meters=meters)
    lines = midi.bars(song)
    assert lines[0] == 0
    assert (np.diff(lines) > 0).all()
    assert lines[-1] < seconds
    expected = [second for second, *_ in meters if second < seconds - 1e-6]
    assert np.isclose(lines[:, None], expected).any(axis=0).all()  # each change of meter begins one


# ------------------------------------------------------------------------------------------------------------- excerpts


def test_excerpt_cuts_and_moves(song):
    part = midi.excerpt(song, 0.55, 2.0)
    times = [(note.pitch, note.start, note.end) for note in part.notes]
    assert times == [(60, 0.0, pytest.approx(0.45)), (64, pytest.approx(0.45), 1.45), (36, 0.0, pytest.approx(0.05))]
    assert len(midi.excerpt(song, 2.0).tracks) == 1
    with pytest.raises(ValueError, match="start must be at least 0 and before end"):
        midi.excerpt(song, 2.0, 1.0)


def test_what_changes_moves_along_with_an_excerpt():
    long = song_of(Note(60, 100, 0.0, 8.0), controls={"pedal": ((1.0, 1.0), (2.0, 0.0), (5.0, 1.0), (7.0, 0.0))})
    long = dataclasses.replace(long, tempos=((0.0, 120.0), (2.0, 60.0), (6.0, 90.0)), meters=((0.0, 4, 4), (4.0, 3, 4)))
    part = midi.excerpt(long, 3.0, 6.0)
    # The last before the cut, one inside, and the end of what the pedal holds.
    assert part.tracks[0].controls == {"pedal": ((0.0, 0.0), (2.0, 1.0), (3.0, 0.0))}
    assert part.tempos == ((0.0, 60.0),)
    assert part.meters == ((0.0, 4, 4), (1.0, 3, 4))
    at_changes = midi.excerpt(long, 2.0, 5.0)
    assert at_changes.tracks[0].controls == {"pedal": ((0.0, 0.0),)}
    assert at_changes.tempos == ((0.0, 60.0),)
    assert midi.excerpt(long).tracks == long.tracks


def test_a_controller_that_only_changes_behind_an_excerpt_is_not_in_it():
    long = song_of(Note(60, 100, 0.0, 8.0), controls={"pedal": ((5.0, 1.0),), "volume": ((0.0, 0.5),)})
    assert midi.excerpt(long, 0.0, 4.0).tracks[0].controls == {"volume": ((0.0, 0.5),)}


# ---------------------------------------------------------------------------------------------------------------- pedal


def pedalled(pedal, *notes):
    return midi.pedalled(Track("piano", 0, False, notes, {"pedal": pedal})).notes


@pytest.mark.parametrize(
    ("pedal", "released", "rings_to"),
    [
        (((0.0, 1.0), (3.0, 0.0)), 1.0, 3.0),
        (((0.5, 1.0), (3.0, 0.0)), 1.0, 3.0),  # pressed while the key is down
        (((1.5, 1.0), (3.0, 0.0)), 1.0, 1.0),  # too late
        (((0.0, 1.0), (0.5, 0.0)), 1.0, 1.0),  # lifted before the key
        (((0.0, 1.0), (1.0, 0.0)), 1.0, 1.0),  # lifted with the key
        (((0.0, 1.0), (2.0, 1.0), (3.0, 0.0)), 1.0, 3.0),  # pressed twice
        (((0.0, 1.0), (3.0, 0.0), (3.5, 1.0), (4.0, 0.0)), 1.0, 3.0),
        (((0.0, 1.0), (10.9, 0.0)), 1.0, 10.9),
        (((0.0, 1.0), (60.0, 0.0)), 1.0, 11.0),  # ten seconds are the longest
        (((0.0, 1.0),), 1.0, 11.0),
    ],
)
def test_a_released_note_rings_under_the_pedal(pedal, released, rings_to):
    assert pedalled(pedal, Note(60, 100, 0.0, released)) == (Note(60, 100, 0.0, rings_to),)


def test_a_ringing_note_ends_where_its_key_is_struck_again():
    pedal = ((0.0, 1.0), (5.0, 0.0))
    notes = Note(60, 100, 0.0, 1.0), Note(64, 90, 1.5, 2.0), Note(60, 80, 3.0, 6.0)
    assert [note.end for note in pedalled(pedal, *notes)] == [3.0, 5.0, 6.0]
    repeated = Note(60, 100, 0.0, 1.0), Note(60, 100, 1.0, 2.0)
    assert [note.end for note in pedalled(pedal, *repeated)] == [1.0, 5.0]


def sostenuto(changes, *notes, pedal=()):
    return midi.pedalled(Track("piano", 0, False, notes, {"sostenuto": changes, "pedal": pedal})).notes


@pytest.mark.parametrize(
    ("changes", "rings_to"),
    [
        (((0.5, 1.0), (3.0, 0.0)), 3.0),
        (((0.0, 1.0), (3.0, 0.0)), 3.0),
        (((1.0, 1.0), (3.0, 0.0)), 1.0),  # the key is up
        (((0.5, 1.0), (0.8, 0.0)), 1.0),
        (((0.5, 1.0), (0.7, 1.0), (3.0, 0.0)), 3.0),
        (((0.5, 1.0),), 11.0),
    ],
)
def test_the_sostenuto_pedal_holds_what_is_down(changes, rings_to):
    assert [note.end for note in sostenuto(changes, Note(60, 100, 0.0, 1.0))] == [rings_to]
    assert sostenuto(changes, Note(60, 100, 4.0, 5.0)) == (Note(60, 100, 4.0, 5.0),)  # not what comes later


def test_both_pedals(read):
    held = Note(60, 100, 0.0, 1.0)
    assert sostenuto(((0.5, 1.0), (3.0, 0.0)), held, pedal=((2.0, 1.0), (5.0, 0.0)))[0].end == 5.0
    assert sostenuto(((0.5, 1.0), (3.0, 0.0)), held, Note(60, 90, 2.5, 2.6))[0].end == 2.5
    song = read(note(0, length=1000) + control(500, 66, 127) + control(3000, 66, 0))
    assert song.tracks[0].controls == {"sostenuto": ((0.5, 1.0), (3.0, 0.0))}


@pytest.mark.parametrize("pedal", ["pedal", "sostenuto"])
@pytest.mark.parametrize(("start", "end"), [(0.0, 1.0), (0.2, 1.0), (0.0, 0.5)])
def test_an_excerpt_ends_what_a_pedal_holds(pedal, start, end):
    notes = Note(60, 90, 0.0, 0.5), Note(64, 90, 0.5, 1.5)
    part = midi.excerpt(song_of(*notes, controls={pedal: ((0.0, 1.0), (1.6, 0.0))}), start, end)
    assert max(note.end for note in midi.pedalled(part.tracks[0]).notes) == end - start


@pytest.mark.parametrize("controls", [{}, {"volume": ((0.0, 1.0),)}, {"pedal": ((0.0, 0.0), (1.0, 0.0))}])
def test_without_a_pedal_a_track_stays_as_it_is(controls):
    track = Track("piano", 0, False, (Note(60, 100, 0.0, 1.0),), controls)
    assert midi.pedalled(track) is track


NOTES = st.builds(
    lambda pitch, start, length: Note(pitch, 100, start, start + length),
    st.integers(60, 62), st.floats(0, 20), st.floats(0, 5),
)  # fmt: skip
PEDALS = st.dictionaries(st.floats(0, 30), st.sampled_from([0.0, 1.0])).map(lambda moves: tuple(sorted(moves.items())))


@given(st.lists(NOTES, max_size=12), PEDALS)
def test_a_pedal_shortens_nothing_and_moves_nothing(notes, pedal):
    rung = pedalled(pedal, *notes)
    assert [(note.pitch, note.velocity, note.start) for note in rung] == [
        (note.pitch, note.velocity, note.start) for note in notes
    ]
    for before, after in zip(notes, rung, strict=True):
        assert before.end <= after.end <= before.end + MAX_PEDAL_SECONDS
        lifts = [second for second, value in pedal if not value and second >= before.end]
        assert after.end in (before.end, before.end + MAX_PEDAL_SECONDS, *lifts[:1], *(note.start for note in notes))


# ----------------------------------------------------------------------------------------------------------- to look at


def test_song_describes_itself(song):
    assert str(song).splitlines() == [
        "two: 3 notes, 3.0 s, 120 bpm, 4/4",
        "  1 Flute (program 73): 2 notes, C4 to E4",
        "  2 Drums (drums): 1 notes, C2 to C2",
    ]


def test_song_describes_what_changes(read):
    head = tempo(0, 90) + tempo(1000, 60) + meter(0, 3, 4) + meter(1500, 4, 4) + meter(3500, 3, 4)
    text = str(read(head, control(0, 64, 127) + control(0, 10, 64) + note(0)))
    assert text.splitlines()[0].endswith("60 to 90 bpm, 3/4, 4/4")
    assert text.splitlines()[1].endswith("1 notes, C4 to C4; pan, pedal")


@pytest.mark.parametrize(("pitch", "name"), [(60, "C4"), (24, "C1"), (84, "C6"), (61, "C♯4"), (0, "C-1")])
def test_note_names(pitch, name):
    assert midi.note_name(pitch) == name


def test_piano_roll_has_labelled_axes_and_every_note(song):
    ax = midi.plot(song)
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_title()) == ("time (s)", "pitch", "two")
    rolls = [collection for collection in ax.collections if isinstance(collection, PolyCollection)]
    assert [len(roll.get_paths()) for roll in rolls] == [2, 1]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["Flute", "Drums"]
    colours = [tuple(roll.get_facecolor()[0][:3]) for roll in rolls]
    assert colours[0] != colours[1]
    loud, soft = rolls[0].get_facecolor()[:, 3]
    assert loud > soft
    assert {"C4", "E4"} <= {label.get_text() for label in ax.get_yticklabels()}


@pytest.mark.parametrize(("seconds", "expected"), [(3.0, [0, 2]), (160.0, range(0, 160, 2)), (160.1, [])])
def test_piano_roll_has_bar_lines_unless_there_are_too_many(seconds, expected):
    ax = midi.plot(song_of(Note(60, 100, 0.0, seconds)))
    lines = [collection for collection in ax.collections if isinstance(collection, LineCollection)]
    assert [x for line in lines for (x, _), _ in line.get_segments()] == pytest.approx(list(expected))


def test_piano_roll_of_nothing():
    assert not midi.plot(Song("empty", ())).get_legend()


def test_a_single_track_needs_no_legend():
    assert not midi.plot(song_of(Note(60, 100, 0.0, 1.0))).get_legend()


def test_the_legend_of_many_tracks_names_the_busiest_and_counts_the_others():
    """40 names would be twice as high as the picture, and shrink the roll to nothing."""
    tracks = tuple(
        Track(f"track {i}", 0, False, tuple(Note(60, 90, k, k + 1) for k in range(1 + (i % 20 == 7))))
        for i in range(40)
    )
    labels = [text.get_text() for text in midi.plot(Song("many", tracks)).get_legend().get_texts()]
    assert len(labels) == MAX_NAMED + 1
    assert labels[-1] == f"and {40 - MAX_NAMED} more"
    assert {"track 7", "track 27"} < set(labels)


def test_piano_roll_draws_on_given_axes(song):
    import matplotlib.pyplot as plt

    _, ax = plt.subplots()
    assert midi.plot(song, ax=ax) is ax
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("time (s)", "pitch")


def test_a_piano_roll_of_very_many_notes():
    notes = tuple(Note(60 + i % 12, 64, i / 100, i / 100 + 0.1) for i in range(40_000))
    ax = midi.plot(Song("many", (Track("one", 0, False, notes),)))
    ax.figure.canvas.draw()
    assert len(ax.get_children()) < 100  # a patch for each note took 6 s
