"""What Spectrum did as steps of the recipe: regions as drawn, ranges as set, the fit. Knows no window."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from operando.errors import OperandoError

from .image_spectra import Mask, Stack
from .recipe_settings import Settings
from .recorded_steps import RecordedStep


def steps_of_spectra(settings: Settings, normalize: Mapping[str, Any], *, fit: bool) -> list[RecordedStep]:
    """Return the steps by which a run normalizes a series of absorption spectra as it was done, and fits them.

    Parameters
    ----------
    settings
        The steps of the recipe.
    normalize
        All parameters of the step ``normalize``.
    fit
        Whether the spectra were fitted by the references.

    Raises
    ------
    OperandoError
        If the recipe normalizes by ``mback`` and nothing was fitted, so that there is no step.
    """
    scaled = [] if settings.scale == "mback" else [RecordedStep("xas", "normalize", normalize)]
    found = [*scaled, *([RecordedStep("xas", "lcf", settings.lcf)] if fit else [])]
    if not found:
        raise OperandoError("normalize: expected a recipe without the step 'mback', got one; its settings are kept")
    return found


def steps_of_stack(
    stack: Stack,
    normalize: Mapping[str, Any],
    drawn: tuple[Sequence[Mapping[str, Any]], Sequence[Mask]] | None = None,
    *,
    fit: bool,
) -> list[RecordedStep]:
    """Return the steps by which a run makes the spectra of a series of stacks of images as it was done.

    Parameters
    ----------
    stack
        The images, with the steps of their recipe.
    normalize
        All parameters of the step ``normalize``.
    drawn
        The shapes whose spectra were taken, and their pixels; None where it was the place of the cursor, which is no
        region of a recipe.
    fit
        Whether the spectra were fitted by the references.

    Raises
    ------
    OperandoError
        If a recipe cannot say it: a pixel is in two shapes, frames are not aligned, there are no regions at all.
    """
    settings = stack.settings
    if not settings.has("align"):
        raise OperandoError("regions: expected a recipe with the steps correct, drift and align, got one without")
    if drawn is None and not settings.has("regions"):
        raise OperandoError("regions: expected a recipe with regions, got one without; draw a region")
    found = [] if drawn is None else [RecordedStep("xpeem", "regions", {"shapes": _apart(*drawn)})]
    found += [] if settings.has("spectra") else [RecordedStep("xpeem", "spectra")]
    found.append(RecordedStep("xpeem", "normalize", normalize))
    return [*found, *([RecordedStep("xpeem", "lcf", settings.lcf)] if fit else [])]


def _apart(shapes: Sequence[Mapping[str, Any]], masks: Sequence[Mask]) -> list[Mapping[str, Any]]:
    """Return shapes if no pixel is in two of them."""
    if np.sum(masks, axis=0).max() > 1:
        raise OperandoError("regions: expected shapes apart from each other, got a pixel in two; move or shrink one")
    return list(shapes)
