"""Sample data of the viewer: the simulated cell, run by its recipe."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from operando.pipelines.progress import Silent

from .layers import LayerData
from .stores import layers_of_store

WAITING = "the simulated cell is being run ..."
_TOLD = "The simulated cell is being run by its recipe.\n\nThis takes some minutes, the first time only."
_MADE = "made"


def simulated_cell() -> list[LayerData]:
    """Return the layers of the simulated cell.

    The first time its scans are run by their recipe, which takes some minutes. A layer that says so has their place
    until then, for napari wants one at once.
    """
    from .background import start

    folder = cell_folder()
    if (folder / _MADE).exists():
        return layers_of_store(store_in(folder))
    start("Run the simulated cell", make, folder, done=_show)
    text = {"string": {"constant": _TOLD}, "size": 14, "color": "white", "anchor": "center"}
    unseen = {"face_color": "transparent", "border_color": "transparent", "size": 1}
    return [(np.zeros((1, 2)), {"name": WAITING, "text": text, **unseen}, "points")]


def cell_folder() -> Path:
    """Return the folder in which the simulated cell is kept for the next time."""
    caches = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(caches) / "operando" / "simulated-cell"


def store_in(folder: Path) -> Path:
    """Return the store of the simulated cell in a folder."""
    return folder / "beamtime" / "cell7.zarr"


def make(folder: Path) -> Path:
    """Run the example scans in a folder and return their store; what a canceled run has left is gone on with."""
    from operando.pipelines import recipe
    from operando.pipelines.demo import beamtime_in
    from operando.pipelines.run import run

    folder.mkdir(parents=True, exist_ok=True)
    store = run(recipe.load(beamtime_in(folder)), _Leaving()).store
    (folder / _MADE).touch()
    return store


class _Leaving(Silent):
    """Tells nothing, but lets the run be left between two scans."""

    def add(self, count: int) -> None:
        from .background import steps

        super().add(count)
        for _ in steps(()):
            pass


def _show(store: Path) -> None:
    import napari

    viewer = napari.current_viewer()
    if viewer is None:
        return
    for layer in [one for one in viewer.layers if one.name == WAITING]:
        viewer.layers.remove(layer)
    viewer.open(str(store), plugin="operando")
