"""The XPEEM stacks against the truth, read back by plain means."""

from __future__ import annotations

import json
from io import BytesIO

import h5py
import numpy as np
import pytest
import tifffile

from operando.errors import RecipeError
from operando.example_scans import folder, nickel_spectra, parameters, xpeem, xpeem_scene, xpeem_truth

CLEAN = {"xpeem_missing_frame": [], "xpeem_surplus_frame": [], "xpeem_saturated_frame": []}


@pytest.fixture(scope="module")
def made(declared, happened):
    return xpeem.simulate(declared, happened, folder.SEED)


@pytest.fixture(scope="module")
def known(made):
    return made.truth["xpeem/Ni_L3"]


@pytest.fixture(scope="module")
def clean(happened):
    return xpeem.simulate(parameters.load(overrides={"faults": CLEAN}), happened, folder.SEED)


def frames(part, number, count):
    name = f"xpeem/Ni_L3_{number:03d}"
    return np.array([image(part, f"{name}/Ni_L3_{number:03d}_{frame:04d}.tif") for frame in range(1, count + 1)])


def image(part, path):
    return tifffile.imread(BytesIO(part.files[path]))


def stack(part, number):
    with h5py.File(BytesIO(part.files[f"xpeem/Ni_L3_{number:03d}.h5"])) as file:
        return {name: item[()] for name, item in file.items()}, {
            name: item.attrs["units"] for name, item in file.items()
        }


def log(part, number):
    name = f"Ni_L3_{number:03d}"
    lines = part.files[f"xpeem/{name}/{name}.txt"].decode("ascii").splitlines()
    return [line.split("\t") for line in lines if not line.startswith("#")]


def test_drift_is_a_walk_of_11_px_that_starts_at_zero(known, declared):
    drift = np.stack([known["drift_y"], known["drift_x"]], axis=-1)
    assert (drift[0, 0] == 0).all()
    assert np.hypot(*(drift - drift[:, :1]).T).max(axis=0) == pytest.approx(declared.xpeem.drift_range)
    assert (drift[1:] % 1 != 0).all()


@pytest.mark.parametrize("shift", [(3.0, -2.0), (0.0, 5.0)])
def test_drift_moves_particles_and_background_alike(known, declared, shift):
    sample = xpeem_scene.scene(declared.xpeem, folder.SEED)
    still = known.isel(scan=0).assign(drift_y=known["drift_y"][0] * 0, drift_x=known["drift_x"][0] * 0)
    moved = still.assign(drift_y=still["drift_y"] + shift[0], drift_x=still["drift_x"] + shift[1])
    first, second = (xpeem.expected(declared, one, sample, 10) for one in (still, moved))
    back = np.roll(second, (-int(shift[0]), -int(shift[1])), axis=(0, 1))
    np.testing.assert_allclose(back[6:-6, 6:-6], first[6:-6, 6:-6], rtol=1e-6)


def test_center_of_a_particle_follows_the_drift_between_pixels(happened):
    plain = parameters.load(overrides={"xpeem": {"background_texture": 0.0, "background_slope": 0.0}})
    sample = xpeem_scene.scene(plain.xpeem, folder.SEED)
    known = xpeem_truth.truth(plain, happened, sample, folder.SEED).isel(scan=0)
    middle = int(np.argmin(np.hypot(sample.y - 64, sample.x - 64)))
    reach = int(sample.radius[middle] + 4 * sample.edge)
    for frame in (8, 12, 20):
        excess = xpeem.expected(plain, known, sample, frame) - plain.xpeem.background_counts
        y, x = (sample.y[middle] + float(known["drift_y"][frame]), sample.x[middle] + float(known["drift_x"][frame]))
        rows, columns = np.mgrid[: plain.xpeem.pixels, : plain.xpeem.pixels]
        disc = np.where(np.hypot(rows - y, columns - x) < reach, excess, 0)
        assert (disc * rows).sum() / disc.sum() == pytest.approx(y, abs=0.02)
        assert (disc * columns).sum() / disc.sum() == pytest.approx(x, abs=0.02)


def test_counts_are_poisson_around_beam_times_flat_times_scene(clean, declared):
    known = clean.truth["xpeem/Ni_L3"].isel(scan=0)
    sample = xpeem_scene.scene(declared.xpeem, folder.SEED)
    measured = frames(clean, 1, 24).astype(float)
    light = [xpeem.expected(declared, known, sample, frame) for frame in range(24)]
    mean = known["i0"].values[:, None, None] * known["flat"].values * np.array(light) + declared.xpeem.dark_counts
    pulls = (measured - mean) / np.sqrt(mean)
    assert abs(pulls.mean()) < 3.3 / np.sqrt(pulls.size)
    assert np.std(pulls) == pytest.approx(1, abs=3.3 / np.sqrt(2 * pulls.size))


def test_corrected_counts_within_particles_are_their_spectra(clean, declared):
    law, known = declared.xpeem, clean.truth["xpeem/Ni_L3"].isel(scan=0)
    flat, dark = (image(clean, f"xpeem/{name}.tif").astype(float) for name in ("flat", "dark"))
    i0 = np.array([float(row[4]) for row in log(clean, 1)])
    gain = (flat - dark) / law.flat_counts
    corrected = (frames(clean, 1, 24) - dark) / gain / i0[:, None, None]
    rows, columns = np.mgrid[: law.pixels, : law.pixels]
    slope = 1 + law.background_slope * (known["energy"].values - law.reference_energy)
    for particle in (0, 5, 10):
        one = known.isel(particle=particle)
        true = float(one["brightness"]) * (law.particle_counts * slope + law.edge_counts * one["spectrum"].values)
        for frame in range(24):
            y, x = float(one["center_y"] + one["drift_y"][frame]), float(one["center_x"] + one["drift_x"][frame])
            inside = np.hypot(rows - y, columns - x) < float(one["radius"]) - 3
            if inside.sum() > 50:
                values = corrected[frame][inside]
                error = np.hypot(values.std() / np.sqrt(values.size), 2 * law.i0_noise * true[frame])
                assert values.mean() == pytest.approx(true[frame], abs=4 * error)


def test_contrast_inverts_across_the_edge(clean):
    known = clean.truth["xpeem/Ni_L3"].isel(scan=0)
    measured, label = frames(clean, 1, 24), known["label"].values
    contrast = []
    for frame in (0, 10, 23):
        moved = np.roll(label, (round(float(known["drift_y"][frame])), round(float(known["drift_x"][frame]))), (0, 1))
        contrast.append(measured[frame][moved > 0].mean() / measured[frame][moved == 0].mean())
    assert contrast[0] < 0.8
    assert contrast[1] > 1.5
    assert contrast[2] > 1.2


def test_35_particles_lie_apart_within_the_frame(known, declared):
    y, x, radius = (known[name].values for name in ("center_y", "center_x", "radius"))
    assert radius.size == known["label"].max() == 35
    assert (np.minimum(y, x) > radius).all()
    assert (np.maximum(y, x) < declared.xpeem.pixels - 1 - radius).all()
    distance = np.hypot(y[:, None] - y, x[:, None] - x) - radius[:, None] - radius + np.eye(35) * 1e9
    assert distance.min() > 0
    areas = np.bincount(known["label"].values.ravel())[1:]
    np.testing.assert_allclose(areas.sum(), np.pi * (radius**2).sum(), rtol=0.02)


def test_active_particles_scatter_around_the_cell_and_inactive_ones_stay(known, declared):
    active = known["active"].values == 1
    state = known["state"].values
    assert (~active).sum() == declared.xpeem.inactive
    scatter = state[:, active] - known["z"].values[:, None]
    assert np.abs(scatter.mean(axis=1)).max() < 3.3 * 0.08 / np.sqrt(active.sum())
    assert scatter.std(axis=1) == pytest.approx(0.08, rel=0.35)
    assert np.ptp(state[:, ~active], axis=0).max() == 0
    assert state[:, ~active].max() < 0.3


def test_spectra_are_those_of_each_particles_state_under_its_layer(known, declared):
    law = declared.nickel
    covered = 1 - np.exp(-known["layer"].values / law.escape_depth)
    np.testing.assert_allclose(known["weight"].values[..., 0], covered)
    np.testing.assert_allclose(known["weight"].values[..., 2], (1 - covered) * known["state"].values)
    pure = nickel_spectra.references(known["energy"].values, law)
    np.testing.assert_allclose(known["spectrum"].values, known["weight"].values @ pure)
    assert np.corrcoef(known["state"].values[0], known["edge_energy"].values[0])[0, 1] > 0.9


def test_tiff_log_and_hdf5_say_the_same(clean):
    known = clean.truth["xpeem/Ni_L3"]
    for number in (1, 2):
        table, (held, units) = log(clean, number), stack(clean, number)
        energy, i0 = (np.array([float(row[column]) for row in table]) for column in (2, 4))
        assert units["energy"] == "eV"
        np.testing.assert_array_equal(held["frames"], frames(clean, number, 24))
        np.testing.assert_allclose(energy, held["energy"])
        np.testing.assert_allclose(energy, known["energy"])
        np.testing.assert_allclose(i0, held["i0"], atol=1e-6)
        assert np.abs(i0 / known["i0"].values[number - 1] - 1).max() < 4 * 0.002


def test_flat_shows_the_sensitivity_above_the_dark(clean, declared):
    law = declared.xpeem
    flat, dark = (image(clean, f"xpeem/{name}.tif").astype(float) for name in ("flat", "dark"))
    error = (flat - dark) / law.flat_counts - clean.truth["xpeem/Ni_L3"]["flat"].values
    assert error.std() < 1.2 * np.sqrt((law.flat_counts + 2 * law.dark_counts) / law.flat_frames) / law.flat_counts
    assert dark.mean() == pytest.approx(law.dark_counts, abs=0.2)


def test_missing_surplus_and_saturated_frames_show_in_the_files_and_in_the_truth(made, known):
    assert known["fault"].values.tolist() == ["saturated_frame", "missing_frame surplus_frame"]
    assert (image(made, "xpeem/Ni_L3_001/Ni_L3_001_0017.tif") == 65535).all()
    assert len(log(made, 2)) == 24
    assert log(made, 2)[8][1] == "Ni_L3_002_0009.tif"
    assert "xpeem/Ni_L3_002/Ni_L3_002_0009.tif" not in made.files
    assert "xpeem/Ni_L3_002/Ni_L3_002_0025.tif" in made.files
    held, _ = stack(made, 2)
    assert len(held["energy"]) == 24
    assert len(held["frames"]) == 25
    assert np.flatnonzero((held["frames"] == 0).all(axis=(1, 2))).tolist() == [8]
    flagged = [np.flatnonzero(row).tolist() for row in known["frame_flag"].values]
    assert flagged == [[16], [8]]
    assert (known["flag"].values & int(known.attrs["judged_flags"])).astype(bool).all()


def test_faults_change_nothing_else(made, clean):
    changed = {path for path in clean.files if made.files.get(path) != clean.files[path]}
    hit = {f"xpeem/Ni_L3_001/Ni_L3_001_{17:04d}.tif", f"xpeem/Ni_L3_002/Ni_L3_002_{9:04d}.tif"}
    assert changed == hit | {"xpeem/Ni_L3_001.h5", "xpeem/Ni_L3_002.h5"}
    assert (clean.truth["xpeem/Ni_L3"]["flag"] == 0).all()


def test_the_same_seed_gives_the_same_stacks_and_more_stacks_leave_them_alone(happened, clean):
    more = parameters.load(overrides={"faults": CLEAN, "xpeem": {"scans": 3}})
    again = xpeem.simulate(more, happened, folder.SEED)
    assert all(again.files[path] == content for path, content in clean.files.items())
    other = xpeem.simulate(parameters.load(overrides={"xpeem": {"scans": 1}}), happened, 1)
    assert other.files["xpeem/Ni_L3_001.h5"] != clean.files["xpeem/Ni_L3_001.h5"]


def test_dispersion_shifts_the_photon_energy_from_row_to_row(known, declared):
    tilted = parameters.load(overrides={"xpeem": {"dispersion": 0.2}})
    sample = xpeem_scene.scene(declared.xpeem, folder.SEED)
    one = known.isel(scan=0)
    shifted = xpeem.expected(tilted, one, sample, 9)
    for row, change in ((0, -0.1), (-1, 0.1)):
        straight = xpeem.expected(declared, one.assign_coords(energy=one["energy"] + change), sample, 9)
        np.testing.assert_allclose(shifted[row], straight[row])


def test_times_are_those_of_the_beamlines_clock(made, known, declared):
    start = (
        known["time_start"].values[0] - np.datetime64(declared.experiment.start_utc.replace(tzinfo=None), "ns")
    ) / 1e9
    shown = float(start.astype(float)) * (1 + 25e-6) + 37.4
    local = np.datetime64(declared.experiment.start, "ms") + np.timedelta64(round(shown * 1e3), "ms")
    assert np.datetime64(log(made, 1)[0][3].replace(" ", "T")) == local


def test_too_many_particles_are_refused(happened):
    crowded = parameters.load(overrides={"xpeem": {"particles": 90, "pixels": 64}})
    with pytest.raises(RecipeError, match=r"xpeem\.particles"):
        xpeem.simulate(crowded, happened, 1)


def test_a_fault_of_a_frame_that_does_not_exist_is_refused():
    with pytest.raises(RecipeError, match=r"xpeem_missing_frame: expected images 1 to 24, got \[1, 25\]"):
        parameters.load(overrides={"faults": {"xpeem_missing_frame": [[1, 25]]}})


def test_every_number_has_a_unit_and_a_meaning(known):
    lacking = [
        name for name, values in known.data_vars.items() if values.dtype.kind in "fiu" and "units" not in values.attrs
    ]
    assert lacking == []
    assert all("long_name" in values.attrs for values in known.data_vars.values())


def test_stacks_stay_small(made):
    assert sum(map(len, made.files.values())) < 3_000_000
    assert json.dumps(made.truth["xpeem/Ni_L3"].attrs)
