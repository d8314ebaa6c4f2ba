"""Displacement and strain at 512 nodes of a volume stretched by 2 %, windows of 21 voxels, against spam's ldic.

Both start from the same affine map and run on one thread, in turn; times are those of the processor, children's among
them, the least of some runs. Interpolation of order 1 is spam's default; of order 3 its errors come near to ours.
``python bench_volume_correlation.py snow.tif`` takes a measured volume and stretches it by a spline of order 5; without
a file it is a sum of waves, whose stretched volume is exact.
"""

# ruff: noqa: E402 (threads are counted before numpy loads)
from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Callable
from functools import partial

from peak import Peak, one_thread, write_row

one_thread()

import dask
import numpy as np
import xarray as xr
from scipy import ndimage

from operando import tomo

SIZE, HALF, SPACING = 100, 10, 10
STRETCH = 1.02
NOISE = 0.02
RUNS = 3
SLOW_NODES = 64
AGREE = 0.02
"""Voxels, rms, that displacements may differ by between ours and spam's with cubic interpolation."""
VERSIONS = ("numpy", "numba", "scipy", "xarray", "spam")


def waves() -> tuple[np.ndarray, np.ndarray]:
    """Return a texture, and what it shows when stretched about the middle."""
    noise = np.random.default_rng(1)
    count = 150
    direction = noise.normal(size=(count, 3))
    wave = direction / np.linalg.norm(direction, axis=1, keepdims=True) * 2 * np.pi / noise.uniform(5, 16, (count, 1))
    phase = noise.uniform(0, 2 * np.pi, count)
    place = np.moveaxis(np.indices((SIZE,) * 3), 0, -1) - (SIZE - 1) / 2
    found = []
    for scale in (1, STRETCH):
        texture = sum(np.cos(place / scale @ one + begin) for one, begin in zip(wave, phase, strict=True))
        texture *= np.sqrt(2 / count)
        found.append((texture + NOISE * noise.standard_normal(texture.shape)).astype(np.float32))
    return found[0], found[1]


def measured(path: str) -> tuple[np.ndarray, np.ndarray]:
    import tifffile

    values = tifffile.imread(path).astype(np.float64)
    middle = (np.array(values.shape) - 1) / 2
    moved = ndimage.affine_transform(values, np.eye(3) / STRETCH, middle * (1 - 1 / STRETCH), order=5, mode="mirror")
    return values.astype(np.float32), moved.astype(np.float32)


def as_volume(values: np.ndarray) -> xr.DataArray:
    """Return a volume whose places are numbers of voxels."""
    coords = {name: np.arange(n) * 1.0 for name, n in zip("zyx", values.shape, strict=True)}
    return xr.DataArray(values, coords, ("z", "y", "x"))


def ours(still: np.ndarray, moved: np.ndarray, start: xr.Dataset) -> xr.Dataset:
    with dask.config.set(num_workers=1):
        return tomo.correlate(
            as_volume(still), as_volume(moved), spacing=SPACING, window=2 * HALF + 1, levels=0, start=start
        )


def spam(still: np.ndarray, moved: np.ndarray, nodes: np.ndarray, phi: np.ndarray, order: int) -> np.ndarray:
    """Return spam's maps (node, 4, 4); cubic interpolation with the tolerance of a script, linear as it comes."""
    import spam.DIC

    how = {"interpolationOrder": order, "deltaPhiMin": 1e-3 if order == 1 else 1e-4}
    with contextlib.redirect_stdout(io.StringIO()):
        found = spam.DIC.ldic(still, moved, nodes, np.array([HALF] * 3), processes=1, PhiField=phi.copy(), **how)
    return np.asarray(found[0])


def cpu_seconds(work: Callable[[], object]) -> float:
    before = os.times()
    work()
    after = os.times()
    return sum(after[:4]) - sum(before[:4])


def error(shift: np.ndarray, nodes: np.ndarray, shape: tuple[int, ...]) -> float:
    """Return the rms error of displacements (node, 3), voxels."""
    true = (nodes - (np.array(shape) - 1) / 2) * (STRETCH - 1)
    return float(np.sqrt(np.mean((shift - true) ** 2)))


def main() -> None:
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    still, moved = measured(name) if name else waves()
    start = tomo.register(as_volume(moved), as_volume(still), kind="affine")
    found = ours(still, moved, start)
    nodes = np.stack(np.meshgrid(*(found[axis] for axis in "zyx"), indexing="ij"), axis=-1).reshape(-1, 3).astype(int)
    matrix, center = start["matrix"].to_numpy(), start["center"].to_numpy()
    phi = np.tile(np.eye(4), (len(nodes), 1, 1))
    phi[:, :3, :3], phi[:, :3, 3] = matrix, (nodes - center) @ (matrix - np.eye(3)).T + start["translation"].to_numpy()
    few = np.random.default_rng(2).permutation(len(nodes))[:SLOW_NODES]
    with Peak() as peak:
        ours(still, moved, start)
    shift = found["displacement"].to_numpy().reshape(-1, 3)
    ratio = found["volume_ratio"].to_numpy().ravel()
    for order, which in ((1, np.arange(len(nodes))), (3, few)):
        work = partial(spam, still, moved, nodes[which], phi[which], order)
        theirs, sizes = work(), (len(nodes), len(which))
        pairs = [(cpu_seconds(lambda: ours(still, moved, start)), cpu_seconds(work)) for _ in range(RUNS)]
        fast, slow = (min(one) / count for one, count in zip(zip(*pairs, strict=True), sizes, strict=True))
        apart = float(np.sqrt(np.mean((theirs[:, :3, 3] - shift[which]) ** 2)))
        their_ratio = np.linalg.det(theirs[:, :3, :3])
        if not apart < AGREE:
            raise SystemExit(f"displacements differ by {apart:.3f} voxels rms")
        their_error = error(theirs[:, :3, 3], nodes[which], still.shape)
        write_row(
            f"volume correlation, {len(nodes)} nodes, windows of {2 * HALF + 1}^3, affine, of "
            f"{name.rsplit('/', 1)[-1] or 'waves'} stretched by {STRETCH - 1:.0%}",
            f"spam ldic, interpolation of order {order}",
            f"{slow / fast:.1f}x",
            f"{fast * 1e3:.2f} ms a node",
            f"{slow * 1e3:.2f} ms a node",
            f"apart {apart:.4f} voxels rms; error {error(shift, nodes, still.shape):.4f}, spam {their_error:.4f}; det "
            f"F off by {ratio.mean() - STRETCH**3:+.1e} +- {ratio.std():.1e}, spam "
            f"{their_ratio.mean() - STRETCH**3:+.1e} +- {their_ratio.std():.1e}; processor time",
            f"{peak.extra / 2**20:.0f} MiB",
            packages=VERSIONS,
        )


if __name__ == "__main__":
    main()
