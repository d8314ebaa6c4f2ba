"""The recipe of an experiment: one TOML file, checked as a whole before anything is computed."""

from __future__ import annotations

import errno
from collections.abc import Iterable
from copy import deepcopy
from itertools import takewhile
from operator import attrgetter
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field, PrivateAttr, ValidationError

from operando.errors import FileError, RecipeError
from operando.folders import require_inside

from .mistakes import sentences, step_sentences, suggestion
from .recipe_tables import (
    REFERENCE_CLOCK,
    REFERENCES,
    Cell,
    ClockEvent,
    ClockSection,
    ClusterSection,
    Echem,
    Experiment,
    Log,
    OnsetSection,
    References,
    Section,
    Series,
    Zoned,
)
from .steps import STEPS, TECHNIQUES
from .toml_text import read_toml

RECIPE_NAME = "beamtime.toml"


class Recipe(Section):
    """The whole recipe."""

    experiment: Experiment = Experiment()
    cell: Cell = Cell()
    echem: Echem | None = None
    onsets: dict[str, OnsetSection] = Field(default_factory=dict)
    clocks: dict[str, ClockSection] = Field(default_factory=dict)
    cluster: ClusterSection = ClusterSection()
    series: list[Series] = Field(default_factory=list)
    _path: Path = PrivateAttr(default=Path(RECIPE_NAME))
    _text: str = PrivateAttr(default="")

    @property
    def path(self) -> Path:
        """The recipe's own file."""
        return self._path

    @property
    def text(self) -> str:
        """The recipe as written."""
        return self._text

    @property
    def folder(self) -> Path:
        """The folder that all paths start from."""
        return self._path.parent

    @property
    def folders(self) -> tuple[Path, ...]:
        """The folders that may be read and written to: the recipe's own, and those it declares."""
        return (self.folder.resolve(), *((self.folder / name).resolve() for name in self.experiment.folders))

    @property
    def title(self) -> str:
        """The experiment's name, else the folder's."""
        return self.experiment.name or self.folder.resolve().name

    @property
    def store(self) -> Path:
        """The store that a run writes."""
        return self.folder / (self.experiment.store or f"{self.folder.resolve().name}.zarr")

    @property
    def report(self) -> Path:
        """The report that a run writes."""
        return self.folder / (self.experiment.report or "report.html")

    @property
    def volumes(self) -> Path:
        """The folder that a run keeps reconstructed volumes in; beside the store, named after it, by default."""
        default = self.store.with_name(f"{self.store.stem}.volumes")
        return self.folder / self.experiment.volumes if self.experiment.volumes else default

    def zone(self, section: Zoned) -> str | None:
        """Return the zone of a section's local times: its own, else the experiment's."""
        return section.timezone or self.experiment.timezone

    def files(self, log: Log) -> list[Path]:
        """Return the files a section names, each once, in natural order (``scan_2`` before ``scan_10``).

        A link to nothing is among them: it stands for a file that is missing, not for no file. Folders are, too, where
        a reader of the series takes one as one scan.
        """
        found = {path for pattern in log.files for path in _matching(self.folder, pattern)}
        taken = takes_folders(log)
        found = {path for path in found if not _is_folder(path) or (taken and path != self.store)}
        return sorted(found, key=lambda path: natural_key(path.relative_to(self.folder).as_posix()))


def takes_folders(log: Log) -> bool:
    """Whether the reader of a series, or any that may be chosen for it, takes a folder as one scan."""
    if not isinstance(log, Series) or log.technique not in TECHNIQUES:
        return False
    formats = TECHNIQUES[log.technique].formats()
    return any(fmt.folders for fmt in formats if log.reader in (None, fmt.name))


def _matching(folder: Path, pattern: str) -> list[Path]:
    """Return what a pattern matches; one that is longer than any name matches nothing."""
    try:
        return list(folder.glob(pattern))
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        return []


def _is_folder(path: Path) -> bool:
    """Whether a path is known to be a folder; one that may not be looked at is left to its reader to complain."""
    try:
        return path.is_dir()
    except OSError:
        return False


def natural_key(text: str) -> list[tuple[int, int, str]]:
    """Return a key that sorts numbers in names by value."""
    import re

    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in re.split(r"(\d+)", text) if part]


def load(path: str | Path) -> Recipe:
    """Read and validate a recipe, or the ``beamtime.toml`` of a folder.

    Parameters
    ----------
    path
        The recipe, or the folder that holds ``beamtime.toml``.

    Returns
    -------
    Recipe
        Valid by itself; :func:`~operando.pipelines.check.check` holds it against its files.

    Raises
    ------
    FileError
        If there is no recipe or it is not TOML.
    RecipeError
        With every problem: file, key, what was expected, what came.
    """
    path = Path(path)
    path = path / RECIPE_NAME if path.is_dir() else path
    text, tables = read_toml(path, "a recipe", missing=f"write one with 'operando init {path.parent}'")
    try:
        recipe = Recipe.model_validate(tables)
    except ValidationError as error:
        sound = _without_mistakes(tables, error)
        found = [*sentences(error, _known_keys), *(_problems(sound) if sound is not None else ())]
        raise RecipeError(f"{path}: {text}" for text in found) from None
    recipe._path, recipe._text = path, text
    found = [f"{path}: {text}" for text in _problems(recipe)]
    if found:
        raise RecipeError(found)
    return recipe


def _without_mistakes(tables: dict[str, Any], error: ValidationError) -> Recipe | None:
    """Return what a recipe says without the keys in ``error``, to judge the rest; None if it says too little."""
    rest = deepcopy(tables)
    for item in error.errors():
        section: Any = rest
        for part in item["loc"][:-1]:
            section = section.get(part) if isinstance(section, dict) else section[part]
        if item["type"] == "missing" or not isinstance(section, dict):
            return None
        wrong = section.pop(item["loc"][-1], None)
        if item["type"] == "value_error" and isinstance(wrong, dict):
            section[item["loc"][-1]] = {}
    try:
        return Recipe.model_validate(rest)
    except ValidationError:
        return None


def _known_keys(where: tuple[int | str, ...]) -> list[str]:
    """Return the keys of the section at ``where``."""
    model: type[BaseModel] = Recipe
    children: dict[str, type[BaseModel]] = {
        "experiment": Experiment,
        "cell": Cell,
        "echem": Echem,
        "onsets": OnsetSection,
        "clocks": ClockSection,
        "shared_channel": Log,
        "events": ClockEvent,
        "series": Series,
        "references": References,
    }
    for part in where:
        model = children.get(str(part), model)
    return list(model.model_fields)


def _problems(recipe: Recipe) -> Iterable[str]:
    """Yield what pydantic cannot see: names that must exist elsewhere."""
    nodes: set[tuple[str, str]] = set()
    reference = recipe.echem.clock if recipe.echem else REFERENCE_CLOCK
    scale = ("echem", "cell.reference_electrode", "cell.potential_offset")
    yield from _path_problems(recipe)
    lacking = [name for name in scale if attrgetter(name)(recipe) is None]
    if recipe.onsets and lacking:
        yield f"onsets: needs {' and '.join(lacking)}: thresholds are potentials vs Li+/Li, and the log crosses them"
    for name, clock in recipe.clocks.items():
        if clock.reference != reference:
            yield f"clocks.{name}.reference: expected the electrochemistry's {reference!r}, got {clock.reference!r}"
        if recipe.echem is None:
            yield f"clocks.{name}: needs [echem], whose clock it is compared with"
        if name == reference:
            yield f"clocks.{name}: {reference!r} is the electrochemistry's own clock, which all others are brought to"
    for number, series in enumerate(recipe.series):
        key = f"series.{number}"
        if series.technique not in TECHNIQUES:
            yield f"{key}.technique: expected one of {', '.join(TECHNIQUES)}, got {series.technique!r}"
            continue
        node = (series.technique, series.node.lower())
        if node in nodes:
            yield f"{key}.node: {series.node!r} is named twice (capitals do not tell nodes apart)"
        nodes.add(node)
        clocks = [reference, *recipe.clocks]
        if series.clock is not None and series.clock not in clocks:
            yield f"{key}.clock: unknown clock {series.clock!r}{suggestion(series.clock, clocks)}"
        yield from _reader_problems(key, series)
        yield from _step_problems(key, series)


def _path_problems(recipe: Recipe) -> Iterable[str]:
    """Yield the paths that lead out of the declared folders, by the recipe's own words."""
    logs: list[tuple[str, Log | None]] = [("echem", recipe.echem)]
    logs += [(f"clocks.{name}.shared_channel", clock.shared_channel) for name, clock in recipe.clocks.items()]
    logs += [(f"series.{number}", series) for number, series in enumerate(recipe.series)]
    paths = [(f"experiment.{key}", getattr(recipe, key)) for key in ("store", "report", "volumes")]
    for key, log in logs:
        patterns = log.files if log is not None else []
        paths += [(f"{key}.files", recipe.folder / _fixed_part(pattern)) for pattern in patterns]
        references = log.references.files if isinstance(log, Series) and log.references else {}
        paths += [(f"{key}.references.files.{name}", recipe.folder / path) for name, path in references.items()]
    for key, path in paths:
        try:
            require_inside(path, recipe.folders)
        except FileError as error:
            yield f"{key}: expected {error.expected}, got {error.got}; {error.remedy}"


def _fixed_part(pattern: str) -> Path:
    """Return the folders of a pattern before the first wildcard."""
    parts = Path(pattern).parts
    return Path(*takewhile(lambda part: not any(char in part for char in "*?["), parts))


def _reader_problems(key: str, series: Series) -> Iterable[str]:
    names = [fmt.name for fmt in TECHNIQUES[series.technique].formats()]
    if series.reader is not None and series.reader not in names:
        yield f"{key}.reader: unknown reader {series.reader!r}{suggestion(series.reader, names)}"


def _step_problems(key: str, series: Series) -> Iterable[str]:
    known, working = STEPS[series.technique], ""
    nodes, before = {"raw", "processed", REFERENCES}, set[str]()
    for number, section in enumerate(series.steps):
        where = f"{key}.steps.{number}"
        if section.use not in known:
            yield f"{where}.use: unknown step {section.use!r}{suggestion(section.use, known)}"
            continue
        step = known[section.use]
        try:
            step.validated(section.parameters)
        except ValidationError as error:
            yield from (f"{where}.{text}" for text in step_sentences(error, list(step.parameters.model_fields)))
        if step.prepares and working:
            yield f"{where}.use: {section.use!r} changes the scans themselves, so it comes before {working!r}"
        if step.makes_scans and number:
            yield f"{where}.use: {section.use!r} makes the scans, so it comes first, before {series.steps[0].use!r}"
        working = working or ("" if step.prepares or step.makes_scans else section.use)
        if step.after and step.after not in before:
            yield f"{where}.use: {section.use!r} works on what {step.after!r} finds; put that step before it"
        before.add(section.use)
        if "references" in step.inputs and series.references is None:
            yield f"{where}.use: {section.use!r} needs [series.references] with the files of the substances"
        if section.node is not None and not step.needs_all:
            yield f"{where}.node: {section.use!r} works scan by scan and has no node of its own"
        if step.needs_all and section.name in nodes:
            yield f"{where}.node: {section.name!r} is taken; give this step another node"
        nodes |= {section.name} if step.needs_all else set()
