"""Displacement and strain within a volume, from what it shows before and after: digital volume correlation."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from operando.errors import OperandoError
from operando.flags import Flag, attrs
from operando.history import recorded

from .layout import PLACES
from .node_fields import Measured, Search, measured, repeated
from .node_fits import AFFINE, TRANSLATION
from .node_grids import node_grid
from .registration import register
from .strains import PRINCIPAL, strain_attrs, strain_columns
from .voxels import as_volume, voxel

Floats = NDArray[np.float64]

_STEP = "correlate"
FREE = {"translation": TRANSLATION, "affine": AFFINE}
_START_VOXELS = 3e5
"""Voxels of the copies that are compared for a start."""
_MOST_LEVEL = 3
_LEAST_WINDOW = 5
_ILL = 0.5
"""Uncertainty of a displacement, voxels, above which grey values are said not to tell it."""
_CHANCE = 4.0
_APART, _BLURS = 2, 3.5
"""How far from what a mask leaves out voxels have to lie: voxels, and standard deviations of the smoothing."""


def correlate(
    reference: xr.DataArray,
    moved: xr.DataArray,
    *,
    spacing: int = 10,
    window: int = 21,
    kind: str = "affine",
    mask: xr.DataArray | None = None,
    coverage: float = 0.5,
    regularization: float = 0.0,
    smooth: float = 0.7,
    levels: int | None = None,
    start: xr.Dataset | None = None,
    repeat: xr.DataArray | None = None,
) -> xr.Dataset:
    """Return how the material of a reference has moved and stretched in another volume, at nodes of a grid.

    What is at x in the reference is at x + u(x) in the moved volume; F = 1 + du/dx. In a window around each node the
    squares of a + b reference(x) - moved(x + u + (F - 1)(x - node)) are made least, a and b free, which makes the
    normalized correlation largest; the moved volume is interpolated by cubic splines. It starts from the affine map of
    the whole (:func:`~operando.tomo.register`), then goes from coarse to fine voxels. Nodes that do not end, or that
    differ much from those around, are tried again from what lies around.

    Parameters
    ----------
    reference, moved
        Grey values, dims (z, y, x) of equal size, in memory or lazy: blocks of nodes read the part that they need.
        ``moved`` may be a series along one more dim, each compared with the reference.
    spacing, window
        From node to node, and the edge of the windows, an odd number; voxels. Windows hold some ten of the features
        that are seen; errors fall as window^-1.5 for displacements and as window^-2.5 for strains.
    kind
        ``affine``: displacement and gradient are found in each window (12 numbers). ``translation``: the displacement
        alone (3), in smaller windows; gradients come from the nodes around.
    mask
        Where the reference counts, bool, dims (z, y, x). Two voxels beside where it does not (3.5 ``smooth``, if that
        is more) are not compared either: interpolation and smoothing mix them with what lies there, which may move
        otherwise, by about a voxel.
    coverage
        Least share of a window that counts; other nodes are left out (NaN).
    regularization
        Length in voxels. Each node's displacement and gradient become those of the affine map that fits the nodes
        around it best, weighted with their inverse variances times exp(-d^2/(2 length^2)): affine fields stay, finer
        changes are smoothed away (steps to integrals of a Gaussian of that length) and noise falls. 0: each window
        stands for itself (``translation``: at least one ``spacing``).
    smooth
        Standard deviation of the Gaussian that smooths both volumes first, voxels. Without it the error of the
        interpolation is some four times as large (0.003 voxels on a snow pack); with it noise tells on displacements
        by a tenth more. Beyond 1 voxel uncertainties are a tenth too small: noise is then shared too far.
    levels
        How often voxels are doubled for a coarse start; by default as long as two windows fit, three times at most.
    start
        What :func:`~operando.tomo.register` returns for ``moved``, if known.
    repeat
        The reference measured again, at rest but for a motion as a whole. Its displacements tell the errors: the
        standard uncertainties are multiplied by what the robust spread of its errors is to theirs.

    Returns
    -------
    xarray.Dataset
        Per node (z, y, x; um), axis and column z, y, x: ``displacement`` (axis), um; ``deformation_gradient`` F (axis,
        column); ``strain`` (F^T F - 1)/2 (axis, column); ``volume_ratio`` det F; ``principal_strain`` (principal) with
        ``principal_axis``; ``anisotropy``, largest less smallest principal strain; all with ``_std``. ``correlation``
        of the grey values; ``residual``, their standard deviation from each other, in their unit; ``share`` of the
        window compared; ``steps``; ``flag``: ``not_converged`` (values are those of the nodes around, without
        uncertainty), ``ill_conditioned`` (an uncertainty of half a voxel and more, or a correlation
        below 4 times its spread by chance). With a repeat
        ``displacement_std_factor`` (axis) and ``gradient_std_factor`` (axis).

    Raises
    ------
    OperandoError
        If volumes do not fit to each other or to the window, or a setting is out of range.

    Notes
    -----
    Uncertainties follow from the differences of grey values that remain, and how much of them neighboring voxels
    share, through the normal equations. They are those of noise; where the true displacement within a window is not
    affine there is a systematic error beside it. Interpolation adds about 0.001 voxels, whose sign changes with
    the part of a voxel. Nodes more than four voxels away from what coarser ones say are not found. Anisotropy is 0 or
    more: noise raises it where there is none. About 2 kB a node are held in memory.

    Inverse composition: S. Baker, I. Matthews, Int. J. Comput. Vis. 56, 221 (2004),
    doi:10.1023/B:VISI.0000011205.11775.fd; volume correlation: B. K. Bay et al., Exp. Mech. 39, 217 (1999),
    doi:10.1007/BF02323555.
    """
    fixed, series = as_volume(reference, _STEP), as_volume(moved, _STEP)
    settings: dict[str, Any] = {
        "spacing": spacing,
        "window": window,
        "kind": kind,
        "coverage": coverage,
        "regularization": regularization,
        "smooth": smooth,
        "levels": _levels(fixed, window) if levels is None else levels,
    }
    edges = _checked(fixed, series, settings)
    masked = None if mask is None else _mask(mask, fixed)
    apart = max(_APART, round(_BLURS * smooth))
    length = regularization / spacing
    how = Search(spacing, window // 2, FREE[kind], settings["levels"], coverage, length, smooth, apart)
    factors = None
    if repeat is not None:
        again = as_volume(repeat, _STEP)
        checked_pair(fixed, again, _STEP, window)
        factors = repeated(measured((fixed, again, masked), whole_motion(fixed, again, None, edges), how))
    scan, volumes = each_volume(series)
    found = []
    for number, volume in enumerate(volumes):
        begin = start if start is None or scan not in start.dims else start.isel({scan: number})
        one = measured((fixed, volume, masked), whole_motion(fixed, volume, begin, edges), how)
        found.append(_table(one if factors is None else one.scaled(*factors), edges, how))
    ds = found[0] if scan is None else xr.concat(found, scan)
    if factors is not None:
        ds["displacement_std_factor"], ds["gradient_std_factor"] = ("axis", factors[0]), ("axis", factors[1])
    ds = ds.assign_coords(node_places(fixed, spacing, window))
    ds = ds.assign_coords({name: one.variable for name, one in series.coords.items() if set(one.dims) <= {scan}})
    settings |= {"mask": mask is not None, "start": start is not None, "repeat": repeat is not None}
    described = _described(ds, voxel(fixed, _STEP).units, str(fixed.attrs.get("units", "")))
    return recorded(described, f"tomo.{_STEP}", settings, after=xr.Dataset(attrs=series.attrs))


def each_volume(series: xr.DataArray) -> tuple[str | None, list[xr.DataArray]]:
    """Return the dim of a series and its volumes; one volume alone has none."""
    if series.ndim == len(PLACES):
        return None, [series]
    scan = str(series.dims[0])
    return scan, [series.isel({scan: number}) for number in range(series.sizes[scan])]


def _checked(fixed: xr.DataArray, series: xr.DataArray, settings: dict[str, Any]) -> Floats:
    """Return the edges of the voxels of volumes and settings that can be."""
    window, spacing = settings["window"], settings["spacing"]
    if settings["kind"] not in FREE:
        raise OperandoError(f"{_STEP}: expected kind to be one of {', '.join(FREE)}, got {settings['kind']!r}")
    if window % 2 == 0 or window < _LEAST_WINDOW or spacing < 1:
        raise OperandoError(
            f"{_STEP}: expected an odd window of {_LEAST_WINDOW} voxels or more and a spacing of 1 or more, got "
            f"{window} and {spacing}"
        )
    if not 0 < settings["coverage"] <= 1:
        raise OperandoError(f"{_STEP}: expected a coverage above 0 and at most 1, got {settings['coverage']:g}")
    for name in ("regularization", "smooth", "levels"):
        if not settings[name] >= 0:
            raise OperandoError(f"{_STEP}: expected {name} of 0 or more, got {settings[name]:g}")
    edges = checked_pair(fixed, series, _STEP, window)
    if min(fixed.shape) < window << settings["levels"]:
        raise OperandoError(f"{_STEP}: expected fewer levels for {min(fixed.shape)} voxels, got {settings['levels']}")
    return edges


def checked_pair(fixed: xr.DataArray, series: xr.DataArray, step: str, least: int) -> Floats:
    """Return the edges of the voxels of a reference and what is compared with it.

    Raises
    ------
    OperandoError
        If they do not fit to each other, or are smaller than ``least`` voxels.
    """
    if fixed.ndim != len(PLACES) or series.ndim > len(PLACES) + 1:
        raise OperandoError(
            f"{step}: expected a reference (z, y, x) and volumes along one more dim at most, got {tuple(fixed.dims)} "
            f"and {tuple(series.dims)}"
        )
    if series.shape[-3:] != fixed.shape:
        raise OperandoError(f"{step}: expected volumes of equal size, got {fixed.shape} and {series.shape[-3:]}")
    if min(fixed.shape) < least:
        raise OperandoError(f"{step}: expected at least {least} voxels along every edge, got {min(fixed.shape)}")
    edges, others = (np.array(voxel(one, step).edges) for one in (fixed, series))
    if not np.allclose(edges, others, rtol=1e-3):
        raise OperandoError(f"{step}: expected voxels of one size, got {edges.tolist()} and {others.tolist()}")
    return edges


def _mask(mask: xr.DataArray, fixed: xr.DataArray) -> xr.DataArray:
    masked = as_volume(mask, _STEP)
    if masked.shape != fixed.shape or masked.dtype.kind != "b":
        raise OperandoError(
            f"{_STEP}: expected a mask of bool as large as the reference, {fixed.shape}, got {masked.shape} of "
            f"{masked.dtype}"
        )
    return masked


def _levels(fixed: xr.DataArray, window: int) -> int:
    level = 0
    while level < _MOST_LEVEL and min(fixed.shape) // 2 ** (level + 1) >= 2 * window:
        level += 1
    return level


def whole_motion(
    fixed: xr.DataArray,
    volume: xr.DataArray,
    start: xr.Dataset | None,
    edges: Floats,
    most_voxels: float = _START_VOXELS,
) -> tuple[Floats, Floats]:
    """Return matrix and shift, in voxels about the first one, of the affine map of the whole."""
    known = start if start is not None else register(volume, fixed, kind="affine", most_voxels=most_voxels)
    matrix = known["matrix"].transpose("axis", "column").to_numpy()
    shift, center = known["translation"].to_numpy(), known["center"].to_numpy()
    lost = start is None and (int(known["flag"]) != 0 or not np.isfinite(matrix).all())
    if lost:
        return np.eye(3), np.zeros(3)
    first = np.array([float(fixed[name][0]) if name in fixed.coords else 0.5 for name in PLACES])
    shift = shift + (matrix - np.eye(3)) @ (first - center)
    return matrix * edges / edges[:, np.newaxis], shift / edges


def node_places(volume: xr.DataArray, spacing: int, window: int) -> dict[str, Any]:
    """Return where the nodes of a volume (z, y, x) lie along each dim."""
    grid, edges = node_grid(volume.shape, spacing, window // 2), voxel(volume, _STEP).edges
    places = {}
    for axis, name in enumerate(PLACES):
        first = float(volume[name][0]) if name in volume.coords else 0.5 * edges[axis]
        places[name] = (name, first + edges[axis] * (grid.first[axis] + spacing * np.arange(grid.counts[axis])))
    return places


def _table(one: Measured, edges: Floats, how: Search) -> xr.Dataset:
    scale = edges / edges[:, np.newaxis]
    counts = one.grid.counts
    gradient = (np.eye(3) + one.field.gradient / scale.T).reshape(*counts, 3, 3)
    weight = np.r_[edges, (1 / scale.T).ravel()]
    covariance = one.field.covariance * weight * weight[:, np.newaxis]
    spread = np.sqrt(np.maximum(np.diagonal(covariance, axis1=1, axis2=2)[:, :3], 0))
    columns: dict[str, Any] = {
        "displacement": ((*PLACES, "axis"), (one.field.shift * edges).reshape(*counts, 3)),
        "displacement_std": (
            (*PLACES, "axis"),
            np.where(np.isnan(covariance[:, :3, 0]), np.nan, spread).reshape(*counts, 3),
        ),
        **strain_columns(gradient, covariance[:, 3:, 3:].reshape(*counts, 9, 9), PLACES),
    }
    unsure = (spread / edges > _ILL).any(axis=1) | ~(_beyond_chance(one, how) > _CHANCE)
    flag = np.where(one.lost, int(Flag.not_converged), 0) | np.where(unsure, int(Flag.ill_conditioned), 0)
    for name, values in (
        ("correlation", one.fits.correlation),
        ("residual", one.fits.residual),
        ("share", one.fits.share),
        ("steps", one.fits.steps.astype(np.int32)),
        ("flag", np.where(one.outside, 0, flag).astype(np.int32)),
    ):
        columns[name] = (PLACES, values.reshape(counts))
    axis = np.array(PLACES, dtype=object)
    return xr.Dataset(columns, {"axis": axis, "column": axis, "principal": np.array(PRINCIPAL, dtype=object)})


def _beyond_chance(one: Measured, how: Search) -> Floats:
    """Return correlations over their spread where volumes have nothing in common but the smoothing."""
    seen = one.fits.share * how.window**3
    alone: Floats = seen / (1 + (2 * np.sqrt(np.pi) * how.smooth) ** 3)
    return one.fits.correlation * np.sqrt(alone)


def _described(ds: xr.Dataset, unit: str, grey: str) -> xr.Dataset:
    texts = {
        "displacement": (unit, "displacement since the reference"),
        "displacement_std": (unit, "standard uncertainty: displacement since the reference"),
        "correlation": ("1", "correlation of the grey values after the map"),
        "residual": (grey, "standard deviation of the grey values from each other after the map"),
        "share": ("1", "share of the window that was compared"),
        "steps": ("1", "Gauss-Newton steps"),
        "displacement_std_factor": ("1", "errors of the repeat relative to those of noise, displacement"),
        "gradient_std_factor": ("1", "errors of the repeat relative to those of noise, deformation gradient"),
        **{name: (unit, f"{name} of the node") for name in PLACES},
    }
    for name in ds.variables:
        if name in texts:
            ds[name].attrs = {"units": texts[str(name)][0], "long_name": texts[str(name)][1]}
        elif name not in ("flag", "axis", "column", "principal") and name in ds.data_vars:
            ds[name].attrs = strain_attrs(str(name))
    ds["flag"].attrs = attrs()
    return ds
