"""Sound files to start from, for every reader: measured ones (read where they lie), simulated ones, and made ones."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import made_seeds

from operando.errors import OperandoError
from operando.sniff import Format, Head, head, identify

ROOT = Path(__file__).resolve().parents[2]
MEASURED = ROOT.parent / "shared" / "data"
SIMULATED = ROOT / "example_scans" / "small"
LONGEST_TEXT, LARGEST = 60_000, 1_700_000
WHOLE = (b"<?xm", b"<!DO", b"SOFH", b'{"__')
"""How texts begin that are nothing if they break off."""
MOST = 10


@dataclass(frozen=True)
class Seed:
    """A sound input: files by their names in a folder, and the one (or ``.``, the folder) that a reader is given."""

    name: str
    files: dict[str, bytes]
    main: str
    settings: dict[str, Any] = field(default_factory=dict)


def of_file(path: Path, beside: Sequence[Path] = (), root: Path | None = None) -> Seed:
    """Return a file, long text cut after a line, with others beside it."""
    folder = root or path.parent
    return Seed(
        str(path.relative_to(ROOT.parent)) if path.is_relative_to(ROOT.parent) else path.name,
        {one.relative_to(folder).as_posix(): _shortened(one.read_bytes()) for one in (path, *beside)},
        path.relative_to(folder).as_posix(),
    )


def of_folder(folder: Path, main: str = ".", **settings: Any) -> Seed:
    """Return all files below a folder; ``main`` is what the reader is given."""
    files = {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }
    return Seed(folder.name, files, main, settings)


def _shortened(data: bytes) -> bytes:
    if (
        len(data) <= LONGEST_TEXT
        or b"\x00" in data[:4096]
        or data.lstrip()[:4] in WHOLE
        or data[:2] in (b"\x1f\x8b", b"PK")
    ):
        return data
    return data[: data.find(b"\n", LONGEST_TEXT) + 1] or data


def chosen(seeds: Iterable[Seed]) -> list[Seed]:
    """Return at most ten: the smallest ones and others evenly among the rest."""
    ordered = sorted(seeds, key=lambda seed: (sum(map(len, seed.files.values())), seed.name))
    rest = ordered[MOST // 2 :]
    return ordered[: MOST // 2] + rest[:: max(1, -(-len(rest) // (MOST - MOST // 2)))]


@cache
def _files(*folders: Path) -> tuple[Path, ...]:
    found = (path for folder in folders for path in sorted(folder.rglob("*")))
    return tuple(path for path in found if path.is_file() and 0 < path.stat().st_size <= LARGEST)


def recognized(fmt: Format, formats: Sequence[Format], folders: Sequence[str]) -> list[Seed]:
    """Return the files below folders, measured or simulated, that a format takes for its own."""
    places = [base / name for base in (MEASURED, SIMULATED) for name in folders]
    found = []
    for path in _files(*(place for place in places if place.exists())):
        try:
            mine = identify(head(path), formats) is fmt
        except OperandoError:
            continue
        if mine:
            found.append(of_file(path))
    return found


def made(makers: Sequence[Callable[[Path], tuple[str, dict[str, Any]]]]) -> list[Seed]:
    """Return what functions write into an empty folder; each returns the main file's name and the settings."""
    found = []
    for maker in makers:
        with tempfile.TemporaryDirectory() as folder:
            main, settings = maker(Path(folder))
            made_here = of_folder(Path(folder), main, **settings)
        found.append(Seed(maker.__name__, made_here.files, main, settings))
    return found


def of_format(technique: str, fmt: Format, formats: Sequence[Format], folders: Sequence[str]) -> list[Seed]:
    """Return the seeds of a format: some that it recognizes and all that are made for it."""
    alone = fmt.name not in ("image_log", "step_log")
    found = chosen(recognized(fmt, formats, folders)) if alone else []
    return found + made(made_seeds.MAKERS.get(f"{technique}.{fmt.name}", ()))


def suggested(fmt: Format, path: Path) -> dict[str, Any]:
    """Return the settings that a draft has for a file, without what cannot be suggested."""
    try:
        start = head(path, folders=True)
    except OperandoError:
        start = Head(path, b"")
    return dict(fmt.suggest(start))
