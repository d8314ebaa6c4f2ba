"""What is true of every XPEEM stack: the particles with their states and spectra, drift, I0 and faults."""

from __future__ import annotations

import numpy as np
import xarray as xr

from operando.flags import Flag

from . import faults, nickel_spectra, scans
from .cell import Floats, Run
from .noise import stream
from .parameters import Parameters
from .xpeem_scene import Scene, labels, walk

JUDGED = Flag.missing_frame | Flag.surplus_frame | Flag.saturated | Flag.ec_gap
"""Flags whose truth is known for every stack."""


def truth(parameters: Parameters, run: Run, sample: Scene, seed: int) -> xr.Dataset:
    """Return what is true of each stack: cell, particles and their spectra, drift, I0 and faults.

    Notes
    -----
    ``drift_y`` and ``drift_x`` say how far the image lies from where ``label`` shows it: what is at (y, x) there
    is at (y + drift_y, x + drift_x) in the frame. ``spectrum`` is in units of the whole L2,3 step, without
    background; a pixel within a particle counts ``i0 flat brightness (particle_counts (1 + slope (E - E_ref)) +
    edge_counts spectrum)`` above the dark.
    """
    law = parameters.xpeem
    energy = energies(parameters)
    plans = [plan(parameters, number) for number in range(1, law.scans + 1)]
    ds = scans.states(parameters, run, plans)
    ds = ds.merge(_particles(parameters, ds, sample, energy, seed))
    drift = np.array([walk(law, seed, number, energy.size) for number in range(1, law.scans + 1)])
    i0 = np.array([_beam(parameters, number, seed) for number in range(1, law.scans + 1)])
    found = [faults.of_stack(number, parameters.faults) for number in range(1, law.scans + 1)]
    flag = [faults.combined(names, faults.EXPECTED) for names in found] | scans.in_gap(parameters, plans)
    columns: dict[str, tuple[tuple[str, ...], np.ndarray, str, str]] = {
        "drift_y": (("scan", "frame"), drift[..., 0], "px", "displacement of the image to higher y"),
        "drift_x": (("scan", "frame"), drift[..., 1], "px", "displacement of the image to higher x"),
        "i0": (("scan", "frame"), i0, "1", "intensity of the beam"),
        "label": (("y", "x"), labels(sample, law.pixels), "1", "particle, counted from 1; 0 is background"),
        "flat": (("y", "x"), _flat(parameters, seed), "1", "sensitivity times illumination"),
        "frame_flag": (("scan", "frame"), _frame_flags(found, energy.size), "1", "flags that a frame deserves"),
        "flag": (("scan",), flag.astype(np.int32), "1", "flags that the stack deserves"),
        "flag_tolerated": (
            ("scan",),
            np.array([faults.combined(names, faults.TOLERATED) for names in found], dtype=np.int32),
            "1",
            "flags that are no mistake either",
        ),
    }
    for name, (dims, values, unit, meaning) in columns.items():
        ds[name] = (dims, values, {"units": unit, "long_name": meaning})
    ds["fault"] = ("scan", np.array([" ".join(names) for names in found], dtype=object), {"long_name": "faults"})
    sources = np.array([stack_name(parameters, number) for number in range(1, law.scans + 1)], dtype=object)
    ds = ds.assign_coords(
        source=("scan", sources), energy=("frame", energy, {"units": "eV", "long_name": "photon energy"})
    )
    return ds.assign_attrs(
        judged_flags=int(JUDGED),
        technique="xpeem",
        pixel_size=law.pixel,
        pixel_size_units="um",
        **_constants(parameters),
    )


def _particles(parameters: Parameters, cell: xr.Dataset, sample: Scene, energy: Floats, seed: int) -> xr.Dataset:
    """Return place, state and noise-free spectrum of every particle in every stack.

    A particle is ahead of the cell or behind it by an amount of its own; the last ones are inactive and stay at
    the state of the start. Its reduced layer grows by a factor of its own.
    """
    law = parameters.xpeem
    noise = stream(seed, "xpeem", "state")
    ahead = law.state_spread * noise.standard_normal(law.particles)
    growth = np.exp(law.layer_spread * noise.standard_normal(law.particles))
    active = np.arange(law.particles) < law.particles - law.inactive
    state = np.where(active, cell["z"].values[:, np.newaxis], parameters.cell.z0) + ahead
    state = np.clip(state, 0.0, 1.0)
    grown = cell["d_ox"].values[:, np.newaxis] * growth
    weight = nickel_spectra.weights(state, grown, parameters.nickel)
    edge, _ = nickel_spectra.edge_energies(weight.reshape(-1, weight.shape[-1]), parameters.nickel)
    per_particle = ("scan", "particle")
    columns: dict[str, tuple[tuple[str, ...], np.ndarray, str, str]] = {
        "state": (per_particle, state, "1", "delithiated fraction of the particle"),
        "layer": (per_particle, nickel_spectra.layer(grown, parameters.nickel), "nm", "thickness of the reduced layer"),
        "weight": ((*per_particle, "reference"), weight, "1", "share in the signal of the particle"),
        "edge_energy": (per_particle, edge.reshape(state.shape), "eV", "half-height edge energy of the spectrum"),
        "spectrum": (
            (*per_particle, "frame"),
            weight @ nickel_spectra.references(energy, parameters.nickel),
            "1",
            "absorption in edge steps, without noise and background",
        ),
        "active": (("particle",), active.astype(np.int8), "1", "whether the particle takes part"),
        "center_y": (("particle",), sample.y, "px", "center of the particle without drift"),
        "center_x": (("particle",), sample.x, "px", "center of the particle without drift"),
        "radius": (("particle",), sample.radius, "px", "radius of the particle"),
        "brightness": (("particle",), sample.brightness, "1", "relative yield of the particle"),
    }
    ds = xr.Dataset(
        {
            name: (dims, values, {"units": unit, "long_name": meaning})
            for name, (dims, values, unit, meaning) in columns.items()
        }
    )
    names = np.array([substance.name for substance in parameters.nickel.references], dtype=object)
    attrs = {"units": "1", "long_name": "number of the particle"}
    return ds.assign_coords(reference=names, particle=("particle", np.arange(1, law.particles + 1), attrs))


def energies(parameters: Parameters) -> Floats:
    """Return the photon energy of every frame, eV."""
    parts = [
        part.start + part.step * np.arange(round((part.stop - part.start) / part.step))
        for part in parameters.xpeem.energies
    ]
    every: Floats = np.concatenate(parts)
    return every


def plan(parameters: Parameters, number: int) -> tuple[float, float]:
    """Return start and end of a stack, s of the cycler's clock."""
    law = parameters.xpeem
    start = law.first_scan + law.period * (number - 1)
    return start, start + law.frame_time * parameters.xpeem.frames


def _beam(parameters: Parameters, number: int, seed: int) -> Floats:
    """Return the intensity of every frame of a stack; 1 on average at its start."""
    law, frames = parameters.xpeem, parameters.xpeem.frames
    jitter = law.i0_jitter * stream(seed, "xpeem", "beam", number).standard_normal(frames)
    beam: Floats = (1 + jitter) * np.exp(-law.i0_decay * np.linspace(0, 1, frames))
    return beam


def _flat(parameters: Parameters, seed: int) -> np.ndarray:
    """Return sensitivity times illumination: bright in the middle, with a pattern that is fixed to the pixels."""
    law = parameters.xpeem
    across = np.linspace(-1, 1, law.pixels)
    illumination = 1 - law.vignetting * (across[:, np.newaxis] ** 2 + across**2) / 2
    pattern = stream(seed, "xpeem", "flat").standard_normal((law.pixels, law.pixels))
    flat: np.ndarray = illumination * (1 + law.fixed_pattern * pattern)
    return flat


def _frame_flags(found: list[dict[str, set[int]]], frames: int) -> np.ndarray:
    flags = np.zeros((len(found), frames), dtype=np.int32)
    for row, names in zip(flags, found, strict=True):
        for name, hit in names.items():
            row[sorted(hit)] |= int(faults.EXPECTED[name])
    return flags


def _constants(parameters: Parameters) -> dict[str, float]:
    law = parameters.xpeem
    names = ("particle_counts", "edge_counts", "background_counts", "background_slope", "reference_energy")
    return {name: getattr(law, name) for name in (*names, "dark_counts", "dispersion")}


def stack_name(parameters: Parameters, number: int) -> str:
    """Return the name of a stack, counted from 1."""
    return f"{parameters.xpeem.node}_{number:03d}"
