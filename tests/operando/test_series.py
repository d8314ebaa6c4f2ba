"""Scans become a series on one axis, and what did not fit is flagged."""

from __future__ import annotations

import json

import dask.array as da
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from operando import OperandoError, flags
from operando.flags import Flag
from operando.history import entries, recorded
from operando.series import stack

GRID = np.linspace(8300.0, 8400.0, 51)


def scan(energy=GRID, number=0, **extra) -> xr.Dataset:
    start = np.datetime64("2026-03-01", "ns") + number * np.timedelta64(60, "s")
    ds = xr.Dataset(
        {"mu": ("energy", 2.0 * energy + number, {"units": "1"}), **extra},
        coords={
            "energy": ("energy", energy, {"units": "eV", "long_name": "photon energy"}),
            "time": start,
            "source": xr.Variable((), np.array(f"scan_{number}", dtype=object)),
            "flag": ((), np.int32(Flag.no_i0 if number == 2 else 0), flags.attrs()),
        },
        attrs={"format": "test", "metadata": json.dumps({"beamline": "X", "number": number})},
    )
    return recorded(ds, "xas.read", {})


def reasons(series) -> list[int]:
    return [int(value) for value in series["flag"]]


def test_scans_on_one_grid_are_taken_as_they_are():
    series = stack(scan(number=k) for k in range(4))
    assert series["mu"].dims == ("scan", "energy")
    np.testing.assert_array_equal(series["energy"], GRID)
    np.testing.assert_array_equal(series["mu"], 2 * GRID + np.arange(4)[:, None])
    assert series["source"].to_numpy().tolist() == [f"scan_{k}" for k in range(4)]
    assert series["time"].dtype == "datetime64[ns]"
    assert series["flag"].dtype == np.int32
    assert series["flag"].attrs == flags.attrs()
    assert reasons(series) == [0, 0, Flag.no_i0, 0]
    assert series["energy"].attrs["units"] == "eV"
    assert series["mu"].attrs["units"] == "1"


def test_rounding_of_the_axis_does_not_count():
    series = stack([scan(), scan(GRID + 1e-7), scan(GRID - 1e-7)])
    assert reasons(series) == [0, 0, 0]
    np.testing.assert_array_equal(series["energy"], GRID)
    assert np.isfinite(series["mu"]).all()


def test_a_scan_that_ends_early_is_filled_and_flagged():
    series = stack([scan(number=0), scan(GRID[:30], number=1), scan(number=3)])
    assert reasons(series) == [0, Flag.truncated, 0]
    np.testing.assert_array_equal(np.isnan(series["mu"][1]), np.arange(51) >= 30)


def test_another_grid_is_interpolated_and_flagged():
    other = np.arange(8290.3, 8380.0, 1.7)
    series = stack([scan(), scan(), scan(other, number=1)])
    assert reasons(series) == [0, 0, Flag.regridded]
    inside = (other[0] <= GRID) & (other[-1] >= GRID)
    np.testing.assert_allclose(series["mu"][2][inside], 2 * GRID[inside] + 1)
    assert np.isnan(series["mu"][2][~inside]).all()


def test_the_most_frequent_grid_wins_then_the_longest_then_the_first():
    short, shifted = GRID[:40], GRID + 0.5
    assert stack([scan(short), scan(short), scan()]).sizes["energy"] == 40
    assert stack([scan(short), scan()]).sizes["energy"] == 51
    np.testing.assert_array_equal(stack([scan(shifted), scan()])["energy"], shifted)


def test_batches_appended_on_given_values_equal_the_whole():
    scans = [scan(GRID[: 51 - 7 * (k == 5)], number=k) for k in range(7)]
    whole = stack(scans, values=GRID)
    parts = [stack(scans[:3], values=GRID), stack(scans[3:], values=GRID)]
    for name in ("mu", "flag", "time", "source"):
        joined = np.concatenate([part[name].to_numpy() for part in parts])
        np.testing.assert_array_equal(joined, whole[name].to_numpy())


def test_a_series_can_be_stacked_again():
    series = stack(scan(number=k) for k in range(3))
    again = stack([series, scan(number=3)])
    assert again["source"].to_numpy().tolist() == [f"scan_{k}" for k in range(4)]


def test_what_a_scan_lacks_is_nan():
    extra = {"fluorescence": (("energy", "detector"), np.ones((51, 3)), {"units": "1"})}
    series = stack([scan(number=0), scan(number=1, **extra)])
    assert series["fluorescence"].dims == ("scan", "energy", "detector")
    assert np.isnan(series["fluorescence"][0]).all()
    assert (series["fluorescence"][1] == 1).all()


def test_attributes_that_all_share_are_kept():
    series = stack(scan(number=k) for k in range(3))
    assert series.attrs["format"] == "test"
    assert json.loads(series.attrs["metadata"]) == {"beamline": "X"}
    assert [entry["step"] for entry in entries(series)] == ["xas.read", "series.stack"]


def test_a_single_scan_is_a_series_of_one():
    series = stack([scan()])
    assert series.sizes == {"scan": 1, "energy": 51}
    assert series["time"].dims == ("scan",)


@pytest.mark.parametrize(
    ("scans", "message"),
    [
        ([], "at least one scan"),
        ([xr.Dataset({"mu": ("x", np.ones(3))})], "a dim 'energy'"),
        (
            [scan(number=k, tfy=(("energy", "detector"), np.ones((51, 2 + k)), {"units": "1"})) for k in range(2)],
            "2 along 'detector' as before, got 3 in scan_1",
        ),
    ],
)
def test_scans_that_do_not_fit_are_named(scans, message):
    with pytest.raises(OperandoError, match=message):
        stack(scans)


@given(cuts=st.lists(st.integers(3, 51), min_size=2, max_size=6))
@settings(max_examples=30, deadline=None)
def test_no_measured_value_is_lost_or_made_up(cuts):
    scans = [scan(GRID[:cut], number=k) for k, cut in enumerate(cuts)]
    series = stack(scans, values=GRID)
    for k, cut in enumerate(cuts):
        np.testing.assert_array_equal(series["mu"][k][:cut], scans[k]["mu"])
        assert np.isnan(series["mu"][k][cut:]).all()


def test_lazy_images_stay_lazy_on_their_own_grid_and_on_another():
    import dask.array as da

    def stack_of_images(energy):
        images = da.from_array(np.multiply.outer(energy, np.ones((3, 4))), chunks=(1, 3, 4))
        return scan(energy, counts=(("energy", "y", "x"), images, {"units": "1"}))

    series = stack([stack_of_images(GRID), stack_of_images(GRID), stack_of_images(GRID + 0.5)])
    assert series["counts"].chunks is not None
    assert series["counts"].dims[0] == "scan"
    eager = stack([stack_of_images(energy).compute() for energy in (GRID, GRID, GRID + 0.5)])
    xr.testing.assert_allclose(series["counts"].compute().transpose(*eager["counts"].dims), eager["counts"])


def images(energy=GRID, number=0) -> xr.Dataset:
    """Return a scan with counts and flags of its own at every energy."""
    frame_flag = ("energy", np.full(energy.size, number, "int32"), flags.attrs())
    counts = ("energy", np.arange(energy.size, dtype="u2") + number)
    return scan(energy, number, counts=counts).assign_coords(frame_flag=frame_flag, frame_time=("energy", 2 * energy))


def test_what_is_known_of_every_energy_of_a_scan_stays_that_scans_own():
    series = stack([images(number=1), images(number=2), scan(number=3)])
    assert set(series.coords) >= {"frame_flag", "frame_time"}
    assert series["frame_flag"].dims == ("scan", "energy")
    np.testing.assert_array_equal(series["frame_flag"][:, 0], [1, 2, 0])
    assert np.isnan(series["frame_time"][2]).all()


def test_an_early_end_among_flagged_frames_keeps_counts_whole_and_says_what_is_missing():
    series = stack([images(), images(GRID[:20])])
    assert series["counts"].dtype == np.uint16
    assert not series["counts"][1, 20:].any()
    assert (series["frame_flag"][1, 20:] == Flag.missing_frame).all()
    assert np.isnan(series["mu"][1, 20:]).all()


def test_images_are_cut_and_flagged_but_never_interpolated():
    longer = np.append(GRID, GRID[-1] + [2.0, 4.0])
    series = stack([images(), images(), images(longer)], interpolate=False)
    assert reasons(series) == [0, 0, Flag.surplus_frame]
    np.testing.assert_array_equal(series["counts"][2], series["counts"][0])
    with pytest.raises(OperandoError, match="expected the energy values of the series in scan_7"):
        stack([images(), images(), images(GRID + 0.3, 7)], interpolate=False)


def test_detectors_of_other_names_are_not_put_upon_each_other():
    two = [
        scan(number=k, counts=(("energy", "detector"), np.ones((51, 2)), {"units": "1"})).assign_coords(detector=names)
        for k, names in enumerate((["mca1", "mca2"], ["mca1", "mca3"]))
    ]
    assert stack([two[0], two[0]]).sizes["detector"] == 2
    with pytest.raises(OperandoError, match="expected the detector mca1, mca2 as before, got mca1, mca3 in scan_1"):
        stack(two)


def divided(parts: dict[str, np.ndarray], number: int = 0) -> xr.Dataset:
    """Return a scan of several parts, whose signal is the square of the energy."""
    energy = np.concatenate(list(parts.values()))
    named = np.repeat(np.array(list(parts), dtype=object), [values.size for values in parts.values()])
    ds = scan(energy, number)
    return ds.assign(mu=("energy", energy**2)).assign_coords(part=("energy", named))


LOW, HIGH = np.arange(100.0, 120.0), np.arange(200.0, 230.0)


def test_names_along_the_axis_that_all_scans_share_are_those_of_the_series():
    series = stack([divided({"a": LOW, "b": HIGH}, k) for k in range(3)])
    assert series["part"].dims == ("energy",)
    assert series["part"].values.tolist() == ["a"] * 20 + ["b"] * 30
    assert reasons(series)[:2] == [0, 0]


@pytest.mark.parametrize(
    ("parts", "missing", "reason"),
    [
        ({"a": LOW[:-4], "b": HIGH}, 4, Flag.truncated),
        ({"a": LOW, "b": HIGH[5:]}, 5, Flag.truncated),
        ({"b": HIGH}, 20, Flag.truncated),
        ({"a": LOW[:-3], "b": HIGH[:-3]}, 6, Flag.truncated),
        ({"a": LOW + 0.5, "b": HIGH}, 1, Flag.regridded),
    ],
)
def test_nothing_is_interpolated_from_one_part_of_an_axis_into_the_next(parts, missing, reason):
    """A part that lacks points, or lies elsewhere, has NaN beyond its own ends, though another part goes on there."""
    whole = [divided({"a": LOW, "b": HIGH}, k) for k in range(2)]
    series = stack([*whole, divided(parts, 3)])
    assert reasons(series)[-1] == reason
    found = series["mu"].values[-1]
    assert np.isnan(found).sum() == missing
    known = np.isfinite(found)
    np.testing.assert_allclose(found[known], (series["energy"].values ** 2)[known], atol=0.26)
    np.testing.assert_array_equal(series["mu"].values[0], series["energy"].values ** 2)
    assert series["part"].values.tolist() == ["a"] * 20 + ["b"] * 30


def test_an_axis_that_is_given_brings_the_names_of_its_parts():
    whole = stack([divided({"a": LOW, "b": HIGH})])
    again = stack([divided({"a": LOW[:2], "b": HIGH})], values=whole["energy"])
    assert again["part"].values.tolist() == ["a"] * 20 + ["b"] * 30
    assert np.isnan(again["mu"].values[0, 2:20]).all()


def test_lazy_images_larger_than_memory_are_stacked_without_touching_them():
    images = da.zeros((3, 2**20, 2**20), chunks=(1, 2**20, 2**20), dtype="uint16")
    scan = xr.Dataset({"counts": (("energy", "y", "x"), images)}, {"energy": [1.0, 2.0, 3.0]})
    series = stack([scan, scan], interpolate=False)
    assert series["counts"].shape == (2, 3, 2**20, 2**20)
    assert series["counts"].chunks is not None
