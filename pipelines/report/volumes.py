"""Panel: volumes of a series: slices, what they hold and how that changes, and the cracks followed through it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from .crack_history import CRACK, cracks_of, draw_history
from .crack_list import draw_list
from .expansion import draw_expansion
from .parts import Part, heading
from .phase_shares import draw_shares
from .series import VOLUMES, Series, all_series, local_time, over_all
from .structure import draw_structure
from .transport import draw_transport
from .void_volumes import draw_volumes
from .volume_slices import draw_slices

if TYPE_CHECKING:
    import xarray as xr

_OBJECTS, _TRACKS = {"number", "volume"}, {"first_scan", "last_scan", "parent", "merged_into", "volume"}
_COLUMNS = (*_OBJECTS, "kind", "void_volume", "void_volume_std", "aperture_mean", "aperture_mean_std")
_SHOWN = {*_COLUMNS, "aperture_median", "principal_axis", *_TRACKS, "object", "event", "scan"}
"""What is shown of all that tables of objects and of cracks hold."""
_SOLID = ("number", "volume", "principal_axis", "scan")
"""What holds of objects that are no voids, such as particles."""


def wants(tree: xr.DataTree) -> bool:
    """Return whether any volume was worked up."""
    return bool(worked_up(tree))


def draw(tree: xr.DataTree) -> Iterator[Part]:
    """Yield, for every series of volumes, slices, what volumes hold, and their cracks."""
    local, found = local_time(tree), worked_up(tree)
    for series, ds in found:
        if len(found) > 1:
            yield heading(series.name)
        noun, objects = _noun(ds), _node(tree, series, "object", _OBJECTS)
        if objects is not None and noun != CRACK:
            objects = objects[[name for name in objects.data_vars if name in _SOLID]]
        yield from draw_slices(series, ds, objects, local)
        yield from draw_volumes(series, ds, objects if noun == CRACK else None, local)
        yield from draw_shares(series, ds, local)
        yield from draw_transport(series, ds, local)
        yield from draw_structure(series, ds, local)
        yield from draw_expansion(series, ds, local)
        tracks = _node(tree, series, "crack", _TRACKS)
        if tracks is not None and tracks.sizes.get("scan") == series.count:
            cracks = cracks_of(tracks, objects, noun)
            yield from draw_history(series, ds, cracks, local)
            yield from draw_list(series, cracks, objects, local)


def _noun(ds: xr.Dataset) -> str:
    """Return what the numbered objects are: cracks, some of which may turn out as other voids, or parts of a phase."""
    of = str(ds["label"].attrs.get("objects", CRACK)) if "label" in ds else CRACK
    return CRACK if of in (CRACK, "void") else f"object of {of.replace('_', ' ')}"


def worked_up(tree: xr.DataTree) -> list[tuple[Series, xr.Dataset]]:
    """Return the series of volumes that were worked up, and what was made of them."""
    volumes = [series for series in all_series(tree) if series.technique == VOLUMES]
    return [(series, series.processed) for series in volumes if series.processed is not None]


def _node(tree: xr.DataTree, series: Series, dim: str, wanted: set[str]) -> xr.Dataset | None:
    """Return what the report shows of what a step over all scans made, told by what it holds."""
    for _, ds in over_all(tree, series):
        if dim in ds.dims and wanted <= set(map(str, ds.variables)):
            return ds[[name for name in ds.data_vars if name in _SHOWN]].compute()
    return None
