"""HDF5 files are read whole or refused in a line: bounded, inside their folder, never in circles."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from operando import hdf5
from operando.errors import FileError
from operando.sniff import Head, head

UNKNOWN_CODEC = 300
"""A number that HDF5 keeps for trials, so that no plugin has it."""


@pytest.fixture
def path(tmp_path) -> Path:
    (tmp_path / "folder").mkdir()
    return tmp_path / "folder" / "a.h5"


def values(path, name="x"):
    with hdf5.opened(path) as root:
        found = root.get(name)
        return None if found is None else found.numbers()


def test_links_within_the_file_are_followed(path):
    with h5py.File(path, "w") as file:
        file["group/data"] = [1.0, 2.0]
        file["x"] = h5py.SoftLink("/group/data")
        file["group/near"] = h5py.SoftLink("data")
        file["y"] = h5py.SoftLink("/x")
    for name in ("x", "y", "group/near", "/group/./near"):
        np.testing.assert_array_equal(values(path, name), [1.0, 2.0])
    assert values(path, "absent/data") is None


@pytest.mark.parametrize(
    ("links", "said"),
    [
        ({"x": "/y", "y": "/x"}, "circle"),
        ({"x": "/x"}, "circle"),
        ({"x": "/nothing"}, "a link to /nothing, which is not there"),
    ],
)
def test_links_in_a_circle_or_to_nothing_are_refused(path, links, said):
    with h5py.File(path, "w") as file:
        for name, target in links.items():
            file[name] = h5py.SoftLink(target)
    with pytest.raises(FileError, match=said):
        values(path)


def test_links_into_the_folder_and_those_below_are_followed(path):
    (path.parent / "below").mkdir()
    with h5py.File(path.parent / "below" / "detector.h5", "w") as file:
        file["entry/data"] = [3.0]
        file["back"] = h5py.ExternalLink("../a.h5", "/own")
    with h5py.File(path, "w") as file:
        file["own"] = [4.0]
        file["x"] = h5py.ExternalLink("below/detector.h5", "/entry/data")
        file["y"] = h5py.ExternalLink("below/detector.h5", "/back")
        file["absolute"] = h5py.ExternalLink(str(path.parent / "below" / "detector.h5"), "/entry")
    np.testing.assert_array_equal(values(path), [3.0])
    np.testing.assert_array_equal(values(path, "y"), [4.0])
    np.testing.assert_array_equal(values(path, "absolute/data"), [3.0])


@pytest.mark.parametrize("way", ["../secret.h5", "absolute", "linked.h5"])
def test_links_out_of_the_folder_are_refused_however_they_get_there(path, way):
    secret = path.parents[1] / "secret.h5"
    with h5py.File(secret, "w") as file:
        file["data"] = [1.0]
    (path.parent / "linked.h5").symlink_to(secret)
    with h5py.File(path, "w") as file:
        file["x"] = h5py.ExternalLink(str(secret) if way == "absolute" else way, "/data")
    with pytest.raises(FileError, match="expected links to files in its own folder, got a link out of it"):
        values(path)


def test_a_link_to_a_missing_file_names_it(path):
    with h5py.File(path, "w") as file:
        file["x"] = h5py.ExternalLink("gone.h5", "/data")
    with pytest.raises(FileError, match=r"/x: expected a link to a file, got a link to gone\.h5, which is missing"):
        values(path)


def test_parts_of_virtual_datasets_obey_the_same_rules(path):
    """HDF5 itself reads a missing part as zeros, which no one would notice."""
    for name in ("part.h5", "../out.h5"):
        with h5py.File(path.parent / name, "w") as file:
            file["data"] = np.arange(3.0)
    with h5py.File(path, "w") as file:
        for name, part in (("x", "part.h5"), ("out", "../out.h5"), ("gone", "gone.h5")):
            layout = h5py.VirtualLayout((3,), "f8")
            layout[:] = h5py.VirtualSource(part, "data", (3,))
            file.create_virtual_dataset(name, layout)
    np.testing.assert_array_equal(values(path), [0.0, 1.0, 2.0])
    with pytest.raises(FileError, match="a link out of it"):
        values(path, "out")
    with pytest.raises(FileError, match="which is missing"):
        values(path, "gone")


def test_raw_values_in_another_file_are_refused(path):
    (path.parents[1] / "raw.bin").write_bytes(bytes(24))
    with h5py.File(path, "w") as file:
        file.create_dataset("x", (3,), "f8", external=[(str(path.parents[1] / "raw.bin"), 0, 24)])
    with pytest.raises(FileError, match="expected values in an HDF5 file, got raw ones in"):
        values(path)


@pytest.mark.parametrize(
    "declared",
    [
        {"shape": (10**13,), "chunks": (1000,)},
        {"shape": (10,), "maxshape": (None,), "chunks": (2**28,)},
        {"shape": (2**20, 2**20, 2**20), "chunks": (1, 1, 1000)},
    ],
)
def test_what_is_only_declared_is_never_allocated(path, declared):
    with h5py.File(path, "w") as file:
        file.create_dataset("x", dtype="f8", compression="gzip", **declared)
    assert path.stat().st_size < 10_000
    with pytest.raises(FileError, match=f"expected at most {hdf5.MOST_BYTES >> 20} MiB, got .* declared"):
        values(path)


def test_a_missing_codec_is_named_with_what_to_install(path):
    with h5py.File(path, "w") as file:
        plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plan.set_chunk((4,))
        plan.set_filter(UNKNOWN_CODEC, h5py.h5z.FLAG_OPTIONAL)
        space = h5py.h5s.create_simple((4,))
        h5py.h5d.create(file.id, b"x", h5py.h5t.NATIVE_DOUBLE, space, plan).write_direct_chunk((0,), bytes(32), 0)
    with pytest.raises(FileError, match=rf'codec {UNKNOWN_CODEC} .*; pip install "operando\[hdf5\]"'):
        values(path)


def test_codecs_of_hdf5plugin_are_found_where_it_is_installed(path):
    hdf5plugin = pytest.importorskip("hdf5plugin", reason="hdf5plugin is not installed (extra 'hdf5')")
    with h5py.File(path, "w") as file:
        file.create_dataset("x", data=np.arange(100.0), chunks=(50,), **hdf5plugin.Zstd())
    np.testing.assert_array_equal(values(path), np.arange(100.0))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("text", "expected numbers, got values of type object"),
        (h5py.Empty("f8"), "expected values, got a dataset without any"),
        (np.zeros(2, [("a", "f8"), ("b", "i4")]), "expected numbers, got a table of a, b; name one of its columns"),
    ],
)
def test_what_is_no_numbers_is_told(path, content, said):
    with h5py.File(path, "w") as file:
        file["x"] = content
    with pytest.raises(FileError, match=said):
        values(path)


def test_columns_of_tables_are_read_by_name(path):
    with h5py.File(path, "w") as file:
        file["x"] = np.array([(1.0, 2), (3.0, 4)], [("a", "f8"), ("b", "i4")])
    with hdf5.opened(path) as root:
        np.testing.assert_array_equal(root.get("x").numbers("b"), [2.0, 4.0])
        with pytest.raises(FileError, match="expected a table with 'c', got one of a, b"):
            root.get("x").numbers("c")


def test_texts_and_numbers_are_gathered_by_their_paths(path):
    with h5py.File(path, "w") as file:
        file["a/b/text"] = "µ"
        file["a/latin"] = np.bytes_("µ".encode("latin-1"))
        file["a/one"] = [7]
        file["a/many"] = [1, 2]
        file["a"].attrs["names"] = ["x", "y"]
        file["a/left"] = 1
        file.create_group("a/skipped").attrs["NX_class"] = "NXdata"
        file["a/skipped/inner"] = 1
    with hdf5.opened(path) as root:
        assert root.get("a").attribute("names") == ["x", "y"]
        assert root.get("a").attribute("absent") is None
        found = hdf5.scalars(root, passing_over=("NXdata",))
    assert found == {"a.b.text": "µ", "a.latin": "\\xb5", "a.one": 7.0, "a.left": 1.0}


def test_a_group_that_holds_itself_is_no_endless_tree(path):
    with h5py.File(path, "w") as file:
        file["group/value"] = 1.0
        file["group/self"] = file["group"]
    with hdf5.opened(path) as root:
        assert hdf5.scalars(root) == {"group.value": 1.0}
        assert "/group/value ()" in hdf5.content(root)


def test_content_names_the_first_groups_and_datasets(path):
    with h5py.File(path, "w") as file:
        file.create_group("entry").attrs["NX_class"] = "NXentry"
        file["entry/data"] = np.zeros((2, 3))
        file["gone"] = h5py.SoftLink("/nothing")
    with hdf5.opened(path) as root:
        said = hdf5.content(root)
        broken: list[str] = []
        assert hdf5.scalars(root, broken=broken) == {}
    assert said == "/entry (NXentry), /entry/data (2, 3)"
    assert len(broken) == 1
    assert "/gone: expected a link to a dataset or a group, got a link to /nothing, which is not there" in broken[0]


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_file_that_breaks_off_is_told_so(path, share):
    with h5py.File(path, "w") as file:
        file["x"] = np.arange(5000.0)
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(FileError, match="expected a sound HDF5 file, got truncated file"):
        values(path)


def test_a_heap_of_texts_that_would_be_read_for_ever_is_refused(path):
    with h5py.File(path, "w") as file:
        file["x"] = "a text of some length"
    data = bytearray(path.read_bytes())
    heap = data.index(b"GCOL")
    data[heap + 16 : heap + 32] = bytes(16)
    path.write_bytes(bytes(data))
    with pytest.raises(FileError, match=f"a heap of texts at byte {heap} that does not add up"):
        values(path)


def test_hdf5_is_known_by_its_first_bytes_and_behind_a_block_of_the_user(path):
    with h5py.File(path, "w", userblock_size=1024) as file:
        file["x"] = [1.0]
    assert hdf5.is_hdf5(head(path))
    assert not hdf5.is_hdf5(Head(path, b"\x89PNG\r\n\x1a\n" + bytes(600)))
    np.testing.assert_array_equal(values(path), [1.0])


def test_files_are_closed_after_reading(path):
    with h5py.File(path, "w") as file:
        file["x"] = [1.0]
    with hdf5.opened(path) as root:
        kept = root.get("x")
    assert not kept.item
    with h5py.File(path, "a") as file:
        file["y"] = [1.0]
