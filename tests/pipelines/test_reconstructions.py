"""Projections through a run: reconstructed once, kept beside the store, referred to, segmented like any volume."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import tifffile

import operando
from operando import tomo
from operando.errors import RecipeError
from operando.history import entries
from operando.pipelines.derived_volumes import origin_of, place_of
from operando.pipelines.draft import write_draft
from operando.pipelines.recipe import load
from operando.pipelines.run import run
from operando.pipelines.survey import survey

PIXELS, ROWS, PIXEL = 64, 6, 0.5
CENTER = 32.0
MU, RADIUS, AWAY = 0.04, 9.0, 6.0
"""Attenuation (1/px) and radius of a rod, px, and how far from the axis it stands."""
NODE = "xtm/rod"


def projections(path: Path, radius: float = RADIUS) -> None:
    """Write the projections of a rod that stands upright beside the axis of rotation, without noise."""
    angle = np.arange(0, 180, 2.0)
    place = np.arange(PIXELS) - CENTER - AWAY * np.cos(np.deg2rad(angle))[:, np.newaxis]
    chord = 2 * np.sqrt(np.clip(radius**2 - place**2, 0, None))
    seen = np.broadcast_to((1000 + 40000 * np.exp(-MU * chord))[:, np.newaxis], (angle.size, ROWS, PIXELS))
    with h5py.File(path, "w") as file:
        file["exchange/data"] = np.rint(seen).astype(np.uint16)
        file["exchange/data_white"] = np.full((2, ROWS, PIXELS), 41000, np.uint16)
        file["exchange/data_dark"] = np.full((2, ROWS, PIXELS), 1000, np.uint16)
        file["exchange/theta"] = angle
        file["measurement/instrument/detector/pixel_size_x"] = PIXEL
        file["measurement/instrument/detector/pixel_size_x"].attrs["units"] = "um"


SERIES = """[[series]]
node = "rod"
technique = "xtm"
files = ["scan_*.h5"]
"""
HEAD = f"""{SERIES}[[series.steps]]
use = "reconstruct"
center = {CENTER}
"""
SEGMENT = f"""[[series.steps]]
use = "segment"
thresholds = [{MU / PIXEL / 2}]
names = ["air", "rod"]
[[series.steps]]
use = "fractions"
"""


def folder_of(path: Path, text: str = HEAD + SEGMENT) -> Path:
    path.mkdir(exist_ok=True)
    projections(path / "scan_1.h5")
    (path / "beamtime.toml").write_text(text, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Return the folder of a run, its summary and its nodes."""
    folder = folder_of(tmp_path_factory.mktemp("rods") / "cell")
    summary = run(load(folder))
    with operando.open(summary.store) as tree:
        return folder, summary, {name: tree[f"{NODE}/{name}"].to_dataset().load() for name in ("raw", "processed")}


@pytest.fixture(autouse=True)
def no_pages(monkeypatch, whole):
    """Write no report after the first run; that takes longer than these volumes."""
    monkeypatch.setattr("operando.pipelines.report.write_store", lambda _store, page: page)
    return whole


def test_the_volume_is_kept_beside_the_store_which_refers_to_it(whole):
    folder, summary, nodes = whole
    assert (summary.exit_code, summary.scans) == (0, {NODE: 1})
    raw = nodes["raw"]
    assert raw["reconstructed"].item() == "cell.volumes/rod/scan_1.h5.ome.zarr"
    assert raw["source"].item() == "scan_1.h5"
    assert not {"grey", "projections", "flat", "dark"} & set(raw.variables)
    wanted = tomo.reconstruct(tomo.read(folder / "scan_1.h5"), center=CENTER, outside=np.nan)
    np.testing.assert_array_equal(tomo.reopen(raw, folder)["grey"][0], wanted)
    assert tomo.read(folder / raw["reconstructed"].item())["voxel_size"] == PIXEL


def test_a_rod_fills_what_it_truly_fills_of_the_cylinder_that_all_projections_see(whole):
    processed = whole[2]["processed"]
    known = processed["phase_label"].values > 0
    assert not known[..., [0, -1], [0, -1]].any()
    # A threshold halfway cuts a disk's edge where it is: 1 pixel of its rim of 57 is worth 0.4 % of its area.
    area = np.pi * (RADIUS * PIXEL) ** 2 * ROWS * PIXEL
    assert float(processed["volume"].sel(phase="rod").item()) == pytest.approx(area, rel=0.01)
    # The cylinder that is seen has the distance from the axis to the nearer edge of the detector as its radius.
    reach = min(CENTER, PIXELS - 1 - CENTER) + 0.5
    assert float(processed["fraction"].sel(phase="rod").item()) == pytest.approx((RADIUS / reach) ** 2, rel=0.015)


def test_the_history_tells_how_the_volume_was_made(whole):
    said = [step["step"] for step in entries(whole[2]["processed"])]
    assert said[:3] == ["tomo.read", "tomo.reconstruct", "series.stack"]
    assert entries(whole[2]["raw"])[1]["parameters"]["center"] == CENTER
    assert whole[2]["raw"]["rotation_center"].item() == CENTER


def test_a_volume_is_made_again_only_if_what_it_is_made_from_changed(whole, tmp_path, monkeypatch):
    folder = tmp_path / "cell"
    shutil.copytree(whole[0], folder)
    made = []
    reconstruct = tomo.reconstruct
    monkeypatch.setattr(tomo, "reconstruct", lambda scan, **said: made.append(said) or reconstruct(scan, **said))
    recipe = folder / "beamtime.toml"
    recipe.write_text(HEAD + SEGMENT.replace("thresholds = [0.04]", "thresholds = [0.03]"), encoding="utf-8")
    assert run(load(folder)).new == 1
    tried, made[:] = len(made), []
    projections(folder / "scan_2.h5", radius=5.0)
    assert run(load(folder)).scans == {NODE: 2}
    assert len(made) == tried + 1
    made.clear()
    recipe.write_text(HEAD + 'window = "hann"\n' + SEGMENT, encoding="utf-8")
    assert run(load(folder)).new == 2
    assert len(made) == tried + 2


def test_what_a_killed_run_left_goes_and_what_is_not_ours_stays(tmp_path):
    folder = folder_of(tmp_path / "cell")
    kept = folder / "cell.volumes" / "rod"
    (kept / ".scan_1.h5.ome.zarr.0123.partial").mkdir(parents=True)
    (kept / "scan_1.h5.ome.zarr").mkdir()
    (kept / "scan_1.h5.ome.zarr" / "notes.txt").write_text("mine", encoding="utf-8")
    summary = run(load(folder))
    assert "expected nothing here or a volume that a run has made" in summary.failed[0]["reason"]
    assert (kept / "scan_1.h5.ome.zarr" / "notes.txt").read_text(encoding="utf-8") == "mine"
    shutil.rmtree(kept / "scan_1.h5.ome.zarr")
    assert run(load(folder)).failed == []
    assert [path.name for path in kept.iterdir()] == ["scan_1.h5.ome.zarr"]


def test_frames_that_wait_after_phase_retrieval_go_when_the_volume_is_there(tmp_path, monkeypatch):
    monkeypatch.setattr("operando.pipelines.steps.reconstructions.IN_MEMORY", 0)
    folder = folder_of(tmp_path / "cell", HEAD + "delta_beta = 5.0\nenergy = 20.0\ndistance = 1.0\n")
    assert run(load(folder)).failed == []
    assert [path.name for path in (folder / "cell.volumes" / "rod").iterdir()] == ["scan_1.h5.ome.zarr"]


def test_volumes_go_where_the_recipe_says_and_are_no_scans_of_their_own(tmp_path):
    folder = folder_of(tmp_path / "cell", '[experiment]\nvolumes = "scratch"\n' + HEAD)
    run(load(folder))
    assert origin_of(folder / "scratch" / "rod" / "scan_1.h5.ome.zarr")
    assert [group.reader for group in survey(folder).groups] == ["dxchange"]
    assert place_of(folder, "../day/scan.h5::entry/1", "", folder).name == "day/scan.h5__entry/1.ome.zarr"


def test_a_missing_package_is_told_before_the_run_with_what_to_install(tmp_path, monkeypatch):
    folder = folder_of(tmp_path, HEAD.replace(f"center = {CENTER}\n", ""))
    for name in [name for name in sys.modules if name.split(".")[0] == "algotom"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "algotom", None)
    with pytest.raises(RecipeError) as said:
        run(load(folder))
    assert str(said.value).count("\n") == 0
    assert "to find the axis of rotation, or its pixel as 'center'; pip install operando[tomo]" in str(said.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (HEAD + "delta_beta = 300.0\n", "expected delta_beta, energy (keV) and distance (mm) together, got no energy"),
        (HEAD.replace("32.0", "99.0"), "expected the center within the 64 pixels, got 99"),
        (HEAD + 'rings = "sorting"\nring_settings = { wide = 3 }\n', "expected ring_settings among size, dim"),
        (SEGMENT + '[[series.steps]]\nuse = "reconstruct"\n', "makes the scans, so it comes first, before 'segment'"),
        (SERIES + SEGMENT, "put the step 'reconstruct' first"),
    ],
)
def test_what_cannot_be_reconstructed_is_refused_before_the_run(tmp_path, text, said):
    head = "" if text.startswith("[[series]]") else SERIES
    folder = folder_of(tmp_path, head + text)
    with pytest.raises(RecipeError) as refused:
        run(load(folder))
    assert said in str(refused.value)


def test_volumes_need_no_reconstruction(tmp_path):
    folder_of(
        tmp_path,
        HEAD.replace("scan_*.h5", "volume.tif").replace("[[series.steps]]", "read.voxel_size = 1.0\n[[series.steps]]"),
    )
    tifffile.imwrite(tmp_path / "volume.tif", np.zeros((4, 8, 8), np.uint8), photometric="minisblack")
    with pytest.raises(RecipeError, match="expected projections, got grey; leave this step out"):
        run(load(tmp_path))


def test_a_draft_for_projections_runs_as_it_is(tmp_path):
    projections(tmp_path / "scan_1.h5")
    path, _ = write_draft(tmp_path)
    text = path.read_text(encoding="utf-8")
    assert 'use = "reconstruct"' in text.splitlines()
    path.write_text(text.replace('use = "reconstruct"', f'use = "reconstruct"\ncenter = {CENTER}'), encoding="utf-8")
    assert run(load(path)).failed == []


def test_a_draft_for_labels_takes_them_as_they_are(tmp_path):
    labels = np.tile(np.array([0, 3, 255], np.uint8).repeat(4), (6, 12, 1))
    tifffile.imwrite(tmp_path / "labels.tif", labels)
    path, _ = write_draft(tmp_path)
    text = path.read_text(encoding="utf-8")
    assert "thresholds = [1.5, 129.0]" in text
    path.write_text(text.replace('voxel_size = ""', "voxel_size = 0.5"), encoding="utf-8")
    with operando.open(run(load(path)).store) as tree:
        found = tree[f"xtm/{load(path).series[0].node}/processed"]["fraction"].values
    np.testing.assert_allclose(found, 1 / 3)
