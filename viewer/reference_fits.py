"""Spectra taken apart into references as the step ``lcf`` does; references by other ranges. Knows no window."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import xarray as xr

from operando.pipelines.steps import STEPS
from operando.pipelines.steps.mixtures import taken_apart

from .recipe_settings import Settings


def fitted(spectra: xr.Dataset, references: xr.Dataset, settings: Settings) -> xr.Dataset:
    """Return normalized spectra with what the step ``lcf`` finds in them, ``residual`` and ``fit`` (1).

    Raises
    ------
    OperandoError
        As :func:`operando.xas.lcf` does.
    """
    asked = STEPS["xas"]["lcf"].validated(settings.lcf)
    shares = taken_apart(spectra, references, residual=True, **asked)
    curve = (spectra["normalized"] - shares["residual"]).assign_attrs(units="1", long_name="fit by the references")
    shares.attrs.pop("condition_number", None)
    return (
        spectra.assign({str(name): one.variable for name, one in shares.data_vars.items()})
        .assign(fit=curve)
        .assign_coords(reference=shares["reference"])
        .assign_attrs(shares.attrs)
    )


def rescaled(references: xr.Dataset, settings: Settings, normalize: Mapping[str, Any]) -> xr.Dataset:
    """Return references as the step ``normalize`` makes them with other ranges; the stored ones with the same.

    A run with these ranges would normalize the references, too, by them. Their absorption is put together again from
    what the store holds of it.

    Parameters
    ----------
    references
        As stored: ``normalized`` (1), ``pre_edge`` and ``edge_step`` (units of mu), dims ``reference``, ``energy``.
    settings
        The steps by which they were made.
    normalize
        The ranges, eV; those that are left out stay.

    Raises
    ------
    OperandoError
        If the references do not reach as far as the ranges.
    """
    before = _ranges(settings.normalize)
    wanted = _ranges({**settings.normalize, **normalize})
    if wanted == before or settings.scale != "normalize":
        return references
    mu = references["normalized"] * references["edge_step"] + references["pre_edge"]
    mu = mu.transpose(*references["normalized"].dims)
    units = str(references["edge_step"].attrs.get("units", "1"))
    raw = xr.Dataset({"mu": mu.assign_attrs(units=units, long_name="absorption")})
    bare = references.drop_vars(list(references.data_vars))
    return STEPS["xas"]["normalize"].run(raw, bare, signal="mu", **wanted)


def _ranges(given: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in given.items() if name != "signal" and value is not None}
