"""Within declared folders nothing is read outside them, wherever paths, links and names in files lead."""

from __future__ import annotations

import pytest

from operando import xas
from operando.errors import FileError
from operando.folders import require_near, within
from operando.sniff import head
from operando.xas.xpeem.formats.frames import beside

SCAN = "# energy i0 tey\n" + "".join(f"{e} 1.0 {e / 100}\n" for e in range(840, 870))


def read(path):
    return xas.read(path, columns={"energy": "energy", "tey": "tey"})


@pytest.fixture
def folders(tmp_path):
    (tmp_path / "inside" / "deep").mkdir(parents=True)
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "scan.txt").write_text(SCAN)
    (tmp_path / "inside" / "scan.txt").write_text(SCAN)
    (tmp_path / "inside" / "link.txt").symlink_to(tmp_path / "secret" / "scan.txt")
    (tmp_path / "inside" / "day").symlink_to(tmp_path / "secret", target_is_directory=True)
    return tmp_path


@pytest.mark.parametrize("way", ["../secret/scan.txt", "link.txt", "day/scan.txt", "deep/../../secret/scan.txt"])
def test_no_way_leads_out_of_the_declared_folders(folders, way):
    path = folders / "inside" / way
    assert read(path).sizes["energy"] == 30, "what is given by hand is free"
    with within([folders / "inside"]), pytest.raises(FileError, match=r"inside the declared folders, got .*secret"):
        read(path)
    with within([folders / "inside", folders / "secret"]):
        assert read(path).sizes["energy"] == 30


def test_what_lies_inside_is_read(folders):
    with within([folders / "inside"]):
        assert read(folders / "inside" / "scan.txt").sizes["energy"] == 30


def test_a_name_in_a_file_leads_no_further_than_the_folder_above(folders):
    log = folders / "inside" / "deep" / "log.txt"
    require_near(log, log.parent / ".." / "flat.tif")
    with within([folders]):
        require_near(log, folders / "secret" / "scan.txt")
    for far in ("../../secret/a.tif", "/etc/passwd", "../day/scan.txt"):
        with pytest.raises(FileError, match="in its own folder or the one above"):
            require_near(log, log.parent / far)


@pytest.mark.parametrize("name", ["x" * 5000, "a\x00b"])
def test_names_that_nothing_can_have_are_told(tmp_path, name):
    with pytest.raises(FileError, match="expected"):
        head(tmp_path / name)
    with pytest.raises(FileError, match="expected"):
        beside(tmp_path / "log.txt", name)
