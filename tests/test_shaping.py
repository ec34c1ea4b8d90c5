"""helpers.shaping: envelopes that do not click, loops without a seam, bends in tune."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from inputs import RATE, golden, harmonic_wave, snr

from helpers import audio
from helpers.render import original, shaping
from helpers.render.shaping import ATTACK, HELD, RELEASE, Curve, Loop, bend, envelope, extend, find_loop


def sine(frequency, seconds, phase=0.0):
    return np.sin(2 * np.pi * frequency * np.arange(int(seconds * RATE)) / RATE + phase)


def jump(wave):
    """The largest step from one sample to the next, those from and to silence included."""
    return np.abs(np.diff(wave, prepend=0.0, append=0.0)).max()


# ------------------------------------------------------------------------------------------------------------ envelopes


@pytest.mark.parametrize("hold", ["0.005", "0.01", "0.1", "0.25", "1.0", "2.99", "3.0", "5.0"])
def test_original_envelope(hold):
    arrays = golden("generate_util")
    gain = original.envelope(float(hold))
    assert len(gain) == arrays[f"env_{hold}_len"]
    np.testing.assert_allclose(gain[::37], arrays[f"env_{hold}_sub"], atol=1e-6)


@given(st.floats(0, 4), st.floats(0, 0.5), st.floats(0, 1))
def test_envelope_rises_stays_and_falls(hold, attack, release):
    gain = envelope(hold, attack, release)
    held, rise = int(RATE * hold), int(RATE * attack)
    assert len(gain) == held + int(RATE * release)
    assert ((gain >= 0) & (gain <= 1)).all()
    assert (np.diff(gain[: min(rise, held)]) >= 0).all()
    assert (gain[rise:held] == 1).all()
    assert (np.diff(gain[max(rise, held) :]) <= 0).all()


# The claim of its docstring, at every pitch of the model, whatever the phase and however short the note.
@given(st.integers(24, 84), st.floats(0, 2 * np.pi), st.sampled_from([0.0, 0.001, 0.005, 0.01, 0.02, 0.1, 1.0]))
def test_no_sine_jumps_further_for_its_envelope(pitch, phase, hold):
    frequency = 440 * 2 ** ((pitch - 69) / 12)
    wave = sine(frequency, hold + RELEASE, phase)
    steepest = 2 * np.sin(np.pi * frequency / RATE)  # of any sine at this rate
    assert jump(wave * envelope(hold)[: len(wave)]) <= steepest * (1 + 1e-3)


@given(st.integers(24, 84), st.integers(0, 20), st.sampled_from([0.0, 0.001, 0.005, 0.01, 0.1, 1.0]))
@pytest.mark.slow
def test_no_tone_jumps_further_for_its_envelope(pitch, seed, hold):
    wave = harmonic_wave(pitch, seed)
    shaped = wave[: int((hold + RELEASE) * RATE)] * envelope(hold)
    assert jump(shaped) <= np.abs(np.diff(wave.astype(np.float64))).max() * (1 + 1e-4)


def test_the_original_envelope_does_jump():
    wave = sine(100, 0.305, np.pi / 2)
    assert jump(wave * original.envelope(0.005)) > 5 * np.abs(np.diff(wave)).max()


# ---------------------------------------------------------------------------------------------------------------- loops


@pytest.mark.parametrize("pitch", [24, 45, 60, 84])
def test_a_steady_tone_goes_on_as_if_it_had_never_ended(pitch):
    tone = sum(sine(h * 440 * 2 ** ((pitch - 69) / 12), 10.0, h) / h for h in range(1, 6))
    loop = find_loop(tone[: int(HELD * RATE)])
    assert loop.likeness > 0.99
    assert loop.decay == pytest.approx(1, abs=0.01)
    longer = extend(tone[: int(HELD * RATE)], loop, len(tone))
    # The loop is a whole number of samples, so a tone drifts a little from pass to pass.
    assert snr(longer[: loop.end + RATE], tone[: loop.end + RATE]) > 20
    assert np.abs(np.diff(longer)).max() <= 1.02 * np.abs(np.diff(tone)).max()


def test_a_sound_that_dies_away_goes_on_dying_at_the_same_rate():
    seconds = np.arange(12 * RATE) / RATE
    tone = sine(220, 12.0) * np.exp(-0.7 * seconds)
    loop = find_loop(tone[: int(HELD * RATE)])
    longer = extend(tone[: int(HELD * RATE)], loop, len(tone))
    levels = np.sqrt(np.mean(longer.reshape(-1, RATE) ** 2, axis=1))
    slopes = np.diff(np.log(levels))
    np.testing.assert_allclose(slopes, -0.7, atol=0.05)


@pytest.mark.parametrize("slope", [-2.5, 2.5])
def test_a_sound_that_hardly_changes_is_held_at_its_level(slope):
    tone = sine(220, 3.0) * 10 ** (slope * np.arange(3 * RATE) / RATE / 20)
    longer = extend(tone, find_loop(tone), 20 * RATE)
    levels = np.sqrt(np.mean(longer[3 * RATE :].reshape(-1, RATE) ** 2, axis=1))
    assert levels.max() / levels.min() < 1.2


def test_a_sound_that_swells_stays_at_its_last_level():
    tone = sine(220, 3.0) * np.linspace(0.1, 1.0, 3 * RATE)
    longer = extend(tone, find_loop(tone), 20 * RATE)
    levels = np.sqrt(np.mean(longer[3 * RATE :].reshape(-1, RATE) ** 2, axis=1))
    assert levels.max() / levels.min() < 1.1
    assert np.abs(longer).max() < 1.05


@pytest.mark.parametrize("kind", ["noise", "silence", "decayed"])
def test_what_has_no_period_is_looped_without_a_click(kind):
    rng = np.random.RandomState(3)
    tone = {
        "noise": rng.normal(size=3 * RATE),
        "silence": np.zeros(3 * RATE),
        "decayed": sine(440, 3.0) * np.exp(-20 * np.arange(3 * RATE) / RATE),
    }[kind]
    loop = find_loop(tone)
    longer = extend(tone, loop, 10 * RATE)
    assert np.isfinite(longer).all()
    assert np.abs(np.diff(longer)).max() <= 1.25 * np.abs(np.diff(tone)).max()
    assert np.abs(longer).max() <= 1.25 * np.abs(tone).max()


def test_the_beginning_is_left_as_it_is():
    tone = sine(330, 3.0)
    loop = find_loop(tone)
    untouched = loop.end - int(shaping.LOOP_SEAM * RATE)
    assert (extend(tone, loop, 5 * RATE)[:untouched] == tone[:untouched]).all()
    assert (extend(tone, loop, 100) == tone[:100]).all()


def test_a_short_wave_has_no_loop():
    with pytest.raises(ValueError, match=r"needs at least 2.9 s"):
        find_loop(np.zeros(RATE))


# ---------------------------------------------------------------------------------------------------------------- bends


@pytest.mark.parametrize("semitones", [-2.0, -0.5, 0.0, 1.0, 7.0])
def test_a_bend_moves_the_pitch(semitones):
    bent = bend(sine(440, 4.0), np.full(RATE, semitones))
    assert snr(bent[: RATE // 2], sine(440 * 2 ** (semitones / 12), 1.0)[: RATE // 2]) > 40


def test_a_bend_by_nothing_leaves_every_sample_where_it_is():
    tone = sine(440, 0.5)
    np.testing.assert_allclose(bend(tone, np.zeros(1000)), tone[:1000], atol=1e-3)


def test_a_bend_without_a_wave_left_is_silence():
    bent = bend(sine(440, 0.5), np.full(RATE, 12.0))
    assert len(bent) == RATE
    assert not bent[RATE // 4 + 10 :].any()


# --------------------------------------------------------------------------------------------------------------- curves

CHANGES = st.lists(st.tuples(st.floats(0, 10), st.floats(-1, 1)), max_size=8).map(
    lambda changes: sorted({second: value for second, value in changes}.items())
)


def test_a_curve_reaches_each_value_by_a_ramp():
    curve = Curve([(1.0, 0.5), (2.0, 0.0)], 1.0)
    np.testing.assert_allclose(curve(np.array([0, 0.97, 0.99, 1.0, 1.5, 2.0, 9.0])), [1, 1, 0.75, 0.5, 0.5, 0, 0])


def test_a_curve_has_a_value_for_each_second_also_where_it_stands_still():
    assert Curve([(1.0, 0.5)], 1.0)(np.linspace(2, 3, 100)).tolist() == [0.5] * 100
    assert Curve([], 0.25)(np.linspace(0, 3, 100)).tolist() == [0.25] * 100
    assert Curve([], 0.25).between(0, 3) == (0.25, 0.25)


@given(CHANGES, st.floats(0, 10), st.floats(0.001, 3))
def test_between_bounds_the_curve(changes, start, length):
    curve = Curve(changes, 0.3)
    values = np.broadcast_to(curve(np.linspace(start, start + length, 500)), 500)
    low, high = curve.between(start, start + length)
    assert low - 1e-9 <= values.min()
    assert values.max() <= high + 1e-9


@given(CHANGES)
def test_a_curve_has_each_value_at_its_second(changes):
    curve = Curve(changes, 0.3)
    for second, value in changes:
        assert np.interp(second, curve.knots, curve.values) == pytest.approx(value)


# --------------------------------------------------------------------------------------------------------------- levels


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=50), st.floats(0.01, 1))
def test_to_peak_scales_the_largest_sample_of_either_sign(samples, peak):
    wave = np.array(samples)
    assume(np.abs(wave).max() > 1e-6)
    assert np.abs(audio.to_peak(wave, peak)).max() == pytest.approx(peak)


def test_silence_stays_silent():
    assert not audio.to_peak(np.zeros(10), 1.0).any()


def test_loops_say_where_they_are():
    loop = find_loop(sine(220, 3.0))
    assert isinstance(loop, Loop)
    assert shaping.LOOP_FROM * RATE <= loop.start < loop.end <= shaping.LOOP_TO * RATE
    assert loop.end - loop.start >= shaping.MIN_LOOP * RATE - 1
    assert ATTACK < shaping.LOOP_FROM


@pytest.mark.parametrize("step", [1, 3, 16])
def test_values_between_points_are_on_straight_lines(step):
    points = np.random.RandomState(0).rand(2, 9)
    found = shaping.interpolated(points, step)
    expected = [np.interp(np.arange(8 * step) / step, np.arange(9), row) for row in points]
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_unlike_ends_of_a_loop_are_faded_by_power():
    """Their sum has the power of either; ends that cancel each other are not made louder still, nor softer."""
    wave = np.ones(RATE)
    loop = Loop(RATE // 4, RATE // 2, 1.0, -0.9)
    seam = int(shaping.LOOP_SEAM * RATE)
    middle = extend(wave, loop, RATE)[loop.end - seam // 2]
    assert middle == pytest.approx(np.sqrt(2), rel=0.01)
    assert extend(wave, Loop(RATE // 4, RATE // 2, 1.0, 1.0), RATE)[loop.end - seam // 2] == pytest.approx(1, rel=0.01)
