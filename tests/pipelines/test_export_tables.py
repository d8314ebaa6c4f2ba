"""Tables that leave as NetCDF, CSV and in the Battery Data Format come back equal, with what they mean."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from small_experiments import ODD, cycling, experiment

from operando import OperandoError, echem
from operando.pipelines.export import write_bdf, write_csv, write_netcdf
from operando.pipelines.export.tables import tables

TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), min_size=1, max_size=8)


@pytest.fixture(scope="module")
def tree():
    return experiment()


def assert_same_node(read: xr.Dataset, written: xr.Dataset) -> None:
    """Names, dims, types, values to the last bit, and attributes, lists of numbers as arrays."""
    assert set(read.coords) == set(written.coords)
    assert set(read.data_vars) == set(written.data_vars)
    for name, array in {**written.variables}.items():
        own = read.variables[name]
        assert own.dims == array.dims
        if array.dtype.kind in "OTU":
            assert own.dtype.kind in "OTU"
            assert own.values.astype(object).tolist() == array.values.astype(object).tolist()
        else:
            assert own.dtype == array.dtype
            assert own.values.tobytes() == array.values.tobytes(), name
        assert_same_attributes(own.attrs, array.attrs)
    assert_same_attributes(read.attrs, written.attrs)


def assert_same_attributes(read: dict, written: dict) -> None:
    assert set(read) == set(written)
    for key, value in written.items():
        np.testing.assert_array_equal(read[key], value, err_msg=key)


def test_every_node_comes_back_from_netcdf_to_the_last_bit(tree, tmp_path):
    pytest.importorskip("h5netcdf")
    path = write_netcdf(tmp_path / "own.nc", tree)
    with xr.open_datatree(path, engine="h5netcdf") as read:
        assert_same_attributes(read.attrs, tree.attrs)
        for node in tree.leaves:
            assert_same_node(read[node.path].to_dataset(), node.to_dataset())


def test_texts_of_any_length_and_type_are_utf_8_in_netcdf_and_come_back(tmp_path):
    h5py = pytest.importorskip("h5py")
    pytest.importorskip("h5netcdf")
    texts = ["", "µA·cm⁻²", "a much longer one " * 20]
    kinds = {"stored": np.dtypes.StringDType(), "object": object, "fixed": str}
    ds = xr.Dataset({name: ("scan", np.array(texts, kind)) for name, kind in kinds.items()})
    path = write_netcdf(tmp_path / "own.nc", xr.DataTree.from_dict({"/a": ds}))
    with h5py.File(path) as file:
        for name in kinds:
            assert h5py.check_string_dtype(file["a"][name].dtype) == ("utf-8", None)
    with xr.open_datatree(path, engine="h5netcdf") as read:
        for name in kinds:
            assert read["a"][name].dtype.kind in "OTU"
            assert [str(one) for one in read["a"][name].values] == texts


def test_one_node_of_a_lazy_store_is_a_file_of_its_own(tree, tmp_path):
    pytest.importorskip("h5netcdf")
    lazy = tree.chunk({"scan": 1})
    path = write_netcdf(tmp_path / "own.nc", lazy, ["xas/Ni_K"])
    with xr.open_datatree(path, engine="h5netcdf") as read:
        assert {node.path for node in read.leaves} == {"/xas/Ni_K/raw", "/xas/Ni_K/processed"}
        assert_same_node(read["xas/Ni_K/raw"].to_dataset(), tree["xas/Ni_K/raw"].to_dataset())


@pytest.mark.parametrize(("kind", "said"), [("complex64", "complex64"), ("float16", "float16")])
def test_types_that_netcdf_does_not_know_are_named(kind, said, tmp_path):
    tree = xr.DataTree.from_dict({"/a/b": xr.Dataset({"x": ("scan", np.zeros(3, kind))})})
    with pytest.raises(OperandoError, match=f"a/b/x: expected a type that NetCDF knows, got {said}"):
        write_netcdf(tmp_path / "own.nc", tree)


def table(path: Path) -> dict[str, np.ndarray]:
    """Return the columns of a file by their labels: numbers where all of them are, else texts."""
    with path.open(encoding="utf-8", newline="") as stream:
        labels, *rows = list(csv.reader((line for line in stream if not line.startswith("# ")), strict=True))
    return {label: as_numbers(column) for label, column in zip(labels, zip(*rows, strict=True), strict=True)}


def as_numbers(texts: tuple[str, ...]) -> np.ndarray:
    try:
        return np.array([text or "nan" for text in texts], float)
    except ValueError:
        return np.array(texts, dtype=object)


def test_a_line_a_scan_has_state_flags_and_numbers_with_units(tree, tmp_path):
    paths, images = write_csv(tmp_path, tree, ["xas/Ni_K/processed"])
    assert not images
    assert [path.name for path in paths] == [
        "xas_Ni_K_processed.csv",
        "xas_Ni_K_processed_normalized.csv",
        "xas_Ni_K_processed_normalized_std.csv",
    ]
    ds, read = tree["xas/Ni_K/processed"], table(paths[0])
    labels = ["scan", "time (UTC)", "time_start (UTC)", "time_end (UTC)", "source", "flag (1)", "flag_reasons"]
    assert list(read)[:7] == labels
    np.testing.assert_array_equal(read["edge_energy (eV)"], ds["edge_energy"])
    np.testing.assert_array_equal(read["edge_energy_std (eV)"], ds["edge_energy_std"])
    np.testing.assert_array_equal(read["potential (V)"], ds["potential"])
    np.testing.assert_array_equal(read["e0 [transmission] (eV)"], ds["e0"][:, 0])
    np.testing.assert_array_equal(np.array([text or "NaT" for text in read["time (UTC)"]], "M8[ns]"), ds["time"])
    assert read["flag_reasons"].tolist()[-1] == "no_time; truncated"
    assert read["source"].tolist() == ds["source"].values.tolist()


def test_spectra_have_energies_first_and_a_column_a_scan(tree, tmp_path):
    paths, _ = write_csv(tmp_path, tree, ["xas/Ni_K/raw"])
    read, ds = table(tmp_path / "xas_Ni_K_raw_transmission.csv"), tree["xas/Ni_K/raw"]
    assert list(read) == ["energy (eV)", *(f"transmission [scan {k}] (nA)" for k in range(4))]
    np.testing.assert_array_equal(read["energy (eV)"], ds["energy"])
    np.testing.assert_array_equal(list(read.values())[1:], ds["transmission"])
    channels = table(tmp_path / "xas_Ni_K_raw_fluorescence.csv")
    np.testing.assert_array_equal(channels["fluorescence [scan 2, mca3] (count)"], ds["fluorescence"][2, :, 2])
    assert len(paths) == 4


def test_comments_say_what_was_done_and_what_flags_mean(tree, tmp_path):
    (path,), _ = write_csv(tmp_path, tree, ["echem"])
    comments = [line for line in path.read_text("utf-8").splitlines() if line.startswith("#")]
    assert ODD in comments[0]
    assert "# column voltage: voltage as measured" in comments
    assert any(line.startswith("# flag is a sum of 1 no_time") for line in comments)
    history = next(line for line in comments if line.startswith("# history: "))
    assert json.loads(history.removeprefix("# history: ")) == json.loads(tree["echem"].attrs["history"])


def test_volumes_are_in_no_table_and_named(tree, tmp_path):
    paths, images = write_csv(tmp_path, tree, ["xtm/composite"])
    assert images == ["xtm/composite/raw/grey", "xtm/composite/processed/label", "xtm/composite/processed/void_mask"]
    read = table(next(path for path in paths if path.name == "xtm_composite_processed.csv"))
    np.testing.assert_array_equal(read["void_fraction (1)"], tree["xtm/composite/processed/void_fraction"])


def test_covariances_have_a_number_a_line():
    lines = np.array(["a", "b"], dtype=object)
    ds = xr.Dataset(
        {"area_covariance": (("scan", "peak", "other_peak"), np.arange(12.0).reshape(3, 2, 2), {"units": "count^2"})},
        {"peak": lines, "other_peak": ("other_peak", lines)},
    )
    (found,), _ = tables(ds)
    (block,) = list(found.blocks())
    assert [column.label for column in found.columns] == ["scan", "peak", "other_peak", "area_covariance (count^2)"]
    assert block[5] == ["1", "a", "b", "5.0"]


@settings(max_examples=10, deadline=None)
@given(
    values=arrays.arrays(np.float64, 5, elements=st.floats(width=64)),
    small=arrays.arrays(np.float32, 5, elements=st.floats(width=32)),
    moments=arrays.arrays("M8[ns]", 5, elements=st.integers(-(2**62), 2**62).map(lambda n: np.datetime64(n, "ns"))),
    texts=st.lists(TEXTS, min_size=5, max_size=5),
    unit=TEXTS,
)
@example(
    values=np.array([np.nan, np.inf, -np.inf, 5e-324, -0.0]), small=np.zeros(5, "f4"),
    moments=np.array(["NaT"] * 5, "M8[ns]"), texts=['"', ",", " a ", "#", "nan"], unit="µA·cm⁻², \"x\"",
)  # fmt: skip
def test_any_number_time_text_and_unit_comes_back_from_csv(tmp_path_factory, *, values, small, moments, texts, unit):
    ds = xr.Dataset(
        {"x": ("scan", values, {"units": unit}), "y": ("scan", small, {"units": "1"})},
        {"time": ("scan", moments), "name": ("scan", np.array([f"a{text}" for text in texts], dtype=object))},
        {"note": "two\nlines"},
    )
    folder = tmp_path_factory.mktemp("csv")
    (path,), _ = write_csv(folder, xr.DataTree.from_dict({"/a": ds}))
    read = table(path)
    numbers = read[f"x ({unit})"]
    np.testing.assert_array_equal(numbers, values)
    assert (np.signbit(numbers) == np.signbit(values))[~np.isnan(values)].all()
    np.testing.assert_array_equal(read["y (1)"].astype(np.float32), small)
    np.testing.assert_array_equal(np.array([text or "NaT" for text in read["time (UTC)"]], "M8[ns]"), moments)
    assert [str(text)[1:] for text in read["name"]] == texts


def test_electrochemistry_comes_back_from_the_battery_data_format(tree, tmp_path):
    path, beside = write_bdf(tmp_path / "own.bdf.csv", tree)
    ds, read = cycling(), echem.read(path)
    assert read.attrs["format"] == "bdf"
    for name in ("time", "voltage", "current", "step", "segment", "cycle", "half_cycle"):
        np.testing.assert_array_equal(read[name], ds[name], err_msg=name)
    np.testing.assert_allclose(read["charge"], ds["charge"], rtol=0, atol=1e-12 * float(abs(ds["charge"]).max()))
    labels = path.read_text("utf-8").partition("\n")[0].split(",")
    assert labels[:5] == ["Test Time / s", "Voltage / V", "Current / A", "Unix Time / s", "Net Capacity / Ah"]
    assert "Step Count / 1" in labels
    told = json.loads(beside.read_text("utf-8"))
    assert told["cell"]["active_mass"] == {"value": 6.8, "unit": "mg"}
    assert told["history"] == json.loads(ds.attrs["history"])


def test_times_of_the_battery_data_format_are_exact_and_gaps_stay(tmp_path):
    ds = cycling(40)
    flags = ds["flag"].copy()
    flags[20] = 1 << 16
    path, _ = write_bdf(tmp_path / "own.bdf.csv", xr.DataTree.from_dict({"/echem": ds.assign(flag=flags)}))
    read = echem.read(path)
    np.testing.assert_array_equal(read["time"], ds["time"])
    assert np.flatnonzero(read["flag"].values & (1 << 16)).tolist() == [20]


def test_a_store_without_a_log_has_no_battery_data(tmp_path):
    with pytest.raises(OperandoError, match="expected electrochemistry"):
        write_bdf(tmp_path / "own.bdf.csv", xr.DataTree())
