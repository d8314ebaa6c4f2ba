"""A log of volumes gives each its time, in the zone that is told, and a series that keeps the place of a lost one."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from volume_files import EDGE, dxchange, grey, pages, slices, zarr_array

from operando import example_scans, tomo
from operando.errors import OperandoError, OperandoWarning
from operando.flags import Flag
from operando.header_times import Span
from operando.sniff import head
from operando.tomo.formats import volume_log
from operando.tomo.formats.step_log import recognizes, suggest

SMALL = Path(example_scans.__file__).parent / "small" / "xtm"
STARTS = ("2026-05-18 17:57:43", "2026-05-19 05:21:04", "2026-05-19 16:44:25")


def log_of(
    path,
    names=("step_1", "step_2", "step_3"),
    header=f"# Voxel size (um)={EDGE}\n",
    labels="folder\ttime at start\ttime at end",
):
    """Write a log of steps of ten minutes."""
    rows = [f"{name}\t{start}\t{start[:14]}59:59" for name, start in zip(names, STARTS, strict=False)]
    (path / "steps.txt").write_text("\n".join([f"{header}# {labels}", *rows, ""]), encoding="utf-8")
    return path / "steps.txt"


@pytest.fixture
def three(tmp_path):
    for number in (1, 2, 3):
        slices(tmp_path / f"step_{number}", grey(seed=number), edge=None)
    return log_of(tmp_path)


def test_the_simulated_log_is_recognized_and_its_columns_suggested():
    start = head(SMALL / "steps.txt")
    assert recognizes(start)
    assert suggest(start) == {"columns": {"folder": "folder", "start": "time at start", "end": "time at end"}}
    assert not recognizes(head(SMALL.parent / "xas" / "Ni_L3_0001.txt"))
    assert not recognizes(head(SMALL.parent / "beamline_voltage.csv"))
    assert not recognizes(head(SMALL.parent / "xpeem" / "Ni_L3_001" / "Ni_L3_001.txt"))


def test_a_log_is_a_series_with_times_in_the_zone_of_the_beamline(three):
    ds = tomo.read(three, timezone="Europe/Zurich")
    np.testing.assert_array_equal(ds["grey"], [grey(seed=number) for number in (1, 2, 3)])
    assert ds["time_start"].values[0] == np.datetime64("2026-05-18T15:57:43", "ns")
    assert ds["time_end"].values[1] == np.datetime64("2026-05-19T03:59:59", "ns")
    np.testing.assert_allclose(ds["voxel_size"], EDGE)
    assert list(ds["source"].values) == ["steps.txt::step_1", "steps.txt::step_2", "steps.txt::step_3"]
    assert ds["images"].values[0].splitlines()[0] == "step_1/slice_0001.tif"
    assert not ds["flag"].any()


def test_without_a_zone_local_times_are_not_used(three):
    ds = tomo.read(three)
    assert np.isnat(ds["time"]).all()
    assert (ds["flag"] == Flag.no_time).all()
    assert ds.attrs["local_time_start"] == STARTS[0]


def test_one_volume_finds_its_line_in_the_log(three):
    folder = three.parent / "step_2"
    for path in (folder, folder / "slice_0001.tif"):
        ds = tomo.read(path, timezone="Europe/Zurich", log="steps.txt")
        assert ds["time_start"].values == np.datetime64("2026-05-19T03:21:04", "ns")
        assert float(ds["voxel_size"]) == EDGE
    named = {"file": "steps.txt", "folder": 0, "start": "time at start", "duration": 600}
    ds = tomo.read(folder, timezone="Europe/Zurich", log=named)
    assert ds["time_end"].values - ds["time_start"].values == np.timedelta64(600, "s")
    slices(three.parent / "step_9", edge=None)
    with pytest.raises(OperandoError, match="one line for step_9, got 0 among 3 lines"):
        tomo.read(three.parent / "step_9", log="steps.txt")


def test_who_wants_one_volume_reads_one_time_of_a_log(three, monkeypatch):
    times = []
    monkeypatch.setattr(volume_log, "span", lambda _path, start, **_rest: times.append(start) or Span())
    tomo.read(three.parent / "step_2", timezone="UTC", log="steps.txt")
    assert times == [STARTS[1]]


def test_a_log_that_names_few_volumes_again_and_again_is_refused_before_its_times_are_read(three, monkeypatch):
    monkeypatch.setattr(volume_log, "span", lambda *_given, **_rest: pytest.fail("a time was read"))
    lines = three.read_text(encoding="utf-8").splitlines(keepends=True)
    three.write_text("".join([*lines[:2], *lines[2:] * 10]), encoding="utf-8")
    with pytest.raises(OperandoError, match="expected lines that each name a volume of their own, got 30 lines for 3"):
        tomo.read(three, timezone="UTC")


def test_files_and_stores_have_logs_too(tmp_path):
    pages(tmp_path / "a.tif")
    zarr_array(tmp_path / "b.zarr")
    log_of(tmp_path, ("a.tif", "b"), header="")
    for name, settings in (("a.tif", {}), ("b.zarr", {"voxel_size": EDGE})):
        ds = tomo.read(tmp_path / name, timezone="Europe/Zurich", log="steps.txt", **settings)
        assert not np.isnat(ds["time"])


def test_a_log_that_states_another_voxel_is_told(tmp_path):
    pages(tmp_path / "a.tif")
    log_of(tmp_path, ("a",), header="# Voxel size (nm)=1300\n")
    with pytest.warns(OperandoWarning, match=r"states a voxel of 0\.65 um, which is taken, its log 1\.3 um"):
        assert float(tomo.read(tmp_path / "a.tif", log="steps.txt")["voxel_size"]) == pytest.approx(EDGE)


def test_a_lost_volume_keeps_its_place_in_the_series(three):
    for file in (three.parent / "step_2").iterdir():
        file.unlink()
    ds = tomo.read(three, timezone="Europe/Zurich")
    assert ds.sizes["scan"] == 3
    assert (ds["frame_flag"][1] == Flag.missing_frame).all()
    assert int(ds["flag"][1]) == Flag.missing_frame
    assert not ds["grey"][1].any()
    assert ds["time_start"].values[1] == np.datetime64("2026-05-19T03:21:04", "ns")
    assert "step_2: expected" in ds.attrs["remarks"]


def test_a_log_of_another_system_leads_to_what_lies_beside_it(three):
    log = log_of(three.parent, tuple(rf"D:\run\step_{number}" for number in (1, 2, 3)))
    np.testing.assert_array_equal(tomo.read(log)["grey"][2], grey(seed=3))
    outside = log_of(three.parent, ("../../etc", "step_2", "step_3"))
    assert (tomo.read(outside)["frame_flag"][0] == Flag.missing_frame).all()


@pytest.mark.parametrize("way", ["tomo/step_{}", "./tomo/step_{}", r"tomo\step_{}"])
def test_a_log_may_lie_above_its_volumes(tmp_path, way):
    for number in (1, 2, 3):
        slices(tmp_path / "tomo" / f"step_{number}", grey(seed=number), edge=None)
    log = log_of(tmp_path, tuple(way.format(number) for number in (1, 2, 3)))
    assert recognizes(head(log))
    np.testing.assert_array_equal(tomo.read(log)["grey"][2], grey(seed=3))


def test_wrong_settings_are_told_in_a_line(three):
    for settings, said in (
        ({"columns": {"folder": "where"}}, "expected a column 'where', got 'folder', 'time at start'"),
        ({"columns": {"begin": 1}}, "log: expected keys among file, folder, start, end"),
        ({"columns": 3}, "columns: expected a table"),
        ({"columns": {"start": 0}}, "expected a date and time in ISO 8601, got 'step_1'"),
        ({"columns": {"duration": -1, "end": 2}}, "log.duration: expected seconds, got -1"),
        ({"volumes": {"pages": 1}}, "reader 'tiff' has no setting 'pages'"),
    ):
        with pytest.raises(OperandoError, match=said):
            tomo.read(three, "step_log", timezone="Europe/Zurich", **settings)
    with pytest.raises(OperandoError, match="log: expected the name of a text beside the volume"):
        tomo.read(three.parent / "step_1", log=3)
    for file in three.parent.glob("step_*/*"):
        file.unlink()
    with pytest.raises(OperandoError, match="expected a volume that can be read, got"):
        tomo.read(three)


def test_projections_are_no_volumes_of_a_series(tmp_path):
    dxchange(tmp_path / "a.h5")
    with pytest.raises(OperandoError, match="expected a volume, got projections"):
        tomo.read(log_of(tmp_path, ("a",)), "step_log", timezone="Europe/Zurich")


def test_a_header_tells_how_many_slices_there_are():
    ds = tomo.read(SMALL / "steps.txt", timezone="Europe/Zurich")
    assert ds["grey"].shape == (5, 64, 64, 64)
    assert "step_005: 65 frames, 64 expected" in json.loads(ds.attrs["remarks"])
