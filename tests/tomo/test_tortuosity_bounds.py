import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from operando.errors import OperandoError
from operando.tomo import tortuosity, tortuosity_bracket


def blobs(shape, filled, seed):
    field = ndimage.gaussian_filter(np.random.default_rng(seed).standard_normal(shape), 1.5)
    return field < np.quantile(field, filled)


@pytest.mark.parametrize("seed", range(4))
def test_the_bracket_contains_the_whole_and_narrows_with_larger_parts(seed):
    mask = blobs((32, 29, 30), 0.5, seed)
    for dim in ("z", "x"):
        whole = tortuosity(mask, dim, tol=1e-6)["tortuosity_factor"].item()
        wide, narrow = (tortuosity_bracket(mask, dim, tubes=edge, slabs=edge) for edge in (6, 16))
        for found in (wide, narrow):
            assert 1 <= found["tau_lower"].item() <= whole * (1 + 1e-6)
            assert found["tau_upper"].item() >= whole * (1 - 1e-6)
        assert narrow["relative_width"].item() < wide["relative_width"].item()


@given(st.integers(0, 10**6), st.floats(0.15, 0.95), st.integers(1, 14), st.integers(1, 14))
@settings(max_examples=20, deadline=None)
def test_brackets_of_any_parts_contain_the_whole(seed, filled, tubes, slabs):
    noise = np.random.default_rng(seed)
    mask = blobs(tuple(noise.integers(3, 15, 3)), filled, seed)
    found, whole = tortuosity_bracket(mask, tubes=tubes, slabs=slabs), tortuosity(mask)
    assert found["tau_lower"] <= whole["tau_lower"] * (1 + 1e-6) or np.isinf(whole["tortuosity_factor"])
    assert found["tau_upper"] >= whole["tau_lower"] * (1 - 1e-6)
    assert np.isfinite(whole["tortuosity_factor"]) or np.isinf(found["tau_upper"])


def test_the_bracket_of_phases_in_chunks_is_that_in_memory():
    labels = xr.DataArray(blobs((20, 22, 18), 0.4, 1) + np.int32(1), dims=("z", "y", "x"))
    settings = {"conductivities": {1: 1.0, 2: 0.05}, "tubes": 9, "slabs": 8}
    found = tortuosity_bracket(labels.chunk(7), "y", **settings)
    xr.testing.assert_identical(found, tortuosity_bracket(labels, "y", **settings))
    whole = tortuosity(labels, "y", conductivities=settings["conductivities"])["tortuosity_factor"]
    assert found["tau_lower"] < whole < found["tau_upper"]
    assert '"tubes": 9' in found.attrs["history"]


def test_parts_without_a_path_leave_the_bracket_open():
    mask = np.ones((12, 9, 9), bool)
    mask[5] = False
    found = tortuosity_bracket(mask, tubes=3, slabs=4)
    assert np.isinf([found["tau_lower"].item(), found["tau_upper"].item()]).all()
    mask[5, 0, 0] = True
    mask[6:] = False
    mask[6, 0] = mask[7:, 0, 8] = True
    found = tortuosity_bracket(mask, tubes=3, slabs=4)
    assert np.isfinite(found["tau_lower"].item())
    assert np.isinf(found["tau_upper"].item())
    assert np.isinf(found["relative_width"].item())


def test_what_cannot_be_bracketed_is_refused():
    mask = np.ones((3, 3, 3), bool)
    with pytest.raises(OperandoError, match="expected one volume, tubes and slabs"):
        tortuosity_bracket(mask, tubes=0, slabs=1)
    with pytest.raises(OperandoError, match="expected one volume, tubes and slabs"):
        tortuosity_bracket(xr.DataArray(mask[np.newaxis], dims=("scan", "z", "y", "x")), tubes=1, slabs=1)
