"""The folders that may be read: those that a recipe declares, and for names that stand in a file its neighborhood."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from .errors import FileError

_DECLARED: ContextVar[tuple[Path, ...] | None] = ContextVar("declared folders", default=None)
REMEDY = "copy it there, or declare its folder in the recipe: [experiment] folders = ['...']"


@contextmanager
def within(folders: Iterable[Path]) -> Iterator[None]:
    """Let readers take files of these folders alone, wherever paths and links lead; what is given by hand is free."""
    token = _DECLARED.set(tuple(folder.resolve() for folder in folders))
    try:
        yield
    finally:
        _DECLARED.reset(token)


def require_declared(path: Path) -> None:
    """Refuse a file that lies outside the declared folders, if any are declared.

    Raises
    ------
    FileError
        With the place that the path leads to.
    """
    folders = _DECLARED.get()
    if folders is not None:
        require_inside(path, folders)


def require_inside(path: Path, folders: Iterable[Path]) -> None:
    """Refuse a path that leads out of all of some folders, links followed.

    Raises
    ------
    FileError
        With the place that it leads to.
    """
    target = resolved(path)
    if not any(target.is_relative_to(folder) for folder in folders):
        raise FileError(path, "a path inside the declared folders", f"one that leads to {target}", remedy=REMEDY)


def require_near(path: Path, named: Path) -> None:
    """Refuse a file that a text at ``path`` names but that lies outside the declared folders.

    Where none are declared, it may lie below the folder of the text and below the one above.

    Raises
    ------
    FileError
        With the place that the name leads to.
    """
    if _DECLARED.get() is not None:
        require_declared(named)
        return
    target, nearest = resolved(named), resolved(path).parent
    if not target.is_relative_to(nearest.parent):
        expected = "names of files in its own folder or the one above"
        raise FileError(path, expected, f"one that leads to {target}", remedy="copy that file beside this one")


def resolved(path: Path) -> Path:
    """Return where a path leads, links followed.

    Raises
    ------
    FileError
        If nothing can have that name.
    """
    try:
        return path.resolve()
    except (OSError, ValueError, RuntimeError) as error:
        raise FileError(path, "a path", str(error) or type(error).__name__) from None
