"""What techniques see at which depth, on one scale of depth."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import xarray as xr

from .errors import OperandoError
from .flags import Flag
from .history import recorded

Array = npt.NDArray[np.float64]
State = Mapping[str, Any]

PROBING_DEPTH, DEPTH_FROM = "probing_depth", "depth_from"
"""Variables of a node that say from where to where its numbers come (nm); ``attrs["of"]`` names the numbers."""
SHARE = 0.95
"""Share of a signal that comes from above its probing depth, for every technique alike."""
TOLERANCE = {"potential": 0.05, "soc": 0.02, "time": 60.0, "half_cycle": 0.5, "cycle": 0.5}
"""How far a scan may be from the state asked for: V, 1, min."""

SPOILED = int(
    Flag.no_i0
    | Flag.truncated
    | Flag.not_finite
    | Flag.dead_detector
    | Flag.no_edge
    | Flag.beam_dump
    | Flag.not_converged
)
"""Reasons for which a scan is shown only where no other one is near."""

_POINTS, _FINEST = 200, 0.1
_MINUTE, _NO_TIME = np.timedelta64(60, "s"), np.datetime64("NaT", "ns")
_NUMBERS = {
    "value": ("", "value"),
    "value_std": ("", "standard uncertainty of the value"),
    "depth_from": ("nm", "depth below the surface, along its normal, from which the signal comes"),
    "depth_from_std": ("nm", "standard uncertainty of the depth from which the signal comes"),
    "probing_depth": ("nm", "depth below the surface, along its normal, above which 95 % of the signal comes from"),
    "probing_depth_std": ("nm", "standard uncertainty of the probing depth"),
    "mean_depth": ("nm", "mean depth of the signal"),
    "mean_depth_std": ("nm", "standard uncertainty of the mean depth"),
}


@dataclass(frozen=True)
class Probed:
    """A number and the depths that it is the mean over.

    ``depth`` and ``start`` (nm) lie below the surface that faces the probe, along its normal: 95 % of the signal come
    from above ``depth``. Its weight falls as exp(-(d - start)/L) (``"exponential"``) or is ``"even"`` as in a volume.
    """

    quantity: str
    value: float
    value_std: float
    units: str
    depth: float
    depth_std: float
    weight: Literal["exponential", "even"] = "exponential"
    start: float = 0.0
    start_std: float = 0.0
    label: str = ""
    node: str = ""
    time: np.datetime64 = _NO_TIME
    scan: int = -1

    def __post_init__(self) -> None:
        if not self.depth > self.start >= 0 or self.weight not in ("exponential", "even"):
            raise OperandoError(
                f"depth_profile: expected 0 <= start < depth (nm) and a weight 'exponential' or 'even', got "
                f"{self.start:g}, {self.depth:g} and {self.weight!r} for {self.quantity}"
            )

    @property
    def length(self) -> float:
        """Attenuation length (nm) along the normal, or the thickness of what is seen evenly."""
        reach = self.depth - self.start
        return reach / -np.log(1 - SHARE) if self.weight == "exponential" else reach / SHARE

    @property
    def mean(self) -> tuple[float, float]:
        """Mean depth of the signal (nm) and its standard uncertainty."""
        part = self.length / (self.depth - self.start) * (1.0 if self.weight == "exponential" else 0.5)
        return self.start + part * (self.depth - self.start), float(
            np.hypot(part * self.depth_std, (1 - part) * self.start_std)
        )

    def weights(self, depth: Array) -> Array:
        """Return the share of the signal per nm at each depth."""
        below = depth - self.start
        if self.weight == "even":
            return np.where((below >= 0) & (below <= self.length), 1 / self.length, 0.0)
        return np.where(below >= 0, np.exp(-np.maximum(below, 0) / self.length) / self.length, 0.0)


def depth_profile(
    tree: xr.DataTree | None = None,
    at: State | None = None,
    *,
    rows: Iterable[Probed] = (),
    tolerance: Mapping[str, float] | None = None,
) -> xr.Dataset:
    """Return numbers of all techniques beside the depths they come from.

    Parameters
    ----------
    tree
        An experiment. Nodes that hold ``probing_depth`` (nm) take part, by the numbers that its ``attrs["of"]`` names:
        recipe steps ``probing_depth`` store it.
    at
        The state: ``potential`` (V), ``soc``, ``time`` (UTC), ``half_cycle``, ``cycle``; of each series the nearest
        scan. The last scan that has a number by default. Scans spoiled by their beam, detector or end are taken
        only where there is no other.
    rows
        Further numbers with their depths.
    tolerance
        How far a scan may be from ``at``: 0.05 V, 0.02, 60 min by default. Series without such a scan have NaN.

    Returns
    -------
    Dataset
        Over ``row``: ``value``, ``value_std`` (in the coordinate ``unit``), ``depth_from``, ``probing_depth``,
        ``mean_depth`` with ``_std`` (nm), and the coordinates ``node``, ``quantity``, ``label``, ``kind`` of weight,
        ``scan``, ``time``. Over ``row`` and ``depth``: ``weight`` (1/nm), what each nm counts in a value.

    Raises
    ------
    OperandoError
        If nothing says how deep it sees, or ``at`` is no state.

    Notes
    -----
    Depth is counted from the surface that faces the probe (of the particle for X-ray and photoelectron yields, of the
    electrode for volumes), along its normal. One definition of the probing depth holds for all: 95 % of the signal
    comes from above it, 3.0 attenuation lengths where the weight falls exponentially. Numbers along a dim with names
    (``signal``, ``reference``, ``peak``, ``phase``) are rows of their own; along others, such as regions, the mean is
    taken. Only the scan that is shown is read.

    Examples
    --------
    ::

        seen = operando.depth_profile(tree, {"potential": 4.2, "half_cycle": 1})
        seen.to_dataframe()[["node", "label", "value", "value_std", "probing_depth"]]
    """
    state = dict(at or {})
    unknown = [key for key in state if key not in TOLERANCE]
    if unknown:
        raise OperandoError(f"depth_profile: expected at = {{{', '.join(TOLERANCE)}}}, got {', '.join(unknown)}")
    near = TOLERANCE | dict(tolerance or {})
    found = [*(_in_tree(tree, state, near) if tree is not None else ()), *rows]
    if not found:
        raise OperandoError(
            "depth_profile: expected numbers that say how deep they see, got none; put the step 'probing_depth' into "
            "the recipe, or give rows"
        )
    ds = _table(found)
    named = {key: str(value) for key, value in state.items()}
    parameters = {"at": named, "tolerance": near, "rows": sum(1 for one in found if not one.node)}
    return recorded(ds, "depth_profile", parameters)


def _in_tree(tree: xr.DataTree, state: State, near: Mapping[str, float]) -> Iterator[Probed]:
    for node in tree.leaves:
        ds = node.dataset
        if PROBING_DEPTH in ds.data_vars:
            for name in str(ds[PROBING_DEPTH].attrs.get("of", "")).split(","):
                if name.strip() in ds.data_vars:
                    yield from _of_node(node.to_dataset(), node.path.strip("/"), name.strip(), state, near)


def _of_node(ds: xr.Dataset, path: str, name: str, state: State, near: Mapping[str, float]) -> Iterator[Probed]:
    scan = _scan(ds, name, state, near)
    names = [key for key in (name, f"{name}_std", *_DEPTHS) if key in ds.data_vars]
    one = ds[names]
    if "scan" in ds.dims:
        one = one.isel(scan=max(scan, 0))
    one = one.load()
    dims = [str(dim) for dim in one[name].dims if dim in one.coords and one[dim].dtype.kind not in "iuf"]
    attrs = ds[PROBING_DEPTH].attrs
    weight: Literal["exponential", "even"] = "even" if attrs.get("weight") == "even" else "exponential"
    times = one["time"].values.astype("M8[ns]").ravel() if "time" in one.coords and scan >= 0 else np.array([_NO_TIME])
    for labels in product(*([str(label) for label in one[dim].values] for dim in dims)):
        own = one.sel(dict(zip(dims, labels, strict=True)))
        value, std = _mean(own, name)
        depth, depth_std = _mean(own, PROBING_DEPTH)
        start, start_std = _mean(own, DEPTH_FROM) if DEPTH_FROM in own else (0.0, 0.0)
        if np.isfinite(depth) and depth > start:
            yield Probed(
                name,
                value if scan >= 0 else np.nan,
                std if scan >= 0 else np.nan,
                str(ds[name].attrs.get("units", "1")),
                depth,
                np.nan_to_num(depth_std),
                weight,
                start,
                np.nan_to_num(start_std),
                ", ".join(labels),
                path,
                times[0],
                scan,
            )


_DEPTHS = tuple(f"{key}{end}" for key in (PROBING_DEPTH, DEPTH_FROM) for end in ("", "_std"))


def _mean(ds: xr.Dataset, name: str) -> tuple[float, float]:
    """Return the mean over what is left, and its standard uncertainty by the errors stated, or by the spread if more.

    Depths share their error, as their attenuation length does.
    """
    values = ds[name].values.astype(float).ravel()
    std = ds[f"{name}_std"].values.astype(float).ravel() if f"{name}_std" in ds else np.full(values.size, np.nan)
    good = np.isfinite(values)
    if not good.any():
        return np.nan, np.nan
    n = int(good.sum())
    if name in _DEPTHS:
        return float(values[good].mean()), float(np.nan_to_num(std[good]).mean())
    stated = float(np.sqrt((std[good] ** 2).sum()) / n)
    spread = float(values[good].std(ddof=1) / np.sqrt(n)) if n > 1 else 0.0
    return float(values[good].mean()), spread if np.isnan(stated) and n > 1 else max(stated, spread)


def _scan(ds: xr.Dataset, name: str, state: State, near: Mapping[str, float]) -> int:
    """Return the scan nearest to a state, -1 if none is near; without a state the last one with a number.

    A spoiled scan is taken only where no other one will do.
    """
    if "scan" not in ds.dims:
        return 0
    count = ds.sizes["scan"]
    spoiled = np.asarray(ds["flag"].values.astype(int) & SPOILED != 0) if "flag" in ds.coords else np.zeros(count, bool)
    if not state:
        for scan in sorted(range(count), key=lambda scan: (spoiled[scan], -scan)):
            if np.isfinite(ds[name].isel(scan=scan).values.astype(float)).any():
                return scan
        return -1
    off = np.zeros(count)
    for key, wanted in state.items():
        if key not in ds.coords or ds[key].dims != ("scan",):
            return -1
        off = np.fmax(off, _away(ds[key].values, key, wanted) / near[key])
        off[np.isnan(_away(ds[key].values, key, wanted))] = np.inf
    order = np.lexsort((off, spoiled & (off <= 1), off > 1))
    return int(order[0]) if off[order[0]] <= 1 else -1


def _away(values: npt.NDArray[Any], key: str, wanted: Any) -> Array:
    """Return how far scans are from what is wanted, NaN where that is not known."""
    if key == "time":
        return np.array(abs((values - np.datetime64(wanted, "ns")) / _MINUTE), float)
    return np.array(abs(values.astype(float) - wanted), float)


def _table(found: list[Probed]) -> xr.Dataset:
    deepest = max(one.depth for one in found)
    depth = np.geomspace(min(_FINEST, deepest / 10), 2 * deepest, _POINTS)
    columns = {
        "value": [one.value for one in found],
        "value_std": [one.value_std for one in found],
        "depth_from": [one.start for one in found],
        "depth_from_std": [one.start_std for one in found],
        "probing_depth": [one.depth for one in found],
        "probing_depth_std": [one.depth_std for one in found],
        "mean_depth": [one.mean[0] for one in found],
        "mean_depth_std": [one.mean[1] for one in found],
    }
    ds = xr.Dataset(
        {
            key: ("row", np.array(values, float), {"units": _NUMBERS[key][0], "long_name": _NUMBERS[key][1]})
            for key, values in columns.items()
        }
    )
    for key in ("value", "value_std"):
        ds[key].attrs = {"units_in": "unit", "long_name": _NUMBERS[key][1]}
    weight = np.stack([one.weights(depth) for one in found])
    ds["weight"] = (("row", "depth"), weight, {"units": "1/nm", "long_name": "share of the signal per nm of depth"})
    text = {
        "node": [one.node for one in found],
        "quantity": [one.quantity for one in found],
        "label": [one.label for one in found],
        "unit": [one.units for one in found],
        "kind": [one.weight for one in found],
    }
    along = {"units": "nm", "long_name": "depth below the surface, along its normal"}
    return ds.assign_coords(
        {key: ("row", np.array(values, dtype=object)) for key, values in text.items()}
        | {
            "scan": ("row", np.array([one.scan for one in found]), {"units": "1", "long_name": "scan of the series"}),
            "time": ("row", np.array([one.time for one in found], "M8[ns]"), {"long_name": "middle of the scan, UTC"}),
            "depth": ("depth", depth, along),
        }
    )
