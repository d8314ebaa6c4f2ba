"""The frames of a stack: where each lies, one lazy array of all, and what a look at each of them shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from operando.errors import FileError, OperandoError
from operando.flags import Flag
from operando.folders import require_declared, require_near

if TYPE_CHECKING:
    import dask.array as da

MOST_PIXELS = 2**28
MOST_FRAMES = 100_000
SATURATED_SHARE = 1e-3
"""Share of the pixels at full scale from which a frame counts as saturated: hot pixels are fewer."""

Image = NDArray[Any]


class Frame(Protocol):
    """One image in a file; it can be sent to another process."""

    @property
    def path(self) -> Path:
        """The file."""

    def read(self) -> Image:
        """Return the image, dims (y, x).

        Raises
        ------
        FileError
            If the file is not there or is damaged.
        """


@dataclass(frozen=True)
class Seen:
    """What a look at every frame has shown; a frame that cannot be read is None."""

    frames: list[Frame | None]
    flags: NDArray[np.int32]
    shape: tuple[int, int]
    dtype: np.dtype[Any]
    remarks: list[str]


def look(path: Path, frames: Sequence[Frame | None], full_scale: float | None = None) -> Seen:
    """Return size and flags of the frames; one at a time is read.

    A frame is missing if it cannot be read, is of another size than the first or has no count at all; it is saturated
    if more than 0.1 % of its pixels are at ``full_scale`` (the largest number of its type by default).

    Raises
    ------
    FileError
        If no frame can be read.
    """
    kept: list[Frame | None] = []
    flags = np.zeros(len(frames), np.int32)
    first: Image | None = None
    remarks: list[str] = []
    for number, frame in enumerate(frames):
        image = _tried(frame, remarks)
        if image is not None and first is not None and image.shape != first.shape:
            remarks.append(f"frame {number + 1} has {image.shape} pixels, not {first.shape} as the first")
            image = None
        if image is None or not np.any(image):
            kept.append(None)
            flags[number] = int(Flag.missing_frame)
            continue
        first = image if first is None else first
        kept.append(frame)
        flags[number] = int(_flags(image, full_scale))
    if first is None:
        why = remarks[0] if remarks else "none"
        raise FileError(path, "a frame that can be read", why, remedy="are the images beside it?")
    return Seen(kept, flags, (first.shape[0], first.shape[1]), first.dtype.newbyteorder("="), remarks)


def lazily(seen: Seen) -> da.Array:
    """Return the frames as one lazy array, dims (frame, y, x), one chunk a frame; 0 where a frame is missing."""
    import dask.array as da
    from dask.delayed import delayed

    load: Any = delayed(_loaded)
    lazy = [
        da.from_delayed(load(frame, seen.shape, seen.dtype), seen.shape, seen.dtype)  # type: ignore[no-untyped-call]
        for frame in seen.frames
    ]
    stacked: da.Array = da.stack(lazy)  # type: ignore[no-untyped-call]
    return stacked


def require_size(path: Path, height: int, width: int, *, place: str = "") -> None:
    """Refuse an image whose declared size no camera has.

    Raises
    ------
    FileError
        With the size.
    """
    if height < 2 or width < 2 or height * width > MOST_PIXELS:
        raise FileError(path, f"an image of 2 x 2 to {MOST_PIXELS} pixels", f"{height} x {width}", place=place)


def beside(path: Path, name: str, *, given: bool = False) -> Path:
    """Return the file that the text at ``path`` names, whatever the system that wrote it.

    A path that leads nowhere is looked for by its name alone beside ``path``; one that is ``given`` by hand may lead
    anywhere, one that stands in the text not further than to the folder above.

    Raises
    ------
    FileError
        If it leads further, or nothing can have that name.
    """
    plain = name.strip().strip('"').replace("\\", "/")
    named, alone = path.parent / plain, path.parent / plain.rsplit("/", 1)[-1]
    try:
        taken = named if not plain or named.exists() or not (alone.exists() or ":" in plain) else alone
    except (OSError, ValueError) as error:
        raise FileError(path, "the name of a file", f"{name!r} ({error})") from None
    if given:
        require_declared(taken)
    else:
        require_near(path, taken)
    return taken


def relative_name(path: Path, other: Path) -> str:
    """Return ``other`` as seen from the folder of ``path``."""
    import os

    return Path(os.path.relpath(other, path.parent)).as_posix()


def require_positive(path: Path, name: str, value: float | None) -> None:
    """Refuse a setting that is no positive number.

    Raises
    ------
    OperandoError
        With the setting.
    """
    if value is not None and not (isinstance(value, int | float) and 0 < value < np.inf):
        raise OperandoError(f"{path}: {name}: expected a positive number, got {value!r}")


def _loaded(frame: Frame | None, shape: tuple[int, int], dtype: np.dtype[Any]) -> Image:
    if frame is None:
        return np.zeros(shape, dtype)
    image = frame.read()
    if image.shape != shape:
        raise FileError(frame.path, f"an image of {shape} pixels as when it was opened", str(image.shape))
    return image.astype(dtype, copy=False)


def _tried(frame: Frame | None, remarks: list[str]) -> Image | None:
    try:
        return None if frame is None else frame.read()
    except FileError as error:
        remarks.append(f"{Path(error.file).name}: expected {error.expected}, got {error.got}")
        return None


def _flags(image: Image, full_scale: float | None) -> Flag:
    found = Flag(0)
    if image.dtype.kind == "f" and not np.isfinite(image).all():
        found |= Flag.not_finite
    most = full_scale if full_scale is not None else np.iinfo(image.dtype).max if image.dtype.kind in "iu" else np.inf
    if np.count_nonzero(image >= most) > SATURATED_SHARE * image.size:
        found |= Flag.saturated
    return found
