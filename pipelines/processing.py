"""What a recipe makes of a series: its scans linked, prepared, worked up and compared with references."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from operando.errors import FileError, OperandoError, OperandoWarning
from operando.linking import link
from operando.schema import SERIES, check
from operando.series import stack

from .recipe import REFERENCES, Recipe, References, Series, StepSection
from .steps import FOLDER, STEPS, TECHNIQUES, Step

if TYPE_CHECKING:
    import xarray as xr

    from .electrochemistry import Electrochemistry

SCALES = ("normalize", "mback")
"""The steps that bring references to the scale of the series."""


@contextmanager
def told_apart() -> Iterator[list[str]]:
    """Yield what a reader says of spectra that it leaves out of a file, once it has said so."""
    said: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", OperandoWarning)
        yield said
    for warning in caught:
        if issubclass(warning.category, OperandoWarning):
            said.append(str(warning.message))
        else:
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)


@dataclass(frozen=True)
class Processing:
    """One series of a recipe and what is done with its scans."""

    recipe: Recipe
    series: Series

    @property
    def folder(self) -> str:
        """The path of the series in the store."""
        return f"{self.series.technique}/{self.series.node}"

    @property
    def raw_node(self) -> str:
        """The path of the scans as measured."""
        return f"{self.folder}/raw"

    @property
    def processed_node(self) -> str:
        """The path of the scans worked up."""
        return f"{self.folder}/processed"

    @property
    def references_node(self) -> str:
        """The path of the references."""
        return f"{self.folder}/{REFERENCES}"

    def read(self, path: Path) -> xr.Dataset:
        """Read one scan as the recipe says."""
        settings = {"reader": self.series.reader, "timezone": self.recipe.zone(self.series), **self.series.read}
        return TECHNIQUES[self.series.technique].read(path, **settings)

    def nodes(self, scans: xr.Dataset, echem: Electrochemistry) -> dict[str, xr.Dataset]:
        """Return the scans as the store keeps them, linked and checked, and what the steps make of them."""
        technique = TECHNIQUES[self.series.technique]
        if "echem" in echem.tables:
            scans = link(scans, echem.tables["echem"], echem.clocks.get(self.series.clock or ""))
        check(scans, technique.layout("raw") + SERIES)
        if not self.series.steps:
            return {self.raw_node: self.stored(scans)}
        processed = check(self.processed(scans), technique.layout("processed") + SERIES)
        raw = self.stored(scans).assign_coords(flag=processed["flag"])
        return {self.raw_node: raw, self.processed_node: processed}

    def stored(self, scans: xr.Dataset) -> xr.Dataset:
        """Return the scans without the images that stay in their files."""
        referenced = () if self.series.copied else TECHNIQUES[self.series.technique].referenced
        return scans.drop_vars([name for name in referenced if name in scans])

    def processed(self, scans: xr.Dataset) -> xr.Dataset:
        """Return what the steps that work scan by scan make of the scans.

        Raises
        ------
        OperandoError
            Naming the step that refuses them.
        """
        state = {"raw": scans, "processed": _bare(scans, scans)}
        for section, step in self._steps():
            if step.prepares:
                state["raw"] = self._taken(section, step, state)
                state["processed"] = _bare(state["raw"], scans)
            elif not step.needs_all:
                state["processed"] = self._taken(section, step, state)
        return state["processed"]

    def over_all(self) -> Iterator[tuple[str, StepSection]]:
        """Yield the steps that need all scans, with the path of their nodes."""
        for section, step in self._steps():
            if step.needs_all:
                yield f"{self.folder}/{section.name}", section

    def from_all(self, section: StepSection, processed: xr.Dataset) -> xr.Dataset:
        """Return what a step makes of all scans of the series, checked."""
        made = self._taken(section, STEPS[self.series.technique][section.use], {"series": processed})
        return check(made, TECHNIQUES[self.series.technique].layout(section.use))

    @cached_property
    def references(self) -> xr.Dataset:
        """The references on the scale of the series, dims reference, energy.

        Raises
        ------
        FileError
            If one of the files cannot be read.
        OperandoError
            If no step before brings spectra to a scale.
        """
        wanted = self.series.references
        if wanted is None:
            raise OperandoError("expected [series.references] with the files of the substances")
        scans = stack([self._reference(wanted, name) for name in wanted.files])
        state = {"raw": scans, "processed": _bare(scans, scans)}
        for section, step in self._steps():
            if section.use in SCALES:
                own = {} if wanted.signal is None else {"signal": wanted.signal}
                state["processed"] = self._taken(section, step, state, **own)
        if "normalized" not in state["processed"]:
            raise OperandoError(
                f"expected a step among {', '.join(SCALES)} before, to scale the references by; got none"
            )
        names = np.array(list(wanted.files), dtype=object)
        kept = state["processed"].drop_vars(["time", "time_start", "time_end"], errors="ignore")
        return kept.rename(scan="reference").assign_coords(reference=("reference", names))

    def reference_files(self) -> dict[str, Path]:
        """Return the file of each reference."""
        wanted = self.series.references
        return {} if wanted is None else {name: self.recipe.folder / path for name, path in wanted.files.items()}

    def step_files(self) -> list[Path]:
        """Return the files within the recipe's folder that steps name."""
        named = {text for section, step in self._steps() if step.reads_files for text in _texts(section.parameters)}
        folder = self.recipe.folder.resolve()
        paths = ((folder / name).resolve() for name in sorted(named) if name)
        return [path for path in paths if path.is_file() and path.is_relative_to(folder)]

    def _reference(self, wanted: References, name: str) -> xr.Dataset:
        path = self.recipe.folder / wanted.files[name]
        reader = wanted.reader or self.series.reader
        keywords = self.series.read if wanted.read is None else wanted.read
        zone = wanted.timezone or self.recipe.zone(self.series)
        scan = TECHNIQUES[self.series.technique].read(path, reader=reader, timezone=zone, **keywords)
        if "scan" in scan.dims:
            raise FileError(path, "one scan", str(scan.sizes["scan"]), place=f"references.files.{name}")
        return scan

    def _steps(self) -> Iterator[tuple[StepSection, Step]]:
        known = STEPS[self.series.technique]
        return ((section, known[section.use]) for section in self.series.steps)

    def _taken(self, section: StepSection, step: Step, state: dict[str, xr.Dataset], **own: Any) -> xr.Dataset:
        """Run one step on what it works on, with the recipe's parameters and those of its ``own``."""
        try:
            given = [self.references if name == REFERENCES else state[name] for name in step.inputs]
            if step.reads_files:
                own = {**own, FOLDER: self.recipe.folder}
            return step.run(*given, **{**step.validated(section.parameters), **own})
        except OperandoError as error:
            raise OperandoError(f"step {section.use}: {error}") from None


def _bare(scans: xr.Dataset, measured: xr.Dataset) -> xr.Dataset:
    """Return scans without what was measured: their coordinates, and what preparing them has told of each."""
    return scans.drop_vars(
        [name for name, array in scans.data_vars.items() if name in measured or "energy" in array.dims]
    )


def _texts(value: Any) -> Iterator[str]:
    """Yield every text within nested tables and lists."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _texts(item)
