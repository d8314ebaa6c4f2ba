"""Self-absorption can be undone, thick and thin, and larch's convention is larch's."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import xarray as xr

from operando import xas
from operando.errors import IllConditionedWarning, OperandoError
from operando.flags import Flag

NCM = ("LiNi0.8Co0.1Mn0.1O2", "Ni", "L3")
ENERGY = np.linspace(835.0, 893.0, 240)


def white_line(height=4.0) -> xr.DataArray:
    rise = 1 / (1 + np.exp(-(ENERGY - 854) / 0.3))
    values = rise + np.array([[height], [0.3 * height]]) * np.exp(-((ENERGY - 855) ** 2))
    coords = {"energy": ("energy", ENERGY, {"units": "eV"}), "flag": ("scan", np.zeros(2, np.int32))}
    return xr.DataArray(values, dims=("scan", "energy"), coords=coords, attrs={"units": "1"})


@pytest.mark.parametrize("thickness", [None, 3.0, 80.0, 2000.0])
@pytest.mark.parametrize("incidence", [20.0, 70.0])
def test_what_is_damped_can_be_undone(thickness, incidence):
    geometry = {"incidence": incidence, "takeoff": 45.0, "density": 4.7, "thickness": thickness}
    true = white_line()
    damped = xas.self_absorption(true, *NCM, **geometry)
    if thickness != 3.0:
        assert float(damped.max() - true.max()) < -0.1
    np.testing.assert_allclose(xas.correct_self_absorption(damped, *NCM, **geometry), true, rtol=1e-12, atol=1e-12)


def test_a_thick_sample_is_the_limit_of_a_thin_one_and_a_thin_one_is_not_damped():
    true = white_line()
    thick = xas.self_absorption(true, *NCM)
    np.testing.assert_allclose(xas.self_absorption(true, *NCM, density=4.7, thickness=1e5), thick, rtol=1e-12)
    thin = xas.self_absorption(true, *NCM, density=4.7, thickness=1e-4)
    np.testing.assert_allclose(thin, true, rtol=1e-4)


def test_the_thick_formula_is_that_of_fluo():
    """N = Nm a/(a + 1 - Nm) where the attenuation is constant around the edge."""
    from operando.xas import atomic_data
    from operando.xas.edge_scale import edge_scale

    measured = xr.DataArray([0.2, 0.9, 1.0, 1.4], dims="energy", coords={"energy": [860.0, 870.0, 890.0, 892.0]})
    found = xas.correct_self_absorption(measured, *NCM, line="La1").to_numpy()
    scale = edge_scale(NCM[0], 1.0, "Ni", "L3", measured["energy"].to_numpy())
    emitted = float(atomic_data.attenuation(NCM[0], 1.0, atomic_data.fluorescence_line("Ni", "La1").energy).item())
    alpha, above = (emitted + scale.below) / scale.step, (emitted + scale.below_above) / scale.step
    np.testing.assert_allclose(found, measured * alpha / (above + 1 - measured), rtol=1e-12)


def test_a_yield_that_no_absorption_explains_is_flagged():
    damped = xas.self_absorption(white_line(), *NCM)
    impossible = damped.where(damped["energy"] != ENERGY[100], 50.0)
    with pytest.warns(IllConditionedWarning, match="2 of 2 spectra are damped too strongly"):
        found = xas.correct_self_absorption(impossible, *NCM)
    assert np.isnan(found[:, 100]).all()
    assert (found["flag"].to_numpy() & Flag.ill_conditioned).all()


@pytest.mark.parametrize("thickness", [None, 500.0])
def test_a_white_line_that_is_almost_flattened_out_is_flagged_and_a_weak_one_is_not(thickness):
    """A relative error grows (a + N)/a times, a about 2.4."""
    sample = {"density": 4.7, "thickness": thickness}
    true = white_line()
    true = true.copy(data=np.concatenate([true[:1], 10 * true[:1]]))
    with pytest.warns(IllConditionedWarning, match="1 of 2 spectra"):
        found = xas.correct_self_absorption(xas.self_absorption(true, *NCM, **sample), *NCM, **sample)
    assert [bool(flag & Flag.ill_conditioned) for flag in found["flag"].to_numpy()] == [False, True]
    np.testing.assert_allclose(found, true, rtol=1e-11, atol=1e-12)


def test_a_missing_point_is_no_doubt():
    holed = xas.self_absorption(white_line(), *NCM).where(lambda mu: mu["energy"] != ENERGY[100])
    found = xas.correct_self_absorption(holed, *NCM)
    np.testing.assert_array_equal(np.isnan(found), np.isnan(holed))
    assert not found["flag"].any()


def test_a_dataset_keeps_its_other_quantities_and_laziness():
    damped = xas.self_absorption(white_line(), *NCM)
    ds = xr.Dataset({"normalized": damped.T.chunk(scan=1), "e0": ("scan", [854.0, 854.0])})
    found = xas.correct_self_absorption(ds, *NCM)
    assert found["normalized"].chunks
    assert found["normalized"].dims == ("energy", "scan")
    assert "xas.correct_self_absorption" in found.attrs["history"]
    eager = xas.correct_self_absorption(damped, *NCM)
    np.testing.assert_allclose(found["normalized"].compute().T, eager, rtol=1e-12)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"incidence": 0.0}, "angles"),
        ({"thickness": -1.0, "density": 4.7}, "thickness"),
        ({"thickness": 5.0}, "density"),
        ({"line": "Zz"}, "line of Ni"),
        ({"convention": "athena"}, "convention"),
    ],
)
def test_what_cannot_be_is_said_in_a_line(settings, said):
    with pytest.raises(OperandoError, match=said):
        xas.correct_self_absorption(white_line(), *NCM, **settings)


def test_the_inverse_of_another_elements_yield_is_straight_in_the_absorption():
    mu = 0.3 + white_line()
    yields = 1 / (2.0 * (mu + 0.7))
    inverse = xas.ipfy(yields)
    line = np.polynomial.Polynomial.fit(mu.to_numpy().ravel(), inverse.to_numpy().ravel(), 1)
    np.testing.assert_allclose(line(mu.to_numpy()), inverse, rtol=1e-12)
    assert np.isnan(xas.ipfy(yields * 0)).all()


@pytest.mark.peer
@pytest.mark.realdata
@pytest.mark.parametrize(
    ("file", "settings", "signal", "sample"),
    [
        ("larch/ni_metal_rt.xdi", {}, "mu", ("NiO", "Ni")),
        ("larch/cu_metal_rt.xdi", {}, "mu", ("CuO", "Cu")),
        (
            "demeter/fe73ga27.010",
            {"columns": {"energy": "Energy", "i0": "I0", "fluorescence": "If"}},
            "fluorescence",
            ("Fe73Ga27", "Fe"),
        ),
    ],
)
def test_larchs_convention_is_larchs(realdata, file, settings, signal, sample):
    mu = xas.signal(xas.read(realdata / "xas" / file, **settings), signal).dropna("energy")
    ranges = {"nnorm": 1, "pre2": -30.0, "norm1": 100.0}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        larch = pytest.importorskip("larch", reason="xraylarch is not installed (extra 'larch')")
        from larch.xafs import fluo_corr

        group = larch.Group(energy=mu["energy"].to_numpy(), mu=mu.to_numpy())
        fluo_corr(group.energy, group.mu, *sample, group=group, line="Ka1", anginp=40, angout=50)
    found = xas.correct_self_absorption(
        mu, sample[0], sample[1], "K", line="Ka1", incidence=40, takeoff=50, convention="larch", **ranges
    )
    np.testing.assert_allclose(found, group.norm_corr, atol=1e-6)
