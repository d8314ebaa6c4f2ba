"""What a store holds of a series: in memory, so that no batch of a run has to read it again."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from .frame import frame_of
from .sources import file_of

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray


@dataclass
class HeldScans:
    """The scans of a series in the order of their rows, and the frame that all of them fit.

    ``files`` maps each file to its checksum, ``images`` those that stand for images beside them to the names of these.
    """

    sources: list[str] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)
    images: dict[str, str] = field(default_factory=dict)
    flags: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    frame: xr.Dataset | None = None

    @classmethod
    def of(cls, raw: xr.Dataset) -> HeldScans:
        """Return what a stored series of measured scans holds."""
        held = cls(frame=frame_of(raw))
        held.add(raw)
        return held

    def add(self, raw: xr.Dataset) -> None:
        """Add scans that have been stored."""
        sources = [str(source) for source in raw["source"].values]
        names = [file_of(source) for source in sources]
        self.sources += sources
        self.files |= zip(names, map(str, raw["checksum"].values), strict=True)
        if "images" in raw.coords:
            self.images |= zip(names, map(str, raw["images"].values), strict=True)
        self.flags = np.concatenate([self.flags, raw["flag"].values.astype(np.int64)])

    def rows_without(self, files: Collection[str], *, depend: bool) -> NDArray[np.intp]:
        """Return the rows that stay when those of some files go; with ``depend`` none stays behind a row that goes.

        None stays without the first one, on whose axis the others lie.
        """
        stay = np.array([file_of(source) not in files for source in self.sources], dtype=bool)
        stay = np.logical_and.accumulate(stay) if depend else stay
        return np.flatnonzero(stay & stay[:1])


def needs_frame(raw: xr.Dataset, axis: str) -> bool:
    """Whether scans bring all that their series has place for: every quantity, and values at both ends of the axis."""
    floats = [array for array in raw.data_vars.values() if array.dtype.kind == "f"]
    if any(array.isnull().all() for array in floats):
        return False
    along = [array for array in floats if axis in array.dims]
    return not along or all(any(array.isel({axis: end}).notnull().any() for array in along) for end in (0, -1))
