"""helpers.timbre.layout: where the instruments of an atlas lie on a map."""

import numpy as np
import pytest
from inputs import Stub, atlas_of

from helpers import instruments, timbre
from helpers.timbre.descriptors import CEPSTRA

NAMES = timbre.NAMES


def atlas_with(n=200, **columns):
    """An atlas in which these descriptors have these values, and no other varies."""
    described = np.zeros((n, 3, len(NAMES) + CEPSTRA))
    for name, values in columns.items():
        described[:, :, NAMES.index(name)] = np.reshape(values, (n, 1))
    return timbre.Atlas(Stub(), instruments.sample(Stub(), n, seed=1), described)


def uniform(n=200, seed=0):
    return np.random.RandomState(seed).uniform(-1, 1, n)


def test_what_varies_together_becomes_one_axis():
    common, other = uniform(), uniform(seed=1)
    atlas = atlas_with(brightness=2 * common, noisiness=-30 + 5 * common, attack=other)
    places = timbre.layout(atlas)
    assert places.points.shape == (200, 2)
    assert np.corrcoef(places.points[:, 0], common)[0, 1] > 0.99
    assert np.corrcoef(places.points[:, 1], other)[0, 1] > 0.99
    assert places.shares == pytest.approx((2 / 3, 1 / 3), abs=0.1)
    assert set(places.meanings[0].split(", ")) == {"brighter", "noisier"}
    assert places.meanings[1] == "slower to begin"


def test_an_axis_says_what_goes_down_along_it():
    common = uniform()
    places = timbre.layout(atlas_with(brightness=common + 0.2 * uniform(seed=2), fundamental=-common))
    assert set(places.meanings[0].split(", ")) in ({"brighter", "thinner"}, {"rounder", "darker"})


@pytest.mark.parametrize("by", ["descriptors", "latents"])
def test_the_strongest_descriptor_rises_and_the_middle_is_zero(by):
    atlas = atlas_of(Stub(), n=100)
    places = timbre.layout(atlas, by)
    correlations = np.corrcoef(places.points.T, atlas.values.T)[:2, 2:]
    strongest = np.abs(correlations).argmax(axis=1)
    assert (correlations[[0, 1], strongest] > 0).all()
    assert np.abs(places.points.mean(axis=0)).max() < 1e-9


def test_units_do_not_matter():
    columns = {"brightness": uniform(), "attack": uniform(seed=1), "decay": uniform(seed=2)}
    a = timbre.layout(atlas_with(**columns))
    b = timbre.layout(atlas_with(**columns | {"decay": 1000 * columns["decay"] + 5}))
    assert a.points == pytest.approx(b.points, abs=1e-6)


def test_one_odd_sound_does_not_squeeze_the_others():
    odd = uniform()
    odd[0] = 500  # 14 standard deviations from the others
    points = timbre.layout(atlas_with(inharmonicity=odd, attack=uniform(seed=1))).points
    assert np.ptp(points, axis=0).max() < 5


def test_by_latents_is_the_first_two_principal_components():
    from sklearn.decomposition import PCA

    atlas = atlas_of(Stub(), n=100)
    fitted = PCA(2).fit(np.stack([instrument.z for instrument in atlas.instruments]))
    expected = fitted.transform(np.stack([instrument.z for instrument in atlas.instruments]))
    places = timbre.layout(atlas, by="latents")
    assert np.abs(places.points) == pytest.approx(np.abs(expected))
    assert places.shares == pytest.approx(fitted.explained_variance_ratio_)


def test_by_latents_activations_of_the_first_layer_are_left_out():
    atlas = atlas_of(Stub(), n=20)
    expected = timbre.layout(atlas, by="latents").points
    freed = [instruments.Instrument(one.name, np.r_[one.z, np.full(16, 9.0)]) for one in atlas.instruments[::2]]
    atlas.instruments[::2] = freed
    assert timbre.layout(atlas, by="latents").points == pytest.approx(expected)


def test_few_instruments_and_such_that_all_sound_alike():
    two = timbre.layout(atlas_with(n=2, brightness=[0, 1]))
    assert two.points[:, 1] == pytest.approx([0, 0])
    assert two.points[1, 0] > two.points[0, 0]
    assert two.shares == pytest.approx((1, 0))
    alike = timbre.layout(atlas_with(n=5))
    assert (alike.points == 0).all()
    assert (alike.shares, alike.meanings) == ((0, 0), ("", ""))


def test_what_cannot_be_laid_out_is_said():
    with pytest.raises(ValueError, match="by is 'sound'; it can be descriptors or latents"):
        timbre.layout(atlas_of(Stub()), by="sound")
    with pytest.raises(ValueError, match="at least two instruments; this atlas has 1"):
        timbre.layout(atlas_with(n=1))
