"""The tomographic volumes, their projections and the conduction solver against analytic answers."""

from __future__ import annotations

from io import BytesIO

import h5py
import numpy as np
import pytest
import tifffile
from scipy import ndimage
from scipy.optimize import curve_fit
from scipy.special import erf

from operando.example_scans import conduction, folder, microstructure, parameters, projections, scans, tomography
from operando.example_scans.microstructure import CRACK, ELECTROLYTE, GAP, NCM, PORE, Disc, State, Structure

CLEAN = {"xtm_missing_slice": [], "xtm_surplus_slice": [], "xtm_saturated_slice": [], "xtm_ring": []}


@pytest.fixture(scope="module")
def made(declared, happened):
    return tomography.simulate(declared, happened, folder.SEED)


@pytest.fixture(scope="module")
def known(made):
    return made.truth["xtm"]


@pytest.fixture(scope="module")
def law(declared):
    return declared.tomography


@pytest.fixture(scope="module")
def fixed(law):
    return microstructure.structure(law, folder.SEED)


def grey(part, step):
    paths = sorted(path for path in part.files if path.startswith(f"xtm/step_{step:03d}/"))
    return np.array([tifffile.imread(BytesIO(part.files[path])) for path in paths])


def alone(radius, gap_angle=0.0):
    """Return one particle in the middle of a volume, with a gap toward z."""
    middle, none = np.full((1, 3), 20.8), np.empty((0, 3))
    return Structure(middle, np.array([radius]), np.array([[1.0, 0, 0]]), np.array([gap_angle]), none, np.empty(0))


def only(crack):
    nothing = Structure(np.empty((0, 3)), np.empty(0), np.empty((0, 3)), np.empty(0), np.empty((0, 3)), np.empty(0))
    return nothing, State(np.empty(0), 0.0, np.empty(0), (crack,))


def test_grey_levels_follow_the_attenuation_of_each_phase(made, known, law):
    volume, label = grey(made, 1).astype(float), known["label"].values[0]
    for phase, name in ((NCM, "ncm"), (ELECTROLYTE, "electrolyte"), (PORE, "pore")):
        inside = ndimage.binary_erosion(label == phase, iterations=4 if phase != PORE else 2)
        true = float(known["grey_level"].sel(phase=name))
        noise = known.attrs["noise_grey"]
        assert inside.sum() > 20
        assert volume[inside].mean() == pytest.approx(true, abs=3.3 * noise / np.sqrt(inside.sum()) + 0.01 * noise)
        if inside.sum() > 1000:
            assert volume[inside].std() == pytest.approx(noise, rel=3.3 / np.sqrt(2 * inside.sum()) + 0.002)
    levels = known["grey_level"].values - known.attrs["grey_zero"]
    assert levels[0] / levels[1] == pytest.approx(934 / 112)


def test_a_surface_is_blurred_by_the_point_spread_function(happened):
    quiet = parameters.load(overrides={"tomography": {"noise": 0.0}, "faults": CLEAN})
    law = quiet.tomography
    fixed = alone(12.0)
    volume = microstructure.volume(law, fixed, State(np.array([12.0]), 0.0, np.zeros(1), ()))
    image = tomography.reconstructed(quiet, 1, volume, 1).astype(float)
    place = (np.arange(law.voxels) + 0.5) * law.voxel_size - 20.8
    distance = np.sqrt(place[:, None, None] ** 2 + place[:, None] ** 2 + place**2)
    near = np.abs(distance - 12.0) < 3

    def profile(r, low, high, radius, width):
        return low + (high - low) * (1 - erf((r - radius) / (np.sqrt(2) * width))) / 2

    (_, _, radius, width), _ = curve_fit(profile, distance[near], image[near], p0=(13e3, 45e3, 12.0, 0.5))
    assert width / law.voxel_size == pytest.approx(np.hypot(law.blur, np.sqrt(1 / 12)), rel=0.05)
    assert radius == pytest.approx(12.0, abs=0.05)


def test_labels_partial_volumes_and_table_agree_on_the_phases(law, fixed, known):
    now = microstructure.state(law, fixed, 0.5, 0.9)
    volume = microstructure.volume(law, fixed, now)
    assert volume.ncm.mean() == pytest.approx((volume.label == NCM).mean(), rel=0.01)
    void = np.isin(volume.label, (PORE, GAP, CRACK)).mean()
    assert volume.void.mean() == pytest.approx(void, rel=0.05)
    assert (volume.ncm + volume.void).max() <= 1 + 1e-12
    assert known["phase_fraction"].sum("phase").values == pytest.approx(1)
    assert known["phase_fraction"].sel(phase="ncm").values[0] == pytest.approx(law.ncm_fraction, abs=0.02)
    volumes = known["phase_fraction"].sel(phase=["pore", "contact_loss", "crack"]).sum("phase") * 41.6**3
    np.testing.assert_allclose(known["void_volume"], volumes)


def test_pores_that_particles_cut_fill_as_much_of_voxels_as_of_space():
    """Balls of 2 to 6 voxels radius, against points four times as dense along each edge."""
    law = parameters.load("full", {"tomography": {"voxels": 48, "voxel_size": 0.5}}).tomography
    rng, parts = np.random.default_rng(11), 4
    center = 4.0 + 8.0 * np.argwhere(np.ones((3, 3, 3))) + rng.uniform(-1, 1, (27, 3))
    radius, pores, pore_center = rng.uniform(2, 3, 27), rng.uniform(1, 2, 150), rng.uniform(0, 24, (150, 3))
    fixed = Structure(center, radius, np.zeros((27, 3)), np.zeros(27), pore_center, pores)
    volume = microstructure.volume(law, fixed, State(radius, 0.0, np.zeros(27), ()))
    place = (np.arange(48 * parts) + 0.5) * 0.5 / parts
    shares = []
    for centers, radii in ((center, radius), (pore_center, pores)):
        inside = np.zeros((place.size,) * 3, bool)
        for at, size in zip(centers, radii, strict=True):
            z, y, x = (np.flatnonzero(np.abs(place - one) < size) for one in at)
            squares = [(place[own] - one) ** 2 for own, one in zip((z, y, x), at, strict=True)]
            inside[np.ix_(z, y, x)] |= sum(np.ix_(*squares)) < size**2
        shares.append(inside)
    particle, pore = shares
    assert volume.ncm.sum() * parts**3 == pytest.approx(np.count_nonzero(particle), rel=0.004)
    assert volume.void.sum() * parts**3 == pytest.approx(np.count_nonzero(pore & ~particle), rel=0.004)


@pytest.mark.parametrize("radius", [4.0, 7.0, 12.0])
def test_a_particle_has_the_volume_of_its_sphere(law, radius):
    volume = microstructure.volume(law, alone(radius), State(np.array([radius]), 0.0, np.zeros(1), ()))
    sphere = 4 / 3 * np.pi * radius**3
    assert (volume.label == NCM).sum() * law.voxel_size**3 == pytest.approx(sphere, rel=0.02)
    assert volume.ncm.sum() * law.voxel_size**3 == pytest.approx(sphere, rel=0.003)


@pytest.mark.parametrize("aperture", [0.3, 1.0, 3.0])
@pytest.mark.parametrize("normal", [(1.0, 0.0, 0.0), (0.8, 0.6, 0.0), (0.6, 0.48, 0.64)])
def test_a_crack_keeps_its_volume_however_thin_and_tilted(law, aperture, normal):
    crack = Disc(np.array([20.9, 20.7, 20.6]), np.array(normal), 12.0, aperture)
    volume = microstructure.volume(law, *only(crack))
    assert volume.void.sum() * law.voxel_size**3 == pytest.approx(crack.volume, rel=0.03)
    if aperture > 2 * law.voxel_size:
        counted = (volume.label == CRACK).sum() * law.voxel_size**3
        assert counted == pytest.approx(2 / 3 * np.pi * 12.0**2 * aperture, rel=0.04)


def test_a_crack_lies_in_its_plane(law):
    crack = Disc(np.array([20.9, 20.7, 20.6]), np.array([0.6, 0.48, 0.64]), 12.0, 2.0)
    place = (np.argwhere(microstructure.volume(law, *only(crack)).label == CRACK) + 0.5) * law.voxel_size
    values, vectors = np.linalg.eigh(np.cov(place.T))
    assert abs(vectors[:, 0] @ crack.normal) > 0.999
    np.testing.assert_allclose(place.mean(axis=0), crack.center, atol=0.2)
    np.testing.assert_allclose(np.sqrt(5 * values[1:]), 12.0, rtol=0.03)


def test_cracks_grow_until_they_merge(known):
    assert (np.diff(known["crack_radius"].values[:, 0]) > 0).all()
    assert (np.diff(known["crack_aperture"].values[:, 0]) > 0).all()
    assert known["crack_body"].values.tolist() == [[1, 0], [1, 0], [1, 2], [1, 2], [1, 1]]
    drawn = (known["label"].values == CRACK).sum(axis=(1, 2, 3)) * known.attrs["voxel_size"] ** 3
    np.testing.assert_allclose(drawn[2:], known["crack_volume"].values.sum(axis=1)[2:], rtol=0.07)


def test_no_particle_touches_another_or_a_crack(law, fixed):
    distance = np.linalg.norm(fixed.center[:, None] - fixed.center, axis=2)
    gaps = distance - fixed.radius[:, None] - fixed.radius + np.eye(fixed.radius.size) * 1e9
    assert gaps.min() >= microstructure.SPACE
    end = microstructure.volume(law, fixed, microstructure.state(law, fixed, 0.0, 1.0))
    near = ndimage.binary_dilation(end.label == CRACK)
    assert not (end.label[near] == NCM).any()


def test_a_gap_has_the_volume_of_its_shell(law):
    radius, gap, angle = np.array([9.0]), 1.3, np.array([1.1])
    volume = microstructure.volume(law, alone(9.0, 1.1), State(radius, gap, angle, ()))
    analytic = float(microstructure.gap_volume(radius, gap, angle)[0])
    assert (volume.label == GAP).sum() * law.voxel_size**3 == pytest.approx(analytic, rel=0.03)
    assert volume.void.sum() * law.voxel_size**3 == pytest.approx(analytic, rel=0.03)


def test_a_whole_gap_frees_the_whole_sphere():
    assert microstructure.contact_lost(np.array([2.0]), np.array([np.pi])) == pytest.approx(4 * np.pi * 4)


def test_contact_loss_grows_with_charge_passed_and_with_delithiation(law, fixed, known):
    areas = [
        microstructure.contact_lost(now.radius, now.angle).sum()
        for now in (microstructure.state(law, fixed, z, passed) for z, passed in ((0, 0), (0, 0.5), (1, 0.5), (1, 1)))
    ]
    assert areas[0] == 0
    assert (np.diff(areas) > 0).all()
    assert (known["contact_lost_inside"] < known["particle_surface_inside"]).all()
    shared = (known["gap_angle"].values[-1] > 0).mean()
    assert shared == pytest.approx(law.contact_loss.share, abs=0.2)


def test_particles_shrink_by_5_percent_on_full_delithiation(law, fixed):
    now = microstructure.state(law, fixed, 1.0, 0.5)
    np.testing.assert_allclose((now.radius / fixed.radius) ** 3, 0.95)


def test_steps_show_the_cell_at_their_time(known, happened):
    shares = scans.passed(happened, np.array([0.0, 3600.0, happened.seconds[-1]]))
    assert shares == pytest.approx([0, 0, 1])
    expected = np.clip(known["delithiated_fraction"].values, 0, 1) * -0.05
    np.testing.assert_allclose(known["particle_expansion"].values[:, 0], expected)


def test_faults_show_in_the_files_and_in_the_truth(made, known):
    assert known["fault"].values.tolist() == ["", "saturated_frame", "missing_frame", "ring_artifact", "surplus_frame"]
    assert [len(grey(made, step)) for step in range(1, 6)] == [64, 64, 63, 64, 65]
    assert (grey(made, 2)[19] == 65535).all()
    assert "xtm/step_003/slice_0041.tif" not in made.files
    assert "xtm/step_005/slice_0065.tif" in made.files
    assert [np.flatnonzero(row).tolist() for row in known["slice_flag"].values] == [[], [19], [40], [], []]
    assert (known["flag"].values != 0).tolist() == [False, True, True, True, True]


def test_ring_lies_around_the_axis_with_its_height(declared, known, law, fixed):
    clean = parameters.load(overrides={"faults": CLEAN})
    volume = microstructure.volume(law, fixed, microstructure.state(law, fixed, 0.0, 0.5))
    added = tomography.reconstructed(declared, 4, volume, 1) * 1.0 - tomography.reconstructed(clean, 4, volume, 1)
    assert np.ptp(added, axis=0).max() <= 1
    y, x = np.unravel_index(np.argmax(added[0]), added[0].shape)
    assert np.hypot(y - 31.5, x - 31.5) == pytest.approx(known.attrs["ring_radius_voxels"], abs=0.7)
    assert added.max() == pytest.approx(known.attrs["ring_height_grey"], rel=0.02)


def test_the_same_seed_gives_the_same_volumes_and_steps_have_noise_of_their_own(made, happened):
    shorter = parameters.load(overrides={"tomography": {"steps": 1, "tortuosity": False}})
    again = tomography.simulate(shorter, happened, folder.SEED)
    assert all(made.files[path] == content for path, content in again.files.items() if "steps.txt" not in path)
    other = tomography.simulate(shorter, happened, 1)
    assert other.files["xtm/step_001/slice_0001.tif"] != again.files["xtm/step_001/slice_0001.tif"]
    assert "tortuosity_factor" not in again.truth["xtm"]


def test_slices_state_the_voxel_size_and_the_log_the_time(made, known, law):
    with tifffile.TiffFile(BytesIO(made.files["xtm/step_001/slice_0001.tif"])) as file:
        tags = file.pages[0].tags
        resolution = tags["XResolution"].value
        assert resolution[0] / resolution[1] == pytest.approx(1e4 / law.voxel_size)
        assert "DateTime" not in tags
        assert file.pages[0].dtype == np.uint16
    lines = made.files["xtm/steps.txt"].decode().splitlines()
    assert "# Voxel size (um)=0.6500" in lines
    first = next(line for line in lines if not line.startswith("#")).split("\t")
    assert first[1] == known["source"].values[0] == "step_001"
    assert first[2].startswith("2026-05-18 17:57:43.67")


@pytest.mark.parametrize("angle", [0.0, 33.0, 45.0, 90.0, 120.0])
def test_projections_keep_the_mass_of_a_volume_without_sharp_edges(angle):
    inside = np.pad(np.random.RandomState(1).uniform(size=(4, 24, 24)), ((0, 0), (15, 15), (15, 15)))
    volume = ndimage.gaussian_filter(inside, (0, 3, 3))
    lines = projections.integrals(volume, np.array([angle]), 1.5)
    np.testing.assert_allclose(lines.sum(axis=2)[0], volume.sum(axis=(1, 2)), rtol=1e-4)


def test_projections_of_a_sphere_are_its_chords_around_the_axis():
    place = np.arange(48) - 23.5
    distance = np.sqrt(place[:, None, None] ** 2 + (place[:, None] - 8) ** 2 + (place - 5) ** 2)
    sphere = np.clip(10.5 - distance, 0, 1)
    theta = np.array([0.0, 30.0, 90.0, 150.0])
    lines = projections.integrals(sphere, theta, 1.5)[:, 24]
    for angle, line in zip(np.deg2rad(theta), lines, strict=True):
        across = np.arange(line.size) - projections.axis(48, 1.5)
        seen_at = 5 * np.cos(angle) + 8 * np.sin(angle)
        chords = 2 * np.sqrt(np.maximum(100 - 0.25 - (across - seen_at) ** 2, 0))
        core = np.abs(across - seen_at) < 8
        np.testing.assert_allclose(line[core], chords[core], atol=0.35)
        assert (line * across).sum() / line.sum() == pytest.approx(seen_at, abs=0.02)


def test_dxchange_file_gives_back_the_attenuation(made, declared, law, fixed, happened):
    with h5py.File(BytesIO(made.files["xtm/step_001.h5"])) as file:
        data, white, dark, theta = (
            file[f"exchange/{name}"][()] for name in ("data", "data_white", "data_dark", "theta")
        )
        assert file["exchange/data"].attrs["axes"] == "theta:y:x"
        assert file["exchange/theta"].attrs["units"] == "deg"
        assert file["measurement/instrument/detector/pixel_size_x"].attrs["units"] == "um"
        assert file["measurement/instrument/detector/pixel_size_x"][()] == law.voxel_size
    assert data.shape == (90, 32, projections.width(64))
    seen = -np.log((data - dark.mean(axis=0)) / (white.mean(axis=0) - dark.mean(axis=0)))
    now = microstructure.state(law, fixed, 0.0, 0.0)
    mu = tomography.attenuation(declared, microstructure.volume(law, fixed, now))[16:48]
    true = projections.integrals(mu * law.voxel_size, theta, law.axis_offset)
    true = ndimage.gaussian_filter(true, (0, law.blur, law.blur))
    error = seen - true
    assert abs(error.mean()) < 0.001
    assert error.std() == pytest.approx(np.sqrt((np.exp(true).mean() + 1 / 8) / law.beam_counts), rel=0.05)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_open_space_layers_and_straight_channels_have_tortuosity_1(axis):
    open_space, layers, channel = (np.full((12, 9, 10), value) for value in (True, False, False))
    np.moveaxis(layers, axis, 0)[:, ::2] = True
    np.moveaxis(channel, axis, 0)[:, 3:5, 4] = True
    for phase in (open_space, layers, channel):
        assert conduction.tortuosity_factor(phase, axis) == pytest.approx(1, abs=1e-9)


def test_what_does_not_percolate_has_no_tortuosity_factor():
    cut = np.ones((10, 6, 6), dtype=bool)
    cut[5] = False
    assert conduction.tortuosity_factor(cut) == np.inf
    assert conduction.tortuosity_factor(cut, axis=1) == pytest.approx(1, abs=1e-9)


def test_isolated_voxels_count_in_the_volume_fraction_only():
    channel = np.zeros((10, 6, 6), dtype=bool)
    channel[:, 0, 0] = True
    lone = channel.copy()
    lone[5, 3, 3] = True
    assert conduction.tortuosity_factor(lone) == pytest.approx(1.1)


def test_a_series_of_two_cross_sections_adds_resistances():
    phase = np.ones((20, 4, 4), dtype=bool)
    phase[10:, :, 2:] = False
    tau = conduction.tortuosity_factor(phase)
    assert phase.mean() / tau < 2 / (1 + 2)
    assert phase.mean() / tau == pytest.approx(2 / 3, rel=0.1)


def spheres(voxels, fraction):
    """Return one cell of a simple cubic lattice without its sphere."""
    place = (np.arange(voxels) + 0.5) / voxels - 0.5
    radius = (3 * fraction / (4 * np.pi)) ** (1 / 3)
    return np.sqrt(place[:, None, None] ** 2 + place[:, None] ** 2 + place**2) >= radius


def test_simple_cubic_spheres_obey_rayleighs_formula():
    fraction = 0.2
    rayleigh = 1 - 3 * fraction / (2 + fraction - 0.392 * fraction ** (10 / 3))
    found = []
    for voxels in (30, 60):
        phase = spheres(voxels, fraction)
        found.append(phase.mean() / conduction.tortuosity_factor(phase))
    assert found[1] == pytest.approx(rayleigh, rel=0.012)
    assert abs(found[1] / rayleigh - 1) < abs(found[0] / rayleigh - 1)


def test_electrolyte_grows_more_tortuous_as_cracks_and_gaps_open(known):
    tau = known["tortuosity_factor"].values
    assert (tau > 1).all()
    assert tau[-1] > tau[0] * 1.05


def test_every_number_has_a_unit_and_a_meaning(known):
    lacking = [
        name for name, values in known.data_vars.items() if values.dtype.kind in "fiu" and "units" not in values.attrs
    ]
    assert lacking == []
    assert all("long_name" in values.attrs for values in known.data_vars.values())


def test_volumes_stay_small(made):
    assert sum(map(len, made.files.values())) < 4_000_000
