"""The Ni L3 image stacks: one TIFF file a frame with a text log, and the same stack as one HDF5 file."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import xarray as xr

from operando.flags import Flag

from . import faults, image_files, nickel_spectra, scans
from .cell import Floats, Run
from .clocks import beamline_local_time
from .noise import stream
from .parameters import Parameters
from .part import Part
from .xpeem_scene import Scene, covers, labels, scene, texture, walk

JUDGED = Flag.missing_frame | Flag.surplus_frame | Flag.saturated | Flag.ec_gap
"""Flags whose truth is known for every stack."""

LOG = """\
# Simulated photoemission electron microscope
# Stack={number}
# Sample=NCM811 with Li3PS4, operando
# Pixel size (um)={pixel:.4f}
# Time at start={start}
# Time per frame (s)={frame_time:.3f}
# Flat=../flat.tif
# Dark=../dark.tif
# frame\tfile\tphoton energy (eV)\ttime\tI0 (nA)
"""


def simulate(parameters: Parameters, run: Run, seed: int) -> Part:
    """Return the stacks and their truth.

    The particles keep the state of the stack's mean time while it is taken, and so does every spectrum.
    """
    law = parameters.xpeem
    if not law.scans:
        return Part({}, "")
    sample = scene(law, seed)
    known = truth(parameters, run, sample, seed)
    flat, dark = _flat_and_dark(parameters, known["flat"].values, seed)
    files = {
        f"{law.folder}/{name}.tif": image_files.tiff(image, law.pixel)
        for name, image in (("flat", flat), ("dark", dark))
    }
    for number in range(1, law.scans + 1):
        files |= _stack(parameters, number, (flat, dark), known.isel(scan=number - 1), sample, seed)
    return Part(files, "", {f"xpeem/{law.node}": known})


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
    energy = _energies(parameters)
    plans = [_plan(parameters, number) for number in range(1, law.scans + 1)]
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
    names = np.array([f"{_name(parameters, number)}" for number in range(1, law.scans + 1)], dtype=object)
    ds = ds.assign_coords(
        source=("scan", names), energy=("frame", energy, {"units": "eV", "long_name": "photon energy"})
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
    return ds.assign_coords(reference=names, particle=np.arange(1, law.particles + 1))


def expected(parameters: Parameters, known: xr.Dataset, sample: Scene, frame: int) -> np.ndarray:
    """Return the counts of a frame above the dark, without noise, at I0 = 1 and a flat of 1, dims (y, x).

    Parameters
    ----------
    known
        The truth of one stack.
    """
    law = parameters.xpeem
    shift = (float(known["drift_y"][frame]), float(known["drift_x"][frame]))
    rows = float(known["energy"][frame]) + law.dispersion * (np.arange(law.pixels) / (law.pixels - 1) - 0.5)
    spectra = known["weight"].values @ nickel_spectra.references(rows, parameters.nickel)
    slope = 1 + law.background_slope * (rows[:, np.newaxis] - law.reference_energy)
    image = law.background_counts * slope * (1 + law.background_texture * texture(sample, law.pixels, shift))
    for number, part, cover in covers(sample, law.pixels, shift):
        inside = law.particle_counts * slope[part[0]] + law.edge_counts * spectra[number, part[0], np.newaxis]
        image[part] += cover * (sample.brightness[number] * inside - image[part])
    return image


def _stack(
    parameters: Parameters,
    number: int,
    flat_and_dark: tuple[np.ndarray, np.ndarray],
    known: xr.Dataset,
    sample: Scene,
    seed: int,
) -> dict[str, bytes]:
    """Return the files of one stack: its frames, its log and its HDF5 file."""
    law, name = parameters.xpeem, _name(parameters, number)
    found = faults.of_stack(number, parameters.faults)
    missing = found.get("missing_frame", set())
    frames = np.array(list(_frames(parameters, number, known, sample, seed)), dtype=np.uint16)
    for frame in found.get("saturated_frame", set()):
        frames[frame] = faults.SATURATED
    if "surplus_frame" in found:
        frames = np.concatenate([frames, _noisy(parameters, number, known, sample, seed)[np.newaxis]])
    kept = [index for index in range(len(frames)) if index not in missing]
    files = {f"{law.folder}/{name}/{_file(name, index)}": image_files.tiff(frames[index], law.pixel) for index in kept}
    error = 1 + law.i0_noise * stream(seed, "xpeem", "I0", number).standard_normal(known.sizes["frame"])
    i0 = law.i0_current * known["i0"].values * error
    files[f"{law.folder}/{name}/{name}.txt"] = _log(parameters, number, known["energy"].values, i0)
    frames[sorted(missing)] = 0
    files[f"{law.folder}/{name}.h5"] = _hdf5(parameters, number, frames, flat_and_dark, known["energy"].values, i0)
    return files


def _frames(parameters: Parameters, number: int, known: xr.Dataset, sample: Scene, seed: int) -> Iterator[np.ndarray]:
    for frame in range(known.sizes["frame"]):
        yield _noisy(parameters, number, known, sample, seed, frame)


def _noisy(
    parameters: Parameters, number: int, known: xr.Dataset, sample: Scene, seed: int, frame: int | None = None
) -> np.ndarray:
    """Return a frame as the camera counts it; None: a surplus one, at the last energy and place."""
    noise = stream(seed, "xpeem", "frame", number, "surplus" if frame is None else frame)
    at = known.sizes["frame"] - 1 if frame is None else frame
    light = float(known["i0"][at]) * known["flat"].values * expected(parameters, known, sample, at)
    counts = noise.poisson(light + parameters.xpeem.dark_counts)
    image: np.ndarray = np.minimum(counts, faults.SATURATED).astype(np.uint16)
    return image


def _log(parameters: Parameters, number: int, energy: Floats, i0: Floats) -> bytes:
    law, name = parameters.xpeem, _name(parameters, number)
    header = LOG.format(
        number=number,
        pixel=law.pixel,
        start=beamline_local_time(_plan(parameters, number)[0], parameters),
        frame_time=law.frame_time,
    )
    lines = [
        f"{index + 1}\t{_file(name, index)}\t{at:.3f}\t{_frame_time(parameters, number, index)}\t{current:.6f}"
        for index, (at, current) in enumerate(zip(energy, i0, strict=True))
    ]
    return (header + "\n".join([*lines, ""])).encode("ascii")


def _hdf5(
    parameters: Parameters,
    number: int,
    frames: np.ndarray,
    flat_and_dark: tuple[np.ndarray, np.ndarray],
    energy: Floats,
    i0: Floats,
) -> bytes:
    """Return a stack's HDF5 file; a missing frame keeps the fill value 0, a surplus one makes ``frames`` too long."""
    law = parameters.xpeem
    elapsed = law.frame_time * (np.arange(energy.size) + 0.5)
    counts = {"units": "counts", "dims": "y x"}
    return image_files.hdf5(
        {
            "energy": (energy, {"units": "eV", "long_name": "photon energy", "dims": "frame"}),
            "frames": (frames, {"units": "counts", "dims": "frame y x", "interpretation": "image"}),
            "i0": (i0, {"units": "nA", "dims": "frame"}),
            "time": (elapsed, {"units": "s", "long_name": "middle of the frame after start", "dims": "frame"}),
            "flat": (flat_and_dark[0], counts),
            "dark": (flat_and_dark[1], counts),
            "pixel_size": (law.pixel, {"units": "um"}),
        },
        {
            "title": f"Ni L3 stack {number}, simulated",
            "sample": "NCM811 with Li3PS4, operando",
            "start_time": beamline_local_time(_plan(parameters, number)[0], parameters),
        },
    )


def _energies(parameters: Parameters) -> Floats:
    parts = [
        part.start + part.step * np.arange(round((part.stop - part.start) / part.step))
        for part in parameters.xpeem.energies
    ]
    energies: Floats = np.concatenate(parts)
    return energies


def _plan(parameters: Parameters, number: int) -> tuple[float, float]:
    """Return start and end of a stack, s of the cycler's clock."""
    law = parameters.xpeem
    start = law.first_scan + law.period * (number - 1)
    return start, start + law.frame_time * _energies(parameters).size


def _frame_time(parameters: Parameters, number: int, frame: int) -> str:
    start, _ = _plan(parameters, number)
    return beamline_local_time(start + parameters.xpeem.frame_time * frame, parameters)


def _beam(parameters: Parameters, number: int, seed: int) -> Floats:
    """Return the intensity of every frame of a stack; 1 on average at its start."""
    law, frames = parameters.xpeem, _energies(parameters).size
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


def _flat_and_dark(parameters: Parameters, flat: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean flat (dark included) and the mean dark as measured, counts."""
    law, noise = parameters.xpeem, stream(seed, "xpeem", "flat field")
    flat_sum = noise.poisson((law.flat_counts * flat + law.dark_counts) * law.flat_frames)
    dark_sum = noise.poisson(law.dark_counts * law.flat_frames, flat.shape)
    means = [np.rint(total / law.flat_frames).astype(np.uint16) for total in (flat_sum, dark_sum)]
    return means[0], means[1]


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


def _name(parameters: Parameters, number: int) -> str:
    return f"{parameters.xpeem.node}_{number:03d}"


def _file(name: str, frame: int) -> str:
    return f"{name}_{frame + 1:04d}.tif"
