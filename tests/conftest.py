"""What every test may ask for: the measured files and a numba cache of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

REALDATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def realdata() -> Path:
    """Return the folder of measured files, or skip."""
    if not REALDATA.is_dir():
        pytest.skip("the measured files are kept outside the project and are not here")
    return REALDATA
