"""Measured volumes: the same phases and fractions out of core, in memory, and by scikit-image."""

import dask.array as da
import numpy as np
import pytest
import tifffile
import xarray as xr
from numpy.testing import assert_allclose, assert_array_equal

from operando.tomo import fractions, histogram, hysteresis, segment, threshold_mixture, threshold_multiotsu

pytestmark = pytest.mark.realdata

VOLUMES = {
    "cement_128x128x128.tif": (3, (0.05, 0.15)),
    "shell_225x128x128.tif": (2, (0.8, 0.95)),
    "fibers_150x150x150.tif": (2, (0.3, 0.5)),
    "snow.tif": (2, (0.3, 0.5)),
}
"""Classes, and what the darkest one may fill."""


@pytest.mark.peer
@pytest.mark.parametrize("name", VOLUMES)
def test_phases_of_measured_volumes_are_those_of_skimage(realdata, name):
    from skimage.filters import threshold_multiotsu as peer

    volume = tifffile.imread(realdata / "tomo" / name)
    classes, (least, most) = VOLUMES[name]
    lazy = xr.DataArray(da.from_array(volume, chunks=50), dims=("z", "y", "x"))
    found = threshold_multiotsu(lazy, classes)
    theirs = peer(volume if volume.dtype == np.uint8 else volume.astype(np.float64), classes=classes, nbins=256)
    width = 1 if volume.dtype == np.uint8 else np.ptp(volume) / 256
    assert_allclose(found["threshold"], theirs, atol=0 if volume.dtype == np.uint8 else width)
    share = fractions(lazy, found)
    xr.testing.assert_allclose(share, fractions(volume, found), rtol=1e-12)
    regions = np.digitize(volume, found["threshold"], right=True)
    assert_array_equal(segment(lazy, found), 1 + regions)
    assert_allclose(share["fraction"], np.bincount(regions.ravel()) / volume.size)
    assert least < share["fraction"][0] < most
    assert (share["fraction_std"] > 0.002).all()
    assert (share["fraction_std"] < 0.1).all()


@pytest.mark.peer
def test_voids_of_cement_by_hysteresis_are_those_of_skimage(realdata):
    from skimage.filters import apply_hysteresis_threshold as peer

    volume = tifffile.imread(realdata / "tomo" / "cement_128x128x128.tif")
    lazy = xr.DataArray(da.from_array(volume, chunks=(40, 64, 128)), dims=("z", "y", "x"))
    found = hysteresis(lazy, 50, 75, 6, above=False)
    assert_array_equal(found, peer(-volume.astype(int), -76, -51))


def test_levels_of_cement_and_its_pores_are_at_the_peaks_within_the_noise(realdata):
    counted = histogram(tifffile.imread(realdata / "tomo" / "cement_128x128x128.tif"))
    found = threshold_mixture(counted, 2)
    for number, part in enumerate((slice(16, 45), slice(45, 148))):
        assert_allclose(found["grey_level"][number], _peak(counted, part), atol=float(found["grey_spread"][0]))


def _peak(counted, part):
    return counted["counts"].sel(level=part).idxmax("level")


def test_phases_of_a_measured_cathode_are_what_its_labels_count(realdata):
    labels = tifffile.imread(realdata / "tomo" / "matbox_nmc-1-cal_generatedCBD_bridge.tif")
    found = fractions(labels, names={0: "pore", 1: "nmc", 2: "binder"})
    assert_allclose(found["fraction"], np.bincount(labels.ravel()) / labels.size)
    assert (found["fraction_std"] < 0.03).all()
