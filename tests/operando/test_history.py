"""History is a list of steps, as JSON, that the data carries."""

import json

import numpy as np
import xarray as xr

from operando import history
from operando.history import entries, recorded


def test_steps_are_added_in_order_and_the_input_is_unchanged():
    ds = xr.Dataset()
    one = recorded(ds, "a", {"x": 1})
    two = recorded(one, "b", {"y": 2.0})
    assert [entry["step"] for entry in entries(two)] == ["a", "b"]
    assert entries(ds) == []


def test_numpy_values_nan_and_tuples_become_plain_json():
    ds = recorded(xr.Dataset(), "a", {"n": np.int64(3), "v": np.array([1.0, np.nan]), "t": (1, "x"), "none": None})
    assert entries(ds)[0]["parameters"] == {"n": 3, "v": [1.0, None], "t": [1, "x"], "none": None}
    json.loads(ds.attrs[history.HISTORY], parse_constant=lambda text: (_ for _ in ()).throw(ValueError(text)))


def test_a_result_continues_the_history_of_its_input():
    ds = recorded(xr.Dataset(), "read", {})
    fresh = recorded(xr.Dataset(), "fit", {}, after=ds)
    assert [entry["step"] for entry in entries(fresh)] == ["read", "fit"]


def test_the_same_step_twice_gives_the_same_text():
    assert recorded(xr.Dataset(), "a", {"x": 1}).attrs == recorded(xr.Dataset(), "a", {"x": 1}).attrs


def test_an_infinite_parameter_leaves_the_history_valid_json():
    ds = recorded(xr.Dataset(), "a", {"window": (-np.inf, 30.0)})

    def refuse(word):
        raise ValueError(word)

    assert json.loads(ds.attrs["history"], parse_constant=refuse)[0]["parameters"] == {"window": ["-inf", 30.0]}
