"""Normalized absorption has edge step 1 whatever the background, the layout of the array and its chunks."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from operando import OperandoError, flags, xas
from operando.flags import Flag
from operando.history import entries
from operando.schema import check
from operando.xas.layout import PROCESSED

NAMES = ["normalized", "flattened", "pre_edge", "post_edge", "edge_step", "e0"]


@pytest.fixture
def series(spectra) -> xr.DataArray:
    mu = spectra(12, noise=1e-3).copy()
    mu[3, 420:] = np.nan
    mu[8, 100] = np.nan
    times = np.datetime64("2026-01-01", "ns") + np.arange(12) * np.timedelta64(1, "h")
    return mu.assign_coords(
        time=("scan", times),
        time_start=("scan", times),
        time_end=("scan", times),
        source=("scan", np.array([f"scan_{k}" for k in range(12)], dtype=object)),
        flag=("scan", np.zeros(12, np.int32), flags.attrs()),
    )


def test_a_step_on_a_line_has_its_own_height():
    energy = np.arange(7000.0, 7900.0, 0.5)
    step = np.where(energy > 7112.2, 1.0, 0.0)
    mu = xr.DataArray(3.0 + 2e-3 * energy + 0.7 * step, dims="energy", coords={"energy": energy})
    result = xas.normalize(mu, pre2=-20.0, norm1=20.0)
    assert abs(result["edge_step"].item() - 0.7) < 1e-9
    assert abs(result["e0"].item() - 7112.2) < 1.0
    far = abs(energy - 7112.2) > 1
    np.testing.assert_allclose(result["normalized"][far], step[far], atol=1e-9)
    np.testing.assert_allclose(result["flattened"][far], step[far], atol=1e-9)


@given(scale=st.floats(1e-3, 1e5), offset=st.floats(-10, 10), slope=st.floats(-1e-3, 1e-3))
@settings(max_examples=25, deadline=None)
def test_a_linear_background_and_a_scale_change_nothing(scale, offset, slope):
    energy = np.linspace(8200.0, 8900.0, 400)
    mu = xr.DataArray(np.arctan((energy - 8333.0) / 2), dims="energy", coords={"energy": energy})
    plain = xas.normalize(mu, e0=8333.0)
    moved = xas.normalize(scale * (mu + offset + slope * (mu["energy"] - 8333.0)), e0=8333.0)
    np.testing.assert_allclose(moved["normalized"], plain["normalized"], atol=1e-9)


@given(chunk=st.integers(1, 13), along=st.integers(1, 500), order=st.permutations(["scan", "energy", "y"]))
@settings(max_examples=12, deadline=None)
def test_chunks_and_the_order_of_dims_change_nothing(chunk, along, order):
    from numpy.random import default_rng

    energy = np.linspace(8200.0, 8900.0, 500)
    rng = default_rng(5)
    rows = np.arctan((energy - 8333 - rng.normal(0, 2, (6, 2, 1))) / 2) + rng.normal(0, 1e-2, (6, 2, 500))
    rows[2, 1, 440:] = np.nan
    mu = xr.DataArray(rows, dims=("scan", "y", "energy"), coords={"energy": energy})
    expected = xas.normalize(mu)
    lazy = xas.normalize(mu.transpose(*order).chunk(scan=chunk, energy=along))
    assert all(lazy[name].chunks is not None for name in NAMES)
    assert lazy["normalized"].dims == tuple(order)
    xr.testing.assert_identical(
        lazy.compute().transpose("scan", "y", "energy", ...).drop_attrs(), expected.drop_attrs()
    )
    alone = xas.normalize(mu[4, 1])
    xr.testing.assert_identical(alone.drop_attrs(), expected.isel(scan=4, y=1).drop_attrs())


def test_the_result_has_units_names_history_and_the_layout_of_the_store(series):
    series.attrs["units"] = "mV"
    result = xas.normalize(series, nnorm=2)
    check(result, PROCESSED)
    assert result["normalized"].attrs["units"] == result["flattened"].attrs["units"] == "1"
    assert {result[name].attrs["units"] for name in ("pre_edge", "post_edge", "edge_step")} == {"mV"}
    assert result["e0"].attrs["units"] == "eV"
    assert entries(result)[-1]["step"] == "xas.normalize"
    assert entries(result)[-1]["parameters"]["nnorm"] == 2
    assert "units" not in series["energy"].attrs or result["energy"].attrs == series["energy"].attrs


def test_an_input_is_never_changed(series):
    before = series.copy(deep=True)
    xas.normalize(series)
    xr.testing.assert_identical(series, before)


def test_scans_without_an_edge_are_flagged_and_the_others_are_not(series):
    mu = series.copy(deep=True)
    mu[0] = 1.0
    mu[1] = np.random.default_rng(0).normal(1, 0.1, 500)
    mu[2, 5:] = np.nan
    mu[5] = np.nan
    for array in (mu, mu.chunk(scan=5)):
        result = xas.normalize(array).compute()
        flagged = (result["flag"].to_numpy() & Flag.no_edge) > 0
        assert flagged.tolist() == [k in {0, 1, 2, 5} for k in range(12)]
        assert np.isnan(result["e0"][[0, 2, 5]]).all()
        assert np.isnan(result["normalized"][[0, 2, 5]]).all()
        assert result["flag"].attrs == flags.attrs()
        assert result["flag"].dtype == np.int32


def test_no_point_is_invented_where_a_scan_has_none(series):
    result = xas.normalize(series)
    np.testing.assert_array_equal(np.isnan(result["normalized"]), np.isnan(series))


@pytest.mark.parametrize(
    ("mu", "settings", "message"),
    [
        (xr.DataArray(np.ones(5), dims="x"), {}, "dim 'energy'"),
        (xr.DataArray(np.ones(5), dims="energy"), {}, "dim 'energy'"),
        (xr.DataArray(np.ones(5), dims="energy", coords={"energy": np.arange(5.0)}), {"nnorm": 7}, "nnorm from 0 to 5"),
        (
            xr.DataArray(np.ones(2), dims="energy", coords={"energy": ("energy", [7.0, 8.0], {"units": "keV"})}),
            {},
            "energies in eV, got 'keV'",
        ),
    ],
)
def test_a_mistaken_call_is_one_plain_sentence(mu, settings, message):
    with pytest.raises(OperandoError, match=message) as caught:
        xas.normalize(mu, **settings)
    assert "\n" not in str(caught.value)
