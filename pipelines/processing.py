"""What a recipe makes of a series: its scans linked, prepared, worked up and compared with references."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from operando.errors import FileError, OperandoError, OperandoWarning
from operando.flags import Flag, raised
from operando.folders import require_inside, within
from operando.hdf5_writing import is_being_written
from operando.linking import link
from operando.schema import SERIES, check
from operando.series import stack

from .recipe import Recipe
from .recipe_tables import REFERENCES, References, Series, StepSection
from .sources import ENTRY, checksum_with, file_of, made_from
from .steps import STEPS, TECHNIQUES, Step

if TYPE_CHECKING:
    import xarray as xr

    from .derived_volumes import Place
    from .electrochemistry import Electrochemistry

FIRST, FIRST_RAW, PREVIOUS_RAW = "first", "first_raw", "previous_raw"
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
    opened: dict[str, xr.Dataset] = field(default_factory=dict, compare=False, repr=False)
    """Scans that were opened again, by their source; their images stay in their files."""

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

    def read(self, path: Path, *, trial: bool = False) -> xr.Dataset:
        """Read one scan as the recipe says; a step that makes scans of what the file holds is taken.

        An HDF5 file that is still being written is flagged as truncated.

        Parameters
        ----------
        path
            The file.
        trial
            Whether such a step is only tried, so that nothing is computed or kept.

        Raises
        ------
        FileError
            If it cannot be read, or holds something else than scans of the technique, such as projections.
        OperandoError
            If a step cannot make a scan of it.
        """
        technique = TECHNIQUES[self.series.technique]
        settings = {"reader": self.series.reader, "timezone": self.recipe.zone(self.series), **self.series.read}
        with within(self.recipe.folders):
            scan = technique.read(path, **settings)
        for section, step in self._steps():
            if step.makes_scans:
                places = [None] * _count(scan) if trial else self._places(path, scan, section)
                scan = self._made(section, step, scan, places)
        if technique.axis not in scan.dims:
            kind = next((name for name in technique.referenced if name in scan), "a scan")
            got = f"{kind} along {', '.join(map(str, scan.dims))}"
            makers = [name for name, step in STEPS[technique.name].items() if step.makes_scans]
            remedy = f"put the step {makers[0]!r} first" if makers else f"make {technique.name} scans of it first"
            raise FileError(path, f"scans along {technique.axis}", got, remedy=remedy)
        return scan.assign_coords(flag=raised(scan["flag"], Flag.truncated)) if is_being_written(path) else scan

    def _places(self, path: Path, scan: xr.Dataset, section: StepSection) -> list[Place]:
        """Return where what is made of the scans of a file is kept."""
        from .derived_volumes import place_of

        images = str(np.ravel(scan["images"].values)[0]) if "images" in scan.coords else ""
        parameters = STEPS[self.series.technique][section.use].validated(section.parameters)
        origin = checksum_with(path, images), scan.attrs.get("settings"), parameters
        folder, file = self.recipe.volumes / self.series.node, path.relative_to(self.recipe.folder).as_posix()
        entries = [str(source).partition(ENTRY) for source in np.ravel(scan["source"].values)]
        return [
            place_of(folder, f"{file}{mark}{entry}", made_from(*origin, entry), self.recipe.folder)
            for _, mark, entry in entries
        ]

    def _made(self, section: StepSection, step: Step, scan: xr.Dataset, places: Sequence[Place | None]) -> xr.Dataset:
        """Return what a step makes of each scan of a file, as a series if it holds several."""
        if "scan" not in scan.dims:
            return self._taken(section, step, {"scan": scan, "place": places[0]})
        made = [
            self._taken(section, step, {"scan": scan.isel(scan=number), "place": place})
            for number, place in enumerate(places)
        ]
        return stack(made, TECHNIQUES[self.series.technique].axis, interpolate=False)

    def nodes(
        self,
        scans: xr.Dataset,
        echem: Electrochemistry,
        first: xr.Dataset | None = None,
        previous: xr.Dataset | None = None,
    ) -> dict[str, xr.Dataset]:
        """Return the scans as the store keeps them, linked and checked, and what the steps make of them.

        ``first`` is the first scan of the series as it was worked up, if these come later, and ``previous`` the one
        before these.
        """
        technique = TECHNIQUES[self.series.technique]
        if "echem" in echem.tables:
            scans = link(scans, echem.tables["echem"], echem.clocks.get(self.series.clock or ""))
        check(scans, technique.layout("raw") + SERIES)
        if not self.series.steps:
            return {self.raw_node: self.stored(scans)}
        processed = self.stored(check(self.processed(scans, first, previous), technique.layout("processed") + SERIES))
        raw = self.stored(scans).assign_coords(flag=processed["flag"])
        return {self.raw_node: raw, self.processed_node: processed}

    def stored(self, scans: xr.Dataset) -> xr.Dataset:
        """Return the scans without the images that stay in their files."""
        referenced = () if self.series.copied else TECHNIQUES[self.series.technique].referenced
        return scans.drop_vars([name for name in referenced if name in scans])

    def processed(
        self, scans: xr.Dataset, first: xr.Dataset | None = None, previous: xr.Dataset | None = None
    ) -> xr.Dataset:
        """Return what the steps that work scan by scan make of scans; ``first`` and ``previous`` ones may be known.

        Raises
        ------
        OperandoError
            Naming the step that refuses them.
        """
        nothing = scans.drop_vars(list(scans.variables)).drop_attrs()
        state = {"raw": scans, "processed": self._bare(scans, scans), FIRST: nothing}
        state |= {FIRST: first} if first is not None else {}
        state |= self._reopened({FIRST_RAW: first, PREVIOUS_RAW: previous}, scans)
        for section, step in self._steps():
            if step.prepares:
                state["raw"] = self._taken(section, step, state)
                state["processed"] = self._bare(state["raw"], scans)
            elif not (step.needs_all or step.makes_scans):
                state["processed"] = self._taken(section, step, state)
        return state["processed"]

    def _reopened(self, known: Mapping[str, xr.Dataset | None], scans: xr.Dataset) -> dict[str, xr.Dataset]:
        """Return scans that are in the store as the steps see scans, from their files, if any step asks for them.

        None is read twice in a row, and one that is asked for no more is let go.
        """
        nothing = scans.drop_vars(list(scans.variables)).drop_attrs()
        asked = {name for _, step in self._steps() for name in step.inputs}
        sources = {
            name: str(one["source"].values[0]) for name, one in known.items() if one is not None and name in asked
        }
        for gone in self.opened.keys() - set(sources.values()):
            del self.opened[gone]
        for source in sources.values():
            if source not in self.opened:
                self.opened[source] = self._as_seen(source, scans)
        return {name: self.opened[sources[name]] if name in sources else nothing for name in known}

    def _as_seen(self, source: str, scans: xr.Dataset) -> xr.Dataset:
        """Return a scan from its file, prepared."""
        axis = TECHNIQUES[self.series.technique].axis
        raw = stack([self.read(self.recipe.folder / file_of(source))], axis, scans[axis].values, interpolate=False)
        for section, step in self._steps():
            raw = self._taken(section, step, {"raw": raw}) if step.prepares else raw
        return raw

    def over_all(self) -> Iterator[tuple[str, StepSection]]:
        """Yield the steps that need all scans, with the path of their nodes."""
        for section, step in self._steps():
            if step.needs_all:
                yield f"{self.folder}/{section.name}", section

    def from_all(self, section: StepSection, processed: xr.Dataset, raw: xr.Dataset | None = None) -> xr.Dataset:
        """Return what a step makes of all scans of the series, checked.

        ``raw`` are the scans as the store keeps them, for steps that ask for them.
        """
        made = self.over_these(section, processed, raw)
        return check(made, TECHNIQUES[self.series.technique].layout(section.use))

    def over_these(self, section: StepSection, processed: xr.Dataset, raw: xr.Dataset | None = None) -> xr.Dataset:
        """Return what a step over all scans makes of some, unchecked; the measured ones are prepared for it first."""
        wanted = STEPS[self.series.technique][section.use]
        state = {"series": processed}
        if "raw" in wanted.inputs and raw is not None:
            state["raw"] = raw
            for own, step in self._steps():
                state["raw"] = self._taken(own, step, state) if step.prepares else state["raw"]
        return self._taken(section, wanted, state)

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
        state, known = {"raw": scans, "processed": self._bare(scans, scans)}, STEPS[self._spectra]
        for section in self.series.steps:
            if section.use in SCALES:
                own = {} if wanted.signal is None else {"signal": wanted.signal}
                state["processed"] = self._taken(section, known[section.use], state, **own)
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
        """Return the files that steps name."""
        parameters = (self._parameters(section, step).values() for section, step in self._steps())
        named = [value if isinstance(value, list) else [value] for values in parameters for value in values]
        return [path for values in named for path in values if isinstance(path, Path)]

    def missing_files(self) -> list[Path]:
        """Return the files that steps name and that are not there."""
        return [path for path in self.step_files() if not path.is_file()]

    def _parameters(self, section: StepSection, step: Step) -> dict[str, Any]:
        """Return the parameters of a step; the files that it names lie beside the recipe."""
        return {name: self._placed(value) for name, value in step.validated(section.parameters).items()}

    def _placed(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._placed(item) for item in value]
        if not isinstance(value, Path):
            return value
        require_inside(self.recipe.folder / value, self.recipe.folders)
        return self.recipe.folder / value

    def _reference(self, wanted: References, name: str) -> xr.Dataset:
        path = self.recipe.folder / wanted.files[name]
        reader = wanted.reader or self.series.reader
        keywords = self.series.read if wanted.read is None else wanted.read
        zone = wanted.timezone or self.recipe.zone(self.series)
        with within(self.recipe.folders):
            scan = TECHNIQUES[self._spectra].read(path, reader=reader, timezone=zone, **keywords)
        if "scan" in scan.dims:
            raise FileError(path, "one scan", str(scan.sizes["scan"]), place=f"references.files.{name}")
        return scan

    @property
    def _spectra(self) -> str:
        """The technique of the references."""
        return TECHNIQUES[self.series.technique].spectra or self.series.technique

    def _steps(self) -> Iterator[tuple[StepSection, Step]]:
        known = STEPS[self.series.technique]
        return ((section, known[section.use]) for section in self.series.steps)

    def _taken(self, section: StepSection, step: Step, state: Mapping[str, Any], **own: Any) -> xr.Dataset:
        """Run one step on what it works on, with the recipe's parameters and those of its ``own``."""
        try:
            given = [self.references if name == REFERENCES else state[name] for name in step.inputs]
            return step.run(*given, **{**self._parameters(section, step), **own})
        except OperandoError as error:
            raise OperandoError(f"step {section.use}: {error}") from None

    def _bare(self, scans: xr.Dataset, measured: xr.Dataset) -> xr.Dataset:
        """Return scans without what was measured: their coordinates, and what preparing them has told of each."""
        axis = TECHNIQUES[self.series.technique].axis
        return scans.drop_vars(
            [name for name, array in scans.data_vars.items() if name in measured or axis in array.dims]
        )


def _count(scan: xr.Dataset) -> int:
    return int(scan.sizes.get("scan", 1))
