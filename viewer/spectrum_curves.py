"""Normalized spectra with their fits and residuals, each in a color, drawn and in words."""

from __future__ import annotations

from html import escape

import xarray as xr

from operando.kind_colors import SUBSTANCES

from .curves import Curves


def color(at: int) -> str:
    """Return the color of the spectrum at a place in the list."""
    return SUBSTANCES[(at + 1) % len(SUBSTANCES)]


def draw(curves: Curves, ds: xr.Dataset, dim: str) -> None:
    """Draw spectra, points, with their fits, lines, and below what is left.

    Parameters
    ----------
    curves
        Two plots.
    ds
        ``normalized`` (1) and, if it was fitted, ``fit`` and ``residual``; dims ``dim`` and ``energy`` (eV).
    dim
        What tells the spectra apart, such as ``signal``.
    """
    upper, lower = curves.plots
    curves.clear()
    energy = ds["energy"].values
    for at in range(ds.sizes[dim]):
        one, own = ds.isel({dim: at}), color(at)
        upper.plot(energy, one["normalized"], "o", ms=3.5, mew=0.0, alpha=0.7, color=own, zorder=3)
        if "fit" in ds:
            upper.plot(energy, one["fit"], "-", lw=1.2, color=own)
            lower.plot(energy, one["residual"], "o-", ms=2.0, mew=0.0, lw=0.8, color=own)
    lower.set_visible("fit" in ds)
    upper.tick_params(labelbottom="fit" not in ds)
    upper.set_xlabel("" if "fit" in ds else "photon energy (eV)")
    upper.set_ylabel("normalized absorption")
    lower.set_ylabel("residual")
    lower.set_xlabel("photon energy (eV)")
    curves.paint()


def in_words(ds: xr.Dataset, dim: str) -> list[str]:
    """Return a line for each spectrum, as Qt shows it: color, name, pixels, shares and standard uncertainties."""
    said = []
    for at, name in enumerate(ds[dim].values):
        one = ds.isel({dim: at})
        said.append(f"<span style='color: {color(at)}'>●</span> {escape(str(name))}")
        if "pixels" in ds:
            said[-1] += f" ({int(one['pixels'])} px)"
        if "fit" in ds:
            parts = zip(ds["reference"].values, one["fraction"].values, one["fraction_std"].values, strict=True)
            said[-1] += ": " + ", ".join(f"{escape(str(part))} {share:z.3f} ± {std:.3f}" for part, share, std in parts)
    return said
