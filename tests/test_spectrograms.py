"""helpers.spectrograms: what the pictures show. Values from the definition of the constant-Q transform's bins."""

import dataclasses
import functools
import subprocess
import sys
import threading
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import spectrograms
from helpers.audio import Audio
from helpers.gansynth import spectral
from helpers.gansynth.config import Config

RATE = 16000
HELD = slice(20, -20)  # columns of a 4 s sine away from its ends
TURNS_A_HERTZ = 2 * spectrograms.HOP / RATE  # half turns per hop
IMAGES = {"style": "default", "savefig_kwargs": {"dpi": 50}, "tolerance": 12, "baseline_dir": "data/images"}


@pytest.mark.slow
def test_warming_up_imports_what_the_pictures_need_and_only_once():
    code = (
        "import sys; from helpers import spectrograms; assert 'librosa' not in sys.modules; "
        "thread = spectrograms.warm_up(); "
        "thread.join(); assert 'librosa.core.constantq' in sys.modules; assert spectrograms.warm_up() is thread"
    )
    subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[1], check=True)


def test_a_warm_up_that_fails_says_nothing(monkeypatch):
    said = []
    monkeypatch.setattr(threading, "excepthook", said.append)
    monkeypatch.setitem(sys.modules, "librosa", None)  # its import is an error
    spectrograms.warm_up.cache_clear()
    spectrograms.warm_up().join()
    spectrograms.warm_up.cache_clear()
    assert not said


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


def sine(hz, seconds=4.0):
    return Audio(0.5 * np.sin(2 * np.pi * hz * np.arange(int(seconds * RATE)) / RATE).astype(np.float32), RATE)


def noise(shape=64000, seed=0):
    return 0.1 * np.random.RandomState(seed).normal(size=shape).astype(np.float32)


def chirp():
    """A scene for pictures: a rising tone over a steady one, then a click and silence."""
    seconds = np.arange(2 * RATE) / RATE
    samples = 0.3 * np.sin(2 * np.pi * (200 + 300 * seconds) * seconds) + 0.3 * np.sin(2 * np.pi * 110 * seconds)
    samples[int(1.5 * RATE) :] = 0.0
    samples[int(1.7 * RATE)] = 0.9
    return samples


class TestConstantQ:
    # C4 lies three octaves of 40 bins above C1; E1 4/12 of an octave above it, between bins 13 and 14.
    @pytest.mark.parametrize(("hz", "strongest", "detune"), [(261.6256, 120, 0.0), (41.203, 13, 0.0075)])
    def test_a_sine_is_loudest_in_its_bin(self, hz, strongest, detune):
        q = spectrograms.constant_q(sine(hz))
        assert q.spectrum.shape == (316, 251)
        assert np.argmax(q.level()[:, 125]) == strongest
        assert np.median(q.detune()[strongest, HELD]) == pytest.approx(detune, abs=0.001 if detune == 0 else 2e-4)
        assert q.frequencies[strongest] == pytest.approx(hz, rel=0.01)
        assert q.seconds[125] == pytest.approx(2.0)

    def test_a_steady_sine_has_the_colour_of_its_frequency(self):
        advance = spectrograms.constant_q(sine(261.6256)).advance()[120, HELD]
        # 2 f hop / rate = 8.372, so 0.372 of a half turn a hop beyond whole turns.
        assert np.median(advance) == pytest.approx(0.3720, abs=1e-4)
        assert np.std(advance) < 0.001

    @pytest.mark.parametrize("hertz", [-8, -3, -1, 1, 3, 8])
    def test_detune_is_the_deviation_in_hertz(self, hertz):
        detune = spectrograms.constant_q(sine(261.6256 + hertz)).detune()[120, HELD]
        assert np.median(detune) == pytest.approx(hertz * TURNS_A_HERTZ, abs=1e-3)

    @pytest.mark.parametrize("cents", [-40, -20, 0, 20, 40])
    @pytest.mark.parametrize("pitch", [36, 60, 84])
    def test_cents_are_from_the_nearest_semitone_in_every_bin_of_a_partial(self, pitch, cents):
        q = spectrograms.constant_q(sine(440 * 2 ** ((pitch - 69 + cents / 100) / 12)))
        strongest = np.argmax(q.level()[:, 125])
        around = np.median(q.cents()[strongest - 1 : strongest + 2, HELD], axis=1)
        assert around == pytest.approx([cents] * 3, abs=0.5)

    def test_noise_has_no_preferred_colour(self):
        q = spectrograms.constant_q(noise())
        assert np.abs(np.mean(np.exp(1j * np.pi * q.advance()))) < 0.1
        assert np.abs(np.mean(np.exp(1j * np.pi * q.cents() / spectrograms.CENTS))) < 0.1

    def test_levels_are_below_the_loudest_or_a_given_magnitude(self):
        q = spectrograms.constant_q(sine(440))
        assert (q.level().min(), q.level().max()) == (-spectrograms.PEAK_DB, 0.0)
        louder = q.level(loudest=10 * np.abs(q.spectrum).max())
        assert louder.max() == pytest.approx(-20.0, abs=1e-4)

    def test_a_clip_is_resampled_and_samples_are_at_the_rate_that_is_said(self):
        seconds = np.arange(44100) / 44100
        samples = 0.5 * np.sin(2 * np.pi * 440 * seconds).astype(np.float32)
        clip = spectrograms.constant_q(Audio(samples, 44100))
        assert (clip.sample_rate, len(clip.frequencies)) == (RATE, 316)
        plain = spectrograms.constant_q(samples, sample_rate=44100)
        assert plain.sample_rate == 44100
        for q in (clip, plain):
            middle = q.level()[:, q.spectrum.shape[1] // 2]
            assert q.frequencies[np.argmax(middle)] == pytest.approx(440, rel=0.01)

    @settings(deadline=None, max_examples=15)
    @given(
        hop=st.integers(16, 1024),
        bins_per_octave=st.integers(6, 60),
        fmin=st.floats(20, 3000),
        filter_scale=st.floats(0.3, 2),
    )
    def test_all_bins_fit_below_half_the_rate(self, hop, bins_per_octave, fmin, filter_scale):
        q = spectrograms.constant_q(noise(4000), RATE, hop, bins_per_octave, fmin, filter_scale)
        assert len(q.frequencies) == len(q.spectrum) >= 1
        assert q.frequencies[-1] < RATE / 2
        assert np.isfinite(q.spectrum).all()

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"fmin": "H9"}, "a note like 'C1'"),
            ({"fmin": 8000}, "half the sample rate"),
            ({"fmin": -1.0}, "half the sample rate"),
            ({"fmin": float("nan")}, "half the sample rate"),
            ({"hop": 0}, "1 or more"),
            ({"bins_per_octave": 0}, "1 or more"),
            ({"filter_scale": 0}, "above 0"),
            ({"sample_rate": 0}, "1 Hz or more"),
        ],
    )
    def test_numbers_out_of_range_are_one_sentence(self, options, message):
        with pytest.raises(ValueError, match=message):
            spectrograms.constant_q(noise(8000), **options)


@pytest.mark.parametrize("draw", [spectrograms.cqt, spectrograms.rainbowgram, spectrograms.mel, spectrograms.waveform])
class TestEachPicture:
    @pytest.mark.parametrize("samples", [np.zeros(16000), np.ones(1), noise((8000, 2))])
    @pytest.mark.slow
    def test_odd_clips_give_finite_pictures(self, draw, samples):
        ax, *arrays = draw(Audio(samples.astype(np.float32), RATE))
        ax.figure.canvas.draw()
        assert all(np.isfinite(array).all() for array in arrays)
        for image in ax.get_images():
            assert np.isfinite(np.asarray(image.get_array(), float)).all()

    @pytest.mark.parametrize("samples", [np.zeros(0), np.array([0.0, np.nan]), np.array([np.inf])])
    def test_nothing_to_draw_is_one_sentence(self, draw, samples):
        for clip in (Audio(samples.astype(np.float32), RATE), samples):
            with pytest.raises(ValueError, match="cannot be drawn"):
                draw(clip)
        assert not plt.get_fignums()

    def test_samples_of_a_wrong_shape_are_one_sentence(self, draw):
        with pytest.raises(ValueError, match=r"\[n, channels\]"):
            draw(np.zeros((2, 16000)))

    def test_it_draws_where_it_is_told(self, draw):
        _, ax = plt.subplots()
        returned, *_ = draw(noise(8000), ax=ax, title="here")
        assert returned is ax
        assert (ax.get_title(), ax.get_xlim(), ax.get_xlabel()) == ("here", (0.0, 0.5), "time (s)")


class TestRainbowgram:
    def test_silence_is_black(self):
        ax, _, level = spectrograms.rainbowgram(np.zeros(16000))
        assert (level == -spectrograms.PEAK_DB).all()
        assert not np.asarray(ax.get_images()[0].get_array()).any()

    @pytest.mark.parametrize(("cents", "strong", "weak"), [(0, 1, 0), (25, 0, 2), (-25, 2, 0)])
    def test_detune_is_green_in_tune_warm_above_and_cool_below(self, cents, strong, weak):
        ax, *_ = spectrograms.rainbowgram(sine(261.6256 * 2 ** (cents / 1200)), mode="detune")
        colour = np.asarray(ax.get_images()[0].get_array())[120, 100].astype(int)
        assert colour[strong] > colour[weak] + 100

    def test_modes(self):
        assert spectrograms.rainbowgram(sine(264.6256))[1].shape == (316, 250)
        _, detune, _ = spectrograms.rainbowgram(sine(264.6256), mode="detune")
        assert np.median(detune[120, HELD]) == pytest.approx(3 * TURNS_A_HERTZ, abs=1e-3)
        with pytest.raises(ValueError, match="'paper' and 'detune'"):
            spectrograms.rainbowgram(sine(220), mode="colourful")

    def test_the_pitch_axis_names_octaves_at_their_bins(self):
        ax, *_ = spectrograms.rainbowgram(sine(261.6256))
        low, high = ax.get_images()[0].get_extent()[2:]
        labels = [label.get_text() for label in ax.get_yticklabels()]
        place = ax.get_yticks()[labels.index("C4")]
        assert low + 120.5 * (high - low) / 316 == pytest.approx(place, abs=1e-6)

    def test_the_lowest_bin_may_be_any(self):
        ax, _ = spectrograms.cqt(sine(440), fmin=100.0, bins_per_octave=24)
        assert [label.get_text() for label in ax.get_yticklabels()] == ["C3", "C4", "C5", "C6", "C7", "C8"]

    def test_a_long_clip_is_drawn_with_its_loudest_columns(self):
        columns = 2 * spectrograms.MAX_COLUMNS + 3
        level = np.full((2, columns), -70.0)
        level[1, 7] = 0.0  # one loud column among soft ones
        values = np.arange(2 * columns).reshape(2, columns)
        thin = spectrograms._thinned(values, level)
        assert thin.shape[1] <= spectrograms.MAX_COLUMNS
        assert thin[1, 7 // 3] == values[1, 7]


TIME, PITCH, HERTZ, LEVEL = "time (s)", "pitch", "frequency (Hz)", "level (dB)"
ADVANCE, CENTS = "phase advance\n(half turns per hop)", "cents from the\nnearest semitone"


def labels(ax, key=None):
    """What is written at a picture's axes, and at its colour bar if it has one."""
    return ax.get_xlabel(), ax.get_ylabel(), key and key.get_ylabel()


class TestUnits:
    @pytest.mark.parametrize(
        ("draw", "expected"),
        [
            (spectrograms.cqt, (TIME, PITCH, LEVEL)),
            (spectrograms.mel, (TIME, HERTZ, LEVEL)),
            (spectrograms.rainbowgram, (TIME, PITCH, ADVANCE)),
            (functools.partial(spectrograms.rainbowgram, mode="detune"), (TIME, PITCH, CENTS)),
            (functools.partial(spectrograms.difference, noise(8000)), (TIME, PITCH, "difference (dB)")),
            (spectrograms.waveform, (TIME, "amplitude", None)),
        ],
    )
    def test_axes_and_colour_bars_name_theirs(self, draw, expected):
        ax = draw(sine(440, 0.5))[0]
        assert labels(ax, next(iter(ax.figure.axes[1:]), None)) == expected

    @pytest.mark.parametrize(
        ("panel", "mode", "expected"),
        [
            ("cqt", "paper", (TIME, PITCH, LEVEL)),
            ("mel", "paper", (TIME, HERTZ, LEVEL)),
            ("rainbowgram", "paper", (TIME, PITCH, ADVANCE)),
            ("rainbowgram", "detune", (TIME, PITCH, CENTS)),
            ("waveform", "paper", (TIME, "amplitude", None)),
        ],
    )
    def test_of_several_clips_too(self, panel, mode, expected):
        axes = spectrograms.compare({"a": sine(220, 0.5), "b": sine(440, 0.5)}, panel, mode)
        assert labels(axes[-1], next(iter(axes[0].figure.axes[2:]), None)) == expected

    def test_of_what_the_network_makes(self):
        axes, _ = spectrograms.network_view(np.zeros((128, 1024, 2)), Config())
        level, advance = axes[0, 0].figure.axes[6:]
        assert level.get_ylabel() == LEVEL
        assert advance.get_ylabel() == "instantaneous frequency (half turns per frame)"
        assert [ax.get_ylabel() for ax in axes[:, 0]] == [HERTZ] * 3
        assert [ax.get_xlabel() for ax in axes[-1]] == [TIME] * 2

    @pytest.mark.parametrize(("kind", "decibels"), [("mel", 20.0), ("linear", 40.0)])
    @pytest.mark.slow
    def test_the_network_has_the_logarithm_of_power_on_a_mel_axis_and_else_of_magnitude(self, kind, decibels):
        data = np.zeros((128, 1024, 2))
        data[64:, :, 0] = np.log(100.0)
        axes, _ = spectrograms.network_view(data, Config(data_type=kind))
        drawn = axes[0, 0].get_images()[0].get_array()
        assert float(drawn[500, 100] - drawn[500, 10]) == pytest.approx(decibels, abs=1e-3)

    @pytest.mark.parametrize("draw", [spectrograms.cqt, spectrograms.mel])
    def test_a_tenth_of_the_amplitude_is_20_decibels_less(self, draw):
        clip = sine(440, 2.0)
        clip.samples[RATE:] *= 0.1
        _, level = draw(clip)
        loud, soft = (level[:, columns].max(axis=0).mean() for columns in (slice(20, 42), slice(83, 105)))
        assert loud - soft == pytest.approx(20.0, abs=0.2)

    @pytest.mark.parametrize("hertz", [500, 1000, 4000])
    def test_labels_of_a_mel_axis_stand_where_their_tone_is(self, hertz):
        ax, level = spectrograms.mel(sine(hertz, 0.5))
        written = dict(zip([label.get_text() for label in ax.get_yticklabels()], ax.get_yticks(), strict=True))
        assert written[str(hertz)] == pytest.approx(np.argmax(level[:, 15]) + 0.5, abs=1.0)


class TestCompare:
    @pytest.mark.parametrize("panel", ["waveform", "mel", "cqt", "rainbowgram"])
    def test_panels_share_their_limits(self, panel):
        clips = {"short": sine(220, 1.0), "long": Audio(0.1 * sine(220, 2.0).samples, RATE)}
        axes = spectrograms.compare(clips, panel)
        assert [ax.get_title(loc="left") for ax in axes] == ["short", "long"]
        assert {ax.get_xlim() for ax in axes} == {(0.0, 2.0)}
        assert len({ax.get_ylim() for ax in axes}) == 1
        if panel in ("mel", "cqt"):
            assert {image.get_clim() for ax in axes for image in ax.get_images()} == {(-spectrograms.PEAK_DB, 0.0)}

    def test_nought_decibels_are_the_loudest_of_all(self):
        loud, soft = spectrograms.compare({"loud": sine(220), "soft": Audio(0.1 * sine(220).samples, RATE)})
        difference = np.max(loud.get_images()[0].get_array()) - np.max(soft.get_images()[0].get_array())
        assert difference == pytest.approx(20.0, abs=0.1)

    def test_across_is_a_strip(self):
        axes = spectrograms.compare({"a": sine(220, 1.0), "b": sine(220, 2.0)}, "rainbowgram", across=True)
        assert axes[0].get_position().y0 == pytest.approx(axes[1].get_position().y0)
        assert [ax.get_xlim()[1] for ax in axes] == [1.0, 2.0]

    def test_what_cannot_be_compared_is_one_sentence(self):
        with pytest.raises(ValueError, match="no clip"):
            spectrograms.compare({})
        with pytest.raises(ValueError, match="waveform, mel, cqt, rainbowgram"):
            spectrograms.compare({"a": sine(220)}, "chroma")
        with pytest.raises(ValueError, match="broken: the audio is empty"):
            spectrograms.compare({"a": sine(220), "broken": np.zeros(0)})
        assert not plt.get_fignums()


class TestDifference:
    def test_equal_clips_differ_nowhere(self):
        assert not spectrograms.difference(noise(), noise())[1].any()

    def test_it_is_in_decibels_and_signed(self):
        _, louder = spectrograms.difference(sine(440), Audio(0.5 * sine(440).samples, RATE))
        a4 = 40 * 3.75
        assert louder[round(a4), HELD] == pytest.approx(6.02, abs=0.01)
        assert louder.min() >= 0

    def test_the_shorter_clip_is_silent_at_its_end(self):
        ax, louder = spectrograms.difference(sine(440, 1.0), sine(440, 2.0))
        assert ax.get_xlim() == (0.0, 2.0)
        assert louder[:, -20:].min() < -50


class TestNetworkView:
    @pytest.mark.parametrize("kind", ["mel", "linear"])
    def test_the_sound_is_analysed_again(self, kind):
        config = Config(data_type=kind)
        data = spectral.waves_to_data(np.pad(sine(1000, 3.0).samples, (0, 16000))[None], config)[0]
        axes, again = spectrograms.network_view(data, config)
        assert axes.shape == (3, 2)
        assert again.shape == (128, 1024, 2)
        strongest = np.argmax(again[60, :, 0])  # linear bins of 8000 / 1024 Hz, without the one at 0 Hz
        assert (strongest + 1) * 8000 / 1024 == pytest.approx(1000, abs=8)

    def test_another_shape_is_one_sentence(self):
        with pytest.raises(ValueError, match=r"a note of this model has \(frames, 1024, 2\)"):
            spectrograms.network_view(np.zeros((1, 128, 1024, 2)), Config())


class TestImages:
    """Pictures as they were looked at and found good. `pytest --mpl-generate-path=tests/data/images` draws new ones."""

    @pytest.mark.mpl_image_compare(**IMAGES)
    def test_waveform(self):
        return spectrograms.waveform(chirp(), title="waveform")[0].figure

    @pytest.mark.mpl_image_compare(**IMAGES)
    def test_mel(self):
        return spectrograms.mel(chirp(), title="mel")[0].figure

    @pytest.mark.mpl_image_compare(**IMAGES)
    def test_cqt(self):
        return spectrograms.cqt(chirp(), title="cqt")[0].figure

    @pytest.mark.mpl_image_compare(**IMAGES)
    def test_rainbowgram_paper(self):
        return spectrograms.rainbowgram(chirp(), title="paper")[0].figure

    @pytest.mark.mpl_image_compare(**IMAGES)
    def test_rainbowgram_detune(self):
        return spectrograms.rainbowgram(chirp(), mode="detune", title="detune")[0].figure

    @pytest.mark.mpl_image_compare(**IMAGES)
    def test_compare(self):
        clips = {"a chirp": chirp(), "a sine": sine(220, 1.5), "noise": noise(16000)}
        return spectrograms.compare(clips, "rainbowgram")[0].figure

    @pytest.mark.mpl_image_compare(**IMAGES)
    def test_strip(self):
        clips = {f"{hz} Hz": sine(hz, 0.5) for hz in (110, 220, 440)}
        return spectrograms.compare(clips, "cqt", across=True)[0].figure

    @pytest.mark.mpl_image_compare(**IMAGES)
    def test_difference(self):
        return spectrograms.difference(chirp(), sine(220, 1.5), title="difference")[0].figure

    @pytest.mark.mpl_image_compare(**IMAGES)
    @pytest.mark.slow
    def test_network_view(self):
        config = dataclasses.replace(Config(), audio_length=64000)
        data = spectral.waves_to_data(np.pad(chirp(), (0, 32000))[None].astype(np.float32), config)[0]
        return spectrograms.network_view(data, config)[0][0, 0].figure
