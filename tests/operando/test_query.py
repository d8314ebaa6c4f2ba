"""The timeline lists every scan of every technique, and reads coordinates only."""

import dask.array as da
import numpy as np
import pytest
import xarray as xr

from operando import history
from operando.query import timeline


class Loads:
    def __init__(self):
        self.count = 0

    def __call__(self, block):
        self.count += 1
        return block


def node(start, size, loads, **state):
    time = np.datetime64(start, "ns") + 60 * np.arange(size) * np.timedelta64(1, "s")
    spectra = da.zeros((size, 5), chunks=(1, 5)).map_blocks(loads, dtype=float, meta=np.zeros((0, 0)))
    coords = {
        "time": ("scan", time),
        "time_start": ("scan", time - np.timedelta64(10, "s")),
        "time_end": ("scan", time + np.timedelta64(10, "s")),
        "source": ("scan", np.array([f"{i}.txt" for i in range(size)], object)),
        "flag": ("scan", np.zeros(size, "i4"), {"units": "1"}),
        **{name: ("scan", np.full(size, value), {"units": "1"}) for name, value in state.items()},
    }
    return xr.Dataset({"mu": (("scan", "energy"), spectra, {"units": "1"})}, coords=coords)


@pytest.fixture
def tree():
    loads = Loads()
    nodes = {
        "/xas/Ni_K/raw": node("2024-03-01T08:00", 3, loads, potential=3.9, half_cycle=1.0),
        "/xas/Ni_K/processed": node("2024-03-01T08:00", 3, loads),
        "/xps/S_2p/raw": node("2024-03-01T08:00:30", 2, loads),
        "/echem": xr.Dataset({"voltage": ("time", [1.0])}),
    }
    return xr.DataTree.from_dict(nodes), loads


def test_scans_of_all_series_are_in_order_of_time_with_their_node_and_index(tree):
    table = timeline(tree[0])
    assert table["node"].values.tolist() == ["/xas/Ni_K", "/xps/S_2p", "/xas/Ni_K", "/xps/S_2p", "/xas/Ni_K"]
    assert table["index"].values.tolist() == [0, 0, 1, 1, 2]
    assert (np.diff(table["time"].values) > np.timedelta64(0, "ns")).all()
    assert table["source"].values[0] == "0.txt"


def test_a_series_without_electrochemistry_has_nan_states(tree):
    table = timeline(tree[0])
    np.testing.assert_array_equal(table["potential"], [3.9, np.nan, 3.9, np.nan, 3.9])
    assert table["half_cycle"].values[0] == 1
    assert table["potential"].attrs["units"] == "V"


def test_no_spectrum_is_read(tree):
    timeline(tree[0])
    assert tree[1].count == 0


def test_scans_without_time_come_last(tree):
    whole, _ = tree
    raw = whole["/xps/S_2p/raw"].to_dataset()
    time = raw["time"].values.copy()
    time[0] = np.datetime64("NaT", "ns")
    whole["/xps/S_2p/raw"] = xr.DataTree(raw.assign_coords(time=("scan", time)))
    table = timeline(whole)
    assert np.isnat(table["time"].values).tolist() == [False] * 4 + [True]


def test_a_tree_without_series_gives_an_empty_timeline():
    table = timeline(xr.DataTree())
    assert table.sizes == {"scan": 0}
    assert [entry["step"] for entry in history.entries(table)] == ["timeline"]


def test_ten_thousand_scans_are_listed_without_loading_one():
    loads = Loads()
    nodes = {f"/xas/n{i}/raw": node(f"2024-03-0{i + 1}", 2500, loads) for i in range(4)}
    table = timeline(xr.DataTree.from_dict(nodes))
    assert table.sizes["scan"] == 10_000
    assert loads.count == 0
