"""helpers.audio: files, players, the reference rendering."""

import numpy as np
import pytest
import soundfile

from helpers import audio
from helpers.audio import Audio
from helpers.midi import Note, Song, Track

RATE = 16000


def tone(seconds=0.1, peak=0.5, channels=None):
    wave = peak * np.sin(2 * np.pi * 440 * np.arange(int(seconds * RATE)) / RATE).astype(np.float32)
    return Audio(wave if channels is None else np.stack([wave] * channels, axis=1), RATE)


@pytest.mark.parametrize(
    ("name", "encoding", "subtype", "tolerance"),
    [("a.wav", "float", "FLOAT", 0), ("a.wav", "16-bit", "PCM_16", 2**-15), ("a.WAV", "24-bit", "PCM_24", 2**-23),
     ("a.flac", "16-bit", "PCM_16", 2**-15), ("deep/a.flac", "24-bit", "PCM_24", 2**-23)],
)  # fmt: skip
@pytest.mark.parametrize("channels", [None, 2])
def test_written_audio_reads_back(tmp_path, name, encoding, subtype, tolerance, channels):
    path = audio.write(tone(channels=channels), tmp_path / name, encoding)
    assert soundfile.info(path).subtype == subtype
    back = audio.read(path)
    assert back.sample_rate == RATE
    np.testing.assert_allclose(back.samples, tone(channels=channels).samples, atol=tolerance)
    assert [p.name for p in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize(
    ("name", "encoding", "peak", "message"),
    [("a.mp4", "16-bit", 0.5, "end in .wav or .flac"), ("a.flac", "float", 0.5, "cannot be 'float'"),
     ("a.wav", "8-bit", 0.5, "cannot be '8-bit'"), ("a.wav", "16-bit", 1.5, "would clip"),
     ("a.wav", "float", np.nan, "not finite")],
)  # fmt: skip
def test_what_cannot_be_written_is_refused(tmp_path, name, encoding, peak, message):
    with pytest.raises(ValueError, match=message):
        audio.write(tone(peak=peak), tmp_path / name, encoding)
    assert not list(tmp_path.iterdir())


def test_float_files_may_exceed_full_scale(tmp_path):
    assert audio.read(audio.write(tone(peak=1.5), tmp_path / "a.wav", "float")).peak == pytest.approx(1.5, rel=1e-3)


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = audio.write(tone(), tmp_path / "a.wav")
    before = path.read_bytes()

    def fail(*args, **kwargs):
        raise OSError("disk full")

    monkeypatch.setattr(soundfile, "write", fail)
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


@pytest.mark.parametrize("channels", [None, 2])
def test_player_holds_the_samples_at_their_level(channels):
    import io

    player = audio.play(tone(channels=channels))
    heard, rate = soundfile.read(io.BytesIO(player.data))
    assert rate == RATE
    np.testing.assert_allclose(heard, tone(channels=channels).samples, atol=2**-14)


def song(is_drum=False):
    return Song("a", (Track("a", 73, is_drum, (Note(69, 100, 0.0, 1.0), Note(81, 100, 1.5, 2.0))),))


@pytest.mark.parametrize("fluidsynth", [True, False])
def test_reference_plays_the_notes(monkeypatch, fluidsynth):
    import sys

    if fluidsynth:
        pytest.importorskip("fluidsynth", reason="pyfluidsynth is not installed", exc_type=ImportError)
    else:
        monkeypatch.setitem(sys.modules, "fluidsynth", None)  # makes importing it fail
        monkeypatch.setattr("pretty_midi.instrument._HAS_FLUIDSYNTH", False, raising=False)
    heard = audio.reference(song())
    assert heard.seconds >= 2.0
    assert heard.peak == pytest.approx(audio.REFERENCE_PEAK)
    spectrum = np.abs(np.fft.rfft(heard.samples[1600:14400]))  # inside the first note, 1.25 Hz a bin
    assert np.argmax(spectrum) * 1.25 == pytest.approx(440, rel=0.01)


def test_reference_of_drums_alone_is_finite():
    assert np.isfinite(audio.reference(song(is_drum=True)).samples).all()
