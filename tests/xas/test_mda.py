"""EPICS MDA: the binary form and the text of mda2ascii give the same scans; no length in a file is trusted."""

from __future__ import annotations

import json
import struct
import tracemalloc

import numpy as np
import pytest
from scan_files import (
    ENERGY,
    edge,
    mda_ascii,
    mda_bytes,
    mda_energy_scan,
    mda_file,
    mda_scan,
    mda_start,
    xdr_text,
)

from operando import xas
from operando.errors import FileError, OperandoWarning
from operando.flags import names
from operando.schema import problems
from operando.sniff import choose, head
from operando.xas.formats import FORMATS
from operando.xas.formats.mda import MDA, MDA_TEXT, read
from operando.xas.layout import RAW

COLUMNS = {"energy": "Mono energy", "i0": "I0", "tey": "TEY"}
POINTS = ENERGY.size


def written(tmp_path, data: bytes, name="scan.mda"):
    path = tmp_path / name
    path.write_bytes(data)
    return path


def nested(inner, done=None, outer_unit="s"):
    """Return a file of scans of the energy at the points of an outer scan."""
    positions = [("ioc:delay", "delay", outer_unit, np.arange(3.0))]
    place = mda_start([3, POINTS]) + len(mda_scan(0, positions, [], rank=2))
    scans = []
    for k in range(inner):
        scans.append(mda_energy_scan(place, 0.5 * k))
        place += len(scans[-1])
    return mda_bytes(mda_scan(mda_start([3, POINTS]), positions, [], rank=2, inner=scans, done=done), [3, POINTS])


def remarks(ds) -> str:
    return " ".join(json.loads(ds.attrs.get("remarks", "[]")))


@pytest.mark.parametrize("version", [1.3, 1.4])
def test_a_scan_is_read_by_what_its_columns_are_called(tmp_path, version):
    path = written(tmp_path, mda_bytes(mda_energy_scan(mda_start([POINTS])), [POINTS], version))
    assert choose(path, FORMATS).name == "mda"
    ds = xas.read(path, timezone="Australia/Melbourne", columns=COLUMNS)
    np.testing.assert_array_equal(ds["energy"], ENERGY)
    np.testing.assert_array_equal(ds["tey"], np.float32(1e-9 * edge()))
    assert ds["tey"].attrs["units"] == "A"
    assert ds["time_start"].values == np.datetime64("2026-11-04T23:00:00.250000000")
    assert int(ds["flag"]) == 0
    assert problems(xas.read_series([path, path], columns=COLUMNS), RAW) == []
    told = json.loads(ds.attrs["metadata"])
    assert told["ioc:current (ring current)"] == "200.5 mA"
    assert told["scan number"] == 7
    by_variable = {"energy": "ioc:mono.RBV", "i0": "ioc:scaler.S2", "tey": 2}
    np.testing.assert_array_equal(ds["tey"], xas.read(path, columns=by_variable)["tey"])


def test_the_text_of_mda2ascii_gives_the_same_numbers(tmp_path):
    binary, text = mda_file(tmp_path / "scan.mda"), mda_ascii(tmp_path / "scan.asc")
    assert choose(text, FORMATS).name == "mda2ascii"
    one, other = (xas.read(path, timezone="UTC", columns=COLUMNS) for path in (binary, text))
    for name in ("energy", "i0", "tey", "time_start", "flag"):
        np.testing.assert_array_equal(one[name], other[name])
    assert one["tey"].attrs == other["tey"].attrs
    for fmt, path in ((MDA, binary), (MDA_TEXT, text)):
        assert fmt.suggest(head(path)) == {"columns": COLUMNS}


@pytest.mark.parametrize("make", [mda_file, mda_ascii])
def test_a_scan_that_stopped_early_is_flagged_and_its_empty_points_are_left_out(tmp_path, make):
    ds = xas.read(make(tmp_path / "scan", done=70), timezone="UTC", columns=COLUMNS)
    np.testing.assert_array_equal(ds["energy"], ENERGY[:70])
    assert names(int(ds["flag"])) == ["truncated"]
    with pytest.raises(FileError, match="3 points or more, got 1 of 120: the scan stopped early"):
        xas.read(make(tmp_path / "short", done=1), columns=COLUMNS)


def test_scans_of_the_energy_within_another_scan_become_a_series(tmp_path):
    path = written(tmp_path, nested(3))
    ds = xas.read(path, timezone="UTC", columns=COLUMNS)
    assert [str(one) for one in ds["source"].values] == ["scan.mda::1", "scan.mda::2", "scan.mda::3"]
    np.testing.assert_array_equal(ds["tey"], [np.float32(1e-9 * edge(shift)) for shift in (0.0, 0.5, 1.0)])
    own = json.loads(ds.attrs["metadata"])["scans"]
    assert own["3"]["outer delay"] == "2"
    second = xas.read(path, timezone="UTC", columns=COLUMNS, scan=2)
    np.testing.assert_array_equal(second["tey"], ds["tey"][1])
    with pytest.raises(FileError, match="a scan among"):
        xas.read(path, columns=COLUMNS, scan="4")


def test_an_outer_scan_that_was_stopped_has_the_inner_ones_done_so_far(tmp_path):
    ds = xas.read(written(tmp_path, nested(2, done=2)), columns=COLUMNS)
    assert ds.sizes["scan"] == 2


def test_spectra_at_the_points_of_an_energy_scan_are_passed_over(tmp_path):
    energy = [("ioc:mono", "Mono energy", "keV", ENERGY[:5] / 1e3)]
    detectors = [("ioc:S2", "I0", "", np.arange(1.0, 6)), ("ioc:S3", "TEY", "", np.arange(5.0) ** 2)]
    place = mda_start([5, 8]) + len(mda_scan(0, energy, detectors, rank=2))
    channels = [("ioc:mca.ch", "channel", "", np.arange(8.0))]
    spectrum = mda_scan(place, channels, [("ioc:mca", "spectrum", "", np.ones(8))])
    data = mda_bytes(mda_scan(mda_start([5, 8]), energy, detectors, rank=2, inner=[spectrum]), [5, 8])
    ds = xas.read(written(tmp_path, data), columns=COLUMNS)
    np.testing.assert_allclose(ds["energy"], ENERGY[:5])
    assert "1 inner scans at its points are passed over" in remarks(ds)


def test_inner_scans_that_a_cut_took_are_named_and_the_whole_ones_kept(tmp_path):
    data = nested(3)
    path = written(tmp_path, data[: data.rfind(xdr_text("ioc:scan1")) + 400])
    with pytest.warns(OperandoWarning, match="scan 3: expected .* more bytes"):
        ds = xas.read(path, columns=COLUMNS)
    assert ds.sizes["scan"] == 2
    assert "variables noted beside the scan cannot be read" in remarks(ds)


@pytest.mark.parametrize(
    ("kind", "values", "text"),
    [
        (29, struct.pack(">ii", 3, -4), "3 -4 mm"),
        (30, struct.pack(">ff", 0.5, 2), "0.5 2 mm"),
        (33, struct.pack(">ii", 8, 9), "8 9 mm"),
        (34, struct.pack(">dd", 1e-9, 2), "1e-09 2 mm"),
        (32, struct.pack(">ii", ord("o"), ord("k")), "ok"),
    ],
)
def test_variables_noted_beside_the_scan_are_kept_whatever_their_type(tmp_path, kind, values, text):
    extra = xdr_text("ioc:x") + xdr_text("") + struct.pack(">ii", kind, 2) + xdr_text("mm") + values
    word = xdr_text("ioc:y") + xdr_text("what") + struct.pack(">i", 0) + xdr_text("closed")
    data = mda_bytes(mda_energy_scan(mda_start([POINTS])), [POINTS], extra=[extra, word])
    told = json.loads(xas.read(written(tmp_path, data), columns=COLUMNS).attrs["metadata"])
    assert told["ioc:x"] == text
    assert told["ioc:y (what)"] == "closed"


@pytest.mark.parametrize(
    ("at", "value", "message"),
    [
        (8, 99, "1 to 10 dimensions, got 99"),
        (8, 2, "byte"),
        (24, 2, "a scan of rank 1"),
        (28, 2**31 - 1, "a number of points that the file can hold"),
        (28, -5, "a number of points that the file can hold"),
        (28, 40000, "a number of points that the file can hold|more bytes"),
        (36, 2**30, "a text of 1073741824 characters"),
    ],
)
def test_a_length_that_cannot_be_is_refused_before_anything_is_made_of_it(tmp_path, at, value, message):
    data = bytearray(mda_bytes(mda_energy_scan(mda_start([POINTS])), [POINTS]))
    data[at : at + 4] = struct.pack(">i", value)
    path = written(tmp_path, bytes(data))
    tracemalloc.start()
    with pytest.raises(FileError, match=message) as caught:
        read(path, columns=COLUMNS)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**20
    assert "\n" not in str(caught.value)


def test_scans_that_lie_on_each_other_are_not_read_again_and_again(tmp_path):
    """Nine ranks of 30 points that all lead to one inner scan would be 30**9 scans."""
    positions, shape = [("x", "x", "", np.arange(30.0))], [30] * 10
    start, scans = mda_start(shape), b""
    for rank in range(10, 0, -1):
        one = mda_scan(start, positions, [], rank=rank)
        start += len(one)
        scans += one[:12] + struct.pack(">30i", *[start] * 30) + one[132:] if rank > 1 else one
    with pytest.raises(FileError, match="expected"):
        read(written(tmp_path, mda_bytes(scans, shape)), columns=COLUMNS)


def test_a_time_that_is_none_is_a_remark(tmp_path):
    path = mda_file(tmp_path / "scan.mda")
    path.write_bytes(path.read_bytes().replace(b"Nov 05, 2026 10:00:00.250000", b"Nov 55, 2026 10:00:00.250000"))
    ds = xas.read(path, timezone="UTC", columns=COLUMNS)
    assert "no date: Nov 55" in remarks(ds)
    assert names(int(ds["flag"])) == ["no_time"]


def test_a_text_of_several_dimensions_keeps_its_outer_readings(tmp_path):
    path = tmp_path / "scan.asc"
    first, second = (mda_ascii(tmp_path / f"{k}.asc", shift=k).read_text() for k in (0, 1))
    outer = (
        "# 2-D Scan Point\n# Current point = {} of 2\n# Scanner = ioc:scan2\n# Scan time = Nov 05, 2026 09:00:00.0\n\n"
        "# Column Descriptions:\n#    1  [2-D Positioner 1]  ioc:d.VAL, delay, LINEAR, s, ioc:d.RBV, delay, s\n\n"
        "# 2-D Scan Values: {} \n\n\n"
    )
    head_lines, _, block = first.partition("# 1-D Scan\n")
    text = head_lines + outer.format(1, 0.5) + "# 1-D Scan\n" + block
    text += outer.format(2, 1.5) + "# 1-D Scan\n" + second.partition("# 1-D Scan\n")[2]
    path.write_text(text)
    ds = xas.read(path, timezone="UTC", columns=COLUMNS)
    assert [str(one) for one in ds["source"].values] == ["scan.asc::1", "scan.asc::2"]
    np.testing.assert_array_equal(ds["tey"], [np.float32(1e-9 * edge(shift)) for shift in (0.0, 1.0)])
    own = json.loads(ds.attrs["metadata"])["scans"]
    assert [own[key]["outer delay"] for key in ("1", "2")] == ["0.5", "1.5"]


@pytest.mark.parametrize("separator", [",", " ", ", ", "\t"])
def test_a_text_is_read_whatever_stands_between_its_columns(tmp_path, separator):
    path = mda_ascii(tmp_path / "scan.asc")
    path.write_text(path.read_text().replace("\t", separator))
    np.testing.assert_array_equal(xas.read(path, columns=COLUMNS)["tey"], np.float32(1e-9 * edge()))


@pytest.mark.realdata
def test_the_two_forms_of_a_measured_scan_are_equal(realdata):
    folder = realdata / "xas/pynexafs"
    columns = {
        "energy": "calculated ph energy",
        "i0": "I0 Chamber",
        "tey": "Sample Drain",
        "tfy": "SR14ID01IOC68:scaler1.S19",
        "fluorescence": ["SR14ID01DPP01:mca1.R0", "ICR", "OCR"],
    }
    one, other = (
        read(folder / f"sxr129577.{end}", timezone="Australia/Melbourne", columns=columns) for end in ("mda", "asc")
    )
    assert one.sizes["energy"] == 601
    for name in ("energy", "i0", "tey", "tfy", "fluorescence", "time_start", "flag"):
        np.testing.assert_array_equal(one[name], other[name])
    assert json.loads(one.attrs["metadata"]) == json.loads(other.attrs["metadata"])
    setpoints = [
        read(folder / f"sxr129577.{end}", columns={**columns, "energy": "Mono setpoint"})["energy"]
        for end in ("mda", "asc")
    ]
    np.testing.assert_allclose(*setpoints, rtol=1e-8)
