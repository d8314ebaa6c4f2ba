"""Pixels that are alike: k-means on the main components of their spectra."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from operando.errors import OperandoError
from operando.history import recorded
from operando.units import with_units

from .frames import ALONG, PLANE, images_of, usable

Floats = NDArray[np.float64]
_ROWS = 64
_ROUNDS = 300
_STARTS = 8
_SEED = 0
CLUSTER = "cluster"
COMPONENT = "component"


def clusters(
    images: xr.DataArray | xr.Dataset, n: int, *, scores: xr.DataArray | None = None, components: int = 5
) -> xr.Dataset:
    """Return which of ``n`` kinds each pixel belongs to, and the mean spectrum of each kind.

    K-means on the scores of the pixels, the best of 8 starts by k-means++ with fixed random numbers: the same images
    give the same clusters. D. Arthur, S. Vassilvitskii, Proc. SODA 2007, 1027.

    Parameters
    ----------
    images
        Aligned (and, if brightness is not to count, normalized) images, dims ``energy``, ``y``, ``x`` and others, in
        memory or dask. Frames that are flagged as missing or saturated are left out.
    n
        Number of clusters.
    scores
        What to judge the pixels by, dims of the pixels and ``component``; by default the scores of the first main
        components of the centered spectra.
    components
        How many main components.

    Returns
    -------
    xarray.Dataset
        ``label`` (1 to n, the largest cluster first; 0 for pixels with missing values), ``spectrum`` (cluster energy),
        and ``pixels`` (cluster), all computed at once.

    Raises
    ------
    OperandoError
        If there are fewer different pixels than clusters.

    Notes
    -----
    Only the scores are in memory, and 64 rows of all frames: the result does not depend on the chunks.
    """
    stack = images_of(images, "clusters")
    sound = usable(stack)
    sound = sound.any([dim for dim in sound.dims if dim != ALONG])
    stack = stack.isel({ALONG: np.flatnonzero(sound.to_numpy())})
    others = [dim for dim in stack.dims if dim not in (ALONG, *PLANE)]
    pixels = stack.transpose(*others, *PLANE, ALONG)
    mean, axes = _components(pixels, components)
    shape = [pixels.sizes[dim] for dim in (*others, *PLANE)]
    if scores is None:
        points = np.concatenate([(rows - mean) @ axes for rows in _rows(pixels)])
    else:
        points = scores.transpose(*others, *PLANE, COMPONENT).to_numpy().reshape(-1, scores.sizes[COMPONENT])
    known = np.isfinite(points).all(axis=1)
    label = np.zeros(len(points), dtype=np.int32)
    label[known] = _ordered(_kmeans(points[known].astype(np.float64), n))
    spectrum, count = _means(pixels, label, n)
    ds = xr.Dataset(
        {
            "label": ((*others, *PLANE), label.reshape(shape)),
            "spectrum": ((CLUSTER, ALONG), spectrum),
            "pixels": (CLUSTER, count),
        },
        {name: values for name, values in stack.coords.items() if set(values.dims) <= {*others, *PLANE, ALONG}},
    ).assign_coords({CLUSTER: (CLUSTER, np.arange(1, n + 1), {"units": "1", "long_name": "kind of pixels"})})
    units = {"label": "1", "spectrum": str(stack.attrs.get("units", "1")), "pixels": "1"}
    names = {"label": "kind of the pixel, 0 unknown", "spectrum": "mean spectrum", "pixels": "number of pixels"}
    parameters = {"n": n, "components": axes.shape[1] if scores is None else "given scores"}
    return recorded(with_units(ds, units, names), "xas.xpeem.clusters", parameters, after=xr.Dataset(attrs=stack.attrs))


def _rows(pixels: xr.DataArray) -> Iterator[Floats]:
    """Yield the spectra of 64 rows of pixels after the other, dims (pixel, energy)."""
    for index in np.ndindex(*pixels.shape[:-3]):
        image = pixels[index]
        for start in range(0, image.sizes["y"], _ROWS):
            block = image.isel(y=slice(start, start + _ROWS)).to_numpy()
            yield block.reshape(-1, block.shape[-1]).astype(np.float64)


def _components(pixels: xr.DataArray, most: int) -> tuple[Floats, Floats]:
    """Return the mean spectrum and the main components (energy, component) of the spectra without missing values."""
    size = pixels.sizes[ALONG]
    total, squares, count, origin = np.zeros(size), np.zeros((size, size)), 0, np.zeros(size)
    for rows in _rows(pixels):
        known = rows[np.isfinite(rows).all(axis=1)]
        if not count and len(known):
            origin = known.mean(axis=0)
        away = known - origin
        total, squares, count = total + away.sum(axis=0), squares + away.T @ away, count + len(known)
    if not count:
        raise OperandoError("clusters: expected pixels that are known in all frames, got none")
    offset = total / count
    _, vectors = np.linalg.eigh(squares - count * np.outer(offset, offset))
    axes = vectors[:, ::-1][:, :most]
    largest = axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])]
    return origin + offset, axes * np.sign(largest)


def _kmeans(points: Floats, n: int) -> NDArray[np.int64]:
    """Return the cluster of each point, from 0."""
    different = len(np.unique(points[:: max(1, len(points) // 10_000)], axis=0))
    if n < 1 or different < n:
        raise OperandoError(f"clusters: expected 1 or more clusters and as many different pixels, got {n}, {different}")
    noise = np.random.default_rng(_SEED)
    tries = [_lloyd(points, _start(points, n, noise)) for _ in range(_STARTS)]
    return min(tries, key=lambda found: found[1])[0]


def _start(points: Floats, n: int, noise: np.random.Generator) -> Floats:
    """Return n of the points, each next one likelier the farther it is from those before (k-means++)."""
    chosen = [points[noise.integers(len(points))]]
    nearest = ((points - chosen[0]) ** 2).sum(axis=1)
    while len(chosen) < n:
        reached = np.cumsum(nearest)
        chosen.append(points[int(np.searchsorted(reached, noise.random() * reached[-1], side="right"))])
        nearest = np.minimum(nearest, ((points - chosen[-1]) ** 2).sum(axis=1))
    return np.array(chosen)


def _lloyd(points: Floats, centers: Floats) -> tuple[NDArray[np.int64], float]:
    """Return the cluster of each point and the sum of squares within, from centers to start with."""
    label = np.full(len(points), -1)
    for _ in range(_ROUNDS):
        away = np.stack([((points - center) ** 2).sum(axis=1) for center in centers])
        found = away.argmin(axis=0)
        if (found == label).all():
            break
        label = found
        sizes = np.bincount(label, minlength=len(centers))
        sums = np.stack([np.bincount(label, column, len(centers)) for column in points.T], axis=1)
        centers = np.where(sizes[:, None] > 0, sums / np.maximum(sizes, 1)[:, None], centers)
    return label, float(away.min(axis=0).sum())


def _ordered(label: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return labels from 1, the largest cluster first, of equal ones that of the first pixel."""
    names, first, sizes = np.unique(label, return_index=True, return_counts=True)
    order = np.lexsort((first, -sizes))
    rank = np.empty(names.max() + 1, dtype=np.int64)
    rank[names[order]] = np.arange(1, len(names) + 1)
    return rank[label]


def _means(pixels: xr.DataArray, label: NDArray[np.int32], n: int) -> tuple[Floats, NDArray[np.int64]]:
    """Return the mean spectrum and the number of pixels of each cluster."""
    total, start = np.zeros((n + 1, pixels.sizes[ALONG])), 0
    for rows in _rows(pixels):
        mine = label[start : start + len(rows)]
        start += len(rows)
        for kind in np.unique(mine[mine > 0]):
            total[kind] += rows[mine == kind].sum(axis=0)
    count = np.bincount(label, minlength=n + 1)[1:]
    return total[1:] / np.where(count, count, np.nan)[:, None], count
