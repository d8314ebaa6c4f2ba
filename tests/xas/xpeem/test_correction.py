"""Intensities from counts: what was lit alike must look alike."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest
import xarray as xr

from operando.errors import OperandoError
from operando.flags import Flag
from operando.xas import xpeem


@pytest.fixture
def stack():
    """Return counts of an even sample behind an uneven flat, 100 counts of dark, and a falling beam."""
    noise = np.random.default_rng(11)
    i0, flat = np.linspace(2.0, 1.0, 6), noise.uniform(1000.0, 3000.0, (8, 9))
    counts = 100 + 0.25 * flat * i0[:, None, None]
    return xr.Dataset(
        {
            "counts": (("energy", "y", "x"), counts, {"units": "counts"}),
            "i0": ("energy", i0, {"units": "nA"}),
            "flat": (("y", "x"), flat + 100),
            "dark": (("y", "x"), np.full((8, 9), 100.0)),
        },
        {
            "energy": ("energy", [850.0, 851.0, 851.05, 852.0, 853.0, 853.09], {"units": "eV"}),
            "frame_flag": ("energy", np.zeros(6, np.int32)),
        },
    )


def test_flat_dark_and_beam_leave_an_even_sample(stack):
    found = xpeem.correct(stack)
    np.testing.assert_allclose(found["intensity"], 0.25, rtol=1e-6)
    assert found["intensity"].dtype == np.float32
    assert found["intensity"].attrs["units"] == "1/(nA)"
    assert "intensity_std" not in found


def test_what_was_not_measured_is_passed_over(stack):
    bare = xpeem.correct(stack[["counts"]])
    np.testing.assert_allclose(bare["intensity"], stack["counts"], rtol=1e-6)
    assert bare["intensity"].attrs["units"] == "counts"


def test_counting_noise_is_that_of_the_counted_electrons():
    noise, mean, gain = np.random.default_rng(4), 400.0, 5.0
    counts = gain * noise.poisson(mean, (3, 200, 200))
    stack = xr.Dataset({"counts": (("energy", "y", "x"), counts)}, {"energy": [1.0, 2.0, 3.0]})
    found = xpeem.correct(stack, gain=gain)
    pulls = (found["intensity"] - gain * mean) / found["intensity_std"]
    assert float(pulls.std()) == pytest.approx(1, abs=3.3 / np.sqrt(2 * pulls.size) + 1 / mean)


def test_frames_without_beam_or_missing_are_nan_and_say_why(stack):
    stack["i0"][1] = 0.0
    stack["frame_flag"][3] = int(Flag.missing_frame)
    found = xpeem.correct(stack)
    lost = np.isnan(found["intensity"]).all(["y", "x"])
    assert np.flatnonzero(lost).tolist() == [1, 3]
    assert found["frame_flag"].values[[1, 3]].tolist() == [int(Flag.no_i0), int(Flag.missing_frame)]


def test_dead_pixels_of_the_flat_are_nan(stack):
    stack["flat"][2, 3] = 90.0
    assert np.argwhere(np.isnan(xpeem.correct(stack)["intensity"].values[0])).tolist() == [[2, 3]]


def test_repeated_energies_are_averaged(stack):
    found = xpeem.correct(stack, gain=1.0, duplicates=0.1)
    every = xpeem.correct(stack, gain=1.0)
    np.testing.assert_allclose(found["energy"], [850.0, 851.025, 852.0, 853.045])
    np.testing.assert_allclose(found["intensity"][1], every["intensity"][1:3].mean("energy"), rtol=1e-6)
    expected = np.sqrt((every["intensity_std"][1:3] ** 2).sum("energy")) / 2
    np.testing.assert_allclose(found["intensity_std"][1], expected, rtol=1e-6)
    assert (found["frame_flag"].values & int(Flag.duplicate_energy) > 0).tolist() == [False, True, False, True]


def test_the_noise_of_the_beam_is_that_of_every_frame_and_less_in_repeated_ones(stack):
    found = xpeem.correct(stack, gain=1.0, i0_noise=0.003)
    np.testing.assert_array_equal(found["i0_noise"], np.full(6, 0.003))
    averaged = {"gain": 1.0, "i0_noise": 0.003, "duplicates": 0.1}
    np.testing.assert_allclose(xpeem.correct(stack, **averaged)["i0_noise"], 0.003 / np.sqrt([1, 2, 1, 2]))
    stack["frame_flag"][1] = int(Flag.saturated)
    np.testing.assert_allclose(xpeem.correct(stack, **averaged)["i0_noise"], 0.003 / np.sqrt([1, 1, 1, 2]))
    series = xr.concat([stack, stack], "scan", data_vars=["counts", "i0"], coords=["frame_flag"])
    assert xpeem.correct(series, **averaged)["i0_noise"].dims == ("scan", "energy")


def test_the_sound_one_of_repeated_frames_stands_for_both(stack):
    stack["frame_flag"][1] = int(Flag.saturated)
    found = xpeem.correct(stack, duplicates=0.1)
    assert found["frame_flag"].values[1] == int(Flag.duplicate_energy)
    np.testing.assert_allclose(found["intensity"][1], xpeem.correct(stack)["intensity"][2], rtol=1e-6)


def test_lazy_series_in_another_order_give_the_same_and_stay_lazy(stack):
    whole = xpeem.correct(stack, gain=1.0, duplicates=0.1)
    lazy = xpeem.correct(stack.transpose("x", "energy", "y").chunk(energy=2, y=3), gain=1.0, duplicates=0.1)
    assert isinstance(lazy["intensity"].data, da.Array)
    xr.testing.assert_allclose(lazy.compute().transpose(*whole.dims), whole, rtol=1e-12)
    both = xr.concat([stack, stack.isel(energy=slice(None))], "scan", data_vars=["counts", "i0"], coords=["frame_flag"])
    series = xpeem.correct(both, gain=1.0, duplicates=0.1)
    xr.testing.assert_allclose(series["intensity"].isel(scan=1), whole["intensity"], rtol=1e-12)


def test_input_is_left_alone(stack):
    before = stack.copy(deep=True)
    xpeem.correct(stack, gain=1.0, duplicates=0.1)
    xr.testing.assert_identical(stack, before)


def test_what_is_no_stack_is_refused(stack):
    with pytest.raises(OperandoError, match="expected 'counts' with the dims energy, y and x, got none"):
        xpeem.correct(stack.drop_vars("counts"))
    with pytest.raises(OperandoError, match="expected gain above 0, got 0"):
        xpeem.correct(stack, gain=0)
    with pytest.raises(OperandoError, match="expected a gain beside i0_noise, got none"):
        xpeem.correct(stack, i0_noise=0.01)
    with pytest.raises(OperandoError, match="expected i0_noise, relative to I0, from 0 to 1, got 2"):
        xpeem.correct(stack, i0_noise=2)
    with pytest.raises(OperandoError, match="expected an I0 whose noise is i0_noise, got none; leave i0_noise out"):
        xpeem.correct(stack.drop_vars("i0"), i0_noise=0.01)
