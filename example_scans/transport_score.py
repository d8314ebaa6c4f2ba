"""Compare tortuosity, contact and surface, as an evaluation found them in the simulated volumes, with the truth."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from .microstructure import ELECTROLYTE, NCM, PHASES
from .score_rows import Row, rms

_ALONG = "z"
"""Axis of the true tortuosity factor."""


def transport_rows(known: xr.Dataset, found: xr.Dataset) -> Iterator[Row]:
    """Yield the comparison of what the volumes of the same scans tell of transport, contact and surface.

    Notes
    -----
    The truth is that of these very volumes: what other volumes of the material would tell is no part of the error. The
    true share of contact is counted on the faces of the true labels, whose steps lengthen contact and surface alike.
    The true surface of the particles is that of the spheres within the volume.
    """
    if {"tortuosity_factor", "tortuosity_factor_systematic"} <= set(found) and "tortuosity_factor" in known:
        along = [str(name) for name in found["axis"].values].index(_ALONG)
        factor, sigma = (
            found[f"tortuosity_factor{ending}"].isel(axis=along).to_numpy() for ending in ("", "_systematic")
        )
        yield _row("tortuosity factor", factor - known["tortuosity_factor"].to_numpy(), sigma)
    if "contact_share" in found:
        share, sigma = found["contact_share"].to_numpy(), found["contact_share_uncertainty"].to_numpy()
        true = np.array([share_touching(label) for label in known["label"].to_numpy()])
        yield _row("contact share", share - true, sigma)

    if {"specific_surface_area", "specific_surface_area_systematic"} <= set(found):
        surface, sigma = (
            found[f"specific_surface_area{ending}"].sel(phase=PHASES[NCM]).to_numpy() for ending in ("", "_systematic")
        )
        volume = known.sizes["z"] * known.sizes["y"] * known.sizes["x"] * known.attrs["voxel_size"] ** 3
        yield _row(
            "surface of particles per volume",
            surface - known["particle_surface_inside"].to_numpy() / volume,
            sigma,
            "1/um",
        )


def _row(quantity: str, error: NDArray[np.float64], sigma: NDArray[np.float64], unit: str = "1") -> Row:
    return Row(quantity, unit, rms(error), rms(sigma), 0.0, rms(error / sigma))


def share_touching(label: NDArray[np.integer]) -> float:
    """Return the share of the particles' faces toward other phases that are toward the electrolyte."""
    touching = total = 0
    for axis in range(label.ndim):
        pairs = np.moveaxis(label, axis, 0)
        for one, other in ((pairs[:-1], pairs[1:]), (pairs[1:], pairs[:-1])):
            beside = other[one == NCM]
            touching += int(np.count_nonzero(beside == ELECTROLYTE))
            total += int(np.count_nonzero(beside != NCM))
    return touching / total if total else float("nan")
