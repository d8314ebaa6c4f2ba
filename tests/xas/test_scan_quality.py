"""What goes wrong with scans is found and told, and clean scans are left in peace."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from operando import OperandoError, xas
from operando.example_scans import nickel
from operando.example_scans.cell import run
from operando.example_scans.parameters import load
from operando.flags import Flag, names
from operando.history import entries

SEEDS = (11, 12, 13)
SCANS = 60
COLUMNS = {
    "columns": {"energy": "photon energy", "tey": "drain current", "i0": "I0", "tfy": "fluorescence"},
    "units": {"energy": "eV", "tey": "nA", "i0": "nA", "tfy": "nA"},
}
NO_FAULT = {
    "i0_dropout": [],
    "duplicate_energies": [],
    "descending_energies": [],
    "zero_tail": [],
    "gain_from": 0,
    "truncated_last": False,
    "top_up": [],
    "glitch": [],
}


def simulated(seed: int, folder: Path, faults: dict[str, object] | None = None) -> tuple[xr.Dataset, xr.Dataset]:
    """Return the simulated scans as read from their files, and the truth."""
    parameters = load("small", {"faults": faults or {}})
    part = nickel.simulate(parameters, run(parameters), seed)
    paths = [folder / Path(name).name for name in sorted(part.files)]
    for path, name in zip(paths, sorted(part.files), strict=True):
        path.write_bytes(part.files[name])
    return xas.read_series(paths, "columns", timezone="Europe/Zurich", **COLUMNS), next(iter(part.truth.values()))


@pytest.fixture(scope="module")
def faulty(tmp_path_factory) -> list[tuple[xr.Dataset, xr.Dataset]]:
    return [simulated(seed, tmp_path_factory.mktemp(f"faulty{seed}")) for seed in SEEDS]


@pytest.fixture
def clean() -> xr.Dataset:
    """Return six scans of an edge, counted, with three detectors."""
    energy = np.arange(840.0, 880.0, 0.25)
    mu = 0.4 + 1 / (1 + np.exp(-(energy - 854) / 0.4)) + 2 * np.exp(-0.5 * ((energy - 854.5) / 0.7) ** 2)
    noise = np.random.default_rng(3)
    beam = 1e6 * np.exp(-np.linspace(0, 0.1, energy.size))
    counts = {"i0": beam, "tey": 0.2 * beam * mu, "tfy": 0.05 * beam * (mu + 0.2)}
    dims = ("scan", "energy")
    return xr.Dataset(
        {name: (dims, noise.poisson(np.tile(each, (6, 1))) * 1e-3, {"units": "nA"}) for name, each in counts.items()},
        coords={"energy": ("energy", energy, {"units": "eV"}), "flag": ("scan", np.zeros(6, np.int32))},
    )


def raised(scans: xr.Dataset, scan: int = 2, **given: object) -> list[str]:
    return names(int(xas.quality(scans, **given)["flag"][scan]))


def spoiled(scans: xr.Dataset, name: str, change, first: float = 860.0, last: float = 865.0) -> xr.Dataset:
    """Return scans of which the third one's detector is changed between two energies."""
    where = ((scans["energy"] >= first) & (scans["energy"] <= last)).to_numpy()
    values = scans[name].to_numpy().copy()
    values[2, where] = change(values[2, where])
    return scans.assign({name: (scans[name].dims, values, scans[name].attrs)})


def test_every_simulated_fault_is_found_in_every_beamtime(faulty):
    told = {
        "i0_dropout": Flag.no_i0 | Flag.beam_dump,
        "duplicate_energies": Flag.duplicate_energy,
        "descending_energies": Flag.unsorted_energy,
        "zero_tail": Flag.not_finite,
        "glitch": Flag.glitch,
        "truncated": Flag.truncated,
    }
    for raw, known in faulty:
        flags = xas.quality(raw)["flag"].to_numpy()
        for number, faults in enumerate(known["fault"].values):
            for fault in faults.split():
                assert flags[number] & told.get(fault, 0) == told.get(fault, 0), (number, fault)
        changed = np.flatnonzero(flags & Flag.gain_change)
        np.testing.assert_array_equal(changed, np.flatnonzero(np.diff(known["gain"], prepend=1.0)))


def test_no_judged_flag_is_raised_without_cause(faulty):
    for raw, known in faulty:
        flags = xas.quality(raw)["flag"].to_numpy()
        judged = int(known.attrs["judged_flags"]) & ~int(Flag.ec_gap)
        allowed = (known["flag"] | known["flag_tolerated"]).to_numpy().astype(int)
        assert not (flags & judged & ~allowed).any()


def test_places_say_where_the_doubt_lies(faulty):
    for raw, known in faulty:
        found = xas.quality(raw)
        for fault, first, last in (("i0_dropout", 870.0, 871.6), ("glitch", 863.0, 863.5)):
            at = list(known["fault"].values).index(fault)
            assert found["doubt_start"][at] == first
            assert found["doubt_end"][at] == last
            assert found["doubtful_points"][at] > 1
        for at in np.flatnonzero(known["fault"].values == "top_up"):
            assert abs(found["beam_step"][at] - 0.12) < 0.005
            assert abs(found["beam_step_energy"][at] - 855.1) < 0.01


def test_false_alarms_on_clean_beamtimes_are_rare():
    """At most 1 % of the scans; the limit is what 1 % exceeds in one of a thousand such tests."""
    parameters = load("small", {"faults": NO_FAULT})
    state = run(parameters)
    known = nickel.truth(parameters, state)
    alarms: Counter[str] = Counter()
    for seed in SEEDS:
        tables = np.array([nickel.table(parameters, number, known, seed) for number in range(1, SCANS + 1)])
        scans = xr.Dataset(
            {
                name: (("scan", "energy"), tables[..., k], {"units": "nA"})
                for k, name in enumerate(("tey", "i0", "tfy"), 1)
            },
            coords={"energy": ("energy", tables[0, :, 0], {"units": "eV"})},
        )
        alarms.update(name for flag in xas.quality(scans)["flag"].values for name in names(int(flag)))
    assert set(alarms) <= {"glitch"}
    assert alarms["glitch"] <= stats.binom.ppf(0.999, SCANS * len(SEEDS), 0.01)


def test_a_clean_scan_raises_nothing(clean):
    found = xas.quality(clean)
    np.testing.assert_array_equal(found["flag"], 0)
    np.testing.assert_array_equal(found["doubtful_points"], 0)
    assert np.isnan(found["doubt_start"]).all()
    xr.testing.assert_identical(found[["i0", "tey", "tfy"]].drop_attrs(), clean[["i0", "tey", "tfy"]].drop_attrs())


@pytest.mark.parametrize(
    ("name", "change", "reasons"),
    [
        ("i0", lambda y: 0 * y, {"no_i0", "beam_dump"}),
        ("i0", lambda y: 0.03 * y, {"beam_dump"}),
        ("i0", lambda y: -y, {"no_i0", "beam_dump"}),
        ("tey", lambda y: np.nan * y, {"not_finite"}),
        ("i0", lambda y: np.nan * y, {"not_finite", "no_i0"}),
    ],
)
def test_a_detector_that_fails_for_a_while_is_told_and_the_others_are_not(clean, name, change, reasons):
    broken = spoiled(clean, name, change)
    assert reasons <= set(raised(broken))
    found = xas.quality(broken)
    assert found["doubt_start"][2] == 860.0
    assert found["doubt_end"][2] == 865.0
    np.testing.assert_array_equal(np.delete(found["flag"].to_numpy(), 2), 0)


def test_a_constant_detector_is_dead_and_so_is_one_channel_of_many(clean):
    assert raised(spoiled(clean, "tfy", lambda y: 0 * y + 20.0, 0, 1e4)) == ["dead_detector"]
    channels = xr.concat([clean["tfy"], 0 * clean["tfy"]], "detector").transpose("scan", "energy", "detector")
    assert "dead_detector" in raised(clean.drop_vars("tfy").assign(fluorescence=channels))


def test_a_clipped_white_line_is_saturated(clean):
    limit = float(clean["tey"].max()) * 0.8
    clipped = clean.assign(tey=clean["tey"].clip(max=limit))
    assert raised(clipped) == ["saturated"]
    found = xas.quality(clipped)
    assert 854 < found["doubt_start"][2] < found["doubt_end"][2] < 855.5
    assert raised(clean, full_scale={"tey": limit}) == ["saturated"]
    negative = clipped.assign(tey=-clipped["tey"])
    assert "saturated" in raised(negative)


def test_a_smooth_maximum_in_few_digits_is_not_saturated(clean):
    smooth = 100 - ((clean["energy"] - 860) / 40) ** 2
    rounded = clean.assign(i0=(clean["i0"] * 0 + smooth).round(2))
    assert "saturated" not in raised(rounded)


def test_a_gain_that_changes_within_a_scan_is_told(clean):
    for factor in (10.0, 0.1, 100.0):
        for name in ("tey", "i0"):
            found = xas.quality(spoiled(clean, name, lambda y, by=factor: by * y, 865.0, 1e4))
            assert "gain_change" in names(int(found["flag"][2]))
            assert not (np.delete(found["flag"].to_numpy(), 2) & Flag.gain_change).any()


def test_a_step_that_all_detectors_show_is_the_beams(clean):
    dimmed = clean
    for name in ("i0", "tey", "tfy"):
        dimmed = spoiled(dimmed, name, lambda y: 0.1 * y, 865.0, 1e4)
    assert "gain_change" not in raised(dimmed)
    found = xas.quality(dimmed)
    assert abs(found["beam_step"][2] + 0.9) < 0.01
    assert found["beam_step_energy"][2] == 865.0


def test_the_scan_with_a_new_gain_is_told_or_all_that_differ_from_a_level(clean):
    late = xr.where(xr.DataArray(np.arange(6), dims="scan") >= 3, 10.0, 1.0)
    series = clean.assign(tey=clean["tey"] * late)
    told = (xas.quality(series)["flag"] & int(Flag.gain_change)) > 0
    np.testing.assert_array_equal(told, [0, 0, 0, 1, 0, 0])
    level = float((clean["tey"] / clean["i0"])[0, :10].median())
    judged = (xas.quality(series, levels={"tey": level})["flag"] & int(Flag.gain_change)) > 0
    np.testing.assert_array_equal(judged, [0, 0, 0, 1, 1, 1])
    alone = xas.quality(series.isel(scan=4), levels={"tey": level})["flag"]
    assert int(alone) & Flag.gain_change


def test_a_scan_that_stops_early_is_truncated_and_before_the_edge_has_none(clean):
    kept = clean["energy"] < 850
    stopped = clean.assign({name: clean[name].where(kept | (clean["scan"] != 2)) for name in clean.data_vars})
    for settings_ in ({}, {"e0": 854.0}):
        found = xas.quality(stopped.drop_vars("scan", errors="ignore"), **settings_)
        assert names(int(found["flag"][2])) == ["truncated", "no_edge"]
        assert found["doubtful_points"][2] == 0
        np.testing.assert_array_equal(np.delete(found["flag"].to_numpy(), 2), 0)


def test_repeated_and_falling_energies_are_told(clean):
    energy = clean["energy"].to_numpy().copy()
    energy[20] = energy[19]
    assert raised(clean.assign_coords(energy=("energy", energy))) == ["duplicate_energy"]
    energy[20] = energy[19] - 0.1
    assert raised(clean.assign_coords(energy=("energy", energy))) == ["unsorted_energy"]


@settings(max_examples=15, deadline=None)
@given(first=st.integers(0, 159), last=st.integers(1, 160), seed=st.integers(0, 99))
def test_any_part_of_a_scan_with_any_holes_is_judged(first, last, seed):
    energy = np.arange(840.0, 880.0, 0.25)[min(first, last - 1) : last]
    values = np.random.default_rng(seed).normal(1, 1, (3, energy.size))
    values[values > 2] = np.nan
    scan = xr.Dataset(
        {name: ("energy", row) for name, row in zip(("i0", "tey", "tfy"), values, strict=True)}, {"energy": energy}
    )
    assert xas.quality(scan)["flag"].dims == ()


def test_chunks_dims_and_neighbors_change_nothing(clean):
    broken = spoiled(spoiled(clean, "i0", lambda y: 0 * y), "tey", lambda y: 10 * y, 868.0, 1e4)
    scans = broken.expand_dims(y=2)
    expected = xas.quality(scans)
    lazy = xas.quality(scans.transpose("energy", "y", "scan").chunk(scan=2, energy=50))
    assert lazy["flag"].chunks is not None
    xr.testing.assert_identical(lazy.compute().transpose("y", "scan", "energy").drop_attrs(), expected.drop_attrs())
    alone = xas.quality(broken.isel(scan=2))
    xr.testing.assert_identical(alone["flag"].drop_attrs(), xas.quality(broken)["flag"][2].drop_attrs())


def test_results_carry_units_and_history(clean):
    before = clean.copy(deep=True)
    found = xas.quality(clean.drop_vars("flag"))
    new = [name for name in found.data_vars if name not in clean]
    assert new == ["doubtful_points", "doubt_start", "doubt_end", "beam_step", "beam_step_energy"]
    assert all({"units", "long_name"} <= set(found[name].attrs) for name in [*new, "flag"])
    assert entries(found)[-1]["step"] == "xas.quality"
    xr.testing.assert_identical(clean, before)


@pytest.mark.parametrize(
    ("scans", "given_", "message"),
    [
        (xr.Dataset({"mass": 1.0}), {}, "expected detectors"),
        (xr.Dataset({"i0": ("time", [1.0])}), {}, "dim 'energy'"),
        (xr.Dataset({"i0": ("energy", [1.0])}, {"energy": [1.0]}), {"full_scale": {"tey": 1.0}}, "got 'tey'"),
    ],
)
def test_a_mistake_is_named(scans, given_, message):
    with pytest.raises(OperandoError, match=message):
        xas.quality(scans, **given_)


@pytest.mark.realdata
def test_real_scans_raise_hardly_a_false_alarm(realdata: Path, nickel_series):
    flags = xas.quality(nickel_series)["flag"].to_numpy()
    assert not (flags & ~int(Flag.glitch | Flag.no_time)).any()
    assert ((flags & Flag.glitch) > 0).mean() < 0.02
    stopped = xas.quality(nickel_series.where(nickel_series["energy"] < 8330), e0=8340.0)
    assert ((stopped["flag"] & int(Flag.no_edge)) > 0).all()
    for file in sorted((realdata / "xas/xdl").glob("*.xdi")):
        scan = xas.read(file, timezone="America/Los_Angeles")
        assert int(xas.quality(scan)["flag"]) == 0, file.name
    for number in (5640, 5642):
        file = realdata / f"xas/pynexafs/MEX2_{number}_processed.xdi"
        scan = xas.read(file, timezone="Australia/Melbourne", strict=False, columns={"tey": "SampleDrain"})
        assert int(xas.quality(scan)["flag"]) & ~int(Flag.no_time) == 0


@pytest.mark.realdata
def test_real_scans_that_failed_are_told(realdata: Path):
    channels = [f"Fe_Ka_mca{k}" for k in range(1, 9)]
    aborted = xas.read(realdata / "xas/larch/fe_xanes_8ch.xdi", columns={"fluorescence": channels})
    assert {"dead_detector", "no_edge"} <= set(names(int(xas.quality(aborted)["flag"])))
