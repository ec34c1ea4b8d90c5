"""What notebook 08 shows: architecture tables of live networks, and pictures of notes and losses."""

import csv
import math

import numpy as np
import pytest

from helpers.gansynth.config import Config
from helpers.gansynth.networks import Discriminator, Generator
from helpers.training import loop, plots
from helpers.training import trainer as training

SMALL = Config(
    num_resolutions=3, start_height=2, start_width=4, audio_length=40, latent_vector_size=4, fmap_base=16, fmap_max=5
)
ACCURACIES = {"real_pitch_accuracy": 0.5, "fake_pitch_accuracy": 0.25}
HISTORY = [{"images": 8 * i, "stage": i // 10, "wasserstein": -float(i), **ACCURACIES} for i in range(1, 41)]


# The tables


def test_the_tables_of_the_published_size():
    """Sizes and numbers of weights as SPEC sections 3, 4 and 9 have them."""
    generator, discriminator = Generator(Config()), Discriminator(Config())
    made, judged = training.architecture(generator), training.architecture(discriminator)
    sizes = [(2 * 2**b, 16 * 2**b, filters) for b, filters in enumerate((256, 256, 256, 256, 128, 64, 32))]
    assert [layer.output for layer in made] == [size for size in sizes for _ in range(2)] + [(128, 1024, 2)]
    assert made[0].kernel == (2, 16, 317, 256)
    assert sum(layer.weights for layer in made) == generator.count_params() == 7_308_802
    assert [layer.name.partition("_")[2] for layer in judged[:3]] == ["from_rgb", "conv0", "conv1"]
    assert [layer.output for layer in judged[:3]] == [(128, 1024, 32), (128, 1024, 32), (128, 1024, 64)]
    assert [layer.output for layer in judged[-4:]] == [(2, 16, 256), (1, 1, 256), (1,), (61,)]
    assert judged[-4].kernel == (3, 3, 257, 256)


@pytest.mark.parametrize("blocks", [1, 2, 3])
def test_a_table_has_the_layers_that_the_stage_calls(blocks):
    made = training.architecture(Generator(SMALL, blocks, all_images=True))
    judged = training.architecture(Discriminator(SMALL, blocks))
    assert len(made) == 2 * blocks + 1
    assert len(judged) == 2 * blocks + 3
    height = 2 * 2 ** (blocks - 1)
    assert made[-1].output == (*judged[0].output[:2], 2) == (height, 2 * height, 2)
    for layer in made + judged:
        assert layer.weights == math.prod(layer.kernel) + layer.kernel[-1]


def test_a_table_leaves_the_network_as_it_is():
    network, z, labels = Generator(SMALL), np.ones((2, 4), "f4"), np.array([1, 5])
    before = np.asarray(network(z, labels))
    names = list(network.named_weights())
    training.describe(network)
    assert list(network.named_weights()) == names
    np.testing.assert_array_equal(np.asarray(network(z, labels)), before)


def test_a_table_in_print():
    network = Generator(SMALL)
    sizes = [layer.output for layer in training.architecture(network)]
    lines = training.describe(network, [(9, 9, 9), *sizes[1:]]).splitlines()
    assert len(lines) == len(sizes) + 2
    assert lines[0].split() == ["layer", "output", "kernel", "weights", "original"]
    assert [line.endswith("differs") for line in lines] == [False, True] + [False] * len(sizes)
    assert lines[-1].endswith(f"{network.count_params():,}")
    assert "original" not in training.describe(network)
    with pytest.raises(ValueError, match="7 layers, but 6 sizes"):
        training.describe(network, sizes[1:])


# The pictures


def axes_of(rows, columns):
    from matplotlib.figure import Figure

    return Figure().subplots(rows, columns, squeeze=False)


def test_a_row_of_notes():
    data = np.random.RandomState(0).normal(size=(3, 8, 16, 2)).astype(np.float32)
    rows = axes_of(2, 3)
    for channel, row in enumerate(rows):
        last = plots.draw_row(data, row, channel)
        for ax, note in zip(row, data, strict=True):
            (image,) = ax.images
            np.testing.assert_array_equal(image.get_array(), note[:, :, channel].T)  # time to the right
            assert image.get_clim() == plots.CHANNELS[channel][2:]
        assert last is row[-1].images[0]
    with pytest.raises(ValueError, match=r"shorter|longer"):
        plots.draw_row(data[:2], rows[0])


def test_curves_are_running_means():
    axes = axes_of(1, 2)[0]
    for _ in range(2):  # drawn anew, not over the old ones
        assert plots.plot_losses(HISTORY, axes) is axes
    (distance,) = (line for line in axes[0].lines if line.get_label() == "distance")
    np.testing.assert_array_equal(distance.get_xdata(), 8 * np.arange(1, 41))
    np.testing.assert_allclose(distance.get_ydata(), [1, *np.arange(1.5, 40)])  # of two steps of forty
    assert [ax.get_xlabel() for ax in axes] == ["images", "images"]
    assert [line.get_label() for line in axes[1].lines][:2] == ["real notes", "generated"]
    assert [line.get_xdata()[0] for line in axes[1].lines[2:]] == [80, 160, 240, 320]


def test_curves_from_a_table(tmp_path):
    """A run's losses.csv holds texts."""
    path = tmp_path / loop.LOSSES
    with open(path, "w", newline="") as file:
        table = csv.DictWriter(file, HISTORY[0])
        table.writeheader()
        table.writerows(HISTORY)
    with open(path, newline="") as file:
        axes = plots.plot_losses(csv.DictReader(file), axes_of(1, 2)[0])
    assert axes[0].lines[0].get_ydata()[-1] == 39.5
    with pytest.raises(ValueError, match="no losses"):
        plots.plot_losses([])
