"""What is computed block by block gives the same from other processes."""

import distributed
import numpy as np
import pytest
import xarray as xr
from scipy.ndimage import gaussian_filter, label

from operando.tomo import distance, local_thickness, track


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


def numbered(masks):
    return masks.copy(data=np.array([label(mask)[0] for mask in masks.values]))


@pytest.mark.parametrize(
    "function",
    [
        distance,
        lambda masks: distance(masks, 1.5),
        lambda masks: local_thickness(masks, 1.5),
    ],
)
def test_maps_are_the_same_from_processes(client, masks, function):
    there = function(masks.chunk({"scan": 1, "z": 11})).compute()
    xr.testing.assert_identical(there, function(masks))


def test_tracks_are_the_same_from_processes(client, masks):
    labels = numbered(masks)
    xr.testing.assert_identical(track(labels.chunk({"scan": 1, "z": 12})), track(labels))
