"""The compiled functions of a floor, and which of them Python calls."""

from __future__ import annotations

import importlib
import pkgutil
import types
from typing import Any

from numba.core.dispatcher import Dispatcher


def kernels(package: types.ModuleType) -> dict[str, Any]:
    """Return the kernels of a package by module and name."""
    found = {}
    start = f"{package.__name__}."
    for info in pkgutil.walk_packages(package.__path__, start):
        for key, value in vars(importlib.import_module(info.name)).items():
            if isinstance(value, Dispatcher) and value.py_func.__module__ == info.name:
                found[f"{info.name.removeprefix(start)}.{key}"] = value
    return found


def outermost(known: dict[str, Any]) -> set[str]:
    """Return the names of those that no other kernel calls: the others run as parts of them."""
    inner = {id(called) for kernel in known.values() for called in _called_by(kernel) if called is not kernel}
    return {name for name, kernel in known.items() if id(kernel) not in inner}


def _called_by(kernel: Any) -> list[Any]:
    """Return the objects whose names a kernel's code holds, compiled functions among them."""
    waiting, names = [kernel.py_func.__code__], set()
    while waiting:
        code = waiting.pop()
        names |= set(code.co_names)
        waiting += [one for one in code.co_consts if isinstance(one, types.CodeType)]
    known = [kernel.py_func.__globals__.get(name) for name in names]
    modules = [one for one in known if isinstance(one, types.ModuleType)]
    return [*known, *(getattr(module, name, None) for module in modules for name in names)]
