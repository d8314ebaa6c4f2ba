"""Recipe steps of the oscillations behind the edge."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import xarray as xr

from operando.errors import OperandoError
from operando.history import recorded

from .absorption import measured
from .step import with_result


def autobk(
    raw: xr.Dataset,
    processed: xr.Dataset,
    *,
    signal: str | list[str] = "mu",
    kmax: float,
    rbkg: float = 1.0,
    kmin: float = 0.0,
    kweight: int = 1,
) -> xr.Dataset:
    """Take the background from the absorption: chi against k, up to the same ``kmax`` for all scans."""
    from operando import xas

    if "edge_step" not in processed:
        raise OperandoError("autobk: expected an edge step, got none; put the step 'normalize' before it")
    mu = measured(raw, processed, signal)
    step, e0 = processed["edge_step"], processed["e0"]
    found = xas.autobk(mu, e0, edge_step=step, rbkg=rbkg, kmin=kmin, kmax=kmax, kweight=kweight)
    return with_result(processed, found.drop_vars(["e0", "edge_step"]))


def fourier(
    _raw: xr.Dataset,
    processed: xr.Dataset,
    *,
    kmin: float,
    kmax: float,
    kweight: int = 2,
    dk: float = 1.0,
    window: str = "kaiser",
    rmax: float = 10.0,
) -> xr.Dataset:
    """Transform chi to distances."""
    from operando import xas

    chi = _chi("fourier", processed)
    return with_result(
        processed, xas.fourier(chi, kmin=kmin, kmax=kmax, kweight=kweight, dk=dk, window=window, rmax=rmax)
    )


def wavelet(_raw: xr.Dataset, processed: xr.Dataset, *, kweight: int = 2, rmax: float = 10.0) -> xr.Dataset:
    """Transform chi to distances and wave numbers at once."""
    from operando import xas

    return with_result(processed, xas.wavelet(_chi("wavelet", processed), kweight=kweight, rmax=rmax))


def fit_shells(
    _raw: xr.Dataset,
    processed: xr.Dataset,
    *,
    files: list[Path],
    paths: list[dict[str, float | str]],
    variables: dict[str, float | dict[str, float]],
    kmin: float,
    kmax: float,
    rmin: float,
    rmax: float,
    kweight: int = 2,
    dk: float = 1.0,
    window: str = "kaiser",
) -> xr.Dataset:
    """Fit scattering paths to chi between two distances: one file of FEFF and one table of parameters a path."""
    from operando import xas

    if len(files) != len(paths):
        raise OperandoError(
            f"fit_shells: expected one table in 'paths' for each of {len(files)} files, got {len(paths)}"
        )
    chi = _chi("fit_shells", processed)
    shells = [{**path, "file": file} for file, path in zip(files, paths, strict=True)]
    asked: dict[str, Any] = {"kmin": kmin, "kmax": kmax, "rmin": rmin, "rmax": rmax}
    asked |= {"kweight": kweight, "dk": dk, "window": window}
    found = xas.fit_shells(chi, shells, variables, **asked)
    # Names alone, so that results do not depend on where the folder lies.
    asked |= {"paths": paths, "files": [file.name for file in files], "variables": variables}
    return with_result(processed, recorded(found, "xas.fit_shells", asked, after=processed))


def _chi(step: str, processed: xr.Dataset) -> xr.DataArray:
    if "chi" not in processed:
        raise OperandoError(f"{step}: expected chi, got none; put the step 'autobk' before it")
    return processed["chi"].assign_attrs(history=processed.attrs["history"])
