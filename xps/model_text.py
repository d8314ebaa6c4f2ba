"""A model as a plain table, as history, JSON and recipes hold it."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf, isfinite
from typing import Any

from operando.errors import OperandoError

from .constraints import Fixed, Free, Link
from .expressions import Expression
from .model import Background, Doublet, Line, Model, Peak

_PLAIN = ("name", "shape", "phase", "region", "ratio", "level", "kind")


def as_table(model: Model) -> dict[str, Any]:
    """Return the model in text, numbers, lists and tables."""
    table: dict[str, Any] = {"lines": [_line_table(line) for line in model.lines]}
    table["background"] = _given(vars(model.background), vars(Background()))
    if model.links:
        table["links"] = {name: _entry(link) for name, link in model.links.items()}
    if model.shifts:
        table["shifts"] = {name: _entry(shift) for name, shift in model.shifts.items()}
    if model.satellites:
        table["satellites"] = [list(pair) for pair in model.satellites]
    return table


def from_table(table: Mapping[str, Any]) -> Model:
    """Return the model that a table describes.

    Raises
    ------
    OperandoError
        If a key is unknown or a value makes no sense.
    """
    _check_keys(table, {"lines", "background", "links", "shifts", "satellites"}, "Model")
    lines = [_line(entry) for entry in table.get("lines", [])]
    links = {name: _quantity(entry) for name, entry in table.get("links", {}).items()}
    if not all(isinstance(link, Link | Expression) for link in links.values()):
        raise OperandoError("Model: expected links as tables with 'link', the name of a quantity, or 'expression'")
    shifts = {name: _quantity(entry) for name, entry in table.get("shifts", {}).items()}
    known = dict(table.get("background", {}))
    _check_keys(known, set(vars(Background())), "Background")
    background = Background(**{key: _quantity(value) for key, value in known.items()})
    return Model(lines, background, links=links, shifts=shifts, satellites=table.get("satellites", []))


def _line_table(line: Line) -> dict[str, Any]:
    kind = "doublet" if isinstance(line, Doublet) else "peak"
    own = {key: value for key, value in vars(line).items() if key != "parameters" and value is not None}
    return {"kind": kind} | {key: _entry(value) for key, value in {**own, **dict(line.parameters)}.items()}


def _line(entry: Mapping[str, Any]) -> Line:
    values = {key: value if key in _PLAIN else _quantity(value) for key, value in entry.items()}
    kind = values.pop("kind", "peak")
    makers: dict[str, type[Peak] | type[Doublet]] = {"peak": Peak, "doublet": Doublet}
    if kind not in makers:
        raise OperandoError(f"line {entry.get('name')!r}: expected the kind 'peak' or 'doublet', got {kind!r}")
    try:
        return makers[kind](**values)
    except TypeError as error:
        missing = str(error).split("missing", 1)[-1].strip()
        raise OperandoError(f"line {entry.get('name')!r}: missing {missing}") from None


def _given(values: Mapping[str, Any], usual: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _entry(value) for key, value in values.items() if key == "kind" or value != usual[key]}


def _entry(value: Any) -> Any:
    """Return a quantity as a number or a table; anything else as it is."""
    if isinstance(value, Free):
        limits = {"low": value.low, "high": value.high}
        return {"start": value.start} | {key: limit for key, limit in limits.items() if isfinite(limit)}
    if isinstance(value, Fixed):
        return {"fixed": value.value}
    if isinstance(value, Expression):
        return {"expression": value.text}
    if isinstance(value, Link):
        changed = {"factor": (value.factor, 1.0), "offset": (value.offset, 0.0)}
        return {"link": value.to} | {key: now for key, (now, usual) in changed.items() if now != usual}
    return value


def _quantity(entry: Any) -> Any:
    if not isinstance(entry, Mapping):
        return entry
    if "link" in entry:
        _check_keys(entry, {"link", "factor", "offset"}, "link")
        return Link(entry["link"], entry.get("factor", 1.0), entry.get("offset", 0.0))
    if "expression" in entry:
        _check_keys(entry, {"expression"}, "expression")
        return Expression(entry["expression"])
    if "fixed" in entry:
        _check_keys(entry, {"fixed"}, "fixed quantity")
        return Fixed(entry["fixed"])
    _check_keys(entry, {"start", "low", "high"}, "quantity")
    if "start" not in entry:
        raise OperandoError(
            f"quantity: expected 'start', 'fixed', 'link' or 'expression', got {', '.join(entry) or 'nothing'}"
        )
    return Free(entry["start"], entry.get("low", -inf), entry.get("high", inf))


def _check_keys(table: Mapping[str, Any], known: set[str], what: str) -> None:
    unknown = sorted(set(table) - known)
    if unknown:
        raise OperandoError(f"{what}: expected keys among {', '.join(sorted(known))}, got {', '.join(unknown)}")
