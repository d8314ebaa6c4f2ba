"""Spectra of pixels and drawn regions of a stack of images, by the settings of its recipe. Knows no window."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import xarray as xr
from numpy.typing import NDArray

import operando
from operando.errors import OperandoError
from operando.plot import experiment_zone

from .recipe_settings import Settings, settings_of
from .reference_fits import fitted, rescaled
from .stores import DRIFTS, node_of

Mask = NDArray[np.bool_]
_UTC = ZoneInfo("UTC")


@dataclass(frozen=True)
class Stack:
    """The aligned images of one scan in memory, and what they are fitted by."""

    series: str
    scan: int
    images: xr.Dataset
    references: xr.Dataset | None
    settings: Settings
    zone: ZoneInfo = _UTC
    """In which its time is shown."""


def stack_of(source: str | Path, series: str, scan: int) -> Stack:
    """Return the images of one scan of a store, corrected and aligned as its recipe says.

    Parameters
    ----------
    source
        The store.
    series
        Such as ``"xpeem/Ni_L3"``.
    scan
        Its number, from 0.

    Raises
    ------
    FileError
        If the images are not where they were.
    """
    from operando.xas import xpeem

    tree = operando.open(source)
    settings = settings_of(tree, series)
    processed, references = (node_of(tree, f"{series}/{name}") for name in ("processed", "references"))
    raw = tree[f"{series}/raw"].to_dataset().isel(scan=scan)
    raw = raw if "counts" in raw else xpeem.reopen(raw, Path(source).parent / str(tree.attrs.get("files_from") or "."))
    images = xpeem.correct(raw, **settings.correct)
    if processed is not None and set(processed.variables) >= DRIFTS:
        images = xpeem.align(images, processed.isel(scan=scan))
    known = None if references is None else references.load()
    return Stack(series, scan, images.compute(), known, settings, experiment_zone(tree))


def spectra(stack: Stack, masks: Mapping[str, Mask], normalize: Mapping[str, Any], *, fit: bool = True) -> xr.Dataset:
    """Return the spectra of masks (y x) of a stack, normalized and taken apart into the references.

    Parameters
    ----------
    masks
        By name; what they hold of pixels that not every frame shows is left out.
    normalize
        Parameters of :func:`operando.xas.normalize` that differ from those of the recipe.
    fit
        Whether to fit, if there are references.

    Returns
    -------
    xarray.Dataset
        ``mu``, ``normalized``, ``fit`` (region, energy) and what :func:`operando.xas.lcf` finds.

    Raises
    ------
    OperandoError
        If no frame shows all of a mask's pixels, or the ranges hold no energies.
    """
    from operando import xas

    found = xas.xpeem.spectra(stack.images, masks)
    if not bool((found["pixels"] > 0).all()):
        raise OperandoError("spectrum: expected pixels that every frame shows, got none; choose another place")
    asked = {**stack.settings.normalize, **normalize}
    ds = xas.normalize(found["mu"].assign_attrs(history=found.attrs["history"]), **asked)
    ds = ds.assign(found.data_vars)
    if stack.references is None or not fit:
        return ds
    return fitted(ds, rescaled(stack.references, stack.settings, asked), stack.settings)


def disk(shape: Sequence[int], y: float, x: float, radius: float) -> Mask:
    """Return the pixels whose middle is at most ``radius`` (px) from a place; always the one at the place itself."""
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    inside: Mask = (rows - round(y)) ** 2 + (columns - round(x)) ** 2 <= radius**2
    return inside
