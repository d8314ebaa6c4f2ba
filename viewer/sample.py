"""Sample data of the viewer: the simulated cell, run by its recipe."""

from __future__ import annotations

from pathlib import Path

from .layers import LayerData
from .stores import layers_of_store


def simulated_cell() -> list[LayerData]:
    """Return the layers of the simulated cell; the first time it is made, which takes a minute."""
    return layers_of_store(_store())


def _store() -> Path:
    from rich.console import Console

    from operando.pipelines.demo import run_demo
    from operando.pipelines.progress import Terminal

    folder = Path.home() / ".cache" / "operando" / "cell"
    store = folder / "beamtime" / "cell7.zarr"
    if not store.is_dir():
        run_demo(folder, Terminal(Console(quiet=True)))
    return store
