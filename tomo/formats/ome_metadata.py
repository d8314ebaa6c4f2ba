"""What an OME-Zarr store says of its image: axes, levels of resolution, edges of a voxel (versions 0.4 and 0.5)."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

from operando.errors import FileError
from operando.tomo.layout import PLACES

from .tiff_sizes import in_um
from .zarr_frames import told

VERSIONS = ("0.4", "0.5")
_AXES = ("t", "c", *PLACES)


@dataclass(frozen=True)
class Multiscale:
    """An image: its axes and, level by level, the array and the edges along the axes, each in ``units``."""

    version: str
    name: str
    axes: tuple[str, ...]
    units: tuple[str, ...]
    levels: tuple[tuple[str, tuple[float, ...]], ...]

    def voxel(self, level: int) -> tuple[float, float, float] | None:
        """Return the edges of a level's voxels along z, y, x in um; None if their unit is not stated."""
        edges = dict(zip(self.axes, self.levels[level][1], strict=True))
        units = {axis: in_um(unit) for axis, unit in zip(self.axes, self.units, strict=True)}
        found = [edges[axis] * (units[axis] or 0.0) for axis in PLACES]
        return (found[0], found[1], found[2]) if all(found) else None


def multiscales(path: Path, root: Any) -> list[dict[str, Any]] | None:
    """Return the images that the attributes of a group describe; None if it is no OME-Zarr.

    Raises
    ------
    FileError
        If the attributes cannot be read.
    """
    with told(path):
        attributes = root.attrs.asdict()
        inner = attributes.get("ome", attributes)
        found = inner.get("multiscales") if isinstance(inner, dict) else None
        if not isinstance(found, list) or not found:
            return None
        version = inner.get("version")
        return [{"version": version, **one} if isinstance(one, dict) else {} for one in found]


def image(path: Path, described: dict[str, Any]) -> Multiscale:
    """Return what one entry of ``multiscales`` says.

    Raises
    ------
    FileError
        If its version is another, it has no axes z, y, x, or a level lacks its array or its scale.
    """
    version = str(described.get("version", "0.4"))
    if version not in VERSIONS:
        raise FileError(path, f"OME-Zarr {' or '.join(VERSIONS)}", repr(version), place="multiscales")
    with told(path, "multiscales"):
        axes = tuple(str(axis["name"]) for axis in described["axes"])
        units = tuple(str(axis.get("unit", "")) for axis in described["axes"])
        whole = _scale(described.get("coordinateTransformations", []), len(axes))
        levels = []
        for one in described["datasets"]:
            own = _scale(one["coordinateTransformations"], len(axes))
            levels.append((str(one["path"]), tuple(a * b for a, b in zip(own, whole, strict=True))))
    if axes[-3:] != PLACES or any(axis not in _AXES for axis in axes) or len(set(axes)) != len(axes):
        raise FileError(path, "axes t, c, z, y, x, the last three of them", ", ".join(axes), place="multiscales")
    if not levels:
        raise FileError(path, "a level of resolution", "none", place="multiscales")
    return Multiscale(version, str(described.get("name", "")), axes, units, tuple(levels))


def _scale(transformations: list[dict[str, Any]], count: int) -> tuple[float, ...]:
    scales = [one["scale"] for one in transformations if one["type"] == "scale"]
    if not scales:
        return (1.0,) * count
    found = tuple(float(value) for value in scales[0])
    if len(found) != count or not all(value > 0 and isfinite(value) for value in found):
        raise ValueError(f"a scale of {count} positive numbers was expected, not {scales[0]}")
    return found
