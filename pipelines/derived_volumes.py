"""Volumes that a recipe reconstructs: a store for each scan, beside that of the experiment, which refers to it."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from glob import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from operando.errors import OperandoError
from operando.history import HISTORY

from .commit import one_line_errors

if TYPE_CHECKING:
    import xarray as xr

MADE_FROM = "made_from"
_ENDING = ".ome.zarr"


@dataclass(frozen=True)
class Place:
    """Where the volume of a scan is kept.

    Parameters
    ----------
    store
        The OME-Zarr store.
    origin
        A fingerprint of what it is made from: a volume that is there with the same one is not made again.
    seen_from
        The folder from which the experiment's store names it: that of the recipe.
    """

    store: Path
    origin: str
    seen_from: Path

    @property
    def name(self) -> str:
        """The store as seen from the recipe's folder; in full where no way leads there."""
        try:
            return Path(os.path.relpath(self.store, self.seen_from)).as_posix()
        except ValueError:
            return self.store.resolve().as_posix()

    def read(self) -> xr.Dataset:
        """Return the volume that is kept: ``grey`` (z, y, x), lazy, with its unit; the history of how it was made.

        Raises
        ------
        FileError
            If it is not there or damaged.
        """
        from operando import tomo

        ds = tomo.read(self.store, reader="ome_zarr")
        told = _told(self.store)
        ds["grey"].attrs |= {"units": str(told.get("units", "1")), "long_name": "linear attenuation coefficient"}
        return ds.assign_attrs({HISTORY: json.dumps(told.get(HISTORY, []), ensure_ascii=False)})

    def keep(self, make: Callable[[Path], xr.DataArray]) -> None:
        """Write the volume that ``make`` returns, unless it is there from the same origin.

        It is given an empty folder for what has to wait, which then goes. The volume appears under its name when it is
        whole. What runs that were killed have left of it goes, too.

        Raises
        ------
        OperandoError
            If something else has its place, or it cannot be written.
        """
        from .export.ome_zarr import write_ome_zarr

        known = origin_of(self.store)
        if known == self.origin:
            return
        if known is None and self.store.exists():
            raise OperandoError(
                f"{self.store}: expected nothing here or a volume that a run has made, got something else; move it "
                "away, or name another folder as experiment.volumes"
            )
        with one_line_errors(self.store):
            self.store.parent.mkdir(parents=True, exist_ok=True)
        for left in self.store.parent.glob(f".{escape(self.store.name)}.*.partial"):
            shutil.rmtree(left, ignore_errors=True)
        prefix, folder = f".{self.store.name}.", self.store.parent
        with one_line_errors(self.store), tempfile.TemporaryDirectory(".partial", prefix, folder) as waiting:
            made = make(Path(waiting))
            write_ome_zarr(self.store, made.assign_attrs({MADE_FROM: self.origin}), overwrite=True)


def origin_of(store: Path) -> str | None:
    """Return the fingerprint of what a volume was made from; None if a store is no volume that a run has made."""
    known = _told(store).get(MADE_FROM)
    return known if isinstance(known, str) else None


def _told(store: Path) -> dict[str, Any]:
    """Return what operando has written into a store of a volume; nothing if it has written none."""
    try:
        document: Any = json.loads((store / "zarr.json").read_text(encoding="utf-8"))
        return dict(document["attributes"]["operando"])
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def place_of(folder: Path, source: str, origin: str, seen_from: Path) -> Place:
    """Return the place in ``folder`` of the volume that is made of a ``source``, such as ``day_1/scan.h5::entry``."""
    parts = [part.replace(":", "_") for part in source.split("/") if part not in ("", ".", "..")]
    return Place(folder.joinpath(*parts[:-1], f"{parts[-1]}{_ENDING}"), origin, seen_from)
