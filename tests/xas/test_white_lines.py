"""White lines are found above their steps, with errors that cover; branching ratios are those of the lines put in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from pulls import assert_unit_normal

from operando import OperandoError, xas
from operando.example_scans import nickel_spectra, parameters
from operando.history import entries
from operando.xas import atomic_data

ENERGY = np.concatenate([np.arange(810.0, 845.0, 0.5), np.arange(845.0, 880.0, 0.15), np.arange(880.0, 921.0, 0.5)])
L3, L2 = 853.0, 853.0 + atomic_data.edge("Ni", "L2").energy - atomic_data.edge("Ni", "L3").energy
SIGMA, WIDTH = 0.9, 1.1
RANGES = {"e0": 853.0, "pre1": -42.2, "pre2": -10.2, "norm1": 32.2, "norm2": 67.0, "nnorm": 0}
FWHM = np.sqrt(8 * np.log(2)) * SIGMA


def spectrum(energy, mu) -> xr.DataArray:
    dims = ("scan", "energy")[-np.ndim(mu) :]
    return xr.DataArray(mu, dims=dims, coords={"energy": ("energy", energy, {"units": "eV"})}, attrs={"units": "1"})


def pair(shift=0.0, areas=(12.0, 6.0), energy=ENERGY, shape="arctan", shares=(2 / 3, 1 / 3)) -> np.ndarray:
    """Gaussian lines of given areas (eV) on steps that stand at them."""
    out = np.zeros(np.broadcast_shapes(np.shape(np.asarray(shift)[..., None]), energy.shape))
    for place, area, share in zip((L3, L2), areas, shares, strict=True):
        e = energy - (place + np.asarray(shift)[..., None])
        out += area * np.exp(-0.5 * (e / SIGMA) ** 2) / (SIGMA * np.sqrt(2 * np.pi))
        slope = np.arctan(2 * e / WIDTH) / np.pi + 0.5 if shape == "arctan" else 1 / (1 + np.exp(-3.5255 * e / WIDTH))
        out += share * slope
    return out


@pytest.mark.parametrize("shape", ["arctan", "fermi"])
@pytest.mark.parametrize(("edge", "place", "area", "below"), [("L3", L3, 12.0, 1 / 3), ("L2", L2, 6.0, 2 / 3 + 1 / 6)])
def test_a_line_on_a_step_is_found_as_it_was_put_there(shape, edge, place, area, below):
    """The slope of the step moves the maximum up by the quotient of slope and curvature, nothing else."""
    shift = np.linspace(0.0, 0.6, 13)
    found = xas.white_line(
        spectrum(ENERGY, pair(shift, shape=shape)), "Ni", edge, step_width=WIDTH, shape=shape, limits=(-7.0, 7.0)
    )
    away = found["white_line_energy"].to_numpy() - place - shift
    assert 0 < away.mean() < 0.1
    assert np.abs(away - away.mean()).max() < 2e-3
    height = area / (SIGMA * np.sqrt(2 * np.pi)) + below
    np.testing.assert_allclose(found["white_line_height"], height, rtol=0.03)
    np.testing.assert_allclose(found["white_line_area"], area, rtol=0.03)
    np.testing.assert_allclose(found["white_line_fwhm"], FWHM, rtol=0.03)


def test_an_offset_puts_the_step_behind_its_line():
    mu = spectrum(ENERGY, pair())
    plain, behind = (xas.white_line(mu, "Ni", "L3", step_width=WIDTH, offset=by) for by in (0.0, 2.0))
    np.testing.assert_allclose(behind["white_line_area"] - plain["white_line_area"], 2.0 * 2 / 3, rtol=0.04)
    assert behind["white_line_energy"] == plain["white_line_energy"]


def test_the_width_of_a_step_is_that_of_the_level_broadened_by_the_instrument():
    mu, level = spectrum(ENERGY, pair()), atomic_data.core_width("Ni", "L3")
    for resolution, width in ((0.0, level), (1.5, 0.5346 * level + (0.2166 * level**2 + 1.5**2) ** 0.5)):
        said = entries(xas.white_line(mu, "Ni", "L3", resolution=resolution))[-1]["parameters"]
        assert said["shares"] == [2 / 3, 1 / 3]
        np.testing.assert_allclose(said["widths"][0], width, rtol=1e-4)


@pytest.mark.parametrize("noise", [3e-3, 1e-2, "counted"])
def test_errors_of_the_white_line_cover(noise):
    clean = pair(np.linspace(0.0, 0.6, 400)) + 0.3 - 2e-4 * (ENERGY - L3)
    rng = np.random.default_rng(20261126)
    noisy = rng.poisson(3e4 * clean) / 3e4 if noise == "counted" else clean + rng.normal(0, noise, clean.shape)
    asked = {"step_width": WIDTH, "limits": (-7.0, 7.0)}
    truth, found = (
        xas.white_line(xas.normalize(spectrum(ENERGY, mu), **RANGES), "Ni", "L3", **asked) for mu in (clean, noisy)
    )
    for name in ("energy", "height", "area", "fwhm"):
        error = (found[f"white_line_{name}"] - truth[f"white_line_{name}"]).to_numpy()
        assert_unit_normal(error / found[f"white_line_{name}_std"].to_numpy())


@pytest.mark.parametrize(("areas", "ratio"), [((12.0, 6.0), 2 / 3), ((15.0, 3.0), 5 / 6), ((9.0, 9.0), 1 / 2)])
def test_the_branching_ratio_is_that_of_the_areas_put_in(areas, ratio):
    """Two thirds where the lines are statistical; 1 % is what the places of the steps, at the maxima, leave."""
    found = xas.branching_ratio(spectrum(ENERGY, pair(np.linspace(0, 0.6, 13), areas)), "Ni", step_width=WIDTH)
    np.testing.assert_allclose(found["branching_ratio"], ratio, rtol=0.01)


def test_the_statistical_ratio_of_d_to_f_is_three_fifths():
    m5, m4 = (atomic_data.edge("Ce", name).energy for name in ("M5", "M4"))
    energy = np.arange(m5 - 50.0, m4 + 60.0, 0.15)
    mu = pair(0.0, (12.0, 8.0), energy - m5 + L3, shares=(3 / 5, 2 / 5))
    stretched = np.interp(energy, np.where(energy > m5 + 8, energy + (m4 - m5) - (L2 - L3), energy), mu)
    found = xas.branching_ratio(spectrum(energy, stretched), "Ce", "M5", step_width=WIDTH)
    np.testing.assert_allclose(found["branching_ratio"], 3 / 5, rtol=0.01)


@pytest.mark.parametrize("noise", [3e-3, 2e-2, "counted"])
def test_errors_of_the_branching_ratio_cover(noise):
    clean = pair(np.linspace(0.0, 0.6, 400), (12.0, 7.2)) + 0.3 - 2e-4 * (ENERGY - L3)
    rng = np.random.default_rng(20261127)
    noisy = rng.poisson(3e4 * clean) / 3e4 if noise == "counted" else clean + rng.normal(0, noise, clean.shape)
    truth, found = (
        xas.branching_ratio(xas.normalize(spectrum(ENERGY, mu), **RANGES), "Ni", step_width=WIDTH)
        for mu in (clean, noisy)
    )
    error = (found["branching_ratio"] - truth["branching_ratio"]).to_numpy()
    assert_unit_normal(error / found["branching_ratio_std"].to_numpy())


def test_the_nickel_of_the_simulated_cell_has_the_ratio_of_its_lines():
    """Its L2 lines have the height r and the width b of the L3 lines: 1/(1 + r b), but for tails and normalization."""
    law = parameters.load("small").nickel
    energy = nickel_spectra.energies(law)
    mu = xr.DataArray(
        nickel_spectra.references(energy, law),
        dims=("reference", "energy"),
        coords={"energy": ("energy", energy, {"units": "eV"})},
    )
    width = [3.5255 * law.step_width, 3.5255 * law.step_width * law.l2_broadening]
    found = xas.branching_ratio(mu, "Ni", step_width=tuple(width), shape="fermi", e0=law.reference_energy)
    np.testing.assert_allclose(found["branching_ratio"], 1 / (1 + law.l2_height * law.l2_broadening), atol=0.02)


def test_chunks_and_dims_change_nothing():
    mu = spectrum(ENERGY, pair(np.linspace(0.0, 0.6, 7)) + np.random.default_rng(1).normal(0, 3e-3, (7, ENERGY.size)))
    mu = mu.expand_dims(y=2).copy()
    mu[1, 3, 400:] = np.nan
    normal = xas.normalize(mu, **RANGES)
    lazy = xas.normalize(mu.transpose("energy", "scan", "y").chunk(scan=2, y=1), **RANGES)
    for measure in (lambda ds: xas.white_line(ds, "Ni", "L3"), lambda ds: xas.branching_ratio(ds, "Ni")):
        found = measure(lazy)
        assert all(array.chunks for array in found.data_vars.values())
        xr.testing.assert_allclose(found.compute().transpose("y", "scan"), measure(normal), rtol=1e-12)
        assert all("units" in array.attrs and "long_name" in array.attrs for array in found.data_vars.values())


def test_where_there_is_no_line_there_is_no_number():
    flat = np.stack([np.zeros(ENERGY.size), 0.5 + np.arctan(ENERGY - L3) / np.pi, np.full(ENERGY.size, np.nan)])
    found = xas.white_line(spectrum(ENERGY, flat), "Ni", "L3")
    assert all(np.isnan(array).all() for array in found.data_vars.values())
    assert np.isnan(xas.branching_ratio(spectrum(ENERGY, flat), "Ni")["branching_ratio"]).all()


def test_points_too_sparse_around_the_line_give_no_line_rather_than_another():
    sparse = np.concatenate([np.arange(800.0, 850.0, 0.5), np.arange(850.0, 858.0, 1.0), np.arange(858.0, 921.0, 0.2)])
    mu = pair(energy=sparse) + 0.3 * np.exp(-0.5 * ((sparse - 862.0) / SIGMA) ** 2)
    assert np.isnan(xas.white_line(spectrum(sparse, mu), "Ni", "L3")["white_line_energy"])
    assert np.isfinite(xas.white_line(spectrum(sparse, mu), "Ni", "L3", smoothing=4.0)["white_line_energy"])


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (xas.white_line, "element and edge"),
        (lambda mu: xas.white_line(mu, "Ni", "L9"), "an edge of Ni"),
        (lambda mu: xas.white_line(mu, "Ni", "L3", shape="step"), "'arctan' or 'fermi'"),
        (lambda mu: xas.white_line(mu, "Ni", "L3", limits=(5.0, -5.0)), "limits that rise"),
        (lambda mu: xas.white_line(mu, "Ni", "L3", smoothing=0.2), "a smoothing above 0.4 eV"),
        (lambda mu: xas.white_line(mu, "Ni", "L3", step_width=(1.0, 2.0, 3.0)), "step_width above 0 eV for each"),
        (lambda mu: xas.branching_ratio(mu, "Ni", "K"), "L3, L2, M5, M4"),
        (lambda mu: xas.branching_ratio(mu.rename(energy="e"), "Ni"), "dim 'energy'"),
    ],
)
def test_a_mistake_is_named_in_one_line(call, said):
    with pytest.raises(OperandoError, match=said) as caught:
        call(spectrum(ENERGY, pair()))
    assert "\n" not in str(caught.value)


@pytest.mark.realdata
def test_sulfur_white_lines_stand_where_the_library_has_them(realdata: Path):
    expected = {"S_elemental": 2471.7, "pyrite1": 2471.5, "Na2SO3": 2477.4, "NiSO4": 2482.6}
    for name, energy in expected.items():
        normal = xas.normalize(xas.signal(xas.read(realdata / f"xas/xdl/{name}_rt_01.xdi"), "fluorescence"))
        found = xas.white_line(normal, "S", resolution=0.5)
        assert abs(found["white_line_energy"].item() - energy) < 0.2
        assert found["white_line_energy_std"] < 0.1
        assert 1.5 < found["white_line_fwhm"] < 4.0


@pytest.mark.realdata
def test_lines_of_cobalt_as_measured_have_the_areas_that_plain_sums_give(realdata: Path):
    """The file holds the dichroism alone, 0.01 eV a row, with no step: its size is put on the two steps."""
    rows = np.abs(np.loadtxt(realdata / "xas/xaspy/xmcd_co.csv", skiprows=1))
    energy = 761.0 + 0.01 * np.arange(rows.size)
    first, second = (energy[part.start + rows[part].argmax()] for part in (slice(1000, 2500), slice(2500, 4500)))
    assert abs(second - first - 15.0) < 0.7
    steps = sum(
        share * (0.5 + np.arctan(2 * (energy - place) / WIDTH) / np.pi)
        for share, place in ((2 / 3, first), (1 / 3, second))
    )
    mu = 4 * rows + steps
    places = [energy[part.start + mu[part].argmax()] for part in (slice(1000, 2500), slice(2500, 4500))]
    below = sum(
        share * (0.5 + np.arctan(2 * (energy - place) / WIDTH) / np.pi)
        for share, place in zip((2 / 3, 1 / 3), places, strict=True)
    )
    reach, middle = 7.0, sum(places) / 2
    one = (mu - below)[(energy >= places[0] - reach) & (energy <= middle)].sum()
    other = (mu - below)[(energy > middle) & (energy <= places[1] + reach)].sum()
    found = xas.branching_ratio(spectrum(energy, mu), "Co", step_width=WIDTH, reach=reach, smoothing=0.2)
    np.testing.assert_allclose(found["branching_ratio"], one / (one + other), atol=2e-3)
    assert 0.6 < found["branching_ratio"] < 0.85
