"""Where curve resolution begins: the purest spectra, the purest energies, or what appears and vanishes in turn."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_OFFSET = 0.05


def main_directions(data: Floats, count: int) -> Floats:
    """Return the directions along which the rows are largest, dims column, direction."""
    if data.shape[0] < data.shape[1]:
        return np.linalg.svd(data, full_matrices=False)[2][:count].T
    return np.linalg.eigh(data.T @ data)[1][:, ::-1][:, :count]


def purest_rows(data: Floats, count: int, known: Floats) -> Floats:
    """Return ``count`` spectra that stand farthest apart: the known ones, then rows freed of most noise.

    Each is the row farthest from what those before it span, within the space of the main components; then each is
    sought once more, given the others.
    """
    axes = main_directions(data, count)
    places = data @ axes
    chosen = list(known @ axes) if known.size else []
    while len(chosen) < count:
        chosen.append(places[_farthest(places, chosen)])
    for at in range(len(known), count):
        others = [one for k, one in enumerate(chosen) if k != at]
        chosen[at] = places[_farthest(places, others)]
    found = np.array(chosen) @ axes.T
    found[: len(known)] = known
    return found


def _farthest(places: Floats, chosen: list[Floats]) -> int:
    """Return the row farthest from the plane through the chosen ones; from the mean of all if there are none."""
    origin = chosen[0] if chosen else places.mean(axis=0)
    away = places - origin
    if len(chosen) > 1:
        plane = np.linalg.qr(np.array(chosen[1:] - origin).T)[0]
        away = away - (away @ plane) @ plane.T
    return int(np.einsum("ij,ij->i", away, away).argmax())


def purest_columns(data: Floats, count: int) -> Floats:
    """Return shares from the columns at which single components stand out.

    The purity of a column is its standard deviation over its mean (plus 5 % of the largest mean), times what the
    columns chosen before leave of it.
    """
    mean, spread = data.mean(axis=0), data.std(axis=0)
    offset = _OFFSET * np.abs(mean).max()
    purity = spread / (np.abs(mean) + offset)
    left = data / np.sqrt(mean**2 + (spread + offset) ** 2)
    chosen: list[int] = []
    for _ in range(count):
        at = int((purity * np.einsum("ij,ij->j", left, left)).argmax())
        chosen.append(at)
        one = left[:, at] / np.linalg.norm(left[:, at])
        left = left - np.outer(one, one @ left)
    return np.maximum(data[:, chosen], 0.0)


def evolving(data: Floats, count: int) -> Floats:
    """Return shares from the rows' order: the component that appears first is the first to vanish.

    They are the singular values of the rows up to each, or from each on, whichever is smaller.
    """
    places = data @ main_directions(data, count)
    squares = np.einsum("ij,ik->ijk", places, places)
    ahead = np.linalg.eigvalsh(np.cumsum(squares, axis=0))[:, ::-1]
    behind = np.linalg.eigvalsh(np.cumsum(squares[::-1], axis=0)[::-1])
    return np.asarray(np.sqrt(np.maximum(np.minimum(ahead, behind), 0.0)))
