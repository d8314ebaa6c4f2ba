"""The wavelet transform shows at which k a shell of a given distance scatters."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import xarray as xr

from operando import OperandoError, flags, xas
from operando.flags import names
from operando.history import entries
from operando.schema import problems
from operando.xas.layout import PROCESSED

K = 0.05 * np.arange(281)


def burst(r: float, k: float) -> np.ndarray:
    """Return an oscillation of distance ``r`` that lives around ``k``."""
    return np.exp(-0.5 * ((K - k) / 2) ** 2) * np.sin(2 * r * K)


def oscillations() -> xr.DataArray:
    rows = np.stack([burst(2.0, 5.0) + burst(3.2, 9.0), burst(2.5, 7.0), burst(2.0, 8.0)])
    coords = {"k": ("k", K, {"units": "1/angstrom"}), "flag": ("scan", np.zeros(3, np.int32), flags.attrs())}
    return xr.DataArray(rows, dims=("scan", "k"), coords=coords, name="chi")


def test_a_burst_lies_at_its_distance_and_its_wave_number():
    found = xas.wavelet(oscillations(), kweight=0, rmax=5.0)["wavelet_magnitude"]
    for row, r, k in ((1, 2.5, 7.0), (2, 2.0, 8.0)):
        place = found[row].argmax(("wavelet_r", "k"))
        assert abs(found["wavelet_r"][place["wavelet_r"]] - r) < 0.07
        assert abs(found["k"][place["k"]] - k) < 0.3


def test_two_bursts_are_told_apart_in_both_directions():
    found = xas.wavelet(oscillations(), kweight=0, rmax=5.0)["wavelet_magnitude"][0]
    for r, k in ((2.0, 5.0), (3.2, 9.0)):
        assert abs(found.sel(wavelet_r=r, method="nearest").idxmax("k") - k) < 0.7


def test_chunks_and_dims_change_nothing_and_holes_are_flagged():
    chi = oscillations().copy()
    chi[0, 260:] = np.nan
    chi[1, 100] = np.nan
    expected = xas.wavelet(chi, rmax=3.0)
    lazy = xas.wavelet(chi.transpose("k", "scan").chunk(scan=2, k=90), rmax=3.0)
    assert lazy["wavelet_real"].chunks is not None
    for name in expected.data_vars:
        np.testing.assert_allclose(lazy[name].transpose(*expected[name].dims), expected[name], rtol=0, atol=1e-12)
    assert [names(value) for value in lazy["flag"]] == [[], ["not_finite"], []]
    assert expected["wavelet_real"].isnull().all(("wavelet_r", "k")).to_numpy().tolist() == [False, True, False]


def test_the_result_has_units_names_and_history():
    result = xas.wavelet(oscillations(), kweight=3, rmax=3.0)
    assert [text for text in problems(result, PROCESSED) if "is missing" not in text] == []
    assert result["wavelet_magnitude"].attrs["units"] == "1/angstrom^3"
    assert entries(result)[-1] == {
        **entries(result)[-1],
        "step": "xas.wavelet",
        "parameters": {"kweight": 3, "rmax": 3.0},
    }


def test_a_mistaken_call_is_one_plain_sentence():
    with pytest.raises(OperandoError, match=r"rmax > 0\.1, got 2, 0\.0"):
        xas.wavelet(oscillations(), rmax=0.0)


@pytest.mark.peer
@pytest.mark.parametrize("settings", [{}, {"kweight": 0, "rmax": 6.0}], ids=str)
def test_it_is_larchs_transform(settings):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        larch = pytest.importorskip("larch", reason="xraylarch is not installed (extra 'larch')")
        from larch.xafs import cauchy_wavelet
    chi = oscillations()
    ours = xas.wavelet(chi, **settings)
    for i in range(3):
        group = larch.Group(k=K, chi=chi[i].to_numpy())
        cauchy_wavelet(group, kweight=settings.get("kweight", 2), rmax_out=settings.get("rmax", 10.0))
        found = ours["wavelet_real"][i] + 1j * ours["wavelet_imag"][i]
        np.testing.assert_allclose(found, group.wcauchy, rtol=0, atol=1e-9 * np.abs(group.wcauchy).max())
        np.testing.assert_allclose(ours["wavelet_r"], group.wcauchy_r, atol=1e-12)
