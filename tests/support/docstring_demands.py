"""What a public docstring has to say, and what one lacks."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Iterator
from typing import Any

from pages.docstrings import dois
from pages.public import MODULES, Public
from pages.science import EQUATION, about, without_code

SECTION = re.compile(r"^([A-Z][A-Za-z ]+)\n-{3,}$", re.MULTILINE)
_LABELLED = re.compile(r"DataArray|Dataset|DataTree|Spectra|Kind|Array")
_DIMS = re.compile(
    r"\b[Dd]ims?\b|\baxis\b|[Oo]ver ``|[Aa]long ``|``\([a-z_, .]+\)``|\(\w+(, \w+)+\)|``(scan|energy|phase|z)``"
)
_UNIT = r"(?:eV|nm|um|V|A|s|min|C|1|deg|px|voxels?|K|mg|cm\^2|ohm|angstrom|1/\w+|\w+\^\d|units? of [^)]*|%)"
_UNITS = re.compile(
    rf"\((?:[^()]*[ ,;])?{_UNIT}(?:[ ,;][^()]*)?\)|, {_UNIT}\b"
    r"|\bin (?:eV|nm|um|V|A|s|px|degrees)\b|\b(?:units?|um|eV|nm|voxels?)\b|``flag``"
)
SOURCE = re.compile(r"arXiv|ISBN|ISO \d{3}|\blarch\b|\((?:19|20)\d\d\)|\bdefinitions?\b|operando's own")
_PLAIN = {module for page in ("model", "pipelines") for module in MODULES[page]}
"""Modules whose functions are not about numbers with dims."""
_OWN_ERRORS = re.compile(r"(?:Error|Warning)$")


def sections(docstring: str) -> dict[str, str]:
    """Return the numpydoc sections of a docstring."""
    pieces = SECTION.split(docstring)
    return dict(zip(pieces[1::2], pieces[2::2], strict=True))


def lacking(one: Public) -> Iterator[str]:
    """Yield what the docstring of a public name lacks."""
    if not one.docstring:
        yield "a docstring"
        return
    if not one.docstring.split("\n\n")[0].rstrip().endswith((".", ":")):
        yield "a first sentence that ends"
    yield from _unsourced(one.docstring)
    if inspect.isclass(one.value):
        yield from _class_lacks(one)
    else:
        yield from _function_lacks(one)


def _function_lacks(one: Public) -> Iterator[str]:
    parts, signature = sections(one.docstring), inspect.signature(one.value)
    named = parts.get("Parameters", "")
    for name, par in signature.parameters.items():
        if par.kind is not par.VAR_KEYWORD and not re.search(rf"\b{re.escape(name)}\b", named):
            yield f"the parameter {name!r} among its Parameters"
    returned = str(signature.return_annotation)
    if returned not in ("None", "NoReturn") and not {"Returns", "Yields"} & set(parts):
        yield "a section Returns"
    if raises_own(one.value) and "Raises" not in parts:
        yield "a section Raises"
    if one.module in _PLAIN:
        return
    labelled = any(_LABELLED.search(str(par.annotation)) for par in signature.parameters.values())
    if labelled or _LABELLED.search(returned):
        told = named + parts.get("Returns", "") + about(one.docstring)
        if not _DIMS.search(told):
            yield "dims of what it takes or returns"
        if not _UNITS.search(told):
            yield "units of what it takes or returns"


def _class_lacks(one: Public) -> Iterator[str]:
    for name, method in vars(one.value).items():
        function = inspect.unwrap(getattr(method, "__func__", getattr(method, "fget", None) or method))
        if inspect.isfunction(function) and not name.startswith("_") and not inspect.getdoc(function):
            yield f"a docstring of {name}"
    for name in vars(one.value).get("__annotations__", {}):
        if (
            not name.startswith("_")
            and "ClassVar" not in str(one.value.__annotations__[name])
            and not _described(one, name)
        ):
            yield f"a word on {name!r}"


def _described(one: Public, name: str) -> bool:
    """Whether a class tells about a field: in its docstring, or, of a recipe's, beside the field."""
    fields = getattr(one.value, "model_fields", {})
    if name in fields:
        return True
    return bool(
        re.search(rf"\b{re.escape(name)}\b", one.docstring)
        or re.search(rf'{name}\b.*\n\s+"""', inspect.getsource(one.value))
    )


def _unsourced(docstring: str) -> Iterator[str]:
    if EQUATION.search(without_code(about(docstring))) and not (dois(docstring) or SOURCE.search(docstring)):
        yield "a source of its equation"


def raises_own(function: Any) -> bool:
    """Whether a function raises errors of operando itself."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(inspect.unwrap(function))))
    raised = [node.exc for node in ast.walk(tree) if isinstance(node, ast.Raise) and node.exc is not None]
    names = [exc.func if isinstance(exc, ast.Call) else exc for exc in raised]
    return any(isinstance(name, ast.Name) and _OWN_ERRORS.search(name.id) for name in names)
