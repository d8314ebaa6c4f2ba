"""A window cuts scans by what is known of them, keeps the rest, and reads no spectrum."""

import doctest

import dask.array as da
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

import operando
from operando import history, windows
from operando.errors import OperandoError
from operando.flags import Flag

START = np.datetime64("2024-03-01T08:00:00", "ns")
READ = []


def spectrum(block):
    READ.append(1)
    return block


def series(size=12, **kept):
    time = START + 600 * np.arange(size) * np.timedelta64(1, "s")
    spectra = da.zeros((size, 5), chunks=(1, 5)).map_blocks(spectrum, dtype=float, meta=np.zeros((0, 0)))
    known = {"potential": np.linspace(3.0, 4.1, size), "soc": np.linspace(0, 1, size)}
    known |= {"half_cycle": np.repeat([1.0, 2.0], size // 2), "cycle": np.ones(size)}
    coords = {name: ("scan", values, {"units": "1"}) for name, values in (known | kept).items()}
    coords |= {"time": ("scan", time), "flag": ("scan", np.zeros(size, "i4"))}
    return xr.Dataset({"mu": (("scan", "energy"), spectra), "edge": ("scan", np.arange(size) * 1.0)}, coords=coords)


def tree():
    raw = series()
    log = xr.Dataset({"voltage": ("time", np.arange(5.0))}, coords={"time": START + np.arange(5).astype("m8[h]")})
    bare = raw[["edge"]].drop_vars(["potential", "soc", "half_cycle", "cycle"])
    return xr.DataTree.from_dict(
        {"/": xr.Dataset(attrs={"experiment": "x"}), "/xas/Ni_K/raw": raw, "/xas/Ni_K/pca": bare, "/echem": log}
    )


def test_both_ends_of_a_range_belong_to_it_and_none_is_open():
    scans = series(potential=np.arange(12) / 8)
    np.testing.assert_array_equal(operando.window(scans, potential=(0.25, 0.5))["potential"], [0.25, 0.375, 0.5])
    assert operando.window(scans, soc=(0.5, None)).sizes["scan"] == 6


def test_half_cycles_and_cycles_are_numbers_or_lists():
    scans = series()
    assert set(operando.window(scans, half_cycle=2)["half_cycle"].values) == {2.0}
    assert operando.window(scans, half_cycle=[1, 2], cycle=1).sizes["scan"] == 12
    assert operando.window(scans, half_cycle=7).sizes["scan"] == 0


def test_times_are_texts_or_moments():
    scans = series()
    one = operando.window(scans, time=("2024-03-01T08:10Z", "2024-03-01T08:30"))
    other = operando.window(scans, time=(START + np.timedelta64(10, "m"), START + np.timedelta64(30, "m")))
    assert one.sizes["scan"] == 3
    assert (one.time == other.time).all()


def test_what_is_not_known_lies_in_no_range():
    potential = np.linspace(3.0, 4.1, 12)
    potential[3] = np.nan
    assert operando.window(series(potential=potential), potential=(None, None)).sizes["scan"] == 11


def test_flagged_scans_are_left_out_when_asked_for():
    scans = series()
    scans["flag"].values[[2, 5]] = [int(Flag.ec_gap), int(Flag.saturated)]
    assert operando.window(scans, flags=-1).sizes["scan"] == 10
    assert operando.window(scans, flags=int(Flag.saturated)).sizes["scan"] == 11


def test_a_tree_is_cut_in_all_its_series_and_nothing_else():
    whole = tree()
    cut = operando.window(whole, potential=(3.5, None))
    assert cut["xas/Ni_K/raw"].sizes["scan"] == cut["xas/Ni_K/pca"].sizes["scan"] == 7
    np.testing.assert_array_equal(cut["xas/Ni_K/pca"]["edge"], np.arange(5, 12))
    assert cut["echem"].sizes["time"] == 5
    assert cut.attrs == whole.attrs
    assert operando.timeline(cut).sizes["scan"] == 7


def test_part_of_an_experiment_is_cut_in_its_place():
    cut = operando.window(tree()["xas"], potential=(3.5, None))
    assert cut["Ni_K/raw"].sizes["scan"] == cut["Ni_K/pca"].sizes["scan"] == 7


def test_no_spectrum_is_read_until_it_is_asked_for():
    READ.clear()
    cut = operando.window(operando.window(tree(), half_cycle=[1, 2]), soc=(0.9, None))
    assert READ == []
    cut["xas/Ni_K/raw"]["mu"].compute()
    assert len(READ) == cut["xas/Ni_K/raw"].sizes["scan"] == 2


@settings(max_examples=15, deadline=None)
@given(st.floats(3, 4.1), st.floats(3, 4.1), st.floats(0, 1))
def test_windows_compose_in_any_order(one, other, soc):
    low, high = sorted((one, other))
    scans = series()[["edge"]]
    first = operando.window(operando.window(scans, potential=(low, high)), soc=(soc, None))
    second = operando.window(scans, soc=(soc, None), potential=(low, high))
    np.testing.assert_array_equal(first["edge"], second["edge"])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"potential": (4.0, 3.0)}, "lower end of potential first"),
        ({"potential": 4.0}, r"potential = \(lowest, highest\)"),
        ({"potential": ("a", None)}, "potential as numbers"),
        ({"time": ("yesterday", None)}, "time as moments in ISO 8601"),
        ({"voltage": (1, 2)}, "'voltage' along scan"),
    ],
)
def test_what_is_no_range_is_refused_in_one_line(arguments, words):
    with pytest.raises(OperandoError, match=words):
        operando.window(series(), **arguments)


def test_a_tree_that_is_not_linked_is_refused():
    with pytest.raises(OperandoError, match="scans with voltage, got none; link"):
        operando.window(tree(), voltage=(1, 2))


def test_a_window_is_recorded():
    step = history.entries(operando.window(series(), half_cycle=1))[-1]
    assert step["step"] == "window"
    assert step["parameters"] == {"half_cycle": 1, "kept": 6, "of": 12}


def test_the_worked_examples_hold():
    assert doctest.testmod(windows).failed == 0
