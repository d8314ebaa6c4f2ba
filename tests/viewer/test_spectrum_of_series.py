"""Spectra without images in a real viewer: they are those of the functions of floor 1 and of the run, scan by scan."""

from __future__ import annotations

import numpy as np
import pytest

import operando
from operando import xas
from operando.errors import OperandoError

NODE = "xas/Ni_L3"
RANGES = {"e0": 854.0, "pre1": -16.0, "pre2": -6.0, "norm1": 27.0, "norm2": 38.0, "nnorm": 0}
LCF = {"scale": True, "background": "linear", "bounds": (-0.5, 1.5)}


@pytest.fixture(scope="module")
def tree(cell):
    return operando.open(cell)


@pytest.fixture(scope="module")
def stored(tree):
    return tree[f"{NODE}/processed"].to_dataset()[["normalized", "fraction", "fraction_std", "energy_shift"]].load()


@pytest.fixture(scope="module")
def widget(viewer, cell, wait):
    """Return the widget in a viewer without any layer, as ``operando view`` shows what has no images."""
    from operando.viewer.opening import open_in

    with pytest.raises(OperandoError, match="expected volumes, stacks of images or maps"):
        open_in(viewer, cell / "echem")
    assert open_in(viewer, cell / "xas" / "Ni_L3").layer is None
    made = viewer.window.dock_widgets["Spectrum"]
    wait(lambda: made.result is not None, 60)
    return made


@pytest.fixture
def spectrum(widget, wait):
    widget.ranges.take(RANGES)
    yield widget
    wait(lambda: widget._work is None, 60)


def shows(widget, scan, tree):
    time = tree[f"{NODE}/raw"]["time"].values[scan]
    return widget._work is None and widget.result["time"].values == time


def test_a_series_without_layers_is_shown_scan_by_scan_as_the_run_stored_it(spectrum, viewer, tree, stored, wait):
    assert len(viewer.layers) == 0
    assert spectrum.series.chosen.node == NODE
    for scan in (0, 41):
        spectrum.scan.setValue(scan)
        wait(lambda at=scan: shows(spectrum, at, tree))
        assert list(spectrum.result["signal"].values) == ["tey", "tfy"]
        for name in stored.data_vars:
            np.testing.assert_allclose(spectrum.result[name], stored[name].isel(scan=scan), rtol=1e-12, err_msg=name)
    upper, lower = spectrum.curves.plots
    assert len(upper.lines) == 4
    assert len(lower.lines) == 2
    assert len({line.get_color() for line in upper.lines}) == 2


def test_other_ranges_give_what_floor_1_finds_with_them(spectrum, tree, wait):
    spectrum.scan.setValue(12)
    wait(lambda: shows(spectrum, 12, tree))
    spectrum.ranges.energies["norm1"].setValue(24.5)
    wait(lambda: shows(spectrum, 12, tree))
    ranges = {**RANGES, "norm1": 24.5}
    raw = tree[f"{NODE}/raw"].to_dataset().isel(scan=[12]).load()
    kept = tree[f"{NODE}/references"].to_dataset().load()
    known = xas.normalize(kept["normalized"] * kept["edge_step"] + kept["pre_edge"], **ranges)
    tey = xas.normalize(xas.signal(raw, "tey"), **ranges)
    found = spectrum.result.sel(signal="tey")
    np.testing.assert_array_equal(found["normalized"], tey["normalized"].isel(scan=0))
    fit = xas.lcf(tey, known, shift=(-0.5, 0.5), **LCF).isel(scan=0)
    for name in ("fraction", "fraction_std", "residual"):
        np.testing.assert_allclose(found[name], fit[name], rtol=1e-6, atol=1e-12, err_msg=name)
    within = np.isfinite(found["residual"].values)
    assert within.sum() > 150
    np.testing.assert_allclose((found["fit"] + found["residual"])[within], found["normalized"][within], atol=1e-12)


def test_time_potential_and_shares_of_the_scan_are_told(spectrum, tree, stored, wait):
    spectrum.scan.setValue(20)
    wait(lambda: shows(spectrum, 20, tree))
    first, tey, tfy = spectrum.said.text().split("<br>")
    potential = float(tree[f"{NODE}/raw"]["potential"][20])
    assert first.startswith("scan 21 of 60 · 2026-05-19 ")
    assert f"{potential:.3f} V" in first
    assert first.endswith(" · after correct_self_absorption")
    share, std = (float(stored[name][20].sel(signal="tey")[0]) for name in ("fraction", "fraction_std"))
    assert f" tey: reduced Ni {share:.3f} ± {std:.3f}, lithiated NCM " in tey
    assert " tfy: " in tfy


def test_ranges_that_are_not_set_are_found_from_the_spectrum(spectrum, tree, wait):
    spectrum.fit.setChecked(False)
    spectrum.ranges.take({})
    spectrum.scan.setValue(3)
    wait(lambda: shows(spectrum, 3, tree))
    raw = tree[f"{NODE}/raw"].to_dataset().isel(scan=[3]).load()
    tey = xas.normalize(xas.signal(raw, "tey"))
    np.testing.assert_array_equal(spectrum.result["normalized"].sel(signal="tey"), tey["normalized"].isel(scan=0))
    assert "fit" not in spectrum.result
    (step,) = spectrum.recipe.steps
    assert (step.use, step.parameters) == ("normalize", {"signal": ["tey", "tfy"]})
    spectrum.fit.setChecked(True)


def test_a_range_that_ends_before_it_begins_is_told_in_the_line_of_the_command(spectrum, heard, wait):
    spectrum.ranges.energies["norm1"].setValue(40.0)
    wait(lambda: bool(heard))
    assert heard == [("error", "step normalize: normalize: expected norm1 below norm2, got 40 and 38")]


def test_the_slider_of_the_viewer_and_that_of_the_series_go_together_in_time(spectrum, viewer, tree, cell, wait):
    from operando.viewer import sliders

    viewer.open(str(cell / "xtm" / "composite" / "raw"), plugin="operando")
    layer = spectrum.scan.timed()
    volumes, times = layer.metadata["operando"]["array"]["time"].values, tree[f"{NODE}/raw"]["time"].values
    sliders.go(viewer, layer, "scan", 3)
    want = int(np.abs(times - volumes[3]).argmin())
    wait(lambda: shows(spectrum, want, tree))
    spectrum.scan.setValue(59)
    assert sliders.place(viewer, layer, "scan") == int(np.abs(volumes - times[59]).argmin())
