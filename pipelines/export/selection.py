"""Which nodes of a store are exported, and which of their variables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import xarray as xr

from operando.errors import OperandoError
from operando.pipelines.mistakes import suggestion


def chosen(tree: xr.DataTree, nodes: Sequence[str] = ()) -> list[str]:
    """Return the nodes with variables at or below some paths; all by default.

    Parameters
    ----------
    tree
        An experiment.
    nodes
        Paths such as ``"xas/Ni_K"`` or ``"xas/Ni_K/processed"``.

    Raises
    ------
    OperandoError
        If there is nothing at a path; it says what there is.
    """
    there = [node.path.strip("/") for node in tree.subtree if node.dataset.variables]
    if not nodes:
        return there
    kept: dict[str, None] = {}
    for wanted in (node.strip("/") for node in nodes):
        found = [path for path in there if path == wanted or path.startswith(f"{wanted}/")]
        if not found:
            raise OperandoError(
                f"node {wanted!r}: expected a node of the store, got none{suggestion(wanted, named(tree))}"
            )
        kept.update(dict.fromkeys(found))
    return list(kept)


def named(tree: xr.DataTree) -> list[str]:
    """Return the paths by which users ask for nodes: those of series, and of what lies outside them."""
    paths = [node.path.strip("/") for node in tree.subtree if node.dataset.variables]
    above = [path.rpartition("/")[0] for path in paths if path.count("/") > 1]
    return list(dict.fromkeys([*above, *(path for path in paths if "/" not in path), *paths]))


def series(
    tree: xr.DataTree, technique: str, nodes: Sequence[str], stage: str = "raw"
) -> Iterator[tuple[str, xr.Dataset]]:
    """Yield name and Dataset of every series of a technique among the nodes asked for.

    Where a node of a series is named itself (``xas/Ni_K/processed``) it is that one, else its ``stage``.

    Raises
    ------
    OperandoError
        If there is none.
    """
    paths = chosen(tree, nodes)
    asked = {node.strip("/") for node in nodes}
    wanted = [
        path for path in paths if path.startswith(f"{technique}/") and (path in asked or path.endswith(f"/{stage}"))
    ]
    if not wanted:
        there = ", ".join(name for name in named(tree) if name.startswith(f"{technique}/")) or "none in the store"
        asked_for = ", ".join(nodes) or "the whole store"
        raise OperandoError(f"{asked_for}: expected a series of {technique}, got {there}")
    for path in wanted:
        yield path.split("/")[1], tree[path].to_dataset()


def experiment(tree: xr.DataTree) -> str:
    """Return what the experiment is called."""
    return str(tree.attrs.get("experiment") or "")
