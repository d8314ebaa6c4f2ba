"""Scans of a simulated edge, written as the programs of beamlines write them."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

EDGE = 8345.0
ENERGY = np.arange(8300.0, 8420.0, 1.0)


def edge(shift: float = 0.0, energy: np.ndarray = ENERGY) -> np.ndarray:
    """Return an absorption edge with a white line."""
    e = energy - EDGE - shift
    return 0.5 + np.arctan(e / 1.2) / np.pi + 0.4 * np.exp(-0.5 * ((e - 5) / 2.5) ** 2)


def spec_scan(
    number: int,
    columns: Mapping[str, Sequence[float]],
    *,
    command: str = "",
    header: Sequence[str] = (),
    extra: Sequence[str] = (),
    rows: int | None = None,
) -> str:
    """Return a scan as spec writes it; ``extra`` are lines behind each row."""
    table = np.column_stack([*columns.values()])[:rows]
    command = command or f"ascan energy 0 1 {len(next(iter(columns.values()))) - 1} 1"
    lines = [f"#S {number}  {command}", "#D Thu Nov 05 10:00:00 2026", "#T 1  (Seconds)", *header]
    lines += [f"#N {len(columns)}", f"#L {'  '.join(columns)}"]
    for row in table:
        lines += [" ".join(f"{value:.8g}" for value in row), *extra]
    return "\n".join(lines) + "\n\n"


def spec_header(motors: Sequence[str] = ("Mono angle", "Sample X"), epoch: int = 1793872800) -> str:
    """Return the header of a SPEC file."""
    return f"#F /data/cell\n#E {epoch}\n#D Thu Nov 05 09:59:00 2026\n#C cell  User = me\n#O0 {'  '.join(motors)}\n\n"


def spec_file(path: Path, shifts: Sequence[float] = (0.0, 0.5, 1.0)) -> Path:
    """Write a SPEC file: a scan of a motor, then scans of the energy."""
    x = np.linspace(-1, 1, 11)
    text = spec_header() + spec_scan(1, {"Sample X": x, "Monitor": 1000 + x})
    for k, shift in enumerate(shifts, start=2):
        columns = {"Energy": ENERGY, "Total Yield": 1e3 * edge(shift), "I0": np.full(ENERGY.size, 1e3) + ENERGY / 100}
        text += spec_scan(k, {**columns, "TEY": columns["Total Yield"]}, header=["#P0 14.2 1.5"])
    path.write_text(text)
    return path


def xdr_text(text: str) -> bytes:
    """Return a counted text of EPICS."""
    data = text.encode()
    if not data:
        return struct.pack(">i", 0)
    return struct.pack(">ii", len(data), len(data)) + data + b"\0" * (-len(data) % 4)


def mda_scan(
    place: int,
    positioners: Sequence[tuple[str, str, str, Sequence[float]]],
    detectors: Sequence[tuple[str, str, str, Sequence[float]]],
    *,
    done: int | None = None,
    inner: Sequence[bytes] = (),
    rank: int = 1,
    time: str = "Nov 05, 2026 10:00:00.250000",
) -> bytes:
    """Return one scan as saveData writes it at a place of the file; ``inner`` are scans that follow it."""
    points = len(positioners[0][3])
    done = points if done is None else done
    info = xdr_text("ioc:scan1") + xdr_text(time) + struct.pack(">iii", len(positioners), len(detectors), 1)
    for k, (name, told, unit, _) in enumerate(positioners):
        fields = (f"{name}.VAL", told, "LINEAR", unit, f"{name}.RBV", told, unit)
        info += struct.pack(">i", k) + b"".join(map(xdr_text, fields))
    for k, (name, told, unit, _) in enumerate(detectors):
        info += struct.pack(">i", k) + b"".join(map(xdr_text, (name, told, unit)))
    info += struct.pack(">i", 0) + xdr_text("ioc:scaler.CNT") + struct.pack(">f", 1.0)
    info += b"".join(np.asarray(values, ">f8").tobytes() for *_, values in positioners)
    info += b"".join(np.asarray(values, ">f4").tobytes() for *_, values in detectors)
    at = place + 12 + (4 * points if rank > 1 else 0) + len(info)
    places = []
    for one in inner:
        places.append(at)
        at += len(one)
    places += [0] * (points - len(places))
    head = struct.pack(">iii", rank, points, done) + (struct.pack(f">{points}i", *places) if rank > 1 else b"")
    return head + info + b"".join(inner)


def mda_bytes(scan: bytes, shape: Sequence[int], version: float = 1.4, extra: Sequence[bytes] | None = None) -> bytes:
    """Return an MDA file around its outermost scan, which starts at :func:`mda_start`."""
    extra = (
        [
            xdr_text("ioc:current")
            + xdr_text("ring current")
            + struct.pack(">ii", 34, 1)
            + xdr_text("mA")
            + struct.pack(">d", 200.5)
        ]
        if extra is None
        else extra
    )
    head = struct.pack(">fii", version, 7, len(shape)) + struct.pack(f">{len(shape)}i", *shape)
    head += struct.pack(">ii", 1, mda_start(shape) + len(scan))
    return head + scan + struct.pack(">i", len(extra)) + b"".join(extra)


def mda_start(shape: Sequence[int]) -> int:
    """Return where the first scan of a file starts."""
    return 20 + 4 * len(shape)


def mda_energy_scan(place: int, shift: float = 0.0, done: int | None = None) -> bytes:
    """Return a scan of the energy with a yield and I0."""
    energy = [("ioc:mono", "Mono energy", "eV", ENERGY)]
    detectors = [
        ("ioc:scaler.S2", "I0", "A", 1e-9 + 1e-14 * ENERGY),
        ("ioc:scaler.S3", "TEY", "A", 1e-9 * edge(shift)),
    ]
    return mda_scan(place, energy, detectors, done=done)


def mda_file(path: Path, shift: float = 0.0, done: int | None = None) -> Path:
    """Write an MDA file of one scan of the energy."""
    path.write_bytes(mda_bytes(mda_energy_scan(mda_start([ENERGY.size]), shift, done), [ENERGY.size]))
    return path


def mda_ascii(path: Path, shift: float = 0.0, done: int | None = None) -> Path:
    """Write the text of mda2ascii for the scan that :func:`mda_file` writes."""
    rows = np.column_stack([ENERGY, 1e-9 + 1e-14 * ENERGY, 1e-9 * edge(shift)])[: ENERGY.size if done is None else done]
    lines = [
        "## mda2ascii 1.4 generated output",
        "",
        "# MDA File Version = 1.4",
        "# Scan number = 7",
        "# Overall scan dimension = 1-D",
        f"# Total requested scan size = {ENERGY.size}",
        "",
        "#  Extra PV: name, descr, values (, unit)",
        '# Extra PV 1: ioc:current, ring current, "200.5", mA',
        "",
        "# 1-D Scan",
        f"# Points completed = {len(rows)} of {ENERGY.size}",
        "# Scanner = ioc:scan1",
        "# Scan time = Nov 05, 2026 10:00:00.250000",
        "",
        "# Column Descriptions:",
        "#    1  [     Index      ]",
        "#    2  [1-D Positioner 1]  ioc:mono.VAL, Mono energy, LINEAR, eV, ioc:mono.RBV, Mono energy, eV",
        "#    3  [1-D Detector   1]  ioc:scaler.S2, I0, A",
        "#    4  [1-D Detector   2]  ioc:scaler.S3, TEY, A",
        "",
        "# 1-D Scan Values",
    ]
    for k, (energy, i0, tey) in enumerate(rows, start=1):
        lines.append(f"{k}\t{energy:.9g}\t{np.float32(i0):.9g}\t{np.float32(tey):.9g}")
    path.write_text("\n".join(lines) + "\n")
    return path
