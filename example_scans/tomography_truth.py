"""What is true of every tomographic step: labels, phases, particles, contact, cracks, tortuosity, grey levels."""

from __future__ import annotations

import numpy as np
import xarray as xr
from scipy import ndimage
from zarr.codecs import BloscCodec

from operando.flags import Flag

from . import conduction, faults, microstructure, projections, scans
from .image_parameters import Tomography
from .microstructure import CRACK, ELECTROLYTE, GAP, PHASES, PORE, State, Structure
from .parameters import Parameters

JUDGED = Flag.missing_frame | Flag.surplus_frame | Flag.saturated | Flag.ring_artifact | Flag.ec_gap
"""Flags whose truth is known for every step."""

SURFACE_POINTS = 2000

Columns = dict[str, tuple[tuple[str, ...], np.ndarray, str, str]]


def truth(
    parameters: Parameters,
    known: xr.Dataset,
    fixed: Structure,
    states: list[State],
    *,
    plans: list[tuple[float, float]],
    labels: np.ndarray,
) -> xr.Dataset:
    """Return what is true of each step.

    Parameters
    ----------
    known
        Times and the cell's mean state, dim scan.
    plans
        Start and end of each step, s of the cycler's clock.
    labels
        Phase at the center of every voxel, dims (scan, z, y, x).

    Notes
    -----
    The cell's z is called ``delithiated_fraction`` here, because z is a dim. Places are in um from the volume's
    corner: voxel i lies at (i + 1/2) ``voxel_size``. The volumes of phases count voxels of ``label``;
    ``crack_volume`` and ``gap_volume`` are those of the shapes, whole even where they overlap or leave the
    volume. The tortuosity factor is computed on request only (``tortuosity`` in ``cell.toml``): at 256^3 it
    takes minutes and gigabytes a step.
    """
    law = parameters.tomography
    columns = {
        **_phases(law, labels),
        **_particles(law, fixed, states),
        **_cracks(law, states, labels),
        **_flags(parameters, plans),
    }
    if law.tortuosity:
        tau = [conduction.tortuosity_factor(label == ELECTROLYTE) for label in labels]
        columns["tortuosity_factor"] = (("scan",), np.array(tau), "1", "tortuosity factor of the electrolyte along z")
    ds = known.rename(z="delithiated_fraction")
    for name, (dims, values, unit, meaning) in columns.items():
        ds[name] = (dims, values, {"units": unit, "long_name": meaning})
    found = [faults.of_volume(number, parameters.faults) for number in range(1, law.steps + 1)]
    ds["fault"] = ("scan", np.array([" ".join(names) for names in found], dtype=object), {"long_name": "faults"})
    ds["label"].attrs |= {"flag_values": list(PHASES), "flag_meanings": " ".join(PHASES.values())}
    depth = min(64, law.voxels)
    ds["label"].encoding = {
        "chunks": (1, depth, law.voxels, law.voxels),
        "compressors": (BloscCodec(cname="zstd", clevel=5, shuffle="noshuffle"),),
    }
    return _placed(law, ds).assign_attrs(judged_flags=int(JUDGED), technique="xtm", **_constants(law))


def _phases(law: Tomography, labels: np.ndarray) -> Columns:
    """Return labels, the share of each phase and the volume of what is empty."""
    counts = np.array([np.bincount(label.ravel(), minlength=max(PHASES) + 1)[1:] for label in labels])
    share = counts / labels[0].size
    empty = counts[:, [PORE - 1, GAP - 1, CRACK - 1]].sum(axis=1) * law.voxel_size**3
    greys = [_grey(law, phase) for phase in PHASES.values()]
    return {
        "label": (("scan", "z", "y", "x"), labels, "1", "phase at the center of the voxel"),
        "phase_fraction": (("scan", "phase"), share, "1", "volume fraction of the phase"),
        "void_volume": (("scan",), empty, "um^3", "volume of pores, contact loss and cracks within the volume"),
        "grey_level": (("phase",), np.array(greys), "1", "grey level of the pure phase"),
    }


def _particles(law: Tomography, fixed: Structure, states: list[State]) -> Columns:
    """Return the table of particles, and the contact they lose."""
    radius, angle = np.array([now.radius for now in states]), np.array([now.angle for now in states])
    gap = np.array([now.gap for now in states])[:, np.newaxis]
    lost = microstructure.contact_lost(radius, angle)
    inside = np.array([_lost_inside(law, fixed, now) for now in states])
    axes, each, every = ("particle", "axis"), ("particle",), ("scan", "particle")
    return {
        "particle_center": (axes, fixed.center, "um", "center of the particle"),
        "particle_radius": (every, radius, "um", "radius of the particle"),
        "particle_expansion": (every, (radius / fixed.radius) ** 3 - 1, "1", "relative change of volume since z = 0"),
        "particle_whole": (each, _whole(law, fixed), "1", "whether the particle lies whole within the volume"),
        "gap_direction": (axes, fixed.toward, "1", "from the center to the middle of the gap"),
        "gap_angle": (every, np.rad2deg(angle), "deg", "from the middle of the gap to its rim"),
        "gap_width": (("scan",), gap[:, 0], "um", "width of the gaps"),
        "gap_volume": (every, microstructure.gap_volume(radius, gap, angle), "um^3", "volume of the gap"),
        "contact_lost": (every, lost, "um^2", "surface of the particle behind its gap"),
        "contact_lost_inside": (("scan",), inside[:, 0], "um^2", "surface behind gaps, within the volume"),
        "particle_surface_inside": (("scan",), inside[:, 1], "um^2", "surface of the particles within the volume"),
    }


def _lost_inside(law: Tomography, fixed: Structure, now: State) -> tuple[float, float]:
    """Return the particles' surface behind gaps, and all of it, that lies within the volume, um^2.

    Counted on ``SURFACE_POINTS`` points of each sphere.
    """
    edge = law.voxels * law.voxel_size
    points = microstructure.sphere_points(SURFACE_POINTS)
    lost = total = 0.0
    for center, radius, toward, angle in zip(fixed.center, now.radius, fixed.toward, now.angle, strict=True):
        place = center + radius * points
        inside = ((place >= 0) & (place < edge)).all(axis=1)
        area = 4 * np.pi * radius**2 / SURFACE_POINTS
        total += area * inside.sum()
        lost += area * (inside & (points @ toward > np.cos(angle))).sum()
    return lost, total


def _cracks(law: Tomography, states: list[State], labels: np.ndarray) -> Columns:
    """Return size, place and identity of each declared crack; sizes are 0 before it appears."""
    per_crack = ("scan", "crack")
    table = np.array(
        [
            [(0, 0, 0) if one is None else (one.radius, one.aperture, one.volume) for one in now.cracks]
            for now in states
        ],
        dtype=float,
    ).reshape(len(states), len(law.cracks), 3)
    normal = np.array([np.array(crack.normal) / np.linalg.norm(crack.normal) for crack in law.cracks]).reshape(-1, 3)
    center = np.array([crack.center for crack in law.cracks], dtype=float).reshape(-1, 3) * law.voxels * law.voxel_size
    identity = np.array([_components(law, now, label) for now, label in zip(states, labels, strict=True)])
    return {
        "crack_radius": (per_crack, table[..., 0], "um", "radius of the crack"),
        "crack_aperture": (per_crack, table[..., 1], "um", "opening of the crack at its center"),
        "crack_volume": (per_crack, table[..., 2], "um^3", "volume of the crack, 2/3 pi R^2 aperture"),
        "crack_center": (("crack", "axis"), center, "um", "center of the crack"),
        "crack_normal": (("crack", "axis"), normal, "1", "normal of the crack"),
        "crack_body": (
            per_crack,
            identity.reshape(len(states), len(law.cracks)),
            "1",
            "number of the connected body that the crack belongs to; 0: not there or no voxel",
        ),
    }


def _components(law: Tomography, now: State, label: np.ndarray) -> list[int]:
    """Return for each crack the lowest number, from 1, of the cracks whose voxels touch its own (26 neighbors)."""
    bodies, _ = ndimage.label(label == CRACK, np.ones((3, 3, 3)))
    voxels = np.argwhere(bodies)
    found = []
    for crack in now.cracks:
        if crack is None or not len(voxels):
            found.append(0)
            continue
        distance = np.linalg.norm((voxels + 0.5) * law.voxel_size - crack.center, axis=1)
        nearest = int(np.argmin(distance))
        near = distance[nearest] <= max(crack.radius, law.voxel_size)
        found.append(int(bodies[tuple(voxels[nearest])]) if near else 0)
    return [found.index(body) + 1 if body else 0 for body in found]


def _flags(parameters: Parameters, plans: list[tuple[float, float]]) -> Columns:
    steps = len(plans)
    found = [faults.of_volume(number, parameters.faults) for number in range(1, steps + 1)]
    slices = np.zeros((steps, parameters.tomography.voxels), dtype=np.int32)
    for row, names in zip(slices, found, strict=True):
        for name, hit in names.items():
            row[sorted(hit)] |= int(faults.EXPECTED[name])
    flag = [faults.combined(names, faults.EXPECTED) for names in found] | scans.in_gap(parameters, plans)
    tolerated = [faults.combined(names, faults.TOLERATED) for names in found]
    return {
        "slice_flag": (("scan", "z"), slices, "1", "flags that a slice deserves"),
        "flag": (("scan",), flag.astype(np.int32), "1", "flags that the step deserves"),
        "flag_tolerated": (("scan",), np.array(tolerated, dtype=np.int32), "1", "flags that are no mistake either"),
    }


def _placed(law: Tomography, ds: xr.Dataset) -> xr.Dataset:
    """Return the truth with its coordinates."""
    place = (np.arange(law.voxels) + 0.5) * law.voxel_size
    ds = ds.assign_coords(
        {axis: (axis, place, {"units": "um", "long_name": f"{axis} of the voxel's center"}) for axis in "zyx"}
    )
    return ds.assign_coords(
        phase=np.array(list(PHASES.values()), dtype=object),
        axis=np.array(["z", "y", "x"], dtype=object),
        crack=("crack", np.arange(1, len(law.cracks) + 1), {"units": "1", "long_name": "number of the crack"}),
        particle=(
            "particle",
            np.arange(1, ds.sizes["particle"] + 1),
            {"units": "1", "long_name": "number of the particle"},
        ),
        source=("scan", np.array([f"step_{number:03d}" for number in range(1, law.steps + 1)], dtype=object)),
    )


def _grey(law: Tomography, phase: str) -> float:
    lengths = law.attenuation_lengths
    if phase in ("ncm", "electrolyte"):
        length = lengths["ncm" if phase == "ncm" else "electrolyte"]
        return law.grey_zero + law.grey_per_attenuation / length
    return law.grey_zero


def _whole(law: Tomography, fixed: Structure) -> np.ndarray:
    edge, radius = law.voxels * law.voxel_size, fixed.radius[:, np.newaxis]
    within = ((fixed.center >= radius) & (fixed.center <= edge - radius)).all(axis=1)
    return np.asarray(within, dtype=np.int8)


def _constants(law: Tomography) -> dict[str, float | str]:
    return {
        "voxel_size": law.voxel_size,
        "voxel_size_units": "um",
        "blur": law.blur,
        "noise_grey": law.noise * law.grey_per_attenuation,
        "grey_zero": law.grey_zero,
        "grey_per_attenuation": law.grey_per_attenuation,
        "ring_radius_voxels": law.ring.radius * law.voxels,
        "ring_width_voxels": law.ring.width,
        "ring_height_grey": law.ring.height * law.grey_per_attenuation,
        "rotation_axis": projections.axis(law.voxels, law.axis_offset),
    }
