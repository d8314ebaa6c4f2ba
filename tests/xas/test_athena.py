"""Athena projects are read as text, every group to the right energies or with a named reason."""

from __future__ import annotations

import gzip
import json
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from peers import own_warnings_only

from operando import xas
from operando.errors import FileError, OperandoError, OperandoWarning
from operando.xas.formats.athena import read, recognizes

REAL = Path(__file__).parents[3] / "shared" / "data" / "xas" / "larch"
X = np.linspace(7000.0, 7200.0, 41)
COUNTS = {
    "Cl_CAMD.prj": 7,
    "FeFoil_QXAFS_Compare.prj": 4,
    "Mn_all.prj": 11,
    "NiO.prj": 24,
    "S_CAMD.prj": 22,
    "cyanobacteria.prj": 17,
    "danger.prj": 1,
    "dispersive.prj": 2,
    "json_unzipped.prj": 4,
}


def perl(*groups: tuple[str, dict, np.ndarray]) -> bytes:
    lines = ["# Athena project file -- Demeter version 0.9.26"]
    for name, parameters, x in groups:
        listed = ",".join(f"'{key}','{value}'" for key, value in parameters.items())
        arrays = {"x": x, "y": np.arctan(x - 7112.0), "i0": np.full(x.size, 7.0)}
        lines += [f"$old_group = '{name}';", f"@args = ({listed});"]
        lines += [f"@{key} = ({','.join(repr(str(v)) for v in values)});" for key, values in arrays.items()]
        lines += ["[record]   # create object", ""]
    return "\n".join([*lines, "1;", ""]).encode()


def written(tmp_path, data: bytes) -> Path:
    path = tmp_path / "project.prj"
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_groups_become_a_series_with_their_shift(tmp_path, pack):
    project = perl(("ab", {"label": "foil\\'s", "bkg_eshift": "0.5"}, X), ("cd", {"label": "oxide"}, X))
    found = xas.read(written(tmp_path, pack(project)), group="foil's")
    np.testing.assert_allclose(found["energy"], X + 0.5)
    both = xas.read(tmp_path / "project.prj")
    assert both.sizes["scan"] == 2
    assert [str(one).partition("::")[2] for one in both["source"].values] == ["foil's", "oxide"]
    np.testing.assert_array_equal(both["i0"].isel(energy=20), 7.0)


def test_json_projects_are_read_alike(tmp_path):
    entry = {"args": {"label": "a"}, "x": [str(v) for v in X], "y": [str(v) for v in X**0.5]}
    text = json.dumps({"_____header1": "# Athena project file -- Demeter", "g": entry, "_____journal": ["x"]})
    found = xas.read(written(tmp_path, text.encode()))
    np.testing.assert_allclose(found["mu"], X**0.5)


def test_groups_that_are_no_spectra_are_named_and_the_others_go_on(tmp_path):
    project = perl(
        ("a", {"label": "foil"}, X), ("b", {"label": "pixels", "is_pixel": "1"}, X), ("c", {"label": "far"}, X - 4000)
    )
    with pytest.warns(OperandoWarning) as told:
        found = xas.read(written(tmp_path, project))
    said = " ".join(str(one.message) for one in told)
    assert "group 'pixels': expected energies" in said
    assert "group 'far': expected energies that most groups share" in said
    assert json.loads(found.attrs["remarks"])
    assert "scan" not in found.dims


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda data: gzip.compress(data)[:-40], "breaks off"),
        (lambda data: data.replace(b"'7000.0'", b"'seven'"), "seven"),
        (lambda data: data.replace(b"@y", b"@z"), "arrays x and y"),
        (lambda data: data.split(b"$old")[0] + b"1;\n", "without any"),
    ],
)
def test_broken_projects_are_refused_in_a_line(tmp_path, spoil, said):
    with pytest.raises(FileError, match=said):
        xas.read(written(tmp_path, spoil(perl(("a", {"label": "foil"}, X)))))


@pytest.mark.parametrize("end", [b"[record]", b"@args = ('label','oxide"])
def test_a_project_that_breaks_off_keeps_its_whole_groups_and_says_so(tmp_path, end):
    project = perl(("a", {"label": "foil"}, X), ("b", {"label": "oxide"}, X))
    with pytest.warns(OperandoWarning, match="the line '1;' that ends a project, got none; copy it again"):
        found = xas.read(written(tmp_path, project[: project.rfind(end)]))
    assert str(found["source"].values) == "project.prj::foil"


def test_an_unknown_group_is_answered_with_the_known_ones(tmp_path):
    with pytest.raises(FileError, match="a group among foil, got 'fiol'"):
        xas.read(written(tmp_path, perl(("a", {"label": "foil"}, X))), group="fiol")


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2500), st.binary(max_size=4))
def test_no_damage_raises_anything_else(tmp_path_factory, at, put):
    data = perl(("a", {"label": "foil"}, X), ("b", {"label": "oxide"}, X))
    path = written(tmp_path_factory.mktemp("p"), data[:at] + put + data[at + len(put) :])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            found = read(path)
        except OperandoError:
            return
    assert np.all(np.diff(found["energy"]) >= 0)


@pytest.mark.realdata
@pytest.mark.parametrize("name", COUNTS)
def test_real_projects_open_to_their_groups(name):
    if not (REAL / name).exists():
        pytest.skip(f"needs the measured file {name}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", OperandoWarning)
        found = xas.read(REAL / name)
    assert found.sizes.get("scan", 1) == COUNTS[name]


@pytest.mark.realdata
@pytest.mark.peer
@pytest.mark.parametrize("name", [name for name in COUNTS if name != "dispersive.prj"])
def test_energies_and_absorption_are_those_that_larch_reads(name):
    if not (REAL / name).exists():
        pytest.skip(f"needs the measured file {name}")
    with own_warnings_only():
        pytest.importorskip("larch", reason="xraylarch is not installed (extra 'larch')")
        from larch.io import read_athena

        project = read_athena(str(REAL / name), do_preedge=False, do_bkg=False)
    theirs = {str(getattr(one, "label", "")).strip(): one for one in vars(project).values() if hasattr(one, "mu")}
    compared = 0
    for label, one in theirs.items():
        try:
            ours = read(REAL / name, group=label, shifted=False)
        except FileError:
            continue
        if ours.sizes["energy"] == len(one.energy) and np.allclose(ours["mu"], one.mu):
            np.testing.assert_allclose(ours["energy"], one.energy, atol=1e-6)
            compared += 1
    assert compared == len(theirs) > 0


@pytest.mark.peer
def test_larch_reads_our_projects_to_the_last_bit(tmp_path):
    from small_experiments import experiment

    from operando.pipelines.export import write_athena

    tree = experiment()
    path, _ = write_athena(tmp_path / "own.prj", tree, ["xas/Ni_K"])
    with own_warnings_only():
        pytest.importorskip("larch", reason="xraylarch is not installed (extra 'larch')")
        from larch.io import read_athena

        project = read_athena(str(path), do_preedge=False, do_bkg=False)
    ds = tree["xas/Ni_K/raw"].to_dataset()
    for own in ("transmission", "fluorescence"):
        mu = xas.signal(ds, own).values
        for k in range(ds.sizes["scan"]):
            one, kept = getattr(project, f"Ni_K_{own}_{k}"), np.isfinite(mu[k])
            np.testing.assert_array_equal(one.mu, mu[k][kept])
            np.testing.assert_array_equal(one.energy, ds["energy"].values[kept])
            np.testing.assert_array_equal(one.i0, ds["i0"].values[k][kept])
            assert one.athena_params.bkg.e0 == 8340.3
            assert one.athena_params.bkg.z == "Ni"


def test_a_project_is_known_by_its_first_lines():
    from operando.sniff import Head

    assert recognizes(Head(Path("x"), perl()))
    assert recognizes(Head(Path("x"), gzip.compress(perl())))
    assert not recognizes(Head(Path("x"), b"\x1f\x8bnonsense"))
    assert not recognizes(Head(Path("x"), b"# XDI/1.0"))
