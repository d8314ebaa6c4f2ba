"""The simulated beamtime as a folder: the same bytes always, and nobody else's files touched."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import h5py
import numpy as np
import pytest
import tifffile
import xarray as xr

from operando import example_scans
from operando.errors import FileError
from operando.example_scans import truth

SHIPPED = Path(example_scans.__file__).parent / "small"
NO_IMAGES = {"xpeem": {"scans": 0}, "tomography": {"steps": 0}}
FEW = {"nickel": {"scans": 3}, "xps": {"scans": 2}, "faults": {"gain_from": 0}, **NO_IMAGES}


def content(path):
    """Return what a file says: compressed files may differ from one library to the next and say the same."""
    if path.suffix == ".tif":
        image = tifffile.imread(path)
        return image.dtype.str, image.shape, image.tobytes()
    if path.suffix == ".h5":
        found = []
        with h5py.File(path) as file:
            file.visititems(lambda name, item: found.append((name, repr(dict(item.attrs)), values(item))))
        return found
    return path.read_bytes()


def values(item):
    found = np.asarray(item[()]) if isinstance(item, h5py.Dataset) else np.empty(0)
    return found.shape, found.tolist() if found.dtype.hasobject else found.tobytes()


def listed(folder):
    """Return the content of every file outside the truth."""
    return {
        path.relative_to(folder).as_posix(): content(path)
        for path in folder.rglob("*")
        if path.is_file() and truth.STORE not in path.parts
    }


def test_shipped_example_scans_are_what_the_generator_makes(beamtime):
    fresh, shipped = listed(beamtime), listed(SHIPPED)
    assert sorted(fresh) == sorted(shipped)
    assert [name for name in fresh if fresh[name] != shipped[name]] == []


def test_shipped_truth_is_what_the_generator_makes(beamtime):
    fresh, shipped = truth.read(beamtime), truth.read(SHIPPED)
    assert fresh.attrs == shipped.attrs
    xr.testing.assert_allclose(fresh, shipped, rtol=1e-12)
    assert fresh["xas/Ni_L3"]["fault"].values.tolist() == shipped["xas/Ni_L3"]["fault"].values.tolist()


def test_shipped_example_scans_stay_small():
    assert sum(path.stat().st_size for path in SHIPPED.rglob("*") if path.is_file()) < 15_000_000


def test_another_seed_changes_noise_and_not_the_truth(tmp_path):
    folders = [example_scans.simulate(tmp_path / str(seed), seed=seed, overrides=FEW) for seed in (1, 2)]
    first, second = (listed(folder) for folder in folders)
    assert {name for name in first if first[name] == second[name]} == {"beamtime.toml"}
    xr.testing.assert_identical(truth.read(folders[0])["echem"].dataset, truth.read(folders[1])["echem"].dataset)


def test_more_scans_leave_the_noise_of_the_others_alone(tmp_path):
    whole = {"gain_from": 0, "truncated_last": False, "xps_truncated_last": False}
    changes = {"nickel": {"scans": 4}, "xps": {"scans": 3}, "faults": whole, **NO_IMAGES}
    more = listed(example_scans.simulate(tmp_path / "more", seed=1, overrides=changes))
    changes |= {"nickel": {"scans": 3}, "xps": {"scans": 2}}
    fewer = listed(example_scans.simulate(tmp_path / "fewer", seed=1, overrides=changes))
    assert all(more[name] == fewer[name] for name in fewer)


def test_recipe_matches_the_files_it_names(beamtime, declared):
    recipe = tomllib.loads((beamtime / "beamtime.toml").read_text(encoding="utf-8"))
    patterns = [
        *recipe["echem"]["files"],
        *recipe["clocks"]["beamline"]["shared_channel"]["files"],
        *recipe["series"][0]["files"],
    ]
    assert [len(list(beamtime.glob(pattern))) for pattern in patterns] == [2, 1, declared.nickel.scans]
    header = (beamtime / "xas" / "Ni_L3_0001.txt").read_text().splitlines()
    labels = next(line for line in header if line.startswith("# photon"))[2:].split("\t")
    assert set(recipe["series"][0]["read"]["columns"].values()) == set(labels)
    assert any(line.startswith(f"# {recipe['series'][0]['read']['time']['start']}=") for line in header)
    assert recipe["cell"]["potential_offset"] == 0.62


def test_truth_states_clock_onsets_and_faults_and_nothing_is_left_uncompared(beamtime):
    known = truth.read(beamtime).attrs
    assert json.loads(known["clocks"])[0]["drift"] == 25e-6
    onsets = json.loads(known["onsets"])
    assert [onset["seconds"] for onset in onsets] == [3690, 80380, 88500, 164570]
    assert all(onset["seconds"] - 10 <= onset["crossing"] <= onset["seconds"] for onset in onsets)
    assert json.loads(known["faults"])["cycler_split"] is True
    assert example_scans.not_yet(truth.read(beamtime)) == []


def test_a_second_simulation_replaces_the_first_and_leaves_the_rest(tmp_path):
    folder = example_scans.simulate(tmp_path / "cell", overrides=FEW | {"nickel": {"scans": 5}})
    (folder / "notes.txt").write_text("mine")
    example_scans.simulate(folder, overrides=FEW)
    assert len(list((folder / "xas").iterdir())) == 3
    assert (folder / "notes.txt").read_text() == "mine"


def test_a_folder_of_other_files_is_refused_untouched(tmp_path):
    (tmp_path / "measured.dat").write_text("precious")
    with pytest.raises(FileError, match="choose another folder"):
        example_scans.simulate(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["measured.dat"]


def test_a_file_in_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / "cell").write_text("")
    with pytest.raises(FileError, match="a folder"):
        example_scans.simulate(tmp_path / "cell")


def test_files_outside_the_folder_survive_a_forged_list(tmp_path):
    folder = example_scans.simulate(tmp_path / "cell", overrides=FEW)
    (tmp_path / "precious.txt").write_text("mine")
    root = folder / truth.STORE / "zarr.json"
    document = json.loads(root.read_text())
    document["attributes"]["files"] = json.dumps(["../precious.txt"])
    root.write_text(json.dumps(document))
    example_scans.simulate(folder, overrides=FEW)
    assert (tmp_path / "precious.txt").exists()


def test_truth_of_a_measured_folder_is_refused(tmp_path):
    with pytest.raises(FileError, match=r"truth\.zarr"):
        truth.read(tmp_path)


def test_full_size_differs_only_in_amount(tmp_path):
    changes = {
        "nickel": {"scans": 2},
        "xps": {"scans": 2},
        "voltage_copy": {"interval": 600.0, "dense_interval": 600.0},
        **NO_IMAGES,
    }
    folder = example_scans.simulate(tmp_path / "full", "full", overrides=changes)
    assert truth.read(folder).attrs["size"] == "full"
    assert truth.read(folder)["echem"].sizes["time"] > 16_000
