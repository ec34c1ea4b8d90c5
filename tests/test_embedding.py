"""helpers.evaluation.embedding against the published graph, and the tool that read its weights."""

import importlib.util

import numpy as np
import pytest
from inputs import DATA, RATE

from helpers.evaluation import embedding

GOLDEN = DATA / "musicnn.npz"  # two notes' pictures, and what the graph of musicnn 0.1.0 makes of them


def tone(hz=440.0, seconds=4.0, partials=1, rate=RATE):
    time = np.arange(int(seconds * rate)) / rate
    return sum(np.sin(2 * np.pi * k * hz * time) / k for k in range(1, partials + 1)).astype(np.float32)


def test_the_network_gives_what_the_published_graph_gives():
    with np.load(GOLDEN) as golden:
        pictures, expected = golden["pictures"].astype(np.float32), golden["embedding"]
    found = embedding._network()(pictures).numpy()
    assert np.sqrt(np.mean((found - expected) ** 2)) < 0.005 * expected.std()  # its kernels are float16


def test_a_note_has_one_embedding_at_every_level_and_rate():
    waves = embedding.musicnn(np.stack([tone(partials=5), 0.01 * tone(partials=5)]), RATE)
    assert waves[0] == pytest.approx(waves[1], abs=1e-3)
    faster = embedding.musicnn(tone(partials=5, rate=3 * RATE)[None], 3 * RATE)
    assert np.linalg.norm(faster - waves[0]) < 0.1 * np.linalg.norm(waves[0])


def test_unlike_sounds_have_unlike_embeddings():
    waves = [tone(partials=15), tone(), np.random.RandomState(0).normal(size=4 * RATE), tone(220)]
    found = embedding.musicnn(np.stack(waves), RATE)
    distances = np.linalg.norm(found[:, None] - found[None], axis=2)
    assert distances[~np.eye(4, dtype=bool)].min() > 5
    assert distances[1].argsort().tolist() == [1, 3, 0, 2]  # to a sine: a sine of another pitch, a bright tone, noise


def test_short_notes_and_none_at_all():
    assert np.isfinite(embedding.musicnn(tone(seconds=0.1)[None], RATE)).all()
    assert embedding.musicnn(np.zeros((1, 100)), RATE).shape == (1, embedding.SIZE)  # silence
    assert embedding.musicnn(np.zeros((0, 100)), RATE).shape == (0, embedding.SIZE)


@pytest.mark.parametrize("waves", [np.zeros(100), np.full((1, 100), np.nan)])
def test_what_is_no_note_is_refused(waves):
    with pytest.raises(ValueError, match="finite samples"):
        embedding.musicnn(waves, RATE)


def test_many_notes_are_heard_some_at_a_time(monkeypatch):
    waves = np.stack([tone(hz) for hz in (110, 220, 440)])
    together = embedding.musicnn(waves, RATE)
    monkeypatch.setattr(embedding, "BATCH", 2)
    assert embedding.musicnn(waves, RATE) == pytest.approx(together, abs=1e-4)


def test_the_tool_folds_a_normalisation_into_scale_and_offset():
    spec = importlib.util.spec_from_file_location("make_musicnn", DATA.parents[1] / "tools" / "make_musicnn.py")
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    values = {"gamma": 2.0, "beta": 3.0, "moving_mean": 5.0, "moving_variance": 4.0 - tool.EPSILON}

    class Checkpoint:
        def get_tensor(self, name):
            return np.array([values.get(name.rpartition("/")[2], 1.0)], np.float32)

    found = tool.weights(Checkpoint())
    assert found["batch_normalization_10/scale"] == pytest.approx([1.0])
    assert found["batch_normalization_10/offset"] == pytest.approx([-2.0])  # 3 - 5 x 2 / 2
    assert found["conv2d_7/kernel"].dtype == np.float16
    assert len(found) == 2 * (tool.CONVOLUTIONS + tool.DENSE + tool.NORMALISATIONS)
