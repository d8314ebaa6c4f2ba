"""What is written is read back the same by plain xarray; what does not fit is refused in one line."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import dask
import dask.array as da
import numpy as np
import pytest
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from operando import flags
from operando.errors import StoreError
from operando.pipelines.writer import Writer

RAW, PROCESSED = "xas/Ni_K/raw", "xas/Ni_K/processed"
ENERGY = np.linspace(8333.0, 8360.0, 7)


def batch(first, scans, **changes):
    index = np.arange(first, first + scans)
    start = np.datetime64("2026-03-01T12:00:00.123456789", "ns") + index * np.timedelta64(90, "s")
    ds = xr.Dataset(
        {"mu": (("scan", "energy"), np.sin(index[:, None] + ENERGY), {"units": "1", "long_name": "absorption"})},
        {
            "energy": ("energy", ENERGY, {"units": "eV"}),
            "time": ("scan", np.where(index % 5 == 3, np.datetime64("NaT", "ns"), start)),
            "source": ("scan", [("" if i % 4 == 1 else f"Zelle µ/スキャン {i}.txt") for i in index]),
            "flag": ("scan", (index % 3).astype("int32"), flags.attrs()),
            "signal": ((), "mu"),
            "temperature": ((), 298.15, {"units": "K"}),
        },
    )
    return ds.assign(changes)


def echem(samples, value=1.0):
    time = np.datetime64("2026-03-01", "ns") + np.arange(samples) * np.timedelta64(1, "s")
    return xr.Dataset({"voltage": ("time", np.full(samples, value), {"units": "V"})}, {"time": time})


def plain(path, node):
    return xr.open_zarr(path, group=node).load()


def same(left, right):
    """Compare values, dims, types and attributes, whether text is object or string dtype."""
    assert set(left.variables) == set(right.variables)
    assert set(left.coords) == set(right.coords)
    for name in left.variables:
        if left[name].dtype.kind not in "TOU":
            assert left[name].dtype == right[name].dtype, name
    as_object = [
        ds.assign({n: v.astype(object) for n, v in ds.variables.items() if v.dtype.kind in "TOU"})
        for ds in (left, right)
    ]
    xr.testing.assert_identical(*as_object)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "cell.zarr"


@pytest.fixture
def store(path):
    with Writer(path, {"experiment": "cell"}) as writer:
        yield writer


def test_series_come_back_as_they_were(store, path):
    for first in range(0, 30, 6):
        store.append({RAW: batch(first, 6)})
    same(plain(path, RAW), batch(0, 30))
    same(store.dataset(RAW).load(), batch(0, 30))
    assert store.committed() == {RAW: 30}


def test_flags_keep_their_type_and_their_masks(store, path):
    store.append({RAW: batch(0, 6)})
    flag = plain(path, RAW).flag
    assert flag.dtype == np.int32
    assert flag.attrs == flags.attrs()


def test_text_is_stored_without_a_length(store, path):
    store.append({RAW: batch(0, 6)})
    arrays = json.loads((path / "zarr.json").read_text())["consolidated_metadata"]["metadata"]
    assert arrays[f"{RAW}/source"]["data_type"] == arrays[f"{RAW}/signal"]["data_type"] == "string"
    assert plain(path, RAW).signal.item() == "mu"


@pytest.mark.parametrize(
    "values",
    [
        np.array([True, False]),
        np.array([1, -2], "int8"),
        np.array([2**63], "uint64"),
        np.array([1.5, np.nan], "float32"),
        np.array([1.5, -np.inf], ">f8"),
        np.array([1 + 2j, np.nan]),
        np.array(["NaT", "1969-12-31T23:59:59.999999999"], "M8[ns]"),
        np.array(["2026-01-01"], "M8[s]"),
        np.zeros((0, 3)),
        np.array(4.0),
        np.array("2026-01-01T00:00:00.000000001", "M8[ns]"),
    ],
)
def test_every_kind_of_value_survives(store, path, values):
    dims = ("a", "b")[: values.ndim]
    store.replace({"kinds": xr.Dataset({"values": (dims, values)})})
    back = plain(path, "kinds")["values"]
    assert back.dtype == (np.dtype("M8[ns]") if values.dtype.kind == "M" else values.dtype.newbyteorder("="))
    np.testing.assert_array_equal(back, values)


def test_volumes_are_written_chunk_by_chunk(store, path):
    size = (3, 150, 140, 130)
    volumes = da.random.default_rng(1).random(size, chunks=(3, 37, 140, 50)).astype("float32")
    ds = xr.Dataset({"grey": (("scan", "z", "y", "x"), volumes, {"units": "1"})})
    for half in (slice(0, 2), slice(2, 3)):
        store.append({"xtm/raw": ds.isel(scan=half)})
    assert store.dataset("xtm/raw").grey.encoding["chunks"] == (1, 128, 128, 128)
    np.testing.assert_array_equal(plain(path, "xtm/raw").grey, volumes)


def test_images_at_many_energies_keep_the_spectrum_of_a_pixel_together(store):
    stack = da.zeros((1, 60, 512, 512), chunks=(1, 1, 512, 512), dtype="float32")
    store.append({"xpeem/Ni_L3/raw": xr.Dataset({"counts": (("scan", "energy", "y", "x"), stack)})})
    assert store.dataset("xpeem/Ni_L3/raw").counts.encoding["chunks"] == (1, 60, 128, 256)


def test_all_spectra_of_a_node_share_one_chunk_length(store):
    wide = xr.Dataset(
        {
            "fluorescence": (("scan", "energy", "detector"), np.zeros((2, 500, 8))),
            "i0": (("scan", "energy"), np.zeros((2, 500))),
        }
    )
    store.append({RAW: wide})
    assert dict(store.dataset(RAW).chunks) == {"scan": (2,), "energy": (500,), "detector": (8,)}
    assert {var.encoding["chunks"][0] for var in store.dataset(RAW).data_vars.values()} == {32}


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    cuts=st.lists(st.integers(1, 300), min_size=1, max_size=4),
    chunks=st.tuples(st.integers(1, 200), st.integers(1, 7)),
    turned=st.booleans(),
)
def test_batches_chunks_and_order_of_dims_change_nothing(tmp_path_factory, cuts, chunks, turned):
    path, first = tmp_path_factory.mktemp("store") / "s.zarr", 0
    with Writer(path) as writer:
        for scans in cuts:
            ds = batch(first, scans).chunk({"scan": chunks[0], "energy": chunks[1]})
            writer.append({RAW: ds.transpose("energy", "scan") if turned else ds})
            first += scans
    same(plain(path, RAW), batch(0, first))
    shutil.rmtree(path)


def test_lazy_spectra_are_computed_once_for_all_nodes(store):
    calls = []

    def spectrum(block):
        calls.append(1)
        return block + 1.0

    lazy = xr.DataArray(da.ones((4, 7), chunks=(4, 7)), dims=("scan", "energy"), attrs={"units": "1"})
    lazy.data = lazy.data.map_blocks(spectrum, dtype=float, meta=np.empty((0, 0)))
    with dask.config.set(scheduler="synchronous"):
        store.append({RAW: xr.Dataset({"mu": lazy}), PROCESSED: xr.Dataset({"double": 2 * lazy})})
    assert len(calls) == 1


def test_nodes_grow_together_in_one_commit(store, path):
    store.append({RAW: batch(0, 4), PROCESSED: batch(0, 4).rename(mu="normalized")})
    before = (path / "zarr.json").stat().st_ino
    with pytest.raises(StoreError, match="expected datasets with equally many scans"):
        store.append({RAW: batch(4, 2), PROCESSED: batch(4, 3).rename(mu="normalized")})
    with pytest.raises(StoreError, match="dtype 'float64' as stored"):
        store.append({RAW: batch(4, 2), PROCESSED: batch(4, 2, mu=batch(4, 2).mu.astype("f4")).rename(mu="normalized")})
    assert (path / "zarr.json").stat().st_ino == before
    assert store.committed() == {RAW: 4, PROCESSED: 4}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"extra": ("scan", [1.0, 2.0])}, "also 'extra'; replace the node"),
        (
            {"mu": (("scan", "energy"), np.zeros((2, 7), "f4"), {"units": "1"})},
            "dtype 'float64' as stored, got 'float32'",
        ),
        ({"mu": (("scan", "energy"), np.zeros((2, 7)), {"units": "eV"})}, "units '1' as stored, got 'eV'"),
        ({"mu": ("scan", np.zeros(2), {"units": "1"})}, "expected dims"),
        ({"time": ("scan", [1, 2])}, "units 'nanoseconds since 1970-01-01' as stored, got None"),
        ({"flag": ("scan", [1, 2], {"units": "1"})}, "dtype 'int32' as stored, got 'int64'"),
        ({"signal": ((), "tey")}, "'mu' as stored, exactly, got 'tey'"),
        ({"source": ("scan", np.array(["a", 5], dtype=object))}, "expected text, got 5"),
        ({"energy": ("energy", np.nextafter(ENERGY, 9e9), {"units": "eV"})}, "8333.0 at energy 0 as stored, exactly"),
        ({"waited": ("scan", np.array([1, 2], "m8[s]"))}, "expected numbers, times or text, got dtype timedelta64"),
        ({"b/c": ("scan", [1.0, 2.0])}, "expected a variable name without '/'"),
        ({"mu": batch(4, 2).mu.assign_attrs(mean=np.nan)}, "attribute 'mean': expected text, finite numbers"),
        ({"mu": batch(4, 2).mu.assign_attrs(at=np.datetime64("2026-01-01"))}, "attribute 'at': expected text"),
    ],
)
def test_a_batch_that_does_not_fit_is_refused_in_one_line(store, path, changes, said):
    store.append({RAW: batch(0, 4)})
    with pytest.raises(StoreError) as caught:
        store.append({RAW: batch(4, 2, **changes)})
    assert said in str(caught.value)
    assert RAW in str(caught.value)
    assert "\n" not in str(caught.value)
    same(plain(path, RAW), batch(0, 4))


def test_other_sizes_are_refused(store):
    store.append({RAW: batch(0, 4)})
    with pytest.raises(StoreError, match=r"energy: expected sizes \(7,\) as stored, got \(6,\)"):
        store.append({RAW: batch(4, 2).isel(energy=slice(6))})


def test_what_a_later_batch_lacks_is_filled(store, path):
    first = batch(0, 4, reference=batch(0, 4).mu)
    store.append({RAW: first})
    store.append({RAW: batch(4, 2).drop_vars(["time", "source"])})
    ds = plain(path, RAW)
    assert np.isnan(ds.reference[4:]).all()
    assert np.isnat(ds.time[4:]).all()
    assert ds.source[4:].values.tolist() == ["", ""]
    np.testing.assert_array_equal(ds.mu, batch(0, 6).mu)


@pytest.mark.parametrize("name", ["flag", "energy", "temperature"])
def test_what_nothing_can_stand_for_must_be_in_every_batch(store, name):
    store.append({RAW: batch(0, 4)})
    with pytest.raises(StoreError, match=f"{name}: expected this variable in every batch"):
        store.append({RAW: batch(4, 2).drop_vars(name)})


def test_attributes_of_a_later_batch_update_the_node(store, path):
    store.append({RAW: batch(0, 2).assign_attrs(failed="[]", format="xdi")})
    store.append({RAW: batch(2, 2).assign_attrs(failed='["b.txt"]')})
    assert plain(path, RAW).attrs == {"failed": '["b.txt"]', "format": "xdi"}


def test_several_nodes_are_replaced_at_once(store, path):
    cell = xr.Dataset({"active_mass": ((), 6.8, {"units": "mg"})})
    store.append({RAW: batch(0, 4)})
    for samples in (10, 3, 12):
        store.replace({"echem": echem(samples, samples), "cell": cell * samples})
        same(plain(path, "echem"), echem(samples, samples))
        assert plain(path, "cell").active_mass == 6.8 * samples
    assert store.committed() == {RAW: 4, "cell": 0, "echem": 0}
    with xr.open_datatree(path, engine="zarr") as tree:
        assert set(tree.children) == {"xas", "echem", "cell"}


def test_a_replaced_series_grows_on(store, path):
    as_float = {"flag": ("scan", [0.0, 1.0, 2.0], {"units": "1"})}
    store.append({RAW: batch(0, 300)})
    store.replace({RAW: batch(0, 9)})
    store.replace({RAW: batch(0, 3, **as_float)})
    store.append({RAW: batch(3, 3, **as_float)})
    ds = plain(path, RAW)
    np.testing.assert_array_equal(ds.flag, [0.0, 1.0, 2.0] * 2)
    same(ds.drop_vars("flag"), batch(0, 6).drop_vars("flag"))


def test_variables_of_a_node_are_updated_and_all_others_stay(store, path):
    store.append({RAW: batch(0, 6)})
    for number in range(3):
        flag = batch(0, 6).flag + number
        before = store.dataset(RAW)
        store.update({RAW: xr.Dataset(coords={"flag": flag.assign_attrs(flags.attrs())}, attrs={"linked": number})})
        found = plain(path, RAW)
        same(found, batch(0, 6).assign_coords(flag=flag.assign_attrs(flags.attrs())).assign_attrs(linked=number))
        assert (before.flag.values == flag.values - min(number, 1)).all()
    store.append({RAW: batch(6, 2)})
    store.replace({RAW: batch(0, 3)})
    same(plain(path, RAW), batch(0, 3))


def test_an_update_of_other_variables_or_lengths_is_refused(store, path):
    store.append({RAW: batch(0, 6)})
    for ds, said in (
        (xr.Dataset({"e0": ("scan", np.zeros(6), {"units": "eV"})}), "e0: expected a variable among"),
        (batch(0, 4)[["flag"]], r"flag: expected the shape \[6\], got \[4\]"),
        (
            xr.Dataset(coords={"flag": ("scan", np.zeros(6), flags.attrs())}),
            "flag: expected dtype 'int32' as stored, got 'float64'",
        ),
    ):
        with pytest.raises(StoreError, match=said):
            store.update({RAW: ds.drop_vars(["energy"], errors="ignore")})
    same(plain(path, RAW), batch(0, 6))


def test_removing_the_last_node_of_a_group_removes_the_group(store, path):
    store.append({RAW: batch(0, 4), "echem_like": batch(0, 4)})
    store.remove([RAW])
    with xr.open_datatree(path, engine="zarr") as tree:
        assert set(tree.children) == {"echem_like"}
    with pytest.raises(StoreError, match="expected a node among echem_like, got 'xas/Ni_K/raw'"):
        store.dataset(RAW)


def test_attributes_are_committed(store, path):
    store.append({RAW: batch(0, 2)})
    store.set_attrs({"clocks": [{"name": "beamline", "offset": np.float64(37.4)}]})
    store.set_node_attrs(RAW, {"failed": "[]"})
    with xr.open_datatree(path, engine="zarr") as tree:
        assert tree.attrs["clocks"] == [{"name": "beamline", "offset": 37.4}]
        assert tree.attrs["experiment"] == "cell"
        assert tree[RAW].attrs == {"failed": "[]"}
    assert store.attrs()["schema_version"] == "1"
    with pytest.raises(StoreError, match="attribute 'drift'"):
        store.set_attrs({"drift": float("nan")})


@pytest.mark.parametrize("node", ["", "a//b", "a b", "../out", ".hidden", "a\\b"])
def test_a_node_needs_a_plain_name(store, node):
    with pytest.raises(StoreError, match="expected a node such as"):
        store.replace({node: echem(2)})


@pytest.mark.parametrize("node", ["echem/deeper", "xas", "xas/Ni_K"])
def test_variables_live_on_leaves_only(store, node):
    store.replace({"echem": echem(2), RAW: batch(0, 2)})
    with pytest.raises(StoreError, match="no variables above it and no nodes below it"):
        store.replace({node: echem(2)})


def test_a_dataset_without_scans_cannot_be_appended(store):
    with pytest.raises(StoreError, match=r"use replace\(\)"):
        store.append({"echem": echem(2)})


def test_a_closed_writer_says_so(path):
    writer = Writer(path)
    with pytest.raises(StoreError, match="this writer is closed"):
        writer.append({RAW: batch(0, 2)})


def test_two_writers_of_one_store(store, path):
    with pytest.raises(StoreError, match="another run writes this store"):
        Writer(path).__enter__()


def test_a_store_is_reached_by_one_lock_whatever_its_path(store, path):
    (path.parent / "link.zarr").symlink_to(path)
    with pytest.raises(StoreError, match="another run writes this store"):
        Writer(path.parent / "link.zarr").__enter__()


def test_a_folder_of_something_else_is_left_alone(path):
    path.mkdir()
    (path / "notes.txt").write_text("keep")
    with pytest.raises(StoreError, match=r"got a folder without zarr\.json"):
        Writer(path).__enter__()
    assert [file.name for file in path.iterdir()] == ["notes.txt"]
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_plain_xarray_opens_the_store_without_operando(path, tmp_path):
    with Writer(path) as writer:
        writer.append({RAW: batch(0, 5), PROCESSED: batch(0, 5)})
        writer.replace({"echem": echem(3)})
    code = """
import sys, warnings
sys.modules["operando"] = None
warnings.simplefilter("error")
import xarray as xr
tree = xr.open_datatree(sys.argv[1], engine="zarr")
assert set(tree.groups) == {"/", "/xas", "/xas/Ni_K", "/xas/Ni_K/raw", "/xas/Ni_K/processed", "/echem"}
assert not tree.dataset.variables and not tree["xas"].dataset.variables
raw = xr.open_zarr(sys.argv[1], group="xas/Ni_K/raw").load()
assert raw.source.values[2] == "Zelle µ/スキャン 2.txt" and raw.source.values[1] == ""
assert set(raw.coords) == {"energy", "time", "source", "flag", "signal", "temperature"}
assert str(raw.time.values[0]) == "2026-03-01T12:00:00.123456789" and str(raw.time.values[3]) == "NaT"
assert raw.identical(tree["xas/Ni_K/raw"].to_dataset().load())
"""
    subprocess.run([sys.executable, "-I", "-c", code, str(path)], check=True, cwd=tmp_path)


def test_names_that_differ_only_in_capitals_stay_apart_for_every_reader(tmp_path):
    values = xr.Dataset({"x": ("scan", [1.0, 2.0], {"units": "1"})})
    nodes = [f"xas/{name}/{kind}" for name in ("Ni", "ni", "NI") for kind in ("raw", "processed")]
    with Writer(tmp_path / "cell.zarr") as writer:
        writer.append(dict.fromkeys(nodes, values))
    with xr.open_datatree(tmp_path / "cell.zarr", engine="zarr") as tree:
        assert sorted(node.path.strip("/") for node in tree.leaves) == sorted(nodes)
