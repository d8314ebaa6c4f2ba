"""One simulated beamtime for all tests here."""

from __future__ import annotations

import pytest

from operando import example_scans
from operando.example_scans import cell, parameters


@pytest.fixture(scope="session")
def declared():
    return parameters.load("small")


@pytest.fixture(scope="session")
def happened(declared):
    return cell.run(declared)


@pytest.fixture(scope="session")
def beamtime(tmp_path_factory):
    return example_scans.simulate(tmp_path_factory.mktemp("simulated") / "small", "small")
