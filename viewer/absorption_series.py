"""Absorption spectra of a store, scan by scan, worked up by the steps of its recipe as a run does. Knows no window."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

import operando
from operando.errors import OperandoError
from operando.pipelines.processing import SCALES, Processing
from operando.pipelines.recipe import Recipe
from operando.pipelines.recipe_tables import Series, StepSection
from operando.pipelines.steps import STEPS
from operando.pipelines.steps.step import SIGNAL
from operando.xas.signals import SIGNALS

from .recipe_settings import Settings, settings_of
from .reference_fits import fitted, rescaled
from .stored_series import StoredSeries
from .stores import node_of, split

XAS = "xas"
_CHANGING = (*SCALES, "correct_tey_saturation", "correct_self_absorption")
"""The steps that change the normalized absorption, besides those that prepare the scans."""
_TOLD = ("time", "potential", "soc", "flag")


@dataclass(frozen=True)
class AbsorptionSeries(StoredSeries):
    """The absorption spectra of one series of a store."""

    @cached_property
    def settings(self) -> Settings:
        """The steps of its recipe."""
        return settings_of(self.tree, self.node)

    @cached_property
    def references(self) -> xr.Dataset | None:
        """The references as the run normalized them; None if there are none."""
        found = node_of(self.tree, f"{self.node}/references")
        return None if found is None else found.load()

    @cached_property
    def coords(self) -> dict[str, xr.DataArray]:
        """What is told of the scans: time, potential, state of charge, flags."""
        return {name: self.raw[name].load() for name in _TOLD if name in self.raw.coords}

    @property
    def signals(self) -> str | list[str]:
        """What the step ``normalize`` of the recipe takes, else all that the scans tell of the sample."""
        known = set(map(str, self.raw.data_vars)) - {"reference"}
        present = [name for name in SIGNALS if name in known and (name == "mu" or "i0" in known)]
        asked: str | list[str] = self.settings.normalize.get("signal") or (present[0] if len(present) == 1 else present)
        return asked

    @property
    def steps(self) -> list[tuple[str, Mapping[str, Any]]]:
        """The steps that the spectra go through before they are fitted, as the recipe has them."""
        known = self.settings.steps
        last = max((at for at, (use, _) in enumerate(known) if use == "lcf"), default=len(known))
        taken = [(use, given) for use, given in known[:last] if use in _CHANGING or STEPS[XAS][use].prepares]
        return taken if any(use in SCALES for use, _ in taken) else [*taken, ("normalize", {"signal": self.signals})]

    @property
    def also(self) -> list[str]:
        """The names of the steps beside the one that brings the spectra to a scale."""
        return [use for use, _ in self.steps if use not in SCALES]

    def asked(self, normalize: Mapping[str, Any]) -> dict[str, Any]:
        """Return the parameters of the step ``normalize`` with other ranges."""
        return {"signal": self.signals, **self.settings.normalize, **normalize}

    def spectra(self, scan: int, normalize: Mapping[str, Any], *, fit: bool = True) -> xr.Dataset:
        """Return the spectra of one scan, normalized and taken apart into the references.

        Parameters
        ----------
        scan
            Its number, from 0.
        normalize
            Parameters of the step ``normalize`` that differ from those of the recipe; a series that ``mback``
            normalizes is left to that.
        fit
            Whether to fit, if there are references.

        Returns
        -------
        xarray.Dataset
            ``normalized``, ``fit``, ``residual`` (signal, energy) and what :func:`operando.xas.lcf` finds.

        Raises
        ------
        OperandoError
            As the steps do.
        """
        taken = self.steps
        last = max((at for at, (use, _) in enumerate(taken) if use == "normalize"), default=None)
        if last is not None and self.settings.scale != "mback":
            taken[last] = "normalize", self.asked(normalize)
        work = _Steps.of(self, taken, normalize)
        ds = work.processed(self.raw.isel(scan=[scan]).load())
        if self.references is not None and fit:
            ds = fitted(ds, work.references, self.settings)
        ds = ds.isel(scan=0)
        return ds if SIGNAL in ds.dims else ds.expand_dims({SIGNAL: np.array([self.signals], object)})


def absorption_series(path: Path) -> Iterator[AbsorptionSeries]:
    """Yield the series of absorption spectra of a store, or below a node in it, with what is small of them read.

    Raises
    ------
    StoreError
        If it is no store.
    """
    store, below = split(path)
    tree = operando.open(store)
    for leaf in tree.leaves:
        node, _, stage = leaf.path.strip("/").rpartition("/")
        inside = not below or f"{leaf.path.strip('/')}/".startswith(f"{below}/")
        if node.startswith(f"{XAS}/") and stage == "raw" and inside and leaf.dataset.sizes.get("scan"):
            found = AbsorptionSeries.within(tree, store, node)
            _ = found.settings, found.times, found.coords
            yield found


@dataclass(frozen=True)
class _Steps(Processing):
    """Some steps of a recipe with the references that the store holds, whose files may be gone."""

    of_store: AbsorptionSeries | None = None
    ranges: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(
        cls, stored: AbsorptionSeries, steps: list[tuple[str, Mapping[str, Any]]], ranges: Mapping[str, Any]
    ) -> _Steps:
        """Return the steps as a run takes them, with references by the ranges."""
        sections = [StepSection(use=use, **given) for use, given in steps]
        series = Series(node=stored.node.partition("/")[2], technique=XAS, files=["*"], steps=sections)
        return cls(Recipe(), series, of_store=stored, ranges=ranges)

    @cached_property
    def references(self) -> xr.Dataset:
        """The references of the store, by the ranges that are set."""
        known = None if self.of_store is None else self.of_store.references
        if self.of_store is None or known is None:
            raise OperandoError("expected references in the store, got none")
        return rescaled(known, self.of_store.settings, self.ranges)
