from dataclasses import replace

import numpy as np
import pytest
import xarray as xr
from numpy.testing import assert_allclose, assert_array_equal
from scipy.ndimage import gaussian_filter
from scipy.special import erf

from operando.errors import OperandoError
from operando.example_scans import microstructure, parameters
from operando.tomo.aperture_tables import aperture_table
from operando.tomo.apertures import aperture

SIZE = 48
NORMALS = [(1.0, 0.0, 0.0), (0.9, 0.3, -0.2), (0.577, 0.577, 0.577)]


def along(normal, size=SIZE):
    normal = np.array(normal) / np.linalg.norm(normal)
    return (np.moveaxis(np.indices((size,) * 3), 0, -1) - (size - 1) / 2 - 0.2) @ normal


def crack(width, normal, blur=0.7):
    """Share of void of a layer, as a microscope with a point spread function shows it."""
    depth, sigma = along(normal), np.sqrt(2 * (blur**2 + 1 / 12))
    share = (erf((width / 2 - depth) / sigma) + erf((width / 2 + depth) / sigma)).astype(np.float32) / 2
    return xr.DataArray(share, dims=("z", "y", "x")).assign_coords(voxel_size=0.65)


def middle(found, normal, within=0.8):
    core = np.zeros(found.shape, bool)
    core[16:-16, 16:-16, 16:-16] = True
    return found.values[core & (np.abs(along(normal)) < within)]


@pytest.mark.parametrize("normal", NORMALS)
@pytest.mark.parametrize("width", [0.4, 1.0, 2.5, 5.0])
def test_a_share_gives_the_aperture_of_cracks_thinner_and_thicker_than_a_voxel(width, normal):
    found = middle(aperture(crack(width, normal)), normal)
    assert found.mean() == pytest.approx(0.65 * width, rel=0.03)
    assert found.std() < 0.04 * 0.65 * width


def test_noise_does_not_move_the_aperture():
    noise = np.random.default_rng(4).normal(0, 0.2, (SIZE,) * 3).astype(np.float32)
    near = np.abs(along(NORMALS[1])) < 6
    found = middle(aperture((crack(2.0, NORMALS[1]) + noise).where(near, 0)), NORMALS[1])
    assert found.mean() == pytest.approx(1.3, rel=0.04)


def test_a_second_crack_nearby_does_not_count():
    share = crack(2.0, (1, 0, 0))
    both = share + np.roll(share.values, 8, axis=0)
    assert_allclose(middle(aperture(both), (1, 0, 0)), 1.3, rtol=0.05)


@pytest.mark.parametrize("width", [2.0, 3.0, 6.0])
def test_masks_give_the_aperture_within_the_error_stated(width):
    random = np.random.default_rng(1)
    off = []
    for normal in random.normal(size=(8, 3)):
        mask = np.abs(along(normal) + random.uniform(-0.5, 0.5)) < width / 2
        off.append(np.mean(middle(aperture(xr.DataArray(mask, dims=("z", "y", "x"))), normal, 0.4)) - width)
    assert abs(np.mean(off)) < 0.1 + 3.3 * 0.35 / np.sqrt(8)
    assert np.std(off) < 0.5


def test_a_mask_with_a_normal_is_measured_along_it():
    mask = np.zeros((20, 20, 20), bool)
    mask[8:11] = True
    found = aperture(mask, (2.0, 0.0, 0.0))
    assert_allclose(found.values[9, 5:15, 5:15], 3.0)
    assert not found.values[~mask].any()
    assert found.attrs["units"] == "px"


@pytest.mark.parametrize("chunks", [{"z": 17, "y": 48, "x": 20}, {"z": 48, "y": 13}])
@pytest.mark.parametrize("kind", ["share", "mask"])
def test_chunks_do_not_change_an_aperture(chunks, kind):
    share = crack(2.5, NORMALS[1])
    share = share if kind == "share" else share > 0.5
    whole, lazy = (aperture(one, max_aperture=4 * 0.65) for one in (share, share.chunk(chunks)))
    assert lazy.chunks is not None
    assert_array_equal(lazy.values, whole.values)
    labels = (share > 0.3).astype(np.int32) * (1 + (share["x"] > 20)).astype(np.int32)
    table = aperture_table(whole, labels)
    xr.testing.assert_allclose(table, aperture_table(lazy, labels.chunk(chunks)), rtol=1e-12)


def test_the_table_says_what_numpy_says():
    random = np.random.default_rng(2)
    values = xr.DataArray(random.gamma(4.0, 0.5, (20, 20, 20)).astype(np.float32), dims=("z", "y", "x"))
    labels = xr.DataArray(random.choice([0, 3, 7], (20, 20, 20)), dims=values.dims)
    table = aperture_table(values, labels)
    assert table["number"].values.tolist() == [3, 7]
    for row, number in enumerate((3, 7)):
        one = values.values[labels.values == number].astype(float)
        assert float(table["aperture_mean"][row]) == pytest.approx(one.mean(), rel=1e-9)
        assert float(table["aperture_spread"][row]) == pytest.approx(one.std(), rel=1e-9)
        assert float(table["aperture_max"][row]) == one.max()
        assert float(table["aperture_median"][row]) == pytest.approx(np.median(one), abs=1 / 64)
        assert 0 < float(table["aperture_mean_std"][row]) < one.std()


def test_the_penny_crack_of_the_simulated_cell_has_its_aperture():
    law = parameters.load("small").tomography
    fixed = replace(microstructure.structure(law, 1), pore_center=np.empty((0, 3)), pore_radius=np.empty(0))
    for passed in (0.3, 1.0):
        now = microstructure.state(law, fixed, passed, passed)
        one = now.cracks[0]
        place = (one.center / law.voxel_size).astype(int)
        around = tuple(slice(at - 14, at + 15) for at in place)
        share = gaussian_filter(microstructure.volume(law, fixed, now).void, law.blur)[around].astype(np.float32)
        found = aperture(xr.DataArray(share, dims=("z", "y", "x")).assign_coords(voxel_size=law.voxel_size))
        near = found.values[13:16, 13:16, 13:16]
        assert np.median(near) == pytest.approx(one.aperture, rel=0.06)


@pytest.mark.parametrize(
    ("opening", "settings", "message"),
    [
        (np.zeros((5, 5, 5), np.uint8), {}, "a share from 0 to 1, got values of type uint8"),
        (np.zeros((5, 5, 5)), {"normal": (0.0, 0.0, 0.0)}, "not all 0"),
        (np.zeros((5, 5, 5)), {"max_aperture": 0.5}, "two voxels or more"),
        (np.zeros((5, 5, 5)), {"lowest": 0.7}, "between 0 and 0.5"),
    ],
)
def test_what_is_no_opening_is_refused(opening, settings, message):
    with pytest.raises(OperandoError, match=message):
        aperture(opening, **settings)
