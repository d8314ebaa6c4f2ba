"""Tortuosity factors of blobs in 200^3 against taufactor on the CPU, and of its standard of 500^3, on two threads."""

# ruff: noqa: E402 (threads are counted before numpy loads)
from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
import zipfile
from io import BytesIO
from pathlib import Path

THREADS = 2
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = str(THREADS)

import numpy as np
from peak import Peak, write_row
from scipy import ndimage

from operando import tomo

SIZE, RUNS, AGREE = 200, 3, 1e-3
CASES = ((0.4, 3.0), (0.6, 3.0))
STANDARD = Path(__file__).resolve().parents[2] / "shared" / "data" / "tomo" / "taufactor_TF-500.tiff.zip"
PUBLISHED = {"z": 4.2431, "y": 1.1513, "x": 1.3905}
VERSIONS = ("numpy", "numba", "xarray")
FIRST_USE = """
import time, numpy as np
from operando import tomo
import operando.tomo.tortuosity_factors
start, spent = time.perf_counter(), time.process_time()
tomo.tortuosity(np.random.default_rng(0).random((40, 40, 40)) < 0.6)
print(time.perf_counter() - start, time.process_time() - spent)
"""


def blobs(filled: float, width: float) -> np.ndarray:
    """Return a mask of connected blobs of which a share is true."""
    field = ndimage.gaussian_filter(np.random.default_rng(1).standard_normal((SIZE,) * 3).astype(np.float32), width)
    return field < np.quantile(field, filled)


def measured(work: object, *arguments: object) -> tuple[float, float, float, float]:
    """Return a result, wall and processor seconds, and the peak memory in bytes."""
    spent = time.process_time()
    with Peak() as peak:
        found = work(*arguments)
    return found, peak.seconds, time.process_time() - spent, peak.extra


def ours(mask: np.ndarray, dim: str = "z") -> float:
    return tomo.tortuosity(mask, dim, workers=THREADS)["tortuosity_factor"].item()


def theirs(mask: np.ndarray) -> float:
    import taufactor

    solver = taufactor.Solver(mask.astype(np.uint8), device="cpu")
    solver.solve(verbose=False, iter_limit=20000)
    return float(np.ravel(solver.tau)[0])


def memory(who: str, filled: float, width: float) -> float:
    """Return the peak bytes a voxel of a solution in a process of its own: memory once freed is taken again unseen."""
    done = subprocess.run(
        [sys.executable, __file__, who, str(filled), str(width)], capture_output=True, text=True, check=True
    )
    return float(done.stdout.split()[-1])


def one(who: str, filled: float, width: float) -> None:
    work, mask = {"ours": ours, "theirs": theirs}[who], blobs(filled, width)
    work(mask[:40, :40, :40])
    print(measured(work, mask)[-1] / mask.size)


def compare(filled: float, width: float) -> None:
    from importlib.metadata import version

    mask = blobs(filled, width)
    rows = [(measured(ours, mask), measured(theirs, mask)) for _ in range(RUNS)]
    (mine, *_), (peers, *_) = rows[0]
    if not abs(mine / peers - 1) < AGREE:
        raise SystemExit(f"tortuosity factors differ: {mine} and {peers}")
    wall, spent = ([statistics.median(row[who][at] for row in rows) for who in (0, 1)] for at in (1, 2))
    held = [memory(who, filled, width) for who in ("ours", "theirs")]
    write_row(
        f"tortuosity factor of blobs in {SIZE}^3, {filled:g} filled, {width:g} voxels wide, {THREADS} threads",
        f"taufactor {version('taufactor')}, CPU, its own criterion",
        f"{wall[1] / wall[0]:.0f}x",
        f"{wall[0]:.2f} s",
        f"{wall[1]:.1f} s",
        f"{mine:.4f} and {peers:.4f}; processor time {spent[0]:.2f} and {spent[1]:.1f} s, "
        f"{spent[1] / spent[0]:.0f}x; load {os.getloadavg()[0]:.1f}",
        f"{held[0]:.1f} and {held[1]:.0f} bytes a voxel",
        packages=VERSIONS,
    )


def standard() -> None:
    import tifffile

    if not STANDARD.exists():
        print(f"{STANDARD.name} is kept outside the project and is not here")
        return
    with zipfile.ZipFile(STANDARD) as file:
        name = next(name for name in file.namelist() if name.endswith(".tiff") and "MACOSX" not in name)
        mask = tifffile.imread(BytesIO(file.read(name))) > 0
    for dim, published in PUBLISHED.items():
        found, wall, spent, held = measured(ours, mask, dim)
        if not abs(found - published) < 2e-4:
            raise SystemExit(f"tortuosity factor along {dim}: {found}, published {published}")
        write_row(
            f"tortuosity factor of TF-500 (500^3) along {dim}, {THREADS} threads",
            "published, over-converged",
            "-",
            f"{wall:.1f} s",
            "-",
            f"{found:.4f}, published {published}; processor time {spent:.1f} s; load {os.getloadavg()[0]:.1f}",
            f"{held / mask.size:.1f} bytes a voxel",
            packages=VERSIONS,
        )


def first_use() -> None:
    """Measure a first use that compiles everything anew."""
    environment = {
        **os.environ,
        "NUMBA_CACHE_DIR": str(Path(os.environ.get("TMPDIR", "/tmp")) / f"first-{os.getpid()}"),
    }
    done = subprocess.run(
        [sys.executable, "-c", FIRST_USE], env=environment, capture_output=True, text=True, check=True
    )
    wall, spent = map(float, done.stdout.split())
    write_row(
        "first use of the tortuosity factor: compilation",
        "-",
        "-",
        f"{wall:.1f} s",
        "-",
        f"processor time {spent:.1f} s; load {os.getloadavg()[0]:.1f}",
        "-",
        packages=VERSIONS,
    )


def main() -> None:
    import torch

    torch.set_num_threads(THREADS)
    if len(sys.argv) > 1:
        one(sys.argv[1], *map(float, sys.argv[2:]))
        return
    small = blobs(0.5, 2.0)[:40, :40, :40]
    ours(small), theirs(small)
    for filled, width in CASES:
        compare(filled, width)
    standard()
    first_use()


if __name__ == "__main__":
    main()
