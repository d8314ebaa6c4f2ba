"""Measured series that leave in every format come back equal."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import xarray as xr

from operando import echem, tomo, xas, xps
from operando.errors import OperandoWarning
from operando.pipelines.export import write_athena, write_bdf, write_nexus, write_nexus_files, write_vamas

pytestmark = pytest.mark.realdata


def quietly(read, *arguments, **settings) -> xr.Dataset:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", OperandoWarning)
        return read(*arguments, **settings)


def test_two_logs_of_one_cell_come_back_from_the_battery_data_format(realdata, tmp_path):
    files = sorted((realdata / "xas" / "perex" / "echem").glob("*.mpt"))
    ds = quietly(echem.read, files, timezone="Europe/Paris")
    read = echem.read(write_bdf(tmp_path / "own.bdf.csv", xr.DataTree.from_dict({"/echem": ds}))[0])
    for name in ("time", "voltage", "current", "step", "segment", "cycle", "half_cycle", "cycler_cycle", "flag"):
        np.testing.assert_array_equal(read[name], ds[name], err_msg=name)
    np.testing.assert_allclose(read["charge"], ds["charge"], rtol=0, atol=1e-11 * float(abs(ds["charge"]).max()))


def test_a_measured_project_comes_back_from_nexus_and_athena(realdata, tmp_path):
    ds = quietly(xas.read, realdata / "xas" / "larch" / "cyanobacteria.prj")
    tree = xr.DataTree.from_dict({"/xas/measured/raw": ds})
    (path,), _ = write_nexus_files(tmp_path / "own.nxs", tree)
    read = quietly(xas.read, path)
    for one in ("mu", "i0", "energy", "flag"):
        np.testing.assert_array_equal(read[one], ds[one], err_msg=one)
    path, left_out = write_athena(tmp_path / "own.prj", tree)
    assert not left_out
    for k in (0, ds.sizes["scan"] - 1):
        one = ds.isel(scan=k)
        kept = np.isfinite(one["mu"].values)
        again = quietly(xas.read, path, group=f"measured mu {k:0{len(str(ds.sizes['scan'] - 1))}d}")
        np.testing.assert_array_equal(again["mu"], one["mu"].values[kept])


@pytest.mark.parametrize(
    ("file", "settings"),
    [
        ("In-situ_PBTTT_XPS_SPECS.xml", {"region": "C 1s"}),
        ("SnO2_10nm_1.pro", {"region": "C 1s"}),
        ("Ag_0001Ag__001.ibw", {}),
    ],
)
def test_measured_core_levels_come_back_from_nexus_and_vamas(realdata, tmp_path, file, settings):
    path = realdata / "xps" / "pynxtools-xps" / file
    ds = quietly(xps.read, path, timezone="Europe/Berlin", **settings)
    tree = xr.DataTree.from_dict({"/xps/measured/raw": ds})
    quantity = next(name for name in ("counts", "rate", "intensity") if name in ds)
    for written in (write_vamas(tmp_path / "own.vms", tree), *write_nexus_files(tmp_path / "own.nxs", tree)[0]):
        read = quietly(xps.read, written)
        for name in (quantity, "transmission", "binding_energy", "time_start", "time", "flag"):
            if name in ds.variables:
                np.testing.assert_array_equal(
                    np.squeeze(read[name]), np.squeeze(ds[name]), err_msg=f"{written}: {name}"
                )


def test_a_measured_volume_comes_back_from_nexus(realdata, tmp_path):
    path = realdata / "tomo" / "snow.tif"
    ds = quietly(tomo.read, path, voxel_size=20.0)
    read = tomo.read(write_nexus(tmp_path / "own.nxs", tomo.nexus_tree(ds)))
    np.testing.assert_array_equal(read["grey"], ds["grey"])
    np.testing.assert_allclose(read["z"], ds["z"], rtol=1e-12)
