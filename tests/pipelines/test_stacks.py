"""Stacks of images through a run: one at a time, in the place of the first, images left in their files."""

from __future__ import annotations

import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray as xr
from uview_files import Shot, module, uview_file

import operando
from operando import example_scans
from operando.errors import OperandoError, RecipeError
from operando.flags import Flag
from operando.pipelines.draft import write_draft
from operando.pipelines.recipe import load
from operando.pipelines.run import run
from operando.pipelines.steps import STEPS
from operando.pipelines.survey import survey
from operando.store import verify
from operando.xas import xpeem

pytestmark = pytest.mark.usefixtures("no_report")

SMALL = Path(example_scans.__file__).parent / "small"
RAW, PROCESSED = "xpeem/Ni_L3/raw", "xpeem/Ni_L3/processed"
HEAD = '[experiment]\ntimezone = "Europe/Zurich"\nstore = "out/cell.zarr"\n'
LOGS = """
[[series]]
node = "Ni_L3"
technique = "xpeem"
files = ["xpeem/*/*.txt"]
reader = "image_log"
read = { columns = { energy = "photon energy (eV)", time = "time", i0 = "I0 (nA)" }, units = { i0 = "nA" } }
"""
FILES = LOGS.replace("xpeem/*/*.txt", "xpeem/*.h5").replace("image_log", "hdf5").partition("read =")[0]
REGIONS = '[[series.steps]]\nuse = "regions"\npre_edge = [844.0, 850.0]\npost_edge = [861.0, 865.0]\n'
PLACED = "".join(f'[[series.steps]]\nuse = "{use}"\n' for use in ("correct", "drift", "align"))
SPECTRA = '[[series.steps]]\nuse = "spectra"\n'


@pytest.fixture
def stacks(tmp_path):
    """Return a maker of the recipe of the simulated stacks with the steps given."""
    shutil.copytree(SMALL / "xpeem", tmp_path / "xpeem")
    (tmp_path / "out").mkdir()

    def make(steps="", series=LOGS):
        (tmp_path / "beamtime.toml").write_text(HEAD + series + steps, encoding="utf-8")
        return load(tmp_path)

    return make


@pytest.fixture(scope="module")
def known():
    return xr.open_datatree(SMALL / "truth.zarr", engine="zarr")["xpeem/Ni_L3"].to_dataset().load()


def opened(summary, node=PROCESSED):
    with operando.open(summary.store) as tree:
        return tree[node].to_dataset().load()


def test_every_stack_is_brought_to_the_place_of_the_first(stacks, known):
    summary = run(stacks(PLACED + REGIONS + SPECTRA))
    assert (summary.exit_code, summary.scans) == (0, {"xpeem/Ni_L3": 2})
    ds = opened(summary)
    sound = (known["frame_flag"] == 0).values
    for name in ("drift_y", "drift_x"):
        error = (ds[name].values - known[name].values)[sound]
        assert np.sqrt(np.mean(error**2)) < 0.05
        assert (np.abs(error) < 5 * np.maximum(ds[f"{name}_std"].values[sound], 1e-9) + 1e-9).all()
    assert verify(summary.store, data=True) == []


def test_regions_of_the_first_stack_are_the_particles_and_hold_for_all(stacks, known):
    ds = opened(run(stacks(PLACED + REGIONS + SPECTRA)))
    true = known["label"].values
    pure = [np.bincount(true[ds["region_label"].values == number]) for number in ds["region"].values]
    particles = [int(counts.argmax()) for counts in pure]
    assert len(particles) > 20
    assert len(set(particles)) == len(particles)
    assert all(counts[0] == 0 and counts.max() == counts.sum() for counts in pure)
    assert ds["mu"].dims == ("scan", "region", "energy")
    step = ds["mu"].sel(energy=slice(861, 865)).mean("energy") - ds["mu"].sel(energy=slice(844, 850)).mean("energy")
    assert (step > 0).all()


def test_images_stay_in_their_files_and_open_again_from_the_store(stacks):
    summary = run(stacks(PLACED))
    with operando.open(summary.store) as tree:
        raw, folder = tree[RAW].to_dataset(), summary.store.parent / tree.attrs["files_from"]
        assert not {"counts", "flat", "dark"} & set(raw.variables)
        assert "aligned" not in tree[PROCESSED]
        again = xpeem.reopen(raw, folder)
        whole = xpeem.read_series(
            [SMALL / "xpeem" / f"Ni_L3_00{n}" / f"Ni_L3_00{n}.txt" for n in (1, 2)],
            timezone="Europe/Zurich",
            columns={"energy": "photon energy (eV)"},
        )
        np.testing.assert_array_equal(again["counts"], whole["counts"])
        np.testing.assert_array_equal(
            again["frame_flag"] & Flag.missing_frame, whole["frame_flag"] & Flag.missing_frame
        )


def test_a_recipe_may_have_the_images_copied(stacks):
    summary = run(stacks(PLACED, LOGS + "copied = true\n"))
    raw, processed = opened(summary, RAW), opened(summary)
    assert raw["counts"].dtype == np.uint16
    assert raw["flat"].dims == ("scan", "y", "x")
    assert processed["aligned"].dims == ("scan", "energy", "y", "x")
    image = processed["aligned"].mean("energy")
    np.testing.assert_allclose(image, processed["image"], rtol=1e-5)


def test_hdf5_stacks_give_the_numbers_of_their_frames_in_files(stacks):
    first = opened(run(stacks(PLACED)))
    other = opened(run(stacks(PLACED, FILES)))
    for name in ("drift_y", "drift_x", "image"):
        np.testing.assert_allclose(other[name], first[name], rtol=1e-5, atol=1e-7)


def test_a_frame_that_arrives_later_is_seen(stacks, tmp_path):
    recipe = stacks()
    assert opened(run(recipe), RAW)["flag"][1] & Flag.missing_frame
    assert run(recipe).new == 0
    folder = tmp_path / "xpeem" / "Ni_L3_002"
    shutil.copy(folder / "Ni_L3_002_0010.tif", folder / "Ni_L3_002_0009.tif")
    assert not opened(run(recipe), RAW)["flag"][1] & Flag.missing_frame


def test_stacks_that_come_later_join_those_in_the_store(stacks, tmp_path):
    shutil.move(tmp_path / "xpeem" / "Ni_L3_002", tmp_path / "aside")
    recipe = stacks(PLACED + REGIONS + SPECTRA)
    first = opened(run(recipe))
    shutil.move(tmp_path / "aside", tmp_path / "xpeem" / "Ni_L3_002")
    summary = run(recipe)
    assert summary.new == 1
    grown = opened(summary)
    shutil.rmtree(summary.store)
    at_once = opened(run(recipe))
    np.testing.assert_array_equal(grown["mu"][0], first["mu"][0])
    for name in ("drift_y", "mu", "region_label", "image"):
        np.testing.assert_array_equal(grown[name], at_once[name])


def test_pixels_of_one_kind_are_sorted_together_and_shown(stacks, known, with_report):
    """Particles and background differ in their spectra, whatever their brightness."""
    summary = run(stacks(PLACED + '[[series.steps]]\nuse = "clusters"\nnumber = 2\n'))
    assert (summary.exit_code, summary.scans) == (0, {"xpeem/Ni_L3": 2})
    ds = opened(summary)
    assert ds["map_cluster"].dims == ("scan", "y", "x")
    assert (ds["cluster_pixels"].isel(cluster=0) >= ds["cluster_pixels"].isel(cluster=1)).all()
    kind, particle = ds["map_cluster"].isel(scan=0).values, known["label"].values > 0
    seen = np.isfinite(kind)
    assert seen.mean() > 0.5
    # The blurred rims of the particles, a fifth of their pixels, may go either way.
    assert (kind[seen & particle] == 2).mean() > 0.75
    assert (kind[seen & ~particle] == 1).mean() > 0.9
    assert "cluster" in summary.report.read_text(encoding="utf-8")


def test_the_first_component_of_the_pixels_tells_particles_from_what_lies_between(stacks, known, with_report):
    summary = run(stacks(PLACED + '[[series.steps]]\nuse = "component_maps"\ncomponents = 2\n'))
    assert (summary.exit_code, summary.scans) == (0, {"xpeem/Ni_L3": 2}), summary.failed
    ds = opened(summary)
    assert ds["map_component"].dims == ("scan", "component", "y", "x")
    assert (ds["component_variance"].isel(component=0) > 4 * ds["component_variance"].isel(component=1)).all()
    score, particle = ds["map_component"].isel(scan=0, component=0).values, known["label"].values > 0
    seen = np.isfinite(score)
    inside, outside = score[seen & particle], score[seen & ~particle]
    assert abs(np.median(inside) - np.median(outside)) > 3 * np.std(outside)
    assert "component 1" in summary.report.read_text(encoding="utf-8")


def test_a_stack_that_does_not_fit_stops_no_other(stacks, tmp_path):
    folder = tmp_path / "xpeem"
    for name, change in (("Ni_L3_003", "energy"), ("Ni_L3_004", "size"), ("Ni_L3_005", "cut")):
        shutil.copy(folder / "Ni_L3_001.h5", folder / f"{name}.h5")
        if change == "cut":
            (folder / f"{name}.h5").write_bytes(b"\x89HDF\r\n\x1a\n")
            continue
        with h5py.File(folder / f"{name}.h5", "r+") as file:
            if change == "energy":
                file["energy"][...] += 0.25
            else:
                frames = file["frames"][:, :100, :90]
                for dataset in ("frames", "flat", "dark"):
                    del file[dataset]
                file["frames"] = frames
    summary = run(stacks(PLACED, FILES))
    assert (summary.exit_code, summary.scans) == (3, {"xpeem/Ni_L3": 2})
    reasons = {Path(item["source"]).stem: item["reason"] for item in summary.failed}
    assert "expected the energy values of the scans before" in reasons["Ni_L3_003"]
    assert "along 'y' as in the scans before, got 100" in reasons["Ni_L3_004"]
    assert "a sound HDF5 file" in reasons["Ni_L3_005"]


def test_frames_beyond_the_energies_of_the_series_are_left_out_and_flagged(stacks, tmp_path):
    folder = tmp_path / "xpeem"
    shutil.copy(folder / "Ni_L3_001.h5", folder / "Ni_L3_003.h5")
    with h5py.File(folder / "Ni_L3_003.h5", "r+") as file:
        for name in ("frames", "energy", "i0", "time"):
            values, units = file[name][()], file[name].attrs["units"]
            del file[name]
            file[name] = np.concatenate([values, values[-1:] + (name in {"energy", "time"})])
            file[name].attrs["units"] = units
    summary = run(stacks("", FILES))
    assert (summary.exit_code, summary.scans) == (0, {"xpeem/Ni_L3": 3})
    raw = opened(summary, RAW)
    assert raw.sizes["energy"] == 24
    assert [bool(flag & Flag.surplus_frame) for flag in raw["flag"].values] == [False, True, True]


def test_a_step_that_refuses_a_stack_is_listed_with_its_file(stacks):
    summary = run(stacks(PLACED + REGIONS.replace("844.0, 850.0", "700.0, 710.0")))
    assert (summary.exit_code, summary.scans) == (3, {"xpeem/Ni_L3": 0})
    assert "regions: expected frames between 700 and 710 eV, got none" in summary.failed[0]["reason"]
    assert summary.failed[0]["source"] == "xpeem/Ni_L3_001/Ni_L3_001.txt"


def test_regions_may_be_drawn_by_hand(stacks, tmp_path):
    label = np.zeros((128, 128), np.uint8)
    label[30:60, 30:60], label[70:90, 70:100] = 1, 2
    np.save(tmp_path / "mine.npy", label)
    recipe = stacks(PLACED + '[[series.steps]]\nuse = "regions"\nlabels = "mine.npy"\n' + SPECTRA)
    ds = opened(run(recipe))
    np.testing.assert_array_equal(ds["region_label"], label)
    assert run(recipe).new == 0
    label[70:90, 70:100] = 1
    np.save(tmp_path / "mine.npy", label)
    assert opened(run(recipe)).sizes["region"] == 1
    (tmp_path / "mine.npy").unlink()
    with pytest.raises(RecipeError, match=r"mine\.npy, which a step names"):
        run(recipe)


def test_regions_may_be_drawn_as_shapes():
    corners = [[29.5, 29.5], [29.5, 59.5], [59.5, 59.5], [59.5, 29.5]]
    other = [[70.0, 70.0], [70.0, 100.0], [90.0, 100.0], [90.0, 70.0]]
    shapes = [{"kind": "polygon", "corners": corners}, {"kind": "ellipse", "corners": other}]
    images = xr.DataArray(np.zeros((1, 2, 128, 128)), dims=("scan", "energy", "y", "x"))
    processed = xr.Dataset({"aligned": images, "image": images.mean("energy")}, attrs={"history": "[]"})
    step = STEPS["xpeem"]["regions"]
    nothing = xr.Dataset()
    ds = step.run(nothing, processed, nothing, **step.validated({"shapes": shapes}))
    label = ds["region_label"].values
    assert (label[30:60, 30:60] == 1).all()
    np.testing.assert_array_equal(ds["region_area"], [900, (label == 2).sum()])
    assert abs((label == 2).sum() - np.pi * 10 * 15) < 20
    np.testing.assert_allclose(ds["region_y"], [44.5, 80.0], atol=0.5)
    assert "xas.xpeem.drawn_regions" in ds.attrs["history"]
    with pytest.raises(OperandoError, match="either labels or shapes, got both"):
        step.run(nothing, processed, nothing, shapes=shapes, labels=Path("mine.npy"))


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        ('[[series.steps]]\nuse = "drift"\n', "put the step 'correct' before it"),
        (PLACED.replace('[[series.steps]]\nuse = "drift"\n', ""), "put the step 'drift' before it"),
        (PLACED + SPECTRA, "put the step 'regions' before it"),
        (PLACED + REGIONS + '[[series.steps]]\nuse = "normalize"\n', "put the step 'spectra' before it"),
        (PLACED + '[[series.steps]]\nuse = "regions"\n', "expected pre_edge and post_edge"),
    ],
)
def test_a_step_without_what_it_works_on_names_the_one_to_put_before(stacks, steps, said):
    assert said in run(stacks(steps)).failed[0]["reason"]


def test_references_that_cannot_be_read_are_told_before_anything_is_written(stacks, tmp_path):
    references = '[series.references]\nreader = "columns"\nfiles = { Ni = "gone.txt" }\n'
    normalize = '[[series.steps]]\nuse = "normalize"\n[[series.steps]]\nuse = "lcf"\n'
    with pytest.raises(RecipeError, match=r"gone\.txt"):
        run(stacks(PLACED + REGIONS + SPECTRA + normalize, LOGS + references))
    assert not (tmp_path / "out" / "cell.zarr").exists()


def test_a_survey_knows_stacks_and_which_images_are_theirs(tmp_path):
    shutil.copytree(SMALL / "xpeem", tmp_path / "xpeem")
    found = survey(tmp_path)
    assert {(group.reader, group.label, len(group.paths)) for group in found.groups} == {
        ("image_log", "Ni_L3", 2),
        ("hdf5", "Ni_L3", 2),
    }
    assert (found.unknown, found.failed) == ([], [])
    assert found.groups[0].notes["missing frame"] == 1


def test_a_drafted_recipe_of_stacks_runs(tmp_path):
    shutil.copytree(SMALL / "xpeem", tmp_path / "xpeem")
    path, _ = write_draft(tmp_path)
    text = path.read_text(encoding="utf-8")
    assert 'files = ["xpeem/*/*.txt"]' in text
    path.write_text(text.replace('# timezone = "Europe/Paris"', 'timezone = "Europe/Zurich"'), encoding="utf-8")
    summary = run(load(path))
    assert (summary.exit_code, summary.scans) == (0, {"xpeem/Ni_L3": 2, "xpeem/Ni_L3_2": 2})


def test_a_survey_takes_single_images_of_a_microscope_for_one_stack(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        for number in range(4):
            tags = [module("Photon Energy", 0, 850.0 + number), module("I0", 8, 1.0)]
            shot = Shot(np.full((40, 40), 10 + number), 1.7e9 + 10 * number, tags)
            (tmp_path / folder / f"s_{number}.dat").write_bytes(uview_file([shot]))
    found = survey(tmp_path)
    assert [(group.reader, len(group.paths), group.settings) for group in found.groups] == [
        ("uview", 2, {"frames": "*.dat"})
    ]
    assert found.unknown == []
    path, _ = write_draft(tmp_path)
    steps = path.read_text(encoding="utf-8").partition("[[series.steps]]")[0]
    path.write_text(steps, encoding="utf-8")
    summary = run(load(path))
    assert (summary.exit_code, list(summary.scans.values())) == (0, [2])
