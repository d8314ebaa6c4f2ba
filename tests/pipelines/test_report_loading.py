"""What the report reads of a store, and what it says of the times in the files."""

from __future__ import annotations

import numpy as np
import xarray as xr
from experiments import experiment

from operando.pipelines.report.loading import with_small_in_memory
from operando.pipelines.report.methods import methods


def test_what_is_small_is_read_once_and_what_is_large_is_left():
    small, large = (xr.Dataset({"a": ("x", np.arange(size, dtype="f4"))}) for size in (10, 1 << 19))
    stored = xr.DataTree.from_dict({"/one": small.chunk(), "/two": large.chunk()}, name="cell")
    stored.attrs["experiment"] = "cell 7"
    tree = with_small_in_memory(stored)
    xr.testing.assert_identical(tree, stored)
    assert [bool(tree[name]["a"].chunks) for name in ("one", "two")] == [False, True]
    assert stored["one"]["a"].chunks


def test_a_damaged_variable_that_is_not_shown_does_not_stop_the_page():
    def damaged(_block):
        raise RuntimeError("error during blosc decompression")

    lazy = xr.Dataset({"a": ("x", np.arange(10.0)), "b": ("x", np.arange(10.0))}).chunk()
    lazy["b"] = lazy["b"].copy(data=lazy["b"].data.map_blocks(damaged, dtype=float, meta=np.empty(0)))
    tree = with_small_in_memory(xr.DataTree.from_dict({"/one": lazy}))
    assert tree["one"]["a"].chunks
    assert tree["one"]["a"].values.sum() == 45


def test_methods_tell_what_the_files_state_of_times():
    tree = experiment(5, nodes=("Ni_K", "Co_K", "O_K"))
    assert "Times in the files" not in methods(tree)
    for name, note in (("Ni_K", "start and end"), ("Co_K", "start and end"), ("O_K", "no time in the file")):
        tree[f"xas/{name}/raw"].attrs["time_taken"] = note
    assert "Times in the files: start and end (Ni_K and Co_K); no time in the file (O_K)." in methods(tree)
