"""The instruments' files against the truth, read back by plain means."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import pytest

from operando.example_scans import clocks, cycler, folder, nickel_spectra, parameters, truth


def log(content, decimal):
    """Return header lines, seconds, voltage, (Q-Qo) and <I> of an EC-Lab text file."""
    lines = content.decode("latin-1").split("\r\n")
    count = int(lines[1].split(":")[1])
    names = lines[count - 1].split("\t")
    rows = np.array(
        [[float(item.replace(decimal, ".")) for item in line.split("\t")] for line in lines[count:] if line]
    )
    return lines[:count], dict(zip(names, rows.T, strict=True))


def started(header):
    text = next(line for line in header if line.startswith("Acquisition started on"))
    return datetime.strptime(text.split(" : ")[1], "%m/%d/%Y %H:%M:%S.%f")


def scan(content):
    """Return header and columns of a scan without faults."""
    lines = content.decode("ascii").splitlines()
    return [line for line in lines if line.startswith("#")], np.loadtxt(lines).T


@pytest.mark.parametrize(("comma", "decimal"), [(True, ","), (False, ".")])
def test_both_dialects_of_the_cycler_give_the_cells_voltage_and_charge(declared, happened, comma, decimal):
    changed = parameters.load(overrides={"faults": {"decimal_comma": comma, "cycler_split": False}})
    (content,) = cycler.simulate(changed, happened, folder.SEED).files.values()
    header, columns = log(content, decimal)
    assert started(header) == declared.experiment.start
    error = columns["Ewe/V"] - happened.at("voltage", columns["time/s"])
    assert np.std(error) == pytest.approx(declared.cycler.voltage_noise, rel=0.1)
    charge = columns["(Q-Qo)/mA.h"] * 3.6
    drift = cycler.current_offset(declared, folder.SEED) * (happened.seconds[-1] - declared.cell.rest)
    assert charge[-1] - happened.charge[-1] == pytest.approx(drift, abs=2e-4)
    mean_current = columns["<I>/mA"][1:] * np.diff(columns["time/s"]) / 3600
    np.testing.assert_allclose(np.cumsum(mean_current), columns["(Q-Qo)/mA.h"][1:], atol=1e-6)


def test_cycler_keeps_a_sample_after_5_mv_or_60_s(declared, happened):
    kept = cycler.record(declared, happened, 1)
    assert np.diff(kept.seconds).max() <= declared.cycler.record_interval
    assert np.isin(happened.reversals, kept.seconds).all()
    between = np.interp(happened.seconds, kept.seconds, kept.voltage) - happened.voltage
    steepest = np.abs(np.diff(happened.voltage) / np.diff(happened.seconds))[np.diff(happened.half_cycle) == 0].max()
    noise = 6 * declared.cycler.voltage_noise
    assert np.abs(between).max() < declared.cycler.record_voltage + declared.cycler.sample_interval * steepest + noise


def test_second_cycler_file_continues_after_the_gap_with_counters_at_zero(beamtime, declared, happened):
    first, second = (log(path.read_bytes(), ",") for path in sorted((beamtime / "echem").iterdir()))
    last = started(first[0]) + timedelta(seconds=float(first[1]["time/s"][-1]))
    gap = (started(second[0]) - last).total_seconds()
    assert 0 < gap - declared.cycler.gap <= declared.cycler.record_interval
    for name in ("time/s", "(Q-Qo)/mA.h", "half cycle", "cycle number"):
        assert first[1][name][-1] > 0
        assert second[1][name][0] == 0
    begun = declared.cycler.split_time + declared.cycler.gap
    assert second[1]["Ewe/V"][0] == pytest.approx(happened.at("voltage", begun), abs=1e-6)


def test_header_states_the_wrong_mass_only_while_the_fault_is_on(beamtime, declared, happened):
    header, _ = log(min((beamtime / "echem").iterdir()).read_bytes(), ",")
    assert "Mass of active material : 7000,000 mg" in header
    honest = parameters.load(overrides={"faults": {"wrong_header_mass": False}})
    content = next(iter(cycler.simulate(honest, happened, 1).files.values()))
    assert "Mass of active material : 7,000 mg" in log(content, ",")[0]


def test_voltage_copy_is_the_cells_voltage_at_the_beamlines_times(beamtime, declared, happened):
    lines = (beamtime / "beamline_voltage.csv").read_text().splitlines()[1:]
    shown = np.array([datetime.fromisoformat(line.split(",")[0]) for line in lines])
    elapsed = np.array([(moment - declared.experiment.start).total_seconds() for moment in shown])
    seconds = (elapsed - 37.4) / (1 + 25e-6)
    error = np.array([float(line.split(",")[1]) for line in lines]) - happened.at("voltage", seconds)
    assert np.std(error) == pytest.approx(declared.voltage_copy.noise, rel=0.05)
    assert abs(np.mean(error)) < 3.3 * declared.voltage_copy.noise / np.sqrt(error.size)


def test_voltage_copy_fixes_the_clock_to_well_below_a_second(declared, happened):
    shown = np.array(clocks._sampling(declared, happened))
    seconds = clocks.cell_seconds(shown, declared.beamline)
    slope = happened.at("voltage", seconds + 0.5) - happened.at("voltage", seconds - 0.5)
    jacobian = np.column_stack([slope, slope * seconds]) / declared.voltage_copy.noise
    covariance = np.linalg.inv(jacobian.T @ jacobian)
    for elapsed in (0.0, happened.seconds[-1]):
        line = np.array([1.0, elapsed])
        assert np.sqrt(line @ covariance @ line) < 0.25


def test_references_have_a_unit_edge_step_and_are_independent(declared):
    energy = np.arange(800.0, 1000.0, 0.05)
    spectra = nickel_spectra.references(energy, declared.nickel)
    np.testing.assert_allclose(spectra[:, 0], 0.0, atol=0.003)
    np.testing.assert_allclose(spectra[:, -1], 1.0, atol=0.003)
    within = nickel_spectra.references(nickel_spectra.energies(declared.nickel), declared.nickel)
    assert np.linalg.cond(within) < 30


def test_edge_energy_rises_with_delithiation_and_falls_with_the_reduced_layer(declared):
    z = np.linspace(0, 1, 21)
    for d_ox in (0.0, 1.0, 2.2):
        shares = nickel_spectra.weights(z, np.full(21, d_ox), declared.nickel)
        for energies in nickel_spectra.edge_energies(shares, declared.nickel):
            assert (np.diff(energies) > 0).all()
            assert energies[-1] - energies[0] > 0.5
    shares = nickel_spectra.weights(np.full(5, 0.5), np.linspace(0, 2.2, 5), declared.nickel)
    for energies in nickel_spectra.edge_energies(shares, declared.nickel):
        assert (np.diff(energies) < 0).all()


def test_normalizing_by_fitted_lines_shifts_the_edge_energy_by_a_few_mev_only(beamtime):
    known = truth.read(beamtime)["xas/Ni_L3"]
    shift = (known["edge_energy_normalized"] - known["edge_energy"]).values
    assert shift.min() > -0.006
    assert shift.max() < -0.002
    assert np.ptp(shift) < 0.002


def test_surface_shares_add_up_and_follow_the_escape_depth(declared):
    shares = nickel_spectra.weights(np.array([-0.1, 0.4, 1.2]), np.array([0.0, 1.0, 2.0]), declared.nickel)
    np.testing.assert_allclose(shares.sum(axis=1), 1.0)
    np.testing.assert_allclose(shares[:, 0], 1 - np.exp(-np.array([0.3, 0.7, 1.1]) / 5.0))
    assert (shares >= 0).all()


def test_a_scan_is_the_mixture_times_i0_within_counting_noise(beamtime, declared):
    law = declared.nickel
    known = truth.read(beamtime)["xas/Ni_L3"]
    pulls = []
    for path, shares in zip(sorted((beamtime / "xas").iterdir()), known["weight"].values, strict=True):
        if known["fault"].sel(scan=int(path.stem[-4:]) - 1).item():
            continue
        _, (energy, drain, i0, _) = scan(path.read_bytes())
        beam, counts = i0 / law.i0_unit / law.i0_counts, drain / law.drain_unit
        background = law.background + law.background_slope * (energy - law.reference_energy)
        expected = law.yield_counts * beam * (background + shares @ nickel_spectra.references(energy, law))
        pulls.append((counts - expected) / np.sqrt(expected + expected**2 / (law.i0_counts * beam)))
    pooled = np.concatenate(pulls)
    assert pooled.size > 5000
    assert abs(pooled.mean()) < 3.3 / np.sqrt(pooled.size)
    assert pooled.std() == pytest.approx(1.0, abs=3.3 / np.sqrt(2 * pooled.size))


def test_scan_times_are_the_true_times_on_the_beamlines_clock(beamtime, declared):
    known = truth.read(beamtime)["xas/Ni_L3"]
    start = np.datetime64(declared.experiment.start_utc.replace(tzinfo=None), "ns")
    for number in (1, 30, 60):
        header, _ = scan((beamtime / "xas" / f"Ni_L3_{number:04d}.txt").read_bytes().rsplit(b"\n", 1)[0])
        stated = dict(line[2:].split("=") for line in header if "=" in line)
        local = datetime.fromisoformat(stated["Time at start"])
        elapsed = (local - declared.experiment.start).total_seconds()
        true = (known["time_start"].values[number - 1] - start) / np.timedelta64(1, "s")
        assert (elapsed - 37.4) / (1 + 25e-6) == pytest.approx(true, abs=0.001)
        middle = (elapsed + float(stated["Time from start (seconds)"]) - 37.4) / (1 + 25e-6)
        true = (known["time"].values[number - 1] - start) / np.timedelta64(1, "s")
        assert middle == pytest.approx(true, abs=0.002)


def test_faults_are_in_the_files_that_the_truth_names(beamtime, declared):
    tables = {
        int(path.stem[-4:]): [line.split("\t") for line in path.read_text().splitlines() if not line.startswith("#")]
        for path in (beamtime / "xas").iterdir()
    }
    energy = {number: np.array([float(row[0]) for row in rows]) for number, rows in tables.items()}
    i0 = {number: [float(row[2]) for row in rows if len(row) == 4] for number, rows in tables.items()}
    repeated = {number for number, values in energy.items() if np.unique(values).size < values.size}
    falling = {number for number, values in energy.items() if (np.diff(values) < 0).sum() > 10}
    zeros = {number for number, values in energy.items() if values[-1] == 0}
    dark = {number for number, values in i0.items() if 0.0 in values} - zeros
    cut = {number for number, rows in tables.items() if len(rows[-1]) < 3}
    faults = declared.faults
    assert (repeated, falling) == (set(faults.duplicate_energies), set(faults.descending_energies))
    assert (zeros, dark, cut) == (set(faults.zero_tail), set(faults.i0_dropout), {60})
    before, after = float(tables[faults.gain_from - 1][0][1]), float(tables[faults.gain_from][0][1])
    assert after / before == pytest.approx(10, rel=0.3)


def test_scan_across_the_cyclers_gap_deserves_its_flag(beamtime, declared):
    known = truth.read(beamtime)["xas/Ni_L3"]
    start = np.datetime64(declared.experiment.start_utc.replace(tzinfo=None), "ns")
    begin, end = ((known[name].values - start) / np.timedelta64(1, "s") for name in ("time_start", "time_end"))
    crosses = (begin < 101_226.5) & (end > 101_200)
    assert crosses.sum() == 1
    assert ((known["flag"].values & 1024 != 0) == crosses).all()


def test_rest_before_the_first_current_gives_a_scan_without_current(happened):
    assert happened.held("half_cycle", np.array([0.0, 3599.0, 3600.0])).tolist() == [0, 0, 1]
