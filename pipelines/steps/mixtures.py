"""Recipe steps from normalized spectra to what they consist of."""

from __future__ import annotations

from typing import Any, Literal

import xarray as xr

from operando.errors import OperandoError

from .step import SIGNAL, noise_of, normalized_of, one_signal, with_result


def lcf(
    _raw: xr.Dataset,
    processed: xr.Dataset,
    references: xr.Dataset,
    *,
    window: tuple[float, float] | None = None,
    bounds: tuple[float, float] = (0.0, 1.0),
    sum_to_one: bool = True,
    scale: bool = False,
    background: Literal["constant", "linear"] | None = None,
    shift: float | tuple[float, float] = 0.0,
    shift_signal: str | None = None,
) -> xr.Dataset:
    """Take the spectra apart into the references; the shift may be fitted to one signal and hold for all."""
    asked: dict[str, Any] = {"window": window, "bounds": bounds, "sum_to_one": sum_to_one, "scale": scale}
    asked |= {"background": background, "shift": shift, "shift_signal": shift_signal}
    return _with_fit(processed, taken_apart(processed, references, **asked))


def taken_apart(
    processed: xr.Dataset,
    references: xr.Dataset,
    *,
    shift: float | tuple[float, float] = 0.0,
    shift_signal: str | None = None,
    residual: bool = False,
    **asked: Any,
) -> xr.Dataset:
    """Return what :func:`operando.xas.lcf` finds, with the shift of one signal for all if it is named."""
    from operando import xas
    from operando.xas.combination import leaves_normalization

    spectra = normalized_of("lcf", processed).assign_attrs(history=processed.attrs["history"])
    asked |= {"residual": residual, "noise": noise_of(processed) if leaves_normalization(**asked) else None}
    if shift_signal is None:
        return xas.lcf(spectra, references, shift=shift, **asked)
    first = xas.lcf(spectra.sel({SIGNAL: [one_signal(spectra, shift_signal)]}), references, shift=shift, **asked)
    if "energy_shift" not in first:
        expected = f"a range (eV) in which the shift of {shift_signal!r} is fitted, such as shift = [-0.5, 0.5]"
        raise OperandoError(f"lcf: expected {expected}, got {shift}; give one or leave shift_signal out")
    moved = first[["energy_shift", "energy_shift_std"]].isel({SIGNAL: 0}, drop=True)
    rest = [name for name in spectra[SIGNAL].values if name != shift_signal]
    others = xas.lcf(spectra.sel({SIGNAL: rest}), references, shift=moved["energy_shift"], **asked)
    both = xr.concat([first[list(others.data_vars)], others], SIGNAL, coords="minimal", compat="override")
    both = both.sel({SIGNAL: spectra[SIGNAL].values}).assign(moved)
    flag = first["flag"] | others["flag"]
    return both.assign_coords(flag=flag.assign_attrs(first["flag"].attrs)).assign_attrs(first.attrs)


def _with_fit(processed: xr.Dataset, fit: xr.Dataset) -> xr.Dataset:
    """Return the processed scans with a fit, without what only tells one batch from another."""
    fit.attrs.pop("condition_number", None)
    return with_result(processed, fit)
