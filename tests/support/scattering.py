"""Scattering paths of copper, calculated by the FEFF 6 that comes with larch."""

from __future__ import annotations

import itertools
import subprocess
import warnings
from pathlib import Path

import numpy as np
import pytest


def calculated(folder: Path) -> Path:
    """Return the folder after a calculation in it, or skip."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pytest.importorskip("larch", reason="xraylarch is not installed (extra 'larch')")
        from larch.xafs.feffrunner import find_exe
    program = find_exe("feff6l")
    if program is None:
        pytest.skip("this xraylarch brings no FEFF 6 for this machine")
    folder.mkdir(exist_ok=True)
    (folder / "feff.inp").write_text(copper())
    subprocess.run([str(program)], cwd=folder, check=True, capture_output=True, timeout=120)
    return folder


def copper(constant: float = 3.61) -> str:
    """Return the input of FEFF 6 for copper metal, single scattering up to the second shell."""
    steps = [np.array(step) for step in itertools.product(range(-3, 4), repeat=3) if sum(step) % 2 == 0]
    places = sorted((step * constant / 2 for step in steps), key=np.linalg.norm)
    atoms = [
        f"{x:10.5f}{y:10.5f}{z:10.5f} {min(i, 1)}" for i, (x, y, z) in enumerate(places) if x * x + y * y + z * z < 30
    ]
    head = ["TITLE copper", "HOLE 1 1.0", "CONTROL 1 1 1 1", "PRINT 0 0 0 0", "RMAX 3.8", "NLEG 2"]
    return "\n".join([*head, "POTENTIALS", "0 29 Cu", "1 29 Cu", "ATOMS", *atoms, "END", ""])
