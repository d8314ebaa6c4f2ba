"""Spectra and depth profiles as PHI MultiPak writes them: a text header, a directory, numbers."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass
class PhiRegion:
    """A region of ``rates`` (..., point), whose axes but the last are ``axes``, the slowest first."""

    name: str
    rates: np.ndarray
    start: float = 298.0
    step: float = -0.2
    seconds: float = 0.8
    sweeps: int = 10
    axes: Sequence[str] = ()
    unit: bytes = b"c/s"


def phi_bytes(
    regions: Sequence[PhiRegion],
    *,
    kind: str = "f4",
    file_type: str = "SPECTRUM",
    sputter_times: np.ndarray | None = None,
    fields: Sequence[str] = ("AcqFileDate: 2024 1 22",),
    line_end: str = "\r\n",
) -> bytes:
    """Return a whole file; ``sputter_times`` (region, cycle) are in s."""
    lines = ["SOFH", "Platform: PC", "Technique: XPS", f"FileType: {file_type}", *fields]
    lines += ["AnalyserWorkFcn: 4.506 eV", "XraySource: Al 1486.6 mono", f"NoSpectralReg: {len(regions)}"]
    for number, region in enumerate(regions, start=1):
        points = region.rates.shape[-1]
        stop = region.start + region.step * (points - 1)
        ends = f"{region.start:.4f} {stop:.4f} {region.start - 1:.4f} {stop + 1:.4f}"
        defined = f"{number} {number} {region.name} 6 {points} {region.step:.4f} {ends} {region.seconds:.6f} 55.00 AREA"
        lines += [f"SpectralRegDef: {defined}", f"SpectralRegDef2: {number} 20.0 {region.sweeps} 0 4 180"]
    header = line_end.join([*lines, "EOFH", ""]).encode("latin-1")
    blocks = [(number, region.rates, region.axes, region.unit) for number, region in enumerate(regions, start=1)]
    tables = [(0, np.asarray(sputter_times), ("reg", "cyc"), b"s")] if sputter_times is not None else []
    return header + _binary([*((n, v, (*axes, "pnt"), unit) for n, v, axes, unit in blocks), *tables], kind)


def phi_file(path: Path, regions: Sequence[PhiRegion], **options) -> Path:
    """Write a file and return its path."""
    path.write_bytes(phi_bytes(regions, **options))
    return path


def _binary(blocks: Sequence[tuple[int, np.ndarray, Sequence[str], bytes]], kind: str) -> bytes:
    """Return the directory and the blocks; each is its region, its values, its axes (slowest first) and its unit."""
    offset = 16 + 96 * len(blocks)
    directory, numbers = struct.pack("<4I", 1, len(blocks), 96 * len(blocks), 16), b""
    for k, (region, values, axes, unit) in enumerate(blocks, start=1):
        data = np.ascontiguousarray(values, dtype=f"<{kind}").tobytes()
        counts = (*values.shape[::-1], 1, 1, 1)[:3]
        names = [name.encode() for name in (*axes[::-1], "", "")][:3]
        directory += struct.pack("<5I3I", k, 1, 1, region, 1, *counts)
        directory += b"".join(struct.pack("<4sI", name, 0) for name in names)
        directory += struct.pack("<8s2I4s2I3I", unit, 0, 0, kind.encode(), len(data), offset, 0, 0, 0)
        numbers += data
        offset += len(data)
    return directory + numbers
