"""A log that grows and a clock that is known better link stored scans anew, and nothing else is made again."""

from __future__ import annotations

import json

import numpy as np
import pytest

import operando
from operando.clock import Clock
from operando.linking import link
from operando.pipelines.recipe import load
from operando.pipelines.run import run
from operando.pipelines.series_growth import SeriesGrowth

pytestmark = pytest.mark.usefixtures("no_report")


def leaves(summary):
    with operando.open(summary.store) as tree:
        return {node.path: node.to_dataset().load() for node in tree.leaves}


def edited(folder, old, new):
    path = folder / "beamtime.toml"
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1
    path.write_text(text.replace(old, new), encoding="utf-8")


def few(beamtime):
    for path in sorted((beamtime / "xas").iterdir())[9:]:
        path.unlink()
    return beamtime


@pytest.fixture
def not_again(monkeypatch):
    """Return a function after which no scan may be worked up again."""

    def refuse(*_, **__):
        pytest.fail("a stored scan was worked up again")

    return lambda: monkeypatch.setattr(SeriesGrowth, "_append", refuse)


def same(found, expected):
    assert found.keys() == expected.keys()
    for path, ds in found.items():
        assert ds.identical(expected[path]), path


def test_a_log_that_grows_links_stored_scans_and_leaves_the_store_of_one_run(beamtime, tmp_path, not_again):
    whole = run(load(few(beamtime)))
    expected, log = leaves(whole), max((beamtime / "echem").iterdir(), key=lambda path: path.stat().st_size)
    whole.store.rename(tmp_path / "aside.zarr")
    text = log.read_bytes()
    lines = text.splitlines(keepends=True)
    log.write_bytes(b"".join(lines[: len(lines) // 12]))
    before = leaves(run(load(beamtime)))["/xas/Ni_L3/processed"]
    log.write_bytes(text)
    not_again()
    summary = run(load(beamtime))
    assert summary.new == 0
    same(leaves(summary), expected)
    after = expected["/xas/Ni_L3/processed"]
    assert np.isfinite(after.potential).sum() > np.isfinite(before.potential).sum()
    assert not after.flag.equals(before.flag)


def test_another_offset_of_the_clock_moves_the_times_of_stored_scans(beamtime, tmp_path, not_again):
    few(beamtime)
    path = beamtime / "beamtime.toml"
    text = path.read_text(encoding="utf-8")
    start, end = text.index("[clocks.beamline]"), text.index("[[series]]")
    known = '[clocks.beamline]\noffset = {}\ndrift = 25e-6\nsigma = 0.5\nmethod = "manual"\n\n'
    path.write_text(text[:start] + known.format(37.4) + text[end:], encoding="utf-8")
    whole = run(load(beamtime))
    expected = leaves(whole)
    whole.store.rename(tmp_path / "aside.zarr")
    edited(beamtime, "offset = 37.4", "offset = 3637.4")
    before = leaves(run(load(beamtime)))["/xas/Ni_L3/raw"]
    edited(beamtime, "offset = 3637.4", "offset = 37.4")
    not_again()
    same(leaves(run(load(beamtime))), expected)
    raw = expected["/xas/Ni_L3/raw"]
    np.testing.assert_allclose((raw.time - before.time) / np.timedelta64(1, "s"), 3600 / (1 + 25e-6), atol=1e-6)
    np.testing.assert_array_equal(raw.recorded_time, before.recorded_time)


def test_a_log_that_comes_later_makes_a_series_anew(beamtime):
    few(beamtime)
    path = beamtime / "beamtime.toml"
    text = path.read_text(encoding="utf-8")
    start, end = text.index("[echem]"), text.index("[[series]]")
    path.write_text((text[:start] + text[end:]).replace('clock = "beamline"\n', ""), encoding="utf-8")
    assert "potential" not in leaves(run(load(beamtime)))["/xas/Ni_L3/raw"].coords
    path.write_text(text, encoding="utf-8")
    summary = run(load(beamtime))
    assert summary.new == 9
    assert np.isfinite(leaves(summary)["/xas/Ni_L3/raw"].potential).all()


def test_linking_twice_is_linking_once(beamtime):
    summary = run(load(few(beamtime)))
    found = leaves(summary)
    raw, echem = found["/xas/Ni_L3/raw"], found["/echem"]
    clock = Clock.from_dict({**json.loads(raw.attrs["clock"]), "offset": -12.0})
    once = link(raw, echem, clock)
    assert link(once, echem, clock).identical(once)
    assert not once.time.equals(raw.time)
    assert [step["step"] for step in operando.history.entries(once)].count("link") == 1
