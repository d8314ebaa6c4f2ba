"""What the linked queries say of the simulated cell lies within their errors of what is true."""

from __future__ import annotations

import numpy as np
import pytest

import operando
from operando.quantities import quantity


@pytest.fixture(scope="module")
def bulk(shipped):
    """Return the delithiated share of the bulk, by the fluorescence."""
    ds = shipped.tree["xas/Ni_L3/processed"].to_dataset()
    share = ds["fraction"].sel(signal="tfy", drop=True)
    lithiated, delithiated = (share.sel(reference=f"{name} NCM", drop=True) for name in ("lithiated", "delithiated"))
    std = ds["fraction_std"].sel(signal="tfy", reference="delithiated NCM", drop=True)
    whole = (lithiated + delithiated).where(ds["flag"] == 0)
    return ds.assign(bulk=(delithiated / whole).assign_attrs(units="1"), bulk_std=std)


def test_a_cell_without_chemical_lag_has_none(shipped, bulk):
    """Side reactions, which the charge counts and the cathode does not, take up to 3 min."""
    found = operando.lag(quantity(bulk, "bulk"), quantity(shipped.tree, "echem/charge"))
    assert abs(float(found.lag)) < 2 * float(found.lag_std) + 3
    assert float(found.lag_std_clock) < 0.01


def test_the_bulk_follows_the_charge_with_slope_one_per_reference_capacity(shipped, bulk):
    found = operando.correlate(quantity(bulk, "bulk"), quantity(bulk, "soc"))
    assert float(found.slope) == pytest.approx(1.0, abs=max(3 * float(found.slope_std), 0.03))
    assert float(found.spearman) > 0.99
    assert int(found.n) > 50
    assert float(found.n_effective) < 10


def test_the_loop_of_the_edge_is_that_of_the_true_edge(shipped):
    found = operando.hysteresis(quantity(shipped.tree, "xas/Ni_L3/edge_energy", signal="tey"))
    ds = shipped.tree["xas/Ni_L3/processed"].to_dataset().sel(signal="tey", drop=True)
    known = shipped.truth["xas/Ni_L3"].to_dataset()
    names = [str(source).rsplit("/", 1)[-1] for source in ds["source"].values]
    order = [list(known["source"].values).index(name) for name in names]
    true = known["edge_energy_normalized"].values[order]
    exact = ds.assign(edge_energy=("scan", np.where(np.isfinite(ds["edge_energy"]), true, np.nan), {"units": "eV"}))
    loop = operando.hysteresis(quantity(exact, "edge_energy"))
    off = (found["mean_difference"] - loop["mean_difference"]) / found["mean_difference_std"]
    assert (abs(off) < 3).all()


def test_depths_are_those_by_which_the_spectra_were_made(shipped):
    found = operando.depth_profile(shipped.tree)
    assert {str(node).split("/")[0] for node in found["node"].values} == {"xas", "xpeem", "xps", "xtm"}
    known = shipped.truth["xas/Ni_L3"].to_dataset()
    rows = {str(label).split(", ")[0]: at for at, label in enumerate(found["label"].values) if ", " in str(label)}
    tey, tfy = (found.isel(row=rows[name]) for name in ("tey", "tfy"))
    assert abs(float(tey["mean_depth"] - known["Le"])) < float(tey["mean_depth_std"])
    window = (known["energy"] >= 854.0) & (known["energy"] <= 874.0)
    true = float(known["Lf_energy"].where(window).mean("energy")[int(tfy["scan"])])
    assert abs(float(tfy["mean_depth"]) - true) < 2 * float(tfy["mean_depth_std"])


def test_the_clocks_choices_are_far_from_what_is_stored(shipped):
    """An hour moves the potential by half a volt, what the shared channel found by 2 mV."""
    raw, log = (shipped.tree[name].to_dataset() for name in ("xas/Ni_L3/raw", "echem"))
    found = operando.clock_choices(raw, log)
    rms = dict(zip(found["choice"].values, found["rms"].values, strict=True))
    assert rms["not corrected"] < 0.01
    assert min(rms["an hour later"], rms["an hour earlier"]) > 0.1
    np.testing.assert_allclose(found["potential"][0].values, raw["potential"].values, rtol=0, atol=1e-9)
