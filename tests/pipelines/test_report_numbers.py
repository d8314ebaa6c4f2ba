"""Tables to be copied from the report are those that the export writes, whole where there is room for them."""

from __future__ import annotations

import csv
import html.parser
import re

import numpy as np
import pytest
import xarray as xr
from experiments import EVIL, experiment
from small_experiments import experiment as small_experiment

from operando.pipelines.export import write_csv
from operando.pipelines.export.tables import main_table, tables
from operando.pipelines.report import numbers


class Cells(html.parser.HTMLParser):
    """The rows of every table, by what is said of it."""

    def __init__(self, text):
        super().__init__()
        self.tables, self.said, self.inside = {}, "", ""
        self.feed(text)

    def handle_starttag(self, tag, _attrs):
        self.inside = tag
        if tag == "table":
            self.tables[self.said] = []
        if tag == "summary":
            self.said = ""
        if tag == "tr":
            self.tables[self.said].append([])
        if tag in {"td", "th"}:
            self.tables[self.said][-1].append("")

    def handle_endtag(self, _tag):
        self.inside = ""

    def handle_data(self, data):
        if self.inside == "summary":
            self.said += data.replace("\u00a0", " ").replace("\u202f", " ")
        if self.inside in {"td", "th"}:
            self.tables[self.said][-1][-1] += data


def page(tree):
    return "".join(part.text for part in numbers.draw(tree))


def test_tables_are_those_of_the_export_to_the_last_letter(tmp_path):
    tree = small_experiment()
    found = Cells(page(tree)).tables
    (path, *_), _ = write_csv(tmp_path, tree, ["xas/Ni_K/processed"])
    with path.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.reader(line for line in stream if not line.startswith("# ")))
    own = next(cells for said, cells in found.items() if said.startswith("Ni_K"))
    assert own == rows
    assert {"potential (V)", "edge_energy (eV)", "edge_energy_std (eV)", "flag_reasons"} < set(own[0])


def test_every_series_and_node_with_numbers_has_a_table_and_cycles_have_one():
    tree = small_experiment()
    said = list(Cells(page(tree)).tables)
    assert [name.partition(":")[0] for name in said[:2]] == ["half-cycles", "cycles"]
    series = {path.split("/")[2] for path in tree.groups if path.count("/") == 3}
    assert series <= {name.partition(":")[0].partition(" ")[0].rstrip(",") for name in said}


def test_what_files_say_is_text_in_cells_and_labels():
    tree = experiment(3, with_echem=False)
    ds = tree["xas/Ni_K/processed"].to_dataset()
    tree["xas/Ni_K/processed"] = xr.DataTree(ds.assign_coords(source=("scan", np.array([EVIL] * 3, object))))
    said = page(tree)
    assert EVIL not in said
    (own,) = Cells(said).tables.values()
    assert own[1][own[0].index("source")] == EVIL


def test_of_many_scans_so_many_are_shown_as_there_is_room_for_and_it_is_said(monkeypatch):
    monkeypatch.setattr(numbers, "_CELLS", 3000)
    tree = experiment(400, with_echem=False)
    said = page(tree)
    ((name, rows),) = Cells(said).tables.items()
    wide, shown = len(rows[0]), len(rows) - 1
    assert name == f"Ni_K: 400 scans, {wide} columns"
    assert 3000 - 2 * wide < shown * wide <= 3000
    assert (rows[1][0], rows[-1][0]) == ("0", "399")
    words = re.sub(r"<[^>]*>", "", said).replace("\u00a0", " ")
    assert f"{shown} lines of 400 lines, evenly chosen" in words
    assert "operando export STORE --format csv --node xas/Ni_K/processed" in words


def test_small_tables_stay_whole_where_a_large_one_is_cut(monkeypatch):
    monkeypatch.setattr(numbers, "_CELLS", 2000)
    tree = experiment(400, with_echem=False)
    tree["xas/Co_K/processed"] = xr.DataTree(experiment(5)["xas/Ni_K/processed"].to_dataset())
    found = Cells(page(tree)).tables
    assert [len(rows) - 1 for name, rows in found.items() if name.startswith("Co_K")] == [5]


def test_no_spectrum_is_read_for_the_table_of_scans():
    ds = experiment(4)["xas/Ni_K/processed"].to_dataset()
    dask = pytest.importorskip("dask.array")

    def refuse(_):
        raise AssertionError

    spectra = dask.map_blocks(refuse, dask.zeros((4, ds.sizes["energy"])), dtype=float)
    found = main_table(ds.assign(normalized=(("scan", "energy"), spectra)))
    assert found is not None
    assert [column.label for column in found.columns] == [column.label for column in tables(ds)[0][0].columns]


def test_each_parameter_of_a_fit_has_its_own_unit():
    ds = xr.Dataset(
        {"value": (("scan", "parameter"), np.ones((2, 2)), {"units_in": "parameter_unit"})},
        {
            "parameter": np.array(["a.area", "a.fwhm"], object),
            "parameter_unit": ("parameter", np.array(["count*eV", "eV"], object)),
        },
    )
    found = main_table(ds)
    assert found is not None
    assert [one.label for one in found.columns] == ["scan", "value [a.area] (count*eV)", "value [a.fwhm] (eV)"]


def test_a_log_has_its_times_once():
    labels = [one.label for one in tables(small_experiment()["echem"].to_dataset())[0][0].columns]
    assert labels.count("time (UTC)") == 1


def test_without_scans_and_cycles_there_is_no_table():
    assert not numbers.wants(xr.DataTree())
