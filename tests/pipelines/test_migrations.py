"""A store of another version of the schema is brought up to date in one commit, or refused in one line everywhere."""

from __future__ import annotations

import json
import sys
from dataclasses import replace

import pytest
import xarray as xr
from watched_folder import few_scans

import operando
from operando.errors import StoreError
from operando.pipelines import cli, migrations
from operando.pipelines.writer import Writer
from operando.schema import SCHEMA_VERSION

CELL = {"cell": xr.Dataset({"active_mass": ((), 6.8, {"units": "mg"})})}


@pytest.fixture
def store(tmp_path):
    path = few_scans(tmp_path) / "fed.zarr"
    with Writer(path, {"experiment": "cell 4"}) as writer:
        writer.replace(CELL)
    return path


def of_version(path, version):
    """Make a store one of another version; return its root document."""
    document = json.loads((path / "zarr.json").read_text())
    document["attributes"]["schema_version"] = version
    (path / "zarr.json").write_text(json.dumps(document))
    return (path / "zarr.json").read_bytes()


@pytest.mark.parametrize("version", ["99", "0"])
@pytest.mark.parametrize("command", ["run", "watch", "report", "export"])
def test_every_command_refuses_in_a_line_with_a_remedy_and_writes_nothing(store, monkeypatch, capsys, command, version):
    before = of_version(store, version)
    arguments = {"run": [store.parent], "watch": [store.parent], "report": [store, store.parent / "a.html"]}
    monkeypatch.setattr(sys, "argv", ["operando", command, *map(str, arguments.get(command, [store]))])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    said = capsys.readouterr().err
    assert ended.value.code == 2
    assert said.count("\n") == 1
    assert "schema version" in said
    assert {"99": "update operando", "0": "run its recipe again"}[version] in said
    assert (store / "zarr.json").read_bytes() == before
    assert sorted(path.name for path in store.parent.iterdir()) == ["beamtime.toml", "echem", "fed.zarr", "xas"]


def renamed_attribute(root):
    """Take a store from a version in which the experiment was named otherwise to the next."""
    attributes = dict(root.attributes)
    return replace(root, attributes={**attributes, "experiment": attributes.pop("sample")})


def older(store):
    with Writer(store) as writer:
        writer.set_attrs({"sample": "cell 4, older"})
    return of_version(store, "0")


def test_an_older_store_is_brought_up_to_date_before_it_is_written_to(store, monkeypatch):
    older(store)
    monkeypatch.setitem(migrations.MIGRATIONS, 0, renamed_attribute)
    with pytest.raises(StoreError, match="run its recipe again"):
        operando.open(store)
    with Writer(store) as writer:
        assert writer.attrs()["schema_version"] == SCHEMA_VERSION
    with operando.open(store) as tree:
        assert tree.attrs["experiment"] == "cell 4, older"
        assert tree["cell"].to_dataset().equals(CELL["cell"])


def test_a_migration_that_is_cut_short_leaves_the_store_as_it_was(store, monkeypatch):
    before = older(store)
    monkeypatch.setitem(migrations.MIGRATIONS, 0, renamed_attribute)

    def full(_root):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(migrations, "publish", full)
        with pytest.raises(StoreError, match="free some space"):
            Writer(store).__enter__()
    assert (store / "zarr.json").read_bytes() == before
    with Writer(store) as writer:
        assert writer.attrs()["experiment"] == "cell 4, older"
