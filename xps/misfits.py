"""Find spectra that their fit misses, and what it misses in all of them alike."""

from __future__ import annotations

import warnings

import numpy as np
import xarray as xr

from operando.errors import OperandoWarning

from .fit_blocks import Plan
from .fit_kernels import FEWEST_COUNTS
from .layout import ALONG
from .model_kernels import Floats

_TOO_MANY, _TOO_FEW_RUNS = 5.0, -4.0
_FEWEST_SPECTRA = 20
_LEAST = 0.1


def warn_of_misfits(ds: xr.Dataset, plan: Plan, step: str = "fit") -> None:
    """Warn of spectra in memory that their fit misses, each or all together."""
    if ds["value"].chunks is not None:
        return
    excess = (ds["reduced_chi_square"] - 1) / np.sqrt(2 / plan.degrees)
    missed = ds["runs"] < _TOO_FEW_RUNS
    if plan.weighting != "none":
        missed = (excess > _TOO_MANY) | (missed & (excess > 0))
    if missed.any():
        said = (
            f"{step}: {int(missed.sum())} of {missed.size} spectra are missed by their fit (reduced chi-square or runs)"
        )
        _warn(f"{said}; look at the residual; lines may be missing, or their shape be another")
        return
    in_common, spectra = common_misfit(ds, plan)
    if in_common > _TOO_MANY:
        said = (
            f"{step}: the residuals of {spectra} spectra have a pattern in common, {in_common:.0f} standard deviations"
        )
        remedy = "look at their mean; shapes or background may be others (xps.background_systematic)"
        _warn(f"{said} above noise, too weak to see in one of them; {remedy}")


def common_misfit(ds: xr.Dataset, plan: Plan) -> tuple[float, int]:
    """Return by how many standard deviations the mean residual of a series stands out of noise; of how many spectra.

    The residuals r of each spectrum in standard deviations, added up over N spectra, z = sum r / sqrt(N) at every
    energy, leave a chi-square sum z^2 with as many degrees of freedom as one spectrum has. What all fits miss alike
    grows in it with N. It is 0 with fewer than 20 spectra, without residuals, with other weights than those of the
    model, and where it adds less than 0.1 to the chi-square of a spectrum: fits of few counts have such a bias though
    the model is right.
    """
    if "residual" not in ds or plan.weighting != "model":
        return 0.0, 0
    left = ds["residual"].transpose(..., ALONG).to_numpy().reshape(-1, plan.points[0].size)
    fitted = ds["fitted"].transpose(..., ALONG).to_numpy().reshape(left.shape)
    left = left / np.sqrt(np.maximum(fitted, FEWEST_COUNTS))
    sound = np.isfinite(left).any(axis=1)
    return _beyond_noise(left[sound], plan.degrees), int(sound.sum())


def _beyond_noise(left: Floats, degrees: int) -> float:
    if len(left) < _FEWEST_SPECTRA:
        return 0.0
    used = np.isfinite(left)
    sums = np.where(used, left, 0.0).sum(axis=0) / np.sqrt(np.maximum(used.sum(axis=0), 1))
    excess = float((sums**2).sum()) - degrees
    return excess / float(np.sqrt(2 * degrees)) if excess > _LEAST * len(left) else 0.0


def _warn(text: str) -> None:
    warnings.warn(text, OperandoWarning, stacklevel=4)
