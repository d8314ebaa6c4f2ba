"""PHOENIX files: labels give the names, and the line whose edge is scanned gives the fluorescence."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scan_files import edge

from operando import xas
from operando.errors import FileError
from operando.flags import Flag, names
from operando.sniff import choose, head
from operando.xas.formats import FORMATS
from operando.xas.formats.columns import COLUMNS
from operando.xas.formats.phoenix import recognizes

ENERGY = np.arange(1500.0, 1650.0, 1.0)
SHAPE = edge(energy=ENERGY + 8345.0 - 1565.0)


def written(tmp_path, energy=ENERGY, lines=("MgKa", "AlKa"), channels=True):
    columns = {"Energy": energy, "I0_KEITHLEY1": 0.1 + 1e-4 * np.arange(energy.size), "KEITHLEY1_GAIN": 7 + 0 * energy}
    columns |= {f"{line}_sum_cps": 3e4 * SHAPE for line in lines}
    columns |= {"KEITHLEY4_TEY": -1e-2 * SHAPE}
    for number in (1, 2, 3):
        columns |= {f"D{number}_{line}_corr": 1e4 * SHAPE + number for line in lines} if channels else {}
    labels = "    ".join(f"{name}_c{k}" for k, name in enumerate(columns, start=1))
    rows = "\n".join("    ".join(f"{value:.9E}" for value in row) for row in np.column_stack([*columns.values()]))
    path = tmp_path / "anything.txt"
    path.write_text(f"#    {labels}\n{rows}\n")
    return path


def test_names_come_from_the_labels_and_channels_from_the_edge_that_is_scanned(tmp_path):
    path = written(tmp_path)
    assert choose(path, FORMATS).name == "phoenix"
    ds = xas.read(path)
    assert set(ds.data_vars) == {"i0", "tey", "fluorescence"}
    assert ds["fluorescence"].sizes == {"energy": ENERGY.size, "detector": 3}
    np.testing.assert_allclose(ds["tey"], -1e-2 * SHAPE, rtol=1e-8)
    labels = json.loads(ds.attrs["metadata"])["columns"]["fluorescence"]
    assert [label.partition("_c1")[0][:7] for label in labels] == ["D1_AlKa", "D2_AlKa", "D3_AlKa"]
    assert names(int(ds["flag"])) == ["no_time"]


def test_magnesium_is_taken_where_its_edge_is_scanned(tmp_path):
    ds = xas.read(written(tmp_path, energy=ENERGY - 250.0))
    assert "MgKa" in json.loads(ds.attrs["metadata"])["columns"]["fluorescence"][0]


def test_sums_are_taken_where_there_are_no_channels(tmp_path):
    ds = xas.read(written(tmp_path, channels=False))
    np.testing.assert_allclose(ds["fluorescence"].squeeze("detector"), 3e4 * SHAPE, rtol=1e-8)


@pytest.mark.parametrize(("shift", "lines"), [(5000.0, ("MgKa", "AlKa")), (0.0, ("AlKa", "BrLa"))])
def test_no_line_or_two_lines_within_the_scan_are_a_remark(tmp_path, shift, lines):
    ds = xas.read(written(tmp_path, energy=ENERGY + shift, lines=lines))
    assert "fluorescence" not in ds
    assert "name columns.fluorescence" in json.loads(ds.attrs["remarks"])[0]


def test_columns_can_be_named_otherwise(tmp_path):
    path = written(tmp_path)
    ds = xas.read(path, columns={"fluorescence": "MgKa_sum_cps_c4", "tfy": 4})
    assert ds["fluorescence"].dims == ("energy",)
    assert "tfy" in ds
    with pytest.raises(FileError, match="a column 'AlKb'"):
        xas.read(path, columns={"tfy": "AlKb"})


def test_a_file_that_ends_within_a_line_is_flagged(tmp_path):
    path = written(tmp_path)
    path.write_text(path.read_text()[:-3])
    ds = xas.read(path)
    assert int(ds["flag"]) & Flag.truncated
    assert ds.sizes["energy"] == ENERGY.size - 1


def test_other_columns_are_not_taken_for_it(tmp_path):
    path = written(tmp_path)
    for old, new in (("KEITHLEY", "AMP"), ("_c2 ", "_c9 "), ("#", " ")):
        path.write_text(path.read_text().replace(old, new))
        assert not recognizes(head(path))
        assert choose(path, FORMATS) == COLUMNS


@pytest.mark.realdata
def test_the_measured_scan_has_its_channels_sum_and_one_backward_step(realdata):
    path = realdata / "xas/larch/SLS_PHOENIX_2023.dat"
    ds = xas.read(path)
    assert names(int(ds["flag"])) == ["no_time", "unsorted_energy"]
    total = COLUMNS.read(path, columns={"energy": 0, "fluorescence": "AlKa_sum_cps_c3"})
    np.testing.assert_allclose(ds["fluorescence"].sum("detector"), total["fluorescence"], rtol=1e-8)
    assert abs(xas.find_e0(xas.signal(ds, "fluorescence")).item() - 1567) < 3
