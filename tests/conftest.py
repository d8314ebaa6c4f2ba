"""What every test may ask for: the measured files, and less looking for garbage."""

from __future__ import annotations

import gc
from pathlib import Path

import pytest

REALDATA = Path(__file__).resolve().parents[2] / "shared" / "data"


def pytest_collection_finish() -> None:
    """Look for garbage seldom among what has lived for long: a tenth of the time went into that.

    What is young is looked through as often as always, for the tests of memory.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(700, 50, 100)


@pytest.fixture(scope="session")
def realdata() -> Path:
    """Return the folder of measured files, or skip."""
    if not REALDATA.is_dir():
        pytest.skip("the measured files are kept outside the project and are not here")
    return REALDATA
