"""The scans of an experiment that lie in a range of potential, state of charge, half-cycle or time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import xarray as xr

from .errors import OperandoError
from .history import recorded

Range = tuple[float | None, float | None]
Moment = str | np.datetime64
Chosen = npt.NDArray[np.bool_]
Bounds = Mapping[str, Any]
Kind = TypeVar("Kind", xr.DataTree, xr.Dataset)

_RANGES = ("potential", "voltage", "soc", "time")
_NUMBERS = ("half_cycle", "cycle")
_STAGES = ("raw", "processed")
SCAN, TIME = "scan", "time"


def window(
    source: Kind,
    *,
    potential: Range | None = None,
    voltage: Range | None = None,
    soc: Range | None = None,
    half_cycle: int | Sequence[int] | None = None,
    cycle: int | Sequence[int] | None = None,
    time: tuple[Moment | None, Moment | None] | None = None,
    flags: int | None = None,
) -> Kind:
    """Return the part of an experiment that lies in all the ranges given, as lazily as it came.

    Parameters
    ----------
    source
        An experiment, a series over ``scan``, or a log over ``time``.
    potential, voltage, soc
        Lowest and highest value (V, V, 1), both included; None leaves an end open. A value that is not known lies in
        no range.
    half_cycle, cycle
        One number or several.
    time
        First and last moment (UTC, ISO 8601 or ``datetime64``); the middle of a scan counts.
    flags
        Reasons, as bits of :class:`operando.flags.Flag`, for which a scan is left out; ``-1`` is any.

    Returns
    -------
    DataTree or Dataset
        Of the same kind. In an experiment every series is cut, with all that was made of its scans; nodes without
        scans (``/cell``, and ``/echem``, whose charge and half-cycles need its whole) stay.

    Raises
    ------
    OperandoError
        If a range is no pair or upside down, or no data have the quantity.

    Notes
    -----
    Windows compose: a window of a window is the window of both ranges. Only coordinates are read.

    Examples
    --------
    The scans of the first charge above 4 V, and their potentials:

    >>> import xarray as xr
    >>> import operando
    >>> scans = xr.Dataset(
    ...     {"edge_energy": ("scan", [8344.5, 8345.1, 8345.8])},
    ...     coords={"potential": ("scan", [3.7, 4.1, 4.2]), "half_cycle": ("scan", [1.0, 1.0, 2.0])},
    ... )
    >>> charged = operando.window(operando.window(scans, potential=(4.0, None)), half_cycle=1)
    >>> print(charged["edge_energy"].values)
    [8345.1]
    """
    stated: dict[str, Any] = {"potential": potential, "voltage": voltage, "soc": soc, "time": time}
    stated |= {"half_cycle": half_cycle, "cycle": cycle, "flag": flags}
    bounds = {name: value for name, value in stated.items() if value is not None}
    for name in (name for name in bounds if name in _RANGES):
        _ends(name, bounds[name])
    if isinstance(source, xr.Dataset):
        return _cut(source, _mask(source, bounds, "the data"), bounds)
    return _cut_tree(source, bounds)


def _cut_tree(tree: xr.DataTree, bounds: Bounds) -> xr.DataTree:
    """Return the tree with every series cut, by the coordinates of the node itself or of the series' scans."""
    above = tree.path.rstrip("/")
    nodes = {node.path.removeprefix(above) or "/": node.to_dataset(inherit=False) for node in tree.subtree}
    lacking = {name for name in bounds if not any(SCAN in ds.dims and name in ds.variables for ds in nodes.values())}
    if lacking:
        raise OperandoError(
            f"window: expected scans with {', '.join(sorted(lacking))}, got none; link the series to a log first"
        )
    cut = {}
    for path, ds in nodes.items():
        if SCAN in ds.dims:
            cut[path] = _cut(ds, _mask(_stated(nodes, path, bounds), bounds, path, optional=True), bounds)
        else:
            cut[path] = ds
    return xr.DataTree.from_dict(cut, name=tree.name)


def _stated(nodes: Mapping[str, xr.Dataset], path: str, bounds: Bounds) -> xr.Dataset:
    """Return the node that says where a node's scans lie: itself, else the series' own if its scans are as many."""
    folder, own = path.rpartition("/")[0], nodes[path]
    others = (nodes[f"{folder}/{stage}"] for stage in _STAGES if f"{folder}/{stage}" in nodes)
    same = [own, *(ds for ds in others if ds.sizes.get(SCAN) == own.sizes[SCAN])]
    return max(same, key=lambda ds: sum(name in ds.variables for name in bounds))


def _mask(ds: xr.Dataset, bounds: Bounds, place: str, *, optional: bool = False) -> Chosen:
    """Return which scans (or samples of a log) lie in all ranges; none if the data lack a quantity."""
    dim = SCAN if SCAN in ds.dims else TIME
    if dim not in ds.dims:
        raise OperandoError(f"window: expected data over scan or time, got {place} over {', '.join(map(str, ds.dims))}")
    inside = np.ones(ds.sizes[dim], bool)
    for name, bound in bounds.items():
        if name in ds.variables and ds[name].dims == (dim,):
            inside &= _within(ds[name].values, name, bound)
        elif optional or name == "flag":
            inside &= name == "flag"
        else:
            raise OperandoError(f"window: expected {name!r} along {dim}, got {place} without; link it to a log first")
    return inside


def _within(values: npt.NDArray[Any], name: str, bound: Any) -> Chosen:
    if name == "flag":
        marked: Chosen = (values.astype(np.int64) & int(bound)) == 0
        return marked
    if name in _NUMBERS:
        numbers = bound if isinstance(bound, Iterable) else [bound]
        chosen: Chosen = np.isin(values.astype("f8"), np.array([float(number) for number in numbers]))
        return chosen
    low, high = _ends(name, bound)
    inside: Chosen = np.ones(values.shape, bool)
    inside &= ~np.isnat(values) if name == TIME else ~np.isnan(values.astype("f8"))
    if low is not None:
        inside &= values >= low
    if high is not None:
        inside &= values <= high
    return inside


def _ends(name: str, bound: Any) -> tuple[Any, Any]:
    """Return the ends of a range, checked."""
    if isinstance(bound, str) or not isinstance(bound, Sequence) or len(bound) != 2:
        raise OperandoError(f"window: expected {name} = (lowest, highest), got {bound!r}; None leaves an end open")
    try:
        low, high = (None if end is None else _end(name, end) for end in bound)
    except ValueError:
        wanted = "moments in ISO 8601" if name == TIME else "numbers"
        raise OperandoError(f"window: expected {name} as {wanted}, got {bound!r}") from None
    if low is not None and high is not None and not low <= high:
        raise OperandoError(f"window: expected the lower end of {name} first, got {bound!r}; swap them")
    return low, high


def _end(name: str, end: Any) -> Any:
    if name == TIME:
        return np.datetime64(str(end).removesuffix("Z"), "ns")
    return np.float64(end)


def _cut(ds: xr.Dataset, inside: Chosen, bounds: Bounds) -> xr.Dataset:
    """Return the chosen scans; those in one run as a slice, which costs a lazy array least."""
    chosen = np.flatnonzero(inside)
    run = chosen.size > 0 and chosen[-1] - chosen[0] + 1 == chosen.size
    part = slice(int(chosen[0]), int(chosen[-1]) + 1) if run else chosen
    out = ds.isel({SCAN if SCAN in ds.dims else TIME: part})
    stated = {name: str(value) if name == TIME else value for name, value in bounds.items()}
    return recorded(out, "window", {**stated, "kept": int(chosen.size), "of": int(inside.size)})
