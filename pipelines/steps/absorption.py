"""Recipe steps that bring absorption spectra to a common scale and find their edges."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import xarray as xr

from operando.errors import OperandoError
from operando.history import recorded

from .step import noise_of, normalized_of, with_result

if TYPE_CHECKING:
    from numpy.typing import NDArray


def normalize(
    raw: xr.Dataset,
    processed: xr.Dataset,
    *,
    signal: str | list[str] = "mu",
    e0: float | None = None,
    pre1: float | None = None,
    pre2: float | None = None,
    norm1: float | None = None,
    norm2: float | None = None,
    nnorm: int | None = None,
    nvict: int = 0,
) -> xr.Dataset:
    """Subtract the pre-edge, divide by the edge step; several signals become the dim ``signal``."""
    from operando import xas

    if not signal:
        raise OperandoError(f"normalize: expected a signal such as 'mu' or a list of them, got {signal!r}")
    mu = measured(raw, processed, signal)
    _require_order(pre1=pre1, pre2=pre2)
    _require_order(norm1=norm1, norm2=norm2)
    _require_inside(raw["energy"].to_numpy(), e0, pre2, norm1)
    result = xas.normalize(mu, e0, pre1=pre1, pre2=pre2, norm1=norm1, norm2=norm2, nnorm=nnorm, nvict=nvict)
    return with_result(processed, result)


def mback(
    raw: xr.Dataset,
    processed: xr.Dataset,
    *,
    signal: str | list[str] = "mu",
    element: str,
    edge: str = "K",
    e0: float | None = None,
    method: Literal["mback", "mback_norm"] = "mback",
    pre1: float | None = None,
    pre2: float | None = None,
    norm1: float | None = None,
    norm2: float | None = None,
    order: int = 3,
    erfc_width: float | None = None,
) -> xr.Dataset:
    """Normalize by the match of the background to tabulated f''; several signals become the dim ``signal``."""
    from operando import xas

    mu = measured(raw, processed, signal)
    ranges: dict[str, Any] = {"pre1": pre1, "pre2": pre2, "norm1": norm1, "norm2": norm2}
    result = xas.mback(mu, element, edge, e0, method=method, **ranges, order=order, erfc_width=erfc_width)
    return with_result(processed, result)


def edge_energy(
    _raw: xr.Dataset,
    processed: xr.Dataset,
    *,
    method: Literal["half_height", "integral", "derivative", "centroid"] = "half_height",
    level: float = 0.5,
    window: tuple[float, float] = (-20.0, 30.0),
    levels: tuple[float, float] | None = None,
    limits: tuple[float, float, float] | None = None,
    smoothing: float | None = None,
) -> xr.Dataset:
    """Find the energy of the edge, between the grid's energies."""
    from operando import xas

    normalized_of("edge_energy", processed)
    sought: dict[str, Any] = {"window": window, "levels": levels, "limits": limits, "smoothing": smoothing}
    return with_result(processed, xas.edge_energy(processed, method, level, noise=noise_of(processed), **sought))


def edge_shift(
    _raw: xr.Dataset,
    processed: xr.Dataset,
    references: xr.Dataset,
    *,
    standard: str,
    window: tuple[float, float] = (-20.0, 30.0),
) -> xr.Dataset:
    """Find the energy of the edge by its shift against one of the references, the ``standard``."""
    from operando import xas

    normalized_of("edge_shift", processed)
    known = [str(name) for name in references["reference"].values]
    if standard not in known:
        raise OperandoError(f"edge_shift: expected a standard among {', '.join(known)}, got {standard!r}")
    curve = references["normalized"].sel(reference=standard, drop=True)
    return with_result(processed, xas.edge_energy(processed, "cross_correlation", window=window, reference=curve))


def white_line(
    _raw: xr.Dataset,
    processed: xr.Dataset,
    *,
    element: str | None = None,
    edge: str = "K",
    step_width: float | tuple[float, float] | None = None,
    resolution: float = 0.0,
    shape: Literal["arctan", "fermi"] = "arctan",
    offset: float = 0.0,
    search: tuple[float, float] = (0.0, 15.0),
    limits: tuple[float, float] = (-10.0, 10.0),
    smoothing: float = 1.25,
) -> xr.Dataset:
    """Find the white line: its energy, height, width and area above the step of the edge."""
    from operando import xas

    normalized_of("white_line", processed)
    found = xas.white_line(
        processed,
        element,
        edge,
        step_width=step_width,
        resolution=resolution,
        shape=shape,
        offset=offset,
        search=search,
        limits=limits,
        smoothing=smoothing,
    )
    return with_result(processed, found)


def branching_ratio(
    _raw: xr.Dataset,
    processed: xr.Dataset,
    *,
    element: str,
    edge: str = "L3",
    step_width: float | tuple[float, float] | None = None,
    resolution: float = 0.0,
    shape: Literal["arctan", "fermi"] = "arctan",
    offset: float = 0.0,
    search: tuple[float, float] = (0.0, 15.0),
    reach: float | None = None,
    smoothing: float = 1.25,
) -> xr.Dataset:
    """Find what part of the white lines of a split edge belongs to the first of the two."""
    from operando import xas

    normalized_of("branching_ratio", processed)
    found = xas.branching_ratio(
        processed,
        element,
        edge,
        step_width=step_width,
        resolution=resolution,
        shape=shape,
        offset=offset,
        search=search,
        reach=reach,
        smoothing=smoothing,
    )
    return with_result(processed, found)


def measured(raw: xr.Dataset, processed: xr.Dataset, signal: str | list[str]) -> xr.DataArray:
    """Return the absorption that one detector shows, or several along the dim ``signal``."""
    from operando import xas

    named = [xas.signal(raw, name) for name in ([signal] if isinstance(signal, str) else signal)]
    mu = named[0] if isinstance(signal, str) else xr.concat(named, xr.Variable("signal", np.array(signal, object)))
    return mu.assign_attrs(history=recorded(processed, "xas.signal", {"name": signal}).attrs["history"])


def _require_order(**ends: float | None) -> None:
    """Refuse a range that ends before it begins; ends counted from a scan's own ends have the other sign."""
    (first, start), (last, stop) = ends.items()
    if start is not None and stop is not None and start * stop > 0 and start >= stop:
        raise OperandoError(f"normalize: expected {first} below {last}, got {start:g} and {stop:g}")


def _require_inside(energy: NDArray[np.float64], e0: float | None, pre2: float | None, norm1: float | None) -> None:
    """Refuse an e0, a pre-edge or a post-edge that the scans do not reach, where other ones would be taken."""
    if e0 is None:
        return
    low, high = float(energy.min()), float(energy.max())
    for name, value in (("e0", e0), ("pre2", e0 + (pre2 or 0.0)), ("norm1", e0 + (norm1 or 0.0))):
        if not low <= value <= high:
            raise OperandoError(
                f"normalize: expected {name} within the scans' {low:g} to {high:g} eV, got {value:g} eV"
            )
