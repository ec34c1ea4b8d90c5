"""helpers.smf: MIDI files of all shapes, whole and damaged, as events."""

import gzip
import struct

import pytest

from helpers import midi
from helpers.midi import smf


def number(value):
    """A number as it stands in a file: seven bits a byte, the last one below 128."""
    digits = [value & 0x7F]
    while value := value >> 7:
        digits.append(value & 0x7F | 0x80)
    return bytes(digits[::-1])


END = b"\0\xff\x2f\0"
HALF = number(500)  # ticks; at 500 a quarter and 120 quarters a minute a tick is a millisecond


def track(*events, end=END, length=None):
    """A track of events that are bytes with their pauses."""
    content = b"".join(events) + end
    return b"MTrk" + struct.pack(">I", len(content) if length is None else length) + content


def file(*chunks, kind=1, counted=None, division=500):
    counted = len(chunks) if counted is None else counted
    return b"MThd" + struct.pack(">IHHh", 6, kind, counted, division) + b"".join(chunks)


def note(pitch, length=500):
    return bytes([0, 0x90, pitch, 100]) + number(length) + bytes([0x80, pitch, 0])


SCALE = note(60), note(62), note(64)
PLAYED = [(60, 0.0, 0.5), (62, 0.5, 1.0), (64, 1.0, 1.5)]


@pytest.fixture
def load(tmp_path):
    """The song of a file's bytes."""

    def load(content, name="score.mid"):
        path = tmp_path / name
        path.write_bytes(content)
        return midi.load(path)

    return load


def notes(song):
    return [(note.pitch, note.start, note.end) for note in song.notes]


# ------------------------------------------------------------------------------------------------- what is passed over


@pytest.mark.parametrize("padding", [1, 2, 3, 4, 13])
def test_bytes_behind_the_end_of_a_track(load, padding):
    song = load(file(track(*SCALE, end=END + bytes(padding))))
    assert notes(song) == PLAYED
    assert song.remarks == (f"{padding} byte{'s' * (padding > 1)} after the end of a track",)


def test_padding_of_every_track_is_counted_together(load):
    song = load(file(*(track(*SCALE, end=END + b"\0") for _ in range(3))))
    assert notes(song) == 3 * PLAYED
    assert song.remarks == ("3 bytes after the end of a track",)


def test_notes_behind_an_end_of_track_are_played(load):
    song = load(file(track(note(60), END, note(62), note(64))))
    assert notes(song) == PLAYED


def test_a_track_without_an_end(load):
    assert notes(load(file(track(*SCALE, end=b"")))) == PLAYED


@pytest.mark.parametrize(
    "between", [bytes([0, 0xF0, 5, 0x7E, 0x7F, 9, 1, 0xF7]), b"\0\xf7\x01\xf8", b"\0\xff\x01\2hi", b"\0\xf8"]
)
def test_running_status_goes_on_behind_sysex_and_meta_events(load, between):
    song = load(file(track(b"\0\x90\x3c\x64", between, HALF + b"\x3c\0", b"\0\x40\x64", HALF + b"\x40\0")))
    assert notes(song) == [(60, 0.0, 0.5), (64, 0.5, 1.0)]


@pytest.mark.parametrize("kind", [0x00, 0x51, 0x54, 0x58, 0x59, 0x20, 0x21, 0x7F, 0x05])
@pytest.mark.parametrize("content", [b"", b"\1", b"\1\2\3\4\5\6\7"])
def test_meta_events_of_any_length(load, kind, content):
    song = load(file(track(bytes([0, 0xFF, kind, len(content)]) + content, *SCALE)))
    assert [pitch for pitch, _, _ in notes(song)] == [60, 62, 64]
    is_fixed = kind in (0x00, 0x51, 0x54, 0x58, 0x59)
    assert any("wrong length" in remark for remark in song.remarks) == is_fixed


@pytest.mark.parametrize(
    ("content", "tempos"),
    [
        (b"\x0f\x42\x40", ((0.0, 60.0),)),
        (b"\x0f\x42\x40\0", ((0.0, 60.0),)),
        (b"\0\x0f\x42\x40", ((0.0, 60.0),)),
        (b"\x0f\x42", ((0.0, 120.0),)),
        (b"", ((0.0, 120.0),)),
    ],
)
def test_tempos_of_any_length(load, content, tempos):
    assert load(file(track(bytes([0, 0xFF, 0x51, len(content)]) + content, *SCALE))).tempos == tempos


@pytest.mark.parametrize(
    ("content", "meters"),
    [
        (b"\3\2\x18\x08", ((0.0, 3, 4),)),
        (b"\3\2", ((0.0, 3, 4),)),
        (b"\3\2\x18\x08\0\0", ((0.0, 3, 4),)),
        (b"\3", ((0.0, 4, 4),)),
        (b"\3\x80\x18\x08", ((0.0, 4, 4),)),  # a note value that is none
    ],
)
def test_time_signatures_of_any_length(load, content, meters):
    assert load(file(track(bytes([0, 0xFF, 0x58, len(content)]) + content, *SCALE))).meters == meters


@pytest.mark.parametrize(("counted", "sentence"), [
    (3, "its header gives 3 tracks, but it has 2"), (1, "its header gives 1 track, but it has 2"),
    (0, "its header gives 0 tracks, but it has 2"),
])  # fmt: skip
def test_a_head_that_counts_other_tracks(load, counted, sentence):
    song = load(file(track(*SCALE), track(note(67)), counted=counted))
    assert notes(song) == [*PLAYED, (67, 0.0, 0.5)]
    assert song.remarks == (sentence,)


def test_chunks_of_other_programs(load):
    song = load(file(b"XFIH\0\0\0\3abc", track(*SCALE), b"KPRT\0\0\0\0", track(note(67)), counted=2))
    assert notes(song) == [*PLAYED, (67, 0.0, 0.5)]
    assert song.remarks == ("2 chunks of another program",)


def test_a_longer_head(load):
    content = file(track(*SCALE))
    assert notes(load(content[:4] + b"\0\0\0\x08" + content[8:14] + b"\0\0" + content[14:])) == PLAYED


@pytest.mark.parametrize("length", [0, 4, 1000, 0xFFFFFFFF])
def test_tracks_that_claim_a_wrong_length(load, length):
    song = load(file(track(*SCALE, length=length), track(note(67))))
    assert notes(song) == [*PLAYED, (67, 0.0, 0.5)]


@pytest.mark.parametrize("stray", [
    b"\xf1\5", b"\xf2\5\5", b"\xf3\5", b"\xf4", b"\xf4\5", b"\xf5", b"\xf5\5", b"\xf6", b"\xf8", b"\xf9", b"\xfa",
    b"\xfb", b"\xfc", b"\xfd", b"\xfe",
])  # fmt: skip
def test_status_bytes_that_are_not_for_files(load, stray):
    song = load(file(track(note(60), b"\0" + stray, note(62), note(64))))
    assert notes(song) == PLAYED
    assert song.remarks == ("1 event with a status byte that is invalid in files",)


def test_more_strays_than_any_file_has_are_damage(load):
    song = load(file(track(note(60), b"\0\xf4" * (smf.MAX_STRAYS + 1), note(62))))
    assert notes(song) == [(60, 0.0, 0.5)]
    assert "1 damaged track played up to the damage" in song.remarks
    song = load(file(track(note(60), b"\0\xf4" * smf.MAX_STRAYS, note(62))))
    assert [pitch for pitch, *_ in notes(song)] == [60, 62]


@pytest.mark.parametrize("event", [b"\xb0\xa8\0", b"\xb0\0\xff", b"\xc0\xff"])
def test_a_number_that_does_not_exist_is_not_the_nearest_one(load, event):
    """127 would end all notes, make the channel one of drums, or be a gunshot."""
    song = load(file(track(b"\0" + event, b"\0\x90\x3c\x64", HALF + event, HALF + b"\x80\x3c\0")))
    assert notes(song) == [(60, 0.0, 1.0)]
    assert (song.tracks[0].program, song.tracks[0].is_drum) == (0, False)
    assert song.remarks == ("2 events with a program, bank or controller above 127",)


def test_a_sysex_message_without_its_length(load):
    assert notes(load(file(track(b"\0\xf0\x7e\x7f\x09\x01\xf7", *SCALE)))) == PLAYED


def test_several_files_one_behind_the_other(load):
    song = load(file(track(*SCALE)) + file(track(note(72))))
    assert notes(song) == PLAYED
    assert song.remarks == ("another MIDI file follows, which is ignored",)


def test_a_type_2_file(load):
    song = load(file(track(*SCALE), track(note(67)), kind=2))
    assert "it is of type 2: its 2 tracks are separate pieces, but are played simultaneously" in song.remarks
    assert load(file(track(*SCALE), kind=2)).remarks == ()


# -------------------------------------------------------------------------------------------------------------- damage


def test_wherever_a_file_is_cut_off_what_stands_before_is_played(load):
    whole = file(track(*SCALE), track(note(67)))
    last = 0
    for size in range(len(whole)):
        try:
            song = load(whole[:size])
        except ValueError:
            assert not last  # once a note is there, it stays
            continue
        assert song.remarks
        assert len(song.notes) >= last
        last = len(song.notes)
    assert last == 4


def test_a_damaged_track_is_played_up_to_the_damage(load):
    song = load(file(track(note(60), b"\xff" * 9, note(62)), track(note(67))))
    assert notes(song) == [(60, 0.0, 0.5), (67, 0.0, 0.5)]
    assert song.remarks == ("1 damaged track played up to the damage",)


@pytest.mark.parametrize("content", [
    file(track(b"\0\x3c\x64", note(60))),  # no status yet
    file(track(b"\xff" * 9, note(60))),
    file(track(b"\0\xff\x01\x7fx")),
])  # fmt: skip
def test_nothing_but_damage(load, content):
    with pytest.raises(ValueError, match="is a damaged MIDI file: there is no note before the damage"):
        load(content)


@pytest.mark.parametrize(("content", "why"), [
    (file()[:13], "it ends too early$"),
    (b"MThd" + struct.pack(">IHHh", 5, 1, 1, 500) + b"nothing at all", "it ends too early, or has no track$"),
])  # fmt: skip
def test_a_file_without_a_track_says_so(load, content, why):
    with pytest.raises(ValueError, match=rf"is a damaged MIDI file: {why}"):
        load(content)


def test_numbers_may_have_zeros_in_front_but_not_be_too_large(load):
    assert notes(load(file(track(b"\x80\x80\x80\x80" + note(60))))) == [(60, 0.0, 0.5)]
    with pytest.raises(ValueError, match="damaged"):
        load(file(track(b"\x81\x80\x80\x80" + note(60))))


# ------------------------------------------------------------------------------------------------------------- wrappers


def test_macbinary(load):
    content = file(track(*SCALE))
    head = bytes([0, 8]) + b"tune.mid" + bytes(118)
    song = load(head + content + bytes(-len(content) % 128))
    assert notes(song) == PLAYED
    assert song.remarks[0] == "it has a MacBinary header"


def test_bytes_before_the_file(load):
    song = load(b"\r\n\r\n" + file(track(*SCALE)))
    assert notes(song) == PLAYED
    assert song.remarks == ("4 bytes before its beginning",)


def test_packed_by_gzip(load):
    song = load(gzip.compress(file(track(*SCALE))), "tune.mid.gz")
    assert notes(song) == PLAYED
    assert (song.name, song.remarks) == ("tune", ())


def test_packed_by_gzip_in_pieces(load):
    content = file(track(*SCALE))
    assert notes(load(gzip.compress(content[:20]) + gzip.compress(content[20:]) + b"more", "tune.mid.gz")) == PLAYED
    with pytest.raises(ValueError, match="has more than 8 MB"):
        load(gzip.compress(bytes(5 << 20)) * 2, "tune.mid.gz")


def test_gzip_is_not_trusted(load):
    with pytest.raises(ValueError, match="gzip cannot decompress it"):
        load(b"\x1f\x8b\x08" + bytes(30), "tune.mid.gz")
    with pytest.raises(ValueError, match="has more than 8 MB"):
        load(gzip.compress(bytes(50 << 20)), "tune.mid.gz")
    cut = gzip.compress(bytes(1000))[:-12]
    with pytest.raises(ValueError, match="not a MIDI file"):
        load(cut, "tune.mid.gz")


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.mxl", b"PK\3\4" + bytes(26) + b"META-INF/container.xml", "compressed MusicXML"),
        ("a.mxl", b"PK\3\4" + bytes(26), "MusicXML"),
        ("a.musicxml", b"<?xml version='1.0'?>\n<score-partwise version='4.0'>", "MusicXML"),
        ("a.abc", b"% a comment\nX: 1\nT: Tune\nK: C\nCDEF|", "ABC"),
        ("a.abc", b"X:1\r\nT:Tune\r\nK:C\r\nCDEF|", "ABC"),
        ("a.abc", b"T: no number\n", "ABC"),
        ("a.xm", b"Extended Module: tune", "tracker module"),
        ("a.it", b"IMPMtune", "tracker module"),
        ("a.s3m", bytes(44) + b"SCRM", "tracker module"),
        ("a.mod", bytes(1080) + b"M.K.", "tracker module"),
        ("a.xmi", b"FORM\0\0\0\x0eXDIRINFO", "XMI"),
        ("a.gp5", b"\x18FICHIER GUITAR PRO v5.00", "Guitar Pro"),
        ("a.mid", b"ID3\4", "recording"),
        ("a.mid", b"\xff\xfb\x90\x64", "an MP3 recording"),
        ("a.mid", b"\xff\xf3\x18\xc4", "an MP3 recording"),
        ("a.mid", b"", "is an empty file"),
        ("a.zip", b"PK\3\4" + bytes(26) + b"tune.mid", "zip archive"),
        ("a.mid", b"hello", "does not begin with MThd"),
    ],
)
def test_other_files_have_a_sentence_of_their_own(load, name, content, says):
    with pytest.raises(ValueError, match=says) as caught:
        load(content, name)
    assert "\n" not in str(caught.value)
    assert name in str(caught.value)


# --------------------------------------------------------------------------------------------------------------- events


def test_events_of_a_track():
    content = file(track(b"\0\xff\x03\2hi", b"\5\xc0\x07", b"\0\xe0\1\2", note(60)))
    assert list(smf.read(content).events(0)) == [
        (0, 0xFF, 0x03, b"hi"), (5, 0xC0, 7, 0), (5, 0xE0, 1, 2), (5, 0x90, 60, 100), (505, 0x80, 60, 0),
        (505, 0xFF, 0x2F, b""),
    ]  # fmt: skip


def test_sysex_in_pieces_is_one_message():
    content = file(track(b"\0\xf0\2\x7e\x7f", b"\x0a\xf7\3\x09\x01\xf7"))
    assert next(smf.read(content).events(0)) == (10, 0xF0, 0, b"\x7e\x7f\x09\x01\xf7")


@pytest.mark.parametrize("content", [b"<!DOCTYPE html><html></html>", b"\n <HTML lang=en>", b"<!-- saved --><html>"])
def test_a_web_page_says_that_it_is_one(content):
    with pytest.raises(ValueError, match="is a web page, not a MIDI file: on that page, save the file itself"):
        smf.read(content, ".mid")
