"""Change of volume of particles against potential, state of charge and time, and strain of the material at nodes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from bokeh.palettes import diverging_palette

from operando.flags import Flag
from operando.plot import INK

from .figures import Figure, add_color_bar, models, new_figure
from .parts import Part, Plot, counted, text
from .scan_lines import Line, draw_lines
from .series import LocalTime, Series
from .void_volumes import key

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_PERCENT = 100.0
_MEAN, _ANISOTROPY, _RATIO = "#8C3B00", "#0072B2", "#0072B2"
_MOST_LINES = 60
_PALETTE = diverging_palette(
    ("#2166AC", "#4393C3", "#92C5DE", "#D1E5F0"), ("#B2182B", "#D6604D", "#F4A582", "#FDDBC7"), n=9
)


def draw_expansion(series: Series, ds: xr.Dataset, local: LocalTime) -> Iterator[Part]:
    """Yield how much particles have expanded, how unevenly, and the change of volume at nodes."""
    if "particle_expansion" in ds and ds.sizes["particle"]:
        yield from _particles(series, ds, local)
    if "node_volume_ratio" in ds:
        yield from _nodes(series, ds, local)


def _particles(series: Series, ds: xr.Dataset, local: LocalTime) -> Iterator[Part]:
    whole = _whole(ds)
    value, std = (_of_particles(ds, f"particle_expansion{ending}", whole) for ending in ("", "_std"))
    spread = _PERCENT * ds["expansion_spread"].values
    mean, mean_std = (_PERCENT * ds[f"expansion_mean{ending}"].values for ending in ("", "_std"))
    line = Line("mean", _MEAN, "circle", mean, mean_std)
    what = f"Change of volume since the first scan of {counted(int(whole.sum()), 'particle')} of {text(series.name)}"
    if series.count == 1:
        yield Plot((), f"{text(series.name)} has one scan: no particle has changed since the first.")
        return
    figures = draw_lines(series, [line], "change of volume of particles (%)", local, _places(series))
    order = np.argsort(-ds["particle_volume"].values[whole], kind="stable")[:_MOST_LINES]
    for fig in figures:
        _behind(fig, _along(fig, series, local), value[:, order], (mean - spread, mean + spread))
    drawn = "" if order.size == whole.sum() else f" (the {order.size} largest are drawn)"
    yield Plot(
        figures,
        f"{what}, det F − 1 of each: brown the mean weighted with their volumes, error bars one standard uncertainty"
        f" of noise, shaded the spread of particles beyond their errors; grey each particle{drawn}, typically"
        f" ±{np.nanmedian(std[1:]):.2g} %. Particles that the volume's faces cut are left out.{_hollow(series)}",
        beside=True,
    )
    yield from _anisotropies(series, ds, whole, local)


def _anisotropies(series: Series, ds: xr.Dataset, whole: NDArray[np.bool_], local: LocalTime) -> Iterator[Part]:
    """Yield the median difference of principal strains beside what noise alone makes of it."""
    value, std = (_of_particles(ds, f"particle_anisotropy{ending}", whole) for ending in ("", "_std"))
    with np.errstate(all="ignore"):
        lines = [
            Line("median of the particles", _ANISOTROPY, "square", _median(value)),
            Line("median standard uncertainty", "#7F7F7F", "triangle", _median(std)),
        ]
    lines = [Line(one.name, one.color, one.marker, _without_first(one.value)) for one in lines]
    yield Plot(
        draw_lines(series, lines, "largest less smallest principal strain (%)", local, _places(series)),
        "Anisotropy of the particles' expansion: the largest less the smallest principal strain. It is never negative,"
        f" so that noise alone makes it about twice its uncertainty.{_hollow(series)}",
        key(lines),
        beside=True,
    )


def _nodes(series: Series, ds: xr.Dataset, local: LocalTime) -> Iterator[Part]:
    """Yield the mean change of volume at nodes and its spread in every scan, and where it is in the last one."""
    dims = ("scan", "node_z", "node_y", "node_x")
    ratio, flag = (ds[name].transpose(*dims).values for name in ("node_volume_ratio", "node_flag"))
    percent = np.where(flag == 0, _PERCENT * (ratio.astype(float) - 1), np.nan)
    known = np.isfinite(percent).any(axis=(1, 2, 3))
    if not known.any():
        yield Plot((), f"No strain was found between volumes of {text(series.name)}.")
        return
    flat = percent.reshape(len(percent), -1)
    middle, width = (np.full(len(flat), np.nan) for _ in range(2))
    middle[known] = np.nanmedian(flat[known], axis=1)
    width[known] = 1.4826 * np.nanmedian(np.abs(flat[known] - middle[known, np.newaxis]), axis=1)
    last = int(np.flatnonzero(known)[-1])
    line = Line("nodes", _RATIO, "circle", middle, width)
    figures = draw_lines(series, [line], "change of volume at nodes, det F − 1 (%)", local, ("time",))
    since = "the first scan" if ds["node_displacement"].attrs.get("since", "first") == "first" else "the scan before"
    lost = int((flag[last] & int(Flag.not_converged) != 0).sum())
    yield Plot(
        [*figures, _slice(ds, percent[last])],
        f"Change of volume since {since} at {counted(flat.shape[1], 'node')} of a grid in {text(series.name)}: the"
        f" median, with the robust spread of the nodes as bars, and scan {last} in the slice in the middle of z"
        f" ({lost} of its nodes were not found).{_hollow(series)}",
        beside=True,
    )


def _slice(ds: xr.Dataset, percent: Floats) -> Figure:
    """Return a figure of the nodes in the middle of z."""
    shown = percent[percent.shape[0] // 2]
    y, x = (ds[f"node_{axis}"].values for axis in "yx")
    wide, high = (float(at[1] - at[0]) if at.size > 1 else 1.0 for at in (x, y))
    known = np.abs(percent[np.isfinite(percent)])
    most = float(np.quantile(known, 0.98)) or 1.0
    fig = new_figure("x (µm)", "y (µm)", height=340, match_aspect=True)
    fig.x_range.range_padding = fig.y_range.range_padding = 0
    fig.y_range.flipped = True
    fig.grid.visible = False
    mapper = models.LinearColorMapper(palette=list(_PALETTE), low=-most, high=most, nan_color="#cccccc")
    place = {"x": x[0] - wide / 2, "y": y[0] - high / 2, "dw": wide * x.size, "dh": high * y.size}
    fig.image([shown.astype(np.float32)], color_mapper=mapper, **place)
    add_color_bar(fig, mapper, "det F − 1 (%)")
    return fig


def _along(fig: Figure, series: Series, local: LocalTime) -> Floats:
    """Return where the scans lie along the axis of a figure."""
    if fig.name != "time":
        return series.column(str(fig.name))
    times = series.times()
    found: Floats = np.arange(series.count, dtype=float) if np.isnat(times).all() else local.milliseconds(times)
    return found


def _behind(fig: Figure, x: Floats, value: Floats, spread: tuple[Floats, Floats]) -> None:
    """Draw each particle and the spread of all behind what a figure shows."""
    fig.multi_line([x] * value.shape[1], list(value.T.astype(np.float32)), color=INK, line_alpha=0.15, level="underlay")
    wide = {"line_width": 11, "line_alpha": 0.25, "color": _MEAN, "level": "underlay"}
    fig.segment(x, spread[0], x, spread[1], **wide)


def _places(series: Series) -> tuple[str, ...]:
    """Return what numbers are drawn against: state of charge, else potential, if either is known, and time."""
    known = [name for name in ("soc", "potential") if np.isfinite(series.column(name)).any()]
    return (*known[:1], "time")


def _whole(ds: xr.Dataset) -> NDArray[np.bool_]:
    whole = np.asarray(ds["particle_whole"].values, bool)
    found: NDArray[np.bool_] = whole if whole.any() else np.ones_like(whole)
    return found


def _of_particles(ds: xr.Dataset, name: str, which: NDArray[np.bool_]) -> Floats:
    found: Floats = _PERCENT * ds[name].transpose("scan", "particle").values[:, which].astype(float)
    return found


def _median(values: Floats) -> Floats:
    """Return the median of each row of what is known; NaN if nothing is."""
    found = np.full(len(values), np.nan)
    known = np.isfinite(values).any(axis=1)
    found[known] = np.nanmedian(values[known], axis=1)
    return found


def _without_first(values: Floats) -> Floats:
    """Return numbers of scans without the first, in which nothing has changed yet."""
    found: Floats = np.concatenate([[np.nan], values[1:]])
    return found


def _hollow(series: Series) -> str:
    return " Flagged scans are hollow." if series.flags().any() else ""
