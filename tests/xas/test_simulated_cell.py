"""The simulated cell from its files to the surface layer and the bulk's state of charge, by public functions alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import xarray as xr
from scipy import stats

from operando import xas
from operando.example_scans import cell, nickel, nickel_references, parameters

SEEDS = (101, 102, 103, 104)
RANGES = {"e0": 854.0, "pre1": -16.0, "pre2": -14.5, "norm1": 27.0, "norm2": 38.0, "nnorm": 0}
"""Too few points below the edge for a line: it would be carried on over 40 eV with all its noise."""
FREE = {"scale": True, "background": "linear", "bounds": (-0.5, 1.5)}
"""Height and background are fitted, so that errors of the normalization do not count."""
READ = {"reader": "columns", "timezone": "Europe/Zurich"}
TIME = {"start": "Time at start", "middle": "Time from start (seconds)"}
LABELS = {"energy": "photon energy", "tey": "drain current", "i0": "I0"}
REDUCED, LITHIATED, DELITHIATED = "reduced Ni", "lithiated NCM", "delithiated NCM"


@dataclass(frozen=True)
class Beamtime:
    """Normalized yields of the scans without faults, the references as measured, and the truth."""

    tey: xr.Dataset
    tfy: xr.Dataset
    references: xr.DataArray
    known: xr.Dataset

    @property
    def exact(self) -> xr.DataArray:
        return self.known["reference_spectrum"]

    @property
    def charge(self) -> np.ndarray:
        """The bulk's state of charge, 0 to 1."""
        return self.known["xb"].sel(reference=DELITHIATED).to_numpy()


@pytest.fixture(scope="module")
def beamtimes(tmp_path_factory) -> list[Beamtime]:
    declared = parameters.load("small")
    happened = cell.run(declared)
    return [beamtime(declared, happened, seed, tmp_path_factory.mktemp(f"seed{seed}")) for seed in SEEDS]


def beamtime(declared, happened, seed, folder) -> Beamtime:
    part, pure = (module.simulate(declared, happened, seed) for module in (nickel, nickel_references))
    for name, content in {**part.files, **pure.files}.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)
    known = part.truth["xas/Ni_L3"]
    known = known.isel(scan=known["fault"].isin(["", "gain_x10"]).to_numpy())
    paths = [folder / "xas" / source for source in known["source"].values]
    scans = xas.read_series(paths, columns=LABELS | {"tfy": "fluorescence"}, time=TIME, **READ)
    measured = xas.read_series([folder / name for name in pure.files], columns=LABELS, **READ)
    measured = measured.swap_dims(scan="reference").assign_coords(reference=known["reference"])
    return Beamtime(
        xas.normalize(xas.signal(scans, "tey"), **RANGES),
        xas.normalize(xas.signal(scans, "tfy"), **RANGES),
        xas.normalize(xas.signal(measured, "tey"), **RANGES)["normalized"],
        known,
    )


def layer(shares: xr.Dataset) -> xr.Dataset:
    """Return the thickness of the layer of reduced nickel, which the cathode below does not hold."""
    own = shares.sel(reference=REDUCED)
    return xas.depth_profile(own["fraction"], escape_depth=5.0, surface=1.0, bulk=0.0, tey_std=own["fraction_std"])


def state_of_charge(shares: xr.Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Return the delithiated share of the cathode and its uncertainty."""
    cathode = [LITHIATED, DELITHIATED]
    values = shares["fraction"].sel(reference=cathode).to_numpy()
    covariance = shares["fraction_covariance"].sel(reference=cathode, other_reference=cathode).to_numpy()
    whole = values.sum(axis=1)
    charge = values[:, 1] / whole
    slopes = np.stack([-charge, 1 - charge], axis=1) / whole[:, None]
    return charge, np.sqrt(np.einsum("si,sij,sj->s", slopes, covariance, slopes))


def corrected(tfy: xr.Dataset) -> xr.Dataset:
    return xas.correct_self_absorption(tfy, "LiNi0.8Co0.1Mn0.1O2", "Ni", "L3", line="La1")


def rms(values) -> float:
    return float(np.sqrt(np.mean(np.square(values))))


def assert_spread_of_one(pulls):
    """Assert that pulls scatter as they should, within limits that correct code passes 99.9 % of the time."""
    low, high = np.sqrt(stats.chi2.ppf([5e-4, 1 - 5e-4], pulls.size - 1) / (pulls.size - 1))
    assert pulls.size >= 200
    assert low < pulls.std(ddof=1) < high


def test_shift_of_the_references_is_found(beamtimes):
    for one in beamtimes:
        found = xas.lcf(one.tey, one.references, shift=(-0.5, 0.5), **FREE)["energy_shift"]
        assert rms(found + 0.1) < 0.01


def test_surface_layer_is_found_with_measured_references(beamtimes):
    for one in beamtimes:
        found = layer(xas.lcf(one.tey, one.references, shift=(-0.5, 0.5), **FREE))
        assert rms(found["layer_thickness"] - one.known["layer"]) < 0.03


def test_surface_layer_and_its_error_are_right_with_exact_references(beamtimes):
    pulls = []
    for one in beamtimes:
        found = layer(xas.lcf(one.tey, one.exact, **FREE))
        error = found["layer_thickness"] - one.known["layer"]
        assert rms(error) < 0.02
        pulls.append(error / found["layer_thickness_std"])
    pooled = np.concatenate(pulls)
    assert_spread_of_one(pooled)
    assert abs(pooled.mean()) < 3.3 / np.sqrt(pooled.size)


def test_bulk_is_found_with_measured_references(beamtimes):
    """The shift is that of the electron yield: both are measured at once, and self-absorption does not bend it."""
    for one in beamtimes:
        shift = xas.lcf(one.tey, one.references, shift=(-0.5, 0.5), **FREE)["energy_shift"]
        charge, _ = state_of_charge(xas.lcf(corrected(one.tfy), one.references, shift=shift, **FREE))
        assert rms(charge - one.charge) < 0.01


def test_bulk_and_its_error_are_right_with_exact_references(beamtimes):
    """The layer above bends the fluorescence by a share that differs with the energy: -0.002 are left of it."""
    pulls = []
    for one in beamtimes:
        charge, std = state_of_charge(xas.lcf(corrected(one.tfy), one.exact, **FREE))
        assert -0.005 < np.mean(charge - one.charge) < 0.005
        pulls.append((charge - one.charge) / std)
    assert_spread_of_one(np.concatenate(pulls))


def test_without_the_correction_the_bulk_is_ten_times_further_off(beamtimes):
    one = beamtimes[0]
    bent, freed = (state_of_charge(xas.lcf(tfy, one.exact, **FREE))[0] for tfy in (one.tfy, corrected(one.tfy)))
    assert rms(bent - one.charge) > 10 * rms(freed - one.charge)
