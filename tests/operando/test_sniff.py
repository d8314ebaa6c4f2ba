"""A format is found by content; bad files and unknown names are one-line errors."""

import h5py
import numpy as np
import pytest

from operando.errors import FileError
from operando.sniff import Format, choose, head, identify, never_likely


def never(*_args, **_kwargs):
    raise AssertionError


SPECIAL = Format("special", "echem", "special", lambda start: start.text.startswith("SPECIAL"), never)
ANY = Format("any", "echem", "any text", lambda start: start.is_text, never, specific=False)


def test_a_specific_format_is_asked_before_one_that_anything_fits(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("SPECIAL file")
    assert identify(head(path), (ANY, SPECIAL)) is SPECIAL
    assert choose(path, (ANY, SPECIAL), "any") is ANY


def test_no_format_and_unknown_name_are_errors_that_list_the_known_ones(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(b"\x00\x01")
    with pytest.raises(FileError, match="special, any"):
        choose(path, (SPECIAL, ANY))
    with pytest.raises(FileError, match="'nope'"):
        choose(path, (SPECIAL, ANY), "nope")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "empty file"),
        (b"\xef\xbb\xbf", r"empty file \(3 bytes\)"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer"),
    ],
)
def test_empty_files_and_pointers_are_named(tmp_path, content, told):
    path = tmp_path / "a.txt"
    path.write_bytes(content)
    with pytest.raises(FileError, match=told):
        head(path)


def test_missing_files_and_folders_are_named(tmp_path):
    with pytest.raises(FileError, match="No such file"):
        head(tmp_path / "absent")
    with pytest.raises(FileError, match="a folder"):
        head(tmp_path)


def test_latin1_and_utf8_with_mark_are_both_text(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes("µA".encode("latin-1"))
    assert head(path).text == "µA"
    path.write_bytes("\ufeffµA".encode())
    assert head(path).text == "µA"


def test_a_file_name_that_is_not_utf8_is_told_in_printable_text(tmp_path):
    with pytest.raises(FileError, match="a file name in UTF-8") as caught:
        head(tmp_path / "scan\udcff.txt")
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_text_in_utf16_is_named(tmp_path, encoding):
    path = tmp_path / "a.txt"
    path.write_bytes("\ufeff1 2 3".encode(encoding))
    with pytest.raises(FileError, match="got UTF-16; save a copy of it as UTF-8"):
        head(path)


def test_folders_are_for_readers_that_take_them(tmp_path):
    files = Format("text", "test", "any text", recognizes=lambda start: start.is_text, read=dict)
    folders = Format("folder", "test", "a folder", recognizes=lambda start: start.is_folder, read=dict, folders=True)
    with pytest.raises(FileError, match="expected a file, got a folder; name the files in it"):
        choose(tmp_path, [files])
    assert choose(tmp_path, [files, folders]) is folders
    with pytest.raises(FileError, match="expected a file, got a folder"):
        choose(tmp_path, [files, folders], "text")
    assert choose(tmp_path, [files, folders], "folder") is folders
    (tmp_path / "a.txt").write_text("text")
    assert choose(tmp_path / "a.txt", [folders, files]) is files
    with pytest.raises(FileError, match="expected a readable file, got No such file"):
        choose(tmp_path / "none", [files, folders])
    never = Format("never", "test", "none", recognizes=never_likely, read=dict, folders=True)
    with pytest.raises(FileError, match="expected a format among never, got a folder without any of them"):
        choose(tmp_path, [never])
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileError, match="expected a format among never, got an empty folder"):
        choose(tmp_path / "empty", [never])


def test_hdf5_that_no_reader_knows_is_told_by_what_it_holds_or_lacks(tmp_path):
    never = Format("never", "test", "none", recognizes=never_likely, read=dict)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["stuff/x"] = np.arange(5000)
    with pytest.raises(FileError, match=r"got HDF5 that holds /stuff, /stuff/x \(5000,\)"):
        choose(tmp_path / "a.h5", [never])
    whole = (tmp_path / "a.h5").read_bytes()
    (tmp_path / "half.h5").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(FileError, match="expected a sound HDF5 file, got truncated file"):
        choose(tmp_path / "half.h5", [never])
