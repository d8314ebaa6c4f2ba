"""Core levels of one scan fitted together: shared shifts, each region with a background of its own."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from scipy.special import erf

from operando import xps
from operando.errors import OperandoError
from operando.xps import Background, Doublet, Free, Link, Model, Peak
from operando.xps.relocation import jumps

AXES = {
    "P 2p": np.arange(124.0, 140.0, 0.1),
    "S 2p": np.arange(156.0, 172.0, 0.1),
    "C 1s": np.arange(279.0, 292.0, 0.1),
}
LINES = {
    "C 1s": {"C-C": (284.8, 0.0, 0.0, 60_000.0), "C-O": (286.5, 0.0, 0.0, 5_000.0)},
    "S 2p": {"PS4": (161.5, 1.18, 0.511, 40_000.0), "P-S-P": (163.0, 1.18, 0.511, 9_000.0)},
    "P 2p": {"PS4": (131.9, 0.86, 0.511, 20_000.0), "P-S-P": (132.9, 0.86, 0.511, 4_000.0)},
}
FWHM, MIXING, HEIGHT, CONSTANT, SLOPE = 1.15, 0.2, 0.02, 3000.0, 15.0


def profile(energy, position):
    u = (energy - position) / (FWHM / 2)
    gauss = np.exp(-np.log(2) * u**2) * np.sqrt(np.log(2) / np.pi)
    lorentz = 1 / (np.pi * (1 + u**2))
    rise = (1 - MIXING) * 0.5 * (1 + erf(np.sqrt(np.log(2)) * u)) + MIXING * (0.5 + np.arctan(u) / np.pi)
    return ((1 - MIXING) * gauss + MIXING * lorentz) / (FWHM / 2), rise


def curve(region: str, shift: float) -> np.ndarray:
    energy = AXES[region]
    total = CONSTANT + SLOPE * (energy - (energy[0] + energy[-1]) / 2)
    for position, splitting, ratio, area in LINES[region].values():
        for at, share in ((position, 1 / (1 + ratio)), (position + splitting, ratio / (1 + ratio))):
            if share:
                line, rise = profile(energy, at + shift)
                total = total + area * share * (line + HEIGHT * rise)
    return total


def joined(electrode, electrolyte, seed: int | None = None) -> xr.Dataset:
    """Return scans with these shifts (eV), on one axis."""
    rng = None if seed is None else np.random.default_rng(seed)
    parts = []
    for region in ("P 2p", "S 2p", "C 1s"):
        shifts = electrode if region == "C 1s" else electrolyte
        rows = np.array([curve(region, shift) for shift in shifts])
        rows = rows if rng is None else rng.poisson(rows).astype(float)
        coords = {
            "binding_energy": AXES[region],
            "region": ("binding_energy", np.full(AXES[region].size, region, object)),
        }
        parts.append(xr.Dataset({"counts": (("scan", "binding_energy"), rows, {"units": "count"})}, coords))
    return xr.concat(parts, "binding_energy")


def lines(region: str, phase: str | None) -> list[Peak | Doublet]:
    found: list[Peak | Doublet] = []
    for name, (position, splitting, ratio, _) in LINES[region].items():
        own = {"phase": phase, "region": region}
        width = Link(f"{found[0].name}.fwhm") if found else 1.0
        if ratio:
            found.append(Doublet(f"{region} {name}", position, width, splitting, ratio, **own))
        else:
            found.append(Peak(f"{region} {name}", position, width, **own))
    return found


REACH = Free(0.0, -4.5, 4.5)


@pytest.fixture(scope="module")
def model() -> Model:
    every = [*lines("C 1s", "electrode"), *lines("S 2p", "electrolyte"), *lines("P 2p", "electrolyte")]
    return Model(every, shifts={"electrode": REACH, "electrolyte": REACH})


def test_without_noise_everything_comes_back(model):
    found = xps.fit(joined([0.2], [-1.3]), model).isel(scan=0)
    np.testing.assert_allclose(found["shift"], [0.2, -1.3], atol=1e-9)
    areas = [area for region in ("C 1s", "S 2p", "P 2p") for *_, area in LINES[region].values()]
    np.testing.assert_allclose(found["area"], areas, rtol=1e-8)
    np.testing.assert_allclose(found["background_height"], HEIGHT, rtol=1e-7)
    np.testing.assert_allclose(found["background_slope"], SLOPE, rtol=1e-6)
    assert found["background_height"].dims == ("background_region",)
    assert found["peak_region"].values.tolist() == ["C 1s"] * 2 + ["S 2p"] * 2 + ["P 2p"] * 2
    np.testing.assert_allclose(found["fraction"].values.reshape(3, 2).sum(axis=1), 1.0)


def test_shifts_all_over_their_bounds_are_found_whatever_line_could_pass_for_another(model):
    """Poorly chosen starts would let C-O stand for C-C, or P-S-P for PS4."""
    rng = np.random.default_rng(81)
    electrode, electrolyte = rng.uniform(-2.0, 2.0, 150), rng.uniform(-3.0, 3.0, 150)
    found = xps.fit(joined(electrode, electrolyte, seed=82), model, neighbors=False, curves=False)
    assert np.abs(found["shift"].sel(phase="electrode") - electrode).max() < 0.02
    assert np.abs(found["shift"].sel(phase="electrolyte") - electrolyte).max() < 0.02
    assert float(found["reduced_chi_square"].max()) < 1.4


def test_regions_that_share_nothing_are_fitted_as_if_alone():
    together = Model([*lines("S 2p", None), *lines("P 2p", None)])
    spectra = joined([0.0] * 3, [0.1] * 3, seed=83)
    found = xps.fit(spectra, together)
    for region in ("S 2p", "P 2p"):
        own = spectra.isel(binding_energy=np.flatnonzero(spectra["region"].values == region))
        alone = xps.fit(own, Model(lines(region, None)))
        at = found["peak_region"].values == region
        for name in ("area", "position", "fwhm", "fraction", "area_std", "position_std"):
            np.testing.assert_allclose(found[name].values[:, at], alone[name].values, rtol=1e-6)
        at = found["background_region"].values == region
        np.testing.assert_allclose(
            found["background_height"].values[:, at], alone["background_height"].values, rtol=1e-5
        )


def test_a_shared_shift_is_known_better_than_by_one_level_alone(model):
    spectra = joined([0.0], [0.5], seed=84)
    both = xps.fit(spectra, model)
    own = spectra.isel(binding_energy=np.flatnonzero(spectra["region"].values == "P 2p"))
    alone = xps.fit(own, Model(lines("P 2p", "electrolyte"), shifts={"electrolyte": REACH}))
    std = float(both["shift_std"].sel(phase="electrolyte").item())
    assert std < 0.6 * float(alone["shift_std"].item())


@pytest.mark.filterwarnings("ignore:fit. . of 1 spectra are missed by their fit")
def test_tougaard_is_applied_region_by_region():
    background = Background("tougaard", polynomial=1)
    spectra = joined([0.0], [0.0], seed=85)
    found = xps.fit(spectra, Model([*lines("S 2p", None), *lines("C 1s", None)], background))
    for region in ("S 2p", "C 1s"):
        own = spectra.isel(binding_energy=np.flatnonzero(spectra["region"].values == region))
        alone = xps.fit(own, Model(lines(region, None), background))
        at = found["peak_region"].values == region
        np.testing.assert_allclose(found["area"].values[:, at], alone["area"].values, rtol=1e-6)


def test_covariances_of_areas_and_positions_are_those_of_their_errors(model):
    found = xps.fit(joined([0.1], [0.4], seed=86), model).isel(scan=0)
    for name in ("area", "position"):
        np.testing.assert_allclose(np.sqrt(np.diag(found[f"{name}_covariance"])), found[f"{name}_std"], rtol=1e-9)
    sulfur = found["position_covariance"].values[2:4, 2:4]
    np.testing.assert_allclose(sulfur, sulfur[0, 0], rtol=1e-9)


def test_jumps_are_the_distances_of_lines_that_move_together(model):
    names = model.compiled.names
    moves = jumps(model.compiled)
    electrode = moves[:, names.index("electrode.shift")]
    assert sorted(electrode[electrode != 0]) == pytest.approx([-1.7, 1.7])
    assert np.count_nonzero(moves) == len(moves)


def test_a_model_without_shifts_has_no_jumps():
    assert jumps(Model(lines("S 2p", None)).compiled).size == 0


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (
            lambda: Model([*lines("S 2p", None), Peak("x", 131.0, 1.0)]),
            "a region for every line or for none, got none for x",
        ),
        (lambda: xps.fit(joined([0.0], [0.0]), Model([Peak("x", 161.0, 1.0)])), "expected a region for every line"),
        (
            lambda: xps.fit(joined([0.0], [0.0]), Model([Peak("x", 161.0, 1.0, region="Li 1s")])),
            "expected spectra of Li 1s",
        ),
        (
            lambda: Model([Peak("x", Free(161.0, 160.0, 162.0), 1.0)], shifts={"electrolyte": 0.0}),
            "expected shifts of phases that lines have",
        ),
    ],
)
def test_mistakes_are_told_in_a_line(make, said):
    with pytest.raises(OperandoError, match=said):
        make()


def test_regions_of_a_series_are_fitted_all_at_once(model):
    rng = np.random.default_rng(91)
    electrode, electrolyte = rng.uniform(-0.3, 0.3, 8), rng.uniform(-1.0, 1.0, 8)
    spectra = joined(electrode, electrolyte, seed=92)
    together, alone = xps.fit_global(spectra, model), xps.fit(spectra, model)
    assert "S 2p background.height" in together.attrs["shared"]
    assert (together["fwhm"] == together["fwhm"][0]).all()
    for phase, shifts in (("electrode", electrode), ("electrolyte", electrolyte)):
        one = together.sel(phase=phase)
        assert (abs(one["shift"] - shifts) < 4.5 * one["shift_std"]).all()
    assert (together["area_std"].mean("scan") < 0.9 * alone["area_std"].mean("scan")).all()
    assert float(together["reduced_chi_square_total"]) == pytest.approx(1, abs=0.06)
