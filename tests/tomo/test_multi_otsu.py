import itertools

import numpy as np
import pytest
import xarray as xr
from numpy.testing import assert_allclose

from operando.errors import OperandoError
from operando.tomo import histogram, threshold_multiotsu
from operando.tomo.multi_otsu import classes_of


def three_phases(bins=256, seed=1):
    level = np.arange(bins) / bins
    density = sum(
        share * np.exp(-(((level - place) / width) ** 2) / 2)
        for share, place, width in ((1, 0.2, 0.05), (3, 0.5, 0.06), (2, 0.8, 0.04))
    )
    return np.random.default_rng(seed).poisson(1e4 * density)


@pytest.mark.peer
@pytest.mark.parametrize(("bins", "classes", "apart"), [(256, 2, 0), (256, 3, 0), (256, 4, 0), (1024, 3, 1)])
def test_thresholds_are_those_of_skimage(bins, classes, apart):
    """Its sums are in single precision, which at 1024 bins moves its maximum by a bin."""
    from skimage.filters import threshold_multiotsu as peer

    counts, level = three_phases(bins), np.arange(bins) * 1.0
    theirs = peer(hist=(counts, level), classes=classes)
    assert_allclose(classes_of(counts, level, classes, "test")[0], theirs, atol=apart)


@pytest.mark.peer
def test_thresholds_of_a_lazy_volume_are_those_of_skimage_in_memory():
    from skimage.filters import threshold_multiotsu as peer

    noise = np.random.default_rng(2)
    volume = noise.normal(noise.choice([60, 120, 190], (24, 20, 22)), 12).clip(0, 255).astype(np.uint8)
    lazy = xr.DataArray(volume, dims=("z", "y", "x")).chunk(z=7, y=9, x=22)
    assert_allclose(threshold_multiotsu(lazy, 3)["threshold"], peer(volume, classes=3))


@pytest.mark.parametrize("classes", [2, 3, 4])
def test_no_other_thresholds_leave_less_spread_within_classes(classes):
    noise = np.random.default_rng(3)
    for _ in range(20):
        counts, level = noise.integers(0, 5, 12), np.sort(noise.normal(size=12))
        counts[:classes] += 1
        found = classes_of(counts, level, classes, "test")[0]
        mean = (counts * level).sum() / counts.sum()

        def between(ends, counts=counts, level=level, mean=mean):
            parts = [slice(a, b) for a, b in itertools.pairwise([0, *ends, 12])]
            return sum((counts * (level - mean))[part].sum() ** 2 / counts[part].sum() for part in parts)

        choices = itertools.combinations(np.flatnonzero(counts)[:-1] + 1, classes - 1)
        best = max(between(ends) for ends in choices)
        assert_allclose(between(np.searchsorted(level, found) + 1), best, rtol=1e-12)


def test_thresholds_scale_with_the_levels_and_each_scan_has_its_own():
    counts = np.stack([three_phases(seed=4), np.roll(three_phases(seed=4), 10)])
    level = ("level", 3.0 + 0.5 * np.arange(256), {"units": "1", "bin_width": 0.5})
    found = threshold_multiotsu(xr.Dataset({"counts": (("scan", "level"), counts)}, coords={"level": level}), 3)
    assert_allclose(found["threshold"][1] - found["threshold"][0], 5.0)
    assert_allclose(found["threshold"][0], 3.0 + 0.5 * classes_of(counts[0], np.arange(256.0), 3, "test")[0])
    assert (found["separability"] > 0.9).all()
    assert_allclose(found["fraction"].sum("phase"), 1)


def test_sixteen_bits_and_five_classes_take_no_time_worth_telling():
    level = np.arange(65536.0)
    limits, means, _, _ = classes_of(three_phases(65536), level, 5, "test")
    assert (means[:-1] < limits).all()
    assert (limits < means[1:]).all()


def test_fewer_levels_than_classes_are_refused():
    with pytest.raises(OperandoError, match="3 grey levels or more, got 2"):
        threshold_multiotsu(np.array([[[1, 2], [2, 1]]], dtype=np.uint8), 3)
    with pytest.raises(OperandoError, match="two classes"):
        threshold_multiotsu(histogram(np.ones((2, 2, 2), dtype=np.uint8)), 1)
    with pytest.raises(OperandoError, match="a volume or what"):
        threshold_multiotsu(xr.Dataset({"grey": ("z", [1.0])}), 2)
