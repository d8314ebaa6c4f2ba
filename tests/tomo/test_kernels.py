"""Every compiled kernel runs in other processes, from the code kept on disk, and gives the same there."""

from __future__ import annotations

import sys

import cloudpickle
import dask
import distributed
import numpy as np
import pytest
import xarray as xr
from compiled_kernels import kernels, outermost
from numpy.testing import assert_array_equal
from phase_phantoms import strokes
from scipy.ndimage import gaussian_filter

from operando import tomo
from operando.tomo.back_projection import back_projection
from operando.tomo.denoising import denoise

EDGE = 24
LEVELS = {"matrix": 100.0, "void": 60.0, "noise": 4.0, "blur": 0.7}
STILL = {"matrix": np.eye(3), "translation": np.array([0, 0, 0.65]), "center": np.full(3, 7.8)}
LIMITS = xr.Dataset({"threshold": ("boundary", [80.0, 200.0]), "grey_level": ("phase", [60.0, 100.0, 300.0])})


@pytest.fixture(scope="module")
def client():
    with (
        distributed.LocalCluster(n_workers=1, threads_per_worker=2, dashboard_address=":0") as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


def composite(chunks=None):
    """Return the grey levels of a particle (300) and of a crack that ends at it (60) within a matrix (100)."""
    z, y, x = np.indices((EDGE,) * 3) - (EDGE - 1) / 2
    share = np.where(np.abs(z - 0.3 * y) < 1.5, 60.0, 100.0)
    share[z**2 + (y - 6) ** 2 + x**2 < 36] = 300.0
    grey = gaussian_filter(share, 0.7) + 4 * np.random.default_rng(1).standard_normal(share.shape)
    volume = xr.DataArray(grey.astype(np.float32), dims=("z", "y", "x")).assign_coords(voxel_size=0.65)
    return volume if chunks is None else volume.chunk(chunks)


def results(chunks=None, store=None):
    """Return what all functions with kernels of their own give, lazily of a volume in chunks."""
    grey = composite(chunks)
    solid = grey > 80
    labels, table = tomo.label(solid)
    distance = tomo.distance(solid)
    found = tomo.segment_cracks(grey, **LEVELS, store=store)
    return [
        tomo.histogram(grey.clip(0, 255).astype(np.uint8))["counts"],
        tomo.histogram(grey.clip(0, 255).astype(np.uint8), 16)["counts"],
        tomo.histogram(grey)["counts"],
        tomo.segment(grey, LIMITS),
        tomo.threshold_local(grey, 5),
        tomo.fractions(grey, LIMITS)["fraction"].round(12),
        tomo.fractions(grey, LIMITS, method="grey", margin=0)["fraction_std"].round(12),
        labels,
        table["centroid"],
        distance,
        tomo.distance(solid, 1.5),
        tomo.local_thickness(solid, 1.5),
        found["aperture"],
        found["share"],
        tomo.aperture(found["share"], max_aperture=2.6),
        tomo.orientation(grey, 0.65, 1.0)["direction"],
        tomo.plate_filter(grey),
        denoise(grey, method="bilateral"),
        denoise(grey, method="nlm"),
    ]


def tables(chunks=None):
    """Return what functions that end in tables give."""
    grey = composite(chunks)
    labels, table = tomo.label(grey > 80)
    classifier = tomo.PixelClassifier(features=tomo.Features(scales=(1,)), trees=3)
    phases = np.where(composite().values > 80, 2, 1).astype(np.uint8)
    fitted = classifier.fit(composite(), strokes(phases, 1, 4))
    series = xr.concat([labels, labels], "scan")
    still = {name: (("axis", "column")[: values.ndim], values) for name, values in STILL.items()}
    return [
        tomo.correlate(grey, grey.roll(x=1), spacing=6, window=9, start=xr.Dataset(still))["displacement"].round(9),
        tomo.threshold_multiotsu(grey, 3)["threshold"].round(9),
        tomo.regions(labels, grey)["intensity_mean"].round(9),
        tomo.shapes(table, labels, labels)["surface_area"].round(9),
        tomo.surface_area(grey, 80.0)["surface_area"],
        tomo.contact_area(tomo.segment(grey, LIMITS), 1, 2)["contact_area"],
        tomo.triple_phase_length(tomo.segment(grey, LIMITS), 1, 2, 3)["triple_phase_length"],
        tomo.track(series)["volume"],
        tomo.geodesic_tortuosity(grey > 80)["tau_geodesic"],
        tomo.chord_lengths(grey > 80)["chords"],
        tomo.two_point_correlation(grey > 80)["two_point"],
        tomo.constrictivity(grey > 80, "z")["r_min"],
        tomo.rev(grey > 80, sizes=[6 * 0.65, 8 * 0.65])["box_spread"].round(12),
        tomo.void_volumes(tomo.segment_cracks(grey, **LEVELS), volume=grey)["void_volume_unseen"].round(9),
        tomo.percolates(grey > 80, "all"),
        tomo.tortuosity(grey > 80, "all")["tortuosity_factor"],
        tomo.tortuosity(grey > 80, conductivities={1: 1.0, 0: 0.1}, boundary="periodic")["effective_diffusivity"],
        tomo.tortuosity_coarsened(grey > 80, "x")["tortuosity_factor"].round(9),
        fitted.predict_proba(grey),
    ]


def everything():
    """Return all of it, computed in this process, and the kernels that it ran: loaded from disk, compiled afresh."""
    with dask.config.set(scheduler="threads"):
        chunks = {"z": 12, "y": 24, "x": 9}
        found = [one.to_numpy() for one in [*results(chunks), *tables(chunks)]]
    angles = np.arange(0.0, 180.0, 10.0)
    found.append(back_projection(np.ones((2, angles.size, 16), np.float32), np.deg2rad(angles), 7.5, 12))
    ran = {name: kernel.stats for name, kernel in kernels(tomo).items() if kernel.signatures}
    return (
        found,
        {name for name, stats in ran.items() if stats.cache_hits},
        {n for n, stats in ran.items() if stats.cache_misses},
    )


@pytest.mark.faults
def test_every_kernel_runs_in_another_process_from_the_code_on_disk(client):
    """Kernels that others call are part of those."""
    outer = outermost(kernels(tomo))
    here, *_ = everything()
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    there, loaded, compiled = client.submit(everything, pure=False).result()
    if compiled:  # Another run of the tests may have written the folder of compiled code at the same time.
        client.restart()
        there, loaded, compiled = client.submit(everything, pure=False).result()
    assert loaded >= outer
    assert not compiled
    for one, other in zip(there, here, strict=True):
        assert_array_equal(one, other)


def test_blocks_give_in_processes_what_they_give_in_memory(client, tmp_path):
    expected = [one.to_numpy() for one in [*results(), *tables()]]
    chunks = {"z": 12, "y": 24, "x": 9}
    found = [one.to_numpy() for one in [*results(chunks, tmp_path / "pieces"), *tables(chunks)]]
    for one, other in zip(found, expected, strict=True):
        assert_array_equal(one, other)


def test_series_give_in_processes_what_they_give_in_memory(client):
    masks = gaussian_filter(np.random.default_rng(8).normal(size=(2, 20, 22, 24)), (0.5, 2, 2, 2)) > 0.02
    series = xr.DataArray(masks, dims=("scan", "z", "y", "x")).assign_coords(voxel_size=0.65)
    labels, table = tomo.label(series)
    chunked = labels.chunk({"scan": 1, "z": 12})
    xr.testing.assert_identical(tomo.track(chunked), tomo.track(labels))
    xr.testing.assert_allclose(tomo.shapes(table, chunked, chunked % 3), tomo.shapes(table, labels, labels % 3), 1e-12)
    thick = tomo.local_thickness(series.chunk({"scan": 1, "z": 11}), 1.5).compute()
    xr.testing.assert_identical(thick, tomo.local_thickness(series, 1.5))
