"""The page of benchmarks, from the table that the programs in ``benchmarks/`` write."""

from __future__ import annotations

from pathlib import Path

from .science import ROOT
from .tables import escaped, heading, rst_table

_SHOWN = ("work", "peer", "ratio", "ours", "peer's", "agreement")


def write(folder: Path) -> None:
    """Write the newest row of every piece of work."""
    rows = newest(measured())
    shown = (["" if row[name] == "-" else escaped(row[name]) for name in _SHOWN] for row in rows)
    table = rst_table(_SHOWN, shown, (26, 18, 8, 12, 12, 24))
    (folder / "benchmarks.rst").write_text("\n".join([heading("Measured", "="), table]), encoding="utf-8")


def measured() -> list[dict[str, str]]:
    """Return the rows of ``benchmarks/RESULTS.md``, oldest first."""
    text = (ROOT / "benchmarks" / "RESULTS.md").read_text(encoding="utf-8")
    lines = [
        [cell.strip() for cell in line.strip("|").split(" | ")] for line in text.splitlines() if line.startswith("|")
    ]
    head, _, *rows = lines
    names = [name.strip("| ") for name in head]
    return [dict(zip(names, (cell.strip("| ") for cell in row), strict=True)) for row in rows]


def newest(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    """Return the last row of each work and peer, in the order in which they first came."""
    return list({(row["work"], row["peer"]): row for row in rows}.values())
