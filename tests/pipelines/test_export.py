"""Exports as a whole: what is chosen, whole files or none, and mistakes in one line."""

from __future__ import annotations

import os
import resource
import signal
import sys

import numpy as np
import pytest
import xarray as xr
from forks import forked
from small_experiments import experiment

from operando import OperandoError
from operando.pipelines import cli
from operando.pipelines.export import FORMATS, Request, export
from operando.pipelines.writer import Writer

NAMES = [one.name for one in FORMATS]
FILES = ["nexus", "netcdf", "athena", "vamas", "bdf"]
NODE = {"nexus": "xps/S_2p", "netcdf": "xps/S_2p", "athena": "xas/Ni_K", "vamas": "xps/S_2p", "bdf": "echem"}
NEEDS = {"netcdf": "h5netcdf"}


@pytest.fixture(scope="module")
def tree():
    return experiment()


def request_of(tree, name, **more):
    pytest.importorskip(NEEDS.get(name, "numpy"))
    nodes = [NODE[name]] if name in NODE else ["echem"]
    return Request(tree, store="cell.zarr", nodes=nodes, **more)


@pytest.mark.parametrize("name", [*FILES, "csv", "svg"])
def test_every_format_writes_whole_files_once(tree, name, tmp_path):
    out = tmp_path / "out"
    paths, _ = export(request_of(tree, name), name, out)
    assert paths
    assert all(path.stat().st_size for path in paths)
    before = {path: path.read_bytes() for path in paths}
    with pytest.raises(OperandoError, match="--force") as told:
        export(request_of(tree, name), name, out)
    assert "\n" not in str(told.value)
    assert {path: path.read_bytes() for path in paths} == before
    export(request_of(tree, name, overwrite=True), name, out)
    assert sorted(found.name for found in paths[0].parent.iterdir()) == sorted(path.name for path in paths)


@pytest.mark.parametrize("name", FILES)
def test_a_full_disk_leaves_what_was_there(tree, name, tmp_path):
    path = tmp_path / "own"
    path.write_text("mine")
    request = request_of(tree, name, overwrite=True)

    def fill() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        with pytest.raises(OperandoError, match="writing failed") as told:
            export(request, name, path)
        assert "\n" not in str(told.value)

    assert forked(fill)
    assert path.read_text() == "mine"
    assert [found.name for found in tmp_path.iterdir()] == ["own"]


@pytest.mark.parametrize("name", FILES)
def test_a_folder_that_is_not_there_is_named(tree, name, tmp_path):
    with pytest.raises(OperandoError, match="there is no folder"):
        export(request_of(tree, name), name, tmp_path / "nowhere" / "out")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
@pytest.mark.parametrize("name", NAMES)
def test_a_folder_that_may_not_be_written_is_named(tree, name, tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(OperandoError, match=r"Permission denied"):
        export(request_of(tree, name), name, tmp_path / "out")


@pytest.mark.parametrize(
    ("name", "more", "told"),
    [
        ("nexs", {}, "did you mean 'nexus'"),
        ("netcdf", {"nodes": ["xas/Ni"]}, "did you mean 'xas/Ni_K'"),
        ("athena", {"nodes": ["xps/S_2p"]}, "expected a series of xas, got xas/Ni_K"),
        ("vamas", {"nodes": ["echem"]}, "expected a series of xps"),
        ("bdf", {"nodes": ["xas/Ni_K"]}, "expected the node echem"),
        ("csv", {"sample": "cell"}, "--sample: expected the format nexus"),
        ("nexus", {"nodes": ["cell"]}, "export as netcdf or csv"),
        ("nexus", {"nodes": ["xtm/composite/processed"], "variables": ["lable"]}, "expected lable"),
        ("nexus", {"nodes": ["xps/S_2p"], "texts": {"sample/nam": "x"}}, "'sample/nam': expected one of"),
        ("nexus", {"nodes": ["xas/Ni_K/references"]}, "expected absorption over scan and energy"),
        ("athena", {"nodes": ["xas/Ni_K/references"]}, "expected spectra with 10 points or more"),
        ("vamas", {"nodes": ["xas/Ni_K"]}, "expected a series of xps, got xps/S_2p"),
        ("pdf", {"nodes": ["cell"]}, "expected something to draw"),
    ],
)
def test_a_mistake_is_one_line_with_a_remedy(tree, name, more, told, tmp_path):
    references = tree["xas/Ni_K/processed"].to_dataset()[["normalized"]].isel(signal=0, drop=True)
    tree = tree.copy()
    tree["xas/Ni_K/references"] = xr.Dataset({"normalized": references["normalized"].rename(scan="reference").variable})
    with pytest.raises(OperandoError, match=told) as said:
        export(Request(tree, store=tmp_path / "cell.zarr", **more), name, tmp_path / "out")
    assert "\n" not in str(said.value)
    assert not (tmp_path / "out").exists()


def test_the_help_names_every_format():
    assert all(name in cli._FORMATS for name in NAMES)


def test_the_command_names_files_after_the_store_and_says_what_is_missing(tree, tmp_path, monkeypatch, capsys):
    store = tmp_path / "cell7.zarr"
    with Writer(store, {"experiment": "cell 7"}) as writer:
        writer.replace({node: tree[node].to_dataset() for node in ("xps/S_2p/raw", "echem")})
    monkeypatch.chdir(tmp_path)

    def call(*arguments) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["operando", "export", str(store), *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        shown = capsys.readouterr()
        return ended.value.code or 0, shown.out, shown.err

    code, said, _ = call("--format", "nexus")
    assert code == 0
    assert "left out: echem (export as bdf, netcdf or csv)" in said
    assert "NXmpes requires instrument/electronanalyzer/collectioncolumn/scheme" in said
    assert "wrote cell7.nxs" in said
    scheme = "instrument/electronanalyzer/collectioncolumn/scheme=angular dispersive"
    other = "instrument/electronanalyzer/energydispersion/scheme=hemispherical"
    code, said, _ = call("--format", "nexus", "--force", "--set", scheme, "--set", other, "--sample", "cell 8")
    assert code == 0
    assert "requires" not in said
    (tmp_path / "there").mkdir()
    assert "wrote there/cell7.nxs" in call("there", "--format", "nexus")[1]
    code, _, told = call("--format", "nexus", "--set", "sample")
    assert code == 2
    assert told.startswith("operando: --set: expected PATH=TEXT")
    assert call("-f", "bdf")[1].count("wrote cell7.bdf.csv") == 2
    assert (tmp_path / "cell7.bdf.csv").is_file()
    assert np.all([path.suffix != ".partial" for path in tmp_path.iterdir()])
