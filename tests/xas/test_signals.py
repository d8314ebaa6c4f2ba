"""The absorption follows Beer and Lambert, and yields follow I0."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from operando import OperandoError, xas


@pytest.fixture
def scans() -> xr.Dataset:
    energy = np.linspace(7000.0, 7100.0, 11)
    i0 = 1e5 + 100 * np.arange(11.0)
    mu, reference = np.linspace(0.4, 1.2, 11), np.linspace(0.1, 0.9, 11)
    channels = np.arange(1.0, 5.0) * (mu * i0)[:, None] / 10
    return xr.Dataset(
        {
            "i0": ("energy", i0),
            "transmission": ("energy", i0 * np.exp(-mu)),
            "reference": ("energy", i0 * np.exp(-mu - reference)),
            "tey": ("energy", mu * i0),
            "fluorescence": (("energy", "detector"), channels),
            "mu": ("energy", mu, {"units": "1"}),
        },
        coords={"energy": ("energy", energy, {"units": "eV"})},
        attrs={"expected_reference": 1},
    ).expand_dims(scan=3)


def test_absorption_comes_back_from_intensities(scans):
    for name in ("transmission", "tey", "fluorescence", "mu"):
        found = xas.signal(scans, name)
        assert found.name == "mu"
        assert found.attrs["units"] == "1"
        assert found.energy.attrs["units"] == "eV"
        assert set(found.dims) == {"scan", "energy"}
        np.testing.assert_allclose(found.transpose("scan", "energy")[0], np.linspace(0.4, 1.2, 11))
    np.testing.assert_allclose(xas.signal(scans, "reference")[0], np.linspace(0.1, 0.9, 11))


def test_a_reference_without_transmission_is_taken_as_it_is(scans):
    np.testing.assert_array_equal(xas.signal(scans.drop_vars("transmission"), "reference"), scans["reference"])


def test_an_intensity_that_is_not_positive_gives_nan_not_infinity(scans):
    scans = scans.copy(deep=True)
    scans["i0"] = scans["i0"].copy()
    scans["i0"][:, 3], scans["i0"][:, 4] = 0.0, -5.0
    for name in ("transmission", "tey"):
        found = xas.signal(scans, name)
        assert np.isnan(found[:, [3, 4]]).all()
        assert np.isfinite(np.delete(found.to_numpy(), [3, 4], axis=1)).all()


def test_lazy_intensities_stay_lazy(scans):
    lazy = xas.signal(scans.chunk(scan=1), "transmission")
    assert lazy.chunks is not None
    np.testing.assert_allclose(lazy.compute(), xas.signal(scans, "transmission"))


@pytest.mark.parametrize(
    ("name", "gone", "message"),
    [
        ("xanes", [], "expected one of mu, tey"),
        ("tfy", [], "needs 'tfy', the scans have i0"),
        ("tey", ["i0"], "needs 'i0'"),
        ("transmission", ["i0"], "needs 'i0'"),
    ],
)
def test_what_is_missing_is_named(scans, name, gone, message):
    with pytest.raises(OperandoError, match=message):
        xas.signal(scans.drop_vars(gone), name)
