"""Regions of one measurement on one axis."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from operando import xps
from operando.errors import OperandoError
from operando.flags import Flag
from operando.header_times import Span
from operando.schema import SERIES, problems
from operando.series import stack
from operando.xps.formats.spectrum import spectrum
from operando.xps.joining import windows
from operando.xps.layout import RAW

START = np.datetime64("2026-05-18T10:00:00", "ns")


def one(region: str, low: float, number: int = 0, *, sweeps: float = 4.0, cut: int = 0) -> xr.Dataset:
    energy = low + 0.1 * np.arange(20)
    counts = np.arange(20) + 100.0 * number + low
    begin = START + np.timedelta64(60 * number, "m") + np.timedelta64(int(low), "s")
    span = Span(begin, begin + np.timedelta64(5, "s"), begin + np.timedelta64(10, "s"))
    return spectrum(
        Path(f"scan_{number}.vms"),
        energy[cut:],
        {"counts": counts[cut:]},
        span,
        region=region,
        entry=region,
        reader="test",
        metadata={"block": region},
        conditions={"photon_energy": 1486.6, "sweeps": sweeps, "dwell": 0.5},
        flag=Flag.glitch if region == "P 2p" else None,
    )


def test_regions_lie_one_after_the_other_from_low_to_high_binding_energy():
    joined = xps.join([one("S 2p", 160.0), one("P 2p", 130.0)])
    assert joined["region"].values.tolist() == ["P 2p"] * 20 + ["S 2p"] * 20
    assert (np.diff(joined["binding_energy"].values) > 0).all()
    assert windows(joined["region"].values) == {"P 2p": slice(0, 20), "S 2p": slice(20, 40)}
    np.testing.assert_array_equal(joined["counts"][20:], one("S 2p", 160.0)["counts"])
    assert joined.attrs["region"] == "P 2p, S 2p"


def test_a_scan_lasts_from_its_first_region_to_its_last_and_has_the_flags_of_all():
    joined = xps.join([one("S 2p", 160.0), one("P 2p", 130.0)])
    assert joined["time_start"].values == START + np.timedelta64(130, "s")
    assert joined["time_end"].values == START + np.timedelta64(170, "s")
    assert joined["time"].values == START + np.timedelta64(150, "s")
    assert Flag(int(joined["flag"])) & Flag.glitch
    assert str(joined["source"].values) == "scan_0.vms"


def test_what_differs_from_region_to_region_lies_along_the_axis():
    joined = xps.join([one("S 2p", 160.0, sweeps=10.0), one("P 2p", 130.0)])
    assert joined["sweeps"].values.tolist() == [4.0] * 20 + [10.0] * 20
    assert joined["dwell"].dims == ()
    assert joined["sweeps"].attrs["units"] == "1"
    assert joined["counts"].attrs["units"] == "count"


def test_series_are_joined_scan_by_scan_and_fit_the_layout():
    sulfur = stack([one("S 2p", 160.0, number) for number in range(3)], "binding_energy")
    phosphorus = stack([one("P 2p", 130.0, number) for number in range(3)], "binding_energy")
    joined = xps.join([sulfur, phosphorus])
    assert joined["counts"].dims == ("scan", "binding_energy")
    assert problems(joined, RAW + SERIES) == []
    alone = xps.join([one("S 2p", 160.0, 2), one("P 2p", 130.0, 2)])
    np.testing.assert_array_equal(joined["counts"][2], alone["counts"])
    assert joined["source"].values.tolist() == [f"scan_{number}.vms::1" for number in range(3)]


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ([one("S 2p", 160.0)], "expected several regions, got 1"),
        ([one("S 2p", 160.0), one("Se 3p", 161.0)], "S 2p and Se 3p, which overlap"),
        ([one("S 2p", 160.0).expand_dims(scan=2), one("P 2p", 130.0)], "as many scans in all regions, got 1 and 2"),
        ([one("S 2p", 160.0).rename(counts="rate"), one("P 2p", 130.0)], "got counts, rate in one of them only"),
    ],
)
def test_regions_that_do_not_belong_together_are_refused(parts, said):
    with pytest.raises(OperandoError, match=said):
        xps.join(parts)


def test_what_the_files_say_of_all_regions_is_said_once():
    parts = [one("S 2p", 160.0).assign_attrs(metadata='{"user": "x", "block": "a"}', remarks='["odd"]')]
    parts.append(one("C 1s", 280.0).assign_attrs(metadata='{"user": "x", "block": "b"}'))
    joined = xps.join(parts)
    assert json.loads(joined.attrs["metadata"]) == {
        "user": "x",
        "regions": {"S 2p": {"block": "a"}, "C 1s": {"block": "b"}},
    }
    assert json.loads(joined.attrs["remarks"]) == ["S 2p: odd"]
