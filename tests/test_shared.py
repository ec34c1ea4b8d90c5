"""SharedNotes: one note is one array, to the last bit, whatever was made before it."""

import copy

import numpy as np
import pytest
from inputs import Player, song_of

from helpers import instruments, render
from helpers.gansynth import NoteCache, SharedNotes
from helpers.midi import Note


class Fickle(Player):
    """Its last bits depend on a note's place in the batch, and on the batch's shape, as those of a real network do."""

    cache = None

    def generate(self, z, pitches, duration=None, batch_size=8, progress=True):
        waves = super().generate(z, pitches, duration, batch_size or 8, progress)
        return waves * (1 + 1e-6 * (np.arange(len(waves))[:, None] + len(waves) + waves.shape[1] / 1e3))


@pytest.fixture
def z():
    return Fickle().sample_z(3, seed=1).astype(np.float32)


@pytest.fixture
def shared(z, tmp_path):
    """A model with a cache of its own, or with that of a name."""
    return lambda name="notes", **how: SharedNotes(Fickle(), z[:2], NoteCache(tmp_path / name), **how)


@pytest.mark.parametrize("before", [[], [60], [61], [84, 24, 60], list(range(24, 85))])
def test_a_note_is_the_same_whatever_was_made_before(shared, z, before):
    expected = shared("alone").generate(z[0], [60], [1.0])[0]
    model = shared()
    if before:
        model.generate(np.repeat(z[:1], len(before), 0), before, [2.0] * len(before))
    assert (model.generate(z[0], [60], [1.0])[0] == expected).all()
    mixed = model.generate(z[[2, 1, 0, 0]], [50, 60, 60, 77], [4.0, 1.0, 1.0, 0.5])
    assert (mixed[2, :16000] == expected).all()
    assert not mixed[2, 16000:].any()


@pytest.mark.parametrize("pitch", [24, 31, 32, 76, 77, 79, 80, 84])
def test_every_pitch_has_one_block(shared, z, pitch):
    """Those at the ends too, where the last block reaches into the one before."""
    expected = shared("alone").generate(z[0], [pitch])[0]
    model = shared()
    model.generate(np.repeat(z[:1], 61, 0), list(range(84, 23, -1)))
    assert (model.generate(z[0], [pitch])[0] == expected).all()
    assert len(model.cache) == 61


def test_a_block_is_made_once(shared, z):
    model = shared()
    model.generate(np.repeat(z[:1], 3, 0), [60, 61, 63], [0.5, 1.0, 0.2])
    assert [(pitch, seconds) for _, pitch, seconds in model.asked] == [(pitch, 4.0) for pitch in range(56, 64)]
    model.generate(z[0], [60])
    assert len(model.asked) == 8
    again = shared()
    again.generate(z[0], [60])
    assert not again.asked


def test_notes_of_another_making_are_not_taken(shared, z):
    shared().generate(z[0], [60])
    other = shared(made_by="2 threads")
    other.generate(z[0], [60])
    assert other.asked


def test_other_latents_are_made_as_by_the_model_itself(shared, z):
    given = np.stack([z[2], z[2]]), [60, 62], [1.0, 0.5]
    assert (shared().generate(*given) == Fickle().generate(*given)).all()


def test_what_is_there_already_changes_no_batch(shared, z):
    model = shared()
    rows, pitches, durations = z[[0, 1, 2]], np.array([60, 60, 60]), np.ones(3)
    assert model.cached(rows, pitches, durations).tolist() == [True, True, False]
    model.generate(rows, pitches, durations)
    assert model.cached(rows, pitches, durations).tolist() == [True, True, False]


def test_a_rendering_is_the_same_from_the_cache_and_without(shared, z):
    song = song_of(*(Note(50 + i, 90, 0.3 * i, 0.3 * i + 0.4) for i in range(30)))
    player = instruments.Instrument("held", z[0])
    model = shared()
    first, second = (render.render(model, song, player, progress=False) for _ in range(2))
    assert (first.samples == second.samples).all()
    reproduced = render.render(shared("another"), song, player, progress=False)
    assert (first.samples == reproduced.samples).all()


def test_the_model_says_what_is_wrong(tiny, tmp_path):
    z = tiny.sample_z(1, 1)
    model = SharedNotes(tiny, z, NoteCache(tmp_path))
    with pytest.raises(ValueError, match="plays MIDI pitches 24 to 84, not 85"):
        model.generate(z, [85])
    with pytest.raises(ValueError, match="it must be above 0 and up to 4 s"):
        model.generate(z, [60], [5.0])
    assert model.generate(z[:0], []).shape[0] == 0
    assert model.generate(z, [60], [0.5]).dtype == np.float32
    assert copy.copy(model).name == "tiny"


def test_latents_of_both_lengths_are_shared(z, tmp_path):
    longer = np.r_[z[0], np.ones(16, np.float32)]
    model = SharedNotes(Fickle(), [z[0], longer], NoteCache(tmp_path))
    assert model.cached(z[:1], [60], [1.0]).all()
    assert model.cached(longer[None], [60], [1.0]).all()
    assert not model.cached(np.pad(z[:1], [(0, 0), (0, 16)]), [60], [1.0]).any()


def test_a_cache_of_its_own_is_refused(z, tmp_path):
    model = Fickle()
    model.cache = NoteCache(tmp_path)
    with pytest.raises(ValueError, match="without a cache"):
        SharedNotes(model, z, NoteCache(tmp_path))
