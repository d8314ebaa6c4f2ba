"""A run brings the store up to date with the files, and a bad file never stops the others."""

from __future__ import annotations

import json
import shutil
import stat

import numpy as np
import pytest
import xarray as xr

import operando
from operando import xas
from operando.errors import OperandoError, RecipeError
from operando.flags import Flag
from operando.pipelines.processing import Processing
from operando.pipelines.recipe import load
from operando.pipelines.run import run
from operando.pipelines.writer import Writer
from operando.store import verify

pytestmark = pytest.mark.usefixtures("no_report")

RAW, PROCESSED = "xas/Ni_L3/raw", "xas/Ni_L3/processed"


def opened(path, node=PROCESSED):
    with operando.open(path) as tree:
        return tree[node].to_dataset().load()


def edited(folder, old, new):
    path = folder / "beamtime.toml"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_every_scan_knows_where_the_cell_was(beamtime, with_report):
    summary = run(load(beamtime))
    ds = opened(summary.store)
    assert summary.exit_code == 0
    assert summary.scans == {"xas/Ni_L3": 60}
    assert summary.report.stat().st_size < 10e6
    covered = ~(ds.flag & int(Flag.ec_gap | Flag.ec_outside)).astype(bool)
    for name in ("potential", "soc", "half_cycle", "potential_std", "soc_std"):
        assert np.isfinite(ds[name].where(covered, drop=True)).all()
    assert verify(summary.store, data=True) == []


def test_two_runs_give_identical_data(beamtime, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(beamtime, other)
    first, second = run(load(beamtime)), run(load(other))
    with operando.open(first.store) as one, operando.open(second.store) as two:
        attrs = {key: value for key, value in one.attrs.items() if key != "created"}
        assert attrs == {key: value for key, value in two.attrs.items() if key != "created"}
        for node in one.leaves:
            assert node.to_dataset().identical(two[node.path].to_dataset())


def test_a_second_run_reads_only_what_is_new_and_keeps_what_people_have_made(beamtime):
    late = max((beamtime / "xas").iterdir())
    late.rename(beamtime / "late.dat")
    run(load(beamtime))
    (beamtime / "late.dat").rename(late)
    summary = run(load(beamtime))
    assert summary.new == 1
    assert summary.scans == {"xas/Ni_L3": 60}
    drawn = xr.Dataset({"seen": ((), 1.0, {"units": "1", "long_name": "whether someone has seen it"})})
    with Writer(summary.store) as store:
        store.replace({"xas/Ni_L3/drawn": drawn})
    assert run(load(beamtime)).new == 0
    assert opened(summary.store, "xas/Ni_L3/drawn")["seen"] == 1


def fresh(folder, beamtime):
    """Return what a first run makes of the files as they are now, its scans in order of their source."""
    shutil.copytree(beamtime, folder, ignore=shutil.ignore_patterns("*.zarr*"))
    path = run(load(folder)).store
    return {node: opened(path, node).sortby("source") for node in (RAW, PROCESSED)}


@pytest.mark.parametrize("number", [0, 5], ids=["the first", "another"])
def test_a_changed_file_is_read_again_and_its_series_is_that_of_a_first_run(beamtime, tmp_path, number):
    before = opened(run(load(beamtime)).store)
    path = beamtime / before.source.values[number]
    path.write_bytes((beamtime / before.source.values[number + 1]).read_bytes())
    (beamtime / before.source.values[9]).unlink()
    summary = run(load(beamtime))
    # All others lie on the axis of the first.
    assert summary.new == (1 if number else 59)
    assert verify(summary.store, data=True) == []
    for node, expected in fresh(tmp_path / "fresh", beamtime).items():
        assert opened(summary.store, node).sortby("source").equals(expected)


def test_a_series_that_a_changed_file_had_made_longer_is_made_anew(beamtime, tmp_path):
    first, second, *others = sorted((beamtime / "xas").iterdir())
    for path in others:
        path.unlink()
    short = ["".join(path.read_text(encoding="utf-8").splitlines(keepends=True)[:-3]) for path in (first, second)]
    first.write_text(short[0], encoding="utf-8")
    whole = second.read_bytes()
    second.unlink()
    run(load(beamtime))
    second.write_bytes(whole)
    longer = opened(run(load(beamtime)).store, RAW).sizes["energy"]
    second.write_text(short[1], encoding="utf-8")
    found = opened(run(load(beamtime)).store, RAW)
    assert found.sizes["energy"] < longer
    assert found.equals(fresh(tmp_path / "fresh", beamtime)[RAW])


def test_a_step_that_refuses_a_scan_stops_no_other(beamtime, monkeypatch):
    original, odd = Processing.processed, "xas/Ni_L3_0007.txt"
    for path in sorted((beamtime / "xas").iterdir())[12:]:
        path.unlink()

    def picky(self, scans, *more):
        if odd in scans["source"].values:
            raise OperandoError("step normalize: expected another scan")
        return original(self, scans, *more)

    monkeypatch.setattr("operando.pipelines.run.check_recipe", lambda _recipe: None)
    monkeypatch.setattr(Processing, "processed", picky)
    summary = run(load(beamtime))
    assert (summary.exit_code, summary.scans) == (3, {"xas/Ni_L3": 11})
    assert [(one["source"], one["reason"]) for one in summary.failed] == [
        (odd, f"{odd}: step normalize: expected another scan")
    ]


def test_a_mistake_of_a_reader_stops_no_other_file(beamtime, monkeypatch):
    original = xas.read

    def read(path, **settings):
        if path.name == "Ni_L3_0007.txt":
            raise ZeroDivisionError("division by zero")
        return original(path, **settings)

    monkeypatch.setattr(xas, "read", read)
    summary = run(load(beamtime))
    assert summary.scans == {"xas/Ni_L3": 59}
    assert (
        "Ni_L3_0007.txt: ZeroDivisionError (division by zero), which operando did not foresee"
        in summary.failed[0]["reason"]
    )


def test_a_changed_recipe_makes_its_results_anew(beamtime):
    before = opened(run(load(beamtime)).store)
    edited(beamtime, "soc0 = -0.012", "soc0 = 0.1")
    after = opened(run(load(beamtime)).store)
    np.testing.assert_allclose(after.soc - before.soc, 0.112, atol=1e-12)


def test_a_bad_file_is_listed_and_the_others_go_on(beamtime, with_report):
    sources = sorted((beamtime / "xas").iterdir())
    sources[3].write_bytes(b"")
    sources[7].write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", encoding="utf-8")
    sources[9].write_bytes(bytes(range(256)) * 20)
    summary = run(load(beamtime))
    assert summary.exit_code == 3
    assert summary.scans == {"xas/Ni_L3": 57}
    reasons = {failure["source"].split("/")[-1]: failure["reason"] for failure in summary.failed}
    assert "empty file" in reasons[sources[3].name]
    assert "git lfs pull" in reasons[sources[7].name]
    assert sources[9].name in reasons
    with operando.open(summary.store) as tree:
        assert json.loads(tree.attrs["failed"]) == summary.failed
    assert sources[3].name in summary.report.read_text(encoding="utf-8")


def test_a_first_scan_that_was_broken_off_stops_no_run(beamtime):
    path = min((beamtime / "xas").iterdir())
    path.write_text("".join(path.read_text(encoding="utf-8").splitlines(keepends=True)[:90]), encoding="utf-8")
    summary = run(load(beamtime))
    assert (summary.exit_code, summary.scans) == (0, {"xas/Ni_L3": 60})
    ds = opened(summary.store)
    assert int(ds.flag[0]) & int(Flag.truncated)
    assert np.isfinite(ds.edge_energy[1:-1]).all()


def test_a_mended_file_joins_the_others(beamtime):
    path = sorted((beamtime / "xas").iterdir())[3]
    whole = path.read_bytes()
    path.write_bytes(b"")
    assert run(load(beamtime)).exit_code == 3
    path.write_bytes(whole)
    summary = run(load(beamtime))
    assert (summary.exit_code, summary.new, summary.scans) == (0, 1, {"xas/Ni_L3": 60})


def test_a_bad_log_leaves_the_other_log_and_the_scans(beamtime):
    logs = sorted((beamtime / "echem").iterdir())
    logs[1].write_bytes(logs[1].read_bytes()[:200])
    summary = run(load(beamtime))
    assert summary.exit_code == 3
    assert summary.scans == {"xas/Ni_L3": 60}
    ds = opened(summary.store)
    assert (ds.flag.values & int(Flag.ec_outside | Flag.ec_gap) != 0).sum() > 10
    assert np.isfinite(ds.potential.values[:20]).all()


def test_a_log_of_which_nothing_can_be_read_leaves_the_store_as_it_was(beamtime):
    before = opened(run(load(beamtime)).store)
    for path in (beamtime / "echem").iterdir():
        path.write_bytes(b"")
    with pytest.raises(RecipeError, match=r"\[echem\]: none of its 2 files can be read"):
        run(load(beamtime))
    assert opened(beamtime / "cell7.zarr").identical(before)


def test_a_cell_without_a_log_is_kept(beamtime):
    text = (beamtime / "beamtime.toml").read_text(encoding="utf-8")
    kept = text[: text.index("[echem]")] + text[text.index("[[series]]") :].replace('clock = "beamline"', "")
    (beamtime / "beamtime.toml").write_text(kept, encoding="utf-8")
    assert float(opened(run(load(beamtime)).store, "cell").active_mass) == 7.0


def test_raw_files_are_only_read(beamtime):
    files = [path for path in beamtime.rglob("*") if path.is_file()]
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in files}
    for path in files:
        path.chmod(stat.S_IRUSR)
    run(load(beamtime))
    assert {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in files} == before


def test_plain_xarray_opens_the_store_with_units_on_every_number(beamtime):
    path = run(load(beamtime)).store
    with xr.open_datatree(path, engine="zarr", chunks={}) as tree:
        for node in tree.leaves:
            for name, var in node.to_dataset().variables.items():
                assert var.chunks is not None or name in node.indexes or var.ndim == 0
                if var.dtype.kind in "fiu":
                    assert var.attrs["units"], f"{node.path}/{name}"


def test_a_folder_with_one_scan_and_no_electrochemistry_works(beamtime, tmp_path):
    folder = tmp_path / "one"
    folder.mkdir()
    shutil.copy(min((beamtime / "xas").iterdir()), folder / "scan.txt")
    from operando.pipelines.draft import write_draft

    path, _ = write_draft(folder)
    summary = run(load(path))
    assert list(summary.scans.values()) == [1]
    node = next(iter(summary.scans))
    ds = opened(summary.store, f"{node}/processed")
    assert np.isfinite(ds.edge_energy).all()


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('files = ["xas/Ni_L3_*.txt"]', 'files = ["xas/Co_*.txt"]', "nothing matches 'xas/Co_\\*.txt'"),
        ('timezone = "Europe/Zurich"', "", "experiment.timezone: required"),
        ('tey = "drain current"', 'tey = "drain curent"', "drain curent"),
        ('signal = ["tey", "tfy"]', 'signal = ["tey", "pfy"]', "needs 'pfy'"),
        ('reader = "eclab"', 'reader = "eclap"', "echem.reader: expected one of"),
    ],
)
def test_what_does_not_fit_the_files_is_told_before_anything_is_written(beamtime, old, new, told):
    edited(beamtime, old, new)
    with pytest.raises(RecipeError, match=told):
        run(load(beamtime))
    assert not (beamtime / "cell7.zarr").exists()


def test_two_runs_at_once_are_refused(beamtime):
    from operando.pipelines.writer import Writer

    with Writer(load(beamtime).store), pytest.raises(OperandoError, match="another"):
        run(load(beamtime))
