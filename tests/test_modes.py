"""helpers.modes: which channels of a MIDI file are drums, and how they are tuned."""

import mido
import pytest

from helpers import midi
from helpers.midi.modes import Steps

GS_RESET = (0x41, 0x10, 0x42, 0x12, 0x40, 0x00, 0x7F, 0x00, 0x41)
XG_ON = (0x43, 0x10, 0x4C, 0x00, 0x00, 0x7E, 0x00)
GM_ON, GM2_ON = (0x7E, 0x7F, 0x09, 0x01), (0x7E, 0x7F, 0x09, 0x03)


def sysex(*data):
    return mido.Message("sysex", data=data)


def gs(low, value, part=None):
    """A GS message to all of a module, or to one of its parts."""
    body = (0x40, 0x00 if part is None else 0x10 | part, low, value)
    return sysex(0x41, 0x10, 0x42, 0x12, *body, -sum(body) % 128)


def xg(part, low, value):
    return sysex(0x43, 0x10, 0x4C, 0x08, part, low, value)


def control(number, value, channel=0):
    return mido.Message("control_change", control=number, value=value, channel=channel)


def program(number, channel=0):
    return mido.Message("program_change", program=number, channel=channel)


def parameter(number, value, low=None, channel=0):
    """A registered parameter."""
    said = [control(101, 0, channel), control(100, number, channel), control(6, value, channel)]
    return said + ([control(38, low, channel)] if low is not None else [])


def note(channel=0, pitch=60, length=1000):
    return [
        mido.Message("note_on", note=pitch, velocity=100, channel=channel),
        mido.Message("note_off", note=pitch, channel=channel, time=length),
    ]


@pytest.fixture
def read(tmp_path):
    """The song of some tracks of messages; a tick is a millisecond."""

    def read(*tracks, division=500):
        file = mido.MidiFile(ticks_per_beat=division)
        for messages in tracks:
            file.tracks.append(mido.MidiTrack(messages))
        file.save(tmp_path / "score.mid")
        return midi.load(tmp_path / "score.mid")

    return read


def drums(song):
    """Whether each track is drums."""
    return [track.is_drum for track in song.tracks]


# --------------------------------------------------------------------------------------------------------------- drums


@pytest.mark.parametrize(
    ("head", "channel", "is_drum"),
    [
        ([], 9, True),
        ([], 4, False),
        # XG's and GM2's banks
        ([control(0, 127, 4), control(32, 0, 4), program(0, 4)], 4, True),
        ([sysex(*XG_ON), control(0, 127, 4), program(0, 4)], 4, True),
        ([control(0, 126, 4), program(0, 4)], 4, True),
        ([control(0, 120, 4), program(0, 4)], 4, True),
        ([sysex(*GM2_ON), control(0, 120, 11), program(0, 11)], 11, True),
        ([control(0, 127, 4), control(0, 0, 4), program(0, 4)], 4, False),
        ([control(0, 127, 4), sysex(*GM_ON)], 4, False),
        ([control(0, 127, 3), program(0, 4)], 4, False),
        ([control(0, 121, 9), program(0, 9)], 9, False),
        ([control(0, 121, 9), control(0, 120, 9), program(0, 9)], 9, True),
        ([control(0, 0, 9), program(0, 9)], 9, True),
        ([control(0, 8, 9), program(0, 9)], 9, True),
        ([control(0, 127, 9), program(0, 9)], 9, True),
        ([sysex(*GS_RESET), control(0, 127, 4), program(0, 4)], 4, False),  # a sound of the MT-32
        ([sysex(*GS_RESET), sysex(*XG_ON), control(0, 127, 4), program(0, 4)], 4, True),
        # GS's parts
        ([gs(0x15, 1, part=5)], 4, True),
        ([gs(0x15, 2, part=5)], 4, True),
        ([gs(0x15, 0, part=5)], 4, False),
        ([gs(0x15, 1, part=1)], 0, True),
        ([gs(0x15, 1, part=9)], 8, True),
        ([gs(0x15, 1, part=10)], 10, True),
        ([gs(0x15, 1, part=15)], 15, True),
        ([gs(0x15, 0, part=0)], 9, False),
        ([gs(0x15, 1, part=5), control(0, 0, 4), program(0, 4)], 4, True),  # a bank of melodies does not undo it
        ([gs(0x15, 1, part=5), sysex(*GS_RESET)], 4, False),
        ([sysex(0x41, 0x7F, 0x42, 0x12, 0x40, 0x1A, 0x14, 0, 1, 0)], 10, True),  # two addresses in a row
        # XG's parts
        ([xg(4, 7, 2)], 4, True),
        ([xg(9, 7, 0)], 9, False),
        ([xg(4, 1, 127), program(0, 4)], 4, True),
        # what is none of that
        ([sysex(0x41, 0x10, 0x42, 0x11, 0x40, 0x15, 0x15, 1)], 4, False),
        ([sysex(0x41), sysex(), sysex(0x43, 0x10, 0x4C), sysex(0x7F, 0x7F, 4, 3)], 4, False),
    ],
)
def test_what_is_drums(read, head, channel, is_drum):
    assert drums(read(head + note(channel))) == [is_drum]
    assert drums(read(head, note(channel))) == [is_drum]  # the head is a track of its own


def test_a_channel_may_become_drums(read):
    song = read([*note(4), control(0, 127, 4), program(8, 4), *note(4)])
    assert [(track.program, track.is_drum) for track in song.tracks] == [(0, False), (8, True)]
    assert [len(track.notes) for track in song.tracks] == [1, 1]
    assert [len(track.notes) for track in song.as_original().tracks] == [1, 1]


# -------------------------------------------------------------------------------------------------------------- tuning


@pytest.mark.parametrize(
    ("head", "pitch"),
    [
        (parameter(2, 76), 72),
        (parameter(2, 52, 0), 48),
        (parameter(2, 64), 60),
        (parameter(2, 76, channel=1), 60),
        ([gs(0x16, 0x40 + 3, part=1)], 63),
        ([gs(0x16, 0x40 - 24, part=1)], 36),
        ([gs(0x05, 0x40 + 1)], 61),
        ([xg(0, 8, 0x40 - 2)], 58),
        ([sysex(0x43, 0x10, 0x4C, 0, 0, 6, 0x45)], 65),
        ([sysex(0x7F, 0x7F, 4, 4, 0, 0x41)], 61),
        ([gs(0x05, 0x41), *parameter(2, 66)], 63),
        ([*parameter(2, 76), sysex(*GM_ON)], 60),
    ],
)
def test_keys_are_shifted(read, head, pitch):
    song = read(head + note())
    assert [note.pitch for note in song.notes] == [pitch]
    assert [note.pitch for note in song.as_original().notes] == [60]
    assert song.tracks[0].controls == {}
    assert [note.pitch for note in read(head + note(9)).notes] == [60]  # drums are not
    assert read(head, note()).notes == song.notes


def test_a_shift_holds_from_where_it_stands(read):
    song = read(note() + parameter(2, 76) + note() + parameter(2, 64) + note())
    assert [note.pitch for note in song.notes] == [60, 72, 60]


def test_a_shift_counts_once_for_notes_before_their_program_is_said(read):
    song = read(parameter(2, 52) + note() + [program(0)] + note() + [program(5)] + note() + [program(0)] + note())
    assert [note.pitch for note in song.notes] == [48, 48, 48, 48]


@pytest.mark.parametrize(("pitch", "heard"), [(127, 116), (120, 121), (0, 1)])
def test_shifted_keys_stay_within_what_midi_has(read, pitch, heard):
    assert [note.pitch for note in read(parameter(2, 65) + note(pitch=pitch)).notes] == [heard]
    assert [note.pitch for note in read(parameter(2, 62) + note(pitch=0)).notes] == [10]


@pytest.mark.parametrize(
    ("head", "semitones"),
    [
        (parameter(1, 96), 0.5),
        (parameter(1, 32), -0.5),
        (parameter(1, 64, 64), 64 / 8192),
        (parameter(1, 0, 0), -1.0),
        ([sysex(0x7F, 0x7F, 4, 3, 0, 0x60)], 0.5),
        ([sysex(0x41, 0x10, 0x42, 0x12, 0x40, 0, 0, 0, 4, 0x1, 0x9, 0)], 0.025),  # 1049 tenths of a cent, 1024 is none
        ([sysex(0x43, 0x10, 0x4C, 0, 0, 0, 0, 3, 0xE, 0x8)], -0.024),
    ],
)
def test_fine_tuning_is_a_bend(read, head, semitones):
    (track,) = read(head + note()).tracks
    assert track.controls == {"bend": ((0.0, pytest.approx(semitones)),)}
    wheel = [mido.Message("pitchwheel", pitch=4096), mido.Message("pitchwheel", pitch=0, time=500)]
    (track,) = read(head + wheel + note()).tracks
    assert track.controls == {"bend": ((0.0, pytest.approx(1 + semitones)), (0.5, pytest.approx(semitones)))}
    assert read(head + note(9)).tracks[0].controls == {}


def test_a_tuning_of_nothing_is_nothing(read):
    head = [
        *parameter(1, 64, 0),
        *parameter(2, 64),
        gs(0x05, 0x40),
        sysex(0x41, 0x10, 0x42, 0x12, 0x40, 0, 0, 0, 4, 0, 0),
    ]
    song = read(head + note())
    assert (song.notes[0].pitch, song.tracks[0].controls) == (60, {})
    assert song.as_original() is song


# --------------------------------------------------------------------------------------------------------------- steps


def test_steps():
    steps = Steps("a", [(5, "b"), (7, "b"), (9, "a")])
    assert [steps(tick) for tick in (0, 4, 5, 8, 9, 100)] == ["a", "a", "b", "b", "a", "a"]
    assert steps.ticks == [5, 9]
    assert Steps(1, [(0, 1)]).is_constant
