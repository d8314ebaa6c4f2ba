"""Damage inside containers: gzip, zip, SQLite, JSON documents, signed classifiers, and links in folders."""

from __future__ import annotations

import gzip
import io
import json
import sqlite3
import zipfile
import zlib
from contextlib import closing, suppress
from pathlib import Path
from random import Random
from typing import Any

from damage_bytes import BYTES, TEXT, is_text

AWKWARD: tuple[Any, ...] = (
    None, True, 0, -1, 1, 2**31, 2**63, 10**30, 1e308, float("nan"), float("inf"), "", "a" * 5000, "../..", "/etc",
    [], {}, [[]], [None], {"a": []}, [0, 0, 0], [2**40] * 3, [-1, 2, 3], "<f8", "gzip", "NaN", "</script>",
)  # fmt: skip


def changed(data: bytes, random: Random) -> bytes:
    """Return bytes changed as what they are: text, mostly, as text."""
    ways = TEXT if is_text(data) and random.random() < 0.75 else BYTES
    for _ in range(random.choice((1, 1, 1, 2, 4))):
        data = random.choice(ways)(data, random)
    return data


def gzipped(data: bytes, random: Random) -> bytes:
    """Change what is in a gzip file, or put in far more than its size promises."""
    try:
        inner = gzip.decompress(data)
    except (OSError, EOFError, zlib.error):
        return changed(data, random)
    if random.random() < 0.15:
        put = random.choice((b"\x00", b"a", b"1,", b"\n", b"@x = (1,2);\n"))
        bomb = put * (random.choice((30_000_000, 300_000_000)) // len(put))
        return gzip.compress(inner + bomb, 1)
    return gzip.compress(changed(inner, random), 1)


def zipped(data: bytes, random: Random) -> bytes:
    """Change the members of a zip file, their names or their stated sizes, or put in far more."""
    out = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(data)) as old,
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as new,
    ):
        names = old.namelist()
        at, way = random.choice(names), random.randrange(6)
        for name in names:
            inner = old.read(name)
            if name == at:
                if way == 0:
                    continue
                inner = b"\x00" * random.choice((10_000_000, 400_000_000)) if way == 1 else changed(inner, random)
            other = random.choice(("../../x.ndc", "/abs", "a" * 300, name + "\n"))
            new.writestr(other if way == 2 and name == at else name, inner)
    return out.getvalue()


def database(path: Path, random: Random) -> None:
    """Change values, rows, columns and tables of an SQLite file."""
    with closing(sqlite3.connect(path)) as file:
        tables = [name for (name,) in file.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for _ in range(random.choice((1, 1, 2))):
            table = random.choice(tables)
            columns = [row[1] for row in file.execute(f'PRAGMA table_info("{table}")')]
            _change_table(file, table, random.choice(columns), random)
        file.commit()


def _change_table(file: sqlite3.Connection, table: str, column: str, random: Random) -> None:
    number = random.choice((0, -1, 1, 2**31, 2**62, 1e308, 10_000_000, 3_000_000_000))
    put = random.choice((number, number, number, None, "x", "", b"\x00\xff", "a" * 100_000, b"bomb"))
    put = zlib.compress(bytes(3 * 10**8), 1) if put == b"bomb" else put
    where = random.choice(("", " WHERE rowid = 1", " WHERE rowid % 2 = 0"))
    with suppress(sqlite3.Error, OverflowError):
        way = random.randrange(8)
        if way == 0:
            file.execute(f'DELETE FROM "{table}"{where}')
        elif way == 1:
            file.execute(f'ALTER TABLE "{table}" RENAME COLUMN "{column}" TO other')
        elif way == 2:
            file.execute(f'DROP TABLE "{table}"')
        elif way == 3:
            rows = file.execute(f'SELECT rowid, "{column}" FROM "{table}"').fetchall()
            rowid, old = random.choice(rows) if rows else (0, b"")
            old = old if isinstance(old, bytes) else str(old).encode()
            new = changed(old, random)
            file.execute(
                f'UPDATE "{table}" SET "{column}" = ? WHERE rowid = ?',
                (new.decode("latin-1") if is_text(old) else new, rowid),
            )
        elif way == 4:
            file.execute(f'DROP TABLE "{table}"')
            endless = "WITH RECURSIVE r(x) AS (SELECT 1 UNION ALL SELECT x FROM r)"
            file.execute(f'CREATE VIEW "{table}" AS {endless} SELECT x AS "{column}" FROM r')
        else:
            file.execute(f'UPDATE "{table}" SET "{column}" = ?{where}', (put,))


def document(data: bytes, random: Random) -> bytes:
    """Change values within a JSON document."""
    try:
        tree = json.loads(data)
    except ValueError:
        return changed(data, random)
    for _ in range(random.choice((1, 1, 2))):
        tree = _with_other(tree, random)
    return json.dumps(tree).encode()


def _with_other(tree: Any, random: Random) -> Any:
    """Return a document with one of its values replaced or left out."""
    places: list[tuple[Any, Any]] = []
    waiting = [tree]
    while waiting:
        here = waiting.pop()
        inside = (
            list(here.items()) if isinstance(here, dict) else list(enumerate(here)) if isinstance(here, list) else []
        )
        places += [(here, key) for key, _ in inside]
        waiting += [value for _, value in inside]
    if not places:
        return random.choice(AWKWARD)
    here, key = random.choice(places)
    if random.random() < 0.2:
        del here[key]
    else:
        here[key] = random.choice(AWKWARD)
    return tree


def classifier(data: bytes, random: Random) -> bytes:
    """Change a classifier and sign it again, so that its content is looked at."""
    from operando.tomo.classifier_file import signed

    first, _, rest = data.partition(b"\n")
    second, _, body = rest.partition(b"\n")
    way = random.randrange(4)
    if way == 0:
        return changed(data, random)
    if way == 1:
        second = document(second, random)
    elif way == 2:
        second = changed(second, random).replace(b"\n", b"")
    else:
        for _ in range(random.choice((1, 20))):
            body = random.choice(BYTES[:2])(body, random) if random.random() < 0.8 else changed(body, random)
    return signed(second + b"\n" + body) if first else data


def folder(root: Path, random: Random) -> None:
    """Lose, rename, double or redirect a file of a folder."""
    files = sorted(path for path in root.rglob("*") if path.is_file())
    if files:
        random.choice(FOLDERS)(random.choice(files), root, random)


def lost(one: Path, _root: Path, _random: Random) -> None:
    one.unlink()


def redirected(one: Path, root: Path, random: Random) -> None:
    far = ("/etc/passwd", "/dev/zero", "/proc/self/mem", "../../outside", "nothing", str(root), "/")
    one.unlink()
    one.symlink_to(random.choice(far))


def a_folder(one: Path, _root: Path, _random: Random) -> None:
    one.unlink()
    one.mkdir()


def renamed(one: Path, _root: Path, random: Random) -> None:
    name = random.choice(("x", "é" + one.name, one.name + " ", "slice_99999.tif", "slice_0003 2.tif"))
    one.rename(one.with_name(name))


def doubled(one: Path, root: Path, random: Random) -> None:
    one.replace(random.choice(sorted(path for path in root.rglob("*") if path.is_file())))


def empty(one: Path, _root: Path, _random: Random) -> None:
    one.write_bytes(b"")


def circular(one: Path, _root: Path, _random: Random) -> None:
    (one.parent / "again").symlink_to(one.parent, target_is_directory=True)


def joined_by(one: Path, _root: Path, random: Random) -> None:
    name = random.choice(("9", "slice_0099.tif", "zarr.json", ".zarray", "c", "steps.txt"))
    (one.parent / name).write_bytes(random.randbytes(40))


FOLDERS = (lost, redirected, a_folder, renamed, doubled, empty, circular, joined_by)
