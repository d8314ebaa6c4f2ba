"""The house's law: imports go downward only, siblings stay apart, and nobody imports a floor bare."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FLOORS = {"operando": 0, "xas": 1, "xps": 1, "tomo": 1, "example_scans": 1, "pipelines": 2, "viewer": 3}


def own_modules() -> list[Path]:
    folders = [ROOT / name for name in FLOORS]
    paths = [path for folder in folders for path in folder.rglob("*.py")]
    return sorted(path for path in paths if path.resolve().relative_to(ROOT) == path.relative_to(ROOT))


def imported(path: Path) -> Iterator[str]:
    """Yield the full names of what a module imports, relative ones resolved."""
    place = path.relative_to(ROOT).parts
    package = ("operando", *place[:-1]) if place[0] != "operando" else place[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join([*base, *([node.module] if node.module else [])])
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)


def floor_of(module: str) -> str | None:
    """Return which floor an ``operando`` module belongs to; None for other packages."""
    parts = module.split(".")
    if parts[0] != "operando":
        return None
    return parts[1] if len(parts) > 1 and parts[1] in FLOORS else "operando"


@pytest.mark.parametrize("path", own_modules(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_imports_go_downward_only(path: Path):
    here = path.relative_to(ROOT).parts[0]
    for module in imported(path):
        assert module.split(".")[0] not in FLOORS or module.startswith("operando"), f"bare import of {module}"
        there = floor_of(module)
        if there not in (None, here):
            assert FLOORS[there] < FLOORS[here], f"{here} (floor {FLOORS[here]}) imports {module}"


@pytest.mark.parametrize("path", own_modules(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_file_is_one_concept(path: Path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400
    assert path.stem not in {"utils", "helpers", "core", "common"}


def test_the_simulation_shares_nothing_with_the_estimators():
    allowed = {"operando", "operando.errors", "operando.units", "operando.flags"}
    for path in own_modules():
        if path.relative_to(ROOT).parts[0] == "example_scans":
            mine = {module for module in imported(path) if floor_of(module) == "operando"}
            modules = {".".join(module.split(".")[:2]) for module in mine}
            assert modules <= allowed, f"{path.name} imports {sorted(modules - allowed)}"
