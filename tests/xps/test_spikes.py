"""Single wild points of photoemission spectra."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from sulfur_spectra import spectra

from operando import xps
from operando.errors import OperandoError
from operando.flags import Flag


def series(count: int, seed: int) -> xr.Dataset:
    counts = spectra(count, seed=seed).astype(float)
    return xr.Dataset({"counts": counts}).assign_coords(flag=("scan", np.zeros(count, np.int32)))


def test_no_point_of_a_thousand_sound_spectra_is_taken_for_wild():
    found = xps.deglitch(series(1000, seed=11))
    assert int(found["glitches"].sum()) == 0
    assert not found["flag"].any()


@pytest.mark.parametrize("at", [2, 60, 125, 248])
@pytest.mark.parametrize("factor", [0.2, 9.0])
def test_a_wild_point_alone_is_left_out_wherever_it_lies(at, factor):
    before = series(3, seed=12)
    before["counts"][1, at] = np.round(before["counts"][1, at] * factor)
    found = xps.deglitch(before)
    assert found["glitches"].values.tolist() == [0, 1, 0]
    assert np.flatnonzero(np.isnan(found["counts"][1])).tolist() == [at]
    assert Flag(int(found["flag"][1])) == Flag.glitch
    assert np.isfinite(found["counts"].values).sum() == found["counts"].size - 1


def test_three_points_apart_are_all_found():
    before = series(1, seed=13)
    for at in (40, 90, 200):
        before["counts"][0, at] += 5000
    assert np.flatnonzero(np.isnan(xps.deglitch(before)["counts"][0])).tolist() == [40, 90, 200]


def test_rates_are_judged_by_their_own_scatter():
    before = series(1, seed=14).rename(counts="rate") / 7.3
    sound = xps.deglitch(before)
    assert int(sound["glitches"][0]) == 0
    before["rate"][0, 100] *= 5
    assert np.flatnonzero(np.isnan(xps.deglitch(before)["rate"][0])).tolist() == [100]


def test_the_ends_of_regions_on_one_axis_are_not_compared():
    one = series(2, seed=15)
    other = one.assign_coords(binding_energy=one["binding_energy"] + 100.0) + 50_000.0
    joined = xr.concat([one.drop_vars("flag"), other.drop_vars("flag")], "binding_energy")
    assert int(xps.deglitch(joined)["glitches"].sum()) == 0


def test_dask_gives_the_same():
    before = series(6, seed=16)
    before["counts"][4, 77] += 4000
    lazy = xps.deglitch(before.chunk({"scan": 2, "binding_energy": 50}))
    assert lazy["counts"].chunks is not None
    xr.testing.assert_identical(lazy.compute()["counts"], xps.deglitch(before)["counts"])


def test_something_must_have_been_measured():
    with pytest.raises(OperandoError, match="expected one of counts, rate, intensity"):
        xps.deglitch(xr.Dataset({"other": ("scan", [1.0])}))
