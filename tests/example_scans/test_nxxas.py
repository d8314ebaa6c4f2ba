"""The NXxas files: what the application definition asks for, and the numbers of the text files."""

from __future__ import annotations

import io
import time
from datetime import datetime

import h5py
import numpy as np
import pytest

from operando import example_scans
from operando.example_scans import nickel_nexus, parameters, truth

REQUIRED = {
    "title": "",
    "start_time": "",
    "definition": "",
    "instrument": "NXinstrument",
    "instrument/source": "NXsource",
    "instrument/source/type": "",
    "instrument/source/name": "",
    "instrument/source/probe": "",
    "instrument/monochromator": "NXmonochromator",
    "instrument/monochromator/energy": "",
    "instrument/incoming_beam": "NXdetector",
    "instrument/incoming_beam/data": "",
    "instrument/absorbed_beam": "NXdetector",
    "instrument/absorbed_beam/data": "",
    "sample": "NXsample",
    "sample/name": "",
    "monitor": "NXmonitor",
    "monitor/mode": "",
    "monitor/preset": "",
    "monitor/data": "",
    "data": "NXdata",
    "data/energy": "",
    "data/absorbed_beam": "",
    "data/mode": "",
}
"""What NXxas requires of an entry, groups with their classes."""


def paths(beamtime):
    return sorted((beamtime / "xas_nexus").iterdir())


def content(source):
    """Return every field's value and every object's attributes, under each of its names."""
    with h5py.File(source) as file:
        return dict(listed("", file))


def listed(name, item):
    """Yield name, attributes and value of an object and of all within it."""
    within = isinstance(item, h5py.Group)
    yield name, (dict(item.attrs), None if within else np.array(item[()]).tolist())
    for key in item if within else ():
        yield from listed(f"{name}/{key}", item[key])


def test_every_entry_has_all_that_nxxas_requires(beamtime, declared):
    assert [path.stem[-4:] for path in paths(beamtime)] == [f"{number:04d}" for number in declared.nexus.scans]
    for path in paths(beamtime):
        with h5py.File(path) as file:
            assert list(file) == ["tey", "tfy"]
            assert file.attrs["default"] == "tey"
            for entry in file.values():
                assert entry.attrs["NX_class"] == "NXentry"
                assert entry["definition"].asstr()[()] == "NXxas"
                for name, nexus_class in REQUIRED.items():
                    assert name in entry
                    assert entry[name].attrs.get("NX_class", "") == nexus_class
                assert entry["instrument/source/probe"].asstr()[()] == "x-ray"
                assert entry["instrument/monochromator/energy"].attrs["units"] == "eV"
                assert entry["data"].attrs["signal"] in entry["data"]
                assert entry["data"].attrs["axes"] in entry["data"]


def test_modes_are_spelled_as_the_definition_spells_them(beamtime):
    with h5py.File(paths(beamtime)[0]) as file:
        assert file["tey/data/mode"].asstr()[()] == "Total Electron Yield"
        assert file["tfy/data/mode"].asstr()[()] == "Fluorescence Yield"
        assert file["tey/monitor/mode"].asstr()[()] == "timer"


def test_plotted_data_are_links_to_the_detectors(beamtime):
    with h5py.File(paths(beamtime)[0]) as file:
        for name, target in (
            ("data/energy", "instrument/monochromator/energy"),
            ("data/absorbed_beam", "instrument/absorbed_beam/data"),
            ("monitor/data", "instrument/incoming_beam/data"),
        ):
            entry = file["tfy"]
            assert entry[name].id == entry[target].id
            assert entry[name].attrs["target"] == f"/tfy/{target}"


def test_numbers_are_those_of_the_text_files(beamtime):
    for path in paths(beamtime):
        energy, drain, i0, current = np.loadtxt(beamtime / "xas" / f"{path.stem}.txt").T
        with h5py.File(path) as file:
            for name, signal in (("tey", drain), ("tfy", current)):
                beams = file[name]["instrument"]
                np.testing.assert_allclose(beams["monochromator/energy"], energy, atol=6e-4)
                np.testing.assert_allclose(beams["absorbed_beam/data"], signal, rtol=1e-6)
                np.testing.assert_allclose(beams["incoming_beam/data"], i0, rtol=1e-6)


def test_start_and_end_state_the_offset_of_the_zone_and_are_the_true_times(beamtime, declared):
    known = truth.read(beamtime)["nexus/Ni_L3"].to_dataset()
    assert known["source"].values.tolist() == [path.name for path in paths(beamtime)]
    start = np.datetime64(declared.experiment.start_utc.replace(tzinfo=None), "ns")
    for scan, path in enumerate(paths(beamtime)):
        with h5py.File(path) as file:
            for name, field in (("start_time", "time_start"), ("end_time", "time_end")):
                stated = datetime.fromisoformat(file["tfy"][name].asstr()[()])
                assert stated.utcoffset().total_seconds() == 7200
                elapsed = (stated - declared.experiment.start_utc).total_seconds()
                true = (known[field].values[scan] - start) / np.timedelta64(1, "s")
                assert (elapsed - 37.4) / (1 + 25e-6) == pytest.approx(true, abs=0.001)


def test_the_same_seed_gives_the_same_content(happened):
    law = parameters.load(overrides={"nickel": {"scans": 2}, "nexus": {"scans": [1]}})
    files = [nickel_nexus.simulate(law, happened, seed).files["xas_nexus/Ni_L3_0001.h5"] for seed in (1, 1, 2)]
    first, again, other = (content(io.BytesIO(file)) for file in files)
    assert first == again
    for name in ("/tey/data/absorbed_beam", "/tfy/data/absorbed_beam", "/tey/monitor/data"):
        assert first[name] != other[name]


def test_files_hold_no_date_of_the_real_world(happened):
    law = parameters.load(overrides={"nickel": {"scans": 2}, "nexus": {"scans": [1]}})
    first = nickel_nexus.simulate(law, happened, 1).files
    time.sleep(1.1)
    assert nickel_nexus.simulate(law, happened, 1).files == first


def test_a_scan_with_faults_keeps_them(happened):
    faults = {"duplicate_energies": [1], "truncated_last": True, "gain_from": 0}
    law = parameters.load(overrides={"nickel": {"scans": 2}, "nexus": {"scans": [1, 2, 9]}, "faults": faults})
    part = nickel_nexus.simulate(law, happened, 1)
    assert list(part.files) == ["xas_nexus/Ni_L3_0001.h5", "xas_nexus/Ni_L3_0002.h5"]
    energies = []
    for file in part.files.values():
        with h5py.File(io.BytesIO(file)) as opened:
            energies.append(opened["tey/data/energy"][()])
    assert np.unique(energies[0]).size == energies[0].size - 3
    assert energies[1].size == int(0.66 * (energies[0].size - 3))
    assert part.truth["nexus/Ni_L3"]["fault"].values.tolist() == ["duplicate_energies", "truncated"]


def test_no_scans_no_files(happened):
    assert nickel_nexus.simulate(parameters.load(overrides={"nexus": {"scans": []}}), happened, 1).files == {}


def test_shipped_files_have_the_content_that_the_generator_makes(beamtime):
    shipped = example_scans.__path__[0]
    for path in paths(beamtime):
        other = f"{shipped}/small/xas_nexus/{path.name}"
        assert content(path) == content(other)
