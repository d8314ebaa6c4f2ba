"""Our own NeXus files: read back to the last bit, written whole or not at all, and never misread where damaged."""

from __future__ import annotations

import json
import os
import signal
import warnings
from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray as xr
from forks import forked
from ses_files import FIELDS, ses_text

from operando import OperandoError, xps
from operando.errors import OperandoWarning
from operando.flags import Flag, names
from operando.header_times import Span
from operando.pipelines.export.nexus import write_nexus
from operando.series import stack
from operando.xps.formats.spectrum import spectrum
from operando.xps.nexus_groups import nexus_tree

ENERGY = np.arange(158.0, 172.0, 0.1)
START = np.datetime64("2023-03-08T14:24:35.123456789", "ns")


def counts(*shape: int, seed: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).poisson(250.0, shape).astype(np.float64)


def single(k: int, *, quantity: str = "counts", low: int = 0, **conditions: float) -> xr.Dataset:
    """Return spectrum ``k`` of a series, without its first ``low`` energies."""
    began = START + np.timedelta64(k * 997_654_321_123, "ns")
    values = counts(ENERGY.size, seed=k)
    columns = {quantity: values if quantity == "counts" else values / 7, "transmission": 1 + ENERGY / 1e3 * (k + 1)}
    return spectrum(
        Path("cell.vms"),
        ENERGY[low:],
        {name: column[low:] for name, column in columns.items()},
        Span(began, began + np.timedelta64(300, "s"), began + np.timedelta64(600_000_000_001, "ns")),
        region="S 2p",
        entry=f"block {k}",
        reader="vamas",
        metadata={"sample": "Li₃PS₄", "block": k},
        conditions={
            "photon_energy": 1486.6 + k / 10,
            "dwell": 0.1,
            "sweeps": 3.0 + k,
            "emission_angle": 30.0,
            **conditions,
        },
    )


def again(ds: xr.Dataset | list[xr.Dataset], folder: Path, **settings) -> xr.Dataset:
    return xps.read(write_nexus(folder / "own.nxs", nexus_tree(ds), overwrite=True), **settings)


def assert_same(read: xr.Dataset, written: xr.Dataset) -> None:
    xr.testing.assert_identical(
        read.drop_vars("source").drop_attrs(deep=False), written.drop_vars("source").drop_attrs(deep=False)
    )
    assert read.attrs["region"] == written.attrs["region"]
    origin = json.loads(read.attrs["metadata"])["origin"]
    assert origin["source"] == np.atleast_1d(written["source"].values).tolist()
    assert origin["metadata"] == json.loads(written.attrs["metadata"])


@pytest.mark.parametrize("quantity", ["counts", "rate", "intensity"])
def test_a_single_spectrum_comes_back_to_the_last_bit(tmp_path, quantity):
    ds = single(0, quantity=quantity, work_function=4.5, pass_energy=20.0)
    assert_same(again(ds, tmp_path), ds)


def test_a_series_comes_back_to_the_last_bit_and_nanosecond(tmp_path):
    ds = stack([single(k) for k in range(5)], "binding_energy")
    assert_same(again(ds, tmp_path), ds)


def test_a_series_with_short_and_flagged_spectra_comes_back_too(tmp_path):
    lacking = single(2, low=20)
    gone = single(3).assign_coords(time=np.datetime64("NaT", "ns"), time_end=np.datetime64("NaT", "ns"))
    marked = single(4).assign_coords(flag=single(4)["flag"] | int(Flag.beam_damage))
    ds = stack([single(0), single(1), lacking, gone, marked], "binding_energy")
    assert_same(again(ds, tmp_path), ds)


@pytest.mark.parametrize("value", [np.nan, -1.0, 1e300, 2.0**40])
def test_flags_and_times_beyond_all_bounds_do_not_end_in_a_traceback(tmp_path, value):
    path = write_nexus(tmp_path / "own.nxs", nexus_tree(single(0)))
    with h5py.File(path, "r+") as file:
        del file["S_2p/data/flag"]
        file["S_2p/data/flag"] = value
        file["S_2p/data/time"][...] = value
    ds = xps.read(path)
    np.testing.assert_array_equal(ds["counts"], single(0)["counts"])
    assert names(int(ds["flag"])) == []


def test_counts_that_were_corrected_come_back_as_counts(tmp_path):
    ds = single(0)
    ds["counts"] = ds["counts"] * 1.001
    ds["counts"].attrs = single(0)["counts"].attrs
    assert_same(again(ds, tmp_path), ds)


def test_spectra_without_time_stay_without(tmp_path):
    path = tmp_path / "scan"
    path.write_text(
        ses_text([({**FIELDS, "Date": "", "Time": ""}, [("Binding Energy [eV]", ENERGY)], counts(ENERGY.size))])
    )
    ds = xps.read(path)
    assert_same(again(ds, tmp_path), ds)


def test_several_regions_share_a_file(tmp_path):
    other = single(7).assign_attrs(region="C 1s").assign_coords(binding_energy=ENERGY + 120)
    other["binding_energy"].attrs = single(7)["binding_energy"].attrs
    assert_same(again([single(0), other], tmp_path, region="C 1s"), other)


def test_the_file_leads_every_plotting_program_to_the_spectra(tmp_path):
    """The path of default attributes from the root ends at an NXdata whose signal and axes are there and fit."""
    ds = stack([single(k) for k in range(3)], "binding_energy")
    path = write_nexus(tmp_path / "own.nxs", nexus_tree(ds, sample="cell 7", scheme="hemispherical"))
    with h5py.File(path) as file:
        at = file
        assert at.attrs["NX_class"] == "NXroot"
        for kind in ("NXentry", "NXdata"):
            at = at[at.attrs["default"]]
            assert at.attrs["NX_class"] == kind
        assert list(at.attrs["axes"]) == ["scan", "energy"]
        assert at[at.attrs["signal"]].shape == tuple(at[axis].size for axis in at.attrs["axes"])
        assert at["data"].attrs["units"] == "counts"
        assert at["energy"].attrs["type"] == "binding"
        entry = at.parent
        assert entry["definition"][()].decode() == "NXmpes"
        assert entry["definition"].attrs["version"]
        assert entry["start_time"][()].decode() == "2023-03-08T14:24:35.123456789+00:00"
        assert entry["sample/name"][()].decode() == "cell 7"
        analyzer = entry["instrument/electronanalyzer"]
        assert analyzer["energydispersion/scheme"][()].decode() == "hemispherical"
        raw = entry["instrument/electronanalyzer/detector/raw_data"]
        assert raw[raw.attrs["signal"]].id == at["data"].id
        assert at["data"].attrs["target"] == at["data"].name
        classless = []
        file.visititems(
            lambda name, item: (
                classless.append(name) if isinstance(item, h5py.Group) and "NX_class" not in item.attrs else None
            )
        )
        assert classless == []


def test_the_same_spectra_give_the_same_file(tmp_path):
    tree = nexus_tree(single(0))
    one, two = (write_nexus(tmp_path / folder / "own.nxs", tree) for folder in made(tmp_path, "a", "b"))
    assert one.read_bytes() == two.read_bytes()


def made(folder: Path, *names: str) -> tuple[str, ...]:
    for name in names:
        (folder / name).mkdir()
    return names


def test_no_file_is_replaced_unless_asked_and_nothing_is_left_beside(tmp_path):
    path = tmp_path / "own.nxs"
    path.write_text("mine")
    with pytest.raises(OperandoError, match="overwrite = true"):
        write_nexus(path, nexus_tree(single(0)))
    assert path.read_text() == "mine"
    write_nexus(path, nexus_tree(single(0)), overwrite=True)
    assert xps.read(path).attrs["region"] == "S 2p"
    assert [one.name for one in tmp_path.iterdir()] == ["own.nxs"]


def test_a_write_that_fails_leaves_what_was_there(tmp_path, monkeypatch):
    path = write_nexus(tmp_path / "own.nxs", nexus_tree(single(0)))
    before = path.read_bytes()

    def full(_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OperandoError, match="No space left"):
        write_nexus(path, nexus_tree(single(1)), overwrite=True)
    assert path.read_bytes() == before
    assert [one.name for one in tmp_path.iterdir()] == ["own.nxs"]
    with pytest.raises(OperandoError, match="writing failed"):
        write_nexus(tmp_path / "nowhere" / "own.nxs", nexus_tree(single(0)))


@pytest.mark.parametrize(
    ("ds", "said"),
    [
        ([], "at least one region"),
        (single(0).drop_vars("counts"), "counts, rate, intensity over binding_energy"),
        (single(0).assign_attrs(region=""), "region"),
        (single(0).expand_dims("peak"), "perhaps scan"),
    ],
)
def test_what_is_no_raw_series_is_not_written(ds, said):
    with pytest.raises(OperandoError, match=said):
        nexus_tree(ds)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="broken HDF5 is opened in a fork")
def test_no_damage_gives_anything_but_the_whole_spectra_or_a_named_error(tmp_path):
    """Cuts and single changed bytes, in a fork that is killed when it hangs."""
    whole = write_nexus(
        tmp_path / "own.nxs", nexus_tree(stack([single(k) for k in range(3)], "binding_energy"))
    ).read_bytes()
    rng = np.random.default_rng(7)
    damaged = [whole[: len(whole) * k // 10] for k in range(10)]
    for at, value in zip(rng.integers(0, len(whole), 70), rng.integers(0, 256, 70), strict=True):
        damaged.append(whole[:at] + bytes([int(value)]) + whole[at + 1 :])

    def all_of_them() -> None:
        signal.alarm(60)
        read = sum(judged(tmp_path / "broken.nxs", data) for data in damaged)
        assert read > 20

    assert forked(all_of_them), "reading a broken file hangs, or ends Python"


def judged(path: Path, data: bytes) -> bool:
    path.write_bytes(data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", OperandoWarning)
        try:
            ds = xps.read(path, reader="nexus") if data else xps.read(path)
        except OperandoError as error:
            if "\n" in str(error):
                raise AssertionError(str(error)) from None
            return False
    marked = any({"not_finite", "truncated"} & set(names(int(flag))) for flag in np.ravel(ds["flag"]))
    assert ds.sizes["binding_energy"] == ENERGY.size or marked
    assert (np.diff(ds["binding_energy"]) >= 0).all()
    assert {"counts", "rate", "intensity"} & set(ds.data_vars)
    return True


@pytest.mark.realdata
def test_a_measured_series_survives_our_own_file(realdata, tmp_path):
    path = realdata / "xps/pynxtools-xps/In-situ_PBTTT.nxs"
    ds = xps.read(path, region="S 2p", energies="binding")
    assert_same(again(ds, tmp_path), ds)
