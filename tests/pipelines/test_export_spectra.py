"""Spectra and volumes that leave as NeXus, VAMAS and Athena projects come back equal."""

from __future__ import annotations

import json

import h5py
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from small_experiments import ODD, absorption, experiment, normalized, photoemission, volumes

from operando import OperandoError, tomo, xas, xps
from operando.flags import Flag
from operando.nexus_tree import lacking
from operando.pipelines.export import write_athena, write_nexus, write_nexus_files, write_vamas
from operando.xps.joining import apart, join

LINKED = ("potential", "potential_std", "half_cycle", "current")


@pytest.fixture(scope="module")
def tree():
    return experiment()


def assert_read_again(read: xr.Dataset, written: xr.Dataset, *without: str) -> None:
    """Times to the nanosecond, numbers to the last bit, flags and units; sources name the file that was read."""
    gone = [name for name in ("source", *LINKED, *without) if name in written.variables]
    xr.testing.assert_identical(
        read.drop_vars("source").drop_attrs(deep=False), written.drop_vars(gone).drop_attrs(deep=False)
    )


def test_absorption_comes_back_from_nexus_to_the_last_bit(tree, tmp_path):
    paths, _ = write_nexus_files(tmp_path / "own.nxs", tree, ["xas/Ni_K"])
    read = xas.read(paths[0])
    assert_read_again(read[["i0", "transmission", "fluorescence"]], absorption())
    assert set(read.data_vars) == {"i0", "transmission", "fluorescence"}
    told = json.loads(read.attrs["metadata"])
    assert (told["element.symbol"], told["element.edge"]) == ("Ni", "K")
    assert told["origin"]["history"] == json.loads(absorption().attrs["history"])


def test_each_way_of_detection_is_an_entry_with_what_nxxas_requires(tree, tmp_path):
    (path,), notes = write_nexus_files(tmp_path / "own.nxs", tree, ["xas/Ni_K"])
    assert not notes
    with h5py.File(path) as file:
        assert set(file) == {"transmission", "fluorescence"}
        for name, entry in file.items():
            assert entry["definition"].asstr()[()] == "NXxas"
            assert entry["element/symbol"].asstr()[()] == "Ni"
            assert entry["edge/name"].asstr()[()] == "K"
            assert entry["is_experimental"][()]
            assert entry["sample/name"].asstr()[()] == ODD
            assert entry["energy"].attrs["units"] == "eV"
            np.testing.assert_array_equal(entry["intensity"][()], xas.signal(absorption(), name))
            assert entry["data"].attrs["signal"] == "intensity"
            assert list(entry["data"].attrs["axes"]) == ["scan", "energy"]
            assert entry["data/intensity"].attrs["target"] == f"/{name}/intensity"
            np.testing.assert_array_equal(entry["data/potential"][()], absorption()["potential"])
            np.testing.assert_array_equal(entry["data/potential_errors"][()], absorption()["potential_std"])
            assert entry["data/potential"].attrs["units"] == "V"
            assert "truncated" in entry["data/flag"].attrs["flag_meanings"]


def test_normalized_spectra_take_their_uncertainties_along(tree, tmp_path):
    (path,), _ = write_nexus_files(tmp_path / "own.nxs", tree, ["xas/Ni_K/processed"])
    with h5py.File(path) as file:
        entry = file["transmission"]
        own = normalized().sel(signal="transmission")
        np.testing.assert_array_equal(entry["intensity"][()], own["normalized"])
        np.testing.assert_array_equal(entry["intensity_errors"][()], own["normalized_std"])
        np.testing.assert_array_equal(entry["data/edge_energy_errors"][()], own["edge_energy_std"])
    np.testing.assert_array_equal(xas.read(path, entry="transmission")["mu"], own["normalized"])


def test_a_scan_alone_and_scans_without_time_or_i0_come_back(tmp_path):
    one = absorption(1).isel(scan=0)
    read = xas.read(write_nexus(tmp_path / "one.nxs", xas.nexus_tree(one, "Ni_K")))
    np.testing.assert_array_equal(read["i0"], one["i0"])
    assert read["time"].values == one["time"].values
    bare = absorption(3).drop_vars(["i0", "time", "time_start", "time_end", "transmission"])
    read = xas.read(write_nexus(tmp_path / "bare.nxs", xas.nexus_tree(bare, "no element")))
    np.testing.assert_array_equal(read["fluorescence"], bare["fluorescence"])
    assert read["time"].isnull().all()


@pytest.mark.parametrize("value", [np.nan, -1.0, 1e300, 2.0**40])
def test_flags_and_times_beyond_all_bounds_do_not_end_in_a_traceback(tmp_path, value):
    spectra = write_nexus(tmp_path / "own.nxs", xas.nexus_tree(absorption(), "Ni_K"))
    volume = write_nexus(tmp_path / "volume.nxs", tomo.nexus_tree(volumes(1), ["grey"]))
    for path, entries in ((spectra, ("transmission", "fluorescence")), (volume, ("scan_0001",))):
        with h5py.File(path, "r+") as file:
            for entry in entries:
                kept = file[f"{entry}/data/flag"].shape
                del file[f"{entry}/data/flag"]
                file[f"{entry}/data/flag"] = np.full(kept, value)
                file[f"{entry}/data/time"][...] = value
                if f"{entry}/instrument/fluorescence" in file:
                    file[f"{entry}/instrument/fluorescence/data"].attrs["channels"] = ["too", "few"]
    np.testing.assert_array_equal(xas.read(spectra)["i0"], absorption()["i0"])
    assert not xas.read(spectra)["flag"].any()
    np.testing.assert_array_equal(tomo.read(volume)["grey"], volumes(1)["grey"][0])


def test_what_a_definition_requires_and_the_store_lacks_is_listed_and_can_be_stated():
    bare = absorption().assign_attrs(metadata="{}")
    (found, *_) = lacking(xas.nexus_tree(bare, "series_1"))
    assert found[1] == ["element/symbol", "edge/name", "sample/name"]
    stated = {"element/symbol": "Ni", "edge/name": "K"}
    assert not list(lacking(xas.nexus_tree(bare, "series_1", sample="cell 7", texts=stated)))
    with pytest.raises(OperandoError, match="not filled yet"):
        xas.nexus_tree(bare, "Ni_K", texts=stated)
    with pytest.raises(OperandoError, match="expected absorption over scan and energy"):
        xas.nexus_tree(bare[["i0"]])


@pytest.mark.parametrize("name", ["Xx_K", "surface", "Ni_L3_1", "K_L3"])
def test_the_name_of_a_series_tells_the_edge_only_where_it_names_an_element(name):
    tree = xas.nexus_tree(absorption().assign_attrs(metadata="{}"), name)
    element = tree.members["transmission"].members["element"]
    expected = {"Ni_L3_1": "Ni", "K_L3": "K"}.get(name)
    assert (None if element is None else element.members["symbol"].value) == expected


def test_photoemission_comes_back_from_nexus_and_vamas_to_the_last_bit(tree, tmp_path):
    (path,), notes = write_nexus_files(tmp_path / "own.nxs", tree, ["xps/S_2p"])
    assert_read_again(xps.read(path), photoemission())
    assert any("collectioncolumn/scheme" in note for note in notes)
    path = write_vamas(tmp_path / "own.vms", tree, ["xps/S_2p"])
    assert_read_again(xps.read(path), photoemission())
    text = path.read_bytes().decode()
    assert "\r\nREGULAR\r\n" in text
    assert text.count("flags: no_time, truncated") == 1


def test_regions_that_were_joined_leave_apart_and_join_again(tmp_path):
    regions = [photoemission(), photoemission(region="C 1s", start=280.03, step=0.07)]
    joined = join(regions)
    for one, other in zip(apart(joined), regions, strict=True):
        xr.testing.assert_equal(
            one[["counts", "sweeps"]].drop_vars(["source", *LINKED], errors="ignore"),
            other[["counts", "sweeps"]].drop_vars(["source", *LINKED]),
        )
    tree = xr.DataTree.from_dict({"/xps/both/raw": joined})
    for path in (write_vamas(tmp_path / "own.vms", tree), *write_nexus_files(tmp_path / "own.nxs", tree)[0]):
        read = xps.read(path, region=["S 2p", "C 1s"])
        for name in ("counts", "transmission", "dwell", "binding_energy", "region", "time_start", "flag"):
            np.testing.assert_array_equal(read[name], joined[name], err_msg=name)


def test_uneven_energies_leave_as_irregular_vamas(tmp_path):
    ds = photoemission()
    ds = ds.assign_coords(
        binding_energy=np.round(ds["binding_energy"] ** 1.001, 7).assign_attrs(ds["binding_energy"].attrs)
    )
    path = write_vamas(tmp_path / "own.vms", xr.DataTree.from_dict({"/xps/S_2p/raw": ds}))
    assert "\r\nIRREGULAR\r\n" in path.read_bytes().decode()
    assert_read_again(xps.read(path), ds)


def test_the_comment_of_another_program_is_no_exact_time(tree, tmp_path):
    path = write_vamas(tmp_path / "own.vms", tree, ["xps/S_2p"])
    for said in ("[1", '"x"', '{"time": "never", "flag": 0}', '{"flag": true}', '{"flag": -1}'):
        path.write_text(
            "\r\n".join(
                f"operando: {said}" if line.startswith("operando: {") else line
                for line in path.read_bytes().decode().split("\r\n")
            )
        )
        assert not np.isnat(xps.read(path)["time_start"][0])


def test_volumes_come_back_from_nexus(tmp_path):
    ds = volumes()
    path = write_nexus(tmp_path / "own.nxs", tomo.nexus_tree(ds.chunk({"scan": 1}), ["grey"], sample="cell"))
    read = tomo.read(path)
    for name in ("grey", "z", "y", "x", "voxel_size", "time_start", "time", "time_end", "flag", "frame_flag"):
        np.testing.assert_array_equal(read[name], ds[name], err_msg=name)
        assert read[name].dtype == ds[name].dtype
    with h5py.File(path) as file:
        assert list(file["scan_0001/data"].attrs["axes"]) == ["z", "y", "x"]
        assert "sample/name" not in file["scan_0001"].attrs["operando_lacks"]
        assert "reconstruction/program" in file["scan_0001"].attrs["operando_lacks"]


def test_labels_and_masks_leave_as_volumes_of_their_own(tree, tmp_path):
    (path,), _ = write_nexus_files(tmp_path / "own.nxs", tree, ["xtm/composite/processed"], variables=["void_mask"])
    with h5py.File(path) as file:
        assert list(file) == ["scan_0001_void_mask", "scan_0002_void_mask"]
    read = tomo.read(path, entry="scan_0002_void_mask")
    np.testing.assert_array_equal(read["grey"], volumes()["void_mask"][1])


def test_a_large_volume_is_written_in_compressed_chunks(tmp_path):
    ds = volumes(1, (70, 130, 150))
    path = write_nexus(tmp_path / "own.nxs", tomo.nexus_tree(ds.chunk({"z": 30}), ["label"]))
    with h5py.File(path) as file:
        data = file["scan_0001_label/data/data"]
        assert data.compression == "gzip"
        assert np.prod(data.chunks) * 4 <= 2**22
        np.testing.assert_array_equal(data[()], ds["label"][0])


def test_absorption_comes_back_from_athena_where_it_has_values(tree, tmp_path):
    path, left_out = write_athena(tmp_path / "own.prj", tree, ["xas/Ni_K"])
    assert not left_out
    ds = absorption()
    for own in ("transmission", "fluorescence"):
        mu = xas.signal(ds, own)
        for k in range(ds.sizes["scan"]):
            kept = np.isfinite(mu[k].values)
            read = xas.read(path, group=f"Ni_K {own} {k}")
            np.testing.assert_array_equal(read["mu"], mu[k].values[kept])
            np.testing.assert_array_equal(read["i0"], ds["i0"][k].values[kept])
            np.testing.assert_array_equal(read["energy"], ds["energy"].values[kept])
            told = json.loads(read.attrs["metadata"])
            assert (told["element.symbol"], told["element.edge"]) == ("Ni", "K")
            assert told["athena"]["bkg_e0"] == "8340.3"
            assert told["athena"]["source"] == str(ds["source"].values[k])


def test_normalized_spectra_are_marked_in_athena_and_short_ones_named(tmp_path):
    ds = normalized()
    ds["normalized"][2, 1, 5:] = np.nan
    tree = xr.DataTree.from_dict({"/xas/Ni_K/processed": ds})
    path, left_out = write_athena(tmp_path / "own.prj", tree, ["xas/Ni_K/processed"])
    assert left_out == ["Ni_K fluorescence 2"]
    read = xas.read(path, group="Ni_K transmission 0")
    np.testing.assert_array_equal(read["mu"], ds["normalized"][0, 0])
    assert json.loads(read.attrs["metadata"])["athena"]["is_nor"] == "1"


@settings(max_examples=6, deadline=None)
@given(
    region=st.sampled_from(["S 2p", "C 1s", "Survey", "Fe 2p3/2"]),
    source=st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=12),
    zone=st.sampled_from(["UTC", "Europe/Zurich", "America/St_Johns", "Asia/Kathmandu"]),
    flag=st.integers(0, 2 * int(max(Flag)) - 1),
    nanoseconds=st.integers(-(2**40), 2**60),
    holes=st.sets(st.integers(0, 59), max_size=5),
)
def test_any_names_flags_zones_and_gaps_come_back(tmp_path_factory, *, region, source, zone, flag, nanoseconds, holes):
    ds = photoemission(2, region)
    ds["counts"][1, sorted(holes)] = np.nan
    shift = np.timedelta64(nanoseconds, "ns")
    times = {name: ds[name] + shift for name in ("time_start", "time", "time_end")}
    ds = ds.assign_coords(
        **{name: array.variable for name, array in times.items()},
        flag=ds["flag"].copy(data=np.array([flag, 0], "int32")),
        source=("scan", np.array([source, "b"], dtype=object)),
    )
    path = tmp_path_factory.mktemp("vamas") / "own.vms"
    tree = xr.DataTree.from_dict({"/": xr.Dataset(attrs={"timezone": zone}), "/xps/one/raw": ds})
    read = xps.read(write_vamas(path, tree))
    for name in ("counts", "binding_energy", "time_start", "time", "time_end", "flag"):
        np.testing.assert_array_equal(read[name], ds[name], err_msg=name)
    assert read.attrs["region"] == region
