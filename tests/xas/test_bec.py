"""BEC files and any HDF5 by recipe: signals by name, links within the folder, lengths and times as they are."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from operando import xas
from operando.errors import FileError, OperandoError
from operando.flags import Flag
from operando.sniff import head
from operando.xas.formats.bec import read, recognizes, suggest

N = 60
E = np.linspace(7100.0, 7159.0, N)
FLUO = 1 / (1 + np.exp(7112.0 - E))
BPM = np.full(N, 5e4) + np.arange(N)
START = 1_750_000_000.25
DEVICES = "entry/collection/devices"
COLUMNS = {"energy": "mono", "i0": "bpm/bpm", "fluorescence": "fluo/fluo"}


def signal(devices, name, value, *, first=START, step=1.0):
    """Write a signal as the file writer does: its value and the time of each reading in s since 1970."""
    made = devices.create_group(name)
    made.attrs.update(NX_class="NXdata", signal="value")
    made["value"] = value
    made["timestamp"] = first + step * np.arange(len(value)) if np.ndim(value) else first


def bec(path: Path, **values) -> Path:
    """Write a scan of mono, bpm and fluo, with baseline readings and what the server tells of the scan."""
    with h5py.File(path, "w") as file:
        entry = file.create_group("entry")
        entry.attrs.update(NX_class="NXentry", start_time="2025-06-15T17:06:30", end_time="2025-06-15T17:08:00")
        devices = file.create_group(DEVICES)
        for device, value in {"mono": E, "bpm": BPM, "fluo": FLUO, "samx": 1.5, "comment": "ok", **values}.items():
            if value is not None:
                signal(devices, f"{device}/{device}", value)
        file["entry/collection/metadata/bec/scan_number"] = 12
        file["entry/collection/metadata/sample_name"] = "NCM811"
        file["entry/collection/readout_groups/monitored/mono"] = h5py.SoftLink(f"/{DEVICES}/mono")
    return path


@pytest.fixture
def path(tmp_path) -> Path:
    (tmp_path / "S00012").mkdir()
    return bec(tmp_path / "S00012" / "S00012_master.h5")


def test_signals_are_found_by_device_and_signal(path):
    ds = xas.read(path, columns=COLUMNS)
    assert ds.attrs["format"] == "bec"
    np.testing.assert_array_equal(ds["energy"], E)
    np.testing.assert_array_equal(ds["fluorescence"], FLUO)
    np.testing.assert_array_equal(ds["i0"], BPM)
    told = json.loads(ds.attrs["metadata"])
    assert told["readings"] == {"samx/samx": 1.5, "comment/comment": "ok"}
    assert (told["bec.scan_number"], told["sample_name"]) == (12.0, "NCM811")
    by_path = xas.read(path, columns={**COLUMNS, "i0": "/entry/collection/readout_groups/monitored/mono/mono/value"})
    np.testing.assert_array_equal(by_path["i0"], E)


def test_times_are_those_of_the_readings_not_of_the_local_text(path):
    ds = xas.read(path, columns=COLUMNS, timezone="Europe/Zurich")
    assert ds["time_start"].values == np.datetime64("2025-06-15T15:06:40.250")
    assert ds["time_end"].values == np.datetime64("2025-06-15T15:07:39.250")
    assert ds["time"].values == np.datetime64("2025-06-15T15:07:09.750")
    assert int(ds["flag"]) == 0


@pytest.mark.parametrize("stamps", [None, np.zeros(N), np.full(N, np.nan)])
def test_without_timestamps_the_entry_gives_the_times(path, stamps):
    with h5py.File(path, "a") as file:
        del file[f"{DEVICES}/mono/mono/timestamp"]
        if stamps is not None:
            file[f"{DEVICES}/mono/mono/timestamp"] = stamps
    ds = xas.read(path, columns=COLUMNS, timezone="Europe/Zurich")
    assert ds["time_start"].values == np.datetime64("2025-06-15T15:06:30")
    assert ds["time_end"].values == np.datetime64("2025-06-15T15:08:00")
    assert ("no timestamp is a time" in ds.attrs.get("remarks", "")) == (stamps is not None)
    assert int(xas.read(path, columns=COLUMNS)["flag"]) == Flag.no_time


def linked(path: Path, target: str, inside: str = "/entry/data") -> None:
    with h5py.File(path, "a") as file:
        del file[f"{DEVICES}/fluo"]
        file[f"{DEVICES}/fluo"] = h5py.ExternalLink(target, inside)


def test_a_device_may_lie_in_a_file_of_its_own(path):
    (path.parent / "fluo").mkdir()
    with h5py.File(path.parent / "fluo" / "S00012_fluo.h5", "w") as file:
        signal(file.create_group("entry/data"), "counts", np.stack([FLUO, FLUO * 2], axis=1))
    linked(path, "fluo/S00012_fluo.h5")
    ds = xas.read(path, columns={**COLUMNS, "fluorescence": "fluo/counts"})
    assert ds["fluorescence"].dims == ("energy", "detector")
    np.testing.assert_array_equal(ds["fluorescence"].isel(detector=1), 2 * FLUO)


@pytest.mark.parametrize(
    ("target", "said"),
    [("../S00011/S00011_fluo.h5", "a link out of it"), ("gone.h5", "a link to gone.h5, which is missing")],
)
def test_a_link_out_or_to_nothing_is_told_and_never_followed(path, target, said):
    (path.parents[1] / "S00011").mkdir()
    with h5py.File(path.parents[1] / "S00011" / "S00011_fluo.h5", "w") as file:
        signal(file.create_group("entry/data"), "fluo", FLUO)
    linked(path, target)
    with pytest.raises(FileError, match=said):
        xas.read(path, columns=COLUMNS)
    ds = xas.read(path, columns={"energy": "mono", "mu": "bpm"})
    assert any(said in remark for remark in json.loads(ds.attrs["remarks"]))


def test_shorter_readings_cut_the_scan_and_say_so(path):
    bec(path, fluo=FLUO[:50])
    ds = xas.read(path, columns=COLUMNS)
    np.testing.assert_array_equal(ds["energy"], E[:50])
    np.testing.assert_array_equal(ds["i0"], BPM[:50])
    assert int(ds["flag"]) == Flag.truncated
    said = "different numbers of readings (i0 60, fluorescence 50, energy 60): the first 50 are taken"
    assert said in json.loads(ds.attrs["remarks"])
    assert (ds["time_end"] - ds["time_start"]).values == np.timedelta64(49, "s")


def test_readings_of_another_rate_are_no_readings_of_the_scan(path):
    bec(path, fluo=np.zeros(10 * N))
    with pytest.raises(
        FileError, match="expected as many readings of each quantity, got i0 60, fluorescence 600, energy 60"
    ):
        xas.read(path, columns=COLUMNS)


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"tey": "samx"}, r"columns.tey .*: expected readings along the scan, got a single value"),
        ({"tey": "comment"}, "got a single value"),
        ({"tey": "absent"}, "expected a signal 'absent', got a file with bpm/bpm, comment/comment"),
        ({"tey": ["fluo", "bpm/other"]}, "expected a signal 'bpm/other'"),
        ({"tey": []}, r"columns\.tey: expected a name or a list of them, got \[\]"),
        ({"tey": 3}, "expected a name or a list of them, got 3"),
        ({"tey": ["fluo", 3]}, "expected a name or a list of them"),
        ({"energy": "bpm"}, None),
        ({"energy": ["mono", "bpm"]}, r"expected energies along one dimension, got shape \(60, 2\)"),
        ({"teyy": "fluo"}, "expected names among energy"),
    ],
)
def test_columns_that_are_none_are_refused_by_name(path, columns, said):
    if said is None:
        assert xas.read(path, columns={**COLUMNS, **columns})["energy"][0] == 5e4
        return
    with pytest.raises(OperandoError, match=said):
        xas.read(path, columns={**COLUMNS, **columns})


def test_tables_and_lists_of_signals(path):
    table = np.zeros(N, [("readback", "f8"), ("setpoint", "f8")])
    table["readback"], table["setpoint"] = E, E + 0.5
    bec(path, mono=table)
    with pytest.raises(FileError, match="expected numbers, got a table of readback, setpoint; name one of its columns"):
        xas.read(path, columns=COLUMNS)
    ds = xas.read(path, columns={"energy": "mono/mono/readback", "fluorescence": ["fluo", "bpm"]})
    np.testing.assert_array_equal(ds["energy"], E)
    assert list(ds["detector"].values) == ["fluo", "bpm"]
    np.testing.assert_array_equal(ds["fluorescence"].T, [FLUO, BPM])
    assert ds["time_start"].values > np.datetime64("2025-06-15")


def test_the_recipe_is_guessed_from_names_and_numbers(path):
    bec(path, mono=E / 1000, bpm=None, i0=BPM, xpos=np.zeros(N))
    start = head(path)
    assert recognizes(start)
    settings = suggest(start)
    assert settings["columns"] == {"energy": "mono/mono", "i0": "i0/i0", "fluorescence": "fluo/fluo"}
    assert settings["units"] == {"energy": "keV"}
    np.testing.assert_allclose(xas.read(path, **settings)["energy"], E)


def test_without_columns_the_signals_are_listed(path):
    with pytest.raises(FileError, match="its signals with readings are bpm/bpm, fluo/fluo, mono/mono"):
        xas.read(path)


def test_a_file_without_devices_is_not_taken_for_one(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["entry/collection/other"] = 1.0
    assert not recognizes(head(tmp_path / "a.h5"))
    assert suggest(head(tmp_path / "a.h5")) == {}
    with pytest.raises(FileError, match="expected a group /entry/collection/devices, got a file with /entry"):
        xas.read(tmp_path / "a.h5", reader="bec")


def test_any_hdf5_is_read_by_the_paths_of_its_datasets(tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["scan/energy"] = E / 1000
        file["scan/energy"].attrs["units"] = "keV"
        file["scan/counts"] = np.array(list(zip(FLUO, BPM, strict=True)), [("f", "f8"), ("i0", "f8")])
        file["scan/began"] = "2025-06-15T15:06:30Z"
        file["scan/camera"] = np.zeros((N, 4, 4))
    columns = {"energy": "/scan/energy", "mu": "scan/counts/f", "i0": "/scan/counts/i0"}
    ds = xas.read(path, columns=columns, time={"start": "scan/began"})
    assert ds.attrs["format"] == "hdf5"
    np.testing.assert_allclose(ds["energy"], E)
    np.testing.assert_array_equal(ds["mu"], FLUO)
    assert ds["time_start"].values == np.datetime64("2025-06-15T15:06:30")
    for wrong, said in (
        ({"mu": "scan/absent"}, "expected a dataset 'scan/absent', got a file with /scan, /scan/began"),
        ({"mu": "scan"}, "expected a dataset 'scan', got a group"),
        ({"mu": "scan/camera"}, r"got values of shape \(60, 4, 4\)"),
        ({"mu": "scan/counts/absent"}, "expected a table with 'absent', got one of f, i0"),
    ):
        with pytest.raises(FileError, match=said):
            xas.read(path, columns={**columns, **wrong})
    with pytest.raises(OperandoError, match="expected the keys start, end"):
        xas.read(path, columns=columns, time={"begin": "x"})


@settings(max_examples=100, deadline=None)
@given(at=st.integers(0, 30_000), put=st.binary(min_size=1, max_size=8), cut=st.booleans())
def test_no_damage_raises_anything_else(tmp_path_factory, at, put, cut):
    path = bec(tmp_path_factory.mktemp("b") / "a.h5")
    data = path.read_bytes()
    at %= len(data)
    path.write_bytes(data[:at] if cut else data[:at] + put + data[at + len(put) :])
    try:
        ds = read(path, columns=COLUMNS)
        suggest(head(path))
    except OperandoError:
        return
    assert np.all(np.diff(ds["energy"]) >= 0)
