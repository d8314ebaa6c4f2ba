"""Task graphs as a cluster computes them: names that no other computation has, and few tasks at a time."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from typing import Any

from dask._task_spec import GraphNode, convert_legacy_graph, cull

MOST_TASKS = 5000
"""Tasks of a graph that a scheduler takes at once without being held up."""

Graph = dict[Any, GraphNode]


def graph_of(tasks: Any) -> Graph:
    """Return tasks, a mapping or what dask makes one of, as nodes that tell what they depend on."""
    graph = tasks.__dask_graph__() if hasattr(tasks, "__dask_graph__") else tasks
    found: Graph = convert_legacy_graph(dict(graph))
    return found


def flat(keys: Any) -> list[Any]:
    """Return the keys of nested lists, in order."""
    return [key for part in keys for key in flat(part)] if isinstance(keys, list) else [keys]


def filled(keys: Any, values: Mapping[Any, Any]) -> Any:
    """Return nested lists of keys with the values of these in place of them."""
    return [filled(part, values) for part in keys] if isinstance(keys, list) else values[keys]


def portions(graph: Graph, keys: list[Any], most: int = MOST_TASKS) -> Iterator[tuple[Graph, list[Any]]]:
    """Yield what is to be computed in parts of at most ``most`` tasks each, as far as single results allow.

    What several parts need is computed for each of them.
    """
    needed: Graph = cull(graph, keys)
    if len(needed) <= most or len(keys) == 1:
        yield needed, keys
        return
    half = len(keys) // 2
    yield from portions(needed, keys[:half], most)
    yield from portions(needed, keys[half:], most)


def renamed(graph: Graph, keys: list[Any]) -> tuple[Graph, list[Any]]:
    """Return a graph and what is wanted of it under names that were never used before.

    Arrays that are computed twice, in other company, keep the names of their tasks though these were merged with
    others, and schedulers of clusters take equal names for equal tasks.
    """
    mark = uuid.uuid4().hex
    names = {key: _marked(key, mark) for key in graph}
    return {names[key]: node.substitute(names, key=names[key]) for key, node in graph.items()}, [
        names[key] for key in keys
    ]


def _marked(key: Any, mark: str) -> Any:
    return (f"{key[0]}-{mark}", *key[1:]) if isinstance(key, tuple) else f"{key}-{mark}"
