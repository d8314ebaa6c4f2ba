"""Small beamtimes to run."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_beamtime import spectra_only


@pytest.fixture
def beamtime(tmp_path: Path) -> Path:
    """Return a copy of the example scans' spectra without their truth."""
    return spectra_only(tmp_path / "beamtime")


@pytest.fixture
def with_report() -> None:
    """Ask for the report where a module leaves it out."""


@pytest.fixture
def no_report(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the report out, half of the time of a small run, of all tests that do not ask for it."""
    if "with_report" not in request.fixturenames:
        monkeypatch.setattr("operando.pipelines.report.write_store", lambda _store, page: page)
