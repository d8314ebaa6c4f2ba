"""Channels become one spectrum: dead time undone exactly, dead elements left out, errors from counting that cover."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from pulls import assert_unit_normal

from operando import xas
from operando.errors import OperandoError
from operando.flags import Flag, attrs
from operando.history import entries
from operando.xas.detector_kernels import LEAST_LIKENESS, likenesses

REAL = Path(__file__).parents[3] / "shared" / "data" / "xas"
X = np.linspace(-50.0, 150.0, 200)
EDGE = 0.3 + 1 / (1 + np.exp(-X / 1.5)) + 0.4 * np.exp(-(((X - 5) / 4) ** 2))
GAINS = np.array([1.0, 0.7, 1.2, 0.9])
TAU = np.array([1.0e-6, 2.0e-6, 1.5e-6, 0.5e-6])


def channels(values, units="count", **others) -> xr.Dataset:
    """Return scans of (..., detector, energy) values."""
    dims = ("scan", "detector", "energy")[-np.ndim(values) :]
    coords = {"energy": ("energy", X + 7112.0, {"units": "eV"})}
    coords["flag"] = (dims[:-2], np.zeros(np.shape(values)[:-2], "int32"), attrs())
    ds = xr.Dataset({"fluorescence": (dims, values, {"units": units, "long_name": "fluorescence"})}, coords)
    for name, (array, unit) in others.items():
        ds[name] = (dims[-np.ndim(array) :], array, {"units": unit})
    return ds


def rates(height=2e5) -> np.ndarray:
    """Return the true rates of four elements, per s."""
    return height * GAINS[:, None] * EDGE


def test_the_sum_of_channels_free_of_dead_time_is_the_plain_sum():
    ds = channels(rates(), units="1/s", tey=(EDGE, "nA"))
    found = xas.merge_detectors(ds)
    np.testing.assert_allclose(found["fluorescence"], rates().sum(axis=0), rtol=1e-15)
    assert found["fluorescence"].dims == ("energy",)
    assert found["fluorescence"].attrs["units"] == "1/s"
    np.testing.assert_array_equal(found["detectors_used"], 1.0)
    np.testing.assert_array_equal(found["tey"], EDGE)
    assert np.isnan(found["fluorescence_std"]).all()
    assert ds["fluorescence"].dims == ("detector", "energy")
    assert entries(found)[-1]["step"] == "xas.merge_detectors"


@pytest.mark.parametrize(("height", "t"), [(1e4, 0.5), (2e5, 1.0), (4e5, 2.0)])
def test_dead_time_is_undone_exactly(height, t):
    true = rates(height) * t
    counted = true / (1 + true * TAU[:, None] / t)
    found = xas.merge_detectors(channels(counted), dead_time=TAU, count_time=t)
    np.testing.assert_allclose(found["fluorescence"], true.sum(axis=0), rtol=1e-12)
    by_rate = xas.merge_detectors(channels(counted / t / 1e3, units="1/ms"), dead_time=TAU)
    np.testing.assert_allclose(by_rate["fluorescence"], true.sum(axis=0) / t / 1e3, rtol=1e-12)
    timed = channels(counted, count_time=(np.full(200, t * 1e3), "ms"))
    np.testing.assert_allclose(xas.merge_detectors(timed, dead_time=TAU)["fluorescence"], true.sum(axis=0), rtol=1e-12)


def test_a_region_is_corrected_by_the_rate_of_all_events():
    total = rates(3e5) + 5e4
    put_out = total / (1 + total * TAU[:, None])
    region = rates(3e5) * put_out / total
    exact = rates(3e5).sum(axis=0)
    by_tau = channels(region, ocr=(put_out, "1/s"))
    np.testing.assert_allclose(xas.merge_detectors(by_tau, dead_time=TAU)["fluorescence"], exact, rtol=1e-12)
    by_rates = channels(region, ocr=(put_out, "1/s"), icr=(total, "1/s"))
    found = xas.merge_detectors(by_rates)
    np.testing.assert_allclose(found["fluorescence"], exact, rtol=1e-12)
    assert not {"icr", "ocr"} & set(found)
    by_factor = channels(region, dead_time_factor=(total / put_out, "1"))
    np.testing.assert_allclose(xas.merge_detectors(by_factor)["fluorescence"], exact, rtol=1e-12)
    plain = xas.merge_detectors(by_rates, dead_time=0.0)
    np.testing.assert_allclose(plain["fluorescence"], region.sum(axis=0), rtol=1e-12)
    said = [entries(ds)[-1]["parameters"]["correction"] for ds in (found, plain)]
    assert said == ["icr/ocr", "dead_time"]


def test_a_rate_that_no_true_rate_gives_is_missing_and_flagged():
    counted = rates(1e5)
    counted[1, 150] = 1 / TAU[1]
    found = xas.merge_detectors(channels(counted), dead_time=TAU, count_time=1.0)
    assert np.isnan(found["fluorescence"][150])
    assert int(np.isnan(found["fluorescence"]).sum()) == 1
    assert int(found["flag"]) == Flag.saturated


def counted_events(rng, rate: float, tau: float, t: float, shape) -> np.ndarray:
    """Return how many events a detector counts that each blocks for tau: event by event, not by the formula."""
    waits = rng.exponential(1 / rate, (*shape, int(rate * t * 1.2) + 60))
    waits[..., 1:] += tau
    return (np.cumsum(waits, axis=-1) < t).sum(axis=-1)


@pytest.mark.parametrize("region", [1.0, 0.3])
def test_counting_errors_pull_as_a_unit_normal(region):
    """600 sums of four elements that lose up to a third of their events; all events, and a region of them."""
    rng, t, tau = np.random.default_rng(11), 0.1, 1e-5
    true = np.array([2e4, 4e4, 3e4, 5e4])
    put_out = np.stack([counted_events(rng, rate, tau, t, (3, 200)) for rate in true], axis=1)
    taken = put_out if region == 1.0 else rng.binomial(put_out, region)
    ds = channels(taken.astype(float), ocr=(put_out.astype(float), "count"))
    found = xas.merge_detectors(ds, dead_time=tau, count_time=t, find_dead=False)
    pulls = ((found["fluorescence"] - region * t * true.sum()) / found["fluorescence_std"]).to_numpy().ravel()
    assert_unit_normal(pulls)


def test_numbers_tell_whether_they_are_counts_where_no_unit_does():
    whole = np.round(rates(500.0))
    for units, values, has in (
        ("1", whole, True),
        ("1", whole + 0.5, False),
        ("1", -whole, False),
        ("count", whole + 0.5, True),
        ("nA", whole, False),
    ):
        found = xas.merge_detectors(channels(values, units=units))
        assert bool(np.isfinite(found["fluorescence_std"]).all()) == has, (units, has)
    found = xas.merge_detectors(channels(whole, units="1"))
    np.testing.assert_allclose(found["fluorescence_std"], np.sqrt(whole.sum(axis=0)))


def test_a_sum_of_no_counts_has_the_error_of_one():
    found = xas.merge_detectors(channels(np.zeros((4, 200))), find_dead=False)
    np.testing.assert_array_equal(found["fluorescence"], 0.0)
    np.testing.assert_array_equal(found["fluorescence_std"], 1.0)


def test_weights_and_channels_left_out_by_hand():
    ds = channels(np.round(rates(500.0))).assign_coords(detector=["a", "b", "c", "d"])
    counts = ds["fluorescence"].to_numpy()
    found = xas.merge_detectors(ds, weights=[1.0, 2.0, 0.5, 1.0], leave_out=["d", 0])
    np.testing.assert_allclose(found["fluorescence"], 2 * counts[1] + 0.5 * counts[2])
    np.testing.assert_allclose(found["fluorescence_std"], np.sqrt(4 * counts[1] + 0.25 * counts[2]))
    np.testing.assert_array_equal(found["detectors_used"], [0, 1, 1, 0])
    assert int(found["flag"]) == 0


@pytest.mark.parametrize(
    "spoiled",
    [
        np.zeros(200),
        np.full(200, 17.0),
        np.full(200, np.nan),
        1e4 * (2 - EDGE / EDGE.max()),
        np.random.default_rng(3).poisson(1e4, 200).astype(float),
        1e4 * (EDGE + 8 * np.exp(-(((X - 80) / 6) ** 2))),
    ],
    ids=["zero", "constant", "missing", "inverse", "no edge", "Bragg peak"],
)
def test_an_element_that_does_not_see_what_the_others_see_is_left_out(spoiled):
    rng = np.random.default_rng(7)
    counts = rng.poisson(np.stack([rates(1e4)] * 2)).astype(float)
    counts[1, 2] = spoiled
    found = xas.merge_detectors(channels(counts))
    np.testing.assert_array_equal(found["detectors_used"], [[1, 1, 1, 1], [1, 1, 0, 1]])
    np.testing.assert_array_equal(found["flag"], [0, Flag.dead_detector])
    np.testing.assert_allclose(found["fluorescence"][1], counts[1, [0, 1, 3]].sum(axis=0))
    kept = xas.merge_detectors(channels(counts), find_dead=False)
    np.testing.assert_array_equal(kept["detectors_used"], 1.0)


@pytest.mark.parametrize("level", [0.3, 3.0, 30.0, 3e4])
def test_sound_elements_of_any_gain_and_background_all_count(level):
    """2400 channels a level, gains 0.4 to 1.6, scattering up to twice the edge: none is taken for dead."""
    rng = np.random.default_rng(12)
    gains, background = rng.uniform(0.4, 1.6, (400, 6, 1)), rng.uniform(0, 2, (400, 6, 1))
    counts = rng.poisson(level * gains * (EDGE + background)).astype(float)
    assert not (likenesses(counts, np.ones((400, 6), bool)) < LEAST_LIKENESS).any()


def test_with_two_elements_no_one_can_say_which_is_right():
    counts = np.stack([rates(1e4)[0], 1e4 * (2 - EDGE / EDGE.max())])
    found = xas.merge_detectors(channels(np.round(counts)))
    np.testing.assert_array_equal(found["detectors_used"], 1.0)


def test_all_dead_is_missing_not_zero():
    found = xas.merge_detectors(channels(np.zeros((4, 200))))
    assert np.isnan(found["fluorescence"]).all()
    assert int(found["flag"]) == Flag.dead_detector


def test_chunks_order_and_further_dims_change_nothing():
    rng = np.random.default_rng(9)
    counts = rng.poisson(np.stack([rates(1e4)] * 6)).astype(float)
    counts[2, 1], counts[4, 3] = 0.0, 5.0
    ds = channels(counts, count_time=(np.ones(200), "s"))
    asked = {"dead_time": TAU, "weights": GAINS}
    whole = xas.merge_detectors(ds, **asked)
    lazy = xas.merge_detectors(ds.chunk(scan=2, detector=3, energy=50), **asked)
    assert lazy["fluorescence"].chunks is not None
    assert lazy["flag"].chunks is not None
    xr.testing.assert_identical(lazy.compute(), whole)
    turned = xas.merge_detectors(ds.transpose("energy", "detector", "scan"), **asked)
    xr.testing.assert_identical(turned.transpose("scan", "detector", "energy"), whole)
    for scan in range(6):
        one = xas.merge_detectors(ds.isel(scan=scan), **asked)
        np.testing.assert_array_equal(one["fluorescence"], whole["fluorescence"][scan])
    wide = xas.merge_detectors(ds.expand_dims(place=3), **asked)
    np.testing.assert_array_equal(wide["fluorescence"].isel(place=2), whole["fluorescence"])


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"name": "tfy"}, "expected a quantity with channels along 'detector', got 'tfy'; there are fluorescence"),
        ({"dead_time": 1e-6}, "expected count_time, in s"),
        ({"dead_time": [1e-6, 1e-6]}, "expected dead_time of 0 or more, one or 4 of them"),
        ({"weights": [1, 1, 1, -1]}, "expected weights of 0 or more"),
        ({"leave_out": [4]}, "expected channels among 0 to 3 in leave_out, got 4"),
        ({"leave_out": ["a"]}, "got 'a'"),
    ],
)
def test_what_does_not_fit_the_channels_is_refused(asked, said):
    with pytest.raises(OperandoError, match=said):
        xas.merge_detectors(channels(rates()), **asked)


def test_rates_in_different_units_make_no_ratio():
    ds = channels(rates(), icr=(rates(), "1/s"), ocr=(rates(), "count"))
    with pytest.raises(OperandoError, match="expected icr and ocr in the same unit, got '1/s' and 'count'"):
        xas.merge_detectors(ds)


def real(name, count, region, factor, **columns):
    path = REAL / name
    if not path.exists():
        pytest.skip(f"needs the measured file {name}")
    wanted = {"fluorescence": [region.format(k) for k in range(1, count + 1)], "i0": "I0", **columns}
    wanted["dead_time_factor"] = [factor.format(k) for k in range(1, count + 1)]
    return xas.read(path, reader="xdi", timezone="America/Chicago", strict=False, columns=wanted)


@pytest.mark.realdata
def test_four_dead_elements_of_eight_are_found_in_a_scan_that_stops_before_the_edge():
    ds = real("larch/fe_xanes_8ch.xdi", 8, "Fe_Ka_mca{}", "DTFactor_mca{}")
    found = xas.merge_detectors(ds)
    np.testing.assert_array_equal(found["detectors_used"], [1, 1, 1, 1, 0, 0, 0, 0])
    assert int(found["flag"]) & Flag.dead_detector
    counts = ds["fluorescence"].isel(detector=slice(4))
    factor = ds["dead_time_factor"].isel(detector=slice(4))
    np.testing.assert_allclose(found["fluorescence"], (counts * factor).sum("detector"), rtol=1e-14)
    np.testing.assert_allclose(found["fluorescence_std"], np.sqrt((counts * factor**2).sum("detector")), rtol=1e-14)


@pytest.mark.realdata
def test_the_sum_is_the_one_that_the_beamline_itself_made():
    """The file prints its own sum with six decimals, and the factors with six."""
    ds = real("larch/fexanes_a.001", 7, "Fe_Ka_mca{}", "DTFactor_mca{}", tfy="Sum_Fe_Ka")
    found = xas.merge_detectors(ds)
    np.testing.assert_array_equal(found["detectors_used"], 1.0)
    rounding = 0.5e-6 * np.sqrt((ds["fluorescence"] ** 2).sum("detector")) * np.sqrt(7) + 0.5e-6
    assert (abs(found["fluorescence"] - ds["tfy"]) <= rounding).all()


@pytest.mark.realdata
def test_the_sums_in_nexus_are_those_that_were_stored_beside_the_channels():
    path = REAL / "pynxxas/MultiElementFluor.h5"
    if not path.exists():
        pytest.skip(f"needs the measured file {path.name}")
    for number in range(1, 13):
        names = {"fluorescence": "v_ka_mca{}", "dead_time_factor": "dtfactor_mca{}"}
        columns = {name: [label.format(k) for k in range(1, 5)] for name, label in names.items()}
        ds = xas.read(path, entry=f"V_XANES_ap{number}", columns={**columns, "tfy": "ifluor"})
        found = xas.merge_detectors(ds)
        np.testing.assert_array_equal(found["detectors_used"], 1.0)
        np.testing.assert_allclose(found["fluorescence"], found["tfy"], rtol=1e-12)
        assert (found["fluorescence_std"] > np.sqrt(found["fluorescence"])).all()


@pytest.mark.realdata
def test_thirteen_germanium_elements_of_very_different_efficiency_all_count():
    path = REAL / "larch/scorodite_as_xafs.001"
    if not path.exists():
        pytest.skip(f"needs the measured file {path.name}")
    columns = {"energy": 0, "i0": 3, "fluorescence": list(range(44, 57))}
    ds = xas.read(path, columns=columns)
    spread = ds["fluorescence"].mean("energy")
    found = xas.merge_detectors(ds)
    np.testing.assert_array_equal(found["detectors_used"], 1.0)
    assert float(spread.max() / spread.min()) > 2
    np.testing.assert_allclose(found["fluorescence"], ds["fluorescence"].sum("detector"))
    assert float(xas.find_e0(xas.signal(found, "fluorescence"))) == pytest.approx(11867.0, abs=10.0)
