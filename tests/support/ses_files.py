"""Scienta's files, written from the description of their formats: Igor binary waves and the text of SES."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence

import numpy as np

KINDS = {"f4": 2, "f8": 4, "i1": 8, "i2": 0x10, "i4": 0x20, "i8": 0x80, "u1": 0x48, "u2": 0x50, "u4": 0x60}

FIELDS = {
    "Region Name": "S2p",
    "Lens Mode": "Transmission",
    "Pass Energy": "50",
    "Number of Sweeps": "4",
    "Excitation Energy": "1486.6",
    "Energy Scale": "Binding",
    "Acquisition Mode": "Fixed",
    "Step Time": "500",
    "Number of Slices": "1",
    "Date": "2023-03-08",
    "Time": "15:24:35",
    "Time per Spectrum Channel": "2",
    "DetectorMode": "Pulse Counting",
}


def note(fields: Mapping[str, str]) -> str:
    """Return the note that SES gives a wave."""
    return "\r".join(["[SES]", "Version=1.2.5", *(f"{key}={value}" for key, value in fields.items())])


def wave_5(
    values: np.ndarray,
    scales: Sequence[tuple[float, float]],
    names: Sequence[str],
    fields: Mapping[str, str] = FIELDS,
    *,
    order: str = "<",
    name: str = "wave0",
    short_units: bool = False,
) -> bytes:
    """Return a wave of version 5; ``scales`` are start and step of each dim, the first of which is the energy."""
    kind = values.dtype.str[1:]
    data = np.asfortranarray(values).astype(f"{order}{kind}").tobytes(order="F")
    four = 4 * [0]
    told, unit = note(fields).encode(), b"Counts [a.u.]"
    units = [b"" if short_units else text.encode() for text in names] + [b""] * (4 - len(names))
    shape = [*values.shape, *four][:4]
    starts, steps = ([*(scale[k] for scale in scales), *(4 * [1.0])][:4] for k in (0, 1))
    wave = struct.pack(f"{order}3iihh6xh32s4xi", 0, 0, 0, values.size, KINDS[kind], 0, 1, name.encode(), 0)
    wave += struct.pack(f"{order}4i4d4d", *shape, *steps, *starts)
    wave += struct.pack("4s", b"") + b"".join(
        struct.pack("4s", text.encode()[:4] if short_units else b"") for text in [*names, "", "", "", ""][:4]
    )
    wave = wave.ljust(320, b"\x00")
    sizes = [320 + len(data), 0, len(told), len(unit), *map(len, units), *four, 0, 0, 0]
    start = struct.pack(f"{order}hh15i", 5, 0, *sizes)
    header = summed(start + wave, 384, 2, order)
    return header + data + told + unit + b"".join(units)


def wave_2(
    values: np.ndarray, scale: tuple[float, float], fields: Mapping[str, str] = FIELDS, *, order: str = "<"
) -> bytes:
    """Return a wave of version 2, whose unit of energy has three letters."""
    kind = values.dtype.str[1:]
    data, told = values.astype(f"{order}{kind}").tobytes(), note(fields).encode()
    wave = struct.pack(f"{order}hi20shhi4s4si", KINDS[kind], 0, b"wave0", 0, 0, 0, b"", b"BE", values.size)
    wave += struct.pack(f"{order}hdd", 0, scale[1], scale[0])
    wave = wave.ljust(110, b"\x00")
    start = struct.pack(f"{order}h3ih", 2, 110 + len(data) + 16, len(told), 0, 0)
    return summed(start + wave, 126, 14, order) + data + bytes(16) + told


def summed(header: bytes, size: int, at: int, order: str) -> bytes:
    """Return a header whose numbers of 16 bits add up to zero, by the one that lies ``at``."""
    assert len(header) == size
    total = int(np.frombuffer(header, f"{order}u2").sum(dtype=np.int64))
    return header[:at] + struct.pack(f"{order}H", -total % 2**16) + header[at + 2 :]


def ses_text(regions: Sequence[tuple[Mapping[str, str], Sequence[tuple[str, np.ndarray]], np.ndarray]]) -> str:
    """Return the text of SES: of each region its fields, its dims (name and scale), and its values."""
    lines = ["[Info]", f"Number of Regions={len(regions):04d}", "Version=1.3.1", ""]
    for k, (fields, scales, values) in enumerate(regions, start=1):
        lines += [f"[Region {k}]", f"Region Name={fields['Region Name']}"]
        for d, (name, scale) in enumerate(scales, start=1):
            listed = " ".join(f"{value:.6g}" for value in scale)
            lines += [
                f"Dimension {d} name={name}",
                f"Dimension {d} size={scale.size}",
                f"Dimension {d} scale={listed}",
                "",
            ]
        lines += [f"[Info {k}]", *(f"{key}={value}" for key, value in fields.items())]
        lines += [f"[Run Mode Information {k}]", "", ""]
        blocks = values if values.ndim == 3 else values.reshape(scales[0][1].size, -1, 1)
        for step in range(blocks.shape[2]):
            lines.append(f"[Data {k}:{step + 1}]" if values.ndim == 3 else f"[Data {k}]")
            for energy, row in zip(scales[0][1], blocks[:, :, step], strict=True):
                lines.append(" ".join(f"{value: .14E}" for value in (energy, *row)))
            lines.append("")
    return "\r\n".join(lines)
