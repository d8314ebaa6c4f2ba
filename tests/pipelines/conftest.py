"""Small beamtimes to run."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

SMALL = Path(__file__).parents[2] / "example_scans" / "small"


@pytest.fixture
def beamtime(tmp_path: Path) -> Path:
    """Return a copy of the example scans without their truth."""
    folder = tmp_path / "beamtime"
    shutil.copytree(SMALL, folder, ignore=shutil.ignore_patterns("truth.zarr", "xpeem", "xtm"))
    return folder
