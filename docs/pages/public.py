"""What is public: the names in the floors' tables, all that draws, and what is reached by a module's own name."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any

TABLES = ("operando", "operando.xas", "operando.xas.xpeem", "operando.xps", "operando.tomo")

MODULES: dict[str, dict[str, tuple[str, ...]]] = {
    "electrochemistry": {
        "operando.echem": ("read", "cell", "half_cycles", "cycles", "areal_charge", "incremental_capacity"),
        "operando.step_resistance": ("step_resistance",),
        "operando.impedance": ("read", "intercepts"),
        "operando.cyclers": ("read",),
    },
    "model": {
        "operando.clock": ("Clock", "to_utc"),
        "operando.shared_channel": ("estimate_clock",),
        "operando.schema": ("Layout", "Variable", "problems", "check"),
        "operando.flags": ("Flag", "describe", "names"),
        "operando.history": ("entries", "recorded"),
        "operando.units": ("factor", "convert", "with_units"),
        "operando.store": ("verify",),
        "operando.sniff": ("Format", "Head"),
    },
    "pipelines": {
        "operando.pipelines.recipe": ("load", "Recipe"),
        "operando.pipelines.check": ("check", "problems"),
        "operando.pipelines.run": ("run", "Summary"),
        "operando.pipelines.watch": ("watch", "Pace"),
        "operando.pipelines.survey": ("survey",),
        "operando.pipelines.draft": ("write_draft",),
        "operando.pipelines.report": ("write", "write_store"),
        "operando.pipelines.export": ("export", "Request"),
    },
}
"""Pages of the reference beside the tables: for each the modules and what is public in them."""


@dataclass(frozen=True)
class Public:
    """A public function or class, and the module by which a user reaches it."""

    module: str
    name: str
    value: Any

    @property
    def path(self) -> str:
        """Its full name."""
        return f"{self.module}.{self.name}"

    @property
    def docstring(self) -> str:
        """Its docstring without indentation."""
        return inspect.getdoc(self.value) or ""


def named(module: str, names: tuple[str, ...]) -> list[Public]:
    """Return some names of a module."""
    return [Public(module, name, getattr(import_module(module), name)) for name in names]


def table(module: str) -> list[Public]:
    """Return what the lazy table of a floor offers, modules and tables of readers left out."""
    return [one for one in named(module, tuple(import_module(module).__all__)) if callable(one.value)]


def drawing() -> list[Public]:
    """Return what draws: the functions of the modules ``plot`` that return axes."""
    found = [f"{module}.plot" for module in TABLES if find_spec(f"{module}.plot")]
    return [one for module in found for one in _defined(module) if _returns_axes(one.value)]


def errors() -> list[Public]:
    """Return the errors and warnings."""
    found = [one for one in _defined("operando.errors") if inspect.isclass(one.value)]
    return [one for one in found if issubclass(one.value, Exception)]


def everything() -> Iterator[Public]:
    """Yield all that is public, each once."""
    seen: set[int] = set()
    reached = [one for group in MODULES.values() for module, names in group.items() for one in named(module, names)]
    for one in [*(one for module in TABLES for one in table(module)), *drawing(), *reached, *errors()]:
        if id(one.value) not in seen:
            seen.add(id(one.value))
            yield one


def _defined(module: str) -> list[Public]:
    """Return the public functions and classes that a module defines, or takes from a module beside it."""
    found: ModuleType = import_module(module)
    package = module.rpartition(".")[0]
    listed = getattr(found, "__all__", None) or [
        name for name, value in vars(found).items() if getattr(value, "__module__", "") == module
    ]
    offered = named(module, tuple(name for name in listed if not name.startswith("_")))
    own = [one for one in offered if getattr(one.value, "__module__", "").startswith(package)]
    return [one for one in own if inspect.isfunction(one.value) or inspect.isclass(one.value)]


def _returns_axes(value: Any) -> bool:
    return inspect.isfunction(value) and "Axes" in str(inspect.signature(value).return_annotation)
