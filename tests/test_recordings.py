"""helpers.matching.recordings: files of any kind, the notes in them, and what is said of those that are hard."""

import io

import numpy as np
import pytest
import scipy.signal
import soundfile
import soxr
from inputs import DATA

from helpers import matching
from helpers.matching import recordings

NSYNTH = {"00": 32, "02": 76, "04": 48, "06": 60, "08": 33, "10": 52, "12": 71, "14": 68}  # their pitches
RATE = 16000


def note(pitch, seconds=1.0, rate=RATE):
    """A struck tone of eight partials."""
    time, hertz = np.arange(round(seconds * rate)) / rate, 440 * 2 ** ((pitch - 69) / 12)
    partials = (np.sin(2 * np.pi * k * hertz * time + k) / k for k in range(1, 9) if k * hertz < rate / 2)
    return sum(partials) * np.exp(-time) * np.minimum(1, time / 0.01)


def of(samples, rate=RATE):
    samples = np.asarray(samples)
    return matching.recording(0.5 * samples / np.abs(samples).max(), rate, "it")


def content(samples, rate=RATE, kind="WAV", subtype=None):
    held = io.BytesIO()
    soundfile.write(held, samples, rate, format=kind, subtype=subtype)
    return held.getvalue()


def hiss(n, seed=0):
    return np.random.RandomState(seed).normal(size=n)


# ------------------------------------------------------------------------------------------------------------ reading


@pytest.mark.parametrize("kind", ["WAV", "FLAC", "OGG", "AIFF"])
@pytest.mark.parametrize("rate", [8000, 44100])
def test_bytes_of_any_kind(kind, rate):
    wave = 0.5 * note(60, rate=rate)
    read = matching.read(content(wave, rate, kind), "mine")
    assert (read.name, read.sample_rate, read.samples.dtype) == ("mine", rate, np.float32)
    assert read.duration == pytest.approx(1, abs=0.01)
    assert np.corrcoef(read.samples[: len(wave)], wave)[0, 1] > 0.99


def test_a_path_gives_the_name(tmp_path):
    path = tmp_path / "my oboe.wav"
    path.write_bytes(content(0.5 * note(60)))
    assert repr(matching.read(path)) == "Recording('my oboe', 1.00 s, 16000 Hz)"
    assert matching.read(path, "other\x1b[2J").name == "other [2J"


def test_what_is_no_recording_is_one_sentence(tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError, match=r"no recording at .*absent\.wav"):
        matching.read(tmp_path / "absent.wav")
    with pytest.raises(ValueError, match="text is not a sound file"):
        matching.read(b"hello", "text")
    (tmp_path / "bad.wav").write_bytes(b"hello")
    with pytest.raises(ValueError, match=r"^bad\.wav is not a sound file"):
        matching.read(tmp_path / "bad.wav", "my oboe")
    with pytest.raises(ValueError, match="not finite"):
        matching.read(content(np.array([np.nan] * 8000), subtype="FLOAT"))
    monkeypatch.setattr(recordings, "MAX_BYTES", 1 << 20)
    big = tmp_path / "big.wav"
    big.write_bytes(bytes(3 << 20))
    for source in (big, big.read_bytes()):
        with pytest.raises(ValueError, match="has 3 MB; the limit is 1 MB"):
            matching.read(source)


def test_only_the_beginning_of_ten_minutes_is_decoded():
    read = matching.read(content(np.tile(0.5 * note(60, 0.5, 8000), 1200), 8000, "FLAC"))
    assert read.duration == recordings.MAX_SECONDS
    assert "it lasts 10:00 minutes, but only the first 60 s were read" in read.warnings[0]


def test_what_begins_after_the_part_that_is_read_is_no_fault_of_the_microphone():
    late = np.concatenate([np.zeros(61 * 8000), 0.5 * note(60, rate=8000)])
    with pytest.raises(ValueError, match="it is silent in its first 60 s, the most that is read: cut out the note"):
        matching.read(content(late, 8000, "FLAC"), "it")


def test_a_file_without_samples():
    with pytest.raises(ValueError, match="it is empty: it has no samples"):
        matching.read(content(np.zeros(0)), "it")


def test_rates_and_channels_that_are_no_recording():
    with pytest.raises(ValueError, match="sample_rate is 400000 Hz; it must be above 0 and up to 192000 Hz"):
        matching.recording(note(60), 400000)
    with pytest.raises(ValueError, match=r"samples have shape \[2, 2, 2\]; expected \[n\] or \[n, channels\]"):
        matching.recording(np.ones((2, 2, 2)), RATE)
    with pytest.raises(ValueError, match="not finite"):
        matching.recording(np.full(9000, np.inf), RATE)
    with pytest.raises(ValueError, match="300000 Hz"):
        matching.read(content(note(60), 300000))


def test_the_loudest_of_many_channels_is_taken_and_stereo_is_mixed():
    wave = 0.5 * note(60).astype(np.float32)
    surround = np.stack([0.1 * wave, 0 * wave, wave, 0 * wave, 0.1 * wave, 0 * wave], axis=1)
    read = matching.read(content(surround, subtype="FLOAT"))
    assert "it has 6 channels: only the loudest, number 3, is used" in read.warnings
    np.testing.assert_array_equal(read.samples, wave)
    mixed = matching.recording(np.stack([wave, 0.5 * wave], axis=1), RATE)
    assert not mixed.warnings
    np.testing.assert_allclose(mixed.samples, 0.75 * wave, rtol=1e-6)


def test_channels_that_cancel_each_other_are_not_mixed():
    wave = 0.5 * note(60).astype(np.float32)
    read = matching.recording(np.stack([0.9 * wave, -wave], axis=1), RATE)
    assert "its two channels cancel each other" in read.warnings[0]
    np.testing.assert_array_equal(read.samples, -wave)


def test_silence_and_a_click_are_refused():
    with pytest.raises(ValueError, match="it is silent: record closer"):
        matching.recording(np.full(RATE, 1e-4), RATE, "it")
    with pytest.raises(ValueError, match="it lasts 50 ms, too short"):
        matching.recording(note(60)[: RATE // 20], RATE, "it")


def test_a_direct_current_is_taken_out():
    wave = np.concatenate([np.zeros(RATE // 2), 0.3 * note(60) / np.abs(note(60)).max()])
    read = matching.recording(wave + 0.6, RATE)
    assert abs(read.samples.mean()) < 1e-6
    assert np.abs(read.samples).max() <= 1
    (found,) = matching.find_notes(read)
    assert (found.pitch, found.warnings) == (60, ())
    assert found.start == pytest.approx(0.5, abs=0.03)
    with pytest.raises(ValueError, match="it is a constant value, not a sound: check the microphone"):
        matching.recording(np.full(RATE, 0.5), RATE, "it")


def test_clipping_and_low_rates_are_said():
    assert "it is clipped in " in matching.recording(np.clip(3 * note(60), -1, 1), RATE).warnings[0]
    assert not matching.recording(0.9 * note(60) / np.abs(note(60)).max(), RATE).warnings
    assert "at 8000 Hz it has nothing above 4 kHz" in of(note(60, rate=8000), 8000).warnings[0]


# -------------------------------------------------------------------------------------------------------------- notes


@pytest.mark.slow
@pytest.mark.parametrize(("name", "pitch"), NSYNTH.items())
def test_the_notes_of_nsynth(name, pitch):
    found = matching.find_notes(matching.read(DATA / "nsynth" / f"nsynth_example_{name}.flac"))
    assert [one.pitch for one in found] == [pitch]
    assert not found[0].warnings
    assert abs(found[0].cents) < 15
    assert found[0].start == 0
    for heard in found[0].readings.values():
        assert heard == pytest.approx(pitch + found[0].cents / 100, abs=0.25)


@pytest.mark.parametrize(("pitch", "cents"), [(45, 20), (69, -30), (60, 0)])
def test_pitch_and_offset(pitch, cents):
    found = matching.find_notes(of(note(pitch + cents / 100)))
    assert [one.pitch for one in found] == [pitch]
    assert found[0].cents == pytest.approx(cents, abs=2)
    assert not found[0].warnings


@pytest.mark.parametrize("rate", [8000, 48000, 192000])
def test_any_rate(rate):
    (found,) = matching.find_notes(of(note(60, rate=rate), rate))
    assert (found.pitch, round(found.cents)) == (60, 0)


def test_silence_around_a_note_is_trimmed():
    sound = np.concatenate([np.zeros(8000), note(62), np.zeros(8000)])
    (found,) = matching.find_notes(of(sound))
    assert found.start == pytest.approx(0.5, abs=0.03)
    assert found.end == pytest.approx(1.5, abs=0.03)
    assert found.until == pytest.approx(2.0, abs=0.03)
    assert str(found).startswith("D4 ")


def test_several_notes_and_the_same_one_again():
    found = matching.find_notes(of(np.concatenate([note(pitch, 0.6) for pitch in (60, 64, 64, 67)])))
    assert [one.pitch for one in found] == [60, 64, 64, 67]
    assert [one.start for one in found] == pytest.approx([0, 0.6, 1.2, 1.8], abs=0.03)
    assert [one.until for one in found[:-1]] == pytest.approx([one.start for one in found[1:]], abs=0.02)


def test_a_pitch_that_changes_without_a_stroke_is_another_note():
    time = np.arange(2 * RATE) / RATE
    hertz = np.where(time < 1, 262.0, 330.0)
    found = matching.find_notes(of(scipy.signal.sawtooth(2 * np.pi * np.cumsum(hertz) / RATE)))
    assert [one.pitch for one in found] == [60, 64]


def slurred(*pitches, seconds=0.8):
    """Held tones of eight partials, each of which fades in while the one before fades out."""
    samples, fade = np.zeros(round((len(pitches) * seconds + 0.05) * RATE)), np.linspace(0, 1, round(0.05 * RATE))
    for number, pitch in enumerate(pitches):
        tone = note(pitch, seconds + 0.05) * np.exp(np.arange(round((seconds + 0.05) * RATE)) / RATE)
        tone[: len(fade)] *= fade
        tone[-len(fade) :] *= 1 - fade
        begins = round(number * seconds * RATE)
        samples[begins : begins + len(tone)] += tone
    return samples


@pytest.mark.parametrize("second", [49, 53, 55, 43, 36, 60, 72])
def test_slurred_notes_are_told_apart_octaves_among_them(second):
    found = matching.find_notes(of(slurred(48, second)))
    assert [one.pitch for one in found] == [48, second]
    assert found[1].start == pytest.approx(0.8, abs=0.05)
    assert [one.cents for one in found] == pytest.approx([0, 0], abs=5)


def test_a_slide_is_one_note():
    time = np.arange(2 * RATE) / RATE
    (slide,) = matching.find_notes(of(scipy.signal.sawtooth(2 * np.pi * np.cumsum(130 * 2 ** (time / 2)) / RATE)))
    assert "its pitch moves" in " ".join(slide.warnings)


def test_what_rings_on_below_another_note_is_no_third_one():
    """A plucked C3 that is left to ring, and 1.2 s later a fifth above it, which is over sooner."""
    low, _ = soundfile.read(DATA / "nsynth" / "nsynth_example_04.flac")
    high, begins = soxr.resample(low, RATE * 2 ** (7 / 12), RATE)[: 3 * RATE // 2], round(1.2 * RATE)
    both = low.copy()
    both[begins : begins + len(high)] += high
    assert [one.pitch for one in matching.find_notes(of(both))] == [48, 55]


def test_a_tracker_that_goes_to_another_octave_makes_no_note(monkeypatch):
    """As SwiftF0 does in a square wave at C2: the sound is the same before and after."""
    tone = scipy.signal.sawtooth(2 * np.pi * 220 * np.arange(2 * RATE) / RATE)
    heard = iter([np.full(9, 57.0), np.full(9, 45.0)])
    monkeypatch.setattr(recordings.pitches, "swift_f0_track", lambda *_: next(heard))
    assert not recordings._is_slurred(tone, RATE, np.zeros(200), 0, 100)


def test_no_more_notes_than_are_of_use_and_the_longest():
    lengths = [0.3] * 9 + [0.6]
    found = matching.find_notes(of(np.concatenate([note(55 + 2 * i, length) for i, length in enumerate(lengths)])))
    assert len(found) == recordings.MAX_NOTES
    assert found[-1].pitch == 73
    assert [one.start for one in found] == sorted(one.start for one in found)


def test_of_notes_that_are_as_long_the_first_are_used_and_a_warning_says_so():
    found = matching.find_notes(of(np.concatenate([note(55 + i, 0.4) for i in range(11)])))
    assert [one.pitch for one in found] == list(range(55, 63))
    assert "it has 11 notes, of which the longest 8 are used: choose a part with fewer" in found[0].warnings
    assert not any("notes, of which" in warning for one in found[1:] for warning in one.warnings)


def test_a_part_and_a_pitch_that_the_user_says():
    sound = of(np.concatenate([note(60, 0.6), note(67, 0.6)]))
    assert [one.pitch for one in matching.find_notes(sound, start=0.6)] == [67]
    (said,) = matching.find_notes(sound, end=0.6, pitch=60)
    assert (said.pitch, said.warnings) == (60, ())
    (wrong,) = matching.find_notes(sound, end=0.6, pitch=65)
    assert wrong.pitch == 65
    assert "you gave F4, but no tracker detects that pitch (pYIN C4, SwiftF0 C4)" in wrong.warnings[0]


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"start": 2.0}, "2 to 1 s is not a part of a recording of 1.00 s"),
        ({"start": -1.0}, "is not a part"),
        ({"start": 0.5, "end": 0.55}, "a part of 50 ms is too short"),
        ({"start": float("nan")}, "is not a part"),
        ({"pitch": 5}, "pitch is 5; it must be a MIDI number from 19 to 108"),
    ],
)
def test_parts_that_there_are_not(how, message):
    with pytest.raises(ValueError, match=message):
        matching.find_notes(of(note(60)), **how)


def test_a_silent_part():
    with pytest.raises(ValueError, match=r"it is silent from 1\.10 to 2\.00 s"):
        matching.find_notes(of(np.concatenate([note(60), np.zeros(RATE)])), start=1.1)


# --------------------------------------------------------------------------------------------------------------- hard


def chirps(rate=44100):
    """Five short ones, each of which wanders between 3 and 6 kHz."""
    time = np.arange(round(0.12 * rate)) / rate
    sweeps = (4500 + 1500 * np.sin(2 * np.pi * 12 * time + i) for i in range(5))
    heard = [np.sin(2 * np.pi * np.cumsum(sweep) / rate) * np.hanning(len(time)) for sweep in sweeps]
    return np.concatenate([part for chirp in heard for part in (chirp, np.zeros(round(0.08 * rate)))])


def warned(samples, rate=RATE):
    return " / ".join(said for one in matching.find_notes(of(samples, rate)) for said in one.warnings)


@pytest.mark.parametrize("pitches", [(60, 64, 67), (57, 60, 64)])
def test_a_chord(pitches):
    said = warned(sum(note(pitch) for pitch in pitches))
    assert "a chord, several voices or noise; record a single note" in said
    assert "the pitch trackers disagree: pYIN" in said


def test_speech():
    """Gliding voices with hisses and pauses between them."""
    parts = []
    for low, high in ((110, 150), (140, 95), (120, 180)):
        phase = 2 * np.pi * np.cumsum(np.linspace(low, high, RATE // 4)) / RATE
        parts += [scipy.signal.sawtooth(phase) * np.hanning(RATE // 4) ** 0.3, 0.2 * hiss(900), np.zeros(800)]
    assert "as in speech" in warned(np.concatenate(parts))


def test_a_kick_drum():
    time = np.arange(RATE) / RATE
    said = warned(np.sin(2 * np.pi * np.cumsum(50 + 150 * np.exp(-40 * time)) / RATE) * np.exp(-8 * time))
    assert "a drum" in said


def test_a_note_in_noise():
    assert " % of its energy is not part of C4: a chord, several voices or noise" in warned(
        note(60, 1.5) + 0.5 * hiss(24000)
    )


@pytest.mark.parametrize(
    ("sound", "rate", "message"),
    [
        (hiss(RATE) * np.exp(-25 * np.arange(RATE) / RATE), RATE, "as in a drum or a click"),
        (hiss(2 * RATE), RATE, "as in noise, breath or a crowd"),
        (chirps(), 44100, "is above C8, as in birdsong"),
    ],
)
def test_what_has_no_pitch(sound, rate, message):
    with pytest.raises(ValueError, match=message):
        matching.find_notes(of(sound, rate))


def test_noise_is_no_drum_wherever_its_peak_is():
    sound = hiss(2 * RATE)
    sound[-RATE // 10 :] *= 1.2
    with pytest.raises(ValueError, match="as in noise, breath or a crowd"):
        matching.find_notes(of(sound))


def test_the_ends_of_what_trackers_hear_are_said():
    assert "at the limit of the pitch trackers" in warned(
        scipy.signal.sawtooth(2 * np.pi * 18.4 * np.arange(3 * RATE) / RATE)
    )
    assert "at the end" not in warned(note(28, 2))


def test_trackers_that_hear_two_octaves():
    """A saw has all partials of the octave below; of the two readings the higher one is right."""
    time = np.arange(RATE) / RATE
    (found,) = matching.find_notes(of(scipy.signal.sawtooth(2 * np.pi * 330 * time)))
    assert found.pitch == 64
