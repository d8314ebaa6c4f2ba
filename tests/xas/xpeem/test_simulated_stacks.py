"""The simulated cell's stacks from counts to drift, spectra and shares of every particle, by public functions alone."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from image_stacks import stacks
from pulls import assert_unit_normal
from scipy import ndimage

from operando import xas
from operando.example_scans import nickel_spectra, parameters
from operando.xas import xpeem

SEEDS = range(301, 351)
PARTICLE_SEEDS = range(401, 407)
RANGES = {"pre1": -9.5, "pre2": -2.5, "norm1": 8.0, "norm2": 11.5, "nnorm": 0}
E0 = 853.5
INSIDE = 3
"""Pixels within which a particle's edge is blurred and its image moves."""
FEW = [{"start": 846.0, "stop": 852.0, "step": 2.0}, {"start": 852.0, "stop": 860.0, "step": 1.0}]


def test_drift_pulls_as_a_unit_normal_over_stacks(happened):
    """One frame a stack, for all frames of a stack share the noise of their reference."""
    pulls = []
    for seed in SEEDS:
        stack, known = stacks(seed, happened=happened, energies=FEW)
        found = xpeem.drift(xpeem.correct(stack))
        for axis in ("drift_y", "drift_x"):
            frame = 1 + seed % (known.sizes["frame"] - 1)
            error = found[axis].values - (known[axis] - known[axis].isel(frame=0)).values
            pulls.append(error[:, frame] / found[f"{axis}_std"].values[:, frame])
    assert_unit_normal(np.concatenate(pulls))


@pytest.fixture(scope="module")
def particles(happened):
    """Return found spectra of the particles of several stacks, true ones, and true shares, dims (region, ...)."""
    law = parameters.load("small").xpeem
    out = []
    for seed in PARTICLE_SEEDS:
        stack, known = stacks(seed, happened=happened, i0_noise=0.0)
        images = xpeem.correct(stack, gain=1.0)
        aligned = xpeem.align(images, xpeem.drift(images, between=True))
        found = xpeem.spectra(aligned, cores(known["label"].values))
        found = found.isel(region=np.flatnonzero((found["pixels"] >= 12).all("scan")))
        one = known.isel(particle=found["region"].values - 1)
        slope = 1 + law.background_slope * (known["energy"] - law.reference_energy)
        true = one["brightness"] * (law.particle_counts * slope + law.edge_counts * one["spectrum"]) / law.flat_counts
        out.append((found, true.transpose("scan", "particle", "frame"), one["weight"]))
    return out


def cores(label: np.ndarray) -> np.ndarray:
    """Return the particles without their rims."""
    whole = np.zeros_like(label)
    for number in range(1, label.max() + 1):
        whole[ndimage.binary_erosion(label == number, iterations=INSIDE)] = number
    return whole


def test_spectra_of_particles_pull_as_unit_normals(particles):
    assert_unit_normal(
        np.concatenate([((f["mu"].values - t.values) / f["mu_std"].values).ravel() for f, t, _ in particles])
    )


def test_edge_energies_of_particles_pull_as_unit_normals(particles):
    """Against the exact spectra, normalized alike."""
    pulls = []
    for found, true, _ in particles:
        exact = xr.DataArray(true.values, dims=found["mu"].dims, coords={"energy": found["energy"]})
        expected = xas.edge_energy(xas.normalize(exact, E0, **RANGES))["edge_energy"].values
        measured = xpeem.maps(found, e0=E0, normalization=RANGES)
        pulls.append(((measured["edge_energy"] - expected) / measured["edge_energy_std"]).values.ravel())
    assert_unit_normal(np.concatenate(pulls))


def test_shares_of_particles_pull_as_unit_normals(particles):
    """One share of each: those of a particle add up to one."""
    law, pulls = parameters.load("small").nickel, []
    for found, _, weight in particles:
        energy = found["energy"].values
        pure = xr.DataArray(
            nickel_spectra.references(energy, law),
            dims=("reference", "energy"),
            coords={"reference": weight["reference"].values, "energy": ("energy", energy, {"units": "eV"})},
        )
        options = {"scale": True, "background": "linear", "bounds": (-0.5, 1.5)}
        shares = xpeem.maps(found, e0=E0, normalization=RANGES, references=pure, combination=options)
        pulls.append(((shares["fraction"] - weight.values) / shares["fraction_std"]).values[..., 2].ravel())
    assert_unit_normal(np.concatenate(pulls))
