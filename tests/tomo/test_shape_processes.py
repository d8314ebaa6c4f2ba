"""What is computed block by block gives the same from other processes."""

import distributed
import numpy as np
import pytest
import xarray as xr
from scipy.ndimage import gaussian_filter

from operando.tomo import aperture, distance, label, local_thickness, orientation, shapes, track


@pytest.fixture(scope="module")
def client():
    with (
        distributed.LocalCluster(n_workers=1, threads_per_worker=2, dashboard_address=":0") as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def masks():
    values = gaussian_filter(np.random.default_rng(8).normal(size=(2, 20, 22, 24)), (0.5, 2, 2, 2)) > 0.02
    return xr.DataArray(values, dims=("scan", "z", "y", "x")).assign_coords(voxel_size=0.65)


@pytest.mark.parametrize(
    "function",
    [
        distance,
        lambda masks: distance(masks, 1.5),
        lambda masks: local_thickness(masks, 1.5),
        lambda masks: aperture(masks * 0.9, max_aperture=2.6),
        lambda masks: orientation(masks, 0.65, 1.0)["direction"],
    ],
)
def test_maps_are_the_same_from_processes(client, masks, function):
    there = function(masks.chunk({"scan": 1, "z": 11})).compute()
    xr.testing.assert_identical(there, function(masks))


def test_tracks_and_shapes_are_the_same_from_processes(client, masks):
    labels, table = label(masks)
    chunked = labels.chunk({"scan": 1, "z": 12})
    xr.testing.assert_identical(track(chunked), track(labels))
    xr.testing.assert_allclose(shapes(table, chunked, chunked % 3), shapes(table, labels, labels % 3), rtol=1e-12)
