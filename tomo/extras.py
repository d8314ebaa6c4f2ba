"""Optional packages of the tomographic steps, with an error that says how to get them."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from operando.errors import OperandoError

_EXTRA = {"algotom": "tomo", "astra": "astra", "SimpleITK": "tomo", "sklearn": "tomo"}


def imported(module: str, purpose: str) -> Any:
    """Return a module of an optional package.

    Raises
    ------
    OperandoError
        If the package is not installed.
    """
    try:
        return import_module(module)
    except ImportError as error:
        package = module.split(".", maxsplit=1)[0]
        raise OperandoError(
            f"expected the package {package} {purpose}; pip install operando[{_EXTRA[package]}]"
        ) from error
