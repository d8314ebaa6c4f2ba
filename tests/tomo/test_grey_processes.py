"""Grey levels in other processes: the same numbers as in threads."""

import distributed
import numpy as np
import pytest
import xarray as xr
from numpy.testing import assert_array_equal

from operando.tomo import fractions, histogram, hysteresis, segment, threshold_local


@pytest.fixture(scope="module")
def volume():
    levels = np.random.default_rng(1).normal(100, 20, (20, 16, 18)).astype(np.float32)
    return xr.DataArray(levels, dims=("z", "y", "x"))


def results(volume, store):
    limits = xr.Dataset({"threshold": ("boundary", [90.0, 120.0]), "grey_level": ("phase", [80.0, 100.0, 130.0])})
    return [
        histogram(volume.astype(np.uint8))["counts"],
        histogram(volume)["counts"],
        segment(volume, limits),
        threshold_local(volume, 5),
        hysteresis(volume, 110, 150, store=store),
        fractions(volume, limits)["fraction"],
        fractions(volume, limits, method="grey", margin=0)["fraction_std"],
    ]


def test_every_step_gives_in_processes_what_it_gives_in_memory(volume, tmp_path):
    expected = results(volume, None)
    with (
        distributed.LocalCluster(n_workers=1, threads_per_worker=2, dashboard_address=":0") as cluster,
        distributed.Client(cluster),
    ):
        found = [one.compute() for one in results(volume.chunk(z=9, y=16, x=7), tmp_path / "pieces")]
    for one, other in zip(found, expected, strict=True):
        if one.name in ("fraction", "fraction_std"):
            np.testing.assert_allclose(one, other, rtol=1e-12)
        else:
            assert_array_equal(one, other)
