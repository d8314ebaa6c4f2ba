"""Error bars cover: pulls pooled over independent seeds, with limits that correct code passes 99.9 % of the time."""

from __future__ import annotations

import numpy as np
import pytest
from pulls import assert_unit_normal

from operando import echem, xas
from operando.example_scans import cell, cycler, parameters


def matched(result, *, judged):
    """Return the processed series and its truth for the judged scans, in the same order."""
    found = result.tree["xas/Ni_L3/processed"].to_dataset().sel(signal="tey")
    known = result.truth["xas/Ni_L3"].to_dataset()
    names = [source.rsplit("/", 1)[-1] for source in found.source.values]
    order = [names.index(source) for source in known.source.values]
    kept = judged(known).values
    return found.isel(scan=np.array(order)[kept]), known.isel(scan=kept)


def sound(known):
    """Scans without a fault, or with a gain that the whole spectrum shares."""
    return known["fault"].isin(["", "gain_x10"])


def test_edge_energies_pull_as_a_unit_normal(results):
    pulls = []
    for result in results:
        found, known = matched(result, judged=sound)
        error = found.edge_energy.values - known.edge_energy_normalized.values
        pulls.append(error / found.edge_energy_std.values)
    pooled = np.concatenate(pulls)
    assert_unit_normal(pooled)


def test_states_of_charge_pull_as_a_unit_normal_over_logs(tmp_path):
    """One pull a log, at its end, for all its samples share the error of the current's zero."""
    coarse = {"record_interval": 1800.0, "record_voltage": 1.0, "sample_interval": 1800.0}
    declared = parameters.load(overrides={"cycler": coarse, "faults": {"cycler_split": False}})
    happened, pulls = cell.run(declared), []
    stated = {"reference_capacity": declared.cell.capacity, "soc0": declared.cell.z0}
    for seed in range(1001, 1201):
        (content,) = cycler.simulate(declared, happened, seed).files.values()
        (tmp_path / "log.mpt").write_bytes(content)
        log = echem.read(
            tmp_path / "log.mpt",
            timezone=declared.experiment.timezone,
            cell=stated,
            current_offset_std=declared.cycler.current_offset_std,
        )
        pulls.append(float((log.soc[-1] - happened.soc[-1]) / log.soc_std[-1]))
    assert_unit_normal(np.array(pulls))


def test_the_clocks_error_covers_at_both_ends(results):
    """One offset a seed is too few for a spread; the estimator's own pulls are pooled in the clock's tests."""
    for result in results:
        for row in result.rows.values():
            if "clock" in row.quantity:
                assert abs(row.pull) < 4


def test_links_lie_within_two_of_their_errors(results):
    """These errors hold the spread within a scan and the current's offset, shared by all scans: they are no noise."""
    for result in results:
        found, known = matched(result, judged=lambda known: known["reversals"] == 0)
        for name in ("potential", "soc", "charge"):
            error = np.abs(found[name].values - known[name].values)
            covered = np.isfinite(error)
            assert covered.mean() > 0.95
            assert (error[covered] <= 2 * found[f"{name}_std"].values[covered]).mean() > 0.95


@pytest.fixture(scope="module")
def core_levels(results, shipped):
    """Return, for each seed, the fits of core levels and the truth of S 2p in scans without a fault of their own."""
    found = []
    for result in [*results, shipped]:
        fit = result.tree["xps/electrolyte/processed"].to_dataset()
        levels = [result.truth[f"xps/{name}"].to_dataset() for name in ("S_2p", "P_2p", "C_1s")]
        names = [source.partition("::")[0].rsplit("/", 1)[-1] for source in fit.source.values]
        order = [names.index(source) for source in levels[0].source.values]
        kept = np.all([level.fault.isin(["", "wrong_hour"]).values for level in levels], axis=0)
        found.append((fit.isel(scan=np.array(order)[kept]), levels[0].isel(scan=kept)))
    return found


def test_fractions_in_sulfur_pull_as_a_unit_normal(core_levels):
    """Those whose truth is farther than three deviations from nothing and from all, by the statistics policy."""
    pulls = []
    for fit, known in core_levels:
        one = fit[["fraction", "fraction_std"]].sel(peak=[f"S 2p {name}" for name in known.peak.values])
        share, std = one.fraction.values, one.fraction_std.values
        inner = np.minimum(known.fraction.values, 1 - known.fraction.values) > 3 * std
        pulls.append(((share - known.fraction.values) / std)[inner])
    pooled = np.concatenate(pulls)
    assert pooled.size >= 200
    assert_unit_normal(pooled)


def test_charging_and_the_shift_by_the_potential_pull_as_unit_normals(core_levels):
    pulls = {"electrode": [], "electrolyte": []}
    for fit, known in core_levels:
        true = {"electrode": known.charging_shift, "electrolyte": known.charging_shift + known.electrolyte_shift}
        for phase, values in true.items():
            one = fit[["shift", "shift_std"]].sel(phase=phase)
            pulls[phase].append((one["shift"].values - values.values) / one["shift_std"].values)
    assert_unit_normal(np.concatenate([*pulls["electrode"], *pulls["electrolyte"]]))


@pytest.fixture(scope="module")
def layers(results):
    """Return estimate, error and truth of the layer (nm) in all sound scans, found with exact references."""
    found = []
    for result in results:
        series, known = matched(result, judged=sound)
        spectra = series["normalized"].drop_attrs(deep=False)
        exact = result.truth["references/Ni_L3"]["spectrum"].rename("normalized")
        exact = exact.assign_coords(energy=("energy", exact["energy"].values, {"units": "eV"}))
        options = {"scale": True, "background": "linear", "bounds": (-0.5, 1.5), "shift": (-0.5, 0.5)}
        share = xas.lcf(spectra, exact, **options).sel(reference="reduced Ni")
        one = xas.depth_profile(
            share["fraction"], escape_depth=5.0, surface=1.0, bulk=0.0, tey_std=share["fraction_std"]
        )
        found.append(np.stack([one["layer_thickness"], one["layer_thickness_std"], known["layer"]]))
    return np.concatenate(found, axis=1)


def test_the_layer_is_found_within_a_twentieth_of_a_nanometer(layers):
    estimate, _, truth = layers
    assert np.sqrt(np.mean((estimate - truth) ** 2)) < 0.05


def test_the_layers_thickness_pulls_as_a_unit_normal(layers):
    estimate, std, truth = layers
    assert_unit_normal((estimate - truth) / std)
