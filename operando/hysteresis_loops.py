"""How far a quantity differs between charge and discharge at the same state."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
import numpy.typing as npt
import xarray as xr

from .errors import OperandoError
from .history import recorded
from .quantities import dim_of, name_of

Array = npt.NDArray[np.float64]

_FEWEST, _FLOWS = 4, 0.1
_LOOP = "loop"


def hysteresis(
    one: xr.Dataset, against: Literal["soc", "potential"] = "soc", *, points: int = 50, rest: bool = False
) -> xr.Dataset:
    """Return a quantity of each charge minus that of the discharge after it, at equal state.

    Parameters
    ----------
    one
        What :func:`operando.quantity` returned of scans that were linked: with ``half_cycle`` and ``against``.
    against
        What is equal: ``"soc"`` or ``"potential"``.
    points
        Places between the ends of what both branches cover.
    rest
        Whether scans at rest, with less than a tenth of the branch's current, count.

    Returns
    -------
    Dataset
        Over ``loop`` and ``against`` (one axis for all loops, NaN beyond a loop's ends): ``difference``, ``charge`` and
        ``discharge``, each with ``_std``, in the units of the quantity. Over ``loop``: ``area``, the integral of the
        difference, and ``mean_difference``, both with ``_std``; ``n``; the coordinates ``charge_half_cycle``,
        ``discharge_half_cycle``.

    Raises
    ------
    OperandoError
        If the scans were not linked, or no charge is followed by a discharge with at least four scans in common.

    Notes
    -----
    A branch is a half-cycle; its direction is the sign of its mean current, else charge is odd. Straight lines join
    the scans of a branch in order of ``against``, none across a pause between scans; nothing is extrapolated. All
    results are sums of values with known weights, so their errors follow exactly. The error of a value is that
    stated, or the scatter of the branch about the line between a scan's neighbors if that is more. That of the state
    shifts a branch: by slope times the growth of ``soc_std`` from charge to discharge, for errors of a current's zero
    are shared by both; by slope times ``potential_std``, taken as independent.

    Examples
    --------
    An edge that is 0.2 eV lower on discharge than on charge:

    >>> import numpy as np, xarray as xr
    >>> import operando
    >>> times = np.datetime64("2024-03-01T08:00", "ns") + np.arange(60) * np.timedelta64(10, "m")
    >>> soc = np.concatenate([np.linspace(0, 1, 30), np.linspace(1, 0, 30)])
    >>> half = np.repeat([1.0, 2.0], 30)
    >>> coords = {
    ...     "time": ("scan", times),
    ...     "soc": ("scan", soc, {"units": "1"}),
    ...     "half_cycle": ("scan", half, {"units": "1"}),
    ...     "current": ("scan", np.where(half == 1, 1e-4, -1e-4), {"units": "A"}),
    ... }
    >>> scans = xr.Dataset({"edge_energy": ("scan", 8343 + soc - 0.2 * (half == 2), {"units": "eV"})}, coords)
    >>> loops = operando.hysteresis(operando.quantity(scans, "edge_energy"), "soc")
    >>> print(loops["mean_difference"].values.round(2).tolist())
    [0.2]
    """
    branches = _branches(one, against, rest)
    loops = [(up, down) for up, down in pairwise(branches) if up.rising and not down.rising]
    loops = [pair for pair in loops if _common(*pair)[0] < _common(*pair)[1]]
    if not loops:
        raise OperandoError(
            f"hysteresis: expected a charge and the discharge after it, with {_FEWEST} scans each that reach a common "
            f"{against}, got none among {len(branches)} half-cycles of {name_of(one)}"
        )
    ends = [_common(*pair) for pair in loops]
    axis = np.linspace(min(low for low, _ in ends), max(high for _, high in ends), points)
    parts = [_loop(up, down, axis, against) for up, down in loops]
    unit = str(one["value"].attrs.get("units", "1"))
    along = {"soc": "1", "potential": "V"}[against]
    found = xr.Dataset({key: ((_LOOP, against), np.stack([part[key] for part in parts])) for key in _CURVES})
    found = found.assign({key: (_LOOP, np.array([part[key] for part in parts])) for key in (*_NUMBERS, "n")})
    found = found.assign_coords(
        {
            against: (against, axis, dict(one[against].attrs) | {"units": along}),
            "charge_half_cycle": (_LOOP, np.array([up.number for up, _ in loops])),
            "discharge_half_cycle": (_LOOP, np.array([down.number for _, down in loops])),
        }
    )
    named = str(one["value"].attrs.get("long_name", "quantity"))
    for key, text in (_CURVES | _NUMBERS).items():
        units = f"({unit})*{along}" if key.startswith("area") and along != "1" else unit
        found[key].attrs = {"units": units, "long_name": text.format(name=named, against=against)}
    found["n"].attrs = {"units": "1", "long_name": "number of scans of both branches"}
    for key in ("charge_half_cycle", "discharge_half_cycle"):
        found[key].attrs = {"units": "1", "long_name": key.replace("_", " ").replace("half ", "half-")}
    parameters = {"quantity": name_of(one), "against": against, "points": points, "rest": rest}
    return recorded(found.assign_attrs(quantity=name_of(one)), "hysteresis", parameters, after=one)


_STD = "standard uncertainty: "
_WORDS = {
    "difference": "{name}: charge minus discharge at equal {against}",
    "charge": "{name} of the charge",
    "discharge": "{name} of the discharge",
    "area": "{name}: area of the loop over {against}, charge minus discharge",
    "mean_difference": "{name}: mean of charge minus discharge over {against}",
}
_BOTH = {f"{key}{end}": start + text for key, text in _WORDS.items() for end, start in (("", ""), ("_std", _STD))}
_NUMBERS = {key: text for key, text in _BOTH.items() if key.startswith(("area", "mean"))}
_CURVES = {key: text for key, text in _BOTH.items() if key not in _NUMBERS}


@dataclass(frozen=True)
class _Branch:
    """The scans of one half-cycle in order of the state."""

    number: int
    rising: bool
    state: Array
    state_std: Array
    value: Array
    std: Array
    segment: npt.NDArray[np.int64]

    def weights(self, places: Array) -> Array:
        """Return what each scan counts at each place, dims (place, scan); NaN where no line leads through."""
        k = np.clip(np.searchsorted(self.state, places, side="right") - 1, 0, self.state.size - 2)
        width = self.state[k + 1] - self.state[k]
        part = (places - self.state[k]) / np.where(width > 0, width, 1.0)
        out = np.zeros((places.size, self.state.size))
        row = np.arange(places.size)
        out[row, k], out[row, k + 1] = 1 - part, part
        inside = (part >= -1e-9) & (part <= 1 + 1e-9) & (self.segment[k] == self.segment[k + 1])
        out[~inside] = np.nan
        return out

    @property
    def slope(self) -> float:
        """The slope of a straight line through all scans: steps from scan to scan hold more noise than slope."""
        return float(np.polyfit(self.state, self.value, 1)[0])


def _branches(one: xr.Dataset, against: str, rest: bool) -> list[_Branch]:
    lost = [name for name in (against, "half_cycle") if name not in one.coords]
    if lost or dim_of(one) != "scan":
        raise OperandoError(
            f"hysteresis: expected scans linked to {against} and half-cycles, got {name_of(one)} without "
            f"{' and '.join(lost) or 'scans'}; link the series, and state the cell's potential and capacity"
        )
    half, state = one["half_cycle"].values, np.asarray(one[against].values, float)
    out = []
    for number in np.unique(half[np.isfinite(half) & (half > 0)]):
        chosen = (half == number) & np.isfinite(state)
        current = one["current"].values[chosen] if "current" in one.coords else np.full(chosen.sum(), np.nan)
        rising = bool(np.nanmean(current) > 0) if np.isfinite(current).any() else int(number) % 2 == 1
        at = np.flatnonzero(chosen)
        if not rest and np.isfinite(current).all():
            at = at[abs(current) > _FLOWS * np.median(abs(current))]
        if at.size >= _FEWEST:
            out.append(_branch(one.isel(scan=at), against, int(number), rising))
    return out


def _branch(one: xr.Dataset, against: str, number: int, rising: bool) -> _Branch:
    one = one.isel(scan=np.argsort(one[against].values, kind="stable"))
    state, value = (np.asarray(one[name].values, float) for name in (against, "value"))
    std = f"{against}_std"
    state_std = np.nan_to_num(one[std].values) if std in one.coords else np.zeros(state.size)
    error = np.maximum(np.nan_to_num(one["value_std"].values), _scatter(state, value))
    return _Branch(number, rising, state, state_std, value, error, one["segment"].values)


def _scatter(state: Array, value: Array) -> float:
    """Return the scatter of values about the line between either neighbor."""
    width = state[2:] - state[:-2]
    part = np.divide(state[1:-1] - state[:-2], width, out=np.full(width.shape, 0.5), where=width > 0)
    off = value[1:-1] - value[:-2] * (1 - part) - value[2:] * part
    scale = np.sqrt(1 + part**2 + (1 - part) ** 2)
    return float(np.sqrt(np.mean((off / scale) ** 2)))


def _common(up: _Branch, down: _Branch) -> tuple[float, float]:
    return max(up.state[0], down.state[0]), min(up.state[-1], down.state[-1])


def _loop(up: _Branch, down: _Branch, axis: Array, against: str) -> dict[str, Array]:
    """Return the difference of two branches along an axis, its integral and their errors."""
    first, second = up.weights(axis), down.weights(axis)
    charge, discharge = first @ up.value, second @ down.value
    errors = np.sqrt(first**2 @ up.std**2), np.sqrt(second**2 @ down.std**2)
    shared = against == "soc"
    states = first @ up.state_std, second @ down.state_std
    shift = abs(states[1] - states[0]) if shared else np.hypot(*states)
    moved = abs(up.slope + down.slope) / 2 * shift
    known = np.isfinite(charge) & np.isfinite(discharge)
    width = _widths(axis, known)
    own = [
        (width @ np.where(known[:, None], weights, 0.0)) ** 2 @ branch.std**2
        for weights, branch in ((first, up), (second, down))
    ]
    parts = width * np.where(known, moved, 0.0)
    together = parts.sum() ** 2 if shared else (parts**2).sum()
    area, std = width @ np.where(known, charge - discharge, 0.0), np.sqrt(sum(own) + together)
    span = width.sum() or np.nan
    return {
        "difference": charge - discharge,
        "difference_std": np.sqrt(errors[0] ** 2 + errors[1] ** 2 + moved**2),
        "charge": charge,
        "charge_std": errors[0],
        "discharge": discharge,
        "discharge_std": errors[1],
        "area": area,
        "area_std": std,
        "mean_difference": area / span,
        "mean_difference_std": std / span,
        "n": np.array(float(up.value.size + down.value.size)),
    }


def _widths(axis: Array, known: npt.NDArray[np.bool_]) -> Array:
    """Return the weights of the trapezoids between known places side by side."""
    steps = np.diff(axis) * (known[1:] & known[:-1])
    return np.array(np.r_[steps, 0.0] + np.r_[0.0, steps]) / 2
