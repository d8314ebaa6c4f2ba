"""Recipe step that looks for beam damage in a whole series."""

from __future__ import annotations

from typing import Literal

import xarray as xr


def beam_damage(
    series: xr.Dataset,
    *,
    variable: str = "edge_energy",
    dose: str = "scan",
    by: str | None = None,
    tolerance: float = 0.005,
    soc_tolerance: float = 0.01,
    least: int = 4,
    threshold: float = 3.0,
    model: Literal["auto", "linear"] = "auto",
) -> xr.Dataset:
    """Say whether a number changes with dose in runs of scans of one state; its node holds a row a run."""
    from operando import xas

    return xas.beam_damage(
        series,
        variable,
        dose=dose,
        by=by,
        tolerance=tolerance,
        soc_tolerance=soc_tolerance,
        least=least,
        threshold=threshold,
        model=model,
    )
