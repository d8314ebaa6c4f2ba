"""The same scan under several names, in several folders, or under another name in mid-run: nothing lost or mixed up."""

from __future__ import annotations

import shutil

import pytest
from watched_folder import RAW, Watched, few_scans, run_without_report, same_as_one_run

import operando
from operando.pipelines.processing import Processing

pytestmark = pytest.mark.faults


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr("operando.pipelines.watch._SHARE", 1.0)
    few_scans(tmp_path)
    recipe = tmp_path / "beamtime.toml"
    text = recipe.read_text(encoding="utf-8").replace('["xas/*.txt"]', '["xas/*.txt", "copies/*.txt"]')
    recipe.write_text(text, encoding="utf-8")
    return tmp_path


def test_a_scan_that_came_twice_is_stored_twice_each_with_its_own_source_and_told(folder):
    first = folder / "xas" / "Ni_L3_0003.txt"
    with Watched(folder) as watched:
        watched.until(lambda raw, _: raw.sizes["scan"] == 8)
        shutil.copy(first, folder / "xas" / "Ni_L3_0003_copy.txt")
        (folder / "copies").mkdir()
        shutil.copy(first, folder / "copies")
        watched.until(lambda raw, failed: raw.sizes["scan"] == 10 and not failed)
        watched.until_said("holds the same as")
    with operando.open(folder / "fed.zarr") as tree:
        raw = tree[RAW].to_dataset().load()
    rows = [k for k, source in enumerate(raw["source"].values) if "0003" in str(source)]
    same = raw.isel(scan=rows).drop_vars("source")
    assert len(rows) == 3
    assert all(same.isel(scan=0).equals(same.isel(scan=k)) for k in (1, 2))
    same_as_one_run(folder)


def test_scans_that_are_renamed_while_a_run_reads_them_are_listed_and_found_by_the_next(folder, monkeypatch):
    names = sorted((folder / "xas").iterdir())
    read, calls = Processing.read, []

    def renaming(self, path, **options):
        calls.append(path)
        if len(calls) == 4:
            for old in names[4:6]:
                old.rename(old.with_name(f"again_{old.name}"))
        return read(self, path, **options)

    monkeypatch.setattr(Processing, "read", renaming)
    failed = run_without_report(folder).failed
    assert [one["source"] for one in failed] == [f"xas/{path.name}" for path in names[4:6]]
    monkeypatch.setattr(Processing, "read", read)
    again = run_without_report(folder)
    assert (again.failed, again.new) == ([], 2)
    same_as_one_run(folder)


def test_a_watch_follows_scans_that_are_renamed_swapped_and_moved_between_folders(folder):
    one, two, three, *_ = sorted((folder / "xas").iterdir())[2:]
    with Watched(folder) as watched:
        watched.until(lambda raw, _: raw.sizes["scan"] == 8)
        aside = folder / "aside"
        one.rename(aside)
        two.rename(one)
        aside.rename(two)
        (folder / "copies").mkdir()
        three.rename(folder / "copies" / three.name)
        wanted = {operando.pipelines.sources.checksum(path) for path in (one, two)}
        watched.until(
            lambda raw, failed: (
                raw.sizes["scan"] == 8
                and not failed
                and f"copies/{three.name}" in {str(source) for source in raw["source"].values}
                and f"xas/{three.name}" not in {str(source) for source in raw["source"].values}
                and {
                    str(known)
                    for source, known in zip(raw["source"].values, raw["checksum"].values, strict=True)
                    if str(source) in (f"xas/{one.name}", f"xas/{two.name}")
                }
                == wanted
            )
        )
    assert watched.error is None
    same_as_one_run(folder)
