import numpy as np
import pytest
import xarray as xr
from numpy.testing import assert_allclose, assert_array_equal
from random_media import overlapping_spheres

from operando.errors import OperandoError
from operando.tomo.chords import chord_lengths


def placed(mask, edge=0.5):
    return xr.DataArray(mask, dims=("scan", "z", "y", "x")[-mask.ndim :]).assign_coords(voxel_size=edge)


def test_chords_across_plates_are_as_long_as_the_plates_are_thick():
    mask = np.zeros((40, 16, 16), bool)
    mask[5:12], mask[20:27] = True, True
    found = chord_lengths(placed(mask))
    z = found.sel(axis="z")
    assert float(z["chord_length_mean"]) == 3.5
    assert float(z["chords"].sel(length=3.5)) == float(z["chords"].sum()) == 2 * 16**2
    assert float(z["distribution"].sel(length=3.5)) == 1.0
    assert not z["chords_cut"].any()
    along = found.sel(axis="y")
    assert not along["chords"].any()
    assert float(along["chords_cut"].sel(length=8.0)) == float(along["chords_cut"].sum()) == 14 * 16
    assert np.isnan(along["chord_length_mean"])


def test_cut_chords_are_kept_apart_and_count_for_the_mean():
    line = np.array([1, 1, 0, 1, 1, 1, 0, 0, 1, 0, 1, 1], bool)
    found = chord_lengths(np.broadcast_to(line, (3, 5, 12)), "x").isel(axis=0)
    assert found["chords"].values[[0, 1, 2]].tolist() == [15, 0, 15]
    assert found["chords_cut"].values[[0, 1, 2]].tolist() == [0, 30, 0]
    assert float(found["chord_length_mean"]) == 2 * 8 / 6
    weights = np.array([1 / 10, 0, 1 / 8])
    assert_allclose(found["distribution"].values[:3], weights / weights.sum())


def test_chords_between_overlapping_spheres_are_exponential_with_the_mean_of_theory():
    """Lengths of whole voxels follow (1 - q) q^(n - 1); chords much shorter than a radius are missed between voxels."""
    radius, coverage = 8.0, 0.7
    mask = ~overlapping_spheres(150, radius, coverage, np.random.default_rng(20))
    found = chord_lengths(mask)
    mean = 4 * radius / (3 * coverage)
    off = found["chord_length_mean"] - mean
    assert (np.abs(off) < 3.3 * found["chord_length_mean_std"] + 0.06 * mean).all()
    counts = found["distribution"].mean("axis").values
    length = found["length"].values
    longer = np.cumsum(counts[::-1])[::-1]
    inner = (length > 8) & (length < 60)
    slope = np.polyfit(length[inner], np.log(longer[inner]), 1, w=np.sqrt(longer[inner]))[0]
    assert -1 / slope == pytest.approx(mean, rel=0.1)


@pytest.mark.parametrize("chunks", [{"z": 11, "y": 30, "x": 17}, {"scan": 2, "z": 24, "y": 9}])
def test_chunks_do_not_change_chords(chunks):
    masks = placed(np.random.default_rng(3).random((2, 24, 30, 28)) < 0.6)
    xr.testing.assert_allclose(chord_lengths(masks.chunk(chunks)), chord_lengths(masks), rtol=1e-12)
    assert_array_equal(chord_lengths(masks.chunk(chunks))["chords"], chord_lengths(masks)["chords"])


def test_results_have_units_and_a_history():
    found = chord_lengths(placed(np.random.default_rng(3).random((9, 8, 7)) < 0.5))
    assert found["chord_length_mean"].attrs["units"] == found["length"].attrs["units"] == "um"
    assert all("long_name" in one.attrs and "units" in one.attrs for one in found.variables.values() if one.dims)
    assert "tomo.chord_lengths" in found.attrs["history"]
    with pytest.raises(OperandoError, match="dims out of z, y and x, got none"):
        chord_lengths(np.ones((3, 3, 3), bool), ())
