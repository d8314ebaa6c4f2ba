"""The fit's kernels run in other processes and threads, and give the same there."""

from __future__ import annotations

import importlib
import sys

import numpy as np
import pytest
import xarray as xr
from sulfur_spectra import ENERGY, spectra

from operando import xps
from operando.errors import OperandoWarning
from operando.xps import Background, Doublet, Free, Model
from operando.xps.fit_kernels import POISSON, room
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


def cleared(memory: tuple) -> tuple:
    """Return room for a fit whose rows that no shape uses are the same in every process."""
    return tuple(tuple(np.zeros_like(array) for array in part) for part in memory)


def arguments() -> dict[str, tuple]:
    compiled = MODEL.compiled
    structure, grid = compiled.structure, (*compiled.points(ENERGY), line_functions([0]))
    size, rows, points = len(compiled.names), structure[4].size, ENERGY.size
    memory, small = cleared(room(size, rows, points)), cleared(room(3, 1, points))
    counts, one = spectra(2).to_numpy(), np.ones((2, points))
    spectrum, stack = (counts[0], one[0], one[0], 0 * one[0]), (counts, one, one, 0 * one)
    lines, begin = linear(compiled), starts(compiled)
    screening = (lines, begin, start_tables(compiled, grid, lines, begin))
    free = compiled.start + np.array([9000.0, 0, 0, 0.02, 400.0, 0])
    full = np.array([row.at(dict(zip(compiled.names, free, strict=True))) for _, row in compiled.rows])
    task, form, table, marks = (
        (compiled.low, compiled.high, POISSON, 1.0),
        (structure, grid),
        memory[2][0],
        memory[2][1],
    )
    square, ones = np.eye(size) + 0.1, np.ones(size)
    found = (np.tile(free, (2, 1)), np.full(2, np.inf), np.zeros(2, np.int64))
    out = (np.zeros((2, size, size)), np.zeros((2, 3)), np.zeros((2, 2, points)))
    places, shapes = area_places(compiled, lines), np.zeros((2, 2, points))
    moves = np.zeros((1, size))
    none, flags, curve = np.zeros((size, size)), np.zeros(size, np.bool_), np.ones(points)
    normal = np.tile(square, (2, 1, 1)), np.ones((2, size))
    split, rows = (np.arange(size - 2), np.arange(size - 2, size)), np.tile(free, (2, 1))
    own, part = np.zeros((2, size - 2), np.bool_), (np.zeros((2, 2)), np.zeros(2))
    edges = compiled.low, compiled.high
    problem, goal = (form, spectrum, task), (0, 1.0, 100.0)
    return {
        "model_kernels.assign": (full.copy(), full),
        "model_kernels.expand": (structure, free, full.copy()),
        "model_kernels.through": (np.eye(points), one, 0 * one),
        "model_kernels.fill_line": (structure, grid, full, 0, table),
        "model_kernels.add_row": (structure, 0, curve, 1.0, np.zeros((size, points))),
        "model_kernels.add_line": (
            structure,
            (0, 0),
            full,
            (curve.copy(), curve.copy(), np.zeros((size, points))),
            np.ones((15, points)),
        ),
        "model_kernels.fill_part": (0, grid, (3, 90), full[1:7].copy(), table),
        "model_kernels.evaluate": (structure, grid, full, memory[0], table),
        "fit_kernels.room": (2, 3, 4),
        "fit_kernels.squares": (spectrum, curve, marks),
        "fit_kernels.deviance": (spectrum, curve, marks),
        "fit_kernels.weigh": (spectrum, POISSON, curve, marks),
        "fit_kernels.normal": (np.ones((size, points)), np.ones((2, points)), none.copy(), 0 * ones, curve.copy()),
        "step_kernels.factored": (square, flags.copy(), none.copy()),
        "step_kernels.solved": (square, flags, ones.copy()),
        "step_kernels.scaled_matrix": (square, 0.1, 0 * ones, none.copy()),
        "step_kernels.held_back": (0 * ones, (-ones, ones), 3 * ones, flags.copy()),
        "step_kernels.bounded_step": ((square, ones), 0 * ones, (-ones, ones), 0.1, 0 * ones),
        "step_kernels.lowered": (square, ones, ones),
        "step_kernels.distance": (square, ones, 0 * ones),
        "fit_kernels.measured": (form, spectrum, POISSON, free, (memory[0], marks, full.copy(), table)),
        "fit_kernels.statistics": (form, spectrum, POISSON, full, memory),
        "step_kernels.learned": ((none.copy(), square), ones, ones, 0 * ones),
        "step_kernels.next_step": ((square, none, ones), 0 * ones, (-ones, ones), 0.0, (0 * ones, none.copy())),
        "fit_kernels.verdict": (square, ones, 1.0, (0 * ones, 2.0), 1.0),
        "fit_kernels.advance": (0 * ones, ones, 0 * ones),
        "fit_kernels.go": (ones, ones, (0 * ones, 1.5 * ones), 0 * ones),
        "fit_kernels.settled": (square, 0 * ones, 1e-4 * ones, 1.0),
        "fit_kernels.minimize": (form, spectrum, task, (free.copy(), free, np.inf), memory),
        "series_kernels.fill_starts": (structure, grid, begin, places, np.zeros((len(begin), 2, 2, points))),
        "series_kernels.evaluate_linear": (screening[2][0], grid, np.ones(3), curve.copy(), np.zeros((3, points))),
        "series_kernels.screened": (grid, spectrum, (lines, screening[2][0]), np.zeros(3), small),
        "series_kernels.ranked": (np.array([1.0, 3.0]), 2.0, np.zeros((2, size))),
        "series_kernels.candidates": (grid, spectrum, screening, np.zeros((3, size)), small),
        "series_kernels.one_spectrum": (stack, 1),
        "series_kernels.lightened": (spectrum, POISSON),
        "series_kernels.finite": (ones,),
        "series_kernels.points_used": (spectrum,),
        "series_kernels.screen_rows": (grid, stack, POISSON, screening, np.full((2, 3, size), np.nan)),
        "series_kernels.fit_rows": (form, stack, task, np.tile(free, (2, 1, 1)), found),
        "series_kernels.describe_rows": (form, stack, task, found, out),
        "series_kernels.describe": (form, spectrum, task, (free, *(one[0] for one in out)), memory),
        "series_kernels.inverted": (square, flags.copy(), none.copy()),
        "series_kernels.runs": (np.sin(ENERGY), curve),
        "global_kernels.statistics_rows": (form, stack, POISSON, rows, (np.zeros(2), 0 * normal[0], 0 * normal[1])),
        "global_kernels.block": (square, split[0], split[1], 0.1, np.zeros((size - 2, 2))),
        "global_kernels.reduced": ((square, ones), (own[0], np.zeros(size - 2)), 0.1, split, part),
        "global_kernels.shared_system": (normal, (own, np.zeros(own.shape)), 0.1, split, part),
        "global_kernels.local_steps": (normal, rows, (*edges, 0.1), split, 0 * rows),
        "global_kernels.resting": (rows, normal[1], (*edges, 0.1), split[0]),
        "global_kernels.joint_step": (normal, rows, (*edges, 0.1), split),
        "global_kernels.first_finite": (np.where(np.eye(2, size) > 0, np.nan, 1.0),),
        "global_kernels.joint_gain": (normal, 0.1 * rows),
        "global_kernels.joint_covariance": (normal, (own, own[0, :2].copy()), split, 0 * normal[0]),
        "global_kernels.one_covariance": (square, split, (np.eye(size - 2), np.eye(2)), none.copy()),
        "global_kernels.slopes": (np.eye(size - 2), square, split),
        "global_kernels.without_nan": (np.where(square > 1, np.nan, square),),
        "profile_kernels.lowest_at": (problem, 0, 9000.0, free.copy(), memory),
        "profile_kernels.rise": (5.0, 1.0, goal),
        "profile_kernels.limit": (problem, goal, (free, 2e3, 1.0), free.copy(), memory),
        "profile_kernels.root": (problem, goal, (9000.0, -1.0, 9100.0, 1.0, 0.0), free.copy(), memory),
        "profile_kernels.interval": (problem, goal, free.copy(), 2e3, memory),
        "profile_kernels.expected": (square, square, 1),
        "profile_kernels.profile_rows": (
            form,
            stack,
            task,
            (rows, normal[0], np.array([0, 3]), np.ones(2)),
            np.zeros((2, 2, 3)),
        ),
        "series_kernels.fill_shapes": (structure, grid, (free, full), places, (shapes, np.zeros((14, points)))),
        "relocation_kernels.expected_at": (form, spectrum, free, (lines, places), (small, shapes, np.zeros(3))),
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


def kernels() -> set[str]:
    from numba.core.dispatcher import Dispatcher

    found = set()
    for name in MODULES:
        module = importlib.import_module(f"operando.xps.{name}")
        for key, value in vars(module).items():
            if isinstance(value, Dispatcher) and value.py_func.__module__ == module.__name__:
                found.add(f"{name}.{key}")
    return found


def test_every_kernel_of_the_fit_is_tried_out():
    assert kernels() == set(arguments())


def test_kernels_and_fits_give_the_same_in_other_processes():
    distributed = pytest.importorskip("distributed", reason="dask.distributed is not installed")
    cloudpickle = pytest.importorskip("cloudpickle", reason="cloudpickle comes with dask.distributed")
    series = spectra(9, seed=2)
    lines = [Doublet(n, at, 1.1, 1.18, 0.511) for n, at in (("PS4", 161.6), ("Li2S", 160.1), ("bridge", 163.2))]
    model = Model(lines, Background(polynomial=0))
    expected = xps.fit(series, model)
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=2, dashboard_address=":0") as cluster,
        distributed.Client(cluster) as client,
    ):
        cloudpickle.register_pickle_by_value(sys.modules[__name__])
        for name in arguments():
            there = client.submit(tried, name, pure=False).result()
            if name != "fit_kernels.room":
                same(there, tried(name))
        lazy = client.compute(xps.fit(series.chunk(scan=2), model)).result()
    xr.testing.assert_identical(lazy, expected)


def test_many_threads_give_the_same():
    series = spectra(40, seed=5)
    found = xps.fit(series.chunk(scan=3), MODEL).compute(scheduler="threads", num_workers=4)
    with pytest.warns(OperandoWarning, match="are missed by their fit"):
        xr.testing.assert_identical(found, xps.fit(series, MODEL))
