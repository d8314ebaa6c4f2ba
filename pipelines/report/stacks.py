"""Panel: stacks of images: where the image lay, which regions there are, what they consist of and how that changes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from bokeh.palettes import Viridis256

from .figures import Figure, hover, models, new_figure
from .parts import Part, Plot, counted, heading, text
from .pictures import draw_picture, reduced
from .region_maps import draw_maps
from .region_trends import draw_trends
from .series import Series, local_time, stack_series, thinned

if TYPE_CHECKING:
    import xarray as xr

_DRIFT = ("drift_y", "drift_x")
_PATHS = 40
_DARK_ENOUGH = Viridis256[:230]


def wants(tree: xr.DataTree) -> bool:
    """Return whether any stack was worked up."""
    return bool(_worked_up(tree))


def draw(tree: xr.DataTree) -> Iterator[Part]:
    """Yield, for every series of stacks, drift and image, maps and spectra, and the trend of every region."""
    local, found = local_time(tree), _worked_up(tree)
    for series, ds in found:
        if len(found) > 1:
            yield heading(series.name)
        yield _overview(series, ds)
        yield from draw_maps(series, ds, local)
        yield from draw_trends(series, ds, local)


def _worked_up(tree: xr.DataTree) -> list[tuple[Series, xr.Dataset]]:
    nodes = [(series, series.processed) for series in stack_series(tree)]
    return [(series, ds) for series, ds in nodes if ds is not None and {"image", _DRIFT[0]} & set(ds.data_vars)]


def _overview(series: Series, ds: xr.Dataset) -> Plot:
    """Return the image of the first stack with its regions, and the path of the image in every stack."""
    figures, said = [], []
    if "image" in ds:
        label = ds["region_label"].values if "region_label" in ds else None
        figures.append(draw_picture(reduced(ds["image"].isel(scan=0).values), label, _pixel_size(series)))
        said.append(f"Mean of the frames of the first stack of {text(series.name)}{_regions(ds)}.")
    if _DRIFT[0] in ds:
        chosen = thinned(series.count, _PATHS)
        figures.append(_paths(ds, chosen))
        said.append(_drift_words(ds, chosen.size))
    return Plot(figures, " ".join(said), beside=True)


def _pixel_size(series: Series) -> float | None:
    size = series.column("pixel_size")
    return float(size[0]) if np.isfinite(size[0]) else None


def _paths(ds: xr.Dataset, chosen: np.ndarray) -> Figure:
    """Draw where the image lay in every frame, a line a stack."""
    fig = new_figure("drift in x (px)", "drift in y (px)", match_aspect=True, y_range=models.DataRange1d(flipped=True))
    parts = [*_DRIFT, *(f"{name}_std" for name in _DRIFT if f"{name}_std" in ds)]
    drift = {name: np.asarray(ds[name].transpose("scan", "energy").values, float)[chosen] for name in parts}
    colors = [_DARK_ENOUGH[at] for at in np.linspace(0, len(_DARK_ENOUGH) - 1, chosen.size).astype(int)]
    marks = []
    for row, (scan, color) in enumerate(zip(chosen, colors, strict=True)):
        known = np.isfinite(drift["drift_y"][row])
        data: dict[str, Any] = {name: values[row][known].astype(np.float32) for name, values in drift.items()}
        data |= {"energy": ds["energy"].values[known], "scan": [int(scan)] * int(known.sum())}
        source = models.ColumnDataSource(data)
        fig.line("drift_x", "drift_y", source=source, color=color, line_width=1.2)
        marks.append(fig.scatter("drift_x", "drift_y", source=source, color=color, size=5))
    errors = " ± @drift_{0}_std{{0.000}}" if len(parts) == 4 else ""
    tips = [(f"drift in {one} (px)", f"@drift_{one}{{0.000}}{errors.format(one)}") for one in ("y", "x")]
    hover(fig, marks, [("stack", "@scan"), ("energy (eV)", "@energy{0.00}"), *tips])
    return fig


def _regions(ds: xr.Dataset) -> str:
    return f", with {counted(ds.sizes['region'], 'region')} by number" if "region_label" in ds else ""


def _drift_words(ds: xr.Dataset, drawn: int) -> str:
    said = [f"Where the image lay in the frames of {counted(drawn, 'stack')}, from dark to light in the order taken."]
    std = np.array([ds[f"{name}_std"].values for name in _DRIFT if f"{name}_std" in ds], float)
    known = std[np.isfinite(std) & (std > 0)]
    if known.size:
        said.append(f"The median uncertainty is {np.median(known):.3f} px.")
    lost = int(np.isnan(ds[_DRIFT[0]].values).sum())
    if lost:
        said.append(f"{counted(lost, 'frame')} of {ds[_DRIFT[0]].size} could not be placed or are flagged.")
    return " ".join(said)
