"""Recipe steps that put repeated scans together."""

from __future__ import annotations

import xarray as xr


def merge(
    series: xr.Dataset,
    *,
    every: int | None = None,
    by: str | None = None,
    weights: str | None = None,
    leave_out: bool = False,
) -> xr.Dataset:
    """Put repeats together, so many in a row or those with the same coordinate, such as ``half_cycle``."""
    from operando import xas

    return xas.merge(series.load(), every=every, by=by, weights=weights, leave_out=leave_out)
