"""Figures of volumes for print, by matplotlib: slices with labels, cracks and tortuosity through a series."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from operando.errors import OperandoError
from operando.kind_colors import COLORS, SUBSTANCES, kind_colors, kind_of
from operando.plot import abscissa, label_scans, legend_above, trends, unit_label
from operando.scale_bar import draw_scale_bar
from operando.scan_points import MARKERS, draw_points, flagged, join_points, new_axes, uncertainty_of

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes

_SPATIAL = ("z", "y", "x")
_OPACITY = {"void": 0.75, "crack": 0.85, "contact loss": 0.85}
_OTHERS = 0.45
"""Of what lies over grey values; what is thin must be seen."""
_FRACTIONS = ("void_fraction", "crack_fraction")


def labelled_slice(
    grey: xr.DataArray | None = None,
    labels: xr.DataArray | None = None,
    ax: Axes | None = None,
    *,
    along: str = "z",
    at: float | None = None,
    hide: tuple[str, ...] = (),
    limits: tuple[float, float] | None = None,
) -> Axes:
    """Draw a slice of a volume in grey, phases or objects in color over it, and a scale bar.

    Phases that ``flag_meanings`` of ``labels`` names have their colors of the report and a legend; a mask is a crack
    unless its name says otherwise, as ``void_mask`` does; numbered objects get one color after the other. Only the
    slice is read from a lazy volume.

    Parameters
    ----------
    grey
        Grey values over ``z``, ``y`` and ``x``, or one slice of them. Half a percent of the darkest and of the
        brightest voxels saturate, unless ``limits`` say more.
    labels
        Phases, objects or a mask over the same dims; 0 is not drawn.
    ax
        Axes to draw on; new ones by default.
    along
        The axis that is cut.
    at
        Where (the unit of that axis' coordinate, or the number of a voxel where it has none); by default the middle.
        The nearest slice is drawn.
    hide
        Names of phases that are not drawn, such as ``("electrolyte",)``.
    limits
        Grey values that are black and white; by default from what is in the slice, those of flagged slices aside.

    Returns
    -------
    matplotlib.axes.Axes
        The axes drawn on.

    Raises
    ------
    OperandoError
        If there is neither, other dims are left over, the grids differ, or ``hide`` names no phase.
    """
    given = [one for one in (grey, labels) if one is not None]
    if not given:
        raise OperandoError("labelled_slice: expected grey values or labels, got neither")
    cuts = [_cut(one, along, at) for one in given]
    if any(one.sizes != cuts[0].sizes for one in cuts):
        sizes = " and ".join(str(dict(one.sizes)) for one in cuts)
        raise OperandoError(f"labelled_slice: expected grey values and labels on one grid, got {sizes}")
    ax = new_axes(ax, (4.0, 4.0))
    place = _place(cuts[0])
    if grey is not None:
        low, high = limits or np.nanpercentile(_sound(cuts[0]).to_numpy(), [0.5, 99.5])
        ax.imshow(cuts[0].to_numpy(), cmap="gray", vmin=low, vmax=high, **place)
    if labels is not None:
        _draw_labels(ax, cuts[-1], hide, place, alone=grey is None)
    draw_scale_bar(ax, _unit(cuts[0]))
    ax.set_axis_off()
    return ax


def crack_evolution(ds: xr.Dataset, ax: Axes | None = None, *, against: str = "time", zone: str = "UTC") -> Axes:
    """Draw the volume fractions (%) of voids and of cracks through a series, and how thin a crack is missed.

    Parameters
    ----------
    ds
        A series with ``void_fraction`` or ``crack_fraction`` over ``scan``; ``<name>_uncertainty`` or ``<name>_std``
        gives the error bars, ``detection_limit`` (um) the remark. Flagged scans are hollow.
    ax
        Axes to draw on; new ones by default.
    against, zone
        As for :func:`operando.plot.trends`.

    Returns
    -------
    matplotlib.axes.Axes
        The axes drawn on.

    Raises
    ------
    OperandoError
        If there is neither fraction.
    """
    names = [name for name in _FRACTIONS if name in ds and ds[name].dims == ("scan",)]
    if not names:
        raise OperandoError(
            f"crack_evolution: expected {' or '.join(_FRACTIONS)} over scan, got {', '.join(map(str, ds))}"
        )
    ax = new_axes(ax, (4.6, 3.4))
    x, _, what = abscissa(ds, against)
    for at, name in enumerate(names):
        kind, error = name.removesuffix("_fraction"), uncertainty_of(ds, name)
        y = 100 * ds[name].to_numpy().astype(float)
        errors = None if error is None else 100 * error
        draw_points(
            ax, x, y, color=COLORS[kind], marker=MARKERS[at], label=kind, errors=(None, errors), hollow=flagged(ds)
        )
        join_points(ax, x, y, color=COLORS[kind])
    said = [*_unseen(ds), *(["hollow: flagged"] if flagged(ds).any() else [])]
    _finish(ax, ds, what, zone, label="volume fraction (%)", notes=said)
    return ax


def crack_volumes(
    ds: xr.Dataset, ax: Axes | None = None, *, most: int = 6, against: str = "time", zone: str = "UTC"
) -> Axes:
    """Draw the volume of the largest cracks that were followed through a series.

    Parameters
    ----------
    ds
        ``volume`` (um^3) over ``scan`` and ``crack``, as :func:`~operando.tomo.track` gives it: 0 where it is
        not there.
    ax
        Axes to draw on; new ones by default.
    most
        How many are drawn at most.
    against, zone
        As for :func:`operando.plot.trends`.

    Returns
    -------
    matplotlib.axes.Axes
        The axes drawn on.

    Raises
    ------
    OperandoError
        If there is no such volume.
    """
    if "volume" not in ds or set(ds["volume"].dims) != {"scan", "crack"}:
        raise OperandoError(f"crack_volumes: expected 'volume' over scan and crack, got {', '.join(map(str, ds))}")
    ax = new_axes(ax, (4.6, 3.4))
    x, _, what = abscissa(ds, against)
    volume = ds["volume"].transpose("scan", "crack").to_numpy().astype(float)
    numbers = ds["crack"].to_numpy() if "crack" in ds.coords else np.arange(volume.shape[1])
    largest = np.argsort(-np.nan_to_num(volume).max(axis=0, initial=0.0), kind="stable")[:most]
    for k, crack in enumerate(largest):
        there = np.where(volume[:, crack] > 0, volume[:, crack], np.nan)
        color = SUBSTANCES[k % len(SUBSTANCES)]
        draw_points(ax, x, there, color=color, marker=MARKERS[k % len(MARKERS)], label=f"crack {numbers[crack]}")
        join_points(ax, x, there, color=color)
    unit = unit_label(str(ds["volume"].attrs.get("units", "")))
    _finish(ax, ds, what, zone, label=f"crack volume ({unit})" if unit else "crack volume")
    return ax


def tortuosity(ds: xr.Dataset, ax: Axes | None = None, *, against: str = "time", zone: str = "UTC") -> Axes:
    """Draw the tortuosity factor along each axis through a series; where nothing leads through there is no point.

    Parameters
    ----------
    ds
        A series with ``tortuosity_factor`` (1) over ``scan`` and, of several axes, ``axis``.
    ax, against, zone
        As for :func:`operando.plot.trends`.

    Returns
    -------
    matplotlib.axes.Axes
        The axes drawn on.

    Raises
    ------
    OperandoError
        If there is no such factor.
    """
    return trends(ds, "tortuosity_factor", ax, against=against, zone=zone)


def _unseen(ds: xr.Dataset) -> list[str]:
    """Return in words how thin a crack is missed, if that is known."""
    limit = ds["detection_limit"].to_numpy().astype(float) if "detection_limit" in ds else np.array([np.nan])
    if not np.isfinite(limit).any():
        return []
    unit = unit_label(str(ds["detection_limit"].attrs.get("units", "um")))
    return [f"cracks below {np.nanmax(limit):.2g} {unit} are missed"]


def _cut(array: xr.DataArray, along: str, at: float | None) -> xr.DataArray:
    """Return one slice, dims in the order z, y, x."""
    if along in array.dims:
        middle = array.sizes[along] // 2
        if at is None:
            array = array.isel({along: middle})
        elif along in array.indexes:
            array = array.sel({along: at}, method="nearest")
        else:
            array = array.isel({along: round(at)})
    dims = [dim for dim in _SPATIAL if dim in array.dims]
    if len(dims) != 2 or array.ndim != 2:
        raise OperandoError(
            f"labelled_slice: expected a slice of z, y and x, got dims {array.dims}; choose a scan by isel(scan=...)"
        )
    return array.transpose(*dims).load()


def _sound(cut: xr.DataArray) -> xr.DataArray:
    """Return what is known of a slice: no line of a missing or saturated slice, unless there is nothing else."""
    flags = cut.coords.get("frame_flag")
    if flags is None or flags.ndim != 1 or flags.dims[0] not in cut.dims:
        return cut
    kept = np.flatnonzero(flags.to_numpy() == 0)
    return cut.isel({flags.dims[0]: kept}) if kept.size else cut


def _place(cut: xr.DataArray) -> dict[str, Any]:
    """Return where the picture lies: in the unit of its coordinates, in voxels where it has none."""
    (bottom, top), (left, right) = (_ends(cut, str(dim)) for dim in cut.dims)
    return {"extent": (left, right, top, bottom), "interpolation": "nearest"}


def _ends(cut: xr.DataArray, dim: str) -> tuple[float, float]:
    if dim not in cut.indexes or cut.sizes[dim] < 2:
        return 0.0, float(cut.sizes[dim])
    first, last = (float(cut[dim][at]) for at in (0, -1))
    half = (last - first) / (cut.sizes[dim] - 1) / 2
    return first - half, last + half


def _unit(cut: xr.DataArray) -> str:
    """Return the unit of the coordinate along the rows, voxels where it has none."""
    dim = str(cut.dims[1])
    return unit_label(str(cut[dim].attrs.get("units", ""))) if dim in cut.indexes else "voxels"


def _draw_labels(ax: Axes, cut: xr.DataArray, hide: tuple[str, ...], place: dict[str, Any], *, alone: bool) -> None:
    from matplotlib.colors import to_rgba
    from matplotlib.patches import Patch

    values = cut.to_numpy()
    named = _names(cut)
    unknown = sorted(set(hide) - set(named.values()))
    if unknown:
        raise OperandoError(
            f"labelled_slice: expected names among {', '.join(named.values()) or 'none'}, got {unknown[0]!r}"
        )
    picture = np.zeros((*values.shape, 4))
    colors = dict(zip(named, kind_colors(list(named.values())), strict=True))
    present = [int(one) for one in np.unique(values) if one != 0]
    for at, value in enumerate(present):
        if named.get(value) not in hide:
            color = colors.get(value, SUBSTANCES[at % len(SUBSTANCES)])
            opacity = _OPACITY.get(kind_of(named.get(value, "")), _OTHERS)
            picture[values == value] = to_rgba(color, 1.0 if alone else opacity)
    ax.imshow(picture, **place)
    shown = [value for value in present if value in named and named[value] not in hide]
    if shown:
        patches = [Patch(color=colors[value], label=named[value].replace("_", " ")) for value in shown]
        ax.legend(
            handles=patches, frameon=False, fontsize="small", ncols=len(shown), loc="lower center",
            bbox_to_anchor=(0.5, 1), borderaxespad=0.2, handlelength=1.2, columnspacing=1.2,
        )  # fmt: skip


def _names(cut: xr.DataArray) -> dict[int, str]:
    """Return ``{value: name}`` of phases; a mask is what its name says, else a crack; objects have no names."""
    attrs = cut.attrs
    if cut.dtype == bool:
        kind = kind_of(str(cut.name).removesuffix("_mask"))
        return {1: kind if kind in COLORS else "crack"}
    if {"flag_values", "flag_meanings"} <= set(attrs):
        values = np.ravel(attrs["flag_values"])
        return {int(value): word for value, word in zip(values, str(attrs["flag_meanings"]).split(), strict=False)}
    return {}


def _finish(ax: Axes, ds: xr.Dataset, what: str, zone: str, *, label: str, notes: Sequence[str] = ()) -> None:
    ax.set_ylabel(label)
    ax.set_ylim(0)
    label_scans(ax, ds, what, zone)
    legend_above(ax, notes)
