"""Files count as arrived once they stay the same from look to look, whatever the clock of their server says."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from operando.errors import FileError
from operando.pipelines.arrivals import Arrivals
from operando.pipelines.recipe import load

RECIPE = """
[[series]]
node = "Ni_K"
technique = "xas"
files = ["xas/*.txt"]
"""


class Time:
    """A clock that tests set."""

    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "beamtime.toml").write_text(RECIPE, encoding="utf-8")
    (tmp_path / "xas").mkdir()
    return tmp_path


@pytest.fixture
def time():
    return Time()


@pytest.fixture
def arrivals(folder, time):
    return Arrivals(load(folder), settle=1.0, patience=60.0, clock=time)


def put(folder, name, text="1 2\n"):
    path = folder / "xas" / name
    path.write_text(text, encoding="utf-8")
    return path


def closed(arrivals, time, now):
    time.now = now
    arrivals.look()
    return [path.name for path in arrivals.of(arrivals.recipe.series[0])]


def test_a_file_is_closed_when_it_stays_the_same_between_two_looks(folder, arrivals, time):
    put(folder, "1.txt")
    assert closed(arrivals, time, 0.0) == []
    put(folder, "1.txt", "1 2\n3 4\n")
    assert closed(arrivals, time, 0.9) == []
    assert closed(arrivals, time, 1.8) == []
    assert closed(arrivals, time, 2.0) == ["1.txt"]


def test_a_file_that_was_not_looked_at_for_a_while_is_not_closed_by_the_clock(folder, arrivals, time):
    put(folder, "1.txt")
    assert closed(arrivals, time, 0.0) == []
    assert closed(arrivals, time, 0.5) == []
    time.now = 1.2
    assert arrivals.of(arrivals.recipe.series[0]) == [], "it may have grown since the last look"
    assert closed(arrivals, time, 1.3) == ["1.txt"]


@pytest.mark.parametrize("skew", [-1e6, 1e6])
def test_the_clock_of_the_file_server_does_not_matter(folder, arrivals, time, skew):
    path = put(folder, "1.txt")
    modified = path.stat().st_mtime + skew
    os.utime(path, (modified, modified))
    assert closed(arrivals, time, 0.0) == []
    assert closed(arrivals, time, 1.0) == ["1.txt"]


def test_files_come_in_natural_order(folder, arrivals, time):
    for name in ("10.txt", "9.txt"):
        put(folder, name)
    closed(arrivals, time, 0.0)
    put(folder, "1.txt")
    closed(arrivals, time, 1.0)
    assert closed(arrivals, time, 2.0) == ["1.txt", "9.txt", "10.txt"]


def test_a_file_that_breaks_off_is_tried_less_and_less_often_until_patience_ends(folder, arrivals, time):
    path = put(folder, "1.txt")
    tried, now = [], 0.0
    while now < 100:
        if closed(arrivals, time, now):
            tried.append(now)
            if not arrivals.may_grow(path):
                break
        now += 0.5
    assert tried == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0]
    put(folder, "1.txt", "1 2\n3 4\n")
    closed(arrivals, time, 70.0)
    assert closed(arrivals, time, 71.0) == ["1.txt"]
    assert arrivals.may_grow(path)


def test_a_file_that_was_judged_before_is_not_waited_for_again_until_it_changes(folder, arrivals, time):
    path = put(folder, "1.txt")
    arrivals.judge_at_once([path])
    closed(arrivals, time, 0.0)
    closed(arrivals, time, 1.0)
    assert not arrivals.may_grow(path)
    put(folder, "1.txt", "")
    closed(arrivals, time, 2.0)
    assert arrivals.may_grow(path)


def test_a_file_is_deleted_only_once_it_is_missing_for_long_beside_others(folder, arrivals, time):
    one, other = put(folder, "1.txt"), put(folder, "2.txt")
    closed(arrivals, time, 0.0)
    closed(arrivals, time, 1.0)
    one.unlink()
    assert closed(arrivals, time, 2.0) == ["2.txt"]
    assert arrivals.keeps(one)
    closed(arrivals, time, 61.0)
    assert arrivals.keeps(one)
    closed(arrivals, time, 62.0)
    assert not arrivals.keeps(one)
    other.unlink()
    for now in (70.0, 200.0):
        assert closed(arrivals, time, now) == []
    assert arrivals.keeps(other), "an empty folder may be a share that is lost"


def test_a_checksum_is_computed_again_only_when_the_file_or_its_images_change(folder, arrivals, time, monkeypatch):
    path, image = put(folder, "1.txt"), folder / "xas" / "1.tif"
    read = []
    original = Path.open
    monkeypatch.setattr(Path, "open", lambda self, *a, **k: read.append(self.name) or original(self, *a, **k))
    closed(arrivals, time, 0.0)
    first = arrivals.checksum(path, "1.tif")
    assert arrivals.checksum(path, "1.tif") == first
    assert read == ["1.txt"]
    image.write_bytes(b"II")
    assert arrivals.checksum(path, "1.tif") != first
    put(folder, "1.txt", "3 4\n")
    closed(arrivals, time, 1.0)
    read.clear()
    arrivals.checksum(path)
    assert read == ["1.txt"]


def test_a_look_takes_one_stat_a_file(folder, arrivals, time, monkeypatch):
    for number in range(50):
        put(folder, f"{number}.txt")
    closed(arrivals, time, 0.0)
    looked = []
    original = Path.stat
    monkeypatch.setattr(Path, "stat", lambda self, **k: looked.append(self.name) or original(self, **k))
    closed(arrivals, time, 1.0)
    assert sorted(name for name in looked if name.endswith(".txt")) == sorted(f"{k}.txt" for k in range(50))


def test_a_link_to_nothing_is_a_file_that_cannot_be_read(folder, arrivals, time):
    (folder / "xas" / "1.txt").symlink_to(folder / "gone")
    closed(arrivals, time, 0.0)
    assert closed(arrivals, time, 1.0) == ["1.txt"]
    with pytest.raises(FileError):
        arrivals.checksum(folder / "xas" / "1.txt")
