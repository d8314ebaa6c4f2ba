"""Small beamtimes to run."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_beamtime import spectra_only


@pytest.fixture
def beamtime(tmp_path: Path) -> Path:
    """Return a copy of the example scans' spectra without their truth."""
    return spectra_only(tmp_path / "beamtime")
