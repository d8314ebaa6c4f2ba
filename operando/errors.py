"""Every error a user can cause, and every warning, as one line that says what to do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from os import PathLike
from pathlib import Path
from typing import ClassVar

_MOST_PROBLEMS, _LONGEST = 100, 1200
"""Characters of a part of an error's text; what a file holds beyond is left out of the middle."""


class Explained:
    """What the documentation has a section about."""

    page: ClassVar[str] = ""
    """The section of the documentation on this class, such as ``errors.html#fileerror``."""

    def __init_subclass__(cls) -> None:
        cls.page = f"errors.html#{cls.__name__.lower()}"


class OperandoError(Explained, Exception):
    """A mistake in the input or in the call; its text is one line for the user."""


class OperandoWarning(Explained, UserWarning):
    """Something odd that did not stop the work."""


class FileError(OperandoError):
    """A file that cannot be read as what it should be.

    Parameters
    ----------
    file
        The file, as the user knows it.
    expected, got
        What should have been there and what was found.
    place
        Where in the file: a line, a column, an HDF5 path.
    remedy
        What the user can do about it.
    """

    def __init__(
        self,
        file: str | PathLike[str],
        expected: str,
        got: str,
        *,
        place: str = "",
        remedy: str = "",
    ) -> None:
        self.file, self.place = printable(str(file)), one_line(place)
        self.expected, self.got, self.remedy = one_line(expected), one_line(got), one_line(remedy)
        where = f"{self.file}, {self.place}" if place else self.file
        advice = f"; {self.remedy}" if remedy else ""
        super().__init__(f"{one_line(where)}: expected {self.expected}, got {self.got}{advice}")

    def __reduce__(self) -> tuple[object, ...]:
        """Rebuild from the parts, so that the error crosses process borders."""
        return _file_error, (self.file, self.expected, self.got, self.place, self.remedy)


def names_file(error: OperandoError, path: Path) -> bool:
    """Return whether an error begins with a file's path, as those about a file do."""
    name = printable(str(path))
    return (isinstance(error, FileError) and error.file == name) or str(error).startswith(f"{name}:")


@contextmanager
def file_named(path: Path) -> Iterator[None]:
    """Put a file's path before errors that do not begin with one, such as those of a unit in the file."""
    try:
        yield
    except OperandoError as error:
        if type(error) is not OperandoError or names_file(error, path):
            raise
        raise OperandoError(f"{printable(str(path))}: {error}") from None


class SeveralRegionsError(FileError):
    """A file that holds several regions, of which none was asked for.

    ``regions`` are their names, ``left_out`` the reasons why further ones are none.
    """

    def __init__(self, file: str | PathLike[str], regions: Iterable[str], left_out: Iterable[FileError] = ()) -> None:
        self.regions, self.left_out = tuple(regions), tuple(left_out)
        remedy = f"name it, such as region = {self.regions[0]!r}, or several as a list"
        super().__init__(file, "one region", ", ".join(self.regions), place="region", remedy=remedy)

    def __reduce__(self) -> tuple[object, ...]:
        """Rebuild from the parts, so that the error crosses process borders."""
        return SeveralRegionsError, (self.file, self.regions, self.left_out)


def printable(name: str) -> str:
    """Return a file's name with bytes that are no UTF-8 written as escapes."""
    return name.encode("utf-8", "backslashreplace").decode()


def one_line(text: str) -> str:
    """Return a text from a file for the user: one line of bounded length, without what moves a terminal's cursor."""
    short = text if len(text) <= _LONGEST else f"{text[: _LONGEST // 2]} ... {text[-_LONGEST // 4 :]}"
    line = " ".join(short.split())
    return line if line.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in line)


def told(error: Exception) -> str:
    """Return a line for what went wrong; other errors than our own are mistakes of ours, which stop nothing else."""
    if isinstance(error, OperandoError):
        return str(error)
    line = next(iter(str(error).strip().splitlines()), "")
    return f"{type(error).__name__} ({line}), which operando did not foresee; please report it"


def bounded(problems: Iterable[str]) -> list[str]:
    """Return what is wrong as lines for the user, the first hundred of them, and how many more there are."""
    rest = iter(problems)
    found = [one_line(text) for text in islice(rest, _MOST_PROBLEMS)]
    more = sum(1 for _ in rest)
    return [*found, f"and {more} more"] if more else found


def _file_error(file: str, expected: str, got: str, place: str, remedy: str) -> FileError:
    return FileError(file, expected, got, place=place, remedy=remedy)


class RecipeError(OperandoError):
    """All problems of a recipe at once, one line each."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = bounded(problems)
        super().__init__("\n".join(self.problems))

    def __reduce__(self) -> tuple[object, ...]:
        """Rebuild from the problems, so that the error crosses process borders."""
        return RecipeError, (self.problems,)


class IllConditionedWarning(OperandoWarning):
    """Numbers that the data hardly determine: their errors are large, and small mistakes move them far."""


class SchemaError(OperandoError):
    """A dataset that does not have the layout its node promises."""


class ClockError(OperandoError):
    """A time that cannot be placed on the shared clock."""


class StoreError(OperandoError):
    """A store that cannot be opened or written."""
