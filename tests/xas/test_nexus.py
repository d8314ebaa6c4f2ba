"""NXxas in its dialects: every entry to its energies, quantities and names, or left out by name."""

from __future__ import annotations

import json
import random
import warnings
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from operando import xas
from operando.errors import FileError, OperandoError, OperandoWarning
from operando.flags import Flag
from operando.sniff import head
from operando.xas.formats.nexus import read, recognizes

SMALL = Path(__file__).parents[2] / "example_scans" / "small"
E = np.linspace(7100.0, 7150.0, 51)
MU = 1 / (1 + np.exp(7112.0 - E))
I0 = 1e5 + E


def group(parent, name, kind, **attributes):
    made = parent.create_group(name)
    made.attrs.update(NX_class=kind, **attributes)
    return made


def classic(file, name="entry", *, mode="Total Electron Yield", energy=E, data=MU, i0=I0, units="eV", **texts):
    """Write an entry as the definition was first."""
    entry = group(file, name, "NXentry")
    for key, text in {"definition": "NXxas", **texts}.items():
        entry[key] = text
    instrument = group(entry, "instrument", "NXinstrument")
    group(instrument, "monochromator", "NXmonochromator")["energy"] = energy
    if units:
        instrument["monochromator/energy"].attrs["units"] = units
    group(instrument, "absorbed_beam", "NXdetector")["data"] = data
    if i0 is not None:
        group(instrument, "incoming_beam", "NXdetector")["data"] = i0
    plot = group(entry, "data", "NXdata", signal="absorbed_beam", axes="energy")
    plot["energy"], plot["absorbed_beam"] = instrument["monochromator/energy"], instrument["absorbed_beam/data"]
    if mode:
        plot["mode"] = mode
    return entry


def modern(parent, name, *, kind="NXentry", energy=E, intensity=MU, mode="transmission", element="Fe"):
    """Write an entry as the definition is used today; ``energy`` may be a link."""
    entry = group(parent, name, kind, default="plot")
    entry["definition"] = "NXxas"
    entry["mode"] = mode
    group(entry, "element", "NXelement")["symbol"] = element
    group(entry, "edge", "NXedge")["name"] = "K"
    entry["energy"] = energy
    if isinstance(energy, np.ndarray):
        entry["energy"].attrs["units"] = "eV"
    entry["intensity"] = intensity
    plot = group(entry, "plot", "NXdata", signal="intensity", axes="energy")
    plot["energy"], plot["intensity"] = h5py.SoftLink(f"{entry.name}/energy"), h5py.SoftLink(f"{entry.name}/intensity")
    return entry


@pytest.fixture
def file(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as opened:
        yield opened


def reading(file, **settings):
    name = file.filename
    file.close()
    return xas.read(name, **settings)


def sources(ds):
    return [str(source).partition("::")[2] for source in np.ravel(ds["source"].values)]


@pytest.mark.parametrize(
    ("mode", "name"),
    [
        ("Total Electron Yield", "tey"),
        ("Partial Electron Yield", "pey"),
        ("Auger Electron Yield", "pey"),
        ("Fluorescence Yield", "fluorescence"),
        ("Transmission", "transmission"),
    ],
)
def test_the_mode_says_what_the_absorbed_beam_is(file, mode, name):
    classic(file, mode=mode)
    ds = reading(file)
    assert ds.attrs["format"] == "nexus"
    np.testing.assert_array_equal(ds[name], MU)
    np.testing.assert_array_equal(ds["i0"], I0)
    np.testing.assert_array_equal(ds["energy"], E)
    assert xas.signal(ds, name).notnull().all()


def test_a_beam_of_unknown_mode_waits_for_its_name(file):
    classic(file, mode="")
    path = file.filename
    with pytest.raises(FileError, match="expected a detector behind the sample, got none that is known; name one of"):
        reading(file)
    np.testing.assert_array_equal(xas.read(path, columns={"tey": "absorbed_beam"})["tey"], MU)


def test_modes_of_one_start_are_one_scan_and_others_are_not(file):
    at = {"start_time": "2026-05-18T17:47:43+02:00", "end_time": "2026-05-18T17:49:43+02:00"}
    classic(file, "tey", **at)
    classic(file, "tfy", mode="Fluorescence Yield", data=MU**2, **at)
    classic(file, "later", **{**at, "start_time": "2026-05-18T17:48:43+02:00"})
    classic(file, "other_beam", mode="Transmission", i0=I0 + 1, **at)
    path = file.filename
    ds = reading(file)
    assert sources(ds) == ["later", "other_beam", "tey+tfy"]
    both = ds.isel(scan=2)
    np.testing.assert_array_equal(both["tey"], MU)
    np.testing.assert_array_equal(both["fluorescence"], MU**2)
    assert both["time"].values == np.datetime64("2026-05-18T15:48:43")
    alone = xas.read(path, entry="tfy")
    assert "tey" not in alone
    assert sources(alone) == ["tfy"]


def test_the_same_mode_twice_is_two_scans_even_at_one_time(file):
    at = {"start_time": "2026-05-18T17:47:43+02:00"}
    classic(file, "first", **at)
    classic(file, "second", data=MU + 1, **at)
    assert reading(file).sizes["scan"] == 2


def test_subentries_are_detectors_of_one_scan(file):
    for number in (1, 2):
        entry = group(file, f"{number}.1", "NXentry", default="fluo2")
        mono = group(group(entry, "instrument", "NXinstrument"), "monochromator", "NXmonochromator", units="keV")
        mono["energy"] = E / 1000
        link = h5py.SoftLink(f"{mono.name}/energy")
        for at, name in enumerate(("itrans", "fluo10", "fluo2", "iref")):
            mode = "fluorescence" if "fluo" in name else "transmission"
            modern(entry, name, kind="NXsubentry", energy=link, intensity=MU + (at + 10 * number), mode=mode)
    path = file.filename
    ds = reading(file)
    assert sources(ds) == ["1.1", "2.1"]
    assert list(ds["detector"].values) == ["fluo2", "fluo10", "itrans"]
    np.testing.assert_allclose(ds["energy"], E)
    np.testing.assert_array_equal(ds["mu"].sel(detector="itrans"), [MU + 10, MU + 20])
    np.testing.assert_array_equal(ds["mu"].sel(detector="fluo2"), [MU + 12, MU + 22])
    np.testing.assert_array_equal(ds["reference"], [MU + 13, MU + 23])
    one = xas.read(path, entry="2.1", columns={"mu": "itrans"})
    assert one["mu"].dims == ("energy",)
    np.testing.assert_array_equal(one["mu"], MU + 20)
    np.testing.assert_array_equal(xas.read(path, entry="1.1/iref")["reference"], MU + 13)


def test_raw_detectors_and_labelled_columns_stand_beside_the_intensity(file):
    entry = modern(file, "a")
    instrument = group(entry, "instrument", "NXinstrument")
    for name, values in (("i0", I0), ("itrans", I0 * np.exp(-MU)), ("camera", np.zeros((3, 4, 5)))):
        group(instrument, name, "NXdetector")["data"] = values
    instrument["i0/data"].attrs["units"] = "nA"
    entry["rawdata"] = np.stack([E, MU, np.full(51, 3.0), np.full(51, 4.0)])
    entry["rawdata"].attrs["array_labels"] = json.dumps(["energy", "intensity", "mca1", "mca2"])
    path = file.filename
    ds = reading(file, columns={"fluorescence": ["mca2", "mca1"]})
    assert ds["i0"].attrs["units"] == "nA"
    np.testing.assert_array_equal(ds["mu"], MU)
    np.testing.assert_allclose(xas.signal(ds, "transmission"), MU, atol=1e-12)
    assert list(ds["detector"].values) == ["mca2", "mca1"]
    np.testing.assert_array_equal(ds["fluorescence"].isel(energy=0), [4.0, 3.0])
    told = json.loads(ds.attrs["metadata"])
    assert (told["element.symbol"], told["element.edge"], told["mode"]) == ("Fe", "K", "transmission")
    with pytest.raises(
        FileError, match="expected detectors among intensity, i0, itrans, energy, mca1, mca2, got 'absent'"
    ):
        xas.read(path, columns={"tey": "absent"})


def test_channels_of_a_detector_are_kept_apart(file):
    classic(file, mode="Fluorescence Yield", data=np.stack([MU, MU * 2, MU * 3], axis=1))
    ds = reading(file)
    assert ds["fluorescence"].dims == ("energy", "detector")
    assert list(ds["detector"].values) == ["absorbed_beam[0]", "absorbed_beam[1]", "absorbed_beam[2]"]
    np.testing.assert_allclose(xas.merge_detectors(ds)["fluorescence"], 6 * MU)


@pytest.mark.parametrize(("unit", "scale"), [("keV", 1e3), ("eV", 1.0), ("J", 6.241509074460763e18)])
def test_energies_come_in_any_unit(file, unit, scale):
    classic(file, energy=E / scale, units=unit)
    np.testing.assert_allclose(reading(file)["energy"], E, rtol=1e-12)


def test_a_missing_unit_is_stated_and_a_wrong_one_never_taken_for_that(file):
    classic(file, "a", units="")
    path = file.filename
    ds = reading(file)
    assert "has no unit: taken as eV" in json.loads(ds.attrs["remarks"])[0]
    with h5py.File(path, "a") as again:
        again["a/instrument/monochromator/energy"][...] = E / 1000
    with pytest.raises(FileError, match=r"expected photon energies in eV, got 7\.1 to 7\.15; state the unit"):
        xas.read(path)
    np.testing.assert_allclose(xas.read(path, units={"energy": "keV"})["energy"], E)
    with h5py.File(path, "a") as again:
        again["a/instrument/monochromator/energy"].attrs["units"] = "bananas"
    with pytest.raises(FileError, match="unknown unit 'bananas'"):
        xas.read(path)


@pytest.mark.parametrize(
    ("texts", "zone", "start", "flags"),
    [
        ({"start_time": "2026-05-18T17:47:43+02:00"}, None, "2026-05-18T15:47:43", 0),
        ({"start_time": "2026-05-18 17:47:43"}, "Europe/Zurich", "2026-05-18T15:47:43", 0),
        ({"start_time": "2026-05-18 17:47:43"}, None, "NaT", Flag.no_time),
        ({"start_time": "yesterday"}, "UTC", "NaT", Flag.no_time),
        ({}, "UTC", "NaT", Flag.no_time),
    ],
)
def test_times_with_and_without_a_zone(file, texts, zone, start, flags):
    classic(file, **texts)
    ds = reading(file, timezone=zone)
    np.testing.assert_array_equal(ds["time_start"].values, np.datetime64(start))
    assert int(ds["flag"]) == flags
    assert ("yesterday" in ds.attrs.get("remarks", "")) == ("yesterday" in texts.values())


def test_what_is_no_spectrum_is_left_out_by_name(file):
    modern(file, "good")
    modern(file, "fitting", intensity=MU * 2)
    modern(file, "far", energy=E + 1000)
    modern(file, "short", intensity=MU[:20])
    modern(file, "cube", intensity=np.stack([[MU, MU]]))
    del modern(file, "without_energy")["energy"]
    bad = modern(file, "link_out")
    del bad["energy"]
    bad["energy"] = h5py.ExternalLink("../secret.h5", "/energy")
    file["nowhere"] = h5py.ExternalLink("gone.h5", "/entry")
    group(file, "other", "NXentry")["definition"] = "NXtomo"
    with pytest.warns(OperandoWarning) as told:
        ds = reading(file)
    assert sources(ds) == ["fitting", "good"]
    remarks = json.loads(ds.attrs["remarks"])
    assert sorted(str(one.message) for one in told) == sorted(remarks)
    for place, said in {
        "entry 'far'": "expected energies that most entries share, got 8100 to 8150 eV",
        "/short/intensity": "expected 51 values, as many as energies, got shape",
        "/cube/intensity": "got shape (1, 2, 51)",
        "/without_energy": "a link to /without_energy/energy, which is not there",
        "/link_out/energy": "a link out of it",
        "/nowhere": "a link to gone.h5, which is missing",
    }.items():
        assert any(place in remark and said in remark for remark in remarks), place
    assert len(remarks) == 6


def test_a_stack_of_spectra_in_one_entry_is_a_scan_each(file):
    """As the definition of 2026 has it; what else the entry has is kept only where it lies along the stack."""
    entry = modern(file, "series", intensity=np.stack([MU, MU * 2, MU * 3]))
    detectors = group(entry, "instrument", "NXinstrument")
    group(detectors, "i0", "NXdetector")["data"] = np.ones((3, MU.size))
    group(detectors, "i1", "NXdetector")["data"] = np.ones(MU.size)
    ds = reading(file)
    assert sources(ds) == ["series/1", "series/2", "series/3"]
    np.testing.assert_array_equal(ds["mu"], np.stack([MU, MU * 2, MU * 3]))
    np.testing.assert_array_equal(ds["i0"], np.ones((3, MU.size)))
    assert set(ds.data_vars) == {"mu", "i0"}
    assert ds["time"].isnull().all()


def test_links_that_a_spectrum_does_not_need_cost_it_nothing_but_a_remark(file):
    entry = classic(file)
    camera = group(entry["instrument"], "camera", "NXdetector")
    camera["data"] = h5py.ExternalLink("../camera_0001.h5", "/data")
    entry["sample"] = h5py.SoftLink("/samples/1")
    group(entry["instrument"], "mca", "NXdetector")["data"] = np.zeros((51, 2048))
    ds = reading(file)
    np.testing.assert_array_equal(ds["tey"], MU)
    remarks = " ".join(json.loads(ds.attrs["remarks"]))
    assert "/entry/instrument/camera/data: expected links to files in its own folder" in remarks
    assert "/entry/sample: expected a link to a dataset or a group" in remarks
    assert len(json.loads(ds.attrs["remarks"])) == 2


def test_what_is_left_out_of_a_chosen_entry_is_told_and_no_more(file):
    entry = group(file, "1.1", "NXentry")
    modern(entry, "good", kind="NXsubentry")
    modern(entry, "short", kind="NXsubentry", intensity=MU[:9])
    modern(file, "elsewhere", intensity=MU[:9])
    with pytest.warns(OperandoWarning, match="/1.1/short/intensity: expected 51 values") as told:
        ds = reading(file, entry="1.1")
    assert len(told) == 1
    np.testing.assert_array_equal(ds["mu"], MU)


def test_columns_of_one_and_of_several_channels_make_one_list(file):
    entry = modern(file, "a")
    instrument = group(entry, "instrument", "NXinstrument")
    group(instrument, "one", "NXdetector")["data"] = MU
    group(instrument, "two", "NXdetector")["data"] = np.stack([MU, MU], axis=1)
    ds = reading(file, columns={"fluorescence": ["one", "two"]})
    assert list(ds["detector"].values) == ["one", "two[0]", "two[1]"]


def test_an_unknown_entry_is_answered_with_those_there_are(file):
    modern(file, "foil")
    with pytest.raises(FileError, match="expected an entry among foil, got 'fiol'"):
        reading(file, entry="fiol")


def test_hdf5_of_another_kind_says_what_it_holds(file):
    group(file, "entry", "NXentry")["definition"] = "NXtomo"
    file["entry/images"] = np.zeros((2, 3))
    path = file.filename
    said = r"expected settings 'columns' .* got a file with /entry \(NXentry\), /entry/definition \(\), /entry/images"
    with pytest.raises(FileError, match=said):
        reading(file)
    assert not recognizes(head(path))
    with pytest.raises(FileError, match=r"expected an entry whose definition is NXxas, got /entry \(NXentry\)"):
        xas.read(path, reader="nexus")


def test_a_file_cut_short_is_told_so_without_naming_its_reader(tmp_path):
    data = (SMALL / "xas_nexus" / "Ni_L3_0001.h5").read_bytes()
    (tmp_path / "a.h5").write_bytes(data[:-100])
    with pytest.raises(FileError, match="expected a sound HDF5 file, got truncated file"):
        xas.read(tmp_path / "a.h5")


@settings(max_examples=150, deadline=None)
@given(at=st.integers(0, 42079), put=st.binary(min_size=1, max_size=8), cut=st.booleans())
@example(at=100, put=b"\x00", cut=True)
def test_no_damage_raises_anything_else(tmp_path_factory, at, put, cut):
    data = (SMALL / "xas_nexus" / "Ni_L3_0001.h5").read_bytes()
    spoiled = data[:at] if cut else data[:at] + put + data[at + len(put) :]
    path = tmp_path_factory.mktemp("n") / "a.h5"
    path.write_bytes(spoiled)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", OperandoWarning)
        try:
            ds = read(path)
        except OperandoError:
            return
    assert np.all(np.diff(ds["energy"]) >= 0)


def test_no_flipped_bit_of_the_structure_raises_anything_else(tmp_path):
    """Where names, links and shapes stand: the first 1200 bytes and the heaps of texts."""
    data = (SMALL / "xas_nexus" / "Ni_L3_0001.h5").read_bytes()
    heap = data.index(b"GCOL")
    places = [*range(1200), *range(heap, heap + 400)]
    for at in random.Random(7).sample(places, 120):
        path = tmp_path / "a.h5"
        path.write_bytes(data[:at] + bytes([data[at] ^ 1 << at % 8]) + data[at + 1 :])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", OperandoWarning)
            try:
                read(path)
            except OperandoError:
                continue
