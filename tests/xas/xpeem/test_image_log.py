"""Logs of image files: each frame with its own energy, time and intensity; what is not there keeps its place."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from uview_files import Shot, module, uview_file

from operando import example_scans
from operando.errors import OperandoError
from operando.flags import Flag
from operando.folders import within
from operando.log_table import parse
from operando.sniff import head
from operando.xas import xpeem
from operando.xas.xpeem.formats.image_log import recognizes, suggest

SMALL = Path(example_scans.__file__).parent / "small" / "xpeem"
COLUMNS = {"energy": "photon energy (eV)", "i0": "I0 (nA)", "time": "time"}
SETTINGS = {"columns": COLUMNS, "units": {"i0": "nA"}, "timezone": "Europe/Zurich"}
ENERGY = (850.0, 852.0, 852.5, 853.0)


def images(count=4, size=(12, 10), dtype=np.uint16):
    return [np.random.default_rng(seed).integers(1, 200, size).astype(dtype) for seed in range(count)]


def folder_of(path, frames, *, energy=ENERGY, sep="\t", rows=None, header="# Flat=flat.tif\n"):
    """Write frames as TIFF files with a log."""
    for number, frame in enumerate(frames):
        tifffile.imwrite(path / f"f_{number:02d}.tif", frame)
    tifffile.imwrite(path / "flat.tif", np.full(frames[0].shape, 7, np.uint16))
    cells = rows or [
        [str(number), f"f_{number:02d}.tif", f"{at}", f"2026-05-18T21:0{number}:00Z", f"{1 + number / 10}"]
        for number, at in enumerate(energy)
    ]
    labels = sep.join(["no", "file", "energy", "time", "I0"])
    lines = "\n".join(sep.join(row) for row in cells)
    (path / "log.txt").write_text(f"{header}# {labels}\n{lines}\n", encoding="utf-8")
    return path / "log.txt"


def plain(log, **more):
    return xpeem.read(log, columns={"energy": "energy", "time": "time", "i0": "I0"}, **more)


@pytest.mark.parametrize("number", [1, 2])
def test_the_simulated_stack_is_that_of_its_hdf5_file(number):
    one = xpeem.read(SMALL / f"Ni_L3_{number:03d}" / f"Ni_L3_{number:03d}.txt", **SETTINGS)
    other = xpeem.read(SMALL / f"Ni_L3_{number:03d}.h5", timezone="Europe/Zurich")
    for name in ("counts", "i0", "energy", "flat", "dark", "pixel_size", "frame_flag", "flag"):
        np.testing.assert_allclose(one[name], other[name], rtol=1e-6)
    assert abs((one["frame_time"] - other["frame_time"]).values).max() < np.timedelta64(1, "ms")
    assert one["i0"].attrs["units"] == "nA"


def test_faults_of_the_simulated_stacks_are_flagged_where_they_are():
    first, second = (xpeem.read(SMALL / f"Ni_L3_00{n}" / f"Ni_L3_00{n}.txt", **SETTINGS) for n in (1, 2))
    assert list(np.flatnonzero(first["frame_flag"] & Flag.saturated)) == [16]
    assert list(np.flatnonzero(second["frame_flag"] & Flag.missing_frame)) == [8]
    assert not second["counts"][8].any()
    assert int(first["flag"]) == Flag.saturated
    assert int(second["flag"]) == Flag.missing_frame | Flag.surplus_frame
    assert "Ni_L3_002_0025.tif" in second.attrs["remarks"]


def test_images_stay_in_their_files_until_they_are_used(tmp_path):
    log = folder_of(tmp_path, images())
    ds = plain(log)
    assert ds["counts"].chunks == ((1, 1, 1, 1), (12,), (10,))
    assert ds["counts"].dtype == np.uint16
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(ds))["counts"], images())
    (tmp_path / "f_01.tif").unlink()
    with pytest.raises(OperandoError, match=r"f_01\.tif: expected a TIFF image, got no such file"):
        ds["counts"].compute()


@pytest.mark.parametrize("sep", ["\t", ",", ";", "  "])
def test_any_separator_gives_the_same_stack(tmp_path, sep):
    ds = plain(folder_of(tmp_path, images(), sep=sep))
    np.testing.assert_array_equal(ds["energy"], ENERGY)
    np.testing.assert_allclose(ds["i0"], [1.0, 1.1, 1.2, 1.3])
    np.testing.assert_array_equal(ds["flat"], 7)


def test_labels_are_recognized_and_suggested():
    start = head(SMALL / "Ni_L3_001" / "Ni_L3_001.txt")
    assert recognizes(start)
    assert suggest(start) == {"columns": COLUMNS, "units": {"energy": "eV", "i0": "nA"}}
    assert not recognizes(head(SMALL.parent / "xas" / "Ni_L3_0001.txt"))


def test_a_log_without_settings_says_which_it_needs():
    with pytest.raises(OperandoError, match=r"columns = \{energy = 'photon energy \(eV\)', time = 'time', i0"):
        xpeem.read(SMALL / "Ni_L3_001" / "Ni_L3_001.txt")


def test_pages_of_one_file_are_the_frames_in_the_order_of_the_lines(tmp_path):
    tifffile.imwrite(tmp_path / "run.tif", np.array(images(5)), photometric="minisblack")
    rows = "\n".join(f"{at}\t{1 + number}" for number, at in enumerate(ENERGY))
    (tmp_path / "run.log").write_text(f"energy\tI0\n{rows}\n", encoding="utf-8")
    ds = xpeem.read(tmp_path / "run.log", "image_log", columns={"energy": "energy", "i0": 1}, pages_of="{stem}.tif")
    np.testing.assert_array_equal(ds["counts"], images(4))
    assert int(ds["flag"]) == Flag.surplus_frame | Flag.no_time


def test_frames_of_a_log_may_be_uview_files(tmp_path):
    for number, frame in enumerate(images()):
        (tmp_path / f"f_{number}.dat").write_bytes(uview_file([Shot(frame, 1.7e9, [module("Objective", 2, 1.0)])]))
    (tmp_path / "log.csv").write_text("\n".join(["file,energy", *(f"f_{n}.dat,{at}" for n, at in enumerate(ENERGY))]))
    ds = xpeem.read(tmp_path / "log.csv", columns={"energy": "energy"})
    np.testing.assert_array_equal(ds["counts"], images())


def test_paths_of_another_system_lead_to_the_files_beside_the_log(tmp_path):
    rows = [
        [str(n), rf"D:\data\run7\f_{n:02d}.tif", str(at), f"2026-05-18T21:0{n}:00Z", "1"] for n, at in enumerate(ENERGY)
    ]
    ds = plain(folder_of(tmp_path, images(), rows=rows))
    np.testing.assert_array_equal(ds["counts"], images())
    assert int(ds["flag"]) == 0


def test_energies_out_of_order_are_sorted_and_repeated_ones_flagged(tmp_path):
    ds = plain(folder_of(tmp_path, images(), energy=(852.0, 850.0, 853.0, 852.0)))
    np.testing.assert_array_equal(ds["energy"], [850.0, 852.0, 852.0, 853.0])
    np.testing.assert_array_equal(ds["counts"], np.array(images())[[1, 0, 3, 2]])
    assert int(ds["flag"]) == Flag.unsorted_energy | Flag.duplicate_energy


def test_energies_in_kilovolts_need_their_unit(tmp_path):
    log = folder_of(tmp_path, images(), energy=(0.85, 0.852, 0.853, 0.854))
    with pytest.raises(OperandoError, match=r"units = \{energy = 'keV'\}"):
        plain(log)
    np.testing.assert_allclose(plain(log, units={"energy": "keV"})["energy"], [850, 852, 853, 854])


def test_an_image_of_another_size_or_damaged_is_a_missing_frame(tmp_path):
    log = folder_of(tmp_path, images())
    tifffile.imwrite(tmp_path / "f_01.tif", np.ones((5, 5), np.uint16))
    (tmp_path / "f_02.tif").write_bytes((tmp_path / "f_02.tif").read_bytes()[:150])
    ds = plain(log)
    np.testing.assert_array_equal(ds["frame_flag"] & Flag.missing_frame, [0, Flag.missing_frame, Flag.missing_frame, 0])
    assert len(json.loads(ds.attrs["remarks"])) == 2


def test_saturation_is_more_than_a_few_hot_pixels(tmp_path):
    frames = images(4, (50, 50))
    frames[1][0, :2] = 65535
    frames[2][:5] = 65535
    log = folder_of(tmp_path, frames)
    np.testing.assert_array_equal(plain(log)["frame_flag"], [0, 0, Flag.saturated, 0])
    assert (plain(log, full_scale=100)["frame_flag"] & Flag.saturated).all()


def test_frames_without_beam_are_flagged(tmp_path):
    rows = [
        [str(n), f"f_{n:02d}.tif", str(at), f"2026-05-18T21:0{n}:00Z", i0]
        for n, (at, i0) in enumerate(zip(ENERGY, ("1", "0", "nan", "2"), strict=True))
    ]
    ds = plain(folder_of(tmp_path, images(), rows=rows))
    np.testing.assert_array_equal(ds["frame_flag"] & Flag.no_i0, [0, Flag.no_i0, Flag.no_i0, 0])


def test_local_times_without_a_zone_are_not_used(tmp_path):
    path = SMALL / "Ni_L3_001" / "Ni_L3_001.txt"
    ds = xpeem.read(path, columns=COLUMNS)
    assert np.isnat(ds["time"].values)
    assert ds.attrs["local_time_start"] == "2026-05-18 21:02:43.950"
    assert "frame_time" not in ds.coords


@pytest.mark.parametrize(
    ("settings_given", "said"),
    [
        ({"columns": {"energy": "energy", "tey": 3}}, "columns: expected keys among file, energy, i0, time"),
        ({"columns": {"energy": "Energie"}}, "'no', 'file', 'energy', 'time', 'I0'"),
        ({"columns": {"energy": 2}, "time": {"start": "x"}}, "time: expected keys among marks"),
        ({"columns": {"energy": 2}, "units": {"energy": "furlong"}}, "furlong"),
        ({"columns": {"energy": 2}, "pixel_size": -1}, "pixel_size: expected a positive number"),
        ({"columns": {"energy": 2}, "dark": "none.tif"}, r"none\.tif: expected a TIFF image, got no such file"),
        ({"columns": {"energy": 2, "time": 3}, "time": {"marks": "begin"}}, "time.marks: expected one of start"),
    ],
)
def test_a_wrong_setting_is_one_line(tmp_path, settings_given, said):
    log = folder_of(tmp_path, images())
    with pytest.raises(OperandoError, match=said) as error:
        xpeem.read(log, **settings_given)
    assert "\n" not in str(error.value)


@given(text=st.text(alphabet="a1.\t,; \n#tif", max_size=200))
@settings(max_examples=200, deadline=None)
def test_no_text_breaks_the_table(text):
    try:
        table = parse(Path("log.txt"), text)
    except OperandoError:
        return
    assert table.rows
    assert {len(row) for row in table.rows} == {table.width}


@pytest.mark.realdata
def test_real_frames_of_a_microscope_open_lazily(realdata, tmp_path):
    """Three frames of scan 0101 with one helicity ("min") of the undulator; they hold no tags beside the pixels."""
    files = sorted((realdata / "xas" / "xmcdpy").glob("peem_0101_*_min.tiff"))
    rows = [f"{file}\t{energy}" for file, energy in zip(files, (776.0, 778.5, 781.0), strict=True)]
    (tmp_path / "log.txt").write_text("\n".join(["# file\tenergy", *rows]), encoding="utf-8")
    with within([tmp_path, realdata]):
        ds = xpeem.read(tmp_path / "log.txt", columns={"energy": "energy"})
    assert ds["counts"].shape == (3, 1024, 1024)
    assert ds["counts"].dtype == np.uint16
    assert ds["counts"].chunks[0] == (1, 1, 1)
    assert int(ds["flag"]) == Flag.no_time | Flag.no_i0
    np.testing.assert_array_equal(ds["counts"][1], tifffile.imread(files[1]))
