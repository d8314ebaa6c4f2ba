"""How shifts follow the potential: slopes, breakpoints and their errors."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from core_line_series import LAW, PHASES, core_line_series
from pulls import assert_unit_normal

from operando import xps
from operando.errors import OperandoError, OperandoWarning
from operando.history import entries
from operando.schema import problems
from operando.xps.layout import SHIFT_TREND

SCANS = 100


def broken(
    seed: int, breaks: tuple[float, ...] = (2.4,), changes: tuple[float, ...] = (0.5,), error: float = 0.0
) -> xr.Dataset:
    """Return shifts of slope -0.9 eV/V that bend, 6 meV of noise, with potentials of some error."""
    rng = np.random.default_rng(seed)
    potential = rng.uniform(1.5, 4.3, SCANS)
    shift = -0.9 * potential + 0.006 * rng.standard_normal(SCANS)
    for at, change in zip(breaks, changes, strict=True):
        shift += change * np.maximum(potential - at, 0)
    seen = potential + error * rng.standard_normal(SCANS)
    return xr.Dataset(
        {"shift": (("scan", "phase"), shift[:, None]), "shift_std": (("scan", "phase"), np.full((SCANS, 1), 0.006))},
        coords={
            "phase": np.array(["electrolyte"], dtype=object),
            "potential": ("scan", seen, {"units": "V"}),
            "potential_std": ("scan", np.full(SCANS, error), {"units": "V"}),
        },
    )


def test_the_slope_of_the_simulated_cell_comes_back_within_one_percent():
    found = xps.regress_on_potential(xps.rigid_shift(core_line_series(200, 21).fits, PHASES, electrode="electrode"))
    assert int(found["breakpoints"][0]) == 0
    assert found["slope"].item() == pytest.approx(LAW.shift_per_potential, rel=0.01)
    assert not problems(found, SHIFT_TREND)
    assert [step["step"] for step in entries(found)] == ["xps.rigid_shift", "xps.regress_on_potential"]


def test_errors_of_slope_and_intercept_cover():
    """Two hundred series with the errors that all their scans have in common."""
    pulls: dict[str, list[float]] = {"slope": [], "intercept": []}
    for seed in range(1000, 1200):
        series = core_line_series(20, seed)
        shifts = xps.rigid_shift(series.fits, PHASES, electrode="electrode")
        found = xps.regress_on_potential(shifts, breakpoints=0)
        true = {"slope": -0.9, "intercept": 0.9 * series.potential.mean()}
        for name, values in pulls.items():
            values.append((found[name].item() - true[name]) / found[f"{name}_std"].item())
    assert_unit_normal(np.array(pulls["slope"]))
    assert_unit_normal(np.array(pulls["intercept"]))


@pytest.mark.parametrize("error", [0.0, 0.010])
def test_breakpoints_and_slopes_cover_with_errors_along_both_axes(error: float):
    pulls = []
    for seed in range(2000, 2080):
        found = xps.regress_on_potential(broken(seed, error=error), breakpoints=1)
        pulls.append((found["breakpoint"].item() - 2.4) / found["breakpoint_std"].item())
        pulls += list(((found["slope"][0] - [-0.9, -0.4]) / found["slope_std"][0]).to_numpy())
    assert_unit_normal(np.array(pulls))


@pytest.mark.parametrize(
    ("breaks", "changes"), [((), ()), ((2.4,), (0.5,)), ((2.1, 3.2), (0.6, -0.8)), ((1.9, 2.7, 3.5), (0.7, -0.9, 0.8))]
)
def test_the_number_of_breakpoints_is_found(breaks: tuple[float, ...], changes: tuple[float, ...]):
    """The criterion keeps to the truth in nearly all series; ten series, at most one more breakpoint in two of them."""
    numbers = [int(xps.regress_on_potential(broken(seed, breaks, changes))["breakpoints"][0]) for seed in range(10)]
    assert min(numbers) == len(breaks)
    assert sum(number != len(breaks) for number in numbers) <= 2
    found = xps.regress_on_potential(broken(3, breaks, changes), breakpoints=len(breaks))
    np.testing.assert_allclose(found["breakpoint"][0], breaks, atol=0.05)
    np.testing.assert_allclose(found["slope"][0], -0.9 + np.cumsum([0, *changes]), atol=0.03)


def test_the_zero_of_the_shifts_does_not_matter_to_the_slope():
    fits = core_line_series(40, 22).fits
    zeros = ("mean", "first", [5, 6, 7])
    found = [
        xps.regress_on_potential(xps.rigid_shift(fits, PHASES, electrode="electrode", reference=zero), breakpoints=1)
        for zero in zeros
    ]
    for other in found[1:]:
        for name in ("slope", "slope_std", "breakpoint", "bic"):
            np.testing.assert_allclose(other[name], found[0][name], rtol=1e-5)


def test_lines_without_noise_are_exact():
    shifts = broken(1)
    exact = -0.9 * shifts["potential"] + 0.5 * np.maximum(shifts["potential"] - 2.4, 0)
    found = xps.regress_on_potential(shifts.assign(shift=exact.expand_dims(phase=shifts["phase"])), breakpoints=1)
    assert found["breakpoint"].item() == pytest.approx(2.4, abs=1e-6)
    np.testing.assert_allclose(found["slope"][0], [-0.9, -0.4], atol=1e-6)
    np.testing.assert_allclose(found["fitted_shift"][:, 0], exact, atol=1e-6)


def test_scans_without_potential_or_shift_are_left_out():
    shifts = broken(2)
    shifts["potential"][:5] = np.nan
    shifts["shift"][10:12] = np.nan
    found = xps.regress_on_potential(shifts, breakpoints=1)
    fewer = xps.regress_on_potential(shifts.isel(scan=np.r_[5:10, 12:SCANS]), breakpoints=1)
    np.testing.assert_allclose(found["slope"], fewer["slope"], rtol=1e-12)
    assert int(found["fitted_shift"].isnull().sum()) == 7


def test_phases_with_fewer_breakpoints_are_filled():
    two = xr.concat([broken(5), broken(5, (), ()).assign_coords(potential=broken(5)["potential"])], "phase")
    two = two.assign_coords(phase=np.array(["a", "b"], dtype=object))
    found = xps.regress_on_potential(two)
    assert list(found["breakpoints"].values) == [1, 0]
    assert np.isnan(found["breakpoint"][1, 0])
    assert np.isnan(found["slope"][1, 1])


def test_what_is_missing_is_named():
    shifts = broken(1)
    with pytest.raises(OperandoError, match="link the series, or pass potential="):
        xps.regress_on_potential(shifts.drop_vars(["potential"]))
    with pytest.raises(OperandoError, match="0 to 3 breakpoints, got 7"):
        xps.regress_on_potential(shifts, breakpoints=7)
    with pytest.raises(OperandoError, match="too few for a line with 2 breakpoints"):
        xps.regress_on_potential(shifts.isel(scan=slice(6)), breakpoints=2)
    with pytest.raises(OperandoError, match="shift and shift_std"):
        xps.regress_on_potential(shifts.drop_vars("shift_std"))
    with pytest.raises(OperandoError, match="each of 100 scans"):
        xps.regress_on_potential(shifts, shifts["potential"][:10])


def test_a_scan_with_a_wrong_time_is_left_out_and_named_and_makes_no_segment():
    """Its potential is that of another time, so its shift lies far from the others'."""
    rng = np.random.default_rng(71)
    potential = np.sort(rng.uniform(1.2, 4.3, 40))
    shift = -0.9 * (potential - 2.5) + rng.normal(0, 0.002, 40)
    potential[25] += 0.3
    shifts = xr.Dataset(
        {"shift": (("scan", "phase"), shift[:, None]), "shift_std": (("scan", "phase"), np.full((40, 1), 0.002))},
        coords={"phase": ["electrolyte"], "potential": ("scan", potential)},
    )
    with pytest.warns(OperandoWarning, match="'electrolyte': scan 25 lies far from the line"):
        found = xps.regress_on_potential(shifts)
    assert found["breakpoints"].item() == 0
    assert abs(found["slope"].values[0, 0] + 0.9) < 4 * found["slope_std"].values[0, 0]
    assert np.flatnonzero(np.isnan(found["fitted_shift"].values[:, 0])).tolist() == [25]
