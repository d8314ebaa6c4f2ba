"""Lines and backgrounds give the same in other processes and in many threads."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from operando.xps.backgrounds import linear, polynomial, shirley, tougaard
from operando.xps.line_profiles import line_profile
from operando.xps.line_shapes import SHAPES

X = np.linspace(160.0, 170.0, 60)
LINE = np.exp(-((X - 165.0) ** 2)) + 0.1 + 0.02 * (X > 165.0)

STEPS = {
    "shirley": shirley,
    "tougaard": tougaard,
    "linear": linear,
    "polynomial": lambda spectra: polynomial(spectra, [(160.0, 162.0), (168.0, 170.0)]),
}


def spectra(chunk=None):
    coords = {"binding_energy": ("binding_energy", X, {"units": "eV"})}
    whole = xr.DataArray(np.outer(np.arange(1.0, 9.0), LINE), dims=("scan", "binding_energy"), coords=coords)
    return whole if chunk is None else whole.chunk(scan=chunk)


def lines(shape, chunk=None):
    positions = xr.DataArray(np.linspace(163.0, 166.0, 8), dims="scan")
    return line_profile(X, shape, position=positions if chunk is None else positions.chunk(scan=chunk), fwhm=1.2)


def everything(chunk=None):
    found = {name: step(spectra(chunk))["background"] for name, step in STEPS.items()}
    return {**found, **{shape: lines(shape, chunk) for shape in SHAPES}}


def assert_same(found):
    for name, expected in everything().items():
        xr.testing.assert_allclose(found[name], expected, rtol=1e-12)


@pytest.mark.faults
def test_other_processes_give_the_same():
    distributed = pytest.importorskip("distributed", reason="dask.distributed is not installed")
    with (
        distributed.LocalCluster(n_workers=1, threads_per_worker=2, dashboard_address=":0") as cluster,
        distributed.Client(cluster) as client,
    ):
        assert_same({name: client.compute(lazy).result() for name, lazy in everything(chunk=2).items()})


def test_many_threads_give_the_same():
    assert_same({name: lazy.compute(scheduler="threads", num_workers=4) for name, lazy in everything(chunk=1).items()})
