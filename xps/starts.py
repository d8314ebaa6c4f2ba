"""Where fits start: a list of positions and widths about those of the model, the same for every spectrum."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np

from .affine import Affine
from .compiled_model import AREA, FWHM, POSITION, SHIFT, Compiled
from .model_kernels import PER_LINE, Floats, Grid
from .series_kernels import Linear, fill_starts

_RIGID = (-1.0, -0.5, 0.5, 1.0)
_SINGLE = (-0.5, 0.5)
_WIDTHS = (0.7, 1.4)
_MOST, _COMBINED = 24, 200


def starts(model: Compiled, shifts: Sequence[float] | None = None) -> Floats:
    """Return starts (start, free parameter), the model's own first.

    Parameters
    ----------
    model
        The model.
    shifts
        By how much all positions are moved (eV); by half a width and a whole one of the lines, either way, by
        default. Shifts of phases are also tried in steps of a width all over their bounds, those of all phases in all
        combinations if these are not too many, each position is moved alone by half a width, and all widths are
        changed together.
    """
    widths = [row.at(_begin(model)) for name, row in model.rows if name.endswith(f".{FWHM}")]
    typical = float(np.median(widths))
    moving, wide = _of_kind(model, POSITION, SHIFT), _of_kind(model, FWHM, "fwhm_2")
    rigid = _rigid(model, moving)
    out = [model.start]
    out += [model.start + shift * rigid for shift in (shifts if shifts is not None else np.multiply(_RIGID, typical))]
    out += _shifted_phases(model, typical)
    if moving.size > 1:
        for k in moving:
            out += [model.start + factor * typical * (np.arange(model.start.size) == k) for factor in _SINGLE]
    changed = np.isin(np.arange(model.start.size), wide)
    out += [np.where(changed, factor * model.start, model.start) for factor in _WIDTHS if wide.size]
    clipped = np.clip(np.array(out), model.low, model.high)
    if model.expressed:
        clipped = np.array([model.begun(row[: model.varied]) for row in clipped])
        clipped = clipped[np.isfinite(clipped).all(axis=1)]
    _, first = np.unique(clipped, axis=0, return_index=True)
    return np.ascontiguousarray(clipped[np.sort(first)])


def linear(model: Compiled) -> Linear:
    """Return the parameters in which the model is linear, as the kernels take them."""
    areas, begin = _of_kind(model, AREA), _begin(model)
    rest = [row for _, row in model.rows[PER_LINE * model.owners.size :]]
    index = [*(int(k) for k in areas), *(_index(model, row) for row in rest)]
    fixed = [0.0] * areas.size + [row.at(begin) for row in rest]
    start = [max(float(model.low[k]), 0.0) for k in areas]
    start += [float(model.start[k]) if k >= 0 else fixed[areas.size + n] for n, k in enumerate(index[areas.size :])]
    low = [float(model.low[k]) if k >= 0 else fixed[n] for n, k in enumerate(index)]
    high = [float(model.high[k]) if k >= 0 else fixed[n] for n, k in enumerate(index)]
    return np.array(index, np.int64), np.array(start), np.array(low), np.array(high)


def start_tables(model: Compiled, grid: Grid, linear: Linear, starts: Floats) -> Floats:
    """Return shape and background of each free area at each start (start, 2, area + 1, energy); fixed areas last."""
    areas = linear[0][: linear[0].size - grid[4].shape[0] - grid[1].shape[0]]
    places = np.full(starts.shape[1], -1, np.int64)
    places[areas] = np.arange(areas.size)
    tables = np.zeros((len(starts), 2, areas.size + 1, grid[0].size))
    codes, pointers, columns, factors, offsets = model.structure
    own = codes.copy(), pointers.copy(), columns.copy(), factors.copy(), offsets.copy()
    fill_starts(own, grid, starts, places, tables)
    return tables


def _spread(low: float, high: float, step: float) -> Floats:
    """Return values between finite bounds, evenly and at most a step apart; few if they are far apart."""
    if not np.isfinite(high - low):
        return np.empty(0)
    count = min(int(np.ceil((high - low) / step)), _MOST)
    return low + (np.arange(count) + 0.5) * (high - low) / count


def _shifted_phases(model: Compiled, step: float) -> list[Floats]:
    """Return starts with shifts of the phases all over their bounds: in all combinations, or one after the other."""
    spreads = {k: _spread(model.low[k], model.high[k], step) for k in _of_kind(model, SHIFT)}
    spreads = {k: values for k, values in spreads.items() if values.size}
    places = list(spreads)
    if np.prod([values.size for values in spreads.values()]) <= _COMBINED:
        chosen = list(product(*spreads.values()))
    else:
        begun = [model.start[k] for k in places]
        chosen = [
            (*begun[:at], value, *begun[at + 1 :]) for at, k in enumerate(places) for value in spreads[k].tolist()
        ]
    out = []
    for values in chosen if places else []:
        changed = model.start.copy()
        changed[places] = values
        out.append(changed)
    return out


def _begin(model: Compiled) -> dict[str, float]:
    return dict(zip(model.names, model.start.tolist(), strict=True))


def _of_kind(model: Compiled, *kinds: str) -> np.ndarray:
    """Return which free parameters are of a kind."""
    return np.array([k for k, name in enumerate(model.names) if name.rsplit(".", 1)[-1] in kinds], dtype=np.int64)


def _index(model: Compiled, row: Affine) -> int:
    """Return the free parameter that a row is; -1 for one that is fixed or a sum of several."""
    return model.names.index(next(iter(row.terms))) if len(row.terms) == 1 else -1


def _rigid(model: Compiled, moving: np.ndarray) -> Floats:
    """Return the change of the free parameters that moves all lines by 1 eV, as nearly as they allow."""
    positions, _ = model.dense([row for name, row in model.rows if name.endswith(f".{POSITION}")])
    out = np.zeros(model.start.size)
    if moving.size:
        out[moving] = np.linalg.lstsq(positions[:, moving], np.ones(len(positions)), rcond=None)[0]
    return out
