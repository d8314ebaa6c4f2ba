"""Rigid shifts of phases: charging, shift by the potential and chemistry come apart, with errors that cover."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import xarray as xr
from core_line_series import PHASES, core_line_series, energies
from hypothesis import given, settings
from hypothesis import strategies as st
from pulls import assert_unit_normal

from operando import xps
from operando.errors import OperandoError, OperandoWarning
from operando.flags import Flag
from operando.history import entries
from operando.schema import problems
from operando.xps.layout import RIGID_SHIFT

PART = np.r_[np.zeros(20), np.ones(25), np.zeros(15)]
"""A departure over part of 60 scans."""


def shifted(fits: dict[str, xr.Dataset], **settings: object) -> xr.Dataset:
    return xps.rigid_shift(fits, settings.pop("phases", PHASES), **{"electrode": "electrode", **settings})


def test_shift_and_charging_of_the_simulated_cell_come_back_within_5_mev():
    """From positions as good as the counts of the simulated cell allow, 1 to 5 meV."""
    series = core_line_series(200, seed=2, std=(0.001, 0.005))
    found = shifted(series.fits)
    off = found["shift"].sel(phase="electrolyte") - series.zeroed
    assert float((off**2).mean() ** 0.5) < 0.003
    assert float(((found["charging"] - series.charging + series.charging.mean()) ** 2).mean() ** 0.5) < 0.003
    assert not problems(found, RIGID_SHIFT)
    assert not found["chemical"].any()
    assert entries(found)[-1]["step"] == "xps.rigid_shift"


def test_poorer_positions_add_up_over_the_lines():
    """Lines of 5 to 10 meV: charging and shift together are known from all seven lines of the electrolyte."""
    series = core_line_series(200, seed=3)
    found = shifted(series.fits)
    off = found["shift"].sel(phase="electrolyte") + found["charging"] - series.zeroed - series.charging
    assert float(off.std()) < 0.004


def test_errors_cover():
    pulls = {"shift": [], "charging": [], "chemical_shift": []}
    for seed in range(40, 50):
        series = core_line_series(40, seed=seed)
        found = shifted(series.fits)
        true = {"shift": series.zeroed[:, np.newaxis], "chemical_shift": 0.0}
        true["charging"] = series.charging - series.charging.mean()
        for name, values in pulls.items():
            values.append(np.ravel((found[name] - true[name]) / found[f"{name}_std"]))
    assert_unit_normal(np.concatenate(pulls["shift"]))
    assert_unit_normal(np.concatenate(pulls["charging"]))
    assert_unit_normal(np.concatenate([one[::9] for one in pulls["chemical_shift"]]))


def test_the_covariance_between_scans_covers():
    """chi2 of all shifts together: the mean over ten series against its own spread."""
    total, freedom = 0.0, 0
    for seed in range(60, 70):
        series = core_line_series(30, seed=seed)
        found = shifted(series.fits)
        off = found["shift"].to_numpy()[:, 0] - series.zeroed
        covariance = found["shift_covariance"].to_numpy()[:, 0, :, 0]
        np.testing.assert_allclose(np.sqrt(np.diag(covariance)), found["shift_std"][:, 0], rtol=1e-9)
        total += off @ np.linalg.pinv(covariance, rcond=1e-9) @ off
        freedom += 29
    assert abs(total - freedom) < 3.3 * np.sqrt(2 * freedom)


def test_line_energies_cover():
    pulls = []
    for seed in range(100, 130):
        series = core_line_series(20, seed=seed)
        found = shifted(series.fits)
        true = np.array(energies("S 2p") + energies("P 2p")) + series.shift.mean() + series.charging.mean()
        pulls.append(((found["line_energy"][:7] - true) / found["line_energy_std"][:7]).to_numpy())
    assert_unit_normal(np.concatenate(pulls))


def test_correlated_positions_are_weighted_as_such():
    """Both lines of C 1s err together: their mean is no better than one, and the errors know."""
    rng = np.random.default_rng(8)
    pulls = []
    for seed in range(200, 206):
        series = core_line_series(60, seed=seed, std=(0.004, 0.004))
        fit = series.fits["C 1s"]
        both = 0.004 * (np.sqrt(0.9) * rng.standard_normal((60, 1)) + np.sqrt(0.1) * rng.standard_normal((60, 2)))
        fit["position"] = (("scan", "peak"), np.array(energies("C 1s")) + series.charging[:, np.newaxis] + both)
        matrix = 0.004**2 * np.array([[1, 0.9], [0.9, 1]])
        fit["position_covariance"] = (("scan", "peak", "other_peak"), np.tile(matrix, (60, 1, 1)))
        found = shifted(series.fits)
        off = found["charging"] - series.charging + series.charging.mean()
        pulls.append((off / found["charging_std"]).to_numpy())
    assert_unit_normal(np.concatenate(pulls))


def test_a_chemical_shift_is_found_and_kept_out_of_the_rigid_one():
    series = core_line_series(60, seed=4, chemical={("S 2p", "P-S-P"): 0.2 * PART})
    with pytest.warns(OperandoWarning, match=r"S 2p P-S-P departs .* up to 0\.2\d\d eV"):
        found = shifted(series.fits)
    at = list(found["line"].values).index("S 2p P-S-P")
    assert float(found["departure"][at]) > 5
    assert list(np.flatnonzero(found["chemical"])) == [at]
    assert str(found["role"][at].item()) == "departs"
    chemical = found["chemical_shift"].isel(line=at)
    assert float(chemical[PART > 0].mean()) == pytest.approx(0.2, abs=4 * 0.012 / 5)
    assert float(chemical[PART == 0].mean()) == pytest.approx(0.0, abs=4 * 0.012 / 6)
    off = (found["shift"].sel(phase="electrolyte") - series.zeroed).to_numpy()
    assert abs(off[PART > 0].mean() - off[PART == 0].mean()) < 0.004


def test_two_chemical_shifts_at_once_are_both_found():
    chemical = {("S 2p", "S0"): 0.2 * PART, ("P 2p", "Li3P"): -0.15 * PART[::-1]}
    series = core_line_series(60, seed=5, chemical=chemical)
    with pytest.warns(OperandoWarning, match="departs"):
        found = shifted(series.fits)
    assert set(found["line"].values[found["chemical"].values]) == {"S 2p S0", "P 2p Li3P"}
    off = (found["shift"].sel(phase="electrolyte") - series.zeroed).to_numpy()
    assert abs(off[PART > 0].mean() - off[PART == 0].mean()) < 0.004


def test_a_change_no_scan_could_tell_is_found_over_many():
    """20 meV over half of 400 scans, single positions good to 5 to 10 meV."""
    half = (np.arange(400) >= 200).astype(float)
    series = core_line_series(400, seed=6, chemical={("S 2p", "PS4 3-"): 0.020 * half})
    with pytest.warns(OperandoWarning, match="S 2p PS4 3- departs"):
        found = shifted(series.fits)
    assert found["chemical"].sum() == 1


def test_no_line_departs_by_chance():
    """Twenty series of nine lines that all keep to their phases: none beyond 5 standard deviations."""
    for seed in range(300, 320):
        found = shifted(core_line_series(40, seed=seed).fits)
        assert float(found["departure"].max()) < 5


def test_errors_that_are_all_too_small_are_no_chemistry():
    """Errors stated at half of what they are: the other lines tell what is usual."""
    series = core_line_series(100, seed=7)
    small = {level: fit.assign(position_std=fit["position_std"] / 2) for level, fit in series.fits.items()}
    found = shifted(small)
    assert not found["chemical"].any()
    assert float(found["reduced_chi_square"]) == pytest.approx(4, rel=0.2)


def test_two_lines_that_disagree_cannot_tell_which_departs():
    series = core_line_series(60, seed=9, chemical={("S 2p", "PS4 3-"): 0.2 * PART})
    phases = {"electrolyte": {"S 2p": "PS4 3-", "P 2p": "PS4 3-"}, "electrode": {"C 1s": "all"}}
    with pytest.warns(OperandoWarning, match="two lines cannot tell which"):
        found = shifted(series.fits, phases=phases)
    assert list(found["chemical"].values) == [True, True, False, False]


def test_a_declared_line_is_left_out_without_a_word():
    series = core_line_series(60, seed=9, chemical={("S 2p", "PS4 3-"): 0.2 * PART})
    phases = {"electrolyte": {"S 2p": "PS4 3-", "P 2p": "PS4 3-"}, "electrode": {"C 1s": "all"}}
    found = shifted(series.fits, phases=phases, chemical=[("S 2p", "PS4 3-")])
    assert bool(found["chemical"][0])
    off = (found["shift"].sel(phase="electrolyte") - series.zeroed).to_numpy()
    assert abs(off[PART > 0].mean() - off[PART == 0].mean()) < 0.01


def test_without_an_electrode_charging_stays_in_the_shift():
    series = core_line_series(50, seed=10)
    phases = {"electrolyte": PHASES["electrolyte"]}
    found = xps.rigid_shift(series.fits, phases)
    assert "charging" not in found
    assert "charging included" in found["shift"].attrs["long_name"]
    whole = series.shift + series.charging
    assert float((found["shift"].sel(phase="electrolyte") - whole + whole.mean()).std()) < 0.004


def test_phases_shift_on_their_own():
    series = core_line_series(50, seed=11)
    phases = {"sulfide": {"S 2p": "all"}, "phosphide": {"P 2p": "all"}, "electrode": {"C 1s": "all"}}
    series.fits["P 2p"]["position"] = series.fits["P 2p"]["position"] + xr.DataArray(np.linspace(0, 1, 50), dims="scan")
    found = shifted(series.fits, phases=phases)
    between = found["shift"].sel(phase="phosphide") - found["shift"].sel(phase="sulfide")
    np.testing.assert_allclose(between, np.linspace(-0.5, 0.5, 50), atol=5 * 0.006)
    assert found["shift_covariance"].sizes["other_phase"] == 2


@pytest.mark.parametrize(("reference", "zero"), [("first", [0]), ([3, 4, 5], [3, 4, 5])])
def test_the_zero_can_be_chosen(reference: object, zero: list[int]):
    found = shifted(core_line_series(30, seed=12).fits, reference=reference)
    assert float(found["shift"].isel(scan=zero, phase=0).mean()) == pytest.approx(0, abs=1e-12)
    if len(zero) == 1:
        assert float(found["shift_std"].isel(scan=0, phase=0)) == pytest.approx(0, abs=1e-9)
    mask = np.isin(np.arange(30), zero)
    again = shifted(core_line_series(30, seed=12).fits, reference=xr.DataArray(mask, dims="scan"))
    np.testing.assert_allclose(found["shift"], again["shift"], atol=1e-12)


def test_missing_and_flagged_positions_are_left_out():
    series = core_line_series(40, seed=13)
    fits = {level: fit.copy(deep=True) for level, fit in series.fits.items()}
    fits["S 2p"]["position"][3, 1] = np.nan
    fits["P 2p"]["position"][7] = 999.0
    fits["P 2p"] = fits["P 2p"].assign_coords(flag=("scan", np.where(np.arange(40) == 7, int(Flag.not_converged), 0)))
    fits["C 1s"]["position_std"][9] = np.nan
    found = shifted(fits)
    assert np.isnan(found["charging"][9])
    assert np.isnan(found["shift"][9, 0])
    others = np.arange(40) != 9
    off = (found["shift"][:, 0] - series.zeroed)[others]
    assert float(np.abs((off - off.mean()) / found["shift_std"][:, 0][others]).max()) < 4.5
    assert int(found["flag"][7]) == int(Flag.not_converged)


def test_a_line_that_never_shows_changes_nothing():
    series = core_line_series(40, seed=14)
    fits = {level: fit.copy(deep=True) for level, fit in series.fits.items()}
    fits["S 2p"]["position"][:, 1] = np.nan
    found = shifted(fits)
    assert str(found["role"][1].item()) == "not seen"
    assert np.isnan(found["line_energy"][1])
    without = {**PHASES, "electrolyte": {"S 2p": ["PS4 3-", "P-S-P", "S0"], "P 2p": "all"}}
    np.testing.assert_allclose(found["shift"], shifted(fits, phases=without)["shift"], atol=1e-12)


def test_lines_tied_in_the_fit_count_once():
    series = core_line_series(40, seed=15)
    fits = {level: fit.copy(deep=True) for level, fit in series.fits.items()}
    s2p = fits["S 2p"]
    for index in (1, 2, 3):
        s2p["position"][:, index] = s2p["position"][:, 0] + index
        s2p["position_std"][:, index] = s2p["position_std"][:, 0]
    found = shifted(fits)
    assert list(found["role"].values[:4]) == ["rigid", *["tied to another"] * 3]
    once = {**PHASES, "electrolyte": {"S 2p": "PS4 3-", "P 2p": "all"}}
    np.testing.assert_allclose(found["shift_std"], shifted(fits, phases=once)["shift_std"], rtol=1e-9)


def test_one_scan_has_a_shift_of_zero():
    found = shifted(core_line_series(1, seed=16).fits)
    assert found["shift"].item() == pytest.approx(0, abs=1e-12)
    assert np.isnan(found["reduced_chi_square"])


@settings(max_examples=20, deadline=None)
@given(move=st.floats(-300, 300), order=st.permutations(range(4)))
def test_neither_the_energy_scale_nor_the_order_of_peaks_matters(move: float, order: list[int]):
    series = core_line_series(20, seed=17)
    moved = {level: fit.assign(position=fit["position"] + move) for level, fit in series.fits.items()}
    moved["S 2p"] = moved["S 2p"].isel(peak=order).transpose("peak", "scan")
    plain, found = shifted(series.fits), shifted(moved)
    np.testing.assert_allclose(found["shift"], plain["shift"], atol=1e-10)
    energy = found["line_energy"].sel(line=plain["line"]) - move
    np.testing.assert_allclose(energy, plain["line_energy"], atol=1e-9)


def test_a_long_series_needs_no_covariance():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = shifted(core_line_series(3000, seed=18).fits, covariance=False)
    assert "shift_covariance" not in found
    short = core_line_series(30, seed=18).fits
    np.testing.assert_allclose(shifted(short, covariance=False)["shift_std"], shifted(short)["shift_std"], rtol=1e-9)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"electrode": "carbon"}, "electrode among electrolyte, electrode"),
        ({"phases": {"electrolyte": {"Si 2p": "all"}}, "electrode": None}, "a fit of Si 2p"),
        ({"phases": {"electrolyte": {"S 2p": "S8"}}, "electrode": None}, "peaks of S 2p among"),
        ({"phases": {"a": {"S 2p": "all"}, "b": {"S 2p": "S0"}}, "electrode": None}, "one phase, got S 2p S0"),
        ({"reference": "last"}, "'mean', 'first' or scans"),
        ({"reference": [99]}, "among 0 to 9"),
        ({"chemical": [("S 2p", "S8")]}, "got S 2p S8"),
        ({"chemical": [("C 1s", "C-C"), ("C 1s", "C-O")]}, "at least one usable line of 'electrode'"),
    ],
)
def test_what_does_not_fit_together_is_refused(changed: dict[str, object], said: str):
    with pytest.raises(OperandoError, match=said):
        shifted(core_line_series(10).fits, **changed)


def test_levels_need_the_same_scans():
    fits = core_line_series(10).fits
    with pytest.raises(OperandoError, match="same scans of all core levels"):
        shifted({**fits, "C 1s": fits["C 1s"].isel(scan=slice(8))})
    with pytest.raises(OperandoError, match="without position_std"):
        shifted({**fits, "C 1s": fits["C 1s"].drop_vars("position_std")})
