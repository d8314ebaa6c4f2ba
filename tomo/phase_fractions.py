"""Volume fractions of phases, with what they owe to chance and to the choice of the thresholds told apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from operando.errors import OperandoError
from operando.history import recorded

from .counted_voxels import Array, as_mask
from .grey_fractions import mixed
from .layout import METRICS, PLACES
from .phase_counts import MOVED, Counted, of_labels, of_levels
from .phases import Thresholds, as_thresholds, boundary_numbers, named_phases, phase_names
from .subvolumes import SUBVOLUMES, spread_of_mean
from .voxels import as_volume, voxel

STEP = "tomo.fractions"

Floats = NDArray[np.float64]


def fractions(
    volume: xr.DataArray | Array,
    thresholds: Thresholds | None = None,
    names: Sequence[str] | Mapping[int, str] | None = None,
    *,
    mask: xr.DataArray | Array | None = None,
    method: Literal["threshold", "grey"] = "threshold",
    boundary: int = 1,
    margin: int = 2,
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
    method
        ``threshold``: a voxel belongs to one phase, so that what is thinner than about four voxels is lost or swollen.
        ``grey``: the phases on either side of ``boundary`` share voxels in proportion to the grey level, which keeps
        small features whole; it takes a Dataset with ``grey_level``, such as :func:`threshold_mixture` gives.
    boundary
        Number, from 1, of the boundary of the ``grey`` method. Other phases are counted by threshold.
    margin
        Voxels around other phases, as far as the point spread function reaches, in which the ``grey`` method looks at
        nothing: the two phases are held to share them as they share the rest. What gathers at the surface of a third
        phase, such as lost contact, is therefore missed. With a blur of s voxels (standard deviation), that of a voxel
        with it, ceil(3.3 sqrt(s^2 + 1/12) - 1/2) of them leave less than 1e-3 of the other phase's contrast: 2 at 0.7.
    subvolumes
        Along each dim, from whose differences the statistical uncertainty comes.

    Returns
    -------
    xarray.Dataset
        ``fraction`` (..., phase) of the voxels that count (1) and ``volume`` (um^3), both with ``_std``: by how far the
        volume's may lie from that of the material that it was cut from, the spread of its subvolumes
        (:func:`operando.tomo.subvolumes.spread_of_mean`). Apart from it ``_systematic``, and ``_uncertainty``, both in
        quadrature. By threshold, the systematic is half of what the fraction changes when a threshold moves from 10 %
        below to 10 % above, in distances between the levels of the two phases that it parts; one threshold at a time,
        added in quadrature. By grey level it is what ``grey_level_std`` changes, where that is known. Labels have none.
        ``threshold`` (..., boundary) and ``grey_level`` (..., phase); ``voxels`` (...) that count.

    Raises
    ------
    OperandoError
        If thresholds, levels, names or mask do not fit, or nothing counts.

    Notes
    -----
    By grey level, with levels a < b, the brighter phase fills Sum (g - a)/(b - a) voxels. Nothing is cut off at 0 and
    1, so that noise averages out, and fractions near 0 may come out below it. An error d of the level of a phase that
    fills the share s moves the fraction by s d/(b - a): the level of the matrix must be known well.

    Examples
    --------
    >>> import numpy as np
    >>> from operando import tomo
    >>> grey = np.random.default_rng(1).normal(100, 5, (16, 32, 32)).round().astype("u2")
    >>> grey[:, :, 16:] += 100
    >>> found = tomo.fractions(grey, [150.0], names=["pore", "solid"])
    >>> print(found["fraction"].values.round(2).tolist())
    [0.5, 0.5]
    """
    grey = as_volume(volume, STEP)
    cover = as_mask(mask, grey, STEP)
    if subvolumes < 2 or margin < 0 or method not in ("threshold", "grey"):
        raise OperandoError(f"{STEP}: expected two subvolumes or more, a margin from 0 and 'threshold' or 'grey'")
    settings: dict[str, Any] = {"mask": mask is not None, "method": method, "subvolumes": subvolumes}
    if thresholds is None:
        values, called = _values(grey, names)
        limits, counted = None, of_labels(grey, cover, values, subvolumes)
    else:
        if isinstance(names, Mapping):
            raise OperandoError(f"{STEP}: expected names from the darkest phase on, got labels; leave out 'thresholds'")
        limits = _each(as_thresholds(thresholds, STEP), grey)
        called = phase_names(limits.shape[-1] + 1, names, STEP)
        levels, spread = (_known(thresholds, name, grey) for name in ("grey_level", "grey_level_std"))
        if method == "threshold":
            settings |= {"moved": MOVED}
            counted = of_levels(grey, cover, limits, levels, subvolumes)
        else:
            settings |= {"boundary": boundary, "margin": margin}
            apart = _check_levels(levels, boundary)
            counted = mixed(grey, cover, limits, apart, spread, boundary=boundary, margin=margin, subvolumes=subvolumes)
    settings |= {"threshold": limits, "names": called}
    ds = _dataset(grey, counted, called, limits)
    return recorded(ds, STEP, settings, after=xr.Dataset(attrs=grey.attrs))


def _check_levels(levels: Floats | None, boundary: int) -> Floats:
    if levels is None or not (np.diff(levels, axis=-1) > 0).all():
        raise OperandoError(
            f"{STEP}: expected a Dataset with threshold and grey_level that ascends, for the grey method"
        )
    if not 1 <= boundary < levels.shape[-1]:
        raise OperandoError(f"{STEP}: expected a boundary from 1 to {levels.shape[-1] - 1}, got {boundary}")
    return levels


def _values(labels: xr.DataArray, names: Sequence[str] | Mapping[int, str] | None) -> tuple[list[int], list[str]]:
    if labels.dtype.kind not in "iub":
        raise OperandoError(f"{STEP}: expected labels, got {labels.dtype}; state thresholds between grey levels")
    known = dict(names) if isinstance(names, Mapping) else named_phases(labels)
    if not known:
        raise OperandoError(f"{STEP}: expected labels with flag_values and flag_meanings, or names = {{label: name}}")
    called = list(known.values()) if names is None or isinstance(names, Mapping) else list(names)
    return list(known), phase_names(len(known), called, STEP)


def _each(array: xr.DataArray, grey: xr.DataArray) -> Floats:
    """Return one row a volume, in the order of the leading dims."""
    leading = grey.dims[: grey.ndim - len(PLACES)]
    along = array.dims[-1]
    strange = [name for name in array.dims[:-1] if name not in leading or array.sizes[name] != grey.sizes[name]]
    if strange:
        raise OperandoError(f"{STEP}: expected one row of thresholds or one a volume, got the dims {dict(array.sizes)}")
    shape = {**{name: grey.sizes[name] for name in leading}, along: array.sizes[along]}
    whole = array.expand_dims({name: size for name, size in shape.items() if name not in array.dims}).transpose(*shape)
    return np.ascontiguousarray(whole.to_numpy(), dtype=np.float64).reshape(-1, array.sizes[along])


def _known(thresholds: Thresholds, name: str, grey: xr.DataArray) -> Floats | None:
    if not isinstance(thresholds, xr.Dataset) or name not in thresholds:
        return None
    return _each(thresholds[name].transpose(..., "phase"), grey)


def _dataset(grey: xr.DataArray, counted: list[Counted], names: list[str], limits: Floats | None) -> xr.Dataset:
    """Return fractions and volumes of phases, with their uncertainties.

    Raises
    ------
    OperandoError
        If no voxel of a volume counts.
    """
    if not all(each.voxels.sum() > 0 for each in counted):
        raise OperandoError(f"{STEP}: expected voxels that count in every volume, got none; look at mask and flags")
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
    edge = voxel(grey, STEP)
    size = voxels[:, np.newaxis] * edge.volume
    columns: dict[str, tuple[tuple[str, ...], NDArray[Any], str]] = {
        f"fraction{ending}": (("phase",), values, "1") for ending, values in share.items()
    }
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
            name: (
                (*leading, *dims),
                values.reshape((*shape, *values.shape[1:])),
                {"units": unit, "long_name": texts[name]},
            )
            for name, (dims, values, unit) in columns.items()
        },
        coords={name: array for name, array in grey.coords.items() if set(array.dims) <= set(leading)},
    )
    ds = ds.assign_coords(phase=("phase", np.array(names, dtype=object), {"long_name": texts["phase"]}))
    return ds if limits is None else ds.assign_coords(boundary=boundary_numbers(limits.shape[-1]))
