"""Find the format of a file by its content. A technique's readers are one tuple of formats."""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import FileError
from .folders import require_declared

if TYPE_CHECKING:
    import xarray as xr

HEAD_BYTES = 65536
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
LFS_MAGIC = b"version https://git-lfs.github.com/spec"


@dataclass(frozen=True)
class Head:
    """The beginning of a file, for a format to recognize itself by: its ``path`` and its first bytes, ``data``."""

    path: Path
    data: bytes

    @cached_property
    def text(self) -> str:
        """The beginning as text (UTF-8, else latin-1); a NUL byte stays visible."""
        try:
            return self.data.decode("utf-8-sig")
        except UnicodeDecodeError:
            return self.data.decode("latin-1")

    @cached_property
    def lines(self) -> list[str]:
        """The beginning as lines without their ends; the last one may be cut."""
        return self.text.splitlines()

    @property
    def is_text(self) -> bool:
        """Whether the beginning can be text: no NUL byte in it."""
        return b"\x00" not in self.data

    @cached_property
    def is_folder(self) -> bool:
        """Whether it is a folder, which has no beginning."""
        return not self.data and self.path.is_dir()


def never_likely(_start: Head) -> bool:
    """Return that nothing speaks for the format but that it fits."""
    return False


def nothing_to_suggest(_start: Head) -> dict[str, Any]:
    """Return no settings: the format describes itself."""
    return {}


@dataclass(frozen=True)
class Format:
    """One file format and its reader: its ``name`` in recipes, the ``technique``, and ``about``, what files these are.

    ``recognizes`` looks at the head only; ``read`` takes the path and the settings of the recipe as
    keywords and returns one Dataset, or raises :class:`~operando.errors.FileError`. ``suggest`` guesses,
    from the head, the settings that a recipe needs to read such a file. ``specific`` is false for a
    format that any text fits (plain columns), which is asked last; of several such formats one is ``likely`` if the
    file's labels or its name speak for it. ``lazy`` readers leave images in their files, however large these are.
    Readers of ``folders`` take one as one scan (the slices of a volume, a Zarr store); all others are never asked.
    """

    name: str
    technique: str
    about: str
    recognizes: Callable[[Head], bool]
    read: Callable[..., xr.Dataset]
    suggest: Callable[[Head], dict[str, Any]] = field(default=nothing_to_suggest)
    specific: bool = True
    likely: Callable[[Head], bool] = field(default=never_likely)
    lazy: bool = False
    folders: bool = False


def head(path: str | Path, *, folders: bool = False) -> Head:
    """Return the beginning of a file; of a folder, where ``folders`` may be, nothing.

    Raises
    ------
    FileError
        If the file is missing, outside the declared folders, a pipe or a folder that may not be, unreadable, empty, a
        Git LFS pointer or UTF-16 text, or its name is not UTF-8.
    """
    path = Path(path)
    if any("\ud800" <= char <= "\udfff" or char == "\x00" for char in str(path)):
        raise FileError(path, "a file name in UTF-8", "other bytes", remedy="rename a copy of the file")
    require_declared(path)
    try:
        if not stat.S_ISREG(path.stat().st_mode) and not path.is_dir():
            raise FileError(path, "a file", "a pipe or a device")
        if folders and path.is_dir():
            return Head(path, b"")
        with path.open("rb") as stream:
            data = stream.read(HEAD_BYTES)
    except IsADirectoryError:
        raise _folder(path) from None
    except OSError as error:
        raise FileError(
            path, "a readable file", error.strerror or str(error), remedy="check the path and its permissions"
        ) from None
    if not data.removeprefix(BYTE_ORDER_MARK):
        got = f"an empty file ({len(data)} bytes)"
        raise FileError(path, "data", got, remedy="copy it again from the beamline")
    if data.startswith(LFS_MAGIC):
        raise FileError(path, "data", "a Git LFS pointer", remedy="fetch the data with 'git lfs pull'")
    if data.startswith(UTF16_MARKS):
        raise FileError(path, "text in UTF-8 or latin-1", "UTF-16", remedy="save a copy of it as UTF-8")
    return Head(path, data)


def identify(start: Head, formats: Iterable[Format]) -> Format | None:
    """Return the first format that recognizes the head, the specific ones asked first."""
    able = (fmt for fmt in formats if fmt.folders or not start.is_folder)
    ordered = sorted(able, key=lambda fmt: not fmt.specific)
    return next((fmt for fmt in ordered if fmt.recognizes(start)), None)


def choose(path: str | Path, formats: Sequence[Format], name: str | None = None) -> Format:
    """Return the format named ``name``, else the one that the content shows.

    Raises
    ------
    FileError
        If the file cannot be opened, the name is unknown or no format recognizes the content, or a folder is given to
        a reader of files.
    """
    start = head(path, folders=any(fmt.folders for fmt in formats))
    known = ", ".join(fmt.name for fmt in formats)
    if name is not None:
        named = next((fmt for fmt in formats if fmt.name == name), None)
        if named is None:
            raise FileError(path, f"a reader among {known}", repr(name))
        if start.is_folder and not named.folders:
            raise _folder(Path(path))
        return named
    found = identify(start, formats)
    if found is None:
        raise FileError(path, f"a format among {known}", _content(start), remedy="name its reader in the recipe")
    return found


def _content(start: Head) -> str:
    """Return what a file is that no format recognizes.

    Raises
    ------
    FileError
        If it is HDF5 that breaks off.
    """
    from . import hdf5

    if start.is_folder:
        try:
            return "a folder without any of them" if any(start.path.iterdir()) else "an empty folder"
        except OSError as error:
            return f"a folder that cannot be listed ({error.strerror})"
    if not hdf5.is_hdf5(start):
        return f"a file that begins with {start.data[:24]!r}"
    with hdf5.opened(start.path) as root:
        return f"HDF5 that holds {hdf5.content(root)}"


def _folder(path: Path) -> FileError:
    return FileError(path, "a file", "a folder", remedy="name the files in it, such as 'folder/*.txt'")
