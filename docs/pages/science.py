"""The science: what the docstrings say of equations and their sources, in one place a technique."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .docstrings import DOI, as_rst, dois, linked
from .public import everything
from .tables import heading

ROOT = Path(__file__).resolve().parents[2]
FLOORS = {
    "operando": "Clocks, linking and electrochemistry",
    "xas": "Absorption and XPEEM",
    "xps": "Photoemission",
    "tomo": "Tomography",
}

SOURCE = re.compile(r"doi:|10\.\d{4,9}/|arXiv|ISBN|ISO \d|\((?:19|20)\d\d\)|, (?:19|20)\d\d\b|\blarch\b")
EQUATION = re.compile(r"(?<![=<>!:])\s=\s(?!=)")
_SECTION = re.compile(r"^([A-Z][A-Za-z ]+)\n-{3,}$", re.MULTILINE)


@dataclass(frozen=True)
class Passage:
    """The words of one docstring that are not about its call."""

    module: str
    name: str
    text: str

    @property
    def path(self) -> str:
        """The full name of what it belongs to."""
        return f"{self.module}.{self.name}" if self.name else self.module


def write(folder: Path) -> None:
    """Write a page a floor, and the list of sources."""
    known = {id(one.value): one.path for one in everything()}
    paths = {f"{one.value.__module__}.{one.value.__qualname__}": known[id(one.value)] for one in everything()}
    sources: dict[str, list[str]] = {}
    for floor, title in FLOORS.items():
        parts = [heading(title, "="), ""]
        for passage in passages(floor):
            public = paths.get(passage.path)
            shown = public.removeprefix("operando.") if public else passage.path.removeprefix("operando.")
            parts += [heading(shown), f":obj:`{public}`\n" if public else "", as_rst(passage.text), ""]
            for doi in dois(passage.text):
                sources.setdefault(doi, []).append(f":obj:`{public}`" if public else f"``{shown}``")
        (folder / f"{floor}.rst").write_text("\n".join(parts), encoding="utf-8")
    rows = [f"- {linked(doi, doi)}: {', '.join(dict.fromkeys(users))}" for doi, users in sorted(sources.items())]
    (folder / "sources.rst").write_text(
        "\n".join([heading("Sources", "="), "Every source that is cited, and where it is used.", "", *rows, ""]),
        encoding="utf-8",
    )


def passages(floor: str) -> Iterator[Passage]:
    """Yield what the docstrings of a floor say with an equation or a source, in the order of the files."""
    for path in sorted((ROOT / floor).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        if "formats" in parts or any(
            (ROOT.joinpath(*parts[:number])).is_symlink() for number in range(1, len(parts) + 1)
        ):
            continue
        module = ".".join(("operando", *parts) if parts[0] != "operando" else parts).removesuffix(".__init__")
        for name, docstring in _docstrings(ast.parse(path.read_text(encoding="utf-8"))):
            text = about(docstring)
            if EQUATION.search(without_code(text)) or DOI.search(text):
                yield Passage(module, name, text)


def about(docstring: str) -> str:
    """Return a docstring's summary and notes: all that is not parameters, results, errors and examples."""
    pieces = _SECTION.split(docstring)
    sections = dict(zip(pieces[1::2], pieces[2::2], strict=True))
    kept = [pieces[0].strip(), *(sections[name].strip("\n") for name in ("Notes", "References") if name in sections)]
    return "\n\n".join(part for part in kept if part)


def without_code(text: str) -> str:
    """Return text without what is quoted as code."""
    return re.sub(r"``[^`]*``", "", re.sub(r"::\n\n(?: {2,}.*\n?|\n)+", "", text))


def _docstrings(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Yield the docstrings of a module and of what is public in it."""
    if found := ast.get_docstring(tree):
        yield "", found
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            if found := ast.get_docstring(node):
                yield node.name, found
            for inner in node.body if isinstance(node, ast.ClassDef) else ():
                if (
                    isinstance(inner, ast.FunctionDef)
                    and not inner.name.startswith("_")
                    and (found := ast.get_docstring(inner))
                ):
                    yield f"{node.name}.{inner.name}", found
