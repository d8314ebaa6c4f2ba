"""A shell at R gives a peak at R; going there and back gives the oscillation again."""

from __future__ import annotations

import warnings
from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr

from operando import OperandoError, flags, xas
from operando.flags import names
from operando.history import entries
from operando.schema import problems
from operando.xas.fourier_transform import inverse_fourier
from operando.xas.layout import PROCESSED

K = 0.05 * np.arange(301)


def oscillations(distances=(1.9, 2.1, 2.4), seed: int = 3) -> xr.DataArray:
    """Return single shells, with noise, one row a distance."""
    r = np.asarray(distances)[:, None]
    chi = np.exp(-0.01 * K**2) * np.sin(2 * r * K) / np.clip(K, 1, None) ** 2
    chi = chi + np.random.default_rng(seed).normal(0, 1e-4, chi.shape)
    coords = {"k": ("k", K, {"units": "1/angstrom"}), "flag": ("scan", np.zeros(r.size, np.int32), flags.attrs())}
    return xr.DataArray(chi, dims=("scan", "k"), coords=coords, name="chi")


@pytest.mark.parametrize("window", ["kaiser", "hanning", "parzen", "welch", "sine", "gaussian"])
def test_a_shell_without_phase_shift_peaks_at_its_distance(window):
    found = xas.fourier(oscillations(), kmin=3.0, kmax=13.0, window=window)
    np.testing.assert_allclose(found["r"][found["chi_r_magnitude"].argmax("r")], [1.9, 2.1, 2.4], atol=0.031)


def test_the_transform_is_the_sum_it_says():
    chi = oscillations().isel(scan=0)
    found = xas.fourier(chi, kmin=0.0, kmax=25.0, dk=0.1, window="hanning", kweight=1)
    k, r = K[:, None], found["r"].to_numpy()
    direct = 0.05 / np.sqrt(np.pi) * (k * chi.to_numpy()[:, None] * np.exp(-2j * k * r))[1:].sum(axis=0)
    np.testing.assert_allclose(found["chi_r_real"] + 1j * found["chi_r_imag"], direct, atol=1e-12)


def test_back_from_all_distances_is_the_weighted_oscillation():
    chi = oscillations()
    there = xas.fourier(chi, kmin=3.0, kmax=12.0, dk=1.0, window="hanning", rmax=31.4)
    back = inverse_fourier(there, rmin=0.0, rmax=31.4, dr=0.0, window="hanning", qmax=15.0)
    np.testing.assert_allclose(back["q"], K, atol=1e-9)
    inside = (K > 3.6) & (K < 11.4)
    np.testing.assert_allclose(back["chi_q_real"][:, inside], (K**2 * chi)[:, inside], atol=5e-3)


def test_a_window_around_one_shell_keeps_that_shell_alone():
    near, far = oscillations((2.0,)), oscillations((4.0,))
    window = {"rmin": 1.2, "rmax": 2.8, "dr": 0.3, "window": "hanning", "qmax": 14.0}
    alone = inverse_fourier(xas.fourier(near, kmin=3.0, kmax=13.0), **window)
    mixed = inverse_fourier(xas.fourier(near + far, kmin=3.0, kmax=13.0), **window)
    inside = alone.sel(q=slice(4, 12))["chi_q_real"]
    assert np.abs(mixed.sel(q=slice(4, 12))["chi_q_real"] - inside).max() < 0.05 * inside.std()


def test_chunks_dims_and_laziness_change_nothing():
    chi = oscillations().expand_dims(y=[0, 1]).copy()
    chi[1, 1, 250:] = np.nan
    expected = xas.fourier(chi, kmin=3.0, kmax=12.0)
    back = inverse_fourier(expected, rmin=1.0, rmax=3.0)
    for array in (chi.chunk(scan=1, k=50), chi.transpose("k", "scan", "y").chunk(y=1)):
        lazy = xas.fourier(array, kmin=3.0, kmax=12.0)
        assert lazy["chi_r_real"].chunks is not None
        again = inverse_fourier(lazy, rmin=1.0, rmax=3.0)
        assert again["chi_q_real"].chunks is not None
        for name in expected.data_vars:
            dims = expected[name].dims
            np.testing.assert_allclose(lazy[name].transpose(*dims), expected[name], rtol=0, atol=1e-12)
        np.testing.assert_allclose(
            again["chi_q_imag"].transpose(*back["chi_q_imag"].dims), back["chi_q_imag"], atol=1e-12
        )


def test_the_result_has_units_names_and_history_and_the_input_stays():
    chi = oscillations()
    before = chi.copy(deep=True)
    result = xas.fourier(chi, kmin=3.0, kmax=12.0, kweight=3)
    back = inverse_fourier(result, rmin=1.0, rmax=3.0)
    xr.testing.assert_identical(chi, before)
    for ds in (result, back):
        assert [text for text in problems(ds, PROCESSED) if "is missing" not in text] == []
    assert result["chi_r_magnitude"].attrs["units"] == "1/angstrom^4"
    assert back["chi_q_real"].attrs["units"] == "1/angstrom^3"
    assert [step["step"] for step in entries(back)] == ["xas.fourier", "xas.fourier_transform.inverse_fourier"]


def test_what_ends_early_or_has_holes_is_flagged():
    chi = oscillations((2.0, 2.0, 2.0, 2.0)).copy()
    chi[1, 200:] = np.nan
    chi[2, 100] = np.nan
    chi[3] = np.nan
    for array in (chi, chi.chunk(scan=2)):
        found = xas.fourier(array, kmin=3.0, kmax=12.0).compute()
        assert [names(value) for value in found["flag"]] == [[], ["truncated"], ["not_finite"], ["not_finite"]]
        assert found["chi_r_real"].isnull().all("r").to_numpy().tolist() == [False, False, True, True]


@pytest.mark.parametrize(
    ("chi", "settings", "message"),
    [
        (oscillations().rename(k="energy"), {}, "expected a dim 'k'"),
        (oscillations().assign_coords(k=K + 1), {}, "evenly spaced k from 0"),
        (oscillations().assign_coords(k=K**1.1), {}, "interpolate first"),
        (oscillations().assign_coords(k=("k", K, {"units": "1/nm"})), {}, "expected k in 1/angstrom, got '1/nm'"),
        (oscillations(), {"window": "box"}, "expected a window among"),
        (oscillations(), {"kmin": 13.0}, "0 <= kmin < kmax"),
    ],
)
def test_a_mistaken_call_is_one_plain_sentence(chi, settings, message):
    with pytest.raises(OperandoError, match=message) as caught:
        xas.fourier(chi, **{"kmin": 3.0, "kmax": 12.0, **settings})
    assert "\n" not in str(caught.value)


def test_only_a_transform_is_taken_back():
    with pytest.raises(OperandoError, match="chi_r_real, chi_r_imag, r is missing"):
        inverse_fourier(oscillations().to_dataset(), rmin=1.0, rmax=3.0)


@pytest.fixture(scope="module")
def larch() -> SimpleNamespace:
    """Return larch's transforms, or skip."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        larch = pytest.importorskip("larch", reason="xraylarch is not installed (extra 'larch')")
        from larch.xafs import xftf, xftr
    return SimpleNamespace(group=larch.Group, xftf=xftf, xftr=xftr)


SETTINGS = [
    {},
    {"kmin": 0.0, "kmax": 20.0},
    {"kweight": 3, "dk": 4.0, "dk2": 0.5, "rmax": 6.0},
    *({"window": name, "dk": 1.5} for name in ("hanning", "parzen", "welch", "sine", "gaussian")),
]


@pytest.mark.peer
@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_there_and_back_is_as_in_larch(larch, settings):
    chi = oscillations().copy()
    chi[1, 220:] = np.nan
    given = {"kmin": 3.0, "kmax": 12.0, "dk": 1.0, "kweight": 2, "window": "kaiser", **settings}
    ours = xas.fourier(chi, **given)
    back = inverse_fourier(ours, rmin=1.0, rmax=3.0, dr=0.4, rweight=1)
    for i in range(3):
        size = int(chi[i].notnull().sum())
        group = larch.group(k=K[:size], chi=chi[i].to_numpy()[:size])
        larch.xftf(
            group, **{name: value for name, value in given.items() if name != "rmax"}, rmax_out=given.get("rmax", 10)
        )
        larch.xftr(group, rmin=1.0, rmax=3.0, dr=0.4, rw=1)
        for theirs, mine, axis in ((group.chir, ours, "r"), (group.chiq, back, "q")):
            found = mine[f"chi_{axis}_real"][i] + 1j * mine[f"chi_{axis}_imag"][i]
            np.testing.assert_allclose(found, theirs, rtol=0, atol=1e-9 * np.abs(theirs).max())
            np.testing.assert_allclose(mine[axis], getattr(group, axis), atol=1e-12)
        np.testing.assert_allclose(ours["chi_r_magnitude"][i], group.chir_mag, rtol=1e-9)
