"""What the steps of the recipe were asked for by which a store was made."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import xarray as xr

from operando.pipelines.processing import SCALES

_NO_PARAMETERS = ("use", "node")


@dataclass(frozen=True)
class Settings:
    """The steps of a series in a recipe, in their order, each with what it is asked for."""

    steps: tuple[tuple[str, Mapping[str, Any]], ...] = ()

    def of(self, use: str) -> Mapping[str, Any]:
        """Return the parameters of the last step of a name; empty if there is none."""
        return next((given for name, given in reversed(self.steps) if name == use), {})

    def has(self, use: str) -> bool:
        """Whether there is a step of a name."""
        return any(name == use for name, _ in self.steps)

    @property
    def scale(self) -> str:
        """The step that brings spectra to a common scale, the last one if there are several; empty without one."""
        return next((name for name, _ in reversed(self.steps) if name in SCALES), "")

    @property
    def correct(self) -> Mapping[str, Any]:
        """Parameters of ``xpeem.correct``."""
        return self.of("correct")

    @property
    def normalize(self) -> Mapping[str, Any]:
        """Parameters of the step ``normalize``."""
        return self.of("normalize")

    @property
    def lcf(self) -> Mapping[str, Any]:
        """Parameters of the step ``lcf``."""
        return self.of("lcf")


def settings_of(tree: xr.DataTree, series: str) -> Settings:
    """Return the steps of a series in the recipe that the store was made by; empty without a recipe."""
    technique, _, node = series.partition("/")
    recipe = tomllib.loads(str(tree.attrs.get("recipe") or ""))
    steps: tuple[tuple[str, Mapping[str, Any]], ...] = ()
    for one in recipe.get("series", ()):
        if (one.get("technique"), one.get("node")) == (technique, node):
            steps = tuple((str(step.get("use")), _parameters(step)) for step in one.get("steps", ()))
    return Settings(steps)


def _parameters(step: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in step.items() if name not in _NO_PARAMETERS}
