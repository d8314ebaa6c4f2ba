"""What a widget did, as a step of a recipe: a click-through becomes a batch run."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from operando.errors import FileError, OperandoError, RecipeError
from operando.pipelines.export.whole_files import written_whole
from operando.pipelines.mistakes import step_sentences
from operando.pipelines.recipe import RECIPE_NAME, Recipe, load
from operando.pipelines.steps import STEPS
from operando.pipelines.toml_text import toml, toml_key

from .recipe_places import Block, series_blocks


@dataclass(frozen=True)
class RecordedStep:
    """A step and its parameters, in the words of the recipe.

    Parameters
    ----------
    technique
        Such as ``xtm``.
    use
        The step's name, one of ``operando.pipelines.steps.STEPS[technique]``.
    parameters
        What differs from the step's defaults; None is left out.
    """

    technique: str
    use: str
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        given = {name: _plain(value) for name, value in self.parameters.items() if value is not None}
        object.__setattr__(self, "parameters", given)

    def checked(self) -> RecordedStep:
        """Return the step if a recipe may hold it.

        Raises
        ------
        OperandoError
            If there is no such step, or a parameter is unknown or of a wrong kind.
        """
        known = STEPS.get(self.technique, {})
        if self.use not in known:
            raise OperandoError(f"{self.technique}: expected a step among {', '.join(known)}, got {self.use!r}")
        step = known[self.use]
        try:
            step.validated(self.parameters)
        except ValidationError as error:
            first = next(iter(step_sentences(error, list(step.parameters.model_fields))))
            raise OperandoError(f"{self.use}: {first}") from None
        return self

    def toml(self, indent: str = "", folder: Path | None = None) -> str:
        """Return the step as a table of a recipe, ready to be pasted behind a series.

        Parameters
        ----------
        indent
            Blanks before each line.
        folder
            That of the recipe, from which files are named where they lie in it.
        """
        lines = ["[[series.steps]]", f"use = {toml(self.use)}"]
        for name, value in self.parameters.items():
            shown = _named(value, folder) if isinstance(value, Path) else value
            lines += f"{toml_key(name)} = {_value(shown)}".splitlines()
        return "".join(f"{indent}{line}\n" for line in lines)


def write_steps(recipe: str | Path, steps: Sequence[RecordedStep], node: str = "") -> Path:
    """Write steps into a recipe and return its path.

    Each goes behind the last step of the series; one of the same name takes the place of the last one there, which
    stays as a comment. All else of the file stays as it is, comments too. The file is replaced at once, and only by a
    recipe that is valid as a whole.

    Parameters
    ----------
    recipe
        The file, or the folder that holds ``beamtime.toml``.
    steps
        Of one technique.
    node
        The series, such as ``composite``; may be left out where the technique has one.

    Raises
    ------
    RecipeError
        If the recipe is not valid, or would not be with the steps.
    OperandoError
        If a step is none, there is no such series, or the file cannot be written.
    """
    path = Path(recipe)
    path = path / RECIPE_NAME if path.is_dir() else path
    loaded = load(path)
    number = _series(loaded, [step.checked() for step in steps], node)
    content = path.read_bytes().decode("utf-8")
    ends = "\r\n" if "\r\n" in content else "\n"
    lines = content.replace("\r\n", "\n").split("\n")
    for step in steps:
        lines = _placed(lines, number, step, path)
    with written_whole(path, overwrite=True) as aside:
        aside.write_bytes(ends.join(lines).encode("utf-8"))
        shutil.copymode(path, aside)
        _check(aside, path)
    return path


def _check(aside: Path, path: Path) -> None:
    """Refuse a recipe that is not valid, by the name that it was to have."""
    try:
        load(aside)
    except RecipeError as error:
        raise RecipeError(text.replace(str(aside), str(path)) for text in error.problems) from None
    except FileError as error:
        raise FileError(path, error.expected, error.got, place=error.place, remedy="write the step by hand") from None


def _series(recipe: Recipe, steps: Iterable[RecordedStep], node: str) -> int:
    """Return which series of a recipe steps belong to."""
    techniques = {step.technique for step in steps}
    if len(techniques) != 1:
        raise OperandoError(f"recipe: expected steps of one technique, got {', '.join(sorted(techniques)) or 'none'}")
    (technique,) = techniques
    fitting = {
        number: series.node
        for number, series in enumerate(recipe.series)
        if series.technique == technique and node in ("", series.node)
    }
    if len(fitting) != 1:
        wanted = f"a series {node!r} of {technique}" if node else f"one series of {technique}"
        remedy = f"write one with 'operando init {recipe.folder}'" if not fitting else "name the one that is meant"
        raise OperandoError(f"{recipe.path}: expected {wanted}, got {', '.join(fitting.values()) or 'none'}; {remedy}")
    return next(iter(fitting))


def _placed(lines: list[str], number: int, step: RecordedStep, path: Path) -> list[str]:
    """Return the lines of a recipe with a step in its series."""
    blocks = series_blocks(lines)
    if number >= len(blocks):
        remedy = "write [[series]] and [[series.steps]] as tables of their own"
        raise OperandoError(f"{path}: expected series as tables, got lists; {remedy}")
    series = blocks[number]
    new = step.toml(series.indent, path.parent).splitlines()
    alike = [one for one in series.steps if one.use == step.use]
    if not alike:
        before = series.end
        return [*lines[:before], "", *new, *lines[before:]]
    old = alike[-1]
    if _same(lines, old, new):
        return lines
    kept = [f"{series.indent}# before: {line.strip()}" for line in lines[old.start : old.end] if line.strip()]
    return [*lines[: old.start], *new, *kept, *lines[old.end :]]


def _same(lines: list[str], old: Block, new: list[str]) -> bool:
    return [line.strip() for line in lines[old.start : old.end]] == [line.strip() for line in new]


def _plain(value: Any) -> Any:
    """Return a value as TOML has it: numbers, texts, lists and tables."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items() if item is not None}
    if isinstance(value, np.ndarray | list | tuple):
        return [_plain(item) for item in value]
    return value.item() if isinstance(value, np.generic) else value


def _named(file: Path, folder: Path | None) -> str:
    """Return the name of a file as a recipe in a folder has it."""
    within = folder is not None and file.resolve().is_relative_to(folder.resolve())
    return (file.resolve().relative_to(folder.resolve()) if folder and within else file).as_posix()


def _value(value: Any) -> str:
    """Return a value as TOML writes it; a list of tables takes a line for each."""
    if isinstance(value, list) and any(isinstance(item, Mapping) for item in value):
        return "[\n" + "".join(f"  {toml(item)},\n" for item in value) + "]"
    return toml(value)
