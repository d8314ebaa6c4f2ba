"""Small beamtimes to run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest
from small_beamtime import spectra_only
from without_report import without_report


@pytest.fixture
def beamtime(tmp_path: Path) -> Path:
    """Return a copy of the example scans' spectra without their truth."""
    return spectra_only(tmp_path / "beamtime")


@pytest.fixture
def with_report() -> None:
    """Ask for the report where a module leaves it out."""


@pytest.fixture
def no_report(request: pytest.FixtureRequest) -> Iterator[None]:
    """Leave the report out of all tests that do not ask for it."""
    with nullcontext() if "with_report" in request.fixturenames else without_report():
        yield
