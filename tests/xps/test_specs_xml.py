"""SpecsLab2 XML: channels are added where they see the same energy, scans that stop say so, XML stays harmless."""

from __future__ import annotations

import tracemalloc
import warnings

import numpy as np
import pytest
from damaged_copies import cut_off, one_byte_changed
from specs_files import CHANNELS, DOCTYPE, XmlRegion, specs_xml

from operando import OperandoError, xps
from operando.errors import FileError, OperandoWarning, SeveralRegionsError
from operando.flags import names
from operando.schema import problems
from operando.sniff import head
from operando.xps.formats.specs_region import specs_region
from operando.xps.formats.specs_xml import recognizes
from operando.xps.formats.specs_xml_file import region_elements
from operando.xps.layout import RAW

LINE = 968.6


def peak(kinetic, scan):
    """Return a narrow peak at 968.6 eV on 30 electrons, which grows from scan to scan."""
    return 30 + 100 * (scan + 1) * np.exp(-0.5 * ((kinetic - LINE) / 0.3) ** 2)


def slope(kinetic, scan):
    """Return electrons that count the energy itself, in whole numbers at steps of 0.1 eV."""
    return 1000 + np.rint((kinetic - 960) / 0.1) + 7 * scan


def read(tmp_path, data, **settings):
    path = tmp_path / "a.xml"
    path.write_bytes(data)
    return xps.read(path, **settings)


def flagged(ds):
    return [names(int(flag)) for flag in np.ravel(ds["flag"])]


def test_channels_whose_shifts_are_whole_steps_add_up_to_the_truth_exactly(tmp_path):
    region = XmlRegion("S2p", slope, step=0.1, shifts=(-0.1, -0.05, 0.0, 0.05, 0.1))
    ds = read(tmp_path, specs_xml({"cell": [region]}))
    kinetic = 1253.6 - ds["binding_energy"].values
    np.testing.assert_array_equal(ds["counts"], 5 * np.rint(slope(kinetic, 0)))
    assert ds["binding_energy"].values[[0, -1]] == pytest.approx([270, 290])
    assert ds.attrs["region"] == "S 2p"
    assert ds["counts"].attrs["units"] == "count"


def test_shifts_of_parts_of_a_step_leave_the_peak_where_it_is(tmp_path):
    ds = read(tmp_path, specs_xml({"cell": [XmlRegion("S 2p", peak, kinetic=963.6)]}))
    signal = ds["counts"].values - 150
    middle = float((signal * ds["binding_energy"].values).sum() / signal.sum())
    assert middle == pytest.approx(1253.6 - LINE, abs=0.05 / 2)
    width = np.sqrt((signal * (ds["binding_energy"].values - middle) ** 2).sum() / signal.sum())
    assert width == pytest.approx(0.3, rel=0.02)


def test_scans_and_cycles_lie_along_scan_in_their_order(tmp_path):
    region = XmlRegion("S 2p", peak, cycles=((None, None), (None,)))
    ds = read(tmp_path, specs_xml({"cell": [region]}))
    assert ds.sizes["scan"] == 3
    assert [str(source) for source in ds["source"].values] == [
        "a.xml::cell, S 2p, cycle 0, scan 0",
        "a.xml::cell, S 2p, cycle 0, scan 1",
        "a.xml::cell, S 2p, cycle 1, scan 0",
    ]
    assert (np.diff(ds["counts"].max("binding_energy")) > 400).all()
    assert problems(ds, RAW) == []
    assert flagged(ds) == [[], [], []]
    assert read(tmp_path, specs_xml({"cell": [region]}), cycle=0).sizes["scan"] == 2
    last = read(tmp_path, specs_xml({"cell": [region]}), spectrum="1.0")
    np.testing.assert_array_equal(last["counts"], ds["counts"][2])
    with pytest.raises(FileError, match="expected a cycle among 0, 1, got '4'"):
        read(tmp_path, specs_xml({"cell": [region]}), cycle=4)


def test_the_sum_of_the_scans_has_their_time_and_leaves_out_the_one_that_stopped(tmp_path):
    region = XmlRegion("S 2p", peak, cycles=((None, None, 150),))
    ds = read(tmp_path, specs_xml({"cell": [region]}), sum_scans=True)
    single = read(tmp_path, specs_xml({"cell": [region]}))
    np.testing.assert_array_equal(ds["counts"], single["counts"][:2].sum("scan"))
    assert (float(ds["sweeps"]), float(ds["dwell"])) == (2, 0.1)
    assert "left out of the sum, since they stop before their end: scans 2" in ds.attrs["remarks"]


def test_a_scan_that_stopped_has_no_partly_summed_points_and_is_flagged(tmp_path):
    measured = 150
    region = XmlRegion("S 2p", peak, cycles=((None, measured),))
    ds = read(tmp_path, specs_xml({"cell": [region]}))
    offsets = np.floor(np.array(CHANNELS) * 20 / 0.05 + 0.5)
    complete = int(measured - (region.head - offsets.min()))
    stopped = ds["counts"].values[1, ::-1]
    assert np.isfinite(stopped[:complete]).all()
    assert np.isnan(stopped[complete:]).all()
    full = XmlRegion("S 2p", lambda energies, _scan: peak(energies, 1))
    truth = read(tmp_path, specs_xml({"cell": [full]}))["counts"].values[::-1]
    np.testing.assert_array_equal(stopped[:complete], truth[:complete])
    assert flagged(ds)[0] == []
    assert {"truncated", "not_finite"} <= set(flagged(ds)[1])


def test_the_times_of_scans_follow_from_the_starts_of_the_cycles(tmp_path):
    region = XmlRegion("S 2p", peak, cycles=((None, None), (None, None)))
    counted = 0.1 * (region.head + region.points + region.tail)
    region.cycles = tuple((None,) * round(1000 / counted / 1.2) for _ in range(2))
    ds = read(tmp_path, specs_xml({"cell": [region]}))
    begins = (ds["time_start"].values - np.datetime64(region.begins, "s")) / np.timedelta64(1, "s")
    number = len(region.cycles[0])
    np.testing.assert_allclose(begins[:number], 1000 / number * np.arange(number), atol=1e-6)
    np.testing.assert_allclose(begins[number:], 1000 + counted * np.arange(number), atol=1e-6)
    assert (ds["time_end"].values > ds["time"].values).all()


def test_a_cycle_that_would_have_taken_months_tells_only_when_it_began(tmp_path):
    region = XmlRegion("S 2p", peak, cycles=((None, None),), fields={"dwell_time": "30000.0"})
    ds = read(tmp_path, specs_xml({"cell": [region]}))
    assert 0.5e7 < 30000 * (region.head + region.points + region.tail) < 1e7
    assert np.isnat(ds["time_end"].values).all()
    assert (ds["time"].values == np.datetime64(region.begins, "s")).all()


def test_transmission_comes_with_the_counts(tmp_path):
    curve = np.linspace(2.9, 2.8, 201)
    ds = read(tmp_path, specs_xml({"cell": [XmlRegion("S 2p", peak, transmission=curve)]}))
    np.testing.assert_array_equal(ds["transmission"], curve[::-1])
    short = read(tmp_path, specs_xml({"cell": [XmlRegion("S 2p", peak, transmission=curve[:99])]}))
    assert "transmission" not in short
    assert "transmission has 99 values" in short.attrs["remarks"]


def test_regions_and_groups_are_chosen_by_name(tmp_path):
    groups = {
        "1.2 V": [XmlRegion("Survey", peak, points=401), XmlRegion("S2p", peak)],
        "2.0 V": [XmlRegion("S 2p", peak, begins=1643400000)],
    }
    data = specs_xml(groups)
    assert read(tmp_path, data, region="s2p").sizes["scan"] == 2
    assert "scan" not in read(tmp_path, data, region="S 2p", group="2.0 V").dims
    with pytest.raises(FileError, match="expected one region, got Survey, S 2p"):
        read(tmp_path, data)
    with pytest.raises(FileError, match="a region among Survey, S 2p, got 'C 1s'"):
        read(tmp_path, data, region="C 1s")
    with pytest.raises(FileError, match=r"a group among 1\.2 V, 2\.0 V, got '3 V'"):
        read(tmp_path, data, region="S 2p", group="3 V")


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("scan_mode", "FixedEnergies", "a swept kinetic energy, got the scan mode 'FixedEnergies'"),
        ("scan_mode", "ConstantFinalState", "ConstantFinalState"),
        ("scan_mode", "FixedRetardingRatio", "one channel in the mode FixedRetardingRatio, got 5"),
        ("curves_per_scan", "20", "one curve per scan, got 20: resolved in angle or place"),
        ("analysis_method", "ISS", "photoemission, got the method 'ISS'"),
        ("scan_delta", "0", "a number scan_delta"),
        ("excitation_energy", "x", "a number excitation_energy"),
        ("kinetic_energy_base", "3", "kinetic_energy_base of 3 eV"),
        ("values_per_curve", "190", "1265 counts, got 1320 counts of 5 channels"),
        ("values_per_curve", "20100000000", "3 to 1000000 points"),
        ("pass_energy", "50", "channels within the 63 extra points"),
    ],
)
def test_what_is_no_spectrum_or_contradicts_itself_is_refused_by_name(tmp_path, field, value, told):
    refused = XmlRegion("S 2p", peak, fields={field: value})
    with pytest.raises(FileError, match=told):
        read(tmp_path, specs_xml({"cell": [refused]}))
    beside = specs_xml({"cell": [refused, XmlRegion("C 1s", peak)]})
    with pytest.warns(OperandoWarning, match=told):
        assert read(tmp_path, beside).attrs["region"] == "C 1s"
    assert "remarks" not in read(tmp_path, beside, region="C 1s").attrs


BOMB = (
    '<!DOCTYPE any [<!ENTITY a "aaaaaaaaaa">'
    + "".join(f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in zip("abcdefgh", "bcdefghi", strict=True))
    + "]>"
)


@pytest.mark.parametrize(
    "doctype",
    [BOMB, '<!DOCTYPE any [<!ENTITY a SYSTEM "file:///etc/passwd">]>', '<!DOCTYPE any [<!ENTITY % a "b">]>'],
)
def test_entities_are_refused_before_anything_is_expanded(tmp_path, doctype):
    data = specs_xml({"cell": [XmlRegion("&i;" if "ENTITY i" in doctype else "S 2p", peak)]}, doctype)
    tracemalloc.start()
    with pytest.raises(FileError, match="XML without entities"):
        read(tmp_path, data)
    assert tracemalloc.get_traced_memory()[1] < 50e6
    tracemalloc.stop()


def test_deep_nesting_is_refused(tmp_path):
    data = specs_xml({"cell": [XmlRegion("S 2p", peak)]}).replace(b"<any version", b"<any>" * 5000 + b"<any version")
    with pytest.raises(FileError, match="elements at most 64 deep"):
        read(tmp_path, data)


def test_german_names_are_read_without_a_declared_encoding(tmp_path):
    data = specs_xml({"Zelle für S": [XmlRegion("Übersicht", peak)]})
    for encoded in (data, data.decode().encode("latin-1")):
        ds = read(tmp_path, encoded)
        assert ds.attrs["region"] == "Übersicht"
        assert "Zelle für S" in str(ds["source"].values)


def test_a_file_that_breaks_off_gives_the_regions_before_that_with_a_warning(tmp_path):
    data = specs_xml({"cell": [XmlRegion("C 1s", peak), XmlRegion("S 2p", peak)]})
    with pytest.warns(OperandoWarning, match="well-formed XML to its end"):
        ds = read(tmp_path, data[: len(data) * 3 // 4])
    assert ds.attrs["region"] == "C 1s"
    with pytest.raises(FileError, match=r"well-formed XML to its end, got .*; copy it again"):
        read(tmp_path, data[: len(data) // 4])


def test_numbers_that_are_lost_are_not_filled_in(tmp_path):
    data = specs_xml({"cell": [XmlRegion("S 2p", peak)]})
    at = data.index(b"\n", data.index(b'type_name="Counts"') + 200)
    with pytest.raises(FileError, match="1320 numbers of counts, got 1319"):
        read(tmp_path, data[:at] + b"0" + data[at + 1 :])


def test_scans_that_are_missing_are_told(tmp_path):
    whole = specs_xml({"cell": [XmlRegion("S 2p", peak, cycles=((None, None),))]})
    data = whole.replace(b'length="2" type_name="ScanSeq"', b'length="15" type_name="ScanSeq"')
    with pytest.warns(OperandoWarning, match="expected 15 scans, got 2"):
        assert read(tmp_path, data).sizes["scan"] == 2
    twice = whole.replace(b'length="1" type_name="RegionDataSeq"', b'length="2" type_name="RegionDataSeq"')
    with pytest.warns(OperandoWarning, match="expected 2 regions, got 1"):
        read(tmp_path, twice)


def test_a_file_without_regions_says_so(tmp_path):
    with pytest.raises(FileError, match="a region with spectra, got a file without any"):
        read(tmp_path, specs_xml({"cell": []}))
    with pytest.raises(FileError, match="a region among none, got 'S 2p'"):
        read(tmp_path, specs_xml({"cell": []}), region="S 2p")
    refused = XmlRegion("S 2p", peak, fields={"scan_mode": "FixedEnergies"})
    with pytest.raises(FileError, match="a swept kinetic energy"):
        read(tmp_path, specs_xml({"cell": [refused]}), cycle=0)


def test_other_xml_is_not_taken_for_that_of_specs(tmp_path):
    path = tmp_path / "a.xml"
    path.write_bytes(specs_xml({"cell": [XmlRegion("S 2p", peak)]}))
    assert recognizes(head(path))
    path.write_text("<?xml version='1.0'?><a/>")
    assert not recognizes(head(path))


def test_all_regions_are_told_where_none_is_named(tmp_path):
    data = specs_xml({"cell": [XmlRegion("C1s", peak), XmlRegion("S 2p", peak)]})
    path = tmp_path / "a.xml"
    path.write_bytes(data)
    with pytest.raises(SeveralRegionsError) as caught:
        xps.read(path)
    assert caught.value.regions[:2] == ("C 1s", "S 2p")


def assert_whole_or_told(path, region, points, scans):
    """A damaged copy gives whole scans, or says in a warning, a flag or an error of one line what is lost."""
    refused = None
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", OperandoWarning)
        try:
            ds = xps.read(path, reader="specs_xml", region=region)
        except OperandoError as error:
            refused = error
    if refused is not None:
        assert "\n" not in str(refused)
        return
    lost = ds.sizes["binding_energy"] != points or ds.sizes.get("scan", 1) != scans
    assert not lost or told or any("truncated" in one for one in flagged(ds))
    assert (np.diff(ds["binding_energy"]) >= 0).all()


def test_no_cut_and_no_changed_byte_gives_anything_but_whole_scans_or_what_is_lost(tmp_path):
    regions = [XmlRegion("S 2p", peak, points=41, cycles=((None, None),)), XmlRegion("C 1s", peak, points=31)]
    data = specs_xml({"cell": regions}, DOCTYPE)
    path = tmp_path / "a.xml"
    for copy in [*cut_off(data), *one_byte_changed(data, 250, 31)]:
        path.write_bytes(copy)
        assert_whole_or_told(path, "S 2p", 41, 2)


@pytest.mark.realdata
def test_the_channels_of_a_measured_scan_agree_once_they_are_shifted(realdata):
    """With the shifts, five channels scatter about their mean as counts do: 4/5 of Poisson's variance."""
    path = realdata / "xps" / "pynxtools-xps" / "In-situ_PBTTT_XPS_SPECS.xml"
    found = next(one for one in region_elements(path) if one.element.findtext("string") == "C1s")
    region = specs_region(path, found.group, found.element)
    starts = {"shifted": region.first_points(), "as they are": np.full(5, region.head)}
    scatter = {}
    for name, first in starts.items():
        rows = first[None, :] + np.arange(region.points)[:, None]
        channels = np.take_along_axis(region.scans[0].counts, rows, axis=0)
        efficiency = channels.mean(axis=0)
        mean = (channels / efficiency).mean(axis=1, keepdims=True)
        scatter[name] = float(((channels / efficiency - mean) ** 2 * efficiency / mean).mean())
    assert scatter["shifted"] == pytest.approx(0.8, abs=0.1)
    assert scatter["as they are"] > 10


@pytest.mark.realdata
def test_one_measurement_is_the_same_from_xml_and_xy(realdata):
    folder = realdata / "xps" / "pyexplabsys"
    xml = xps.read(folder / "specs_xps_sample.xml", region="CrO overview Mg anode", sum_scans=True)
    xy = xps.read(folder / "specs_xps_sample.xy")
    np.testing.assert_array_equal(xml["counts"], xy["counts"])
    np.testing.assert_allclose(xml["binding_energy"], xy["binding_energy"], atol=1e-9)
    assert float(xml["sweeps"]) == float(xy["sweeps"]) == 25
    assert float(xml["dwell"]) == float(xy["dwell"]) == 0.1
