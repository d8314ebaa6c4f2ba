"""The tags of Elmitec UView images: readings of the microscope's modules, gauges and camera.

===============  ==========================================================================
tag              what follows it
===============  ==========================================================================
0 to 99          name and one digit for the unit, NUL, float
100              two floats: the sample's place, um
101              text, NUL: the field of view
102, 103         float: a gauge
104              float: exposure, s; from data version 2 on two bytes for averaging
105              text, NUL: title
106-109,120-130  name, NUL, unit, NUL, float: a gauge
110              text, NUL: the field of view; float: its calibration
111              two floats: angles
112, 114         two bytes: spin, mirror
113, 115, 116    float: rotation; voltages of the screen and the channel plate, kV
255              nothing
===============  ==========================================================================

The tag's highest bit only says that the reading is drawn into the image. Behind a tag that is not in this table
nothing can be read.
"""

from __future__ import annotations

import math
import struct
from typing import Any

Tags = dict[str, tuple[Any, str]]
UNREAD = "unread tag"
_UNITS = ("", "V", "mA", "A", "degC", "K", "mV", "pA", "nA", "uA")
_NOTHING, _SHOWN = 0xFF, 0x80
_GAUGES = (*range(106, 110), *range(120, 127))
_FLOATS: dict[int, tuple[tuple[str, str], ...]] = {
    100: (("Sample X", "um"), ("Sample Y", "um")),
    102: (("Gauge 1", ""),),
    103: (("Gauge 2", ""),),
    111: (("Phi", ""), ("Theta", "")),
    113: (("FOV rotation", ""),),
    115: (("Screen voltage", "kV"),),
    116: (("Channel plate voltage", "kV"),),
}
_INTEGERS = {112: "Spin", 114: "Mirror"}


class _Bytes:
    """Bytes that are taken one after the other."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def __bool__(self) -> bool:
        return self.at < len(self.data)

    def unpacked(self, form: str) -> Any:
        (value,) = struct.unpack_from(form, self.data, self.at)
        self.at += struct.calcsize(form)
        return value

    def text(self) -> str:
        end = self.data.index(0, self.at)
        part = self.data[self.at : end]
        self.at = end + 1
        return part.decode("latin-1").strip()


def tags(data: bytes, *, averaged: bool) -> Tags:
    """Return ``{name: (value, unit)}`` of a data block, as far as it can be read.

    Parameters
    ----------
    data
        The block.
    averaged
        Whether the exposure is followed by two bytes for averaging (from data version 2 on).

    Notes
    -----
    A block that cannot be read to its end has the entry ``unread tag``.
    """
    found: Tags = {}
    rest = _Bytes(data)
    while rest:
        tag = rest.unpacked("<B")
        if tag == _NOTHING:
            continue
        try:
            if not _take(tag & ~_SHOWN, rest, found, averaged=averaged):
                break
        except (struct.error, ValueError):
            found[UNREAD] = (tag & ~_SHOWN, "")
            break
    return found


def _take(tag: int, rest: _Bytes, found: Tags, *, averaged: bool) -> bool:
    """Add what follows a tag; return whether more may follow."""
    if tag < 100:
        return _take_module(rest, found)
    if tag in _FLOATS:
        for name, unit in _FLOATS[tag]:
            found[name] = (_finite(rest.unpacked("<f")), unit)
    elif tag in _GAUGES:
        name, unit = rest.text(), rest.text()
        found[name] = (_finite(rest.unpacked("<f")), unit)
    elif tag in _INTEGERS:
        found[_INTEGERS[tag]] = (rest.unpacked("<h"), "")
    elif tag == 104:
        found["Exposure"] = (_finite(rest.unpacked("<f")), "s")
        if averaged:
            found["Averaging"] = (rest.unpacked("<h"), "")
    elif tag in (101, 105):
        found["FOV" if tag == 101 else "Title"] = (rest.text(), "")
    elif tag == 110:
        found["FOV"] = (rest.text(), "")
        found["FOV calibration"] = (_finite(rest.unpacked("<f")), "")
    else:
        found[UNREAD] = (tag, "")
        return False
    return True


def _take_module(rest: _Bytes, found: Tags) -> bool:
    """Add the reading of a module; one without a name is padding, behind which nothing follows."""
    name = rest.text()
    if not name:
        return False
    digit = name[-1] if name[-1] in "0123456789" else ""
    found[name.removesuffix(digit).strip()] = (_finite(rest.unpacked("<f")), _UNITS[int(digit or 0)])
    return True


def _finite(value: float) -> float | None:
    """Return a reading rounded to the digits that single precision has; None where there is none."""
    return float(f"{value:.7g}") if math.isfinite(value) else None
