"""Fit in a real viewer: it shows what the store holds, goes with the scans in time, and fits a scan as xps does."""

from __future__ import annotations

import numpy as np
import pytest

import operando
from operando import xps
from operando.errors import OperandoWarning

NODE = "xps/electrolyte"
CURVES = ["fitted", "background", "residual", "area", "reduced_chi_square"]


@pytest.fixture(scope="module")
def stored(cell):
    return operando.open(cell)[f"{NODE}/processed"].to_dataset()[CURVES].load()


@pytest.fixture(scope="module")
def fit(viewer, cell, wait):
    from operando.viewer.fit import Fit

    widget = Fit(viewer)
    viewer.window.add_dock_widget(widget, name="Fit")
    widget.open(cell)
    wait(lambda: widget.shown is not None)
    return widget


def shows(fit, stored, scan):
    want = stored["fitted"].isel(scan=scan).values
    return fit.shown is not None and np.array_equal(fit.shown["fitted"].values, want)


def test_the_slider_shows_spectrum_lines_and_residual_of_the_store(fit, stored, wait):
    fit.scan.setValue(5)
    wait(lambda: shows(fit, stored, 5))
    fit.region.setCurrentText("S 2p")
    inside = stored["region"].values == "S 2p"
    one = stored.isel(scan=5, binding_energy=np.flatnonzero(inside))
    drawn = {line.get_label(): line for line in fit.curves.plots[0].lines}
    np.testing.assert_array_equal(drawn["fit"].get_ydata(), one["fitted"].values)
    np.testing.assert_allclose(drawn["measured"].get_ydata(), (one["fitted"] + one["residual"]).values)
    assert {"S 2p Li2S", "S 2p PS4 3-"} <= set(drawn)
    assert f"reduced χ² {one['reduced_chi_square'].item():.3f}" in fit.said.text()


def test_a_refit_with_the_stored_model_gives_the_stored_numbers(fit, stored, wait):
    fit.scan.setValue(4)
    wait(lambda: shows(fit, stored, 4))
    work = fit.refit()
    wait(lambda: not work.running, 60)
    assert work.state == "done"
    np.testing.assert_allclose(fit.shown["area"], stored["area"].isel(scan=4), rtol=1e-9)
    fit.restore()
    wait(lambda: shows(fit, stored, 4))


def test_a_refit_with_a_changed_model_is_that_of_xps_and_a_step_of_the_recipe(fit, heard, wait):
    text = "\n".join(line for line in fit.model.toPlainText().splitlines() if "S 2p S0" not in line)
    fit.model.setPlainText(text.replace('kind = "shirley"', 'kind = "none"'))
    scan = fit.scan.value()
    work = fit.refit()
    wait(lambda: not work.running, 60)
    assert work.state == "done"
    (step,) = fit.recipe.steps
    model = xps.Model.from_json(step.parameters)
    assert len(model.lines) == 8
    series = fit.chosen
    with pytest.warns(OperandoWarning, match="missed by their fit") as caught:
        want = xps.fit(series.spectrum(scan), model, neighbors=False, lines=True).isel(scan=0)
    assert heard == [("warning", str(caught[0].message))]
    np.testing.assert_array_equal(fit.shown["area"], want["area"])
    assert fit.recipe.node == "electrolyte"
    assert fit.recipe.recipe.name == "beamtime.toml"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("lines = [", "model: expected TOML, got "),
        ('peaks = ["a"]', "model: expected lines, background, links, shifts, got peaks"),
        ('lines = [{ kind = "peak", name = "a", position = 1.0 }]', "line 'a': missing 1 required"),
    ],
)
def test_a_model_that_is_none_is_told_in_a_line(fit, heard, text, said):
    fit.model.setPlainText(text)
    assert fit.refit() is None
    ((kind, line),) = heard
    assert kind == "error"
    assert line.startswith(said)


def test_a_store_without_fits_is_told(fit, heard, wait, tmp_path):
    fit.open(tmp_path)
    wait(lambda: bool(heard))
    ((kind, line),) = heard
    assert kind == "error"
    assert line.startswith(str(tmp_path))


def test_the_slider_of_the_viewer_and_that_of_the_series_go_together_in_time(viewer, fit, stored, cell, wait):
    from operando.viewer import sliders

    viewer.open(str(cell / "xtm" / "composite" / "raw"), plugin="operando")
    layer = fit.scan.timed()
    volumes = layer.metadata["operando"]["array"]["time"].values
    sliders.go(viewer, layer, "scan", 3)
    want = int(np.abs(stored["time"].values - volumes[3]).argmin())
    wait(lambda: fit.scan.value() == want)
    fit.scan.setValue(fit.scan.maximum())
    last = int(np.abs(volumes - stored["time"].values[-1]).argmin())
    assert sliders.place(viewer, layer, "scan") == last
    assert fit.scan.value() == fit.scan.maximum()
