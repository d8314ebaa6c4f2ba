"""Volume fractions of phases, with what they owe to chance and to the choice of the thresholds told apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from operando.errors import OperandoError
from operando.history import recorded

from .counted_voxels import Array, as_mask
from .layout import METRICS, PLACES
from .phases import Thresholds, as_thresholds, boundary_numbers, named_phases, phase_names
from .subvolumes import SUBVOLUMES, spread_of_mean, sums
from .voxels import as_volume, voxel

STEP = "tomo.fractions"

MOVED = 0.1
"""How far a threshold is moved either way, in distances between the levels of the phases that it parts."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Counted:
    """What half subvolumes of one volume hold: voxels of each phase (z, y, x, phase), and of all that count (z, y, x).

    ``systematic`` (phase): what moved thresholds change; ``levels`` (phase): mean grey level; None where unknown.
    """

    phases: Floats
    voxels: Floats
    systematic: Floats | None = None
    levels: Floats | None = None


def fractions(
    volume: xr.DataArray | Array,
    thresholds: Thresholds | None = None,
    names: Sequence[str] | Mapping[int, str] | None = None,
    *,
    mask: xr.DataArray | Array | None = None,
    subvolumes: int = SUBVOLUMES,
) -> xr.Dataset:
    """Return the volume fraction of every phase, for each volume of a series, from one or two passes over its blocks.

    Parameters
    ----------
    volume
        Grey levels, with ``thresholds``; or labels, such as :func:`segment` gives. Dims (..., z, y, x).
    thresholds
        As :func:`segment` takes them. A Dataset's ``grey_level`` (..., phase) is the level of each phase; else it is
        the mean of the voxels between the thresholds.
    names
        Of the phases from the darkest on; of labels ``{label: name}``, by default those in their attributes
        ``flag_values`` and ``flag_meanings``. Labels without a name count for nothing.
    mask
        Voxels that count, truth values, dims (z, y, x) or those of the volume.
    subvolumes
        Along each dim, from whose differences the statistical uncertainty comes.

    Returns
    -------
    xarray.Dataset
        ``fraction`` (..., phase) of the voxels that count (1) and ``volume`` (um^3), both with ``_std``: by how far the
        volume's may lie from that of the material that it was cut from, the spread of its subvolumes
        (:func:`operando.tomo.subvolumes.spread_of_mean`). With thresholds also ``_systematic``: half of what the
        fraction changes when a threshold moves from 10 % below to 10 % above, in distances between the levels of the
        two phases that it parts; one threshold at a time, added in quadrature; and ``_uncertainty``, both in
        quadrature; ``threshold`` (..., boundary) and ``grey_level`` (..., phase). ``voxels`` (...) that count.

    Raises
    ------
    OperandoError
        If thresholds, names or mask do not fit, or nothing counts.
    """
    grey = as_volume(volume, STEP)
    cover = as_mask(mask, grey, STEP)
    if subvolumes < 2:
        raise OperandoError(f"{STEP}: expected two subvolumes or more along each dim, got {subvolumes}")
    if thresholds is None:
        values, called = _values(grey, names)
        limits, counted = None, _of_labels(grey, cover, values, subvolumes)
    else:
        if isinstance(names, Mapping):
            raise OperandoError(f"{STEP}: expected names from the darkest phase on, got labels; leave out 'thresholds'")
        limits = _each(as_thresholds(thresholds, STEP), grey)
        called = phase_names(limits.shape[-1] + 1, names, STEP)
        counted = _of_levels(grey, cover, limits, _known_levels(thresholds, grey), subvolumes)
    ds = dataset(grey, counted, called, limits, STEP)
    settings = {"threshold": limits, "names": called, "mask": mask is not None, "subvolumes": subvolumes}
    settings |= {} if thresholds is None else {"moved": MOVED}
    return recorded(ds, STEP, settings, after=xr.Dataset(attrs=grey.attrs))


def _values(labels: xr.DataArray, names: Sequence[str] | Mapping[int, str] | None) -> tuple[list[int], list[str]]:
    if labels.dtype.kind not in "iub":
        raise OperandoError(f"{STEP}: expected labels, got {labels.dtype}; state thresholds between grey levels")
    known = dict(names) if isinstance(names, Mapping) else named_phases(labels)
    if not known:
        raise OperandoError(f"{STEP}: expected labels with flag_values and flag_meanings, or names = {{label: name}}")
    called = list(known.values()) if names is None or isinstance(names, Mapping) else list(names)
    return list(known), phase_names(len(known), called, STEP)


def _of_labels(labels: xr.DataArray, mask: xr.DataArray | None, values: list[int], subvolumes: int) -> list[Counted]:
    limits = np.unique(np.array([[value - 0.5, value + 0.5] for value in values]))
    rows = np.tile(limits, (_number(labels), 1))
    at = np.searchsorted(limits, values)
    counted = [part[..., at, 0] for part in sums(labels, mask, rows, subvolumes)]
    return [Counted(phases, phases.sum(axis=-1)) for phases in counted]


def _of_levels(
    grey: xr.DataArray, mask: xr.DataArray | None, limits: Floats, levels: Floats | None, subvolumes: int
) -> list[Counted]:
    if levels is None:
        whole = [part.sum(axis=(0, 1, 2)) for part in sums(grey, mask, limits, subvolumes)]
        with np.errstate(invalid="ignore"):
            levels = np.array([part[:, 1] / part[:, 0] for part in whole])
    apart = np.diff(levels, axis=-1)
    step = np.where(apart > 0, MOVED * apart, 0.0)
    rows = np.sort(np.concatenate([limits - step, limits, limits + step], axis=-1), axis=-1)
    found = sums(grey, mask, rows, subvolumes)
    return [_phases(*each) for each in zip(found, rows, limits, step, levels, strict=True)]


def _phases(found: Floats, row: Floats, limits: Floats, step: Floats, levels: Floats) -> Counted:
    """Return the voxels of each phase from those below each of the limits that thresholds take when moved."""
    below = np.cumsum(found[..., 0], axis=-1)
    voxels = below[..., -1]
    low, at, high = (below[..., np.searchsorted(row, limits + sign * step)] for sign in (-1, 0, 1))
    phases = np.diff(at, axis=-1, prepend=0, append=voxels[..., np.newaxis])
    change = (high - low).sum(axis=(0, 1, 2)) / 2 / max(voxels.sum(), 1)
    systematic = np.sqrt(np.append(change, 0) ** 2 + np.insert(change, 0, 0) ** 2)
    return Counted(phases, voxels, systematic, levels)


def _each(array: xr.DataArray, grey: xr.DataArray) -> Floats:
    """Return one row a volume, in the order of the leading dims."""
    leading = grey.dims[: grey.ndim - len(PLACES)]
    along = array.dims[-1]
    strange = [name for name in array.dims[:-1] if name not in leading or array.sizes[name] != grey.sizes[name]]
    if strange:
        raise OperandoError(f"{STEP}: expected one row of thresholds or one a volume, got the dims {dict(array.sizes)}")
    shape = {**{name: grey.sizes[name] for name in leading}, along: array.sizes[along]}
    whole = array.variable.set_dims(shape).transpose(*shape).to_numpy()
    return np.ascontiguousarray(whole, dtype=np.float64).reshape(-1, array.sizes[along])


def _known_levels(thresholds: Thresholds, grey: xr.DataArray) -> Floats | None:
    if not isinstance(thresholds, xr.Dataset) or "grey_level" not in thresholds:
        return None
    return _each(thresholds["grey_level"].transpose(..., "phase"), grey)


def _number(grey: xr.DataArray) -> int:
    return int(np.prod(grey.shape[: grey.ndim - len(PLACES)], dtype=np.int64))


def dataset(grey: xr.DataArray, counted: list[Counted], names: list[str], limits: Floats | None, step: str) -> xr.Dataset:
    """Return fractions and volumes of phases, with their uncertainties.

    Raises
    ------
    OperandoError
        If no voxel of a volume counts.
    """
    if not all(each.voxels.sum() > 0 for each in counted):
        raise OperandoError(f"{step}: expected voxels that count in every volume, got none; look at mask and flags")
    leading = grey.dims[: grey.ndim - len(PLACES)]
    shape = tuple(grey.sizes[name] for name in leading)
    voxels = np.array([each.voxels.sum() for each in counted])
    share = {
        "": np.array([each.phases.sum(axis=(0, 1, 2)) / each.voxels.sum() for each in counted]),
        "_std": np.array([spread_of_mean(each.phases, each.voxels) for each in counted]),
    }
    if counted[0].systematic is not None:
        share["_systematic"] = np.array([each.systematic for each in counted])
        share["_uncertainty"] = np.hypot(share["_std"], share["_systematic"])
    edge = voxel(grey, step)
    size = voxels[:, np.newaxis] * edge.volume
    columns = {f"fraction{ending}": (("phase",), values, "1") for ending, values in share.items()}
    columns |= {f"volume{ending}": (("phase",), values * size, f"{edge.units}^3") for ending, values in share.items()}
    units = str(grey.attrs.get("units", "1"))
    if limits is not None:
        columns["threshold"] = (("boundary",), limits, units)
    if counted[0].levels is not None:
        columns["grey_level"] = (("phase",), np.array([each.levels for each in counted]), units)
    columns["voxels"] = ((), voxels.astype(np.int64), "1")
    texts = METRICS.long_names()
    ds = xr.Dataset(
        {
            name: ((*leading, *dims), values.reshape((*shape, *values.shape[1:])), {"units": unit, "long_name": texts[name]})
            for name, (dims, values, unit) in columns.items()
        },
        coords={name: array for name, array in grey.coords.items() if set(array.dims) <= set(leading)},
    )
    ds = ds.assign_coords(phase=("phase", np.array(names, dtype=object), {"long_name": texts["phase"]}))
    return ds if limits is None else ds.assign_coords(boundary=boundary_numbers(limits.shape[-1]))
