"""The fluorescence yield and the measured references against the truth and against sums over depth."""

from __future__ import annotations

import numpy as np
import pytest
import xraydb

from operando.example_scans import fluorescence, nickel, nickel_references, nickel_spectra, parameters, truth

MATERIAL, DENSITY = "LiNi0.8Co0.1Mn0.1O2", 4.7
SIN = np.sin(np.deg2rad(45))


@pytest.fixture(scope="module")
def known(beamtime):
    return truth.read(beamtime)["xas/Ni_L3"].to_dataset()


@pytest.fixture(scope="module")
def mixtures(declared):
    """Return lithium contents and oxidized interphases at which the spectra are looked at."""
    return np.array([0.0, 0.4, 1.0]), np.array([0.0, 1.0, 2.2])


def tabulated(energy):
    """Return the attenuation of NCM811 in Elam's tables, 1/nm."""
    return xraydb.material_mu(MATERIAL, energy, density=DENSITY) * 1e-7


def scan(path):
    lines = path.read_text().splitlines()
    return [line for line in lines if line.startswith("#")], np.loadtxt(lines).T


def with_fluorescence(**changes):
    return parameters.load(overrides={"nickel": {"fluorescence": changes}}).nickel


def test_attenuation_is_the_tables_before_and_after_the_edge(declared):
    law = declared.nickel.fluorescence
    ends = fluorescence.tables(np.array([845.0, 890.0]), law)
    np.testing.assert_allclose(
        fluorescence.attenuation(np.array([0.0, 1.0]), ends), tabulated(np.array([845.0, 890.0])), rtol=0.002
    )
    assert 1 / tabulated(853.0) == pytest.approx(310, rel=0.03)


def test_probing_depth_is_that_of_the_tables_and_the_geometry(known):
    emitted = xraydb.xray_lines("Ni")["La1"].energy
    assert float(known["Lf"]) == pytest.approx(SIN / (tabulated(890.0) + tabulated(emitted)), rel=1e-9)
    shallowest, deepest = known["Lf_energy"].min(), known["Lf_energy"].max()
    assert 60 < shallowest < float(known["Lf"]) < deepest < 170
    assert float(known["Le"]) == 5.0


def test_a_grazing_beam_sees_less_deep():
    depths = [fluorescence.depth_above(with_fluorescence(incidence=angle)) for angle in (90.0, 45.0, 10.0)]
    assert depths == sorted(depths, reverse=True)


def test_spectrum_is_the_sum_over_depth(declared, mixtures):
    law, energy = declared.nickel, np.array([845.0, 854.0, 856.0, 871.5, 890.0])
    references = nickel_spectra.references(energy, law)
    found = fluorescence.spectra(energy, *mixtures, law)
    flat = fluorescence.tables(energy, law.fluorescence)
    depth = np.concatenate([np.linspace(0, 3, 3001), np.linspace(3, 2500, 100_000)[1:]])
    for row, z, d_ox in zip(found, *mixtures, strict=True):
        thickness = 0.3 + 0.4 * d_ox
        bulk = (1 - z) * references[1] + z * references[2]
        for index in range(energy.size):
            here = np.where(depth < thickness, references[0][index], bulk[index])
            lost = (flat.without_edge[index] + flat.step * here + flat.emitted) / SIN
            passed = np.exp(-np.concatenate([[0], np.cumsum(0.5 * (lost[1:] + lost[:-1]) * np.diff(depth))]))
            total = np.trapezoid(here * passed, depth)
            assert row[index] == pytest.approx(total / fluorescence.depth_above(law), rel=2e-3, abs=1e-5)


def test_self_absorption_of_a_thick_cathode_is_undone_by_its_exact_inverse(declared):
    law = declared.nickel.model_copy(update={"native_layer": 0.0})
    energy, z = nickel_spectra.energies(law), np.array([0.5])
    measured = fluorescence.spectra(energy, z, np.zeros(1), law)[0]
    flat = fluorescence.tables(energy, law.fluorescence)
    alpha = (flat.without_edge + flat.emitted) / flat.step
    at_once = fluorescence.tables(np.array([890.0]), law.fluorescence)
    unit = 1 + ((at_once.without_edge + at_once.emitted) / at_once.step)[0]
    corrected = measured * alpha / (unit - measured)
    np.testing.assert_allclose(corrected, 0.5 * nickel_spectra.references(energy, law)[1:].sum(axis=0), rtol=1e-9)


def test_self_absorption_flattens_the_white_line_and_can_be_switched_off(mixtures):
    energy = np.arange(850.0, 890.0, 0.1)
    on, off = (with_fluorescence(self_absorption=switch) for switch in (True, False))
    distorted, mixture = (fluorescence.spectra(energy, *mixtures, law) for law in (on, off))
    shares = fluorescence.weights(*mixtures, off)
    np.testing.assert_allclose(mixture, shares @ nickel_spectra.references(energy, off))
    assert (distorted < mixture)[mixture > 1.1].all()
    assert (distorted > mixture)[mixture < 0.9].all()
    order = np.argsort(mixture.max(axis=1))
    assert (np.diff((distorted / mixture).min(axis=1)[order]) < 0).all()


def test_two_yields_weigh_layer_and_cathode_by_their_depths(known):
    for weight, depth in (("weight", "Le"), ("weight_tfy", "Lf")):
        covered = 1 - np.exp(-known["layer"] / known[depth])
        np.testing.assert_allclose(known[weight], known["xs"] * covered + known["xb"] * (1 - covered), atol=1e-12)
        np.testing.assert_allclose(known[weight].sum("reference"), 1.0)
    reduced = known[["weight", "weight_tfy"]].sel(reference="reduced Ni")
    assert (reduced["weight_tfy"] < 0.06 * reduced["weight"]).all()
    np.testing.assert_allclose(known["layer"], 0.3 + 0.4 * known["d_ox"])


def test_truth_holds_the_spectrum_that_was_counted(beamtime, known, declared):
    law, tfy, pulls = declared.nickel, declared.nickel.fluorescence, []
    np.testing.assert_allclose(known["energy"], nickel_spectra.energies(law))
    for number in range(1, 61):
        if set(known["fault"].values[number - 1].split()) - {"gain_x10", "top_up"}:
            continue
        _, (_, _, i0, current) = scan(beamtime / "xas" / f"Ni_L3_{number:04d}.txt")
        beam, counts = i0 / law.i0_unit / law.i0_counts, current / tfy.unit
        expected = tfy.counts * beam * (tfy.background + known["tfy"].values[number - 1])
        pulls.append((counts - expected) / np.sqrt(expected + expected**2 / (law.i0_counts * beam)))
    pooled = np.concatenate(pulls)
    assert pooled.size > 5000
    assert abs(pooled.mean()) < 3.3 / np.sqrt(pooled.size)
    assert pooled.std() == pytest.approx(1.0, abs=3.3 / np.sqrt(2 * pooled.size))


def test_yields_have_noise_of_their_own(beamtime, known, declared):
    law, residuals = declared.nickel, []
    background = law.background + law.background_slope * (known["energy"].values - law.reference_energy)
    for number in (1, 2, 3, 4, 6, 7, 8):
        _, (_, drain, i0, current) = scan(beamtime / "xas" / f"Ni_L3_{number:04d}.txt")
        tey = background + known["weight"].values[number - 1] @ known["reference_spectrum"].values
        tfy = law.fluorescence.background + known["tfy"].values[number - 1]
        both = [
            drain / law.drain_unit / law.yield_counts / tey,
            current / law.fluorescence.unit / law.fluorescence.counts / tfy,
        ]
        beam = i0 / law.i0_unit / law.i0_counts
        residuals.append([(part / beam - 1) * np.sqrt(signal) for part, signal in zip(both, (tey, tfy), strict=True)])
    first, second = np.concatenate(residuals, axis=1)
    assert abs(np.corrcoef(first, second)[0, 1]) < 3.3 / np.sqrt(first.size)


def test_measured_references_are_the_exact_ones_shifted_by_100_mev(beamtime, declared):
    law, known = declared.nickel, truth.read(beamtime)["references/Ni_L3"].to_dataset()
    np.testing.assert_allclose(known["energy_shift"], 0.1)
    for substance, file in zip(law.references, known["source"].values, strict=True):
        header, (shown, drain, i0) = scan(beamtime / "xas_references" / file)
        assert f"# Sample={substance.name}" in header
        beam, counts = i0 / law.i0_unit / law.i0_counts, drain / law.drain_unit
        deviations = []
        for shift in (0.09, 0.10, 0.11):
            background = law.background + law.background_slope * (shown - shift - law.reference_energy)
            exact = background + nickel_spectra.reference(shown - shift, substance, law)
            expected = law.measured_references.counts * beam * exact
            variance = expected + expected**2 / (law.i0_counts * beam)
            deviations.append(np.sum((counts - expected) ** 2 / variance))
        assert deviations[1] == min(deviations)
        assert deviations[1] / shown.size == pytest.approx(1.0, abs=3.3 * np.sqrt(2 / shown.size))


def test_exact_references_in_the_truth_are_those_of_the_series(known, beamtime):
    apart = truth.read(beamtime)["references/Ni_L3"]["spectrum"]
    np.testing.assert_allclose(apart, known["reference_spectrum"])


def test_surface_layer_is_found_from_the_electron_yield_and_exact_references(beamtime, known, declared):
    law, errors = declared.nickel, []
    for number in range(1, 40):
        if known["fault"].values[number - 1]:
            continue
        _, (energy, drain, i0, _) = scan(beamtime / "xas" / f"Ni_L3_{number:04d}.txt")
        basis = np.vstack([known["reference_spectrum"], np.ones(energy.size), energy - 854.0])
        signal = drain / law.drain_unit / law.yield_counts / (i0 / law.i0_unit / law.i0_counts)
        weigh = np.sqrt(1 / signal)
        shares = np.linalg.lstsq((basis * weigh).T, signal * weigh, rcond=None)[0][:3]
        layer = -5.0 * np.log(1 - shares[0] / shares.sum())
        errors.append(layer - float(known["layer"][number - 1]))
    assert np.sqrt(np.mean(np.square(errors))) < 0.05


def test_top_up_steps_all_detectors_alike_and_a_glitch_does_not(beamtime, declared):
    number = declared.faults.top_up[0]
    quiet = parameters.load(overrides={"faults": {"top_up": [], "glitch": []}})
    assert quiet.nickel == declared.nickel
    _, columns = scan(beamtime / "xas" / f"Ni_L3_{number:04d}.txt")
    step = columns[1:, 72:80].mean(axis=1) / columns[1:, 60:70].mean(axis=1)
    assert step[1] == pytest.approx(1.12, rel=0.15)
    _, (energy, drain, i0, current) = scan(beamtime / "xas" / f"Ni_L3_{declared.faults.glitch[0]:04d}.txt")
    there, beside = np.abs(energy - 863.25) < 0.3, np.abs(energy - 863.25) < 1.5
    for signal, dip in ((drain, 0.55), (i0, 0.70), (current, 0.50)):
        left = np.mean(signal[there]) / np.mean(signal[beside & ~there])
        assert left == pytest.approx(dip, rel=0.05)


def test_the_seed_decides_the_noise_of_the_fluorescence_and_of_the_references(happened):
    law = parameters.load(overrides={"nickel": {"scans": 2}, "faults": {"truncated_last": False}})
    known = nickel.truth(law, happened)
    first, again, other = (nickel.table(law, 1, known, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first[:, 3] != other[:, 3]).any()
    files = [nickel_references.simulate(law, happened, seed).files for seed in (1, 1, 2)]
    assert files[0] == files[1]
    assert all(files[2][name] != content for name, content in files[0].items())
