import numpy as np
import pytest
import xarray as xr
from random_media import overlapping_spheres
from scipy import ndimage

from operando.errors import OperandoError, OperandoWarning
from operando.tomo import tortuosity, tortuosity_coarsened

PLACES = ("z", "y", "x")


def blobs(edge, filled, width, seed):
    field = ndimage.gaussian_filter(np.random.default_rng(seed).standard_normal((edge,) * 3), width)
    return field < np.quantile(field, filled)


def media():
    """Return media of several volume fractions and widths, none near its percolation threshold."""
    for number, (filled, width) in enumerate([(0.3, 1.5), (0.4, 2.0), (0.5, 1.0), (0.6, 2.0), (0.7, 1.5), (0.85, 2.0)]):
        yield blobs(56, filled, width, number)
    for seed, coverage in enumerate((0.3, 0.7, 1.0)):
        yield ~overlapping_spheres(56, 4, coverage, np.random.default_rng(seed))


def test_blocks_extrapolated_to_voxels_give_the_whole_within_the_uncertainty():
    pulls, left, before = [], [], []
    for mask in media():
        found, whole = tortuosity_coarsened(mask), tortuosity(mask)["tortuosity_factor"].item()
        tau = found["tortuosity_factor"].item()
        pulls.append((tau - whole) / found["tortuosity_factor_std"].item())
        left.append(abs(np.log(tau / whole)))
        before.append(abs(np.log(found["coarse_tortuosity_factor"].values[0] / whole)))
    assert np.abs(pulls).max() < 3.3
    assert np.median(np.abs(pulls)) < 1
    assert np.median(np.divide(left, before)) < 0.2


def test_what_fills_blocks_is_exact():
    layers = np.zeros((24, 32, 16), bool)
    layers[:, 8:16] = layers[:, 24:] = True
    for mask in (np.ones((17, 9, 1), bool), layers):
        found = tortuosity_coarsened(mask)
        assert found["tortuosity_factor"].item() == pytest.approx(1, abs=1e-6)
        assert found["tortuosity_factor_std"].item() < 1e-3
        assert found["effective_diffusivity"].item() == pytest.approx(mask.mean(), rel=1e-6)


def test_walls_through_which_blocks_leak_still_close():
    mask = np.ones((20, 16, 18), bool)
    mask[9] = False
    found = tortuosity_coarsened(mask, ["z", "x"])
    assert found["percolating"].values.tolist() == [False, True]
    assert np.isinf(found["tortuosity_factor"].values).tolist() == [True, False]
    assert found["reason"].values.tolist() == ["no path leads from the first to the last face along z", ""]
    assert found["effective_diffusivity"].values[0] == 0


def test_phases_in_chunks_and_long_voxels_are_as_in_memory():
    labels = blobs(36, 0.4, 2.0, 1) + np.int32(3)
    places = {name: (np.arange(36) + 0.5) * edge for name, edge in zip(PLACES, (2.0, 1.0, 1.0), strict=True)}
    volume = xr.DataArray(labels, places, PLACES, attrs={"history": '[{"step": "before"}]'})
    settings = {"conductivities": {3: 1.0, 4: 0.05}}
    found = tortuosity_coarsened(volume, "all", **settings)
    xr.testing.assert_identical(found, tortuosity_coarsened(volume.chunk(10), "all", **settings))
    whole = tortuosity(volume, "all", **settings)
    off = (found["tortuosity_factor"] - whole["tortuosity_factor"]) / found["tortuosity_factor_std"]
    assert np.abs(off).max() < 3
    assert found["coarse_tortuosity_factor"].dims == ("axis", "coarsening")
    assert all({"units", "long_name"} <= set(one.attrs) for name, one in found.data_vars.items() if name != "reason")
    assert '"step": "before"' in found.attrs["history"]
    assert '"3": 1.0' in found.attrs["history"]


def test_a_series_keeps_its_dims():
    masks = np.stack([blobs(20, 0.6, 2.0, seed) for seed in (1, 2)])
    series = xr.DataArray(masks, dims=("scan", *PLACES)).assign_coords(voxel_size=0.65, scan=[5, 6])
    found = tortuosity_coarsened(series.chunk({"scan": 1}), ["x", "z"])
    assert found["tortuosity_factor"].dims == ("scan", "axis")
    one = tortuosity_coarsened(masks[1], "x")
    assert found["tortuosity_factor"].sel(scan=6, axis="x").item() == pytest.approx(one["tortuosity_factor"].item())


def test_richardson_takes_over_with_a_warning_where_subvolumes_do_not_percolate():
    winding = np.zeros((48, 48, 8), bool)
    for number, z in enumerate(range(0, 48, 8)):
        winding[z : z + 4] = True
        winding[z : z + 8, 44 * (number % 2) : 44 * (number % 2) + 4] = True
    with pytest.warns(OperandoWarning, match="subvolumes percolate; the factor is no better than a guess"):
        found = tortuosity_coarsened(winding)
    assert found["tortuosity_factor"].item() == found["tortuosity_factor_richardson"].item()
    whole = tortuosity(winding)["tortuosity_factor"].item()
    assert found["tortuosity_factor"].item() == pytest.approx(whole, rel=0.05)


def test_what_cannot_be_coarsened_is_refused():
    with pytest.raises(OperandoError, match="a mask is such as labels == 1"):
        tortuosity_coarsened(np.ones((3, 3, 3)))
    with pytest.raises(OperandoError, match="expected a tol within 0 and 1"):
        tortuosity_coarsened(np.ones((3, 3, 3), bool), tol=1.0)
    with pytest.raises(OperandoError, match="expected voxels, got none"):
        tortuosity_coarsened(np.ones((3, 0, 3), bool))
