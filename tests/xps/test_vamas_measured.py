"""VAMAS files that were measured or simulated: axes as exported, counts as simulated, damage always told."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray as xr

from operando import xps
from operando.errors import OperandoWarning
from operando.example_scans import parameters, xps_spectra
from operando.flags import Flag

SIMULATED = Path(__file__).resolve().parents[2] / "example_scans" / "small" / "xps"
REGIONS = ("C 1s", "S 2p", "P 2p")
DEGRADED = Flag.truncated | Flag.not_finite


def quiet(path: Path, **settings) -> xr.Dataset:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", OperandoWarning)
        return xps.read(path, **settings)


def blocks_by_hand(path: Path) -> Iterator[dict]:
    """Yield the blocks of a simulated file, found by their fixed order of lines and not by the reader."""
    lines = path.read_text().replace("\r", "").split("\n")
    at = lines.index("C 1s")
    while at < len(lines) and lines[at] in REGIONS:
        numbers = at + 50
        stated = int(lines[numbers])
        values = lines[numbers + 5 : numbers + 5 + stated]
        cut = len(values) < stated or "end of experiment" in values
        values = values[: len(values) - 1] if cut else values
        rows = np.array(values[: len(values) // 2 * 2], float).reshape(-1, 2)
        start, step = float(lines[at + 35]), float(lines[at + 36])
        local = datetime(*map(int, lines[at + 2 : at + 8]))
        yield {
            "region": lines[at],
            "energy": 1486.6 - (start + step * np.arange(len(rows))),
            "counts": rows[:, 0],
            "transmission": rows[:, 1],
            "local": local,
            "hours": int(lines[at + 8]),
            "cut": cut,
        }
        at = numbers + 5 + stated


@pytest.mark.parametrize("path", sorted(SIMULATED.glob("*.vms")), ids=lambda path: path.stem)
def test_every_simulated_block_opens_to_its_numbers_and_its_time(path):
    found = list(blocks_by_hand(path))
    assert [one["region"] for one in found] == list(REGIONS)
    for one in found:
        ds = quiet(path, region=one["region"])
        np.testing.assert_allclose(ds["binding_energy"], one["energy"][::-1], rtol=0, atol=1e-9)
        np.testing.assert_array_equal(ds["counts"], one["counts"][::-1])
        np.testing.assert_array_equal(ds["transmission"], one["transmission"][::-1])
        assert ds["time_start"].values == np.datetime64(one["local"] - timedelta(hours=one["hours"]))
        assert bool(int(ds["flag"]) & Flag.truncated) == one["cut"]
        assert ds["photon_energy"].item() == 1486.6


@pytest.mark.parametrize("node", ["S_2p", "P_2p", "C_1s"])
def test_the_series_agrees_with_the_simulated_truth(node):
    """Energies, the flags that reading can raise, times but for the clock's drift, and counts to Poisson noise."""
    law = parameters.load("small").xps
    level = next(one for one in law.levels if one.node == node)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        truth = xr.open_zarr(SIMULATED.parent / "truth.zarr" / "xps" / node).load()
        zone = {"timezone": "Europe/Zurich", "hours_ahead": "timezone"}
        series = xps.read_series(sorted(SIMULATED.glob("*.vms")), region=node.replace("_", " "), **zone)
    energies = xps_spectra.binding_energies(level, law)
    np.testing.assert_allclose(series["binding_energy"], energies, rtol=0, atol=1e-9)
    judged = int(truth.attrs["judged_flags"]) & ~int(Flag.ec_gap)
    np.testing.assert_array_equal(series["flag"].values & judged, truth["flag"].values & judged)
    late = (series["time_start"].values - truth["time_start"].values) / np.timedelta64(1, "s")
    elapsed = (truth["time_start"].values - truth["time_start"].values[0]) / np.timedelta64(1, "s")
    np.testing.assert_allclose(late - 25e-6 * elapsed, late[0], rtol=0, atol=1.0)
    sound = np.array([fault in ("", "wrong_hour") for fault in truth["fault"].values])
    shown = zip(truth["area"].values, truth["position"].values, strict=True)
    expected = np.stack([xps_spectra.spectrum(area, position, level, law) for area, position in shown])
    expected = expected * series["transmission"].values
    chi2 = (((series["counts"].values - expected) ** 2 / expected)[sound]).sum()
    freedom = sound.sum() * energies.size
    assert abs(chi2 / freedom - 1) < 3.3 * np.sqrt(2 / freedom)


@pytest.mark.realdata
def test_binding_energies_and_counts_are_those_that_casaxps_exports(realdata):
    folder = realdata / "xps/pynxtools-xps"
    ours, theirs = (xps.read(folder / name) for name in ("FeO_analyzed.vms", "FeO_analyzed_lineshapes_cols.txt"))
    np.testing.assert_allclose(ours["binding_energy"], theirs["binding_energy"], rtol=0, atol=1e-9)
    np.testing.assert_allclose(ours["counts"], theirs["counts"], rtol=1e-6)
    assert (ours.attrs["region"], theirs.attrs["region"]) == ("Fe 2p", "Fe 2p")


@pytest.mark.realdata
def test_energies_and_rates_are_those_that_a_peer_reads(realdata):
    """The NeXus file that pynxtools-xps made of the same spectrum: counts per second on binding energies."""
    folder = realdata / "xps/pynxtools-xps"
    ours = xps.read(folder / "FeO_analyzed.vms")
    with h5py.File(folder / "vms_analysis_ref.nxs") as peer:
        energy, rate = (peer[f"FeO__Fe2p/data/{name}"][()] for name in ("energy", "data"))
    np.testing.assert_allclose(ours["binding_energy"], energy[::-1], rtol=0, atol=1e-6)
    np.testing.assert_allclose(ours["counts"] / ours["dwell"] / ours["sweeps"], rate[::-1], rtol=1e-6)


@pytest.mark.realdata
def test_components_are_those_that_casaxps_fitted_and_exported(realdata):
    folder = realdata / "xps/pynxtools-xps"
    kept, exported = (
        xps.casaxps_components(xps.read(folder / name))
        for name in ("FeO_analyzed.vms", "FeO_analyzed_lineshapes_cols.txt")
    )
    np.testing.assert_allclose(kept["area"], [63507.37, 35837.06, 49042.13, 17705.16], atol=0.006)
    np.testing.assert_allclose(kept["position"], [709.05, 716.00, 722.13, 729.89], atol=0.006)
    for name in ("area", "position", "fwhm"):
        np.testing.assert_allclose(kept[name], exported[name], atol=0.006)
        assert kept[name].attrs["units"] == exported[name].attrs["units"]
    assert list(kept["line_shape"].values) == ["LF(0.54,10,80,100,6)", "SGL(30)"] * 2
    assert list(kept["line_shape"].values) == list(exported["line_shape"].values)


@pytest.mark.realdata
def test_the_exported_curve_of_a_component_has_its_area_in_counts_per_second(realdata):
    """Over the exported range the first component's rate integrates to the area kept, to its tail beyond (2 %)."""
    lines = (realdata / "xps/pynxtools-xps/FeO_analyzed_lineshapes_cols.txt").read_text().splitlines()
    table = np.array([[float(line.split("\t")[k]) for k in (9, 11, 15)] for line in lines[8:]])
    area = abs(np.trapezoid(table[:, 1] - table[:, 2], table[:, 0]))
    assert area == pytest.approx(63507.37, rel=0.02)
