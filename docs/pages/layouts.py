"""The tables of the data model, from the layouts that every store is held against."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from operando.schema import LINKED, RECORDED, SERIES, Layout, Variable

from .tables import escaped, heading, literal, rst_table

_HOLDERS = {
    "operando.schema": "Cell and electrochemistry",
    "operando.xas.layout": "Absorption",
    "operando.xas.xpeem.layout": "XPEEM",
    "operando.xps.layout": "Photoemission",
    "operando.tomo.layout": "Tomography",
}
_KINDS = {"f": "float", "iu": "integer", "b": "true or false", "M": "time", "T": "text", "fiu": "number"}


def write(folder: Path) -> None:
    """Write one page a technique, and one of what all series share."""
    for module, title in _HOLDERS.items():
        found = [value for value in vars(import_module(module)).values() if isinstance(value, Layout)]
        parts = [heading(title, "="), *(_section(layout) for layout in found if layout.variables)]
        (folder / f"{title.split()[0].lower()}.rst").write_text("\n".join(parts), encoding="utf-8")
    (folder / "series.rst").write_text(_shared(), encoding="utf-8")


def _shared() -> str:
    parts = [
        heading("Every series", "="),
        "Coordinates of every node with a dim ``scan``; the tables of the techniques leave them out.",
        "",
    ]
    for title, variables in (
        ("Times and sources", SERIES),
        ("State of the cell, from linking", LINKED),
        ("Clock as recorded", RECORDED),
    ):
        parts += [heading(title), _table(variables)]
    return "\n".join(parts)


def _section(layout: Layout) -> str:
    shared = (
        {var.name for var in (*SERIES, *LINKED, *RECORDED)}
        if any("scan" in var.dims for var in layout.variables)
        else set()
    )
    own = [var for var in layout.variables if var.name not in shared or "scan" not in var.dims]
    needed = f"Attributes: {', '.join(map(literal, layout.attributes))}.\n" if layout.attributes else ""
    about = layout.meaning[0].upper() + layout.meaning[1:]
    return "\n".join([heading(layout.name), escaped(about) + ".", "", needed, _table(own) if own else ""])


def _table(variables: tuple[Variable, ...] | list[Variable]) -> str:
    rows = (
        (
            literal(var.name),
            literal(", ".join(var.dims)),
            escaped(var.units) if var.units else "",
            _KINDS[var.kind],
            escaped(var.meaning) + ("" if var.required else " *(if known)*"),
        )
        for var in variables
    )
    return rst_table(("variable", "dims", "unit", "kind", "meaning"), rows, (22, 20, 10, 10, 38))
