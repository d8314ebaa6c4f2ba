"""NeXus files of photoemission as others write them: counts rather than rates, and honest axes."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from operando import OperandoError, xps
from operando.errors import FileError, OperandoWarning
from operando.flags import names
from operando.sniff import head, identify
from operando.xps.formats import FORMATS

ENERGY = np.arange(158.0, 172.0, 0.1)


def counts(*shape: int, seed: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).poisson(250.0, shape).astype(np.float64)


def nexus_file(folder: Path, entries: dict, *, definition: str = "NXxps") -> Path:
    """Write entries: per name the members of its groups by path, with units and further attributes."""
    path = folder / "scan.nxs"
    with h5py.File(path, "w") as file:
        for name, members in entries.items():
            entry = group(file, name, "NXentry")
            entry["definition"] = definition
            for place, (value, attrs) in members.items():
                fill(entry, place, value, attrs)
    return path


CLASSES = {
    "data": "NXdata",
    "raw_data": "NXdata",
    "instrument": "NXinstrument",
    "electronanalyser": "NXelectronanalyser",
    "detector": "NXdetector",
    "beam_probe": "NXbeam",
    "energydispersion": "NXenergydispersion",
    "transmission_function": "NXdata",
}


def group(above, name: str, kind: str):
    made = above.require_group(name)
    made.attrs["NX_class"] = kind
    return made


def fill(entry, place: str, value, attrs: dict) -> None:
    *above, last = place.split("/")
    at = entry
    for name in above:
        at = group(at, name, CLASSES[name])
    at = group(at, last, CLASSES[last]) if value is None else at.create_dataset(last, data=value)
    at.attrs.update(attrs)


RAW = "instrument/electronanalyser/detector/raw_data"
BEAM = {"instrument/beam_probe/incident_energy": (1486.6, {"units": "eV"})}


def plot(values, *, unit: str = "counts_per_second", energy=ENERGY, kind: str | None = "binding", axes=("energy",)):
    return {
        "data": (None, {"signal": "data", "axes": list(axes)}),
        "data/data": (values, {"units": unit}),
        "data/energy": (energy, {"units": "eV", **({"type": kind} if kind else {})}),
    }


def test_whole_counts_of_the_detector_come_before_rates(tmp_path):
    raw = counts(ENERGY.size)
    members = plot(raw / 8) | {
        f"{RAW}": (None, {"signal": "raw", "axes": ["energy"]}),
        f"{RAW}/raw": (raw, {"units": "counts"}),
        "instrument/electronanalyser/detector/count_time": (0.5, {"units": "s"}),
        "instrument/electronanalyser/energydispersion/pass_energy": (20.0, {"units": "eV"}),
        "instrument/electronanalyser/work_function": (1e37, {"units": "eV"}),
        "start_time": ("2023-03-08T14:00:00+01:00", {}),
        "end_time": ("2023-03-08T14:10:00+01:00", {}),
        "transitions": (["S2p"], {}),
    }
    ds = xps.read(nexus_file(tmp_path, {"entry": members | BEAM}))
    np.testing.assert_array_equal(ds["counts"], raw)
    assert ds.attrs["region"] == "S 2p"
    assert (float(ds["dwell"]), float(ds["pass_energy"]), float(ds["photon_energy"])) == (0.5, 20.0, 1486.6)
    assert "work_function" not in ds
    assert ds["time"].values == np.datetime64("2023-03-08T13:05", "ns")
    assert int(ds["flag"]) == 0


@pytest.mark.parametrize(("unit", "quantity"), [("counts/s", "rate"), ("cps", "rate"), ("", "intensity")])
def test_without_counts_the_unit_says_what_was_measured(tmp_path, unit, quantity):
    ds = xps.read(nexus_file(tmp_path, {"S2p": plot(counts(ENERGY.size) / 3, unit=unit)}))
    assert quantity in ds


def test_counts_that_are_no_whole_numbers_are_not_believed(tmp_path):
    raw = counts(ENERGY.size)
    members = plot(raw / 2) | {
        RAW: (None, {"signal": "raw", "axes": ["energy"]}),
        f"{RAW}/raw": (raw * 1.01, {"units": "counts"}),
    }
    ds = xps.read(nexus_file(tmp_path, {"S2p": members}))
    np.testing.assert_array_equal(ds["rate"], raw / 2)
    assert "no whole numbers" in ds.attrs["remarks"]


def test_scans_and_channels_that_are_kept_apart_become_a_series_of_counts(tmp_path):
    channels = counts(2, 11, 3, ENERGY.size)
    members = plot(channels.mean(axis=(0, 1, 2)), unit="") | {
        f"{RAW}/cycle{c}_scan{s}_chan{k}": (channels[c, s, k], {"units": "counts"})
        for c in range(2)
        for s in range(11)
        for k in range(3)
    }
    ds = xps.read(nexus_file(tmp_path, {"S2p": members}))
    np.testing.assert_array_equal(ds["counts"], channels.sum(axis=2).reshape(22, -1))
    assert ds["source"].values[10].endswith("cycle 0, scan 10")


def test_dims_of_a_detector_are_summed_and_one_other_is_that_of_scans(tmp_path):
    values = counts(4, ENERGY.size, 5)
    ds = xps.read(nexus_file(tmp_path, {"S2p": plot(values, unit="counts", axes=("delay", "energy", "angular0"))}))
    np.testing.assert_array_equal(ds["counts"], values.sum(axis=2))
    assert "summed over angular0" in ds.attrs["remarks"]


def test_two_dims_besides_the_energy_are_refused(tmp_path):
    path = nexus_file(tmp_path, {"S2p": plot(counts(2, 3, ENERGY.size), axes=("a", "b", "energy"))})
    with pytest.raises(FileError, match="one dim besides the energy"):
        xps.read(path)


def test_kinetic_energies_take_the_photon_energy_and_no_work_function(tmp_path):
    kinetic = {"instrument/electronanalyser/work_function": (4.5, {"units": "eV"})}
    members = plot(counts(ENERGY.size), energy=(1486.6 - ENERGY) / 1000, kind="kinetic") | kinetic
    members["data/energy"][1]["units"] = "keV"
    path = nexus_file(tmp_path, {"S2p": members | BEAM})
    ds = xps.read(path)
    np.testing.assert_allclose(ds["binding_energy"], ENERGY, rtol=1e-9)
    assert float(ds["work_function"]) == 4.5
    moved = xps.read(path, photon_energy=1487.6)
    np.testing.assert_allclose(moved["binding_energy"], ENERGY + 1, rtol=1e-9)


def test_kinetic_energies_without_a_photon_energy_are_refused(tmp_path):
    path = nexus_file(tmp_path, {"S2p": plot(counts(ENERGY.size), kind="kinetic")})
    with pytest.raises(FileError, match="one photon energy"):
        xps.read(path)


def test_binding_energies_that_are_called_kinetic_are_not_taken_for_it(tmp_path):
    """The level in the name gives it away: S 2p lies at 163 eV, not at 1320 eV; the survey beside it is no better."""
    members = plot(counts(ENERGY.size), kind="kinetic") | BEAM
    path = nexus_file(tmp_path, {"x__1_Survey": members, "x__2_S2p": members})
    for region in ("S 2p", "Survey"):
        with pytest.raises(FileError, match="energies = 'binding'"):
            xps.read(path, region=region)
        ds = xps.read(path, region=region, energies="binding")
        np.testing.assert_allclose(ds["binding_energy"], ENERGY)


def test_an_axis_of_neither_kind_asks_which(tmp_path):
    path = nexus_file(tmp_path, {"S2p": plot(counts(ENERGY.size), kind=None)})
    with pytest.raises(FileError, match="energies = 'binding' or 'kinetic'"):
        xps.read(path)
    assert xps.read(path, energies="binding").sizes["binding_energy"] == ENERGY.size
    with pytest.raises(OperandoError, match="expected 'binding' or 'kinetic'"):
        xps.read(path, energies="potential")


def test_the_analysers_transmission_is_taken_at_the_kinetic_energies(tmp_path):
    kinetic = np.linspace(1000.0, 1500.0, 6)
    curve = {
        "instrument/electronanalyser/transmission_function": (None, {"signal": "relative_intensity"}),
        "instrument/electronanalyser/transmission_function/kinetic_energy": (kinetic, {"units": "eV"}),
        "instrument/electronanalyser/transmission_function/relative_intensity": (2000 / kinetic, {}),
    }
    ds = xps.read(nexus_file(tmp_path, {"S2p": plot(counts(ENERGY.size)) | BEAM | curve}))
    np.testing.assert_allclose(ds["transmission"], 2000 / (1486.6 - ENERGY), rtol=1e-2)
    far = plot(counts(ENERGY.size), energy=ENERGY + 1300, kind="binding") | BEAM | curve
    short = xps.read(nexus_file(tmp_path, {"region": far}))
    assert "transmission" not in short
    assert "ends within the spectrum" in short.attrs["remarks"]


def test_a_condition_of_each_point_is_not_taken_for_one_of_each_scan(tmp_path):
    """Times counted that differ along the energies have no place; those that are all the same do."""
    where = "instrument/electronanalyser/detector/count_time"
    for k, (values, said) in enumerate(
        [(np.full(ENERGY.size, 0.5), None), (np.linspace(1, 2, ENERGY.size), "left out")]
    ):
        (tmp_path / str(k)).mkdir()
        members = plot(counts(3, ENERGY.size), axes=("scan", "energy")) | {where: (values, {"units": "s"})}
        ds = xps.read(nexus_file(tmp_path / str(k), {"S2p": members}))
        assert ("dwell" in ds) == (said is None)
        assert said is None or said in ds.attrs["remarks"]


def test_regions_are_named_by_transition_or_by_the_end_of_the_entrys_name(tmp_path):
    path = nexus_file(
        tmp_path, {"Cell__3_S_2p": plot(counts(ENERGY.size)), "O1s": plot(counts(9), energy=np.arange(525.0, 534.0))}
    )
    with pytest.raises(FileError, match="S 2p, O 1s"):
        xps.read(path)
    assert xps.read(path, region="S2p").attrs["region"] == "S 2p"


def test_a_broken_entry_is_left_out_with_a_warning(tmp_path):
    path = nexus_file(tmp_path, {"S2p": plot(counts(ENERGY.size)), "C1s": plot(counts(4))})
    with pytest.warns(OperandoWarning, match="values along 140 energies"):
        ds = xps.read(path)
    assert ds.attrs["region"] == "S 2p"


def test_a_year_before_all_clocks_is_no_time(tmp_path):
    members = plot(counts(ENERGY.size)) | {"start_time": ("0001-01-01T00:00:00+00:00", {})}
    ds = xps.read(nexus_file(tmp_path, {"S2p": members}))
    assert names(int(ds["flag"])) == ["no_time"]


def test_other_hdf5_is_not_recognized(tmp_path):
    path = nexus_file(tmp_path, {"S2p": plot(counts(ENERGY.size))}, definition="NXxas")
    assert identify(head(path), FORMATS) is None
    with pytest.raises(FileError, match="NXmpes or NXxps"):
        xps.read(path, reader="nexus")


@pytest.mark.realdata
def test_the_measured_file_whose_binding_energies_are_called_kinetic_is_not_misread(realdata):
    for region in ("S 2p", "C 1s", "Survey"):
        with pytest.raises(FileError, match="state energies = 'binding'"):
            xps.read(realdata / "xps/pynxtools-xps/In-situ_PBTTT.nxs", region=region)


@pytest.mark.realdata
def test_counts_of_the_measured_series_are_the_sums_of_its_channels(realdata):
    path = realdata / "xps/pynxtools-xps/In-situ_PBTTT.nxs"
    ds = xps.read(path, region="S 2p", energies="binding")
    with h5py.File(path) as file:
        raw = file[f"PBTTT__3_S_2p/{RAW.replace('analyser', 'analyzer')}"]
        tenth = sum(raw[f"cycle0_scan10_chan{k}"][()] for k in range(5))
    np.testing.assert_array_equal(ds["counts"][10], tenth[::-1])
