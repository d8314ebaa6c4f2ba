"""Windows of the Fourier transforms: 1 inside, falling to 0 at both ends."""

from __future__ import annotations

import numpy as np
from scipy.special import i0

from operando.errors import OperandoError

from .wavenumber import Floats

WINDOWS = ("kaiser", "hanning", "parzen", "welch", "sine", "gaussian")


def checked_window(name: str, step: str) -> str:
    """Return ``name`` if it is the name of a window.

    Raises
    ------
    OperandoError
        If it is not.
    """
    if name not in WINDOWS:
        raise OperandoError(f"{step}: expected a window among {', '.join(WINDOWS)}, got {name!r}")
    return name


def taper(x: Floats, low: float, high: float, widths: tuple[float, float], kind: str) -> Floats:
    """Return the window from ``low`` to ``high`` on the uniform grid ``x``, which starts at 0.

    Each end falls over its width, half of it outside; the Kaiser window is I0(dx sqrt(1 - u^2)) and the Gaussian
    has standard deviation dx, dx the first width. The ends lie on grid points, as in ``larch.xafs.ftwindow``.
    """
    ends = _ends(x, low, high, widths)
    x1, x2, x3, x4 = x[list(ends)]
    tiny = 1e-4 * x[-1] / (x.size - 1)
    x2, x4 = (x2 + tiny if x2 == x1 else x2), (x4 + tiny if x4 == x3 else x4)
    middle, half = (x4 + x1) / 2, (x4 - x1) / 2
    if kind == "kaiser":
        arch = i0(widths[0] * np.sqrt(np.clip(1 - ((x - middle) / half) ** 2, 0, None)))
        kaiser: Floats = (arch - 1) / max(1e-10, i0(widths[0]) - 1)
        return kaiser
    if kind == "gaussian":
        gaussian: Floats = np.exp(-((x - middle) ** 2) / (2 * max(widths[0], tiny) ** 2))
        return gaussian
    out = np.zeros(x.size)
    if kind == "sine":
        inside = slice(ends[0], ends[3] + 1)
        out[inside] = np.sin(np.pi * (x4 - x[inside]) / (x4 - x1))
        return out
    rising, falling = slice(ends[0], ends[1] + 1), slice(ends[2], ends[3] + 1)
    out[ends[1] : ends[2]] = 1
    out[rising] = _slope((x[rising] - x1) / (x2 - x1), kind)
    out[falling] = _slope(1 - (x[falling] - x3) / (x4 - x3), kind)
    return out


def _slope(part: Floats, kind: str) -> Floats:
    """Return the height of an end, ``part`` of the way up."""
    if kind == "hanning":
        height: Floats = np.sin(np.pi / 2 * part) ** 2
        return height
    return part if kind == "parzen" else 1 - (1 - part) ** 2


def _ends(x: Floats, low: float, high: float, widths: tuple[float, float]) -> tuple[int, int, int, int]:
    """Return the points where the window leaves 0, reaches 1, leaves 1 and reaches 0."""
    step = x[-1] / (x.size - 1)
    tiny = 1e-4 * step
    wanted = (
        max(x[0], low - widths[0] / 2),
        low + widths[0] / 2 + tiny,
        high - widths[1] / 2 - tiny,
        min(x[-1], high + widths[1] / 2),
    )
    first, up, down, last = (min(max(int((value + tiny) / step), 0), x.size - 1) for value in wanted)
    if up == first:
        first = max(0, up - 1)
    if last == down:
        down = max(up, last - 1)
    return first, up, down, last
