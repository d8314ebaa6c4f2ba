"""Measured volumes and projections through drafted recipes: only the size of a voxel is asked for."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
import tifffile

import operando
from operando import tomo
from operando.errors import RecipeError
from operando.pipelines.draft import write_draft
from operando.pipelines.recipe import load
from operando.pipelines.run import run

pytestmark = pytest.mark.realdata

OPEN = 'voxel_size = ""'
CROPS = {
    "snow": ("snow.tif", 'names = ["air", "ice"]', "ice", (0.5, 0.7)),
    "cement": ("cement_128x128x128.tif", 'names = ["void", "paste"]', "void", (0.05, 0.2)),
    "shell": ("shell_225x128x128.tif", 'names = ["air", "shell"]', "shell", (0.3, 0.55)),
    "fibers": ("fibers_150x150x150.tif", 'names = ["matrix", "fiber"]', "fiber", (0.45, 0.75)),
}
"""File, phases, one of them and what it may fill of the middle of the volume."""
LABELS = {
    "cotton": ("localthickness_cotton.tif", "thresholds = [127.5]"),
    "nmc": ("matbox_nmc-1-cal_generatedCBD_bridge.tif", "thresholds = [0.5, 1.5]"),
}


@pytest.fixture(autouse=True)
def no_pages(monkeypatch):
    """Write no reports, which are tested elsewhere."""
    monkeypatch.setattr("operando.pipelines.report.write_store", lambda _store, page: page)


def crop(realdata, name: str, folder: Path) -> np.ndarray:
    """Write the middle of a measured volume as a file of its own, and return it."""
    with tifffile.TiffFile(realdata / "tomo" / name) as file:
        count = len(file.pages)
        values = file.asarray(key=range(count // 2 - 10, count // 2 + 10))[:, 20:80, 20:80]
    tifffile.imwrite(folder / "volume.tif", values, photometric="minisblack")
    return values


def drafted(folder: Path, *changes: tuple[str, str]) -> str:
    """Write a draft into a folder, then what the user changes in it; return the draft."""
    path, _ = write_draft(folder)
    text = drafted_text = path.read_text(encoding="utf-8")
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    path.write_text(text, encoding="utf-8")
    return drafted_text


def fractions(folder: Path) -> dict[str, float]:
    summary = run(load(folder))
    assert summary.failed == []
    with operando.open(summary.store) as tree:
        found = tree[f"xtm/{load(folder).series[0].node}/processed"]["fraction"].load()
    return dict(zip(map(str, found["phase"].values), found.values[0].tolist(), strict=True))


@pytest.mark.parametrize("name", list(CROPS))
def test_grey_volumes_need_but_the_size_of_a_voxel(realdata, tmp_path, name):
    file, names, phase, (least, most) = CROPS[name]
    crop(realdata, file, tmp_path)
    drafted(tmp_path, ("classes = 3", f"classes = 2\n{names} #"))
    with pytest.raises(RecipeError, match="voxel_size"):
        run(load(tmp_path))
    path = tmp_path / "beamtime.toml"
    path.write_text(path.read_text(encoding="utf-8").replace(OPEN, "voxel_size = 2.0"), encoding="utf-8")
    assert least < fractions(tmp_path)[phase] < most


@pytest.mark.parametrize("name", list(LABELS))
def test_labels_are_counted_as_they_are(realdata, tmp_path, name):
    file, thresholds = LABELS[name]
    values = crop(realdata, file, tmp_path)
    assert thresholds in drafted(tmp_path, (OPEN, "voxel_size = 2.0"))
    counts = np.unique(values, return_counts=True)[1]
    np.testing.assert_allclose(list(fractions(tmp_path).values()), counts / values.size, rtol=1e-12)


def test_the_tooth_goes_from_projections_to_enamel(realdata, tmp_path):
    """Half of its pixels in either direction, so that it takes a moment; its axis is then at half the pixel."""
    with h5py.File(realdata / "tomo" / "tomopy_tooth.h5") as file, h5py.File(tmp_path / "tooth.h5", "w") as small:
        for key in ("data", "data_white", "data_dark"):
            frames = file[f"exchange/{key}"][:, :1].astype(float)
            small[f"exchange/{key}"] = frames.reshape(*frames.shape[:2], -1, 2).mean(axis=-1).astype(np.float32)
        small["exchange/theta"] = file["exchange/theta"][()]
    drafted(tmp_path, (OPEN, "voxel_size = 6.0"), ("classes = 3", 'names = ["air", "dentin", "enamel"]\nclasses = 3 #'))
    found = fractions(tmp_path)
    assert 0.8 < found["air"] < 0.95
    assert 0.02 < found["enamel"] < 0.12
    with operando.open(load(tmp_path).store) as tree:
        raw = tree[f"xtm/{load(tmp_path).series[0].node}/raw"].to_dataset().load()
    assert raw["rotation_center"].item() == pytest.approx((296 - 0.5) / 2, abs=0.5)
    grey = tomo.reopen(raw, tmp_path)["grey"][0, 0]
    assert np.isnan(grey[0, 0])
    assert float(grey.max()) > 5 * abs(float(grey[10:20, 150:170].mean()))
