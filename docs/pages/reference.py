"""The reference: a list of names a page, and a page a name."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from pathlib import Path

from .public import MODULES, Public, drawing, errors, named, table
from .tables import rst_table

TITLES = {
    "operando": (
        "Linking and queries",
        "What ties the techniques together: one clock, one state of the cell, questions.",
    ),
    "operando.xas": ("Absorption", "From counts to edges, depths and mixtures; single spectra and series."),
    "operando.xas.xpeem": ("XPEEM", "From stacks of images to spectra of regions and maps of pixels."),
    "operando.xps": ("Photoemission", "From counts to species, shifts and layers; single spectra and series."),
    "operando.tomo": ("Tomography", "Cracks, voids and particles in volumes larger than memory."),
    "electrochemistry": ("Electrochemistry", "Logs of one cell: charge, cycles, resistance."),
    "model": ("Shared model", "Clocks, layouts, flags, units, history and stores."),
    "pipelines": ("Recipes and runs", "What the commands call, for programs."),
    "drawing": ("Figures", "Functions that draw with matplotlib; they take axes and return them."),
}


def write(folder: Path) -> None:
    """Write the lists of names; autosummary makes a page of each name."""
    for key, (title, about) in TITLES.items():
        (folder / f"{key.removeprefix('operando.')}.rst").write_text(_page(title, about, _names(key)), encoding="utf-8")
    (folder / "readers.rst").write_text(_readers(), encoding="utf-8")
    (folder / "errors.rst").write_text(_classes(errors()), encoding="utf-8")


def _names(key: str) -> list[Public]:
    if key == "drawing":
        return drawing()
    if key in MODULES:
        return [one for module, names in MODULES[key].items() for one in named(module, names)]
    return [one for one in table(key) if one.module == key and not one.name.endswith(("Error", "Warning"))]


def _page(title: str, about: str, names: Iterable[Public]) -> str:
    lines = [title, "=" * len(title), "", about, "", ".. autosummary::", "   :toctree: names", "   :nosignatures:", ""]
    return "\n".join([*lines, *(f"   {one.path}" for one in names), ""])


def _classes(found: Iterable[Public]) -> str:
    lines = ["Errors and warnings", "===================", ""]
    lines += ["What to do about each: :doc:`/errors`.", ""]
    for one in found:
        lines += [f".. autoclass:: {one.path}", "   :show-inheritance:", ""]
    return "\n".join(lines)


def _readers() -> str:
    """Return the tables of readers, which recipes name."""
    title = "Readers"
    lines = [title, "=" * len(title), ""]
    lines += [
        'A file is recognized by its content; ``reader = "..."`` in a recipe, or ``reader=`` of ``read``, names one.',
        "",
    ]
    shown = {
        "Electrochemistry": "operando.cyclers",
        "Impedance": "operando.impedance",
        "Absorption": "operando.xas.formats",
        "XPEEM": "operando.xas.xpeem.formats",
        "Photoemission": "operando.xps.formats",
        "Tomography": "operando.tomo.formats",
    }
    for name, module in shown.items():
        formats = import_module(module).FORMATS
        lines += [
            name,
            "-" * len(name),
            "",
            rst_table(("reader", "files"), ((f"``{one.name}``", one.about) for one in formats), (25, 75)),
        ]
    return "\n".join(lines)
