"""Whatever is lost or changed in a measured file, its reader gives its spectra, says what is lost, or refuses it.

HDF5 is tried in a fork: a file that hangs its library or ends Python fails the test and not the run.
"""

from __future__ import annotations

import os
import signal
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from damaged_copies import cut_off, one_byte_changed
from forks import forked

from operando import OperandoError, xps
from operando.errors import OperandoWarning, SeveralRegionsError
from operando.flags import Flag
from operando.sniff import head, identify
from operando.xps.formats import FORMATS

SIMULATED = Path(__file__).resolve().parents[2] / "example_scans" / "small" / "xps"
MARKED = Flag.truncated | Flag.not_finite
USERS: Mapping[str, Mapping[str, Any]] = {"In-situ_PBTTT.nxs": {"energies": "binding"}}
UNSTATED = ("columns", "casaxps_text", "avantage")
"""Text that does not state how many rows it has: one that ends with a line may be shorter."""
HEAD, LARGE, SECONDS = 3000, 200_000, 60


@dataclass(frozen=True)
class Whole:
    """A file as it was: its reader, the settings, and the scans and points of its regions by their names."""

    path: Path
    reader: str
    settings: Mapping[str, Any]
    sizes: Mapping[str, tuple[int, int]]


def read(path: Path, reader: str, **settings: Any):
    """Return the spectra of a file, and whether a warning told of something left out; other warnings are errors."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", OperandoWarning)
        ds = xps.read(path, reader=reader, **settings)
    others = [str(one.message) for one in caught if not issubclass(one.category, OperandoWarning)]
    assert others == []
    return ds, bool(caught)


def regions_of(path: Path, reader: str, **settings: Any) -> tuple[str, ...]:
    try:
        return (read(path, reader, **settings)[0].attrs["region"],)
    except SeveralRegionsError as error:
        return error.regions


@cache
def whole(path: Path) -> Whole | None:
    """Return what a file holds, None if it is refused."""
    fmt = identify(head(path), FORMATS)
    if fmt is None:
        return None
    settings = USERS.get(path.name) or fmt.suggest(head(path))
    try:
        regions = regions_of(path, fmt.name, **settings)
        spectra = {name: read(path, fmt.name, region=name, **settings)[0] for name in regions}
    except OperandoError:
        return None
    sizes = {name: (ds.sizes.get("scan", 1), ds.sizes["binding_energy"]) for name, ds in spectra.items()}
    return Whole(path, fmt.name, settings, sizes)


def copies(data: bytes, seed: int) -> Iterator[bytes]:
    """Yield copies of a file that are cut at 10 places, and others with one byte changed, half in its header."""
    count = 3 if len(data) > LARGE else 8
    yield from cut_off(data)
    yield from one_byte_changed(data, count, seed)
    yield from one_byte_changed(data, count, seed + 1, upto=min(len(data), HEAD))


def judge(broken: Path, before: Whole, region: str) -> bool:
    """Return whether a broken copy is read; that it is right in its lengths, or tells what it lacks, is asserted."""
    start = head(broken)
    assert all(isinstance(fmt.recognizes(start), bool) for fmt in FORMATS)
    assert all(isinstance(fmt.suggest(start), dict) for fmt in FORMATS if fmt.recognizes(start))
    named, refused = {"region": region} if len(before.sizes) > 1 else {}, ""
    try:
        ds, told = read(broken, before.reader, **before.settings, **named)
    except OperandoError as error:
        refused = str(error)
    if refused:
        assert "\n" not in refused
        assert broken.name in refused
        return False
    assert (np.diff(ds["binding_energy"]) >= 0).all()
    marked = bool((np.ravel(ds["flag"]) & int(MARKED)).any())
    ends = before.reader in UNSTATED and broken.read_bytes().endswith((b"\n", b"\r"))
    if not (told or marked or ends):
        assert (ds.sizes.get("scan", 1), ds.sizes["binding_energy"]) == before.sizes[region]
    return True


def judge_all(path: Path, folder: Path, seed: int) -> int:
    """Return how many broken copies of a file were read."""
    before = whole(path)
    assert before is not None
    regions, read_ones = list(before.sizes), 0
    for k, data in enumerate(copies(path.read_bytes(), seed)):
        broken = folder / path.name
        broken.write_bytes(data)
        read_ones += judge(broken, before, regions[k % len(regions)])
    return read_ones


@pytest.mark.parametrize("name", ["cell7_0001.vms", "cell7_0024.vms"])
def test_no_damage_to_a_simulated_file_is_silent(tmp_path, name):
    assert judge_all(SIMULATED / name, tmp_path, 5) > 3


@pytest.mark.realdata
@pytest.mark.parametrize("fmt", [fmt for fmt in FORMATS if fmt.name != "nexus"], ids=lambda fmt: fmt.name)
def test_no_damage_to_a_measured_file_is_silent(realdata, tmp_path, fmt):
    files = [path for path in sorted((realdata / "xps").rglob("*")) if path.is_file()]
    mine = [path for path in files if identify(head(path), FORMATS) is fmt and whole(path) is not None]
    read_ones = [judge_all(path, tmp_path, seed) for seed, path in enumerate(mine)]
    assert mine or fmt.name in {"sle", "vgd", "avantage"}
    assert all(count > 0 for count in read_ones)


@pytest.mark.realdata
@pytest.mark.skipif(not hasattr(os, "fork"), reason="damage to HDF5 may end Python")
def test_no_damage_to_a_measured_nexus_file_is_silent_or_ends_python(realdata, tmp_path):
    def all_of_them() -> None:
        signal.alarm(SECONDS)
        for seed, path in enumerate(sorted((realdata / "xps").rglob("*.nxs"))):
            assert judge_all(path, tmp_path, seed) > 0

    assert forked(all_of_them), "reading a broken file hangs, or ends Python"
