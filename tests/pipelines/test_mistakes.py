"""A user's mistakes in the recipe and in the folder: one line, before anything is computed, and no file harmed."""

from __future__ import annotations

import os

import numpy as np
import pytest
from rich.console import Console

import operando
from operando.errors import FileError, RecipeError
from operando.flags import Flag
from operando.pipelines.check import check
from operando.pipelines.recipe import load
from operando.pipelines.run import run

pytestmark = pytest.mark.usefixtures("no_report")


def edited(folder, old, new):
    path = folder / "beamtime.toml"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def problems(folder):
    with pytest.raises(RecipeError) as caught:
        check(load(folder))
    return caught.value.problems


STORE = 'store = "cell7.zarr"'
FILES = '"xas/Ni_L3_*.txt"'


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (STORE, f'{STORE}\nreport = "beamline_voltage.csv"', "a page to write, such as 'report.html'"),
        (STORE, f'{STORE}\nreport = "beamtime.toml"', "a page to write, such as 'report.html'"),
        (STORE, f'{STORE}\nreport = "no/such/r.html"', "expected an existing folder to write r.html to"),
        (STORE, 'store = "no/such.zarr"', "expected an existing folder to write such.zarr to"),
        (STORE, 'store = "beamline_voltage.csv"', "expected a store to write, got the file"),
        (FILES, '"/etc/*"', "patterns such as 'xas/*.txt' that start from the recipe's folder"),
        (FILES, '""', "patterns such as 'xas/*.txt' that start from the recipe's folder"),
        (FILES, '"xas/**.txt"', "patterns such as 'xas/*.txt' that start from the recipe's folder"),
        ("active_mass = 7.0", "active_mass = -7.0", "expected a number above 0, got -7.0"),
        ("active_mass = 7.0", "active_mass = inf", "expected a finite number, got inf"),
        ("active_mass = 7.0", 'active_mass = "7 mg"', "expected a number, got '7 mg'"),
        ("soc0 = -0.012", "soc0 = 50", "expected a number up to 2, got 50"),
        (f"[{FILES}]", FILES, "expected a list in [ ], got 'xas/Ni_L3_*.txt'"),
        ('node = "Ni_L3"', 'node = "Ni L3"', "expected letters, digits and underscores, such as Ni_K"),
        ("cell voltage", "cel voltage", "clocks.beamline.shared_channel: "),
        ('signal = ["tey", "tfy"]', "signal = []", "step normalize: normalize: expected a signal"),
        ("e0 = 854.0", "e0 = 8333.0", "expected e0 within the scans' 838 to 892 eV, got 8333 eV"),
        ("e0 = 854.0", "e0 = nan", "expected a finite number, got nan"),
        ("pre2 = -6.0", "pre2 = -500.0", "expected pre1 below pre2, got -16 and -500"),
        ("norm1 = 27.0", "norm1 = 99.0", "expected norm1 below norm2, got 99 and 38"),
        ('units = { energy = "eV", tey = "nA", i0 = "nA", tfy = "nA" }', 'units = "eV"', "units: expected a table"),
        ('tey = "drain current"', "tey = 1.0", "columns.tey: expected a label, an index or a list of them, got 1.0"),
        ("columns = { energy", 'color = "red"\n  columns = { energy', "reader 'columns' has no setting 'color'"),
    ],
)
def test_a_mistake_is_told_with_its_key_before_anything_is_written(beamtime, old, new, told):
    edited(beamtime, old, new)
    found = problems(beamtime)
    assert len(found) == 1
    assert told in found[0]
    assert not (beamtime / "cell7.zarr").exists()


def test_a_missing_zone_is_told_once(beamtime):
    edited(beamtime, 'timezone = "Europe/Zurich"', "")
    assert len(problems(beamtime)) == 1


def test_an_edge_energy_needs_normalization_before_it(beamtime):
    path = beamtime / "beamtime.toml"
    series, step, _ = path.read_text(encoding="utf-8").partition("  [[series.steps]]")
    path.write_text(f'{series}{step}\nuse = "edge_energy"\n', encoding="utf-8")
    assert "put the step 'normalize' before it" in problems(beamtime)[0]


def test_nodes_that_differ_only_in_capitals_are_refused(beamtime):
    path = beamtime / "beamtime.toml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text + text[text.index("[[series]]") :].replace('"Ni_L3"', '"ni_l3"'), encoding="utf-8")
    assert "'ni_l3' is named twice" in problems(beamtime)[0]


def test_a_byte_order_mark_and_windows_line_ends_do_no_harm(beamtime):
    path = beamtime / "beamtime.toml"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    check(load(beamtime))


def test_a_link_to_nothing_is_a_missing_file_and_a_folder_is_none(beamtime):
    first, second, *_ = sorted((beamtime / "xas").iterdir())
    first.unlink()
    first.symlink_to(beamtime / "gone.txt")
    second.unlink()
    second.mkdir()
    summary = run(load(beamtime))
    assert summary.scans == {"xas/Ni_L3": 58}
    assert [failure["source"] for failure in summary.failed] == [f"xas/{first.name}"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_never_blocks_a_run(beamtime):
    first = min((beamtime / "xas").iterdir())
    first.unlink()
    os.mkfifo(first)
    summary = run(load(beamtime))
    assert "expected a file, got a pipe or a device" in summary.failed[0]["reason"]


def test_an_edge_that_is_not_found_is_flagged(beamtime):
    first = min((beamtime / "xas").iterdir())
    swapped = first.read_text(encoding="utf-8").replace("drain current\tI0", "I0\tdrain current")
    first.write_text(swapped, encoding="utf-8")
    with operando.open(run(load(beamtime)).store) as tree:
        ds = tree["xas/Ni_L3/processed"].to_dataset().load()
    lost = np.isnan(ds.edge_energy.values).any(axis=ds.edge_energy.dims.index("signal"))
    assert lost[0]
    np.testing.assert_array_equal(ds.flag.values & int(Flag.no_edge) != 0, lost)


def test_a_demo_is_not_written_onto_a_file(beamtime):
    from operando.pipelines.demo import run_demo
    from operando.pipelines.progress import Terminal

    with pytest.raises(FileError, match="expected a folder for the results, got a file"):
        run_demo(beamtime / "beamtime.toml", Terminal(Console()))
