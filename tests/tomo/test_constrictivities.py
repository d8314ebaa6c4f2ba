import numpy as np
import pytest
import xarray as xr
from scipy.ndimage import distance_transform_edt, gaussian_filter, label

from operando.errors import OperandoError
from operando.tomo.constrictivities import constrictivity

Y, X = np.indices((33, 33)) - 16


def tube(length, radius, necks=(), neck=0.0):
    mask = np.repeat((np.hypot(Y, X) < radius)[np.newaxis], length, axis=0)
    for start in necks:
        mask[start : start + 2] = np.hypot(Y, X) < neck
    return mask


def intruded(mask, radius, axis=0):
    """Share of a mask that spheres fill which come in from the first layer along an axis; by scipy."""
    middles = distance_transform_edt(mask) >= radius - 1e-6
    pieces = label(middles)[0]
    free = np.isin(pieces, np.setdiff1d(pieces.take(0, axis), 0))
    return ((distance_transform_edt(~free) < radius - 1e-6) & mask).sum() / mask.sum() if free.any() else 0.0


def test_a_straight_tube_has_no_bottleneck():
    found = constrictivity(tube(30, 9.0), "z")
    assert float(found["r_max"]) == float(found["r_min"][0]) == 9.0
    assert float(found["constrictivity"][0]) == 1.0
    assert float(found["constrictivity_std"][0]) == 0.0


def test_necks_in_a_tube_let_through_what_fits_through_them():
    """Three necks, so that less than half of the tube lies before them from either face."""
    found = constrictivity(tube(74, 12.1, (12, 36, 60), 4.1), "z")
    assert float(found["r_min"][0]) == pytest.approx(4.1, abs=0.1)
    assert float(found["r_max"]) == pytest.approx(12.1, abs=0.5)
    assert float(found["constrictivity"][0]) == pytest.approx((4.1 / 12.1) ** 2, rel=0.1)


def test_a_neck_behind_more_than_half_of_the_phase_is_none():
    found = constrictivity(tube(60, 9.0, (50,), 3.1), "z")
    assert float(found["r_min_std"][0]) == pytest.approx((9.0 - float(found["r_min"][0] - found["r_min_std"][0])) / 2)
    assert float(found["r_min"][0] + found["r_min_std"][0]) == 9.0


def test_bottlenecks_are_those_of_the_definition():
    mask = gaussian_filter(np.random.default_rng(2).normal(size=(24, 26, 22)), 2.0) > 0
    found = constrictivity(mask, ("z", "x"))
    away = np.unique(np.rint(distance_transform_edt(mask)[mask] ** 2))
    for axis, dim in ((0, "z"), (2, "x")):
        both = []
        for turned in (mask, np.flip(mask, axis)):
            held = [np.sqrt(square) for square in away if intruded(turned, np.sqrt(square), axis) >= 0.5]
            both.append(max(held))
        assert float(found["r_min"].sel(axis=dim)) == pytest.approx(np.mean(both))
    assert (found["constrictivity"] <= 1).all()


@pytest.mark.parametrize("chunks", [{"z": 16, "y": 30, "x": 17}])
def test_chunks_do_not_change_a_constrictivity(chunks):
    mask = xr.DataArray(
        gaussian_filter(np.random.default_rng(5).normal(size=(24, 30, 28)), 2.0) > 0, dims=("z", "y", "x")
    ).assign_coords(voxel_size=0.5)
    found = constrictivity(mask, "y")
    xr.testing.assert_identical(constrictivity(mask.chunk(chunks), "y"), found)
    assert found["r_min"].attrs["units"] == found["r_max"].attrs["units"] == "um"
    assert "tomo.constrictivity" in found.attrs["history"]


def test_a_phase_that_no_face_reaches_says_so():
    mask = np.zeros((20, 20, 20), bool)
    mask[5:15, 5:15, 5:15] = True
    found = constrictivity(mask, "x")
    assert float(found["constrictivity"][0]) == 0.0
    assert found["reason"].values.tolist() == ["less than half is reached along x"]


def test_what_cannot_be_asked_is_refused():
    with pytest.raises(OperandoError, match="give a max_radius"):
        constrictivity(np.ones((5, 5, 5), bool))
    with pytest.raises(OperandoError, match="voxels of the phase, got none"):
        constrictivity(np.zeros((5, 5, 5), bool))
    with pytest.raises(OperandoError, match=r"at least a voxel, 1 px, got 0\.5"):
        constrictivity(np.ones((5, 5, 5), bool), max_radius=0.5)
