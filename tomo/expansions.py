"""How much each particle has grown or shrunk, in which direction, and where it has gone."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from operando.errors import OperandoError
from operando.flags import Flag, attrs
from operando.history import recorded

from .correlation import checked_pair, each_volume, whole_motion
from .layout import PLACES
from .node_blocks import Nodes, fit_all
from .node_fits import AFFINE, STRETCH, Fits
from .region_measures import regions
from .strains import PRINCIPAL, strain_attrs, strain_columns
from .voxels import as_volume, voxel

Floats = NDArray[np.float64]

_STEP = "volume_expansion"
_LEAST_EDGE = 8
_START_VOXELS = 6e4
"""Voxels of the copies that are compared for a start, which the edges of particles need not know well."""
_LEAST_REPEATED = 8
_UNEVEN = 6.0
"""Standard uncertainties of the anisotropy from which on a particle has not grown alike in all directions."""
_FREE = {"stretch": STRETCH, "affine": AFFINE}


def volume_expansion(
    reference: xr.DataArray,
    moved: xr.DataArray,
    labels: xr.DataArray,
    *,
    kind: str = "stretch",
    rim: float = 3.0,
    blur: float = 0.7,
    smooth: float = 0.7,
    start: xr.Dataset | None = None,
    repeat: xr.DataArray | None = None,
) -> xr.Dataset:
    """Return how much each particle has expanded since a reference: det F - 1 of the map of all its voxels.

    The map is found as by :func:`~operando.tomo.correlate` with a window that is the particle and a rim around it: of
    particles that are alike within, the edge tells. What lies two voxels or less from another particle's rim is left
    out, and then, until nothing is left, where means of the difference (over a Gaussian of 2 voxels) are 2.5 robust
    standard deviations or more, and 3 voxels around: a gap that opens there, a pore, a ring.

    Parameters
    ----------
    reference, moved
        Grey values, dims (z, y, x) of equal size, in memory or lazy. ``moved`` may be a series along one more dim, each
        compared with the reference.
    labels
        Numbers of the particles in the reference, 0 outside, dims (z, y, x).
    kind
        ``stretch``: particles do not turn beyond the turning of the whole, which nothing tells of round ones that are
        alike within. ``affine``: they may.
    rim
        How far beyond its voxels a particle is looked at, voxels, where no other one is nearer. It must hold the
        blurred edge, in both volumes.
    blur
        Standard deviation of the volumes' blur, voxels. It does not stretch with the material: without it the change of
        volume would be too large by 6 (blur^2 + smooth^2)/R^2 times itself, at a radius of R.
    smooth
        Standard deviation of the Gaussian that smooths both volumes first, voxels.
    start
        What :func:`~operando.tomo.register` returns for ``moved``, if known.
    repeat
        The reference measured again, at rest but for a motion as a whole: standard uncertainties are multiplied by what
        the robust spread of its particles' errors is to theirs.

    Returns
    -------
    xarray.Dataset
        Per ``object``, in the order of ``number``: ``expansion`` det F - 1, of a map that grows alike in all
        directions, which parts left out on one side hardly change, unless the anisotropy is more than 6 times its
        uncertainty. From the map of ``kind``: ``displacement`` of its ``centroid`` (axis), um; ``deformation_gradient``
        (axis, column), ``strain``, ``volume_ratio``, ``principal_strain`` with ``principal_axis``, ``anisotropy``
        (largest less smallest principal strain) as by ``correlate``. All with ``_std``. ``correlation`` and
        ``residual`` of the grey values; ``share`` of its voxels and its rim's that were compared; ``touches_border``;
        ``flag``: ``not_converged``, then NaN. With a repeat ``displacement_std_factor`` (axis) and
        ``gradient_std_factor``.

    Raises
    ------
    OperandoError
        If volumes and labels do not fit to each other, or a setting is out of range; if fewer than eight particles tell
        how sure a repeat is.

    Notes
    -----
    Uncertainties are those of noise, and a fifth of what leaving parts out has changed, in quadrature: of simulated
    gaps of one to three voxels as much of their pull is left. A particle that the volume's faces cut is told by the
    part seen.
    """
    fixed, series, numbered = (as_volume(one, _STEP) for one in (reference, moved, labels))
    edges = checked_pair(fixed, series, _STEP, _LEAST_EDGE)
    _check(fixed, numbered, kind, {"rim": rim, "blur": blur, "smoothing": smooth})
    table = regions(numbered)
    nodes = _nodes(table, fixed.shape, rim)
    away = _middles(table, fixed, edges) - nodes.at
    scan, volumes = each_volume(series)

    def fits_of(volume: xr.DataArray, begin: xr.Dataset | None) -> Fits:
        matrix, shift = whole_motion(fixed, volume, begin, edges, _START_VOXELS)
        first = np.column_stack(
            [nodes.at @ (matrix - np.eye(3)).T + shift, np.tile(matrix.ravel(), (len(nodes.at), 1))]
        )
        volumes = fixed, volume, numbered
        return fit_all(volumes, nodes, first, free=_FREE[kind], smooth=smooth, rim=rim, blur=blur)

    factors = None if repeat is None else _factors(fits_of(_again(repeat, fixed), None))
    found = []
    for number, volume in enumerate(volumes):
        begin = start if start is None or scan not in start.dims else start.isel({scan: number})
        fits = fits_of(volume, begin)
        found.append(_table(fits if factors is None else fits.scaled(*factors), away, edges))
    ds = found[0] if scan is None else xr.concat(found, scan)
    if factors is not None:
        ds["displacement_std_factor"], ds["gradient_std_factor"] = ("axis", factors[0]), factors[1]
    for name in ("number", "volume", "centroid", "touches_border"):
        ds[name] = table[name].variable
    ds = ds.assign_coords({name: one.variable for name, one in series.coords.items() if set(one.dims) <= {scan}})
    settings = {
        "kind": kind,
        "rim": rim,
        "blur": blur,
        "smooth": smooth,
        "start": start is not None,
        "repeat": repeat is not None,
    }
    described = _described(ds, voxel(fixed, _STEP).units, str(fixed.attrs.get("units", "")))
    return recorded(described, f"tomo.{_STEP}", settings, after=xr.Dataset(attrs=series.attrs))


def _check(fixed: xr.DataArray, labels: xr.DataArray, kind: str, settings: dict[str, float]) -> None:
    if labels.shape != fixed.shape or labels.dtype.kind not in "iu":
        raise OperandoError(
            f"{_STEP}: expected labels (whole numbers) as large as the reference, {fixed.shape}, got {labels.shape} of "
            f"{labels.dtype}"
        )
    if kind not in _FREE:
        raise OperandoError(f"{_STEP}: expected kind to be one of {', '.join(_FREE)}, got {kind!r}")
    for name, value in settings.items():
        if not value >= 0:
            raise OperandoError(f"{_STEP}: expected a {name} of 0 or more, got {value:g}")


def _again(repeat: xr.DataArray, fixed: xr.DataArray) -> xr.DataArray:
    volume = as_volume(repeat, _STEP)
    checked_pair(fixed, volume, _STEP, _LEAST_EDGE)
    if volume.ndim != len(PLACES):
        raise OperandoError(f"{_STEP}: expected one volume to repeat the reference, got dims {tuple(volume.dims)}")
    return volume


def _factors(rest: Fits) -> tuple[Floats, float]:
    """Return by what the errors of particles at rest exceed those of noise: of each axis, and of the gradients.

    Robust spreads about the medians of all.
    """
    sound = rest.found
    if sound.sum() < _LEAST_REPEATED:
        raise OperandoError(
            f"{_STEP}: expected {_LEAST_REPEATED} particles or more in the repeat, got {sound.sum()}; leave it out"
        )
    std = np.sqrt(np.diagonal(rest.covariance[sound], axis1=1, axis2=2))
    off = rest.motion[sound] - np.median(rest.motion[sound], axis=0)
    factor = 1.4826 * np.median(np.abs(off[:, :3] / std[:, :3]), axis=0)
    return factor, float(1.4826 * np.median(np.abs(off[:, [3, 7, 11]] / std[:, [3, 7, 11]])))


def _nodes(table: xr.Dataset, shape: tuple[int, ...], rim: float) -> Nodes:
    """Return a node in the middle of each particle's box, which holds its rim as far as the volume goes."""
    more = int(np.ceil(rim))
    low = np.maximum(table["box_min"].to_numpy() - more, 0).astype(np.int64)
    high = np.minimum(table["box_max"].to_numpy() + more + 1, shape).astype(np.int64)
    return Nodes((low + high) // 2, low, high, table["number"].to_numpy().astype(np.int64))


def _table(fits: Fits, place: Floats, edges: Floats) -> xr.Dataset:
    scale = edges[:, np.newaxis] / edges
    lost = ~fits.found
    motion = np.where(lost[:, np.newaxis], np.nan, fits.motion)
    gradient = motion[:, 3:].reshape(-1, 3, 3)
    # The displacement at the centroid, a little away from the node.
    carry = np.concatenate(
        [np.tile(np.eye(3), (len(place), 1, 1)), np.einsum("ab,nc->nabc", np.eye(3), place).reshape(-1, 3, 9)], axis=2
    )
    shift = motion[:, :3] + np.einsum("nij,nj->ni", gradient - np.eye(3), place)
    spread = np.einsum("nai,nij,naj->na", carry, fits.covariance, carry)
    spread = np.where(lost[:, np.newaxis], np.nan, np.sqrt(np.maximum(spread, 0)))
    weight = scale.ravel()
    columns = strain_columns(gradient * scale, fits.covariance[:, 3:, 3:] * weight * weight[:, np.newaxis], ("object",))
    known = {name: columns[name][1] for name in ("anisotropy", "anisotropy_std", "volume_ratio", "volume_ratio_std")}
    even = ~(known["anisotropy"] > _UNEVEN * known["anisotropy_std"])
    rows: dict[str, Any] = {
        "expansion": ("object", np.where(even, fits.growth[:, 0], known["volume_ratio"] - 1)),
        "expansion_std": ("object", np.where(even, fits.growth[:, 1], known["volume_ratio_std"])),
        "displacement": (("object", "axis"), shift * edges),
        "displacement_std": (("object", "axis"), spread * edges),
        **columns,
        "correlation": ("object", np.where(lost, np.nan, fits.correlation)),
        "residual": ("object", np.where(lost, np.nan, fits.residual)),
        "share": ("object", fits.share / np.maximum(fits.wanted, 1e-12)),
        "flag": ("object", np.where(lost, int(Flag.not_converged), 0).astype(np.int32)),
    }
    axis = np.array(PLACES, dtype=object)
    return xr.Dataset(rows, {"axis": axis, "column": axis, "principal": np.array(PRINCIPAL, dtype=object)})


def _middles(table: xr.Dataset, fixed: xr.DataArray, edges: Floats) -> Floats:
    """Return the centroids of particles in voxels, 0 in the middle of the first one."""
    if voxel(fixed, _STEP).units == "px":
        return table["centroid"].to_numpy()
    first = np.array(
        [
            float(fixed[name][0]) if name in fixed.coords else 0.5 * edge
            for name, edge in zip(PLACES, edges, strict=True)
        ]
    )
    found: Floats = (table["centroid"].to_numpy() - first) / edges
    return found


def _described(ds: xr.Dataset, unit: str, grey: str) -> xr.Dataset:
    texts = {
        "expansion": ("1", "relative change of volume since the reference"),
        "expansion_std": ("1", "standard uncertainty: relative change of volume since the reference"),
        "displacement": (unit, "displacement of the centroid since the reference"),
        "displacement_std": (unit, "standard uncertainty: displacement of the centroid"),
        "correlation": ("1", "correlation of the grey values after the map"),
        "residual": (grey, "standard deviation of the grey values from each other after the map"),
        "share": ("1", "share of the voxels that were compared"),
        "displacement_std_factor": ("1", "errors of the repeat relative to those of noise, displacement"),
        "gradient_std_factor": ("1", "errors of the repeat relative to those of noise, deformation gradient"),
    }
    for name in ds.data_vars:
        if name in texts:
            ds[name].attrs = {"units": texts[str(name)][0], "long_name": texts[str(name)][1]}
        elif name not in ("flag", "number", "volume", "centroid", "touches_border"):
            ds[name].attrs = strain_attrs(str(name))
    ds["flag"].attrs = attrs()
    return ds
