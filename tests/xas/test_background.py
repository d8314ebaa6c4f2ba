"""The background takes what is slow in k and leaves the oscillations; it is the least of all splines."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import pytest
import xarray as xr
from peers import own_warnings_only

from operando import OperandoError, flags, xas
from operando.flags import Flag, names
from operando.history import entries
from operando.schema import problems
from operando.xas.fourier_transform import inverse_fourier
from operando.xas.layout import PROCESSED
from operando.xas.spline_background import SplineSettings, operators, subtracted
from operando.xas.wavenumber import EV_PER_K2

E0 = 8333.0


def as_spectra(energy, mu) -> xr.DataArray:
    dims = ("scan", "energy")[-np.ndim(mu) :]
    return xr.DataArray(mu, dims=dims, coords={"energy": ("energy", energy, {"units": "eV"})}, attrs={"units": "1"})


def even_in_k(kmax: float = 14.0) -> tuple[np.ndarray, np.ndarray]:
    """Return k from 0 on in fine steps behind a coarse pre-edge, and the energies."""
    k = np.arange(0.0, kmax, 0.04)
    return k, np.concatenate([np.arange(-150.0, 0.0, 2.0), EV_PER_K2 * k**2]) + E0


def shell(k, r: float = 2.1) -> np.ndarray:
    return 0.7 * np.exp(-0.012 * k**2) * np.sin(2 * r * k + 0.5) / np.clip(k, 1, None) ** 1.3


def relative(ours, theirs, k) -> float:
    """Return the root mean square of the difference of k^2 chi over that of k^2 chi."""
    weight = np.asarray(k) ** 2
    return float(np.linalg.norm((np.asarray(ours) - theirs) * weight) / np.linalg.norm(theirs * weight))


def test_oscillations_come_back_without_the_background_that_was_put_under_them():
    k, energy = even_in_k()
    atom = 1.0 + 0.05 * np.cos(0.35 * k) - 2e-3 * k
    mu = np.concatenate([np.full(energy.size - k.size, 0.0), atom + shell(k)])
    found = xas.autobk(as_spectra(energy, mu), E0, edge_step=1.0)
    inside = found["chi"].sel(k=slice(3, 12))
    assert relative(inside, shell(inside["k"].to_numpy()), inside["k"]) < 0.03
    behind = slice(energy.size - k.size + 75, -40)
    np.testing.assert_allclose(found["background"][behind], atom[75:-40], atol=0.01)


def test_a_cubic_in_k_is_background_and_nothing_else():
    k, energy = even_in_k()
    mu = np.concatenate([np.zeros(energy.size - k.size), 1.0 - 0.03 * k + 2e-3 * k**2 - 5e-5 * k**3])
    found = xas.autobk(as_spectra(energy, mu), E0, edge_step=1.0)
    assert np.abs(found["chi"].dropna("k")).max() < 1e-9
    np.testing.assert_allclose(found["background"], mu, atol=1e-9)


@pytest.mark.parametrize("scale", [1.0, 300.0])
@pytest.mark.parametrize("given", [SplineSettings(), SplineSettings(kweight=2, clamp_lo=3.0, clamp_hi=20.0)], ids=str)
def test_no_other_spline_has_a_smaller_sum_of_squares(spectra: Callable[..., xr.DataArray], given, scale):
    mu = scale * spectra(3, noise=5e-3)
    shared = operators(mu["energy"].to_numpy(), E0, given)
    chi, background = subtracted(mu.to_numpy(), shared)
    weights = np.zeros(shared.grid.size)
    weights[:3], weights[-3:] = given.clamp_lo, given.clamp_hi

    def objective(chi):
        low = chi @ shared.project.T
        pull = (0.1 + 10 * (low**2).mean(axis=-1)) ** 2
        return (low**2).sum(axis=-1) + pull * ((weights * chi) ** 2).sum(axis=-1)

    least = objective(chi)
    size = 1e-3 * np.abs(np.linalg.lstsq(shared.basis, background.T, rcond=None)[0]).max()
    change = np.random.default_rng(1).normal(0, size, (400, shared.design.shape[1]))
    for row, best in zip(chi, least, strict=True):
        assert (objective(row - change @ shared.design.T) > best).all()
        assert (objective(row - 1e-3 * change @ shared.design.T) > best * (1 - 1e-12)).all()


def test_chunks_dims_and_laziness_change_nothing(spectra):
    mu = spectra(6, noise=1e-3)
    mu = xr.concat([mu, 1.3 * mu + 0.2], "y").copy()
    mu[1, 2, 430:] = np.nan
    mu[0, 4, 222] = np.nan
    expected = xas.autobk(mu)
    for array in (mu.chunk(scan=1, energy=100), mu.transpose("energy", "y", "scan").chunk(y=1, scan=4), mu[::-1]):
        lazy = xas.autobk(array)
        assert (lazy["chi"].chunks is None) == (array.chunks is None)
        again = lazy.compute().transpose(*expected.dims)
        again = again if array.chunks else again[{"y": slice(None, None, -1)}]
        for name in ("chi", "background", "e0", "edge_step"):
            np.testing.assert_allclose(again[name], expected[name].transpose(*again[name].dims), rtol=0, atol=1e-12)
    alone = xas.autobk(mu[1, 3])
    np.testing.assert_allclose(alone["chi"], expected["chi"].isel(y=1, scan=3), rtol=0, atol=1e-12)


def test_nothing_is_computed_before_it_is_asked_for(spectra):
    import dask

    def refuse(*_, **__):
        raise AssertionError("computed too early")

    mu = spectra(4).assign_coords(flag=("scan", np.zeros(4, np.int32), flags.attrs())).chunk(scan=2)
    with dask.config.set(scheduler=refuse):
        lazy = xas.autobk(mu)
        waves = xas.wavelet(lazy["chi"], rmax=2.0)
        back = inverse_fourier(xas.fourier(lazy["chi"], kmin=3.0, kmax=12.0), rmin=1.0, rmax=3.0)
    assert np.isfinite(back["chi_q_real"].compute()).all()
    assert np.isfinite(waves["wavelet_magnitude"].compute()).all()


def test_numbers_of_a_normalization_can_be_handed_on(spectra):
    mu = spectra(4).copy()
    mu[2] = 1.0
    mu = mu.assign_coords(flag=("scan", np.full(4, Flag.glitch, np.int32), flags.attrs()))
    normal = xas.normalize(mu)
    found, expected = xas.autobk(mu, normal["e0"], edge_step=normal["edge_step"]), xas.autobk(mu)
    xr.testing.assert_identical(found.drop_attrs(), expected.drop_attrs())
    assert [names(value) for value in found["flag"]] == [["glitch"], ["glitch"], ["no_edge", "glitch"], ["glitch"]]


def test_an_e0_outside_the_scan_is_looked_for_again(spectra):
    mu = spectra(2)
    for e0 in (1.0, 9999.0):
        found = xas.autobk(mu, e0)
        np.testing.assert_allclose(found["e0"], xas.find_e0(mu))
        assert found["chi"].notnull().sum("k").min() > 270


def test_single_precision_gives_its_own_digits(spectra):
    mu = spectra(2)
    found = xas.autobk(mu.astype("f4"), E0)["chi"]
    assert relative(found.dropna("k"), xas.autobk(mu, E0)["chi"].dropna("k"), found.dropna("k")["k"]) < 1e-4


def test_the_result_has_units_names_and_history_and_the_input_stays(spectra):
    mu = spectra(2).assign_attrs(units="mV")
    before = mu.copy(deep=True)
    result = xas.autobk(mu, rbkg=1.1)
    xr.testing.assert_identical(mu, before)
    optional = [text for text in problems(result, PROCESSED) if "is missing" not in text]
    assert optional == []
    assert {name: result[name].attrs["units"] for name in ("chi", "k", "background", "edge_step", "e0")} == {
        "chi": "1",
        "k": "1/angstrom",
        "background": "mV",
        "edge_step": "mV",
        "e0": "eV",
    }
    assert entries(result)[-1]["step"] == "xas.autobk"
    assert entries(result)[-1]["parameters"]["rbkg"] == 1.1
    np.testing.assert_allclose(np.diff(result["k"]), 0.05)


def test_k_reaches_as_far_as_the_energies_or_as_was_asked(spectra):
    mu = spectra(2)
    last = mu["energy"].max().item()
    known = xas.autobk(mu, E0)
    assert abs(known["k"].max().item() - np.sqrt((last - E0) / EV_PER_K2)) < 0.05
    assert known["chi"].notnull().all()
    limited = xas.autobk(mu, kmax=11.0)
    assert limited["k"].max().item() == pytest.approx(11.0)
    assert limited["chi"].notnull().all()
    beyond = xas.autobk(mu, kmax=40.0)["chi"]
    assert beyond.sizes["k"] == 801
    assert (abs(beyond.notnull().sum("k") - known.sizes["k"]) <= 1).all()


def test_scans_without_enough_behind_the_edge_are_flagged_and_stop_no_other(spectra):
    mu = spectra(8).copy()
    mu[1] = np.nan
    mu[2] = 1.0
    edge = int((mu["energy"] < E0).sum())
    mu[3, edge + 2 :] = np.nan
    mu[4, 30:] = np.nan
    mu[5, edge + 40 :] = np.nan
    mu[6, ::2] = np.nan
    mu = mu.assign_coords(flag=("scan", np.zeros(8, np.int32), flags.attrs()))
    for array in (mu, mu.chunk(scan=3)):
        result = xas.autobk(array, E0).compute()
        reasons = [set(names(value)) for value in result["flag"].to_numpy()]
        assert reasons[0] == reasons[6] == reasons[7] == set()
        assert all(reasons[k] & {"no_edge", "ill_conditioned"} for k in (1, 2, 3, 4))
        lost = result["chi"].isnull().all("k").to_numpy()
        assert lost.tolist() == [bool(reason) for reason in reasons]
        np.testing.assert_allclose(result["chi"][0], xas.autobk(mu[0], E0)["chi"], atol=1e-12)


@pytest.mark.parametrize("cut", [3, 20, 60, 75, 77, 80, 90, 120, 250, 400, 498])
def test_a_scan_broken_off_anywhere_raises_nothing(spectra, cut):
    mu = spectra(3).copy()
    mu[:, cut:] = np.nan
    for e0 in (None, E0):
        result = xas.autobk(mu, e0)
        xas.fourier(result["chi"], kmin=3.0, kmax=12.0)
        short = xas.autobk(mu.isel(energy=slice(cut)), e0, kmax=14.0)["chi"]
        np.testing.assert_allclose(short.dropna("k"), result["chi"].dropna("k"), atol=1e-9)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"window": "hamming"}, "expected a window among kaiser"),
        ({"kmin": 5.0, "kmax": 4.0}, "0 <= kmin < kmax"),
        ({"rbkg": 0.0}, "rbkg > 0"),
        ({"nclamp": -1}, "nclamp"),
    ],
)
def test_a_mistaken_call_is_one_plain_sentence(spectra, settings, message):
    with pytest.raises(OperandoError, match=message) as caught:
        xas.autobk(spectra(1), **settings)
    assert "\n" not in str(caught.value)


@pytest.fixture(scope="module")
def larch() -> Callable[..., object]:
    """Return larch's ``pre_edge`` and ``autobk`` as one function of arrays, or skip."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        larch = pytest.importorskip("larch", reason="xraylarch is not installed (extra 'larch')")
        from larch.xafs import autobk, pre_edge

    def subtracted(energy, mu, e0=None, **settings):
        group = larch.Group(energy=np.array(energy), mu=np.array(mu, dtype=float))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            pre_edge(group, e0=e0)
            autobk(group, win=settings.pop("window", "hanning"), **settings)
        return group

    return subtracted


def minimum(group, settings) -> np.ndarray:
    """Return chi where larch's own residuals have their minimum, sought from where larch stopped.

    larch ends its search once a step lowers the sum of squares by less than 1e-6 of it, which leaves chi anywhere
    within 1e-3 where the clamps weigh much.
    """
    from larch.xafs import ftwindow
    from larch.xafs.autobk import _resid, spline_eval
    from scipy.optimize import least_squares

    found = group.autobk_details
    width, kmin = settings.get("dk", 0.1), settings.get("kmin", 0)
    taper = ftwindow(group.k, kmin, found.kmax, width, width, window=settings.get("window", "hanning"))
    points = slice(found.iek0, found.iemax + 1)
    k, mu = found.kraw[: found.iemax - found.iek0 + 1], found.mu[points]
    clamps = settings.get("nclamp", 3), settings.get("clamp_lo", 0), settings.get("clamp_hi", 1)
    weight = group.k ** settings.get("kweight", 1) * taper
    fixed = (len(found.coefs), k, mu, None, found.knots, 3, group.k, weight, 2048, found.irbkg, *clamps)
    tight = {"ftol": 1e-15, "xtol": 1e-15, "gtol": 1e-15}
    better = least_squares(_resid, found.coefs[: found.nspl], "3-point", method="lm", args=fixed, **tight).x
    return spline_eval(k, mu, found.knots, better, 3, group.k)[1] / group.edge_step


def assert_as_in_larch(theirs, ours: xr.Dataset, tolerance: float = 1e-6):
    chi = ours["chi"].dropna("k")
    assert chi.sizes["k"] == theirs.k.size
    np.testing.assert_allclose(chi["k"], theirs.k, atol=1e-12)
    assert relative(chi, theirs.chi, theirs.k) < tolerance


@pytest.mark.peer
def test_a_stack_has_larchs_chi_and_background(larch, spectra):
    mu = spectra(25, noise=1e-3)
    ours = xas.autobk(mu)
    assert len(np.unique(ours["e0"])) > 2
    for row, mine in zip(mu, (ours.isel(scan=k) for k in range(25)), strict=True):
        theirs = larch(mu["energy"], row)
        assert_as_in_larch(theirs, mine)
        np.testing.assert_allclose(mine["background"], theirs.bkg, atol=1e-6)


SETTINGS = [
    {"rbkg": 1.4, "kweight": 2},
    {"kweight": 3},
    {"kmin": 2.0, "kmax": 12.0},
    {"dk": 1.0, "window": "kaiser"},
    {"window": "parzen", "kweight": 0},
    {"nknots": 8},
    {"nclamp": 0},
    {"clamp_lo": 1.0, "clamp_hi": 10.0},
    {"clamp_hi": 200.0, "nclamp": 5},
]


@pytest.mark.peer
@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_every_setting_acts_as_in_larch(larch, spectra, settings):
    mu = spectra(2, noise=1e-3)
    ours = xas.autobk(mu, 8335.2, **settings)
    for k in range(2):
        theirs = larch(mu["energy"], mu[k], e0=8335.2, **settings)
        chi = ours["chi"][k].dropna("k")
        assert relative(chi, minimum(theirs, settings), theirs.k) < 1e-6


@pytest.mark.peer
def test_points_that_are_not_finite_are_left_out(larch, spectra):
    mu = spectra(2).copy()
    mu[0, 300:306] = np.nan
    mu[1, 440:] = np.nan
    ours = xas.autobk(mu, E0)
    for k in range(2):
        finite = np.isfinite(mu[k]).to_numpy()
        assert_as_in_larch(larch(mu["energy"][finite], mu[k][finite], e0=E0), ours.isel(scan=k))
        assert np.isnan(ours["background"][k].to_numpy()[~finite]).all()


@pytest.mark.peer
@pytest.mark.realdata
@pytest.mark.parametrize("name", ["cu_metal_rt.xdi", "ni_metal_rt.xdi"])
def test_measured_foils_have_larchs_chi(larch, realdata, name):
    scan = xas.read(realdata / "xas/larch" / name)
    mu = xas.signal(scan, "transmission" if "transmission" in scan else "mu")
    assert_as_in_larch(larch(scan["energy"], mu), xas.autobk(mu))


@pytest.mark.peer
@pytest.mark.realdata
def test_quick_scans_of_an_iron_foil_have_larchs_chi(larch, realdata):
    with own_warnings_only():
        from larch.io import read_athena

        groups = read_athena(str(realdata / "xas/larch/FeFoil_QXAFS_Compare.prj")).groups.values()
    assert len(groups) > 1
    for group in groups:
        chi = xas.autobk(as_spectra(group.energy, group.mu))["chi"].dropna("k")
        theirs = larch(group.energy, group.mu)
        assert relative(chi, minimum(theirs, {}), theirs.k) < 1e-6
        assert relative(chi, theirs.chi, theirs.k) < 1e-5


@pytest.mark.peer
@pytest.mark.realdata
def test_the_operando_series_has_larchs_chi(larch, realdata):
    files = sorted((realdata / "xas/perex/xas").glob("*.txt"))[::6]
    series = xas.read_series(files, columns={"energy": "shifted energy", "mu": "normalized"})
    ours = xas.autobk(xas.signal(series))
    for k in range(0, len(files), 3):
        assert_as_in_larch(larch(series["energy"], series["mu"][k]), ours.isel(scan=k))


@pytest.mark.peer
@pytest.mark.realdata
def test_short_scans_lie_where_larch_was_heading(larch, realdata):
    for file in sorted((realdata / "xas/xdl").glob("*.xdi")):
        scan = xas.read(file)
        mu = xas.signal(scan, "transmission" if "transmission" in scan else "fluorescence")
        theirs = larch(scan["energy"], mu)
        assert relative(xas.autobk(mu)["chi"].dropna("k"), minimum(theirs, {}), theirs.k) < 1e-6


@pytest.mark.realdata
def test_half_of_any_measured_scan_raises_nothing(realdata):
    tried = 0
    for file in sorted((realdata / "xas").rglob("*.xdi")):
        try:
            scan = xas.read(file)
        except OperandoError:
            continue
        for name in scan.data_vars:
            if scan[name].dims == ("energy",):
                half = scan[name].isel(energy=slice(scan.sizes["energy"] // 2)).astype(float)
                if half.size > 1:
                    xas.fourier(xas.autobk(half)["chi"], kmin=2.0, kmax=10.0)
                    tried += 1
    assert tried > 30
