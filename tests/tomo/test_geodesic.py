import dask
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal
from scipy.ndimage import gaussian_filter, label

from operando.errors import OperandoError
from operando.tomo import eikonal
from operando.tomo.eikonal import AROUND_QUEUED, OPEN, WALL, spread
from operando.tomo.geodesic import geodesic_distance, geodesic_tortuosity
from operando.tomo.way_blocks import from_layer, with_margin


def blobs(shape, seed, above=0.0):
    return gaussian_filter(np.random.default_rng(seed).normal(size=shape), 2.0) > above


def placed(mask, edge=0.5):
    return xr.DataArray(mask, dims=("scan", "z", "y", "x")[-mask.ndim :]).assign_coords(voxel_size=edge)


@np.errstate(invalid="ignore")
def by_sweeps(mask):
    """The same equation, solved another way: all voxels at once look at all triangles until nothing changes."""
    away = np.full([size + 2 for size in mask.shape], np.inf)
    inner = (slice(1, -1),) * 3
    away[inner][0][mask[0]] = 0
    steps = [tuple(sign * np.eye(3, dtype=int)[axis]) for axis in range(3) for sign in (-1, 1)]
    orders = [(a, b, c) for a in steps for b in steps for c in steps if abs(np.array([a, b, c])).sum(axis=0).max() == 1]

    def at(*places):
        shift = np.sum([(0, 0, 0), *places], axis=0)
        return away[tuple(slice(1 + s, size - 1 + s) for s, size in zip(shift, away.shape, strict=True))]

    while True:
        before = away.copy()
        for one, two, three in orders:
            a, b, c = at(one), at(one, two), at(one, two, three)
            found = np.minimum(at(), a + 1)
            p, q = (np.where(np.isfinite(a + b), a - b, -1), np.where(np.isfinite(b + c), b - c, -1))
            has_b, has_c = np.isfinite(a + b), np.isfinite(a + b + c)
            rest = np.sqrt(np.maximum(1 - p**2 - q**2, 0))
            both = np.where(has_c, a - c, -1)
            for fits, length in (
                (has_b, b + np.sqrt(2)),
                (has_c, c + np.sqrt(3)),
                (has_b & (p > 0) & (2 * p**2 < 1), a + np.sqrt(np.maximum(1 - p**2, 0))),
                (has_c & (both > 0) & (3 * both**2 < 4), a + np.sqrt(np.maximum(1 - both**2 / 2, 0))),
                (has_c & (q > 0) & (3 * q**2 < 1), b + np.sqrt(np.maximum(2 - 2 * q**2, 0))),
                (has_c & (q > 0) & (q <= p) & (p < rest), a + rest),
            ):
                found = np.where(fits, np.minimum(found, length), found)
            away[inner] = np.where(mask, found, np.inf)
        if np.array_equal(before, away):
            return away[inner]


def test_open_space_and_straight_channels_have_tortuosity_1():
    channel = np.zeros((30, 9, 8), bool)
    channel[:, 3:6, 4] = True
    for mask in (np.ones((12, 14, 16), bool), channel):
        found = geodesic_tortuosity(mask, "z")
        assert float(found["tau_geodesic"][0]) == 1.0
        assert float(found["tau_geodesic_spread"][0]) == 0.0
        assert float(found["reached"][0]) == 1.0


@pytest.mark.parametrize(("slope", "within"), [(0.5, 0.0095), (1.0, 0.003), (0.3, 0.0095)])
def test_ways_along_a_slanted_channel_are_as_long_as_its_diagonals(slope, within):
    """A slit is convex: ways are straight, from the first layer's upper edge where they do not go straight ahead."""
    length, wide = 81, 9
    z, y = np.indices((length, 100))
    lower = np.rint(z * slope)
    mask = np.repeat(((y >= lower) & (y < lower + wide))[:, :, np.newaxis], 3, axis=2)
    found = geodesic_distance(mask).values[-1, :, 1]
    there = np.flatnonzero(mask[-1, :, 1])
    exact = np.hypot(length - 1, np.maximum(there - (wide - 1), 0))
    assert_allclose(found[there], exact, rtol=within)
    assert (found[there] >= exact * (1 - 2e-3)).all()


def test_ways_through_a_hole_in_a_wall_fan_out_with_the_stated_error():
    mask = np.ones((44, 85, 85), bool)
    mask[1] = False
    mask[1, 42, 42] = True
    found = geodesic_distance(mask).values[2:]
    z, y, x = np.indices(found.shape)
    away = np.sqrt((z + 1) ** 2 + (y - 42) ** 2 + (x - 42) ** 2)
    excess = found - (1 + away)
    assert excess.min() > -1e-9
    for radius, most in ((3, 0.35), (10, 0.55), (40, 0.7)):
        shell = np.abs(away - radius) < 0.5
        assert 0.5 * most < excess[shell].max() < most
        assert excess[shell].mean() < 0.65 * most


def test_ways_around_a_baffle_turn_at_its_edge():
    mask = np.ones((61, 50, 4), bool)
    mask[30, :40] = False
    found = geodesic_distance(mask).values[-1, :, 2]
    y = np.arange(50)
    exact = np.where(y >= 40, 60.0, 30 + np.hypot(30, 40 - y))
    assert_allclose(found, exact, rtol=0.01)


@given(arrays(np.bool_, st.tuples(*[st.integers(2, 6)] * 3)))
@settings(max_examples=25, deadline=None)
def test_distances_are_those_of_the_equation_for_any_mask(mask):
    found = geodesic_distance(mask).values
    assert_allclose(found[mask], by_sweeps(mask)[mask], rtol=1e-12)
    assert np.isnan(found[~mask]).all()


def test_ways_lead_to_what_hangs_together_by_faces_and_nowhere_else():
    mask = blobs((30, 32, 28), 4, above=0.03)
    pieces = label(mask)[0]
    for axis, dim in enumerate("zyx"):
        linked = np.isin(pieces, np.unique(pieces.take(-1, axis)[mask.take(-1, axis)])) & mask
        assert_array_equal(np.isfinite(geodesic_distance(mask, dim, "last").values), linked)


@pytest.mark.parametrize("chunks", [{"z": 11, "y": 30, "x": 17}, {"scan": 2, "z": 24, "y": 9}, {"z": 6, "y": 15}])
def test_chunks_do_not_change_a_way(chunks):
    masks = placed(np.stack([blobs((24, 30, 28), 2), blobs((24, 30, 28), 3)]))
    with dask.config.set(scheduler="threads"):
        lazy = geodesic_distance(masks.chunk(chunks), "y")
        assert lazy.chunks is not None
        assert_array_equal(lazy.values, geodesic_distance(masks, "y").values)
        xr.testing.assert_allclose(geodesic_tortuosity(masks.chunk(chunks)), geodesic_tortuosity(masks), rtol=1e-12)


def test_a_way_that_winds_through_all_blocks_is_followed_to_its_end():
    """Walls with gaps at opposite ends: blocks are visited again and again."""
    mask = np.ones((25, 24, 4), bool)
    for layer in range(1, 24, 2):
        mask[layer] = False
        mask[layer, 0 if layer % 4 == 1 else -1] = True
    whole = geodesic_tortuosity(mask, "z")
    lazy = geodesic_tortuosity(xr.DataArray(mask, dims=("z", "y", "x")).chunk({"z": 5, "y": 7, "x": 3}), "z")
    between_middles = 2 + 11 * (21 + 2 * np.sqrt(2))
    assert float(whole["tau_geodesic_shortest"][0]) == pytest.approx(between_middles / 24, rel=1e-4)
    xr.testing.assert_allclose(lazy, whole, rtol=1e-12)


def test_what_does_not_lead_through_is_infinitely_long_and_says_why():
    mask = np.ones((12, 10, 10), bool)
    mask[6] = False
    found = geodesic_tortuosity(mask, ("z", "y"))
    assert_array_equal(found["tau_geodesic"], [np.inf, 1.0])
    assert_array_equal(found["reached"], [0.0, 1.0])
    assert found["reason"].values.tolist() == ["no way leads through along z", ""]


def test_results_have_units_and_a_history(tmp_path):
    mask = placed(blobs((16, 16, 16), 5))
    away = geodesic_distance(mask.chunk({"z": 8}), store=tmp_path / "ways")
    assert away.attrs["units"] == "um"
    assert float(away.isel(z=0).max()) == 0.0
    assert_allclose(away.values * 2, geodesic_distance(mask.values).values)
    found = geodesic_tortuosity(mask)
    assert "tomo.geodesic_tortuosity" in found.attrs["history"]
    assert all("units" in one.attrs and "long_name" in one.attrs for one in [*found.values(), found["axis"]])
    with pytest.raises(OperandoError, match="name one that is not there yet"):
        geodesic_distance(mask.chunk({"z": 8}), store=tmp_path / "ways")


def test_what_cannot_be_asked_is_refused():
    mask = np.ones((1, 4, 4), bool)
    with pytest.raises(OperandoError, match="two layers or more along z"):
        geodesic_tortuosity(mask)
    with pytest.raises(OperandoError, match="dims out of z, y and x, got w"):
        geodesic_distance(mask, "w")
    with pytest.raises(OperandoError, match="'first' or 'last', got 'middle'"):
        geodesic_distance(mask, "y", "middle")
    with pytest.raises(OperandoError, match="true and false"):
        geodesic_tortuosity(mask.astype(int))


@pytest.mark.realdata
def test_ways_through_a_measured_cathode_are_a_little_longer_than_straight_ones(realdata):
    import tifffile

    labels = tifffile.imread(realdata / "tomo" / "matbox_nmc-1-cal_generatedCBD_bridge.tif")[:80, :80, :80]
    pores = xr.DataArray(labels == np.unique(labels)[0], dims=("z", "y", "x"))
    found = geodesic_tortuosity(pores)
    tau = found["tau_geodesic"].values
    assert (tau > 1.01).all()
    assert (tau < 2.0).all()
    assert (found["tau_geodesic_shortest"] >= 1).all()
    xr.testing.assert_allclose(geodesic_tortuosity(pores.chunk(40)), found, rtol=1e-12)


def test_margins_that_are_not_done_yet_leave_distances_too_long_but_never_too_short():
    """Lengths of longer ways stand around the block, as long as its neighbors have not found the shortest."""
    mask = blobs((64, 64, 64), 9)
    exact = from_layer(mask, 0, 0)
    away, states = with_margin(mask.shape), np.zeros([size + 4 for size in mask.shape], np.uint8)
    inner = (slice(2, -2),) * 3
    away[inner] = np.where(mask, exact, np.inf)
    edge = np.ones(mask.shape, bool)
    edge[1:-1, 1:-1, 1:-1] = False
    late = np.random.default_rng(10).random(mask.shape) < 0.7
    away[inner] += np.where(edge & late, 60.0, 0.0)
    states[inner] = np.where(edge & np.isfinite(exact), AROUND_QUEUED, np.where(mask & ~edge, OPEN, WALL))
    away[inner][~edge] = np.inf
    spread(away, states)
    assert (away[inner] >= exact * (1 - 1e-12))[mask].all()
    assert np.isfinite(away[inner][mask & ~edge]).mean() > 0.8


def beside_far_ways(far, low):
    """Return a box, open but for its border, beside a row of known distances that ways from one corner undercut."""
    away, states = np.full((6, 12, 20), np.inf), np.full((6, 12, 20), eikonal.WALL, np.uint8)
    states[1:-1, 2:-1, 1:-2] = eikonal.OPEN
    z, x = np.indices((4, 17))
    away[1:-1, 1, 1:-2] = 40 + np.hypot(far - 40 + 0.93 * z, 1.5 * (x - 7))
    away[-2, 1, -2] = low
    states[1:-1, 1, 1:-1] = np.where(np.isfinite(away[1:-1, 1, 1:-1]), eikonal.AROUND_QUEUED, eikonal.WALL)
    return away, states


def test_known_distances_that_a_shorter_way_undercuts_by_far_are_not_followed_step_by_step():
    """Blocks whose neighbors had not heard of a short way yet took ages: each voxel was lowered a thousand times."""
    away, states = beside_far_ways(74.0, 39.2)
    assert eikonal.spread(away, states) < 1.5 * np.count_nonzero(states == eikonal.OPEN)
    assert (states != eikonal.QUEUED).all()
    opened = away[states == eikonal.OPEN]
    assert 39.2 < opened.min() < opened.max() < 39.2 + 30


@given(arrays(np.float64, (4, 17), elements=st.floats(0, 90)), st.floats(0, 90))
@settings(max_examples=60, deadline=None)
def test_whatever_is_known_around_a_block_voxels_are_settled_about_once(known, low):
    away, states = beside_far_ways(74.0, low)
    away[1:-1, 1, 1:-2] = known
    assert eikonal.spread(away, states) < 2 * np.count_nonzero(states)
    assert np.isfinite(away[states == eikonal.OPEN]).all()


def test_ways_that_are_not_found_in_order_end_in_a_line(monkeypatch):
    monkeypatch.setattr(eikonal, "_MOST", 0)
    with pytest.raises(OperandoError, match="expected every voxel to be settled a few times"):
        eikonal.spread(*beside_far_ways(74.0, 39.2))
