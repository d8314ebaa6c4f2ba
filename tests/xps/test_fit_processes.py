"""The fit's kernels run in other processes and threads, and give the same there."""

from __future__ import annotations

import importlib
import sys

import numpy as np
import pytest
import xarray as xr
from compiled_kernels import kernels, outermost
from sulfur_spectra import ENERGY, spectra

import operando.xps
from operando import xps
from operando.errors import OperandoWarning
from operando.xps import Background, Doublet, Free, Model
from operando.xps.fit_kernels import POISSON
from operando.xps.line_kernels import line_functions
from operando.xps.relocation import area_places
from operando.xps.starts import linear, start_tables, starts

MODEL = Model([Doublet("PS4", Free(161.6, 160.8, 162.4), 1.0, 1.18, 0.511)], Background(polynomial=0))
MODULES = (
    "model_kernels",
    "fit_kernels",
    "step_kernels",
    "series_kernels",
    "relocation_kernels",
    "global_kernels",
    "profile_kernels",
)


def arguments() -> dict[str, tuple]:
    compiled = MODEL.compiled
    structure, grid = compiled.structure, (*compiled.points(ENERGY), line_functions([0]))
    size, points = len(compiled.names), ENERGY.size
    counts, one = spectra(2).to_numpy(), np.ones((2, points))
    stack, form = (counts, one, one, 0 * one), (structure, grid)
    lines, begin = linear(compiled), starts(compiled)
    screening = (lines, begin, start_tables(compiled, grid, lines, begin))
    free = compiled.start + np.array([9000.0, 0, 0, 0.02, 400.0, 0])
    edges = compiled.low, compiled.high
    task, places, moves = (*edges, POISSON, 1.0), area_places(compiled, lines), np.zeros((1, size))
    found = (np.tile(free, (2, 1)), np.full(2, np.inf), np.zeros(2, np.int64))
    out = (np.zeros((2, size, size)), np.zeros((2, 3)), np.zeros((2, 2, points)))
    normal = np.tile(np.eye(size) + 0.1, (2, 1, 1)), np.ones((2, size))
    split, rows = (np.arange(size - 2), np.arange(size - 2, size)), np.tile(free, (2, 1))
    own = np.zeros((2, size - 2), np.bool_)
    return {
        "series_kernels.fill_starts": (structure, grid, begin, places, np.zeros((len(begin), 2, 2, points))),
        "series_kernels.screen_rows": (grid, stack, POISSON, screening, np.full((2, 3, size), np.nan)),
        "series_kernels.fit_rows": (form, stack, task, np.tile(free, (2, 1, 1)), found),
        "series_kernels.describe_rows": (form, stack, task, found, out),
        "global_kernels.statistics_rows": (form, stack, POISSON, rows, (np.zeros(2), 0 * normal[0], 0 * normal[1])),
        "global_kernels.joint_step": (normal, rows, (*edges, 0.1), split),
        "global_kernels.joint_gain": (normal, 0.1 * rows),
        "global_kernels.joint_covariance": (normal, (own, own[0, :2].copy()), split, 0 * normal[0]),
        "profile_kernels.profile_rows": (
            form,
            stack,
            task,
            (rows, normal[0], np.array([0, 3]), np.ones(2)),
            np.zeros((2, 2, 3)),
        ),
        "relocation_kernels.relocate_rows": (
            form,
            stack,
            (lines, places, POISSON),
            (moves, compiled.low, compiled.high),
            (found[0], np.zeros((2, 1, size))),
        ),
        "series_kernels.draw_rows": (form, free[None], one[:1], compiled.owners, np.zeros((1, 1, points))),
    }


def tried(name: str) -> list[np.ndarray]:
    """Return, flat, what a kernel returns and leaves in its arguments, which are copied: they must be writable."""
    module, function = name.split(".")
    kernel = getattr(importlib.import_module(f"operando.xps.{module}"), function)

    def copied(value):
        if isinstance(value, tuple):
            return tuple(copied(item) for item in value)
        return value if callable(value) else np.array(value)[()]

    def leaves(value):
        return [leaf for item in value for leaf in leaves(item)] if isinstance(value, tuple) else [value]

    own = copied(arguments()[name])
    result = kernel(*own)
    return [np.asarray(leaf) for leaf in [*leaves(result), *leaves(own)] if leaf is not None and not callable(leaf)]


def same(there: list[np.ndarray], here: list[np.ndarray]) -> None:
    for one, other in zip(there, here, strict=True):
        np.testing.assert_array_equal(one, other)


def test_every_kernel_of_the_fit_that_no_other_calls_is_tried_out():
    known = outermost(kernels(operando.xps))
    assert {name for name in known if name.split(".")[0] in MODULES} == set(arguments())


def test_kernels_and_fits_give_the_same_in_other_processes():
    distributed = pytest.importorskip("distributed", reason="dask.distributed is not installed")
    cloudpickle = pytest.importorskip("cloudpickle", reason="cloudpickle comes with dask.distributed")
    series = spectra(9, seed=2)
    lines = [Doublet(n, at, 1.1, 1.18, 0.511) for n, at in (("PS4", 161.6), ("Li2S", 160.1), ("bridge", 163.2))]
    model = Model(lines, Background(polynomial=0))
    expected = xps.fit(series, model)
    with (
        distributed.LocalCluster(n_workers=1, threads_per_worker=2, dashboard_address=":0") as cluster,
        distributed.Client(cluster) as client,
    ):
        cloudpickle.register_pickle_by_value(sys.modules[__name__])
        for name in arguments():
            there = client.submit(tried, name, pure=False).result()
            same(there, tried(name))
        lazy = client.compute(xps.fit(series.chunk(scan=2), model)).result()
    xr.testing.assert_identical(lazy, expected)


def test_many_threads_give_the_same():
    series = spectra(40, seed=5)
    found = xps.fit(series.chunk(scan=3), MODEL).compute(scheduler="threads", num_workers=4)
    with pytest.warns(OperandoWarning, match="are missed by their fit"):
        xr.testing.assert_identical(found, xps.fit(series, MODEL))
