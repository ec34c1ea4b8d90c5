"""helpers.audio: files, rates, loudness, players, the reference rendering."""

import io
import os
import subprocess
import sys
import warnings

import numpy as np
import pyloudnorm
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from inputs import RATE

from helpers import audio, compiled, soundfont
from helpers.audio import RATES, Audio
from helpers.midi import Note, Song, Track


def tone(seconds=0.1, peak=0.5, channels=None, rate=RATE, frequency=440.0):
    wave = peak * np.sin(2 * np.pi * frequency * np.arange(round(seconds * rate)) / rate).astype(np.float32)
    return Audio(wave if channels is None else np.stack([wave] * channels, axis=1), rate)


def pitch_of(wave, rate):
    """Frequency in Hz of the strongest partial."""
    spectrum = np.abs(np.fft.rfft(wave * np.hanning(len(wave)), 8 * len(wave)))
    return np.argmax(spectrum) * rate / (8 * len(wave))


def test_audio_knows_its_length_and_peak():
    clip = Audio(np.array([[0.25, -0.75], [0.5, 0.0]], np.float32), 4)
    assert (clip.duration, clip.peak) == (0.5, 0.75)
    assert Audio(np.array([0.25, 0.5], np.float32), 4).peak == 0.5
    assert Audio(np.zeros(0, np.float32), 4).peak == 0.0
    assert repr(clip) == "Audio(0.50 s, 4 Hz, stereo, peak 0.75)"
    assert repr(Audio(np.zeros((4, 3), np.float32), 4)) == "Audio(1.00 s, 4 Hz, 3 channels, peak 0.00)"


def test_mono_is_the_mean_of_the_channels():
    clip = Audio(np.array([[0.25, -0.75], [0.5, 0.0]], np.float32), 4)
    assert clip.mono.tolist() == [-0.25, 0.25]
    assert (tone().mono == tone().samples).all()


# ---------------------------------------------------------------------------------------------------------------- files


@pytest.mark.parametrize(
    ("name", "encoding", "subtype", "tolerance"),
    [("a.wav", "float", "FLOAT", 0), ("a.wav", "16-bit", "PCM_16", 2**-15), ("a.WAV", "24-bit", "PCM_24", 2**-23),
     ("a.flac", "16-bit", "PCM_16", 2**-15), ("deep/a.flac", "24-bit", "PCM_24", 2**-23),
     ("a.wav", None, "PCM_16", 2**-15), ("a.flac", None, "PCM_16", 2**-15)],
)  # fmt: skip
@pytest.mark.parametrize("channels", [None, 2])
def test_written_audio_reads_back(tmp_path, name, encoding, subtype, tolerance, channels):
    path = audio.write(tone(channels=channels), tmp_path / name, encoding)
    assert soundfile.info(path).subtype == subtype
    back = audio.read(path)
    assert back.sample_rate == RATE
    np.testing.assert_allclose(back.samples, tone(channels=channels).samples, atol=tolerance)
    assert [p.name for p in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize(
    ("name", "encoding", "subtype"), [("a.ogg", None, "VORBIS"), ("a.mp3", "lossy", "MPEG_LAYER_III")]
)
def test_lossy_files_keep_length_pitch_and_level(tmp_path, name, encoding, subtype, rate):
    path = audio.write(tone(1.0, rate=rate), tmp_path / name, encoding)
    assert soundfile.info(path).subtype == subtype
    back = audio.read(path)
    assert back.sample_rate == rate
    assert back.samples.ndim == 1
    assert back.duration == pytest.approx(1.0, rel=0.05)
    assert pitch_of(back.samples, rate) == pytest.approx(440, rel=0.01)
    assert back.peak == pytest.approx(0.5, rel=0.1)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("name", ["a.ogg", "a.mp3"])
def test_lossy_files_keep_channels_apart(tmp_path, name, rate):
    left, right = tone(1.0, rate=rate), tone(1.0, 0.25, rate=rate, frequency=660)
    back = audio.read(audio.write(Audio(np.stack([left.samples, right.samples], axis=1), rate), tmp_path / name))
    assert back.duration == pytest.approx(1.0, rel=0.05)
    assert [pitch_of(channel, rate) for channel in back.samples.T] == pytest.approx([440, 660], rel=0.01)
    assert np.abs(back.samples).max(axis=0) == pytest.approx([0.5, 0.25], rel=0.2)


def test_files_are_written_in_blocks_without_a_seam(tmp_path, monkeypatch):
    monkeypatch.setattr(audio, "BLOCK", 700)  # not a divisor of the length
    back = audio.read(audio.write(tone(channels=2), tmp_path / "a.wav", "float"))
    assert (back.samples == tone(channels=2).samples).all()


@pytest.mark.parametrize(
    ("name", "encoding", "peak", "message"),
    [("a.mp4", None, 0.5, "end in .wav, .flac, .ogg or .mp3"), ("a", None, 0.5, "end in .wav"),
     ("a.flac", "float", 0.5, "cannot be 'float'"), ("a.wav", "8-bit", 0.5, "cannot be '8-bit'"),
     ("a.mp3", "16-bit", 0.5, "cannot be '16-bit'; choose 'lossy'"), ("a.wav", "16-bit", 1.5, "would clip"),
     ("a.ogg", None, 1.5, "would clip"), ("a.wav", "float", np.nan, "not finite")],
)  # fmt: skip
def test_what_cannot_be_written_is_refused(tmp_path, name, encoding, peak, message):
    with pytest.raises(ValueError, match=message):
        audio.write(tone(peak=peak), tmp_path / name, encoding)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "rate", "message"),
    [("a.mp3", 96000, "a.mp3 cannot be written at 96000 Hz"), ("a.ogg", 300000, "the maximum is 192000 Hz"),
     ("a.wav", 0, "cannot have a sample rate of 0 Hz")],
)  # fmt: skip
def test_a_rate_that_a_kind_of_file_does_not_have(tmp_path, name, rate, message):
    with pytest.raises(ValueError, match=message):
        audio.write(Audio(tone().samples, rate), tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_float_files_may_exceed_full_scale(tmp_path):
    assert audio.read(audio.write(tone(peak=1.5), tmp_path / "a.wav", "float")).peak == pytest.approx(1.5, rel=1e-3)


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = audio.write(tone(), tmp_path / "a.wav")
    before = path.read_bytes()

    def fail(*args, **kwargs):
        raise OSError("disk full")

    monkeypatch.setattr(soundfile.SoundFile, "write", fail)
    with pytest.raises(OSError, match="disk full"):
        audio.write(tone(), path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["a.wav"]


def test_reading_what_is_no_audio(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such file"):
        audio.read(tmp_path / "none.wav")
    (tmp_path / "text.wav").write_text("words")
    with pytest.raises(ValueError, match="not an audio file"):
        audio.read(tmp_path / "text.wav")


# ---------------------------------------------------------------------------------------------------------------- rates


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("target", RATES)
def test_resampling_keeps_length_pitch_and_level(rate, target):
    clip = audio.resample(tone(1.0, rate=rate), target)
    assert clip.sample_rate == target
    assert len(clip.samples) in (target, target + 1)  # librosa rounds up, after an inexact division
    assert clip.samples.dtype == np.float32
    inside = slice(500, target - 500)
    np.testing.assert_allclose(clip.samples[inside], tone(1.0, rate=target).samples[inside], atol=1e-3)


def test_resampling_keeps_channels_apart():
    left, right = tone(1.0), tone(1.0, 0.25, frequency=660)
    clip = audio.resample(Audio(np.stack([left.samples, right.samples], axis=1), RATE), 48000)
    assert clip.samples.shape == (48000, 2)
    assert [pitch_of(channel, 48000) for channel in clip.samples.T] == pytest.approx([440, 660], rel=1e-3)


def test_resampling_leaves_nothing_above_the_new_nyquist_frequency():
    clip = audio.resample(tone(1.0, rate=48000, frequency=10000), RATE)
    assert np.abs(clip.samples[500:-500]).max() < 1e-3


# ------------------------------------------------------------------------------------------------------------- loudness


def programme(seconds, rate=RATE, channels=None):
    """Noise that swells and sinks, with half a second of silence in every seven, so that both gates have work."""
    seconds = np.arange(round(seconds * rate)) / rate
    level = 0.2 * np.sin(seconds / 3) ** 4 * (seconds % 7 > 0.5) + 1e-5
    noise = np.random.RandomState(0).normal(size=(len(seconds), channels or 1)) * level[:, None]
    return Audio((noise if channels else noise[:, 0]).astype(np.float32), rate)


def measured_whole(clip):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of silent blocks
        return pyloudnorm.Meter(clip.sample_rate).integrated_loudness(clip.samples)


@pytest.mark.parametrize("channels", [None, 2])
@pytest.mark.parametrize(
    ("seconds", "rate"),
    [(0.5, RATE), (2.3, 22050), (7.0, 44100), (7.0, 48000), (60.3, RATE), (60.4, RATE), (61.5, RATE), (130.0, RATE),
     (75.2, 44100)],
)  # fmt: skip
@pytest.mark.slow
def test_loudness_is_that_of_the_whole_clip(seconds, rate, channels):
    clip = programme(seconds, rate, channels)
    assert audio.loudness(clip) == pytest.approx(measured_whole(clip), abs=0.02)


def test_loudness_where_one_minute_meets_the_next():
    offset = Audio(tone(70.0, 0.01).samples + np.float32(0.5), RATE)  # to a filter that begins here, a step
    assert audio.loudness(offset) == pytest.approx(measured_whole(offset), abs=0.02)
    burst = tone(70.0)
    burst.samples[: round(59.9 * RATE)] = burst.samples[round(60.25 * RATE) :] = 0
    assert audio.loudness(burst) == pytest.approx(measured_whole(burst), abs=0.02)


def test_loudness_of_the_sine_of_the_standard():
    # ITU-R BS.1770-4, annex 1: a full-scale sine of 997 Hz in one channel measures -3.01
    assert audio.loudness(tone(5.0, 1.0, rate=48000, frequency=997)) == pytest.approx(-3.01, abs=0.05)
    assert audio.loudness(tone(5.0, 1.0, 2, rate=48000, frequency=997)) == pytest.approx(0.0, abs=0.05)


def test_an_incomplete_last_block_does_not_count():
    # ... as the standard has it; pyloudnorm counts one that is nearly complete
    clip = programme(2.37)
    assert audio.loudness(clip) == pytest.approx(audio.loudness(Audio(clip.samples[: round(2.3 * RATE)], RATE)))


def test_quiet_passages_are_gated():
    loud = tone(5.0)
    padded = Audio(np.concatenate([np.zeros(20 * RATE), loud.samples, loud.samples / 100]).astype(np.float32), RATE)
    assert audio.loudness(padded) == pytest.approx(audio.loudness(loud), abs=0.3)  # blocks across the edges do count


@pytest.mark.parametrize("seconds", [0.0, 0.1, 1.0, 100.0])
@pytest.mark.parametrize("peak", [0.0, 1e-5])  # the gate is at -70
def test_silence_has_no_loudness(seconds, peak):
    assert audio.loudness(tone(seconds, peak)) == -np.inf


@pytest.mark.parametrize("channels", [None, 2])
@pytest.mark.parametrize("seconds", [0.01, 0.1, 0.399, 0.4, 0.45])
def test_clips_shorter_than_a_block_have_a_loudness(seconds, channels):
    assert -40 < audio.loudness(tone(seconds, channels=channels)) < 0


@pytest.mark.parametrize(("peak", "target"), [(0.1, -23.0), (0.9, -23.0), (0.01, -14.0), (0.5, -70.0)])
def test_a_clip_is_brought_to_a_loudness(peak, target):
    clip, (factor, foreseen) = (
        audio.to_loudness(tone(3.0, peak), target),
        audio.loudness_factor(tone(3.0, peak), target),
    )
    assert audio.loudness(clip) == pytest.approx(target, abs=0.01)
    assert foreseen == pytest.approx(audio.loudness(clip), abs=1e-4)
    np.testing.assert_allclose(clip.samples, tone(3.0, peak).samples * factor, rtol=1e-6)


def test_the_loudness_that_clips_get_by_default():
    clip = audio.to_loudness(tone(3.0))
    assert audio.loudness(clip) == pytest.approx(audio.LOUDNESS, abs=0.01)
    assert audio.loudness_factor(clip)[0] == pytest.approx(1.0, abs=0.001)


def test_a_loudness_out_of_reach_stops_at_the_peak():
    crackle = np.zeros(3 * RATE, np.float32)
    crackle[::1000] = -0.3
    clip = audio.to_loudness(Audio(crackle, RATE), -10.0)
    assert clip.peak == pytest.approx(audio.PEAK)
    assert audio.loudness(clip) < -11


@pytest.mark.parametrize("peak", [3e-4, 1e-4, 1e-5, 1e-7])
def test_a_very_soft_clip_is_no_louder_than_others_in_the_end(peak):
    samples = tone(4.0, peak).samples * np.repeat([1.0, 0.3], 2 * RATE).astype(np.float32)
    clip = Audio(samples, RATE)
    assert audio.loudness(audio.to_loudness(clip)) == pytest.approx(audio.LOUDNESS, abs=0.01)
    assert audio.loudness_factor(clip)[1] == pytest.approx(audio.LOUDNESS, abs=0.01)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere names of files are text")
@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg", ".mp3"])
def test_a_folder_whose_name_is_no_text(tmp_path, suffix):
    path = tmp_path / os.fsdecode(b"caf\xe9") / f"clip{suffix}"
    audio.write(tone(1.0), path)
    assert audio.read(path).duration == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize("channels", [None, 2])
@pytest.mark.parametrize("peak", [1e-6, 0.5, 30.0])
def test_without_a_loudness_the_peak_is_set(peak, channels):
    assert audio.to_loudness(tone(peak=peak, channels=channels), None).peak == pytest.approx(0.9)


@pytest.mark.parametrize("target", [None, -23.0])
@pytest.mark.parametrize("seconds", [0.0, 1.0])
def test_silence_stays_silent(seconds, target):
    silence = Audio(np.full(round(seconds * RATE), 1e-10, np.float32), RATE)  # what rounding may leave
    assert audio.loudness_factor(silence, target) == (1.0, -np.inf)
    assert (audio.to_loudness(silence, target).samples == silence.samples).all()


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # samples beyond 1e19 have no loudness
@given(
    hnp.arrays(
        np.float32,
        st.one_of(st.tuples(st.integers(0, 9000)), st.tuples(st.integers(0, 9000), st.just(2))),
        elements=st.floats(allow_nan=False, allow_infinity=False, width=32),
    ),
    st.none() | st.floats(-60, 0),
)
def test_no_samples_are_made_to_clip(samples, target):
    clip = audio.to_loudness(Audio(samples, RATE), target)
    assert np.isfinite(clip.samples).all()
    assert clip.peak <= audio.PEAK * (1 + 1e-6)


# -------------------------------------------------------------------------------------------------------------- players


@pytest.mark.parametrize("channels", [None, 2])
@pytest.mark.parametrize("peak", [0.1, 1.0])
def test_player_holds_the_samples_at_their_level(peak, channels):
    player = audio.play(tone(peak=peak, channels=channels))
    heard, rate = soundfile.read(io.BytesIO(player.data))
    assert rate == RATE
    np.testing.assert_allclose(heard, tone(peak=peak, channels=channels).samples, atol=2**-14)


def test_player_does_not_clip():
    heard, _ = soundfile.read(io.BytesIO(audio.play(tone(peak=2.0)).data))
    np.testing.assert_allclose(heard, tone(peak=1.0).samples, atol=1e-3)


@pytest.mark.parametrize("channels", [None, 2])
@pytest.mark.slow
def test_a_long_clip_is_compressed_and_the_player_says_so(channels):
    clip = tone(seconds=audio.MAX_WAV_DURATION + 1, peak=2.0, channels=channels)
    player = audio.play(clip)
    shown = player._repr_html_()
    assert "data:audio/mpeg;base64," in shown
    assert "compressed for the notebook: MP3" in shown
    assert len(shown) < clip.samples.nbytes / 4
    heard, rate = soundfile.read(io.BytesIO(player.data))
    assert rate == RATE
    assert len(heard) == pytest.approx(len(clip.samples), abs=audio.LOSSY_LACK)
    assert 0.9 < np.abs(heard).max() < 1.1


@pytest.mark.slow
def test_ten_minutes_in_a_notebook_are_a_few_megabytes():
    assert len(audio.play(tone(seconds=600))._repr_html_()) < 6e6


# ------------------------------------------------------------------------------------------------------------ reference


def song(is_drum=False):
    return Song("a", (Track("a", 73, is_drum, (Note(69, 100, 0.0, 1.0), Note(81, 100, 1.5, 2.0))),))


@pytest.fixture(params=["soundfont", "plain"])
def player(request, monkeypatch):
    """With the soundfont player, and where there is none."""
    if request.param == "soundfont":
        pytest.importorskip("midirenderer", reason="the soundfont player is not installed (pip install midirenderer)")
    else:
        monkeypatch.setitem(sys.modules, "midirenderer", None)  # makes importing it fail
    return request.param


@pytest.mark.parametrize("rate", [RATE, 44100])
def test_reference_plays_the_notes(player, rate):
    heard = soundfont.reference(song(), rate)
    assert heard.sample_rate == rate
    assert heard.samples.ndim == 1
    assert heard.samples.dtype == np.float32
    assert heard.duration == pytest.approx(2.0 + soundfont.REFERENCE_TAIL, abs=0.01)
    assert audio.loudness(heard) == pytest.approx(audio.LOUDNESS, abs=0.01)
    assert np.argmax(np.abs(heard.samples) > 0.1 * heard.peak) < 0.1 * rate
    for start, end, frequency in [(0.1, 0.9, 440), (1.6, 1.9, 880)]:
        inside = heard.samples[round(start * rate) : round(end * rate)]
        assert pitch_of(inside, rate) == pytest.approx(frequency, rel=0.015)


def test_drums_of_the_reference(player):
    heard = soundfont.reference(song(is_drum=True))
    assert np.isfinite(heard.samples).all()
    if player == "soundfont":
        assert 0.1 < heard.peak <= audio.PEAK * (1 + 1e-6)
    else:
        assert heard.peak == 0.0  # the stand-in leaves them out


@pytest.mark.parametrize("shape", [(1,), (100_001,), (300_000, 2)])
@pytest.mark.parametrize(("rate", "wanted"), [(16000, 44100), (16000, 48000), (44100, 16000)])
def test_resampling_is_that_of_librosa(shape, rate, wanted):
    librosa = compiled.librosa()

    noise = np.random.RandomState(0).uniform(-1, 1, shape).astype(np.float32)
    expected = librosa.resample(noise, orig_sr=rate, target_sr=wanted, res_type="soxr_hq", axis=0)
    np.testing.assert_array_equal(audio.resample(Audio(noise, rate), wanted).samples, expected)


@pytest.mark.slow
def test_resampling_takes_little_more_memory_than_what_it_makes():
    code = """
import resource
import numpy as np
from helpers import audio
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
audio.resample(audio.Audio(np.zeros((1000, 2), np.float32), 16000), 48000)
clip = audio.Audio(np.full((16000 * 600, 2), 0.1, np.float32), 16000)
before = peak()
made = audio.resample(clip, 48000).samples.nbytes >> 20
print(peak() - before - made)
"""
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert int(said) < 60  # MB; as much as what is made, 220, when librosa did it
