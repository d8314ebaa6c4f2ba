"""Times of VAMAS blocks: the hours stated, zero hours that mean nothing, zones, and dates that are none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from operando import OperandoError, xps
from operando.flags import Flag
from tests.support.vamas_files import block, column, vamas_file


def written(folder: Path, data: bytes) -> Path:
    path = folder / "scan.vms"
    path.write_bytes(data)
    return path


def remarks(ds) -> str:
    return ds.attrs.get("remarks", "")


def start_of(path: Path, **settings) -> np.datetime64:
    return xps.read(path, **settings)["time_start"].values


def test_the_hours_stated_lead_to_utc_and_the_time_counted_to_the_end(tmp_path):
    path = written(tmp_path, vamas_file([block(column())]))
    ds = xps.read(path)
    assert ds["time_start"].values == np.datetime64("2024-03-31T00:30:05")
    assert (ds["time_end"] - ds["time_start"]).values == np.timedelta64(round(0.1 * 5 * 21 * 1e9), "ns")
    assert start_of(path, hours_ahead=2.5) == np.datetime64("2024-03-30T23:00:05")


def test_zero_hours_are_utc_unless_a_zone_is_given(tmp_path):
    path = written(tmp_path, vamas_file([block(column(), {2: ("7",), 7: ("0",)})]))
    assert start_of(path) == np.datetime64("2024-07-31T01:30:05")
    assert "taken as UTC" in remarks(xps.read(path))
    assert start_of(path, timezone="Europe/Berlin") == np.datetime64("2024-07-30T23:30:05")
    assert start_of(path, timezone="Europe/Berlin", hours_ahead=0) == np.datetime64("2024-07-31T01:30:05")


def test_hours_that_contradict_the_zone_are_kept_and_named(tmp_path):
    path = written(tmp_path, vamas_file([block(column(), {2: ("7",)})]))
    ds = xps.read(path, timezone="Europe/Berlin")
    assert ds["time_start"].values == np.datetime64("2024-07-31T00:30:05")
    assert "1 hours ahead of GMT, as stated, where Europe/Berlin was 2" in remarks(ds)
    zone = start_of(path, timezone="Europe/Berlin", hours_ahead="timezone")
    assert zone == np.datetime64("2024-07-30T23:30:05")


def test_an_hour_that_the_zone_repeats_is_told_by_the_hours_stated(tmp_path):
    parts = {2: ("10",), 3: ("27",), 4: ("2",)}
    path = written(tmp_path, vamas_file([block(column(), parts)]))
    assert start_of(path, timezone="Europe/Berlin") == np.datetime64("2024-10-27T01:30:05")
    with pytest.raises(OperandoError):
        xps.read(path, timezone="Europe/Berlin", hours_ahead="timezone")
    with pytest.raises(OperandoError, match="Europe/Nowhere"):
        xps.read(path, timezone="Europe/Nowhere")


@pytest.mark.parametrize(
    "parts",
    [{1: ("0",), 2: ("0",), 3: ("0",)}, {4: ("-1",), 5: ("-1",), 6: ("-1",)}, {2: ("13",)}, {1: ("99",)}],
    ids=["no date", "no time of day", "no such month", "no such year"],
)
def test_a_date_that_is_none_leaves_the_time_open(tmp_path, parts):
    ds = xps.read(written(tmp_path, vamas_file([block(column(), parts)])))
    assert np.isnat(ds["time_start"].values)
    assert int(ds["flag"]) & Flag.no_time
