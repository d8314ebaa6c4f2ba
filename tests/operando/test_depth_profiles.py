"""Numbers of several techniques stand beside the depths they come from, by one definition of depth."""

import json

import dask.array as da
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from linked_series import scans

from operando.depth_profiles import SHARE, Probed, depth_profile
from operando.errors import OperandoError


def node(values, std, depth, depth_std, *, of="fraction", weight="exponential", dims=("scan",), **coords):
    """Return a processed node with one number a scan and how deep it comes from."""
    count = np.shape(values)[0]
    base = scans(600.0 * np.arange(count), np.zeros(count), 0.1, soc=np.linspace(0, 1, count))
    own = {"units": "1"}
    depths = {"units": "nm", "of": of, "weight": weight}
    return xr.Dataset(
        {
            "fraction": (dims, np.array(values, float), own),
            "fraction_std": (dims, np.array(std, float), own),
            "probing_depth": ("scan", np.full(count, float(depth)), depths),
            "probing_depth_std": ("scan", np.full(count, float(depth_std)), {"units": "nm"}),
        },
        dict(base.coords.items()) | coords,
    )


@pytest.fixture
def tree():
    names = {"signal": ("signal", np.array(["tey", "tfy"], object))}
    yields = node(
        np.c_[np.linspace(0.1, 0.5, 6), np.linspace(0, 0.1, 6)],
        np.full((6, 2), 0.02),
        1,
        0,
        dims=("scan", "signal"),
        **names,
    )
    yields["probing_depth"] = yields["probing_depth"] * xr.DataArray([15.0, 600.0], dims="signal")
    yields["probing_depth"].attrs = {"units": "nm", "of": "fraction", "weight": "exponential"}
    regions = node(
        np.full((3, 4), 0.3), np.full((3, 4), 0.04), 12, 2, dims=("scan", "region"), region=("region", np.arange(4))
    )
    volume = node([0.01, 0.02], [0.005, 0.005], 19000, 0, weight="even").assign(depth_from=("scan", [0.0, 0.0]))
    return xr.DataTree.from_dict(
        {"/xas/Ni_L3/processed": yields, "/xpeem/Ni_L3/processed": regions, "/xtm/cell/processed": volume}
    )


def test_all_techniques_are_rows_of_one_table_with_one_definition_of_depth(tree):
    found = depth_profile(tree)
    assert found.node.values.tolist() == ["xas/Ni_L3/processed"] * 2 + ["xpeem/Ni_L3/processed", "xtm/cell/processed"]
    assert found.label.values.tolist() == ["tey", "tfy", "", ""]
    np.testing.assert_allclose(found.value, [0.5, 0.1, 0.3, 0.02])
    np.testing.assert_allclose(found.probing_depth, [15, 600, 12, 19000])
    np.testing.assert_allclose(found.mean_depth, [15 / 2.9957, 600 / 2.9957, 12 / 2.9957, 10000], rtol=1e-4)
    assert found.probing_depth.attrs["units"] == found.depth.attrs["units"] == "nm"
    assert set(found.unit.values) == {"1"}
    assert json.loads(found.attrs["history"])[-1]["step"] == "depth_profile"


@given(st.floats(1, 1e5), st.floats(0, 0.9), st.sampled_from(["exponential", "even"]))
@settings(max_examples=40, deadline=None)
def test_95_percent_of_every_signal_comes_from_above_its_probing_depth(depth, part, weight):
    one = Probed("x", 1.0, 0.1, "1", depth, 0.1 * depth, weight, start=part * depth)
    d = np.linspace(0, 6 * depth, 60001)
    weights = one.weights(d)
    whole, above = np.trapezoid(weights, d), np.trapezoid(np.where(d <= depth, weights, 0.0), d)
    assert above / whole == pytest.approx(SHARE, abs=0.01)
    assert np.trapezoid(weights * d, d) / whole == pytest.approx(one.mean[0], rel=0.02)


def test_an_error_of_the_attenuation_length_is_one_of_the_depth():
    found = depth_profile(rows=[Probed("x", 1.0, 0.1, "1", 30.0, 6.0)])
    assert float(found.mean_depth_std[0] / found.mean_depth[0]) == pytest.approx(0.2)
    assert float(found.probing_depth_std[0]) == 6.0


def test_of_regions_the_mean_is_taken_and_their_depths_share_their_error(tree):
    found = depth_profile(tree).sel(row=2)
    assert float(found.value_std) == pytest.approx(0.04 / 2)
    assert float(found.probing_depth_std) == 2.0


def test_each_series_gives_the_scan_nearest_to_the_state_or_none(tree):
    found = depth_profile(tree, {"soc": 0.4})
    np.testing.assert_allclose(found.value[:2], [0.1 + 0.4 * 0.4, 0.04])
    assert found.scan.values.tolist() == [2, 2, -1, -1]
    assert np.isnan(found.value[2:]).all()
    wider = depth_profile(tree, {"soc": 0.4}, tolerance={"soc": 0.5})
    assert np.isfinite(wider.value).all()
    by_time = depth_profile(tree, {"time": "2024-03-01T08:11"}, tolerance={"time": 20})
    assert by_time.scan.values.tolist() == [1, 1, 1, 1]


def test_scans_that_are_not_shown_are_not_read(tree):
    def only_the_last(block, block_info=None):
        assert block_info[0]["chunk-location"][0] == 5
        return block

    ds = tree["xas/Ni_L3/processed"].to_dataset()
    chunks = da.from_array(ds["fraction"].values, chunks=(1, 2))
    lazy = da.map_blocks(only_the_last, chunks, dtype=float, meta=np.empty((0, 0)))
    lazily = xr.DataTree.from_dict(
        {"/xas/Ni_L3/processed": ds.assign(fraction=(("scan", "signal"), lazy, {"units": "1"}))}
    )
    assert depth_profile(lazily).sizes["row"] == 2


def test_a_scan_without_a_number_is_passed_over(tree):
    ds = tree["xtm/cell/processed"].to_dataset()
    gone = xr.DataTree.from_dict({"/xtm/cell/processed": ds.assign(fraction=ds.fraction.where(ds.soc < 1))})
    assert depth_profile(gone).scan.values.tolist() == [0]


def test_a_flagged_scan_is_shown_only_where_there_is_no_other(tree):
    ds = tree["xas/Ni_L3/processed"].to_dataset()
    doubtful = ds.assign_coords(flag=("scan", [0, 0, 8, 0, 0, 8]))
    flagged = xr.DataTree.from_dict({"/xas/Ni_L3/processed": doubtful})
    assert depth_profile(flagged).scan.values.tolist() == [4, 4]
    assert depth_profile(flagged, {"soc": 0.4}).scan.values.tolist() == [2, 2]
    assert set(depth_profile(flagged, {"soc": 0.4}, tolerance={"soc": 0.25}).scan.values) < {1, 3}


def test_mistakes_are_told(tree):
    with pytest.raises(OperandoError, match="put the step 'probing_depth' into the recipe"):
        depth_profile(xr.DataTree.from_dict({"/echem": xr.Dataset()}))
    with pytest.raises(OperandoError, match="expected at = "):
        depth_profile(tree, {"voltage": 3.7})
    with pytest.raises(OperandoError, match="0 <= start < depth"):
        Probed("x", 1.0, 0.1, "1", 1.0, 0.1, start=2.0)
