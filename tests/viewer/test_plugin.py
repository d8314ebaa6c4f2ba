"""What napari finds: a valid manifest, readers that take what they know, and the command that opens a store."""

from __future__ import annotations

import sys
import tomllib
import warnings
from importlib import import_module
from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pytest
import tifffile

import operando
from operando.errors import OperandoWarning
from operando.kind_colors import COLORS
from operando.pipelines import cli, view
from operando.viewer import opening, sample, stores
from operando.viewer.layers import about, array_of
from operando.viewer.readers import reader

ROOT = Path(__file__).parents[2]


def named(layers, name):
    return next(layer for layer in layers if layer.name == name)


def test_npe2_finds_the_manifest_valid(display):
    from npe2.cli import app
    from typer.testing import CliRunner

    ended = CliRunner().invoke(app, ["validate", str(ROOT / "viewer" / "napari.yaml")])
    assert ended.exit_code == 0, ended.output


def test_every_command_of_the_manifest_is_there(plugin):
    for command in plugin.contributions.commands:
        module, _, name = command.python_name.partition(":")
        assert callable(getattr(import_module(module), name))


def test_installed_packages_name_the_manifest_and_the_command():
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["entry-points"]
    shown = EntryPoint("napari", groups["operando.view"]["napari"], view.GROUP)
    assert shown.load() is opening.show
    package, _, file = groups["napari.manifest"]["operando"].partition(":")
    assert (Path(import_module(package).__file__).parent / file).is_file()


def test_a_store_opens_with_its_places_units_and_colors(empty, cell):
    layers = empty.open(str(cell), plugin="operando")
    grey, phases = named(layers, "composite · grey"), named(layers, "composite · phase label")
    assert [layer.name for layer in layers if layer.visible] == ["composite · grey", "composite · label"]
    assert tuple(grey.axis_labels) == ("scan", "energy", "z", "y", "x")
    np.testing.assert_allclose(grey.scale[-3:], 0.65)
    assert [str(unit) for unit in grey.units[-3:]] == ["micrometer"] * 3
    tree = operando.open(cell)
    stored = tree["xtm/composite/processed"]
    np.testing.assert_array_equal(array_of(phases), stored["phase_label"])
    colors = {
        number: tuple(np.round(color[:3] * 255)) for number, color in phases.colormap.color_dict.items() if number
    }
    assert colors[1] == tuple(int(COLORS["void"][at : at + 2], 16) for at in (1, 3, 5))
    assert colors[3] == tuple(int(COLORS["particle"][at : at + 2], 16) for at in (1, 3, 5))
    share = named(layers, "Ni_L3 · map fraction · lithiated NCM")
    np.testing.assert_array_equal(
        array_of(share), tree["xpeem/Ni_L3/processed"]["map_fraction"].sel(reference="lithiated NCM")
    )
    assert about(share)["reference"] == "lithiated NCM"


def test_a_layer_without_an_axis_is_shown_all_along_it(empty, cell):
    layers = empty.open(str(cell / "xpeem" / "Ni_L3"), plugin="operando")
    label, stack = named(layers, "Ni_L3 · region label"), named(layers, "Ni_L3 · aligned (1/(nA))")
    for scan, energy in ((0, 0), (1, 23)):
        empty.dims.set_point([0, 1], [scan, energy])
        assert label._slice.image.raw.any()
        assert np.nanmax(stack._slice.image.raw) > 0
    assert [layer.name for layer in layers if layer.visible] == [stack.name, label.name]


def test_images_that_are_gone_leave_what_the_store_holds(tmp_path, cell):
    import shutil

    shutil.copytree(cell, tmp_path / "cell7.zarr")
    with pytest.warns(OperandoWarning, match="step_001"):
        layers = stores.layers_of_store(tmp_path / "cell7.zarr" / "xtm" / "composite")
    names = {options["name"] for _, options, _ in layers}
    assert "composite · phase label" in names
    assert "composite · grey" not in names


def test_volumes_of_files_open_in_um_or_in_pixels(tmp_path, empty):
    values = np.arange(4 * 5 * 6, dtype="uint16").reshape(4, 5, 6)
    tifffile.imwrite(tmp_path / "scan.tif", values, photometric="minisblack")
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        (layer,) = empty.open(str(tmp_path / "scan.tif"), plugin="operando")
    assert any("nothing tells the edge of a voxel; it is shown in pixels" in str(one.message) for one in told)
    np.testing.assert_array_equal(layer.data, values)
    assert [str(unit) for unit in layer.units] == ["pixel"] * 3
    (tmp_path / "notes.tif").write_bytes(b"no image at all")
    assert reader(str(tmp_path / "notes.tif")) is None
    assert reader(str(tmp_path)) is None


def test_the_sample_runs_beside_the_interface_and_then_is_there(empty, cell, wait, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    made = sample.cell_folder()

    def from_the_demo(folder):
        folder.mkdir(parents=True)
        (folder / "beamtime").symlink_to(cell.parent)
        (folder / "made").touch()
        return sample.store_in(folder)

    monkeypatch.setattr(sample, "make", from_the_demo)
    (waiting,) = empty.open_sample("operando", "cell")
    wait(lambda: len(empty.layers) > 1, 60)
    assert waiting not in empty.layers
    first = [layer.name for layer in empty.layers]
    assert (made / "made").exists()
    assert [options["name"] for _, options, _ in sample.simulated_cell()] == first


def told(monkeypatch, capsys, *arguments):
    monkeypatch.setattr(sys, "argv", ["operando", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return ended.value.code, capsys.readouterr().err


def test_view_tells_in_a_line_what_is_missing(monkeypatch, capsys, cell, tmp_path):
    monkeypatch.setattr(
        view, "entry_points", lambda group: [EntryPoint("napari", "operando.viewer.opening:show", group)]
    )
    code, said = told(monkeypatch, capsys, "view", tmp_path / "nothing.zarr")
    assert (code, said.count("\n")) == (2, 1)
    assert "expected a store, got nothing there" in said
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    code, said = told(monkeypatch, capsys, "view", cell)
    assert (code, said.count("\n")) == (2, 1)
    assert "expected a display, got none" in said
    monkeypatch.setattr(opening, "find_spec", lambda _name: None)
    code, said = told(monkeypatch, capsys, "view", cell)
    assert (code, said.count("\n")) == (2, 1)
    assert "view: expected napari, which is not installed; pip install 'operando[viewer]'" in said
    monkeypatch.setattr(view, "entry_points", lambda **_: [])
    code, said = told(monkeypatch, capsys, "view", cell)
    assert (code, said.count("\n")) == (2, 1)
