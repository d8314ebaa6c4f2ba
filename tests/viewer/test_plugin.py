"""What napari finds: a valid manifest, readers that take what they know, and the command that opens a store."""

from __future__ import annotations

import tomllib
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[2]


def test_npe2_finds_the_manifest_valid(display):
    from npe2.cli import app
    from typer.testing import CliRunner

    ended = CliRunner().invoke(app, ["validate", str(ROOT / "viewer" / "napari.yaml")])
    assert ended.exit_code == 0, ended.output


def test_every_command_of_the_manifest_is_there(plugin):
    for command in plugin.contributions.commands:
        assert callable(command.python_name and __import__("npe2").PluginManager.instance().commands.get(command.id))


def test_installed_packages_name_the_manifest_and_the_command():
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]
    module, _, function = groups["operando.view"]["napari"].partition(":")
    assert callable(getattr(__import__(module, fromlist=[function]), function))
    package, _, file = groups["napari.manifest"]["operando"].partition(":")
    assert (Path(__import__(package, fromlist=["x"]).__file__).parent / file).is_file()


def test_a_store_opens_with_its_places_and_colors(empty, cell):
    layers = empty.open(str(cell), plugin="operando")
    grey = next(layer for layer in layers if layer.metadata["operando"]["variable"] == "grey")
    assert grey.visible
    assert grey.ndim == 5
    assert tuple(grey.axis_labels) == ("scan", "energy", "z", "y", "x")
    np.testing.assert_allclose(grey.scale[-3:], 0.65)
