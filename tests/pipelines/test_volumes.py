"""Volumes through a run: one at a time, slices left in their files, cracks numbered, measured and followed."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import tifffile
import xarray as xr
from without_report import without_report

import operando
from operando import example_scans, tomo
from operando.errors import OperandoError, RecipeError
from operando.flags import Flag
from operando.pipelines import report, scratch
from operando.pipelines.export import write_ome_zarr
from operando.pipelines.recipe import load
from operando.pipelines.report.void_volumes import measured
from operando.pipelines.run import run
from operando.pipelines.sources import checksum
from operando.pipelines.steps import cracks, volumes
from operando.pipelines.steps.volume_costs import affordable
from operando.pipelines.survey import survey
from operando.pipelines.writer import Writer
from operando.store import verify

pytestmark = pytest.mark.usefixtures("no_report")

SMALL = Path(example_scans.__file__).parent / "small"
NODE = "xtm/composite"
STEPS = (1, 3, 5)
TEXT = (SMALL / "beamtime.toml").read_text("utf-8")
RECIPE = TEXT.partition("[[series]]")[0] + "[[series]]" + TEXT.rpartition("[[series]]")[2]


def folder_of(path: Path, steps=STEPS) -> Path:
    """Copy the cell's log, some of the volumes and a recipe for them."""
    for name in ("echem", *(f"xtm/step_{step:03d}" for step in steps)):
        shutil.copytree(SMALL / name, path / name)
    shutil.copy(SMALL / "beamline_voltage.csv", path)
    lines = (SMALL / "xtm" / "steps.txt").read_text("utf-8").splitlines()
    kept = [line for line in lines if line[0] == "#" or int(line.split()[0]) in steps]
    (path / "xtm" / "steps.txt").write_text("\n".join(kept) + "\n", encoding="utf-8")
    (path / "beamtime.toml").write_text(RECIPE.replace("repeats = 3", "repeats = 2"), encoding="utf-8")
    return path


def nodes(store: Path) -> dict[str, xr.Dataset]:
    with operando.open(store) as tree:
        return {name: node.to_dataset().load() for name, node in tree[NODE].children.items()}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Return the folder of a run in one go, its summary and its nodes."""
    folder = folder_of(tmp_path_factory.mktemp("volumes"))
    with without_report():
        summary = run(load(folder))
    return folder, summary, nodes(summary.store)


@pytest.fixture(scope="module")
def truth():
    known = xr.open_datatree(SMALL / "truth.zarr", engine="zarr")["xtm"].to_dataset()
    return known.isel(scan=[step - 1 for step in STEPS]).load()


def test_volumes_are_linked_and_their_slices_flagged(whole, truth):
    _, summary, found = whole
    assert (summary.exit_code, summary.scans) == (0, {NODE: 3})
    processed = found["processed"]
    np.testing.assert_allclose(processed["potential"], truth["potential"], atol=0.02)
    np.testing.assert_array_equal(processed["frame_flag"], truth["slice_flag"])
    np.testing.assert_array_equal(processed["flag"] & truth.attrs["judged_flags"], truth["flag"])
    assert verify(summary.store, data=True) == []


def test_the_store_opens_in_plain_xarray_and_its_slices_from_their_files(whole):
    folder, summary, found = whole
    with xr.open_datatree(summary.store, engine="zarr", chunks={}) as tree:
        plain = tree[f"{NODE}/processed"].to_dataset()
        assert plain["label"].chunks[0] == (1, 1, 1)
        assert "grey" not in plain
        assert "grey" not in tree[f"{NODE}/raw"]
        xr.testing.assert_identical(plain.load(), found["processed"])
    grey = tomo.reopen(found["raw"], folder)["grey"]
    np.testing.assert_array_equal(grey[0], tomo.read(folder / "xtm/step_001", log="steps.txt")["grey"])


def test_all_volumes_share_levels_and_a_detection_limit(whole):
    processed = whole[2]["processed"]
    for name in ("threshold", "grey_level", "matrix_level", "void_level", "noise", "detection_limit"):
        assert (processed[name] == processed[name][0]).all(), name
    size = float(processed["voxel_size"][0])
    assert 0.1 * size < float(processed["detection_limit"][0]) < 2 * size
    gaps = processed["gap_detection_limit"]
    assert (gaps == gaps[0]).all()
    assert 1.5 * size < float(gaps[0]) < 4 * size
    assert (processed["void_volume_unseen"] > 0).all()
    np.testing.assert_allclose(processed["fraction"].sum("phase"), 1, rtol=1e-12)


def test_particles_fill_what_they_truly_fill(whole, truth):
    ncm = whole[2]["processed"]["fraction"].sel(phase="ncm").to_numpy()
    np.testing.assert_allclose(ncm, truth["phase_fraction"].sel(phase="ncm"), rtol=0.04)


def test_tortuosity_and_contact_are_those_of_the_truth_within_their_errors(whole, truth):
    processed = whole[2]["processed"]
    factor = processed["tortuosity_factor"].sel(axis="z")
    error = processed["tortuosity_factor_systematic"].sel(axis="z")
    assert (np.abs(factor.to_numpy() - truth["tortuosity_factor"].to_numpy()) < 2 * error.to_numpy()).all()
    assert processed["percolating"].sel(axis="z").all()
    assert (processed["tortuosity_reason"].sel(axis=["y", "x"]) == "not asked for").all()
    lost = truth["contact_lost_inside"] / truth["particle_surface_inside"]
    # Pores touch particles as well, and gaps below the detection limit are not seen.
    assert (np.abs(processed["contact_share"] - (1 - lost)) < 2 * processed["contact_share_uncertainty"]).all()


def test_surfaces_and_lines_where_phases_meet_are_those_of_the_truth_within_their_errors(whole, truth):
    processed = whole[2]["processed"]
    surface = truth["particle_surface_inside"] / (64 * truth.attrs["voxel_size"]) ** 3
    found, error = (processed[f"specific_surface_area{end}"].sel(phase="ncm") for end in ("", "_systematic"))
    assert (np.abs(found.to_numpy() - surface.to_numpy()) < 2 * error.to_numpy()).all()
    kinds = np.select([truth["label"] == 1, truth["label"] == 2], [3, 2], 1)
    lines = tomo.triple_phase_length(
        truth["label"].copy(data=kinds).assign_coords(voxel_size=truth.attrs["voxel_size"]), 1, 2, 3
    )
    off = processed["triple_phase_density"].to_numpy() - lines["triple_phase_density"].to_numpy()
    assert (np.abs(off) < 2 * processed["triple_phase_density_uncertainty"].to_numpy()).all()


def test_the_table_holds_the_objects_of_all_volumes_and_their_numbers(whole):
    table, processed = whole[2]["objects"], whole[2]["processed"]
    assert np.bincount(table["scan"], minlength=3).tolist() == processed["objects"].to_numpy().tolist()
    for scan in range(3):
        own = table.isel(object=np.flatnonzero(table["scan"] == scan))
        counts = np.bincount(processed["label"][scan].to_numpy().ravel())[1:]
        np.testing.assert_array_equal(own["number"], np.arange(1, counts.size + 1))
        np.testing.assert_array_equal(own["voxels"], counts)
    assert table["phase"].values.tolist() == ["unknown", "void", "electrolyte", "ncm"]
    largest = table.isel(object=int(table["void_volume"].argmax("object")))
    assert float(largest["void_volume_std"]) < 0.02 * float(largest["void_volume"])


def test_the_report_shows_slices_cracks_and_their_limit_where_the_volumes_are_out_of_reach(
    whole, tmp_path, with_report
):
    shutil.copytree(whole[1].store, tmp_path / "alone.zarr")
    said = report.write_store(tmp_path / "alone.zarr", tmp_path / "report.html").read_text("utf-8")
    processed = whole[2]["processed"]
    for words in ("which shows most of the cracks", "Copy the table", "(detection limit) more than half of the volume"):
        assert words in said
    last = (float(processed[f"crack_volume{part}"][-1]) for part in ("", "_uncertainty"))
    assert measured(*last) in said
    assert "Of gaps beside particles more than half is missed below" in said
    middle = processed["preview_z"].values[processed.sizes["preview_z"] // 2]
    at = int(np.flatnonzero(processed["z"] == middle)[0])
    cracked = processed["preview_kind"].attrs["flag_meanings"].split().index("crack")
    number = np.ravel(processed["preview_kind"].attrs["flag_values"])[cracked]
    np.testing.assert_array_equal(
        processed["preview_kind"].sel(preview_z=middle) == number, processed["crack_mask"].isel(z=at).astype(bool)
    )


def test_the_crack_that_grows_is_one_crack_and_dated(whole, truth):
    tracks, processed = whole[2]["cracks"], whole[2]["processed"]
    grown = tracks.isel(crack=int(tracks["volume_last"].argmax("crack")))
    assert (int(grown["first_scan"]), int(grown["last_scan"])) == (0, 2)
    assert (np.diff(grown["volume"]) > 0).all()
    assert grown["time_birth"].values == processed["time"].values[0]
    middle = np.round(truth["crack_center"][0] / truth.attrs["voxel_size"] - 0.5).astype(int).to_numpy()
    for scan in range(3):
        near = processed["label"][scan].to_numpy()[tuple(slice(at - 1, at + 2) for at in middle)]
        assert int(grown["object"][scan]) in near


def test_a_run_killed_between_volumes_goes_on_and_a_broken_folder_is_listed(whole, tmp_path, monkeypatch):
    folder = folder_of(tmp_path)
    broken = folder / "xtm" / "step_004"
    broken.mkdir()
    for number in range(3):
        (broken / f"slice_{number:04d}.tif").write_bytes(b"II*\0 no image")
    append, done = Writer.append, []

    def killed(self, datasets):
        if len(done) == 1:
            raise KeyboardInterrupt
        done.append(append(self, datasets))

    monkeypatch.setattr(Writer, "append", killed)
    with pytest.raises(KeyboardInterrupt):
        run(load(folder))
    monkeypatch.undo()
    summary = run(load(folder))
    assert (summary.exit_code, summary.new, summary.scans) == (3, 2, {NODE: 3})
    assert [one["source"] for one in summary.failed] == ["xtm/step_004"]
    for name, node in nodes(summary.store).items():
        xr.testing.assert_equal(node, whole[2][name])


def worked_up(raw):
    """Return what the steps make of volumes, and the table of their objects."""
    nothing = raw.drop_vars(list(raw.variables)).drop_attrs()
    known = volumes.segment(raw, raw.drop_vars("grey"), nothing, levels=[9000.0, 13283.0, 44714.0])
    known = volumes.fractions(raw, known, method="grey")
    levels = {"matrix": 13283.0, "void": 9000.0, "noise": 1000.0, "noise_blur": 0.0, "blur": 0.7}
    known = cracks.label(raw, cracks.cracks(raw, known, nothing, repeats=0, **levels), smallest=30)
    return known.compute(), cracks.objects(known, active="phase_3").compute()


def test_volumes_larger_than_memory_give_the_same_numbers(monkeypatch):
    raw = tomo.read_series([SMALL / "xtm" / "step_005"], log="steps.txt")
    at_once = worked_up(raw.compute())
    monkeypatch.setattr(scratch, "IN_MEMORY", 0)
    in_parts = worked_up(raw.chunk(z=20, y=24, x=31))
    for one, other in zip(at_once, in_parts, strict=True):
        for name, array in one.variables.items():
            if array.dtype.kind == "f":
                np.testing.assert_allclose(other[name], array, rtol=1e-5, atol=1e-6, err_msg=str(name))
            else:
                np.testing.assert_array_equal(other[name], array, err_msg=str(name))


def test_projections_are_no_volumes_and_listed_beside_them(tmp_path):
    shutil.copytree(SMALL / "xtm" / "step_001", tmp_path / "xtm" / "step_001")
    shutil.copy(SMALL / "xtm" / "step_001.h5", tmp_path / "xtm")
    series = '[[series]]\nnode = "a"\ntechnique = "xtm"\nfiles = ["xtm/step_*"]\n'
    (tmp_path / "beamtime.toml").write_text(series, encoding="utf-8")
    summary = run(load(tmp_path))
    assert (summary.exit_code, summary.scans) == (3, {"xtm/a": 1})
    assert "expected scans along z, got projections along angle, y, x" in summary.failed[0]["reason"]


def test_a_slice_that_changes_changes_the_folder_and_a_copy_does_not(tmp_path):
    folder = tmp_path / "step_001"
    shutil.copytree(SMALL / "xtm" / "step_001", folder, copy_function=shutil.copyfile)
    before = checksum(folder)
    assert before == checksum(SMALL / "xtm" / "step_001")
    one = folder / "slice_0001.tif"
    content = one.read_bytes()
    middle = len(content) // 2
    for changed in (content[:-1] + bytes([content[-1] ^ 1]), content[:middle] + b"\1\2\3" + content[middle + 3 :]):
        one.write_bytes(changed)
        assert checksum(folder) != before
    one.write_bytes(content)
    assert checksum(folder) == before
    one.rename(folder / "slice_0099.tif")
    assert checksum(folder) != before
    one.symlink_to(folder / "slice_0099.tif")
    with_link = checksum(folder)
    (folder / "slice_0099.tif").write_bytes(content[:-1])
    assert checksum(folder) != with_link


def test_zarr_volumes_are_found_and_stores_of_operando_are_not(whole, tmp_path):
    places = {dim: (np.arange(8) + 0.5) * 0.5 for dim in "zyx"}
    write_ome_zarr(tmp_path / "volume.zarr", xr.DataArray(np.zeros((8, 8, 8), np.uint16), places, ("z", "y", "x")))
    shutil.copytree(whole[1].store, tmp_path / "cell.zarr")
    found = survey(tmp_path)
    assert [(group.technique, [path.name for path in group.paths]) for group in found.groups] == [
        ("xtm", ["volume.zarr"])
    ]
    assert not any("cell.zarr" in str(path) for path in found.unknown)


def moved(path: Path, number: int, shift: int, gain: float) -> None:
    """Write a volume of balls, moved along y, on a grey scale of its own."""
    z, y, x = np.indices((24, 28, 32))
    grey = np.full(z.shape, 100.0)
    for place, radius in (((8, 9, 9), 5), ((14, 17, 22), 6), ((18, 9, 27), 3)):
        inside = (z - place[0]) ** 2 + (y - place[1] - shift) ** 2 + (x - place[2]) ** 2 < radius**2
        grey[inside] = 200.0
    grey = (grey + np.random.default_rng(number).normal(0, 3, z.shape)) * gain
    tifffile.imwrite(path / f"v_{number}.tif", grey.astype(np.uint16))


MOVED = """[experiment]
store = "out.zarr"
[[series]]
node = "balls"
technique = "xtm"
files = ["v_*.tif"]
read = { voxel_size = 0.5 }
"""


def steps(*uses: str) -> str:
    return "".join(f"[[series.steps]]\nuse = {use}\n" for use in uses)


@pytest.fixture
def balls(tmp_path):
    for number, (shift, gain) in enumerate(((0, 10.0), (2, 12.0)), 1):
        moved(tmp_path, number, shift, gain)

    def make(*uses):
        (tmp_path / "beamtime.toml").write_text(MOVED + steps(*uses), encoding="utf-8")
        return load(tmp_path)

    return make


def test_volumes_are_brought_to_the_place_and_the_scale_of_the_first(balls):
    recipe = balls(
        '"denoise"',
        '"match_grey"\npeaks = [1000.0, 2000.0]',
        '"register"\nkind = "translation"',
        '"align"\norder = 1',
        '"segment"\nclasses = 2\nnames = ["matrix", "ball"]',
        '"fractions"',
        '"label"\nof = "ball"',
        '"track"',
    )
    summary = run(recipe)
    assert summary.failed == []
    with operando.open(summary.store) as tree:
        found = tree["xtm/balls/processed"].to_dataset().load()
        tracks = tree["xtm/balls/track"].to_dataset().load()
    np.testing.assert_allclose(found["translation"], [[0, 0, 0], [0, 1.0, 0]], atol=0.02)
    np.testing.assert_allclose(found["grey_gain"], [1, 10 / 12], rtol=0.01)
    filled = found["volume"].sel(phase="ball")
    np.testing.assert_allclose(filled[1], filled[0], rtol=0.01)
    assert found["objects"].values.tolist() == [3, 3]
    assert tracks.sizes["crack"] == 3
    assert (tracks["last_scan"] == 1).all()


def test_a_slice_that_was_lost_is_no_void_where_it_is_moved_to():
    grey = np.full((1, 16, 12, 12), 100, np.uint16)
    grey[0, 5] = 0
    flags = np.zeros((1, 16), np.int32)
    flags[0, 5] = int(Flag.missing_frame)
    raw = xr.Dataset(
        {"grey": (("scan", "z", "y", "x"), grey, {"units": "1"})},
        {dim: (np.arange(size) + 0.5) * 0.5 for dim, size in zip("zyx", grey.shape[1:], strict=True)},
        {"history": "[]"},
    ).assign_coords(frame_flag=(("scan", "z"), flags))
    known = raw.drop_vars("grey").assign(
        translation=(("scan", "axis"), [[1.0, 0.0, 0.0]]), matrix=(("scan", "axis", "column"), np.eye(3)[np.newaxis])
    )
    moved = volumes.align(raw, known.assign_coords(center=("axis", [4.0, 3.0, 3.0])), order=0)
    assert np.isnan(moved["grey"][0, 3]).all()
    assert (moved["grey"].isel(scan=0, z=[1, 5, 8]) == 100).all()
    assert not moved["frame_flag"].any()


def test_images_are_copied_if_the_recipe_says_so(balls):
    recipe = balls('"segment"\nthresholds = [1500.0]')
    text = recipe.path.read_text(encoding="utf-8").replace('technique = "xtm"', 'technique = "xtm"\ncopied = true')
    recipe.path.write_text(text, encoding="utf-8")
    with operando.open(run(load(recipe.path)).store) as tree:
        assert tree["xtm/balls/raw"]["grey"].shape == (2, 24, 28, 32)


@pytest.mark.parametrize(
    ("uses", "said"),
    [
        (['"segment"\nlevels = [1000.0, 2000.0]\nthresholds = [1200.0, 1500.0]'], "one level more than thresholds"),
        (['"segment"\nclasses = 2', '"label"\nof = "ball"'], "'of' among crack, void, phase_1, phase_2, got 'ball'"),
        (['"label"'], "put the step 'cracks' before it"),
        (['"cracks"\nmatrix = 1000.0\nvoid = 2000.0\nnoise = 30.0\nblur = 0.7'], "void darker than the matrix"),
    ],
)
def test_a_step_that_refuses_volumes_is_listed_with_each(balls, uses, said):
    summary = run(balls(*uses))
    assert (summary.exit_code, [one["source"] for one in summary.failed]) == (3, ["v_1.tif", "v_2.tif"])
    assert all(said in one["reason"] for one in summary.failed)


@pytest.mark.parametrize("use", ["align", "fractions", "objects", "track"])
def test_a_step_without_the_one_it_works_on_is_no_recipe(balls, use):
    with pytest.raises(RecipeError, match="put that step before it"):
        balls(f'"{use}"')


def test_a_volume_of_other_voxels_is_listed_and_stops_no_other(balls, tmp_path):
    summary = run(balls('"segment"\nthresholds = [1500.0]'))
    tifffile.imwrite(tmp_path / "v_3.tif", np.zeros((24, 20, 32), np.uint16))
    moved(tmp_path, 4, 1, 10.0)
    summary = run(load(tmp_path))
    assert (summary.scans, summary.new) == ({"xtm/balls": 3}, 1)
    assert [one["source"] for one in summary.failed] == ["v_3.tif"]
    assert "expected 28 along 'y'" in summary.failed[0]["reason"]


def test_a_volume_beyond_the_memory_is_refused_before_it_is_read():
    import dask.array as da

    chunks = (64, 64, 64)
    volume = xr.DataArray(da.zeros((20000, 20000, 20000), dtype=np.uint16, chunks=chunks[0] * 64), dims=("z", "y", "x"))
    with pytest.raises(OperandoError, match="use smaller chunks"):
        affordable(volume, "plate_filter")
    assert affordable(volume[:64, :64, :64], "plate_filter").shape == chunks
