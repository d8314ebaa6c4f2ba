"""Kernels run in other processes, and results do not depend on where."""

from __future__ import annotations

import importlib

import numpy as np
import pytest
import xarray as xr
from compiled_kernels import kernels, outermost

import operando.xas
from operando import xas

X = np.linspace(0.0, 10.0, 40)
Y = np.arctan(X - 5.0)[None, :].repeat(2, axis=0)
LINE = (0, 10, np.full((1, 10), 0.1), np.ones((1, 40)))

ARGUMENTS = {
    "edge_kernels.steepest_points": (Y, np.arange(40), X),
    "edge_kernels.steepest_smoothed_points": (Y, np.arange(2), np.arange(40), X, np.eye(40)),
    "edge_kernels.smoothing_weights": (X, np.linspace(-1.0, 11.0, 50)),
    "normalization_kernels.normalize_rows": (
        Y,
        np.arange(2),
        (LINE, (30, 40, LINE[2], LINE[3]), np.ones(40)),
        (20, np.nan),
        (np.empty((4, 2, 40)), np.empty((3, 2))),
    ),
    "crossing.crossings": (X, Y, np.zeros(2), np.full(2, 10.0), 0.5),
    "detector_kernels.likenesses": (np.stack([Y, Y + 3.0, Y * 2.0 + 5.0]) + 4.0, np.ones((3, 2), bool)),
    "point_noise.residuals": (Y, np.ones((34, 7))),
    "point_noise.group_medians": (Y, Y**2, 0.5),
    "point_noise.lines_through": (np.array([[[0.0, 1.0, 20.0], [1.0, 2.0, 30.0], [3.0, 5.0, 10.0]]]),),
    "areas.area_weights": (X, np.array([2.3, 1.0]), np.array([7.1, 9.9])),
    "areas.interpolated": (X, Y, np.array([2.3, 7.1])),
    "local_fits.turning_points": (X, Y, (np.full(2, 2.0), np.full(2, 8.0), np.full(2, 5.0)), 1.2, 2),
    "white_line_kernels.half_widths": (X, np.exp(-((X - 5.0) ** 2))[None, :], np.array([5.0]), np.array([0.5])),
    "detector_faults.clipped": (np.clip(Y, -1.2, 1.2), 5.0),
    "detector_faults.constant": (Y,),
    "detector_faults.decade_steps": (np.where(X > 5.0, 10.0, 1.0)[None, :],),
    "detector_faults.level_changes": (np.array([[1.0, 10.0, np.nan, 1.0]]),),
    "detector_faults.median_where": (Y, X < 5.0),
    "detector_faults.largest_step": (np.exp(Y),),
    "glitches.standing_out": (X, np.sin(X), 8.0),
    "curve_resolution_kernels.solve_rows": (
        np.ones((3, 2)),
        np.eye(2),
        (0.0, 1.0),
        np.empty((0, 0)),
        np.empty((3, 2)),
    ),
    "curve_resolution_kernels.unimodal": (np.sin(X),),
    "curve_resolution_kernels.share_variances": (Y, Y + 2.0 + X, np.full((2, 2), 0.5), (0.0, 1.0), np.empty((2, 2))),
    "combination_kernels.combine_rows": (
        (Y, np.empty((0, 40))),
        X,
        (X, np.ones((4, 39, 2)) * np.array([1.0, 2.0]), np.ones((1, 40))),
        (np.zeros(3), np.ones(3), 1.0, np.zeros(2), 0.0, 0.0),
        (np.empty((2, 3)), np.empty(2), np.empty((2, 4, 4)), np.empty((2, 40)), np.zeros(2, np.int64)),
    ),
}


def run_kernel(name: str):
    module, function = name.rsplit(".", 1)
    return getattr(importlib.import_module(f"operando.xas.{module}"), function)(*ARGUMENTS[name])


def assert_same(there, here):
    """Compare what a kernel returned: nothing, a number, an array, or several of them."""
    if isinstance(here, tuple):
        assert len(there) == len(here)
        for one, other in zip(there, here, strict=True):
            assert_same(one, other)
    elif here is not None:
        np.testing.assert_array_equal(there, here)


def test_every_kernel_of_this_floor_that_no_other_calls_is_tried_out():
    assert outermost(kernels(operando.xas)) == set(ARGUMENTS)


@pytest.mark.faults
def test_kernels_and_series_give_the_same_in_other_processes(spectra):
    distributed = pytest.importorskip("distributed", reason="dask.distributed is not installed")
    mu = spectra(40, noise=2e-3).assign_attrs(units="1")
    expected = xas.edge_energy(xas.normalize(mu))
    with (
        distributed.LocalCluster(n_workers=1, threads_per_worker=2, dashboard_address=":0") as cluster,
        distributed.Client(cluster) as client,
    ):
        for name in sorted(ARGUMENTS):
            module, function = name.rsplit(".", 1)
            kernel = getattr(importlib.import_module(f"operando.xas.{module}"), function)
            there, here = client.submit(kernel, *ARGUMENTS[name], pure=False).result(), run_kernel(name)
            assert_same(there, here)
        lazy = xas.normalize(mu.chunk(scan=7))
        found = client.compute(xas.edge_energy(lazy)).result()
        normal = client.compute(lazy).result()
    xr.testing.assert_identical(found.drop_attrs(), expected.drop_attrs())
    xr.testing.assert_identical(normal.drop_attrs(), xas.normalize(mu).drop_attrs())


def test_many_threads_give_the_same(spectra):
    mu = spectra(60, noise=2e-3)
    found = xas.normalize(mu.chunk(scan=3)).compute(scheduler="threads", num_workers=4)
    xr.testing.assert_identical(found.drop_attrs(), xas.normalize(mu).drop_attrs())
