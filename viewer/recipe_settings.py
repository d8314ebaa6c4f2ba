"""What the steps of the recipe were asked for by which a store was made."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import xarray as xr


@dataclass(frozen=True)
class Settings:
    """What the steps of a recipe are asked for: parameters of ``xpeem.correct``, ``xas.normalize`` and ``xas.lcf``."""

    correct: Mapping[str, Any] = field(default_factory=dict)
    normalize: Mapping[str, Any] = field(default_factory=dict)
    lcf: Mapping[str, Any] = field(default_factory=dict)


def settings_of(tree: xr.DataTree, series: str) -> Settings:
    """Return the settings of a series' steps in the recipe that the store was made by; empty without a recipe."""
    technique, _, node = series.partition("/")
    recipe = tomllib.loads(str(tree.attrs.get("recipe") or ""))
    steps: dict[str, dict[str, Any]] = {}
    for one in recipe.get("series", ()):
        if (one.get("technique"), one.get("node")) == (technique, node):
            steps = {str(step.get("use")): {k: v for k, v in step.items() if k != "use"} for step in one["steps"]}
    return Settings(*(steps.get(use, {}) for use in ("correct", "normalize", "lcf")))
