"""Figures for print by matplotlib, and the names, labels and colors that every figure shares."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal
from zoneinfo import ZoneInfo

import numpy as np

from .errors import OperandoError
from .kind_colors import AXIS_COLORS, kind_colors
from .region_colors import colors_of_regions, region_name
from .scan_points import MARKERS, draw_points, flagged, join_points, new_axes, uncertainty_of
from .species_colors import species_colors
from .units import DIMENSIONLESS

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

INK = "#333333"
REST = "#7F7F7F"
FLAGGED = "#AA3377"
_COLORS = {"charge": ("#D55E00", "#E69F00", "#8C3B00"), "discharge": ("#0072B2", "#56B4E9", "#00395C")}
_MARKERS = {"charge": "o", "discharge": "s"}
_DATE = 0.5
"""Room (inches) that a date takes along its axis."""
_NARROW = 3.0
"""Width (inches) below which the middle of an axis is too near its right end, where the rest of the date stands ..."""
_BELOW = 10.0
"""... and the label stands below that, by so many points."""
_RAISED = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")


@dataclass(frozen=True)
class HalfCycle:
    """How a half-cycle is called and drawn; the colors are told apart by the color-blind too."""

    number: int
    kind: str
    name: str
    color: str

    @property
    def marker(self) -> str:
        """The marker in matplotlib's letters: the shape repeats what the color says."""
        return _MARKERS.get(self.kind, "D")


def half_cycles(ds: xr.Dataset) -> dict[int, HalfCycle]:
    """Return the half-cycles in ``ds`` by number.

    Half-cycle 0 is the rest before the first current; the others are a charge or a discharge by the
    sign of their mean current (A, charge positive). Up to three of a kind get names and shades of their own.

    Parameters
    ----------
    ds
        The electrochemistry or a linked series: ``half_cycle`` and, if known, ``current``.
    """
    if "half_cycle" not in ds.variables:
        return {}
    number = np.asarray(ds["half_cycle"].values, dtype=float).ravel()
    current = np.asarray(ds["current"].values, dtype=float).ravel() if "current" in ds.variables else number * np.nan
    kinds: dict[int, str] = {}
    for value in np.unique(np.rint(number[np.isfinite(number)])):
        own = current[(np.rint(number) == value) & np.isfinite(current)]
        kinds[int(value)] = _kind(int(value), own)
    return _drawn(kinds)


def _kind(number: int, current: NDArray[np.float64]) -> str:
    if number == 0:
        return "rest"
    if current.size == 0 or current.mean() == 0:
        return "half-cycle"
    return "charge" if current.mean() > 0 else "discharge"


def _drawn(kinds: dict[int, str]) -> dict[int, HalfCycle]:
    found: dict[int, HalfCycle] = {}
    count = dict.fromkeys(kinds.values(), 0)
    for number, kind in kinds.items():
        order, many = count[kind], list(kinds.values()).count(kind)
        count[kind] += 1
        shades = _COLORS.get(kind, (REST,))
        alike = kind not in _COLORS or many > len(shades)
        color, name = (shades[0], kind) if alike else (shades[order], f"{kind} {order + 1}")
        found[number] = HalfCycle(number, kind, name, color)
    return found


def unit_label(units: str) -> str:
    """Return a unit as it is printed: ``cm^2`` as ``cm²``, ``um`` as ``µm``, nothing for dimensionless numbers."""
    if units in ("", DIMENSIONLESS, "dimensionless"):
        return ""
    greek = re.sub(r"\bum\b", "µm", units)
    return re.sub(r"\^(-?\d+)", lambda found: found[1].translate(_RAISED), greek)


def axis_label(array: xr.DataArray) -> str:
    """Return ``long_name (units)`` from the attributes: the long name up to its first comma or colon."""
    name = re.split(r"[,:;]", str(array.attrs.get("long_name") or array.name or ""))[0].strip()
    unit = unit_label(str(array.attrs.get("units", "")))
    return f"{name} ({unit})" if unit else name


def experiment_zone(tree: xr.DataTree) -> ZoneInfo:
    """Return the zone in which the experiment's times are shown: ``timezone`` of the root, else UTC."""
    try:
        return ZoneInfo(str(tree.attrs.get("timezone") or "UTC"))
    except (KeyError, ValueError, OSError):
        return ZoneInfo("UTC")


def series_nodes(tree: xr.DataTree) -> Iterator[tuple[str, xr.Dataset]]:
    """Yield every series of the tree as its path and its ``raw`` node (``processed`` if there is no raw)."""
    for node in tree.subtree:
        for stage in ("raw", "processed"):
            if stage in node.children and "scan" in node[stage].dims:
                yield node.path, node[stage].to_dataset()
                break


def voltage_of(echem: xr.Dataset) -> xr.DataArray:
    """Return the potential, or the voltage as measured where no potential is stated.

    Raises
    ------
    OperandoError
        If there is neither.
    """
    for name in ("potential", "voltage"):
        if name in echem.variables and bool(np.isfinite(echem[name].values).any()):
            return echem[name]
    raise OperandoError("timeline: expected 'potential' or 'voltage' (V) in /echem, got neither")


def timeline(tree: xr.DataTree, ax: Axes | None = None) -> Axes:
    """Draw the potential (V) against time, colored by half-cycle, with a tick for every scan.

    Times are shown in the experiment's zone. Each series has its own row of ticks along the bottom;
    flagged scans are longer and of another color. Scans without a time are left out.

    Parameters
    ----------
    tree
        An experiment with ``/echem`` over ``time``, or with at least one series over ``scan`` whose time is known.
    ax
        Axes to draw on; new ones by default.

    Returns
    -------
    matplotlib.axes.Axes
        The axes drawn on.

    Raises
    ------
    OperandoError
        If the tree knows no time at all.
    """
    series = [(path, ds) for path, ds in series_nodes(tree) if "time" in ds.variables and ds.time.notnull().any()]
    echem = tree["echem"].to_dataset() if "echem" in tree.children else None
    if echem is None and not series:
        raise OperandoError("timeline: expected times in /echem or in a series, got none")
    ax = new_axes(ax, (7.0, 3.2))
    if echem is not None:
        _draw_voltage(ax, echem)
    names = [path.rsplit("/", 1)[-1] for path, _ in series]
    for row, (path, ds) in enumerate(series):
        shared = names.count(names[row]) > 1
        _draw_ticks(ax, row, path.strip("/").replace("/", " ") if shared else names[row], ds)
    bottom, top = ax.get_ylim()
    ax.set_ylim(bottom - 0.07 * len(series) * (top - bottom), top)
    if echem is None:
        ax.set_yticks([])
    date_axis(ax, experiment_zone(tree))
    return ax


def trends(ds: xr.Dataset, name: str, ax: Axes | None = None, *, against: str = "potential", zone: str = "UTC") -> Axes:
    """Draw a number of every scan against the potential, with error bars of one standard uncertainty.

    A number that has another dim beside ``scan``, such as ``peak``, ``reference``, ``phase`` or ``axis``, gives one
    curve for each of its members, in the color of that species, phase, direction or region. Neighboring scans are
    joined within half-cycles, dashed where the cell was discharged. Flagged scans are hollow; no line leads to them.

    Parameters
    ----------
    ds
        A series with ``name`` over ``scan`` and at most one other dim. Error bars are ``<name>_uncertainty`` if that is
        known, else ``<name>_std``; along x ``<against>_std``.
    name
        The number to draw; its ``long_name`` and ``units`` label the axis.
    ax
        Axes to draw on; new ones by default.
    against
        Coordinate along ``scan``, such as ``potential``, ``soc`` or ``time``. Where it is not known, time is used, and
        where there are no times, the number of the scan.
    zone
        The zone in which times are shown.

    Returns
    -------
    matplotlib.axes.Axes
        The axes drawn on.

    Raises
    ------
    OperandoError
        If there is no such number, or it has other dims.
    """
    array = _along_scans(ds, name)
    ax = new_axes(ax, (4.6, 3.4))
    x, spread, what = abscissa(ds, against)
    errors, hollow = uncertainty_of(ds, name), flagged(ds)
    known = {} if what in ("time", "scan") else half_cycles(ds)
    number = np.asarray(ds["half_cycle"].to_numpy(), float) if known else None
    names, colors = _members(array)
    for at, (label, color) in enumerate(zip(names, colors, strict=True)):
        y = array.to_numpy()[:, at].astype(float)
        if not np.isfinite(y).any():
            continue
        bars = None if errors is None else errors[:, at] if errors.ndim > 1 else errors
        marker = MARKERS[at % len(MARKERS)]
        draw_points(
            ax, x, np.where(np.isfinite(y), y, np.nan), color=color, marker=marker, label=label,
            errors=(spread, bars), hollow=hollow,
        )  # fmt: skip
        join_points(ax, x, np.where(hollow, np.nan, y), color=color, half_cycle=number, known=known)
    drawn = ax.get_legend_handles_labels()[1]
    ax.set_ylabel(axis_label(ds[name]).replace("*", "·") + (f", {drawn[0]}" if len(drawn) == 1 else ""))
    label_scans(ax, ds, what, zone)
    said = ["solid: charge, dashed: discharge"] if len(known) > 1 else []
    said += ["hollow: flagged"] if hollow.any() else []
    legend_above(ax, said)
    return ax


def _along_scans(ds: xr.Dataset, name: str) -> xr.DataArray:
    """Return a number over ``scan`` and one other dim; that of a number without another is ``""``."""
    if name not in ds.variables or "scan" not in ds[name].dims or ds[name].ndim > 2:
        got = f"dims {ds[name].dims}; select the others" if name in ds.variables else ", ".join(map(str, ds.data_vars))
        raise OperandoError(f"plot: expected {name!r} over 'scan' and at most one other dim, got {got}")
    array = ds[name] if ds[name].ndim == 2 else ds[name].expand_dims({"": [""]})
    return array.transpose("scan", ...)


def _members(array: xr.DataArray) -> tuple[list[str], list[str]]:
    """Return the names of the curves and their colors."""
    dim = str(array.dims[1])
    names = [str(one) for one in (array[dim].values if dim in array.coords else range(array.sizes[dim]))]
    if dim == "axis":
        return names, [AXIS_COLORS.get(one, INK) for one in names]
    if dim == "region":
        regions = array[dim].to_numpy() if dim in array.coords else np.arange(1, len(names) + 1)
        return [region_name(one) for one in regions], colors_of_regions(regions)
    return names, kind_colors(names) if dim == "phase" else species_colors(names)


def abscissa(ds: xr.Dataset, against: str) -> tuple[NDArray[Any], NDArray[np.float64] | None, str]:
    """Return what is drawn along x, its uncertainty and its name: what is asked for, else time, else numbers."""
    for name in (against, "time"):
        if name in ds.variables and ds[name].dims == ("scan",) and bool(ds[name].notnull().any()):
            spread = None if name == "time" else uncertainty_of(ds, name)
            return ds[name].to_numpy(), spread, name
    return np.arange(ds.sizes["scan"]), None, "scan"


def legend_above(ax: Axes, notes: Sequence[str] = ()) -> None:
    """Name the curves above the axes, if there are several, and say there what else a reader must know."""
    drawn = ax.get_legend_handles_labels()[1]
    if len(drawn) < 2:
        ax.set_title("; ".join(notes), fontsize="small", color=REST, loc="right")
        return
    columns = len(drawn) if len(drawn) < 4 else (len(drawn) + 1) // 2
    legend = ax.legend(
        title="\n".join(notes) or None, frameon=False, fontsize="small", title_fontsize="small", ncols=min(columns, 3),
        loc="lower center", bbox_to_anchor=(0.5, 1), borderaxespad=0.2, handletextpad=0.4, columnspacing=1.0,
    )  # fmt: skip
    legend.get_title().set_color(REST)


def label_scans(ax: Axes, ds: xr.Dataset, against: str, zone: str = "UTC") -> None:
    """Label an x axis along which scans lie: dates in ``zone`` if it is time."""
    if against in ds.variables and ds[against].dtype.kind == "M":
        date_axis(ax, ZoneInfo(zone))
    else:
        ax.set_xlabel(axis_label(ds[against]) if against in ds.variables else "scan")


def _draw_voltage(ax: Axes, echem: xr.Dataset) -> None:
    voltage = voltage_of(echem)
    time, values = echem["time"].values, np.asarray(voltage.values, dtype=float)
    values = np.where(starts_after_gap(echem), np.nan, values)
    known = half_cycles(echem) or {0: HalfCycle(0, "rest", "", INK)}
    number = echem["half_cycle"].values if "half_cycle" in echem.variables else np.zeros(values.size)
    for half_cycle in known.values():
        label = half_cycle.name if half_cycle.name not in (line.get_label() for line in ax.lines) else None
        ax.plot(
            time, np.where(reached(number == half_cycle.number), values, np.nan), color=half_cycle.color, label=label
        )
    ax.set_ylabel(axis_label(voltage))
    if len(known) > 1:
        ax.legend(
            frameon=False, fontsize="small", ncols=min(5, len(known)), loc="lower center", bbox_to_anchor=(0.5, 1)
        )


def starts_after_gap(echem: xr.Dataset) -> NDArray[np.bool_]:
    """Return where a new piece of the log begins: no line is drawn onto these samples."""
    if "segment" not in echem.variables:
        return np.zeros(echem.sizes["time"], dtype=bool)
    piece = np.asarray(echem["segment"].values)
    return np.concatenate([[False], piece[1:] != piece[:-1]])


def reached(inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return ``inside`` with one sample more at each end, so that neighboring pieces of a curve meet."""
    out: NDArray[np.bool_] = inside.copy()
    out[:-1] |= inside[1:]
    return out


def _draw_ticks(ax: Axes, row: int, name: str, ds: xr.Dataset) -> None:
    time = ds["time"].values
    bad = ds["flag"].values != 0 if "flag" in ds.variables else np.zeros(time.shape, dtype=bool)
    known, place = ~np.isnat(time), ax.get_xaxis_transform()
    low = 0.015 + 0.06 * row
    ax.vlines(time[known & ~bad], low, low + 0.03, color=INK, lw=0.7, transform=place)
    ax.vlines(time[known & bad], low, low + 0.05, color=FLAGGED, lw=1.2, transform=place)
    ax.annotate(name, (1.005, low), xycoords="axes fraction", fontsize="x-small", va="bottom", annotation_clip=False)


def date_axis(ax: Axes, zone: ZoneInfo, along: Literal["x", "y"] = "x") -> None:
    """Label the axis with short dates in ``zone``, and name the zone."""
    from matplotlib import dates as unannotated

    dates: Any = unannotated
    extent = ax.get_window_extent()
    inches = (extent.width if along == "x" else extent.height) / ax.figure.dpi
    most = max(5, int(inches / _DATE))
    locator = dates.AutoDateLocator(tz=zone, minticks=5 if most > 8 else 2, maxticks=most)
    axis = ax.xaxis if along == "x" else ax.yaxis
    axis.set_major_locator(locator)
    axis.set_major_formatter(dates.ConciseDateFormatter(locator, tz=zone))
    axis.set_label_text(f"time ({zone.key})")
    if along == "x" and inches < _NARROW:
        axis.labelpad = _BELOW
