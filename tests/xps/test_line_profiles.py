"""Lines on labelled and plain energies."""

from __future__ import annotations

import json

import numpy as np
import pytest
import xarray as xr

from operando.errors import OperandoError
from operando.units import parse
from operando.xps.line_profiles import line_profile
from operando.xps.line_shapes import SHAPES, area_share

ENERGY = np.linspace(140.0, 190.0, 2001)


def over_scans(values, units="eV"):
    return xr.DataArray(values, dims="scan", coords={"scan": np.arange(len(values))}, attrs={"units": units})


@pytest.mark.parametrize("shape", SHAPES)
def test_area_and_cumulative_belong_together(shape):
    line = line_profile(ENERGY, shape, position=165.0, fwhm=1.2, area=50.0)
    total = line_profile(ENERGY, shape, position=165.0, fwhm=1.2, area=50.0, cumulative=True)
    integral = line.integrate("binding_energy")
    np.testing.assert_allclose(integral, total[-1] - total[0], rtol=1e-5)
    assert total[-1] <= 50.0 * (1 + 1e-9)
    assert line.sel(binding_energy=165.0) == line.max()


@pytest.mark.parametrize("shape", [name for name in SHAPES if name != "doniach_sunjic"])
def test_whole_line_has_the_area_one(shape):
    far = np.array([165.0 - 3e3, 165.0, 165.0 + 3e3])
    alpha = {"alpha": 1.5, "beta": 1.5} if shape in ("la", "lf") else {"mixing": 0.0}
    total = line_profile(far, shape, position=165.0, fwhm=1.2, cumulative=True, **alpha)
    assert total[0] == pytest.approx(0.0, abs=1e-6)
    assert total[-1] == pytest.approx(1.0, abs=1e-6)


def test_area_of_a_doniach_sunjic_line_is_that_within_the_spectrum():
    for half in (10.0, 40.0):
        energy = np.linspace(165.0 - half, 165.0 + half, 4001)
        line = line_profile(energy, "doniach_sunjic", position=165.0, fwhm=1.0, area=7.0, asymmetry=0.2)
        assert line.integrate("binding_energy").item() == pytest.approx(7.0, rel=1e-6)


@pytest.mark.parametrize(
    ("shape", "parameters"),
    [
        ("doniach_sunjic", {"asymmetry": 0.2}),
        ("la", {"alpha": 1.0, "beta": 2.5}),
        ("lf", {"alpha": 0.8, "beta": 5.0, "damping": 40.0}),
    ],
)
def test_asymmetric_tails_point_to_higher_binding_energy(shape, parameters):
    line = line_profile(ENERGY, shape, position=165.0, fwhm=1.2, **parameters)
    assert line.sel(binding_energy=169.0) > 2 * line.sel(binding_energy=161.0)


def test_la_with_both_powers_one_is_a_voigt_line():
    for gauss in (0.1, 0.5, 0.9):
        line = line_profile(ENERGY, "la", position=165.0, fwhm=1.2, alpha=1.0, beta=1.0, gauss=gauss)
        narrow, wide = 0.0, 1.0
        for _ in range(60):
            mixing = (narrow + wide) / 2
            voigt = line_profile(ENERGY, "voigt", position=165.0, fwhm=1.2, mixing=mixing)
            narrow, wide = (narrow, mixing) if voigt[0] > line[0] else (mixing, wide)
        np.testing.assert_allclose(line, voigt, rtol=0, atol=1e-9)


def test_doniach_sunjic_without_asymmetry_is_a_voigt_line_of_the_window():
    line = line_profile(ENERGY, "doniach_sunjic", position=165.0, fwhm=1.2, asymmetry=0.0, gauss=0.5)
    la = line_profile(ENERGY, "la", position=165.0, fwhm=1.2, alpha=1.0, beta=1.0, gauss=0.5)
    np.testing.assert_allclose(line / line.max(), la / la.max(), rtol=0, atol=1e-9)


def test_share_of_heights_becomes_a_share_of_areas():
    line = line_profile(ENERGY, "gl_sum", position=165.0, fwhm=1.2, mixing=area_share(0.3))
    t = (ENERGY - 165.0) / 1.2
    heights = 0.7 * np.exp(-4 * np.log(2) * t**2) + 0.3 / (1 + 4 * t**2)
    np.testing.assert_allclose(line / line.max(), heights, rtol=0, atol=1e-9)


def test_one_line_a_scan():
    positions, areas = over_scans([164.0, 165.0, np.nan]), over_scans([1.0, 2.0, 3.0], "count*eV")
    energy = xr.DataArray(ENERGY, dims="binding_energy", attrs={"units": "eV"})
    lines = line_profile(energy, "voigt", position=positions, fwhm=1.2, area=areas, mixing=0.4)
    assert lines.dims == ("scan", "binding_energy")
    for k in range(2):
        one = line_profile(ENERGY, "voigt", position=positions[k].item(), fwhm=1.2, area=k + 1.0, mixing=0.4)
        np.testing.assert_array_equal(lines[k], one)
    assert lines[2].isnull().all()
    assert lines.attrs["units"] == "count"
    lazy = line_profile(energy, "voigt", position=positions.chunk(scan=1), fwhm=1.2, area=areas, mixing=0.4)
    xr.testing.assert_identical(lazy.compute(), lines)


def test_units_and_history_say_what_a_line_is():
    line = line_profile(ENERGY, position=165.0, fwhm=1.2)
    assert parse(line.attrs["units"]) == parse("1/eV")
    assert line.attrs["long_name"] == "line, gl_sum"
    assert json.loads(line.attrs["history"])[0]["parameters"]["shape"] == "gl_sum"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"shape": "gauss"}, "expected a line shape among gl_sum, gl_product"),
        ({"alpha": 1.0}, r"expected parameters of gl_sum \(mixing\), got 'alpha'"),
        ({"mixing": 1.2}, "expected mixing from 0 to 1, got 1.2"),
        ({"fwhm": 0.0}, "expected fwhm above 0 eV, got 0"),
        ({"energy": ENERGY[::-1]}, "expected ascending binding energies"),
    ],
)
def test_mistakes_are_refused_in_one_line(settings, message):
    with pytest.raises(OperandoError, match=message):
        line_profile(**{"energy": ENERGY, "position": 165.0, "fwhm": 1.0, **settings})
