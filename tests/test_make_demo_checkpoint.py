"""tools/make_demo_checkpoint.py: the layout of the space, and the finished weights."""

import numpy as np
import pytest


def first_convolution(tool, kernel, z, label):
    """What the generator's first convolution gives for one latent and pitch, by the definition of the network."""
    x = np.concatenate([z, np.eye(61)[label]])
    x = x / np.sqrt(np.mean(x**2) + 1e-8)
    scale = np.sqrt(2 / np.prod(kernel.shape[:-1]))
    # One pixel in the middle of zeros: output (h, w) meets it through the mirrored kernel position.
    return np.einsum("c,hwcf->hwf", x, kernel[::-1, ::-1]) * scale


def test_the_first_kernel_answers_as_the_tables_do_to_the_heard_numbers_alone(tool):
    rng = np.random.RandomState(0)
    width = tool.CONFIG.start_height * tool.CONFIG.start_width * tool.CONFIG.filters(1)
    axes, pitches = rng.normal(size=(tool.AXES, width)), rng.normal(size=(61, width))
    kernel = tool.first_kernel(axes, pitches)
    assert kernel.shape == (2, 16, 317, tool.CONFIG.filters(1))
    z = rng.normal(size=256)
    z *= 16 / np.linalg.norm(z)
    expected = (z[: tool.AXES] @ axes + pitches[33]) / np.sqrt(2)
    np.testing.assert_allclose(first_convolution(tool, kernel, z, 33).ravel(), expected, atol=1e-3)
    z[tool.AXES :] = rng.permutation(z[tool.AXES :])
    np.testing.assert_allclose(first_convolution(tool, kernel, z, 33).ravel(), expected, atol=1e-3)


def test_voices_are_laid_out_like_latents_and_neighbours_sound_alike(tool):
    """Voices that lie on a curved line in the space of sounds come out in their order, normally distributed."""
    rng = np.random.RandomState(0)
    along = rng.permutation(60)
    looks = np.exp(0.05 * along)[:, None] * rng.normal(size=40) + 0.1 * rng.normal(size=(60, 40))
    u = tool.places(looks)
    assert u.shape == (60, tool.AXES)
    np.testing.assert_allclose(u.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(u.std(axis=0), 1, atol=0.05)
    assert abs(np.corrcoef(np.argsort(np.argsort(u[:, 0])), along)[0, 1]) > 0.99


@pytest.mark.slow
def test_every_voice_has_an_equal_share_of_random_latents_and_sounds_like_itself_at_its_place(tool):
    u, anywhere = np.random.RandomState(0).normal(size=(12, tool.AXES)), np.random.RandomState(7)
    points, bonus = anywhere.normal(size=(10_000, tool.AXES)), tool.bonuses(u, rounds=60)
    np.testing.assert_allclose(tool.shares(points, u, bonus).mean(axis=0), 1 / 12, rtol=0.2)
    without = tool.shares(points, u, np.zeros(12)).mean(axis=0)
    assert without.max() > 3 * without.min()
    assert np.diag(tool.shares(u, u, bonus)).min() > 0.9


def test_voices_that_sound_the_same_are_one(tool):
    looks = np.random.RandomState(0).normal(size=(5, 2, 3, 4)) * 10
    looks[3] = looks[1] + 0.1
    assert tool.distinct(looks).tolist() == [0, 1, 2, 1, 4]


def test_pictures_do_not_hear_the_level(tool):
    t = np.arange(tool.CONFIG.audio_length) / 16000
    notes = np.stack([0.5 * np.sin(2 * np.pi * f * t) * np.exp(-t) for f in (220, 440)])[None]
    looks = tool.pictures(np.concatenate([notes, 0.1 * notes]))
    assert looks.shape == (2, 2, len(tool.LOOK_FRAMES) - 1, tool.LOOK_BANDS)
    assert looks.max() == 0
    assert looks.min() >= -tool.LOOK_RANGE
    np.testing.assert_allclose(looks[0], looks[1], atol=0.01)


def test_the_score_plays_all_pitches_in_their_slots(tool, tmp_path):
    pretty_midi = pytest.importorskip("pretty_midi")
    (tmp_path / "notes.mid").write_bytes(tool.midi_file(bank=8, program=30, velocity=110))
    track = pretty_midi.PrettyMIDI(str(tmp_path / "notes.mid")).instruments[0]
    assert track.program == 30
    assert [note.pitch for note in track.notes] == list(range(24, 85))
    assert {note.velocity for note in track.notes} == {110}
    np.testing.assert_allclose([note.start for note in track.notes], 6 * np.arange(61), atol=1e-3)
    np.testing.assert_allclose([note.end - note.start for note in track.notes], 3, atol=1e-3)


def test_the_voices_have_names_and_families_of_their_own(tool):
    import demo_voices

    every = [*tool.VOICES, *demo_voices.VOICES_HELD_OUT]
    assert len({voice.name for voice in every}) == len(every)
    heard = {(v.font, v.bank, v.program, v.velocity) for v in tool.VOICES}
    assert not heard & {(v.font, v.bank, v.program, v.velocity) for v in demo_voices.VOICES_HELD_OUT}
    families = {
        "bass",
        "brass",
        "flute",
        "guitar",
        "keyboard",
        "mallet",
        "organ",
        "reed",
        "string",
        "synth_lead",
        "vocal",
    }
    assert {voice.family for voice in every} == families


@pytest.mark.parametrize(
    ("step", "share", "expected"), [(0, 0.0, 0.01), (999, 0.2, 1.0), (999, 0.65, 0.5), (999, 1.0, 0)]
)
def test_the_learning_rate_warms_up_and_falls_to_nothing(tool, step, share, expected):
    assert tool.learning_rate(1.0, step, share) == pytest.approx(expected)
