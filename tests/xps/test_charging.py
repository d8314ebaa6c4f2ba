"""Positions referred to a line of known energy, and when that is refused."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from core_line_series import core_line_series
from pulls import assert_unit_normal

from operando import xps
from operando.errors import OperandoError, OperandoWarning
from operando.flags import Flag
from operando.history import entries
from operando.schema import problems
from operando.xps.layout import REFERENCED

CARBON = {"C 1s": 284.8}
ELECTRODE = {"C 1s": "electrode", "Ni 2p": "electrode"}


def electrode(scans: int = 200, seed: int = 1, moved: float = 0.0) -> tuple[dict[str, xr.Dataset], np.ndarray]:
    """Return C 1s and Ni 2p of an electrode that charges, and the charging; Ni 2p moves on by ``moved`` (eV)."""
    series = core_line_series(scans, seed)
    rng = np.random.default_rng(seed + 500)
    true = 854.6 + series.charging + moved * (np.arange(scans) > scans / 2)
    nickel = xr.Dataset(
        {
            "position": (("scan", "peak"), (true + 0.02 * rng.standard_normal(scans))[:, None], {"units": "eV"}),
            "position_std": (("scan", "peak"), np.full((scans, 1), 0.02), {"units": "eV"}),
        },
        coords={"peak": np.array(["Ni2+"], dtype=object)},
    )
    return {"C 1s": series.fits["C 1s"], "Ni 2p": nickel}, series.charging


def referred(fits: dict[str, xr.Dataset], **settings: object) -> dict[str, xr.Dataset]:
    return xps.charge_reference(fits, CARBON, **{"peak": "C-C", "moves_with": ELECTRODE, **settings})


def test_charging_goes_and_errors_cover():
    fits, charging = electrode()
    found = referred(fits, energy_std=0.2)
    nickel = found["Ni 2p"]
    assert_unit_normal(((nickel["position"] - 854.6) / nickel["position_std"]).to_numpy().ravel())
    assert_unit_normal(((nickel["charge_shift"] - charging) / nickel["charge_shift_std"]).to_numpy())
    assert not problems(nickel, REFERENCED)
    assert float(nickel["charge_shift_systematic"]) == 0.2
    assert entries(nickel)[-1]["step"] == "xps.charge_reference"
    assert nickel["position"].attrs["units"] == "eV"


def test_the_reference_itself_is_exact_and_its_neighbor_takes_both_errors():
    fits, _ = electrode()
    carbon = referred(fits)["C 1s"]
    np.testing.assert_allclose(carbon["position"].sel(peak="C-C"), 284.8, atol=1e-12)
    np.testing.assert_allclose(carbon["position_std"].sel(peak="C-C"), 0, atol=1e-12)
    std = fits["C 1s"]["position_std"]
    expected = np.hypot(std.sel(peak="C-C"), std.sel(peak="C-O"))
    np.testing.assert_allclose(carbon["position_std"].sel(peak="C-O"), expected, rtol=1e-12)


def test_curves_on_the_measured_scale_stay_behind():
    fits, _ = electrode(5)
    fits["C 1s"]["fitted"] = (("scan", "binding_energy"), np.ones((5, 3)))
    fits["C 1s"]["area"] = fits["C 1s"]["position_std"] * 0 + 7.0
    carbon = referred(fits)["C 1s"]
    assert "fitted" not in carbon
    assert (carbon["area"] == 7.0).all()


def test_covariances_of_the_fit_are_carried_on():
    fits, _ = electrode(5)
    std = fits["C 1s"]["position_std"]
    ones = xr.DataArray([[1, 0.6], [0.6, 1]], dims=("peak", "other_peak"))
    fits["C 1s"]["position_covariance"] = std * std.rename(peak="other_peak") * ones
    carbon = referred(fits)["C 1s"]
    a, b = std.isel(peak=0), std.isel(peak=1)
    np.testing.assert_allclose(carbon["position_std"].isel(peak=1) ** 2, a**2 + b**2 - 1.2 * a * b, rtol=1e-10)
    matrix = carbon["position_covariance"].transpose("scan", "peak", "other_peak").to_numpy()
    np.testing.assert_allclose(matrix[:, 1, 1], carbon["position_std"].isel(peak=1) ** 2, rtol=1e-10)
    np.testing.assert_allclose(matrix[:, 0], 0, atol=1e-18)


def test_an_electrolyte_that_shifts_on_its_own_is_refused_with_the_reason():
    fits = core_line_series(20).fits
    moves = {"C 1s": "electrode", "S 2p": "electrolyte", "P 2p": "electrolyte"}
    with pytest.raises(OperandoError, match="change with the potential; use rigid_shift"):
        referred(fits, moves_with=moves)


def test_what_moves_with_what_must_be_said():
    fits, _ = electrode(5)
    with pytest.raises(OperandoError, match=r"what Ni 2p moves with, got nothing; pass it as moves_with=\{'Ni 2p'"):
        referred(fits, moves_with={"C 1s": "electrode"})


def test_a_level_that_does_not_keep_its_distance_is_told():
    fits = {name: core_line_series(40).fits[name] for name in ("C 1s", "S 2p")}
    fits["S 2p"] = fits["S 2p"].sel(peak=["PS4 3-"])
    with pytest.warns(OperandoWarning, match="S 2p PS4 3- is said to move with C 1s, but"):
        referred(fits, moves_with={"C 1s": "electrode", "S 2p": "electrode"})
    fits, _ = electrode(100, moved=0.1)
    with pytest.warns(OperandoWarning, match="Ni 2p Ni2"):
        referred(fits)


def test_scans_without_the_reference_are_unknown():
    fits, _ = electrode(6)
    fits["C 1s"]["position"][2] = np.nan
    fits["C 1s"] = fits["C 1s"].assign_coords(flag=("scan", [0, 0, 0, int(Flag.not_converged), 0, 0]))
    nickel = referred(fits)["Ni 2p"]["position"]
    assert list(np.flatnonzero(np.isnan(nickel[:, 0]))) == [2, 3]


@pytest.mark.parametrize(
    ("changed", "said"),
    [({"peak": None}, "one peak of C 1s among C-C, C-O, got None"), ({"peak": "C=O"}, "got 'C=O'")],
)
def test_one_peak_must_be_meant(changed: dict[str, object], said: str):
    fits, _ = electrode(5)
    with pytest.raises(OperandoError, match=said):
        referred(fits, **changed)


def test_one_level_must_be_meant():
    fits, _ = electrode(5)
    with pytest.raises(OperandoError, match="one reference level among C 1s, Ni 2p"):
        xps.charge_reference(fits, {"O 1s": 531.0}, moves_with=ELECTRODE)
    with pytest.raises(OperandoError, match="same scans"):
        referred({**fits, "Ni 2p": fits["Ni 2p"].isel(scan=slice(3))})
