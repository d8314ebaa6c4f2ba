import zipfile
from io import BytesIO

import dask
import numpy as np
import pytest
import tifffile
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal
from scipy import ndimage

from operando.errors import OperandoError, OperandoWarning
from operando.example_scans import conduction, microstructure
from operando.tomo.tortuosity_factors import tortuosity

AXES = ("z", "y", "x")


def factor(volume, dim="z", **settings):
    return tortuosity(volume, dim, **settings)["tortuosity_factor"].values


def along(mask, axis):
    """Return a mask whose first dim lies along another axis."""
    return np.ascontiguousarray(np.moveaxis(mask, 0, axis))


def blobs(shape, filled, width=2.0, seed=1):
    field = ndimage.gaussian_filter(np.random.default_rng(seed).standard_normal(shape), width)
    return field < np.quantile(field, filled)


def around_sphere(edge, fraction=0.2):
    """Return one cell of a simple cubic lattice without its sphere."""
    radius = edge * (3 * fraction / (4 * np.pi)) ** (1 / 3)
    place = np.arange(edge) - (edge - 1) / 2
    return place[:, None, None] ** 2 + place[:, None] ** 2 + place**2 > radius**2


def rayleigh(mask):
    """Return the effective diffusivity around insulating spheres on a simple cubic lattice (Lord Rayleigh, 1892)."""
    f = 1 - mask.mean()
    return 1 - 3 * f / (2 + f - 0.392 * f ** (10 / 3))


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_open_space_layers_and_channels_have_tortuosity_1(axis):
    layers, channel = np.zeros((19, 22, 17), bool), np.zeros((18, 13, 16), bool)
    layers[:, ::3] = channel[:, 3:6, 4] = True
    for mask in (np.ones((21, 16, 11), bool), along(layers, axis), along(channel, axis)):
        assert factor(mask, AXES[axis]) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_slanted_strip_has_the_tortuosity_of_its_steps(axis):
    strip = np.zeros((20, 21, 21), bool)
    for step in range(20):
        strip[step, step : step + 2, step : step + 2] = True
    found = tortuosity(along(strip, axis), AXES[axis], tol=1e-8)
    assert found["tortuosity_factor"].item() == pytest.approx(7.51667, abs=1e-5)
    assert found["converged"].item()


def test_insulating_spheres_on_a_lattice_obey_rayleighs_formula():
    off = []
    for edge in (60, 120):
        mask = around_sphere(edge)
        off.append(tortuosity(mask)["effective_diffusivity"].item() / rayleigh(mask) - 1)
    assert abs(off[0]) < 0.011
    assert abs(off[1]) < 0.006
    assert abs(2 * off[1] - off[0]) < 0.002


@pytest.mark.parametrize("radius", [0.12, 0.16, 0.2, 0.25])
def test_a_penny_crack_across_the_flow_costs_what_its_radius_cubed_says(radius):
    """Dilute: D/D0 = 1/(1 + 8/3 N a^3), N a^3 from 0.002 to 0.016; cracks one voxel thick, extrapolated."""
    excess = []
    for edge in (32, 64):
        disc = (np.sum((np.indices((edge, edge)) + 0.5 - edge / 2) ** 2, axis=0)) < (radius * edge) ** 2
        mask = np.ones((edge,) * 3, bool)
        mask[edge // 2][disc] = False
        density = (disc.sum() / np.pi) ** 1.5 / edge**3
        found = tortuosity(mask, tol=1e-6)["effective_diffusivity"].item()
        excess.append((1 / found - 1) / (8 / 3 * density))
    assert 2 * excess[1] - excess[0] == pytest.approx(1, abs=0.08)
    along_it = tortuosity(np.moveaxis(mask, 0, 1), tol=1e-6)["effective_diffusivity"].item()
    assert along_it > 0.99


def test_what_does_not_percolate_is_infinite_and_says_why():
    cut = np.ones((20, 21, 22), bool)
    cut[7] = False
    found = tortuosity(cut, "all", tubes=7)
    assert found["tortuosity_factor"].values.tolist() == [np.inf, 1.0 * 20 / 20, 1.0]
    assert found["effective_diffusivity"].values[0] == 0
    assert found["tau_upper"].values[0] == np.inf
    assert found["percolating"].values.tolist() == [False, True, True]
    assert found["reason"].values.tolist() == ["no path leads from the first to the last face along z", "", ""]
    around = tortuosity(cut, "z", boundary="periodic_sides")
    assert around["reason"].item() == "no path leads from the first to the last face along z, around the sides either"
    periodic = tortuosity(cut, "z", boundary="periodic")
    assert periodic["reason"].item() == "no path leads to its image along z"
    assert np.isinf(periodic["tortuosity_factor"].item())


@given(arrays(np.bool_, st.tuples(*[st.integers(1, 7)] * 3)))
@settings(max_examples=40, deadline=None)
def test_any_mask_conducts_as_an_independent_solver_says(mask):
    for axis in range(3):
        found = factor(mask, AXES[axis], tol=1e-7)
        assert_allclose(found, conduction.tortuosity_factor(mask, axis), rtol=1e-5)
        assert found >= 1 - 1e-6


@pytest.mark.parametrize("filled", [0.25, 0.5])
def test_blobs_conduct_as_an_independent_solver_says(filled):
    mask = blobs((37, 42, 33), filled)
    found = tortuosity(mask, "all")
    expected = [conduction.tortuosity_factor(mask, axis) for axis in range(3)]
    assert np.isfinite(expected).all()
    assert_allclose(found["tortuosity_factor"], expected, rtol=1e-4)
    assert (found["tau_lower"] <= np.array(expected) * (1 + 1e-6)).all()
    assert_allclose(factor(mask, "all", tol=1e-7), expected, rtol=2e-6)


def test_the_simulated_composites_truth_is_found_from_its_labels():
    from simulated_volumes import composite

    labels = composite(5).label[:40, :36, :38]
    electrolyte = dict(microstructure.PHASES)
    attrs = {"flag_values": list(electrolyte), "flag_meanings": " ".join(electrolyte.values())}
    volume = xr.DataArray(labels, dims=AXES, attrs=attrs)
    name = electrolyte[microstructure.ELECTROLYTE]
    found = tortuosity(volume, conductivities={name: 2.0})
    true = conduction.tortuosity_factor(labels == microstructure.ELECTROLYTE)
    assert found["tortuosity_factor"].item() == pytest.approx(true, rel=1e-4)
    assert found["effective_diffusivity"].item() == pytest.approx(2 * found["volume_fraction"].item() / true, rel=1e-4)


@given(st.integers(0, 10**6), st.floats(0.2, 0.9), st.floats(0.0, 2.0))
@settings(max_examples=8, deadline=None)
def test_bounds_hold_the_tortuosity_factor_and_none_is_below_1(seed, filled, width):
    found = tortuosity(blobs((16, 13, 15), filled, width, seed), ["z", "x"], tubes=8, tol=1e-6)
    assert (found["tau_lower"] >= 1 - 1e-6).all()
    assert (found["tortuosity_factor"] >= found["tau_lower"]).all()
    assert (found["tau_upper"] >= found["tortuosity_factor"] * (1 - 1e-5)).all()
    assert np.isinf(found["tortuosity_factor"].values).tolist() == (~found["percolating"].values).tolist()


def test_isotropic_blobs_keep_the_bound_of_hashin_and_shtrikman():
    """tau >= (3 - eps)/2 on average over axes and volumes, within three standard errors."""
    for filled in (0.3, 0.45, 0.6, 0.8):
        over = np.concatenate([factor(blobs((48,) * 3, filled, 2.0, seed), "all") for seed in range(3)])
        over -= (3 - filled) / 2
        assert over.mean() > -3 * over.std() / np.sqrt(over.size)


def test_layers_of_two_phases_conduct_in_a_row_and_side_by_side():
    labels = np.ones((24, 9, 14), np.int32)
    labels[::2] = 2
    table = {1: 1.0, 2: 10.0}
    for boundary in ("faces", "periodic"):
        found = tortuosity(labels, "all", conductivities=table, boundary=boundary, tol=1e-7)
        assert_allclose(found["effective_diffusivity"], [2 / 1.1, 5.5, 5.5], rtol=1e-5)
        assert_allclose(found["tortuosity_factor"], [5.5 * 1.1 / 2, 1, 1], rtol=1e-5)
    assert_allclose(found["effective_tensor"], np.diag([2 / 1.1, 5.5, 5.5]), atol=1e-5)


def test_the_tensor_of_slanted_layers_has_the_axes_of_the_layers():
    z, y, _ = np.indices((24, 24, 4))
    found = tortuosity((z + y) // 6 % 2 + 1, "all", conductivities={1: 1.0, 2: 3.0}, boundary="periodic", tol=1e-6)
    tensor = found["effective_tensor"].values
    assert_allclose(tensor, tensor.T)
    across, within = np.linalg.eigh(tensor[:2, :2])
    assert_allclose(np.abs(within), np.sqrt(0.5), atol=1e-4)
    assert tensor[0, 1] < 0
    assert_allclose([*across, tensor[2, 2]], [1.5, 2.0, 2.0], rtol=0.05)
    assert_allclose(found["effective_diffusivity"], np.diag(tensor))


def test_squares_of_two_phases_tend_to_the_geometric_mean():
    """J. B. Keller, J. Math. Phys. 5, 548 (1964): exactly sqrt(3) of squares without steps at their corners."""
    found = []
    for edge in (8, 16):
        z, y, _ = np.indices((2 * edge, 2 * edge, 1))
        labels = (z // edge + y // edge) % 2 + 1
        done = tortuosity(labels, conductivities={1: 1.0, 2: 3.0}, boundary="periodic", tol=1e-7)
        found.append(done["effective_diffusivity"].item())
    assert found[0] < found[1] < np.sqrt(3)
    assert found[1] == pytest.approx(np.sqrt(3), rel=0.01)


def test_a_mirrored_cell_conducts_between_faces_as_where_it_repeats():
    mask = around_sphere(23)
    assert factor(mask, boundary="periodic", tol=1e-7) == pytest.approx(factor(mask, tol=1e-7), rel=1e-5)


def test_a_shifted_cell_that_repeats_conducts_the_same():
    labels = np.random.default_rng(3).integers(1, 4, (9, 12, 10))
    table = {1: 1.0, 2: 4.0, 3: 0.0}
    settings = {"conductivities": table, "boundary": "periodic", "tol": 1e-8}
    found = tortuosity(labels, "all", **settings)["effective_tensor"]
    moved = tortuosity(np.roll(labels, (2, 5, 3), (0, 1, 2)), "all", **settings)["effective_tensor"]
    assert_allclose(moved, found, rtol=1e-5, atol=1e-5)
    flipped = tortuosity(labels[::-1], "all", **settings)["effective_tensor"].values
    sign = np.array([-1, 1, 1])
    assert_allclose(flipped, found * np.outer(sign, sign), rtol=1e-5, atol=1e-5)


def dense(conductivity, edges, axis, *, around=False):
    """Return the effective conductivity between the faces across an axis from the full matrix of a small volume."""
    matrix, source = np.zeros((conductivity.size,) * 2), np.zeros(conductivity.size)
    number = np.arange(conductivity.size).reshape(conductivity.shape)
    for at in np.ndindex(conductivity.shape):
        for along_it, edge in enumerate(edges):
            weight = np.prod(edges) / edge**2
            if at[along_it] + 1 < conductivity.shape[along_it] or (around and along_it != axis):
                other = tuple(
                    (place + (number == along_it)) % size
                    for number, (place, size) in enumerate(zip(at, conductivity.shape, strict=True))
                )
                flow = weight * 2 / (1 / conductivity[at] + 1 / conductivity[other])
                one, two = number[at], number[other]
                matrix[[one, two], [one, two]] += flow
                matrix[[one, two], [two, one]] -= flow
            if along_it == axis and at[axis] in (0, conductivity.shape[axis] - 1):
                matrix[number[at], number[at]] += 2 * weight * conductivity[at]
                source[number[at]] += 2 * weight * conductivity[at] * (at[axis] == 0)
    solved = np.linalg.solve(matrix, source).reshape(conductivity.shape)
    first = np.take(conductivity * (1 - solved), 0, axis)
    return 2 * first.sum() * conductivity.shape[axis] / (conductivity.size / conductivity.shape[axis])


def test_phases_in_voxels_of_any_edges_conduct_as_the_full_matrix_says():
    labels = np.random.default_rng(5).integers(1, 5, (7, 6, 9))
    edges, table = (2.0, 1.0, 0.5), {1: 1.0, 2: 0.02, 3: 30.0, 4: 5.0}
    places = {name: (np.arange(size) + 0.5) * edge for name, size, edge in zip(AXES, labels.shape, edges, strict=True)}
    found = tortuosity(xr.DataArray(labels, places, AXES), "all", conductivities=table, tol=1e-8)
    expected = [dense(np.vectorize(table.get)(labels), edges, axis) for axis in range(3)]
    assert_allclose(found["effective_diffusivity"], expected, rtol=1e-5)
    assert_allclose(factor(xr.DataArray(np.ones_like(labels, bool), places, AXES), "all"), 1, atol=1e-6)
    around = tortuosity(
        xr.DataArray(labels, places, AXES), "all", conductivities=table, boundary="periodic_sides", tol=1e-8
    )
    expected = [dense(np.vectorize(table.get)(labels), edges, axis, around=True) for axis in range(3)]
    assert_allclose(around["effective_diffusivity"], expected, rtol=1e-5)


def test_phases_alike_are_a_mask():
    labels = np.where(blobs((20, 25, 22), 0.6), 7, 3).astype(np.uint16)
    merged = tortuosity(np.where(labels == 7, np.arange(22) % 2 + 1, 0), "y", conductivities={1: 2.0, 2: 2.0})
    assert merged["effective_diffusivity"].item() == pytest.approx(
        2 * tortuosity(labels == 7, "y")["effective_diffusivity"].item(), rel=1e-6
    )
    nearly = tortuosity(labels, "y", conductivities={7: 1.0, 3: 1e-7}, tol=1e-6)
    assert nearly["effective_diffusivity"].item() == pytest.approx(
        tortuosity(labels, "y", conductivities={7: 1, 3: 0}, tol=1e-6)["effective_diffusivity"].item(), rel=1e-4
    )


def test_hard_cases_converge():
    baffles = np.ones((60, 50, 50), bool)
    for number, z in enumerate(range(5, 60, 10)):
        baffles[z] = False
        baffles[z, number % 2 * 40 + 3 : number % 2 * 40 + 6, 24:27] = True
    pipe = np.zeros((57, 57, 9), bool)
    for number, z in enumerate(range(0, 57, 6)):
        pipe[z : z + 3, :, 3:6] = True
        at = 54 * (1 - number % 2)
        pipe[z : z + 6, at : at + 3, 3:6] = True
    sparse = np.random.default_rng(0).random((40,) * 3) < 0.36
    for mask in (baffles, pipe, sparse):
        found = tortuosity(mask, tol=1e-5)
        assert found["converged"].item()
        assert found["tortuosity_factor"].item() == pytest.approx(conduction.tortuosity_factor(mask), rel=1e-4)


def test_a_thin_network_of_5_percent_converges():
    walk = np.random.default_rng(2)
    network = np.zeros((48,) * 3, bool)
    for start in walk.integers(4, 44, (12, 2)):
        place = np.array([0, *start])
        while place[0] < 48:
            network[tuple(place)] = True
            axis = walk.integers(3)
            place[axis] += 1 if axis == 0 else walk.choice([-1, 1])
            place[1:] = place[1:].clip(0, 47)
    network = ndimage.binary_dilation(network, np.ones((1, 2, 2)))
    assert 0.01 < network.mean() < 0.06
    assert factor(network) == pytest.approx(conduction.tortuosity_factor(network), rel=2e-4)


def test_a_solution_that_is_cut_short_says_so(monkeypatch):
    from operando.tomo import conduction as of_one
    from operando.tomo.conjugate_gradients import minimize

    monkeypatch.setattr(of_one, "minimize", lambda system, tol: minimize(system, tol, most=3))
    mask = blobs((40,) * 3, 0.3)
    with pytest.warns(OperandoWarning, match="not every solution converged"):
        found = tortuosity(mask, tol=1e-6)
    assert not found["converged"].item()
    assert found["iterations"].item() == 3
    assert found["tau_lower"].item() < conduction.tortuosity_factor(mask)


def test_threads_and_workers_of_dask_change_no_digit():
    mask = blobs((70, 66, 64), 0.45)
    alone = tortuosity(mask, ["z", "x"], workers=1)
    for workers in (2, 3):
        xr.testing.assert_identical(tortuosity(mask, ["z", "x"], workers=workers), alone)
    labels = mask + 1
    table = {1: 0.1, 2: 1.0}
    found = [factor(labels, conductivities=table, workers=workers) for workers in (1, 2)]
    assert found[0] == found[1]
    several = [dask.delayed(factor)(mask, name) for name in ("z", "x")]
    assert_array_equal(dask.compute(*several, scheduler="threads"), alone["tortuosity_factor"])


def test_a_series_in_chunks_gives_what_its_volumes_give():
    masks = np.stack([blobs((20, 22, 24), 0.5, seed=seed) for seed in (1, 2)])
    series = xr.DataArray(masks, dims=("scan", *AXES)).assign_coords(voxel_size=0.65, scan=[5, 6])
    found = tortuosity(series.chunk({"scan": 1, "z": 7}), ["x", "z"], tubes=8)
    assert found["tortuosity_factor"].dims == ("scan", "axis")
    assert found["volume_fraction"].dims == ("scan",)
    assert found["scan"].values.tolist() == [5, 6]
    for number in range(2):
        one = tortuosity(masks[number], "x", tubes=8)
        for name in ("tortuosity_factor", "tau_lower", "tau_upper", "effective_diffusivity"):
            assert found[name].sel(axis="x").values[number] == one[name].item()


def test_the_potential_falls_from_1_to_0_and_nothing_is_left_to_be_balanced():
    mask = blobs((18, 16, 17), 0.6)
    mask[0, 0, 0], mask[0, 0, 1], mask[0, 1, 0], mask[1, 0, 0] = True, False, False, False
    found = tortuosity(mask, "y", potential=True, tol=1e-9)["potential"]
    assert found.dims == AXES
    values = found.values.astype(np.float64)
    assert np.isnan(values[~mask]).all()
    assert np.isnan(values[0, 0, 0])
    assert np.nanmin(values) > 0
    assert np.nanmax(values) < 1
    around = np.pad(values, 1, constant_values=np.nan)
    around[1:-1, 0, 1:-1], around[1:-1, -1, 1:-1] = 2 - values[:, 0], -values[:, -1]
    flows = [np.roll(around, step, axis)[1:-1, 1:-1, 1:-1] - values for axis in range(3) for step in (1, -1)]
    balance = np.nansum(flows, axis=0)[~np.isnan(values)]
    assert np.abs(balance).max() < 1e-5


def test_every_variable_has_a_unit_and_a_meaning_and_the_history_tells_the_settings():
    grey = xr.DataArray(np.ones((4, 5, 6), bool), dims=AXES, attrs={"history": '[{"step": "before"}]'})
    found = tortuosity(grey, "all", tubes=2, potential=True)
    assert all("long_name" in one.attrs for one in found.data_vars.values())
    assert all(one.attrs.get("units") == "1" for name, one in found.data_vars.items() if name != "reason")
    assert '"step": "before"' in found.attrs["history"]
    assert '"tubes": 2' in found.attrs["history"]
    assert found["axis"].values.tolist() == list(AXES)
    assert tortuosity(grey, "x")["axis"].item() == "x"


def test_what_cannot_be_solved_is_refused_in_a_line():
    labels = np.ones((3, 3, 3), np.int32)
    with pytest.raises(OperandoError, match="a mask is such as labels == 1"):
        tortuosity(labels)
    with pytest.raises(OperandoError, match="a mask is such as labels == 1"):
        tortuosity(labels * 0.5)
    with pytest.raises(OperandoError, match="expected phases of"):
        tortuosity(labels, conductivities={"void": 1.0})
    with pytest.raises(OperandoError, match="conductivities from 0 on"):
        tortuosity(labels, conductivities={1: -1.0})
    with pytest.raises(OperandoError, match="conductivities from 0 on"):
        tortuosity(labels, conductivities={1: 0.0})
    with pytest.raises(OperandoError, match="expected voxels, got none"):
        tortuosity(labels[:0] == 1)
    for wrong in (
        {"dim": "w"},
        {"boundary": "open"},
        {"tol": 0.0},
        {"tubes": 0},
        {"tubes": 2, "boundary": "periodic_sides"},
    ):
        with pytest.raises(OperandoError, match=r"tomo.tortuosity: expected"):
            tortuosity(labels == 1, **wrong)


@pytest.mark.realdata
def test_the_hardest_axis_of_a_published_standard_has_its_tortuosity(realdata):
    """TF-500 of taufactor: 4.2431 along its first axis, over-converged."""
    with zipfile.ZipFile(realdata / "tomo" / "taufactor_TF-500.tiff.zip") as file:
        name = next(name for name in file.namelist() if name.endswith((".tif", ".tiff")) and "MACOSX" not in name)
        volume = tifffile.imread(BytesIO(file.read(name)))
    found = tortuosity(volume > 0)
    assert found["volume_fraction"].item() == pytest.approx(0.3, abs=1e-4)
    assert found["tortuosity_factor"].item() == pytest.approx(4.2431, abs=2e-4)
