"""A series that grows scan by scan ends as one that was read at once, whatever the scans bring."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

import operando
from operando import xas
from operando.flags import Flag
from operando.pipelines import run as running
from operando.pipelines import series_growth
from operando.pipelines.recipe import load
from operando.pipelines.run import run

pytestmark = pytest.mark.usefixtures("no_report")

RECIPE = """
[experiment]
store = "grown.zarr"
[[series]]
node = "Ni_K"
technique = "xas"
files = ["*.xdi"]
reader = "xdi"
[[series.steps]]
use = "normalize"
signal = "transmission"
[[series.steps]]
use = "edge_energy"
"""
NODES = ("xas/Ni_K/raw", "xas/Ni_K/processed")


def scan(number, points=60, columns=("energy", "i0", "itrans"), header="# Element.edge: K\n"):
    energy = np.linspace(8300, 8420, 60)[:points]
    mu = 0.2 + 1 / (1 + np.exp(-(energy - 8345 - 0.1 * number) / 1.5))
    known = {"energy": energy, "i0": energy * 0 + 1e5, "itrans": 1e5 * np.exp(-mu), "irefer": 5e4 * np.exp(-2 * mu)}
    rows = np.column_stack([known[name] for name in columns])
    fields = "".join(f"# Column.{k}: {name}{' eV' * (k == 1)}\n" for k, name in enumerate(columns, 1))
    start = f"# Scan.start_time: 2024-03-01T08:{number:02d}:00Z\n"
    table = "\n".join(" ".join(f"{value:.6f}" for value in row) for row in rows)
    return f"# XDI/1.0\n# Element.symbol: Ni\n{header}{start}{fields}#---\n# {' '.join(columns)}\n{table}\n"


def beamtime(folder, scans):
    folder.mkdir(exist_ok=True)
    (folder / "beamtime.toml").write_text(RECIPE, encoding="utf-8")
    for name, text in scans.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def nodes(summary):
    with operando.open(summary.store) as tree:
        return [tree[node].to_dataset().load() for node in NODES]


REFERENCE = ("energy", "i0", "itrans", "irefer")
SERIES = {
    "a reference that comes later": [scan(1), scan(2, columns=REFERENCE), scan(3, columns=REFERENCE)],
    "a reference that goes": [scan(1, columns=REFERENCE), scan(2), scan(3)],
    "broken off at first": [scan(1, points=40), scan(2), scan(3), scan(4)],
    "broken off later": [scan(1), scan(2, points=40), scan(3)],
    "an I0 that fails": [scan(1), scan(2, columns=("energy", "itrans")), scan(3)],
}


@pytest.mark.parametrize("scans", SERIES.values(), ids=SERIES)
def test_a_growing_series_ends_like_one_read_at_once(tmp_path, scans):
    files = {f"{number}.xdi": text for number, text in enumerate(scans)}
    whole = nodes(run(load(beamtime(tmp_path / "whole", files))))
    for name, text in files.items():
        summary = run(load(beamtime(tmp_path / "grown", {name: text})))
        assert summary.exit_code == 0
    for one, other in zip(nodes(summary), whole, strict=True):
        assert one.equals(other)
    assert run(load(tmp_path / "grown")).new == 0


def test_scans_longer_than_those_broken_off_before_lose_nothing(tmp_path):
    files = {f"{k}.xdi": scan(k, points=40 if k < 2 else 60) for k in range(5)}
    for name, text in files.items():
        summary = run(load(beamtime(tmp_path, {name: text})))
    raw = nodes(summary)[0]
    assert raw.sizes == {"scan": 5, "energy": 60}
    assert (raw.flag.values & int(Flag.truncated | Flag.regridded)).tolist() == [8, 8, 0, 0, 0]
    assert np.isfinite(raw.transmission[2:]).all()


def test_one_longer_scan_does_not_move_a_whole_series(tmp_path):
    files = {f"{k}.xdi": scan(k, points=50) for k in range(3)}
    run(load(beamtime(tmp_path, files)))
    summary = run(load(beamtime(tmp_path, {"3.xdi": scan(3)})))
    raw = nodes(summary)[0]
    assert (summary.new, raw.sizes["energy"]) == (1, 50)
    assert int(raw.flag[3]) & int(Flag.regridded)


@pytest.mark.parametrize("size", [1, 7])
def test_no_number_depends_on_how_many_scans_are_read_together(beamtime_folder, monkeypatch, size):
    together, apart = beamtime_folder("together"), beamtime_folder("apart")
    first = run(load(together))
    monkeypatch.setattr(series_growth, "BATCH", size)
    second = run(load(apart))
    with operando.open(first.store) as one, operando.open(second.store) as other:
        for node in one.leaves:
            assert node.to_dataset().load().identical(other[node.path].to_dataset().load()), node.path


@pytest.fixture
def beamtime_folder(beamtime, tmp_path):
    def copied(name):
        shutil.copytree(beamtime, tmp_path / name)
        for path in sorted((tmp_path / name / "xas").iterdir())[14:]:
            path.unlink()
        return tmp_path / name

    return copied


def test_what_one_scan_says_of_itself_is_not_said_of_the_series(tmp_path):
    beamtime(tmp_path, {"0.xdi": scan(0, header="")})
    assert "element.edge is missing" in nodes(run(load(tmp_path)))[0].attrs["remarks"]
    beamtime(tmp_path, {"1.xdi": scan(1)})
    assert not nodes(run(load(tmp_path)))[0].attrs["remarks"]


def test_a_file_that_grows_while_it_is_read_is_read_again(tmp_path, monkeypatch):
    beamtime(tmp_path, {"0.xdi": scan(0, points=40), "1.xdi": scan(1)})
    original = xas.read

    def slow(path, **settings):
        found = original(path, **settings)
        if path.name == "0.xdi":
            path.write_text(scan(0), encoding="utf-8")
        return found

    recipe = load(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(running, "check_recipe", lambda _recipe: None)
        patched.setattr(xas, "read", slow)
        before = nodes(run(recipe))[0]
    after = nodes(run(recipe))[0]
    assert np.isnan(before.transmission[0]).any()
    assert np.isfinite(after.transmission).all()


def test_a_stored_file_that_can_no_longer_be_read_does_not_stop_the_run(tmp_path):
    beamtime(tmp_path, {f"{k}.xdi": scan(k) for k in range(3)})
    run(load(tmp_path))
    (tmp_path / "1.xdi").unlink()
    (tmp_path / "1.xdi").symlink_to(tmp_path / "gone")
    summary = run(load(tmp_path))
    assert [name[0] for name in nodes(summary)[0].source.values] == ["0", "2"]


def test_a_scan_with_other_detectors_is_listed_and_the_others_go_on(tmp_path, monkeypatch):
    def text(detectors):
        energy = np.linspace(8300, 8420, 30)
        fluorescence = 1 + 1 / (1 + np.exp(-(energy - 8345)))
        table = np.column_stack([energy, energy * 0 + 1, *[fluorescence] * detectors])
        return (
            "# energy i0 "
            + " ".join(f"d{k}" for k in range(detectors))
            + "\n"
            + "\n".join(" ".join(f"{value:.6f}" for value in row) for row in table)
        )

    recipe = RECIPE.replace("*.xdi", "*.txt").replace('"xdi"', '"columns"').replace("transmission", "fluorescence")
    for number, detectors in enumerate((2, 2, 3, 2)):
        (tmp_path / f"{number}.txt").write_text(text(detectors), encoding="utf-8")
    (tmp_path / "beamtime.toml").write_text(recipe, encoding="utf-8")
    original = xas.read

    def with_all_channels(path, **settings):
        width = len(path.read_text(encoding="utf-8").splitlines()[0].split()) - 1
        columns = {"energy": 0, "i0": 1, "fluorescence": list(range(2, width))}
        return original(path, **settings, columns=columns)

    monkeypatch.setattr(xas, "read", with_all_channels)
    summary = run(load(tmp_path))
    assert summary.scans == {"xas/Ni_K": 3}
    assert [failure["source"] for failure in summary.failed] == ["2.txt"]
    assert "expected 2 along 'detector'" in summary.failed[0]["reason"]


def test_a_step_over_all_scans_that_fails_as_nobody_foresaw_is_listed_and_tried_again_with_other_scans(
    tmp_path, monkeypatch
):
    def failing(series, **settings):
        raise np.linalg.LinAlgError("SVD did not converge")

    beamtime(tmp_path, {f"{k}.xdi": scan(k) for k in range(6)})
    recipe = tmp_path / "beamtime.toml"
    recipe.write_text(RECIPE + '[[series.steps]]\nuse = "pca"\n', encoding="utf-8")
    with monkeypatch.context() as patched:
        patched.setattr(xas, "pca", failing)
        summary = run(load(tmp_path))
    (lost,) = summary.failed
    assert lost["source"] == ""
    assert "LinAlgError (SVD did not converge), which operando did not foresee" in lost["reason"]
    assert summary.scans == {"xas/Ni_K": 6}
    assert run(load(tmp_path)).failed == []
    with operando.open(summary.store) as tree:
        assert tree["xas/Ni_K/pca"].score.sizes["scan"] == 6
