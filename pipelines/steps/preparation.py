"""Recipe steps that change the scans before they are worked up; the store keeps them as measured."""

from __future__ import annotations

from typing import Literal

import xarray as xr


def merge_detectors(
    raw: xr.Dataset,
    *,
    name: str = "fluorescence",
    dead_time: float | list[float] | None = None,
    count_time: float | None = None,
    weights: list[float] | None = None,
    leave_out: list[str | int] | None = None,
    find_dead: bool = True,
) -> xr.Dataset:
    """Sum the channels of a detector, without dead ones and free of dead time."""
    from operando import xas

    return xas.merge_detectors(
        raw,
        name=name,
        dead_time=dead_time,
        count_time=count_time,
        weights=weights,
        leave_out=leave_out or (),
        find_dead=find_dead,
    )


def quality(
    raw: xr.Dataset,
    *,
    e0: float | None = None,
    full_scale: dict[str, float] | None = None,
    levels: dict[str, float] | None = None,
    least_beam: float = 0.05,
) -> xr.Dataset:
    """Say what the numbers show to be wrong; nothing is changed."""
    from operando import xas

    return xas.quality(raw, e0=e0, full_scale=full_scale, levels=levels, least_beam=least_beam)


def subtract_offset(
    raw: xr.Dataset, *, dark: dict[str, float] | None = None, cell_current: dict[str, float] | None = None
) -> xr.Dataset:
    """Subtract what detectors show in the dark and the cell's own current."""
    from operando import xas

    return xas.subtract_offset(raw, dark=dark, cell_current=cell_current)


def deglitch(
    raw: xr.Dataset, *, energies: list[float] | None = None, threshold: float | None = None, width: float = 0.5
) -> xr.Dataset:
    """Replace glitches."""
    from operando import xas

    return xas.deglitch(raw, energies=energies, threshold=threshold, width=width)


def align(
    raw: xr.Dataset,
    references: xr.Dataset,
    *,
    standard: str,
    reference: str = "reference",
    method: Literal["fit", "e0"] = "fit",
    window: tuple[float, float] = (-20.0, 40.0),
) -> xr.Dataset:
    """Bring all scans to the energy scale of one of the references, the ``standard``."""
    from operando import xas

    known = references["normalized"].sel(reference=standard, drop=True)
    return xas.align(raw, standard=known, reference=reference, method=method, window=window)


def rebin(
    raw: xr.Dataset,
    *,
    e0: float,
    pre_edge: tuple[float, float] = (-30.0, 10.0),
    near_edge: tuple[float, float] = (30.0, 0.5),
    k_step: float = 0.05,
) -> xr.Dataset:
    """Put the scans on a coarser grid."""
    from operando import xas
    from operando.xas.rebinning import grid

    energy = raw["energy"].to_numpy()
    bins = grid(e0, float(energy[0]), float(energy[-1]), pre_edge=pre_edge, near_edge=near_edge, k_step=k_step)
    return xas.rebin(raw, bins)
