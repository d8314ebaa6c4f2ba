"""Shell fits find the distances, numbers and disorder that were put in, with errors that cover."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from scattering import calculated
from scipy import stats

from operando import OperandoError, flags, xas
from operando.errors import FileError
from operando.flags import names
from operando.history import entries
from operando.xas.shell_errors import components, uncertainties
from operando.xas.tapers import taper

K = 0.05 * np.arange(301)
RANGE = {"kmin": 3.0, "kmax": 13.0, "rmin": 1.2, "rmax": 3.0}
TRUTH = {"amp": 0.9, "de": 3.0, "dr": 0.01, "ss": 0.008}
VARIABLES = {"amp": 1.0, "de": 0.0, "dr": {"value": 0.0, "low": -0.1, "high": 0.1}, "ss": 0.005}
NAMED = {"s02": "amp", "e0": "de", "delr": "dr", "sigma2": "ss"}


@pytest.fixture(scope="module")
def feff(tmp_path_factory) -> Path:
    """Return the folder of a calculation of copper."""
    return calculated(tmp_path_factory.mktemp("feff"))


@pytest.fixture(scope="module")
def simulated(feff) -> Callable[..., np.ndarray]:
    """Return a maker of chi(k) of the first shells by larch's own EXAFS equation."""
    from larch.xafs.feffdat import FeffPathGroup, ff2chi
    from lmfit import Parameters

    def chi(*shells: dict[str, float]) -> np.ndarray:
        paths = [
            FeffPathGroup(
                filename=str(feff / f"feff{i:04d}.dat"),
                s02=shell["amp"],
                e0=shell["de"],
                deltar=shell["dr"],
                sigma2=shell["ss"],
            )
            for i, shell in enumerate(shells, start=1)
        ]
        return ff2chi(paths, params=Parameters(), k=K).chi

    return chi


def as_series(rows: np.ndarray) -> xr.DataArray:
    coords = {"k": ("k", K, {"units": "1/angstrom"}), "flag": ("scan", np.zeros(len(rows), np.int32), flags.attrs())}
    return xr.DataArray(rows, dims=("scan", "k"), coords=coords, name="chi")


@pytest.mark.peer
def test_a_shell_without_noise_is_found_as_it_was_made(feff, simulated):
    chi = as_series(np.stack([simulated(TRUTH), simulated({**TRUTH, "dr": -0.03, "ss": 0.005})]))
    found = xas.fit_shells(chi, [{"file": feff / "feff0001.dat", **NAMED}], VARIABLES, **RANGE)
    np.testing.assert_allclose(found["dr"], [0.01, -0.03], atol=1e-6)
    np.testing.assert_allclose(found["ss"], [0.008, 0.005], atol=1e-6)
    np.testing.assert_allclose(found["amp"], 0.9, atol=1e-4)
    np.testing.assert_allclose(found["de"], 3.0, atol=1e-3)
    np.testing.assert_allclose(found["chi_fit"][:, 60:260], chi[:, 60:260], atol=1e-6)
    assert (found["r_factor"] < 1e-9).all()


@pytest.mark.peer
def test_the_errors_of_the_variables_cover(feff, simulated):
    noise = np.random.default_rng(20).normal(0, 1e-3, (60, K.size))
    chi = as_series(simulated(TRUTH) + noise)
    found = xas.fit_shells(chi, [{"file": feff / "feff0001.dat", **NAMED}], VARIABLES, **RANGE)
    pulls = np.concatenate([(found[name] - true) / found[f"{name}_std"] for name, true in TRUTH.items()])
    assert np.isfinite(pulls).all()
    # At least 60 of the 240 pulls are independent; chance alone enlarges the errors, by 8 % here on average.
    low, high = np.sqrt(stats.chi2.ppf([0.0005, 0.9995], 60) / 60)
    assert 0.85 * low < np.sqrt((pulls**2).mean()) < high
    assert abs(pulls.mean()) < 3.3 / np.sqrt(60)
    assert abs(found["reduced_chi_square"].mean() - 1) < 0.3
    assert not found["flag"].any()


@pytest.mark.peer
def test_values_are_larchs(feff, simulated):
    from larch import Group
    from larch.fitting import guess, param_group
    from larch.xafs import feffit, feffit_dataset, feffit_transform
    from larch.xafs.feffdat import FeffPathGroup

    chi = simulated(TRUTH) + np.random.default_rng(21).normal(0, 1e-3, K.size)
    ours = xas.fit_shells(as_series(chi[None]), [{"file": feff / "feff0001.dat", **NAMED}], VARIABLES, **RANGE)
    path = FeffPathGroup(filename=str(feff / "feff0001.dat"), s02="amp", e0="de", deltar="dr", sigma2="ss")
    transform = feffit_transform(**RANGE, kweight=2, dk=1.0, window="kaiser")
    start = param_group(amp=guess(1.0), de=guess(0.0), dr=guess(0.0, min=-0.1, max=0.1), ss=guess(0.005))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = feffit(start, feffit_dataset(data=Group(k=K, chi=chi), pathlist=[path], transform=transform))
    for name in TRUTH:
        assert ours[name].item() == pytest.approx(theirs.params[name].value, rel=1e-9)
        assert 0.7 < theirs.params[name].stderr / ours[f"{name}_std"].item() < 1.2 or name == "ss"
    assert ours["r_factor"].item() == pytest.approx(theirs.rfactor)


@pytest.mark.peer
def test_shells_share_variables_and_keep_numbers(feff, simulated):
    second = {"amp": 0.9, "de": 3.0, "dr": 0.02, "ss": 0.011}
    chi = as_series(simulated(TRUTH, second)[None])
    paths = [
        {"file": feff / "feff0001.dat", **NAMED},
        {"file": feff / "feff0002.dat", "s02": "amp", "e0": "de", "delr": 0.02, "sigma2": "far"},
    ]
    found = xas.fit_shells(chi, paths, {**VARIABLES, "far": 0.008}, **{**RANGE, "rmax": 3.6})
    np.testing.assert_allclose(found["far"], 0.011, atol=1e-5)
    np.testing.assert_allclose(found["dr"], 0.01, atol=1e-5)
    assert found["far"].attrs["units"] == found["far_std"].attrs["units"] == "angstrom^2"
    assert found["de"].attrs["units"] == "eV"
    assert entries(found)[-1]["parameters"]["variables"] == {**VARIABLES, "far": 0.008}


@pytest.mark.peer
def test_chunks_change_nothing_and_doubtful_scans_are_flagged(feff, simulated):
    rows = simulated(TRUTH) + np.random.default_rng(22).normal(0, 1e-3, (5, K.size))
    rows[1] = np.nan
    rows[2, 200:] = np.nan
    rows[3] = simulated({**TRUTH, "dr": 0.13})
    chi = as_series(rows)
    paths = [{"file": feff / "feff0001.dat", **NAMED}]
    found = xas.fit_shells(chi, paths, VARIABLES, **RANGE)
    assert [names(value) for value in found["flag"]] == [[], ["not_finite"], ["truncated"], ["at_bound"], []]
    assert found["dr"].isnull().to_numpy().tolist() == [False, True, True, False, False]
    lazy = xas.fit_shells(chi.transpose("k", "scan").chunk(scan=2, k=100), paths, VARIABLES, **RANGE)
    assert lazy["dr"].chunks is not None
    for name in found.data_vars:
        np.testing.assert_allclose(lazy[name].transpose(*found[name].dims), found[name], rtol=0, atol=1e-12)


def test_errors_are_those_of_the_same_noise_drawn_often():
    rng = np.random.default_rng(23)
    weight = K**2 * taper(K, 3.0, 13.0, (1.0, 1.0), "kaiser")
    rows = components(weight, 0.05, 1.2, 3.0)
    slopes = np.stack([np.sin(4.4 * K), np.cos(4.4 * K), K * np.cos(4.4 * K)], axis=1) * np.exp(-0.02 * K**2)[:, None]
    noise = rng.normal(0, 1e-3, (400, K.size))
    solved = noise @ (np.linalg.pinv(rows.fitted @ slopes) @ rows.fitted).T
    left = noise - solved @ slopes.T
    found = [uncertainties(one, rest, slopes, rows) for one, rest in zip(noise, left, strict=True)]
    std = np.array([one[0] for one in found])
    np.testing.assert_allclose(std.mean(axis=0), solved.std(axis=0), rtol=0.2)
    low, high = stats.chi2.ppf([0.0005, 0.9995], 4 * 400) / (4 * 400)
    assert low < np.mean([one[1] for one in found]) < high


def test_without_larch_the_error_says_what_to_install(monkeypatch, tmp_path):
    (tmp_path / "feff0001.dat").write_text("")
    monkeypatch.setitem(sys.modules, "larch", None)
    with pytest.raises(OperandoError, match=r'pip install "operando\[larch\]"'):
        xas.fit_shells(
            as_series(np.zeros((1, 301))), [{"file": tmp_path / "feff0001.dat", "delr": "dr"}], {"dr": 0}, **RANGE
        )


@pytest.mark.peer
def test_a_file_that_is_no_path_is_named(tmp_path):
    pytest.importorskip("larch", reason="xraylarch is not installed (extra 'larch')")
    for content in (b"", b"hello\nworld\n", bytes(range(256)) * 8):
        file = tmp_path / "feff0001.dat"
        file.write_bytes(content)
        with pytest.raises(FileError, match=r"feff0001\.dat: expected a path of FEFF"):
            xas.fit_shells(as_series(np.zeros((1, 301))), [{"file": file, "delr": "dr"}], {"dr": 0}, **RANGE)


@pytest.mark.parametrize(
    ("path", "variables", "settings", "message"),
    [
        ({"delr": "dr", "sigma": 1}, {"dr": 0}, {}, "path 1 has 'sigma', known are file"),
        ({"delr": "dr"}, {}, {}, "'dr' is used but is not among the variables"),
        ({"delr": "dr"}, {"dr": 0, "ss": 0}, {}, "variable 'ss' is used by no path"),
        ({"delr": "dr", "sigma2": "dr"}, {"dr": 0}, {}, "'dr' stands for angstrom and angstrom.2"),
        ({"delr": "__import__('os')"}, {"__import__('os')": 0}, {}, "needs a plain name"),
        ({"delr": "dr"}, {"dr": {"value": 1, "low": 2}}, {}, "low <= value <= high"),
        ({"delr": "dr"}, {"dr": "2*3"}, {}, "needs a number"),
        ({"delr": [1]}, {}, {}, "path 1 needs a number or a variable's name as delr"),
        ({"delr": "flag"}, {"flag": 0}, {}, "that one is taken"),
        ({"delr": "dr"}, {"dr": 0}, {"rmax": 1.0}, "0 <= rmin < rmax"),
        ({"file": "nowhere.dat", "delr": "dr"}, {"dr": 0}, {}, "nowhere.dat does not exist"),
        ({"delr": "dr", "s02": "amp"}, {"dr": 0, "amp": 1}, {"rmax": 1.25, "kmax": 4.0}, "independent points"),
    ],
)
def test_a_mistaken_call_is_one_plain_sentence(tmp_path, path, variables, settings, message):
    (tmp_path / "feff0001.dat").write_text("")
    with pytest.raises(OperandoError, match=message) as caught:
        xas.fit_shells(
            as_series(np.zeros((1, 301))),
            [{"file": tmp_path / "feff0001.dat", **path}],
            variables,
            **{**RANGE, **settings},
        )
    assert "\n" not in str(caught.value)
