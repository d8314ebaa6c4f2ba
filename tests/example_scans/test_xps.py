"""The photoemission files against the truth, read back by plain means."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise

import numpy as np
import pytest
from scipy.stats import cauchy, norm

from operando.example_scans import cell, folder, parameters, truth, xps

NODES = {"C 1s": "C_1s", "S 2p": "S_2p", "P 2p": "P_2p"}
PHOTON_ENERGY = 1486.6


def blocks(content):
    """Return the blocks of a VAMAS file with regular energies and one experimental variable, in ISO 14976's order."""
    lines = iter(content.decode("ascii").split("\r\n"))
    assert next(lines) == "VAMAS Surface Chemical Analysis Standard Data Transfer Format 1988 May 4"
    skip(lines, 4)
    skip(lines, int(next(lines)))
    assert [next(lines) for _ in range(4)] == ["NORM", "REGULAR", "0", "1"]
    assert [next(lines) for _ in range(6)] == ["elapsed time", "s", "0", "0", "0", "0"]
    found = [block(lines) for _ in range(int(next(lines)))]
    assert list(lines) == ["end of experiment", ""]
    return {item["name"]: item for item in found}


def block(lines):
    item = {"name": next(lines), "sample": next(lines)}
    item["started"] = datetime(*(int(next(lines)) for _ in range(6)))
    item["ahead"] = timedelta(hours=int(next(lines)))
    skip(lines, int(next(lines)))
    item |= {"technique": next(lines), "variable": float(next(lines)), "source": next(lines)}
    item["photon_energy"] = float(next(lines))
    skip(lines, 5)
    item |= {"mode": next(lines), "pass_energy": float(next(lines))}
    skip(lines, 1)
    item["work_function"] = float(next(lines))
    skip(lines, 3)
    item["emission_angle"] = float(next(lines))
    skip(lines, 1)
    item |= {"species": next(lines), "transition": next(lines), "charge": int(next(lines))}
    item |= {"abscissa": (next(lines), next(lines)), "start": float(next(lines)), "step": float(next(lines))}
    labels = [(next(lines), next(lines)) for _ in range(int(next(lines)))]
    item |= {"signal": next(lines), "dwell": float(next(lines)), "sweeps": int(next(lines))}
    skip(lines, 4)
    skip(lines, 3 * int(next(lines)))
    values = int(next(lines))
    item["limits"] = [(float(next(lines)), float(next(lines))) for _ in labels]
    table = np.array([float(next(lines)) for _ in range(values)]).reshape(-1, len(labels))
    item |= {label: column for (label, _), column in zip(labels, table.T, strict=True)}
    item["kinetic"] = item["start"] + item["step"] * np.arange(len(table))
    return item


def skip(lines, count):
    for _ in range(count):
        next(lines)


@pytest.fixture(scope="module")
def known(beamtime):
    return {node: truth.read(beamtime)[f"xps/{node}"].to_dataset() for node in NODES.values()}


@pytest.fixture(scope="module")
def files(beamtime):
    """Return the blocks of every whole file."""
    return [blocks(path.read_bytes()) for path in sorted((beamtime / "xps").iterdir())[:-1]]


def expected(ds, scan, binding):
    """Return counts from the truth's own numbers, with scipy's distributions for the lines."""
    one, at = ds.isel(scan=scan), float(ds["fwhm"]) / 2
    share, ratio = float(one["lorentzian_share"]), float(one["ratio"])
    counts = float(one["background"]) + float(one["background_slope"]) * (binding - float(one["background_energy"]))
    for area, position in zip(one["area"].values, one["position"].values, strict=True):
        for part, center in ((1.0, position), (ratio, position + float(one["splitting"]))):
            gaussian, lorentzian = norm(center, at / np.sqrt(2 * np.log(2))), cauchy(center, at)
            line = (1 - share) * gaussian.pdf(binding) + share * lorentzian.pdf(binding)
            behind = (1 - share) * gaussian.cdf(binding) + share * lorentzian.cdf(binding)
            counts = counts + area * part / (1 + ratio) * (line + float(one["background_loss"]) * behind)
    return counts


def test_every_time_point_has_three_levels_on_kinetic_energies(files, declared, known):
    assert len(files) == declared.xps.scans - 1
    for measured in files:
        assert list(measured) == list(NODES)
        for name, item in measured.items():
            assert (item["technique"], item["mode"], item["source"], item["signal"]) == (
                "XPS", "FAT", "Al", "pulse counting",
            )  # fmt: skip
            assert (item["abscissa"], item["charge"]) == (("kinetic energy", "eV"), -1)
            assert f"{item['species']} {item['transition']}" == name
            assert (item["photon_energy"], item["pass_energy"], item["dwell"]) == (PHOTON_ENERGY, 20.0, 0.05)
            assert item["limits"][0] == (item["counts"].min(), item["counts"].max())
            assert item["limits"][1] == (item["Transmission"].min(), item["Transmission"].max())
            binding = PHOTON_ENERGY - item["kinetic"]
            assert known[NODES[name]]["position"].values.min() > binding.min() + 2
            assert known[NODES[name]]["position"].values.max() < binding.max() - 4


@pytest.mark.peer
def test_another_reader_of_vamas_finds_the_same_numbers(beamtime, files):
    vamas = pytest.importorskip("vamas", reason="vamas is not installed")
    found = vamas.Vamas(beamtime / "xps" / "cell7_0003.vms").blocks
    for other, (name, own) in zip(found, files[2].items(), strict=True):
        assert (other.block_identifier, other.num_hours_advance_gmt) == (name, 2)
        assert (other.x_start, other.x_step, other.num_scans_to_compile_block) == (own["start"], 0.1, own["sweeps"])
        assert other.analyzer_work_function_or_acceptance_energy == own["work_function"]
        assert [item.label for item in other.corresponding_variables] == ["counts", "Transmission"]
        assert other.corresponding_variables[0].y_values == own["counts"].tolist()


def test_counts_are_lines_and_background_within_counting_noise(files, known):
    pulls = []
    for scan, measured in enumerate(files):
        for name, item in measured.items():
            ds = known[NODES[name]]
            if ds["fault"].values[scan] not in ("", "wrong_hour"):
                continue
            mean = item["Transmission"] * expected(ds, scan, PHOTON_ENERGY - item["kinetic"])
            pulls.append((item["counts"] - mean) / np.sqrt(mean))
    pooled = np.concatenate(pulls)
    assert pooled.size > 10_000
    assert abs(pooled.mean()) < 3.3 / np.sqrt(pooled.size)
    assert pooled.std() == pytest.approx(1.0, abs=3.3 / np.sqrt(2 * pooled.size))


def test_fresh_electrolyte_counts_40_000_at_its_main_line(known):
    fresh = known["S_2p"].isel(scan=[0])
    binding = np.arange(158.0, 168.0, 0.01)
    alone = fresh.assign(background=0.0, background_slope=0.0, background_loss=0.0)
    assert expected(alone, 0, binding).max() == pytest.approx(4.0e4, rel=0.05)
    assert fresh["fraction"].values[0].tolist() == [1, 0, 0, 0]


def test_transmission_is_a_power_of_the_kinetic_energy(files):
    for item in files[0].values():
        np.testing.assert_allclose(item["Transmission"], (item["kinetic"] / 1325.0) ** -0.7, atol=1e-6)


def test_electrolyte_is_attenuated_by_the_layers_on_it(known):
    for node in ("S_2p", "P_2p"):
        ds = known[node]
        area, d_ox, d_red = ds["area"].sel(peak="PS4 3-").values, ds["d_ox"].values, ds["d_red"].values
        np.testing.assert_allclose(area / area[0], np.exp(-(d_red / 3.3 + d_ox / 3.1)), rtol=1e-12)


def test_overlayer_equation_returns_the_thickness_of_the_oxidized_layer(known):
    ds = known["S_2p"]
    length, density = ds["attenuation_length"], ds["density"]
    thick = (density * length).sel(layer="electrolyte") / (density * length).sel(layer="oxidized")
    layer = ds["area"].sel(peak=["P-S-P", "S0"]).sum("peak") / ds["area"].sel(peak="PS4 3-")
    np.testing.assert_allclose(3.1 * np.log1p(layer * float(thick)), ds["d_ox"], atol=1e-12)


def test_every_layer_keeps_four_sulfur_per_phosphorus(known, declared):
    sweeps = {level.node: level.scans for level in declared.xps.levels}
    sulfur, phosphorus = (
        known[node]["total_area"].values / (sweeps[node] * float(known[node]["sensitivity"]))
        for node in ("S_2p", "P_2p")
    )
    np.testing.assert_allclose(sulfur / phosphorus, 4.0, rtol=1e-12)


def test_carbon_moves_with_charging_alone_and_the_electrolyte_with_the_potential_too(known):
    reference = {"C_1s": 284.8, "S_2p": 161.5, "P_2p": 131.9}
    moved = {node: known[node]["position"].values[:, 0] - energy for node, energy in reference.items()}
    np.testing.assert_allclose(moved["C_1s"], known["C_1s"]["charging_shift"], atol=1e-9)
    np.testing.assert_allclose(moved["S_2p"], moved["P_2p"], atol=1e-9)
    slope = np.polyfit(known["S_2p"]["shift_potential"], moved["S_2p"] - moved["C_1s"], 1)[0]
    assert slope == pytest.approx(-0.9)


def test_charging_spreads_by_150_mev(happened):
    many = parameters.load("full")
    charging = np.array([xps._charging(many.xps, number, folder.SEED) for number in range(1, 401)])
    assert charging.std() == pytest.approx(0.15, rel=3.3 / np.sqrt(2 * 400))
    assert abs(charging.mean()) < 3.3 * 0.15 / np.sqrt(400)


def test_oxidized_and_reduced_products_appear_with_their_potentials(known):
    fraction, ds = known["S_2p"]["fraction"], known["S_2p"]
    reduced = fraction.sel(peak="Li2S").values
    assert (reduced[ds["d_red"].values == 0] == 0).all()
    assert reduced[-1] > 0.05
    assert fraction.sel(peak=["P-S-P", "S0"]).sum("peak").values[-1] == pytest.approx(0.5, abs=0.02)
    assert (np.diff(ds["area"].sel(peak="PS4 3-").values) <= 0).all()


def test_start_of_a_spectrum_is_the_true_one_on_the_beamlines_clock(files, known, declared):
    start = np.datetime64(declared.experiment.start_utc.replace(tzinfo=None), "ns")
    for scan, measured in enumerate(files):
        for name, item in measured.items():
            ds = known[NODES[name]]
            true = (ds["time_start"].values[scan] - start) / np.timedelta64(1, "s")
            shown = np.datetime64(item["started"] - item["ahead"], "ns")
            late = (shown - start) / np.timedelta64(1, "s") - (true * (1 + 25e-6) + 37.4)
            assert -1.001 < late - 3600 * ("wrong_hour" in ds["fault"].values[scan]) <= 0.001
            duration = (ds["time_end"] - ds["time_start"]).values[scan] / np.timedelta64(1, "s")
            assert duration == pytest.approx(item["dwell"] * item["sweeps"] * item["counts"].size)


def test_levels_follow_each_other_within_the_time_point(known, declared):
    order = [known[level.node] for level in declared.xps.levels]
    for before, after in pairwise(order):
        assert (after["time_start"].values > before["time_end"].values).all()
    assert (order[0]["time_start"].values[1:] > order[-1]["time_end"].values[:-1]).all()


def test_faults_are_in_the_spectra_that_the_truth_names(beamtime, files, known, declared):
    faults = declared.faults
    dead = {scan + 1 for scan, measured in enumerate(files) if not measured["P 2p"]["counts"].any()}
    roughness = [np.abs(np.diff(measured["S 2p"]["counts"])).max() for measured in files]
    wild = {scan + 1 for scan, largest in enumerate(roughness) if largest > 25_000}
    hours = {scan + 1 for scan, measured in enumerate(files) if measured["C 1s"]["ahead"] != timedelta(hours=2)}
    named = (set(faults.xps_dead_detector), set(faults.xps_spike), set(faults.xps_wrong_hour))
    assert (dead, wild, hours) == named
    last = (beamtime / "xps" / f"cell7_{declared.xps.scans:04d}.vms").read_bytes()
    assert not last.endswith(b"\n")
    assert b"end of experiment" not in last
    assert known["P_2p"]["fault"].values[-1] == "truncated"
    assert known["S_2p"]["fault"].values[-1] == ""
    assert [int(flag) for flag in known["P_2p"]["flag"].values if flag] == [256, 8]
    assert np.flatnonzero(known["P_2p"]["flag"].values).tolist() == [14, 23]


def test_without_faults_every_file_is_whole(happened, declared):
    off = {"xps_spike": [], "xps_dead_detector": [], "xps_wrong_hour": [], "xps_truncated_last": False}
    calm = parameters.load(overrides={"xps": {"scans": 2}, "faults": off})
    part = xps.simulate(calm, happened, 1)
    assert all(len(blocks(content)) == 3 for content in part.files.values())
    assert all((ds["fault"] == "").all() for ds in part.truth.values())


def test_a_time_point_depends_on_the_seed_and_on_no_other(happened):
    few, more = (
        parameters.load(overrides={"xps": {"scans": scans}, "faults": {"xps_truncated_last": False}})
        for scans in (2, 3)
    )
    first, again, longer = (xps.simulate(law, happened, 1).files for law in (few, few, more))
    assert first == again
    assert all(longer[name] == content for name, content in first.items())
    other = xps.simulate(few, happened, 2).files
    assert all(other[name] != content for name, content in first.items())


def test_without_side_reactions_the_electrolyte_stays_fresh():
    calm = parameters.load(
        overrides={"interphase": {"oxidation_rate": 0.0, "reduction_rate": 0.0}, "xps": {"scans": 3}}
    )
    known = xps.simulate(calm, cell.run(calm), 1).truth["xps/S_2p"]
    assert known["fraction"].sel(peak="PS4 3-").values.tolist() == [1, 1, 1]
