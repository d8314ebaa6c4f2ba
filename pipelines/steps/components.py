"""Recipe steps over the whole series: how many shapes its spectra have, and which pure spectra they are made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import xarray as xr

from operando.errors import OperandoError
from operando.flags import Flag, names

_SIGNAL = "signal"


def pca(
    series: xr.Dataset,
    *,
    signal: str | None = None,
    window: tuple[float, float] | None = None,
    components: int | None = None,
    centered: bool = True,
    rule: Literal["f_test", "ind"] = "f_test",
    without: list[str] | None = None,
) -> xr.Dataset:
    """Find principal components, and how many stand out of the noise; scans with a flag in ``without`` are left out."""
    from operando import xas

    options: dict[str, Any] = {"window": window, "components": components, "centered": centered, "rule": rule}
    return _over_all("pca", series, signal, without, lambda spectra: xas.pca(spectra, **options))


def mcr_als(
    series: xr.Dataset,
    *,
    components: int,
    signal: str | None = None,
    window: tuple[float, float] | None = None,
    initial: Literal["spectra", "energies", "efa"] = "spectra",
    sum_to_one: bool = True,
    unimodal: bool | list[str] = False,
    shared: Literal["spectra", "fractions"] = "spectra",
    tolerance: float = 1e-9,
    max_iterations: int = 5000,
    without: list[str] | None = None,
) -> xr.Dataset:
    """Find pure spectra and their shares; scans with a flag in ``without`` are left out."""
    from operando import xas

    options: dict[str, Any] = {"window": window, "initial": initial, "sum_to_one": sum_to_one, "unimodal": unimodal}
    options |= {"shared": shared, "tolerance": tolerance, "max_iterations": max_iterations}
    return _over_all("mcr_als", series, signal, without, lambda spectra: xas.mcr_als(spectra, components, **options))


def _over_all(
    step: str,
    series: xr.Dataset,
    signal: str | None,
    without: list[str] | None,
    found_in: Callable[[xr.DataArray], xr.Dataset],
) -> xr.Dataset:
    """Return what is found in the spectra of one signal, or of all, without the scans that carry certain flags."""
    if "normalized" not in series:
        raise OperandoError(f"{step}: expected normalized absorption, got none; put the step 'normalize' before it")
    spectra = series["normalized"].assign_attrs(history=series.attrs["history"])
    if signal is not None:
        known = [str(name) for name in spectra[_SIGNAL].values] if _SIGNAL in spectra.dims else []
        if signal not in known:
            raise OperandoError(f"{step}: expected a signal among {', '.join(known) or 'several'}, got {signal!r}")
        spectra = spectra.sel({_SIGNAL: signal})
    left_out = (series["flag"] & _mask(step, without or [])) != 0
    found = found_in(spectra.where(~left_out)).compute()
    # A scan left out here is no scan whose values are missing.
    return found.assign_coords(flag=found["flag"].where(~left_out, series["flag"]).compute().astype("int32"))


def _mask(step: str, without: list[str]) -> int:
    known = names(sum(Flag))
    for name in without:
        if name not in known:
            raise OperandoError(f"{step}: expected flags among {', '.join(known)}, got {name!r}")
    return sum(int(Flag[name]) for name in without)
