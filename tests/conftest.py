"""What every test may ask for: the measured files, and less looking for garbage."""

from __future__ import annotations

import gc
from pathlib import Path

import pytest

REALDATA = Path(__file__).resolve().parents[2] / "shared" / "data"


def pytest_collection_finish() -> None:
    """Let the garbage collector leave alone what is there for good: a tenth of the time went into that."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 50)


@pytest.fixture(scope="session")
def realdata() -> Path:
    """Return the folder of measured files, or skip."""
    if not REALDATA.is_dir():
        pytest.skip("the measured files are kept outside the project and are not here")
    return REALDATA
