"""The reference of recipes, from the models that check them and the one table of steps."""

from __future__ import annotations

import inspect
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from operando.pipelines.recipe import Recipe
from operando.pipelines.steps import STEPS
from operando.pipelines.steps.step import Step

from .tables import escaped, heading, literal, rst_table

_TECHNIQUES = {"xas": "absorption", "xpeem": "XPEEM", "xps": "photoemission", "xtm": "tomography"}


def write(folder: Path) -> None:
    """Write the keys of a recipe, and the steps of every technique."""
    (folder / "keys.rst").write_text(_keys(), encoding="utf-8")
    for technique, steps in STEPS.items():
        title = f"Steps of {_TECHNIQUES[technique]}"
        about = f'``technique = "{technique}"``; steps are taken in the order of the recipe.'
        parts = [heading(title, "="), about, "", *(_step(name, step) for name, step in steps.items())]
        (folder / f"steps_{technique}.rst").write_text("\n".join(parts), encoding="utf-8")


def _keys() -> str:
    parts = [
        heading("Keys of a recipe", "="),
        "A key that is not listed here is an error, and the message says which one may be meant.",
        "",
    ]
    for name, model in sections(Recipe, ""):
        fields = [(key, info) for key, info in model.model_fields.items() if not section_of(info)]
        if not fields:
            continue
        parts += [heading(name), escaped(inspect.getdoc(model) or ""), ""]
        rows = (
            (literal(key), _type(info.annotation), _default(info), escaped(info.description or ""))
            for key, info in fields
        )
        parts += [rst_table(("key", "value", "default", "meaning"), rows, (20, 24, 16, 40))]
    return "\n".join(parts)


def sections(model: type[BaseModel], where: str) -> Iterator[tuple[str, type[BaseModel]]]:
    """Yield the tables of a recipe by the heads they have in the file."""
    if where:
        yield where, model
    for key, info in model.model_fields.items():
        inner = section_of(info)
        if inner is None:
            continue
        path = ".".join(filter(None, (where.strip("[]"), key)))
        kind = get_origin(info.annotation)
        path = f"{path}.NAME" if kind is dict else path
        yield from sections(inner, f"[[{path}]]" if kind is list else f"[{path}]")


def section_of(info: FieldInfo) -> type[BaseModel] | None:
    """Return the model of a key that is a table itself."""
    for part in (info.annotation, *get_args(info.annotation)):
        if inspect.isclass(part) and issubclass(part, BaseModel):
            return part
    return None


def _step(name: str, step: Step) -> str:
    words = inspect.getdoc(step.run) or ""
    after = f"Comes after the step ``{step.after}``.\n" if step.after else ""
    fields = step.parameters.model_fields
    rows = ((literal(key), _type(info.annotation), _default(info)) for key, info in fields.items())
    shown = rst_table(("parameter", "value", "default"), rows, (30, 40, 30)) if fields else "No parameters.\n"
    return "\n".join([heading(name), words, "", after, shown])


_PLAIN = {str: "text", float: "number", int: "whole number", bool: "true or false", Any: "any"}


def _type(annotation: Any) -> str:
    """Return a type in words that a recipe's author knows."""
    if annotation in _PLAIN:
        return _PLAIN[annotation]
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return ", ".join(literal(repr(part).replace("'", '"')) for part in parts)
    if not parts:
        return str({"datetime": "time"}.get(annotation.__name__, annotation.__name__))
    inner = [_type(part) for part in parts if part not in (type(None), ...)]
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(inner))
    return {tuple: f"[{', '.join(inner)}]", dict: f"table of {inner[-1]}"}.get(origin, f"list of {inner[0]}")


def _default(info: FieldInfo) -> str:
    if info.is_required():
        return "*required*"
    value = info.default_factory() if info.default_factory else info.default  # type: ignore[call-arg]
    if value is None or value in ([], {}, ()):
        return ""
    if isinstance(value, bool):
        return literal(str(value).lower())
    if isinstance(value, BaseModel):
        return ""
    return literal(repr(list(value) if isinstance(value, tuple) else value).replace("'", '"'))
