"""What a deformation gradient means: strain, change of volume, principal strains, each with its uncertainty."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Column = tuple[tuple[str, ...], Floats]

PRINCIPAL = ("largest", "middle", "smallest")
TEXTS = {
    "deformation_gradient": "deformation gradient F: change of places with places in the reference",
    "strain": "Green-Lagrange strain (F^T F - 1)/2",
    "volume_ratio": "volume relative to that in the reference, det F",
    "principal_strain": "principal strain",
    "principal_axis": "direction of the principal strain in the reference",
    "anisotropy": "largest less smallest principal strain",
}


def strain_columns(gradient: Floats, covariance: Floats, dims: tuple[str, ...]) -> dict[str, Column]:
    """Return what follows from deformation gradients, as dims and values.

    Parameters
    ----------
    gradient
        F, dims (..., axis, column).
    covariance
        Of its nine components row by row, dims (..., 9, 9). Uncertainties follow to first order.
    dims
        Names of the dims before.
    """
    lost = np.asarray(~np.isfinite(gradient).all(axis=(-2, -1)))
    safe = np.where(lost[..., np.newaxis, np.newaxis], np.eye(3), gradient)
    strain = (np.swapaxes(safe, -1, -2) @ safe - np.eye(3)) / 2
    values, vectors = np.linalg.eigh(strain)
    values, vectors = values[..., ::-1], np.swapaxes(vectors[..., ::-1], -1, -2)
    vectors = vectors * np.where(_largest(vectors) < 0, -1.0, 1.0)
    by_strain = _strain_slopes(safe)
    by_principal = np.einsum("...pi,...pj,...ijk->...pk", vectors, vectors, by_strain)
    minors = np.cross(np.roll(safe, -1, axis=-2), np.roll(safe, -2, axis=-2))
    pair, lone = ("axis", "column"), ("principal",)
    found: dict[str, Column] = {}
    for name, more, what, slope in (
        ("strain", pair, strain, by_strain),
        ("volume_ratio", (), np.linalg.det(safe), minors.reshape(*safe.shape[:-2], 9)),
        ("principal_strain", lone, values, by_principal),
        ("anisotropy", (), values[..., 0] - values[..., 2], by_principal[..., 0, :] - by_principal[..., 2, :]),
    ):
        found[name] = ((*dims, *more), _where(lost, what))
        found[f"{name}_std"] = ((*dims, *more), _where(lost, _spread(slope, covariance, len(more))))
    found["principal_axis"] = ((*dims, "principal", "axis"), _where(lost, vectors))
    variance = np.diagonal(covariance, axis1=-2, axis2=-1).reshape(gradient.shape)
    found["deformation_gradient"] = ((*dims, *pair), gradient)
    found["deformation_gradient_std"] = ((*dims, *pair), _where(lost, np.sqrt(np.maximum(variance, 0))))
    return found


def strain_attrs(name: str) -> dict[str, Any]:
    """Return unit and meaning of a column."""
    base = name.removesuffix("_std")
    return {"units": "1", "long_name": f"standard uncertainty: {TEXTS[base]}" if name != base else TEXTS[base]}


def _largest(vectors: Floats) -> Floats:
    """Return the component of each vector that is farthest from 0: directions have none, so it is made positive."""
    at = np.abs(vectors).argmax(axis=-1)[..., np.newaxis]
    found: Floats = np.take_along_axis(vectors, at, axis=-1)
    return found


def _strain_slopes(gradient: Floats) -> Floats:
    """Return how strain changes with the components of F, dims (..., axis, column, 9)."""
    slopes = np.zeros((*gradient.shape, 3, 3))
    for i in range(3):
        for j in range(3):
            slopes[..., i, j, :, i] += gradient[..., :, j] / 2
            slopes[..., i, j, :, j] += gradient[..., :, i] / 2
    return slopes.reshape(*gradient.shape, 9)


def _spread(slope: Floats, covariance: Floats, more: int) -> Floats:
    wide = covariance.reshape(*covariance.shape[:-2], *(1,) * more, 9, 9)
    variance = np.einsum("...i,...ij,...j->...", slope, wide, slope)
    found: Floats = np.sqrt(np.maximum(variance, 0))
    return found


def _where(lost: NDArray[np.bool_], values: Floats) -> Floats:
    found: Floats = np.where(lost.reshape(lost.shape + (1,) * (values.ndim - lost.ndim)), np.nan, values)
    return found
