"""Static backgrounds against analytic ones: lines whose background is known, in any arrangement of dims."""

from __future__ import annotations

import json

import numpy as np
import pytest
import xarray as xr
from scipy.special import erf

from operando import flags
from operando.errors import OperandoError
from operando.flags import Flag
from operando.xps.backgrounds import linear, polynomial, shirley, tougaard

ENERGY = np.linspace(155.0, 175.0, 801)
CENTERS, AREAS, SIGMA = (161.0, 166.0), (5000.0, 2000.0), 0.5


def labelled(values, energy=ENERGY, dims=("binding_energy",), **coords):
    axis = ("binding_energy", energy, {"units": "eV", "long_name": "binding energy"})
    attrs = {"units": "count", "long_name": "electrons counted"}
    return xr.DataArray(values, dims=dims, coords={"binding_energy": axis, **coords}, attrs=attrs)


def lines(energy=ENERGY):
    u = (energy[:, None] - CENTERS) / SIGMA
    return np.exp(-(u**2) / 2) @ AREAS / (SIGMA * np.sqrt(2 * np.pi))


def steps(energy=ENERGY):
    return 0.5 * (1 + erf((energy[:, None] - CENTERS) / (SIGMA * np.sqrt(2)))) @ AREAS


def test_shirley_finds_the_step_that_is_proportional_to_the_area_below():
    truth = 300.0 + 0.03 * steps()
    found = shirley(labelled(lines() + truth))
    np.testing.assert_allclose(found["background"], truth, rtol=0, atol=1e-4 * np.ptp(truth))
    assert found["iterations"] > 1


def test_shirley_takes_its_levels_from_the_mean_of_points_and_knows_nothing_outside_its_region():
    noise = np.where(np.arange(ENERGY.size) % 2, 20.0, -20.0)
    truth = 300.0 + 0.03 * steps()
    found = shirley(labelled(lines() + truth + noise), low=157.0, high=172.0, average=20)["background"]
    inside = (ENERGY >= 157.0) & (ENERGY <= 172.0)
    assert found.isnull().values.tolist() == (~inside).tolist()
    np.testing.assert_allclose(found[inside], truth[inside], rtol=0, atol=0.5)


def test_falling_shirley_step_mirrors_the_rising_one():
    truth = 300.0 + 0.03 * (sum(AREAS) - steps())
    found = shirley(labelled(lines() + truth))
    np.testing.assert_allclose(found["background"], truth, rtol=0, atol=1e-4 * np.ptp(truth))


def test_spectrum_without_area_has_no_shirley_background_and_is_flagged():
    values = np.stack([lines() + 300.0 + 0.03 * steps(), 300.0 + 5 * ENERGY - lines()])
    flag = ("scan", np.zeros(2, dtype=np.int32), flags.attrs())
    found = shirley(labelled(values, dims=("scan", "binding_energy"), flag=flag))
    assert found["iterations"].values[0] > 0
    assert found["iterations"].values[1] == 0
    assert found["background"][1].isnull().all()
    assert found["flag"].values.tolist() == [0, int(Flag.not_converged)]


def test_tougaard_of_a_narrow_line_is_the_loss_function_itself():
    energy = np.linspace(100.0, 200.0, 4001)
    line = 1000.0 * np.exp(-(((energy - 110.0) / 0.1) ** 2) / 2) / (0.1 * np.sqrt(2 * np.pi))
    found = tougaard(labelled(line, energy), b=2866.0)
    loss = np.clip(energy - 110.0, 0, None)
    expected = 1000.0 * 2866.0 * loss / (1643.0 + loss**2) ** 2
    np.testing.assert_allclose(found["background"], expected, rtol=0, atol=5e-3 * expected.max())
    behind = loss > 1
    np.testing.assert_allclose(found["background"][behind], expected[behind], rtol=1e-4)


@pytest.mark.parametrize("c_prime", [1.0, -1.0, 0.6])
def test_tougaard_finds_the_strength_that_meets_the_high_end(c_prime):
    energy = np.linspace(100.0, 160.0, 1201)
    step = energy[1] - energy[0]
    t = energy - energy[0]
    kernel = 500.0 * t / ((551.0 + c_prime * t**2) ** 2 + 436.0 * t**2)
    primary = 1000.0 * np.exp(-(((energy - 110.0) / 0.8) ** 2) / 2)
    measured = primary.copy()
    for i in range(1, energy.size):
        measured[i] = primary[i] + step * kernel[i:0:-1] @ measured[:i]
    found = tougaard(labelled(measured + 50.0, energy), "polymer", c_prime=c_prime)
    assert found["b"].item() == pytest.approx(500.0, rel=1e-3)
    assert found["b"].attrs["units"] == "eV^2"
    background = measured - primary
    np.testing.assert_allclose(found["background"] - 50.0, background, rtol=0, atol=1e-3 * background.max())


def test_tougaard_without_losses_below_the_gap_stays_flat_behind_a_line():
    energy = np.linspace(100.0, 130.0, 601)
    line = np.where(abs(energy - 105.0) < 0.2, 1000.0, 0.0)
    found = tougaard(labelled(line, energy), b=2866.0, gap=6.0)["background"]
    assert found.where(energy < 110.7).max() == 0
    assert found.sel(binding_energy=112.0, method="nearest") > 0


def test_line_and_polynomial_find_what_they_are():
    slope = 200.0 + 3.0 * (ENERGY - 155.0)
    np.testing.assert_allclose(linear(labelled(slope + lines()), average=5)["background"], slope, rtol=1e-9)
    bow = slope + 0.5 * (ENERGY - 165.0) ** 2
    found = polynomial(labelled(bow + lines()), [(155.0, 157.5), (169.5, 175.0)], degree=2)
    np.testing.assert_allclose(found["background"], bow, rtol=1e-9)


STEPS = {
    "shirley": shirley,
    "tougaard": lambda spectra: tougaard(spectra, average=3),
    "linear": linear,
    "polynomial": lambda spectra: polynomial(spectra, [(155.0, 157.0), (170.0, 175.0)]),
}


@pytest.mark.parametrize("name", STEPS)
def test_dims_order_and_chunks_change_nothing(name):
    rng = np.random.default_rng(11)
    values = rng.poisson((lines() + 300.0 + 0.03 * steps()) * rng.uniform(0.5, 2, (3, 2, 1))).astype(float)
    spectra = labelled(values, dims=("scan", "spot", "binding_energy"))
    spectra.attrs["history"] = json.dumps([{"step": "xps.read", "parameters": {}, "version": "1"}])
    plain = STEPS[name](spectra)
    single = STEPS[name](spectra[1, 1])
    turned = STEPS[name](spectra.transpose("binding_energy", "spot", "scan"))
    lazy = STEPS[name](spectra.chunk(scan=1, binding_energy=100))
    assert lazy["background"].chunks is not None
    assert turned["background"].dims == ("binding_energy", "spot", "scan")
    for other in (turned, lazy.compute()):
        xr.testing.assert_allclose(other.transpose("scan", "spot", "binding_energy"), plain, rtol=1e-12)
    np.testing.assert_allclose(single["background"], plain["background"][1, 1], rtol=1e-12)
    assert plain["background"].attrs["units"] == "count"
    assert plain["background"].attrs["long_name"]
    assert [entry["step"] for entry in json.loads(plain.attrs["history"])] == ["xps.read", f"xps.{name}"]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda s: shirley(s.rename(binding_energy="energy")), "expected a dim 'binding_energy'"),
        (lambda s: shirley(s[::-1]), "expected ascending binding energies"),
        (lambda s: shirley(s, low=174.99), "expected at least 3 points from 174.99 eV to the end, got 1"),
        (lambda s: shirley(s, average=0), "expected an average over at least 1 point"),
        (lambda s: tougaard(s, "u9"), "expected a loss function among universal, polymer, got 'u9'"),
        (lambda s: tougaard(s, c=0.0), "expected c above 0"),
        (lambda s: tougaard(s, c_prime=-1.0), "the loss has a pole"),
        (lambda s: polynomial(s, [(160.0, 161.0)], degree=7), "expected a degree from 0 to 5"),
        (lambda s: polynomial(s, [(160.0, 160.02)], degree=2), "expected more than 2 points in the ranges"),
        (lambda s: linear(s.assign_coords(binding_energy=s.binding_energy.assign_attrs(units="keV"))), "in eV"),
    ],
)
def test_mistakes_are_refused_in_one_line(call, message):
    with pytest.raises(OperandoError, match=message) as caught:
        call(labelled(lines() + 300.0))
    assert "\n" not in str(caught.value)
