"""helpers.encoding: clips as the content of sound files. The page's tests hold MP3's time and size at every rate."""

import io

import numpy as np
import pytest
import soundfile

from helpers import audio
from helpers.audio import Audio

RATE = 16000


def tone(channels=None, peak=0.5):
    wave = peak * np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE).astype(np.float32)
    return Audio(wave if channels is None else np.stack([wave] * channels, axis=1), RATE)


@pytest.mark.parametrize("channels", [None, 2, 4])
def test_flac_is_exact_to_its_bits(channels):
    content, said = audio.encode(tone(channels), "flac")
    samples, rate = soundfile.read(io.BytesIO(content), dtype="float32")
    assert rate == RATE
    np.testing.assert_allclose(samples, tone(channels).samples, atol=2**-15)
    assert said == f"16-bit FLAC, 16000 Hz, {({None: 'mono', 2: 'stereo', 4: '4 channels'})[channels]}"


@pytest.mark.parametrize("kind", ["flac", "mp3"])
def test_what_is_above_full_scale_is_cut_off_and_does_not_wrap(kind):
    samples, _ = soundfile.read(io.BytesIO(audio.encode(tone(peak=2.0), kind)[0]), dtype="float32")
    expected = tone(peak=2.0).samples.clip(-1, 1)
    assert np.corrcoef(samples, expected)[0, 1] > 0.99


def test_mp3_has_two_channels_at_most():
    assert audio.encode(tone(2), "mp3")[1] == "MP3, 16000 Hz, 64 kbit/s, stereo"
    with pytest.raises(ValueError, match="3 channels, but MP3 has at most two"):
        audio.encode(tone(3), "mp3")


def test_a_rate_that_the_format_lacks_is_one_sentence():
    with pytest.raises(ValueError, match="cannot be written at 1000000 Hz"):
        audio.encode(Audio(tone().samples, 10**6), "flac")
