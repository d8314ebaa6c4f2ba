"""VAMAS files built line by line, with every oddity that the standard allows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

FORMAT = "VAMAS Surface Chemical Analysis Standard Data Transfer Format 1988 May 4"
NOT_GIVEN = "1e+037"
PARTS: tuple[tuple[int, tuple[str, ...]], ...] = (
    (1, ("2024",)),
    (2, ("3",)),
    (3, ("31",)),
    (4, ("1",)),
    (5, ("30",)),
    (6, ("5",)),
    (7, ("1",)),
    (8, ("0",)),
    (9, ("XPS",)),
    (10, ()),
    (11, ()),
    (12, ("Al",)),
    (13, ()),
    (14, ("1486.6",)),
    (15, (NOT_GIVEN,)),
    (16, (NOT_GIVEN, NOT_GIVEN)),
    (17, ()),
    (18, ()),
    (19, ("54.7",)),
    (20, (NOT_GIVEN,)),
    (21, ("FAT",)),
    (22, ("20",)),
    (23, ()),
    (24, (NOT_GIVEN,)),
    (25, ("4.3",)),
    (26, ("0",)),
    (27, (NOT_GIVEN, NOT_GIVEN)),
    (28, ("30", "0")),
    (29, ("S",)),
    (30, ("2p", "-1")),
    (31, ("kinetic energy", "eV", "1320", "0.1")),
    (32, ("1", "counts", "d")),
    (33, ("pulse counting",)),
    (34, ("0.1",)),
    (35, ("5",)),
    (36, ("0",)),
    (37, ()),
    (38, (NOT_GIVEN, NOT_GIVEN)),
    (39, (NOT_GIVEN,)),
    (40, ("0",)),
)
"""A complete block of the mode NORM: number of the part, its lines."""


def block(
    rows: np.ndarray,
    parts: Mapping[int, Sequence[str]] | None = None,
    *,
    name: str = "S 2p",
    left_out: Sequence[int] = (),
    later: Sequence[str] = (),
    stated: int | None = None,
    limits: bool = True,
) -> list[str]:
    """Return the lines of a block with values ``rows`` (point, variable); ``parts`` differ from :data:`PARTS`."""
    given = {**dict(PARTS), **(parts or {})}
    lines = [name, "a sample"]
    for number, usual in sorted(given.items()):
        lines += [] if number in left_out else list(usual)
    ends = [f"{value:.10g}" for column in rows.T for value in (np.nanmin(column), np.nanmax(column))]
    values = [f"{value:.10g}" for row in rows for value in row]
    return [
        *lines,
        *later,
        str(rows.size if stated is None else stated),
        *(ends if limits else ["0", "1"] * rows.shape[1]),
        *values,
    ]


def vamas_file(
    blocks: Sequence[Sequence[str]],
    *,
    mode: str = "NORM",
    scan: str = "REGULAR",
    comment: Sequence[str] = (),
    regions: Sequence[str] = ("1",),
    variables: Sequence[str] = (),
    parameters: Sequence[str] = ("0",),
    manual: Sequence[str] = (),
    later: Sequence[str] = (),
    later_blocks: int = 0,
    stated: int | None = None,
    before: str = "",
    newline: str = "\r\n",
    end: Sequence[str] = ("end of experiment", ""),
) -> bytes:
    """Return a file; ``regions`` are the lines that the mode has behind the scan mode."""
    lines = [
        FORMAT,
        "an institution",
        "an instrument",
        "an operator",
        "an experiment",
        str(len(comment)),
        *comment,
        mode,
        scan,
        *regions,
        str(len(variables) // 2),
        *variables,
        *parameters,
        str(len(manual)),
        *manual,
        str(len(later)),
        str(later_blocks),
        *later,
        str(len(blocks) if stated is None else stated),
        *(line for one in blocks for line in one),
        *end,
    ]
    return (before + newline.join(lines)).encode("latin-1")


def column(points: int = 21, low: int = 1000, seed: int = 3) -> np.ndarray:
    """Return counts (point, 1) that differ from point to point."""
    rng = np.random.default_rng(seed)
    return rng.poisson(low, points).astype(float)[:, np.newaxis]
