"""helpers.agreement: clips that are known to keep to their score, and clips that are known not to."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from helpers import midi
from helpers.audio import Audio
from helpers.evaluation import agreement

RATE = 16000
PITCHES = [60, 64, 67, 72, 65, 62, 59, 60]


def tune(pitches=PITCHES, each=0.4):
    notes = tuple(midi.Note(pitch, 100, i * each, (i + 0.95) * each) for i, pitch in enumerate(pitches))
    return midi.Song("tune", (midi.Track("melody", 0, False, notes),))


def played(song, cents=0.0, late=0.0):
    """Plucked tones of three partials, off by some cents and some seconds."""
    samples = np.zeros(int((song.duration + late + 0.3) * RATE), np.float32)
    for note in song.notes:
        seconds = np.arange(int(note.duration * RATE)) / RATE
        hertz = 440 * 2 ** ((note.pitch - 69 + cents / 100) / 12)
        tone = sum(np.sin(2 * np.pi * k * hertz * seconds) / k for k in (1, 2, 3)) * np.exp(-2 * seconds)
        first = int((note.start + late) * RATE)
        samples[first : first + len(tone)] += 0.2 * tone * np.minimum(1, seconds[::-1] / 0.01)
    return Audio(samples, RATE)


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


@pytest.mark.slow
def test_a_faithful_clip_agrees():
    found = agreement.measure(played(tune()), tune())
    assert found.chroma > 0.9
    assert found.onsets > 0.8
    assert found.pitch > 0.9
    assert str(found).startswith(f"chroma {found.chroma:.0%}, onsets ")


@pytest.mark.slow
def test_a_quarter_tone_costs_pitch_and_nothing_else():
    found = agreement.measure(played(tune(), cents=70), tune())
    assert found.pitch < 0.3
    assert found.onsets > 0.7


@pytest.mark.slow
def test_another_tune_does_not_agree():
    found = agreement.measure(played(tune([pitch + 6 for pitch in PITCHES])), tune())
    assert found.chroma < 0.3
    assert found.pitch < 0.3


@pytest.mark.slow
def test_being_late_costs_onsets():
    found = agreement.measure(played(tune(), late=0.15), tune())
    assert found.onsets < 0.2


@pytest.mark.slow
def test_octaves_do_not_count():
    found = agreement.measure(played(tune([pitch - 12 for pitch in PITCHES])), tune())
    assert min(found.chroma, found.pitch) > 0.85


@pytest.mark.slow
def test_silence_has_no_pitch_to_judge():
    found = agreement.measure(Audio(np.zeros(RATE, np.float32), RATE), tune())
    assert found.onsets == 0
    assert np.isnan(found.pitch)


@pytest.mark.slow
def test_stereo_and_other_rates_are_heard_alike():
    from helpers.audio import resample

    clip = resample(played(tune()), 44100)
    both = Audio(np.stack([clip.samples, clip.samples], axis=1), 44100)
    assert agreement.measure(both, tune()) == pytest.approx(agreement.measure(played(tune()), tune()), abs=0.05)


@pytest.mark.slow
def test_drums_are_left_out():
    drums = midi.Track("drums", 0, True, (midi.Note(38, 100, 0.1, 0.2),))
    song = midi.Song("band", (*tune().tracks, drums))
    assert agreement.measure(played(tune()), song) == agreement.measure(played(tune()), tune())
    with pytest.raises(ValueError, match="no pitched note"):
        agreement.measure(played(tune()), midi.Song("drums", (drums,)))


@pytest.mark.parametrize("samples", [np.zeros(0), np.array([0.0, np.nan])])
def test_nothing_to_hear_is_one_sentence(samples):
    with pytest.raises(ValueError, match="so it cannot be analysed"):
        agreement.measure(Audio(samples.astype(np.float32), RATE), tune())


@pytest.mark.parametrize(
    ("starts", "heard", "pairs"),
    [([], [], 0), ([1.0], [1.04], 1), ([1.0], [1.06], 0), ([1.0, 1.02], [1.01], 1), ([1.0, 2.0], [0.97, 2.03, 3.0], 2)],
)
def test_onsets_are_matched_once_each(starts, heard, pairs):
    assert agreement._matched(np.array(starts), np.array(heard)) == pairs


@pytest.mark.mpl_image_compare(style="default", savefig_kwargs={"dpi": 50}, tolerance=12, baseline_dir="data/images")
@pytest.mark.slow
def test_picture():
    wrong = tune([*PITCHES[:5], 61, *PITCHES[6:]])
    return agreement.draw(played(wrong), tune())[0].figure
