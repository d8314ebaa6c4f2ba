"""SPECS .xy exports of Prodigy and SpecsLab 2 give their curves on a binding energy, or say what is wrong with them."""

from __future__ import annotations

import json
import warnings

import numpy as np
import pytest
from damaged_copies import cut_off, one_byte_changed
from specs_files import PRODIGY, XyCurve, specs_xy, xy_region

from operando import OperandoError, xps
from operando.errors import FileError, OperandoWarning, SeveralRegionsError
from operando.flags import names
from operando.schema import problems
from operando.sniff import head
from operando.xps.formats.specs_xy import recognizes
from operando.xps.layout import RAW

ENERGY = 740.0 - 0.5 * np.arange(61)
KINETIC = {**PRODIGY, "Energy Axis": "Kinetic Energy"}


def counted(seed=1, size=ENERGY.size):
    return np.random.default_rng(seed).poisson(900, size).astype(float)


def curve(values, heading="Cycle: 0, Curve: 0", label="counts/s", **options):
    return XyCurve(heading, {"energy": ENERGY, label: values}, **options)


def file_of(*curves, settings=PRODIGY, **fields):
    return specs_xy({"1 as-loaded": [xy_region("Fe2p", curves, **fields)]}, settings)


def read(tmp_path, data, **settings):
    path = tmp_path / "a.xy"
    path.write_bytes(data)
    return xps.read(path, **settings)


def flagged(ds):
    return {name for flag in np.ravel(ds["flag"]) for name in names(int(flag))}


def test_rates_times_the_time_counted_are_whole_counts(tmp_path):
    counts = counted()
    ds = read(tmp_path, file_of(curve(counts / 0.4), Dwell_Time="0.1", **{"Number of Scans": "4"}))
    np.testing.assert_array_equal(ds["counts"], counts[::-1])
    assert (float(ds["dwell"]), float(ds["sweeps"])) == (0.1, 4)
    assert ds["binding_energy"].values == pytest.approx(ENERGY[::-1])
    assert ds.attrs["region"] == "Fe 2p"
    assert str(ds["source"].values) == "a.xy::1 as-loaded, Fe 2p, spectrum 20, cycle 0"
    assert ds["time_start"].values == np.datetime64("2023-08-24T14:19:47")
    assert ds["time_end"].values == np.datetime64("2023-08-24T14:20:11.4")
    assert flagged(ds) == set()
    assert json.loads(ds.attrs["metadata"])["export"]["Energy Axis"] == "Binding Energy"


def test_interpolated_channels_give_rates(tmp_path):
    rates = counted() * 1.0371
    ds = read(tmp_path, file_of(curve(rates)))
    np.testing.assert_allclose(ds["rate"], rates[::-1], rtol=1e-7)
    assert "counts" not in ds
    rounded = read(tmp_path, file_of(curve(np.rint(counted())), Dwell_Time="2"))
    assert "counts" not in rounded


def test_a_kinetic_axis_becomes_the_binding_energy(tmp_path):
    kinetic = 1486.61 - ENERGY
    one = XyCurve("Cycle: 0, Curve: 0", {"energy": kinetic, "counts/s": counted() * 10})
    fields = {"Binding Energy": "x", "Kinetic Energy": f"{kinetic[0]:g}"}
    ds = read(tmp_path, specs_xy({"g": [xy_region("Fe2p", [one], **fields)]}, KINETIC))
    assert ds["binding_energy"].values == pytest.approx(ENERGY[::-1], abs=1e-6)
    old = {"Kinetic Energy Axis": "yes", "Counts Per Second": "yes"}
    ds = read(tmp_path, specs_xy({"g": [xy_region("Fe2p", [one], **fields)]}, old))
    assert ds["binding_energy"].values == pytest.approx(ENERGY[::-1], abs=1e-6)


def test_an_axis_that_is_not_the_one_stated_is_refused(tmp_path):
    with pytest.raises(FileError, match="kinetic energies from 100 eV, got from 740 eV"):
        read(tmp_path, file_of(curve(counted()), settings=KINETIC, Kinetic_Energy="100"))
    with pytest.raises(FileError, match="binding energies from 500 eV, got from 740 eV"):
        read(tmp_path, file_of(curve(counted()), Binding_Energy="500"))
    with pytest.raises(FileError, match="the setting 'Energy Axis: Binding Energy' or 'Kinetic Energy'"):
        read(tmp_path, file_of(curve(counted()), settings={"Comment Prefix": "#"}))


def test_uneven_steps_are_refused_where_the_energy_was_swept(tmp_path):
    data = file_of(curve(counted()))
    with pytest.raises(FileError, match=r"energies in steps of -0\.5 eV, got 730\.5 to 730\.2 eV"):
        read(tmp_path, data.replace(b"\r\n730  ", b"\r\n730.2  "))
    snapshot = np.sort(np.random.default_rng(8).uniform(700, 740, 61))[::-1]
    columns = {"energy": snapshot, "counts/s": 10 * counted()}
    one = XyCurve("Cycle: 0, Curve: 0, Channel: 0", columns)
    ds = read(tmp_path, specs_xy({"g": [xy_region("Fe2p", [one], Scan_Mode="SnapshotFAT")]}))
    np.testing.assert_allclose(ds["binding_energy"], snapshot[::-1], rtol=1e-7)


def test_scans_and_cycles_lie_along_scan(tmp_path):
    curves = [
        curve(10 * counted(1), "Cycle: 0, Curve: 0, Scan: 0", date="08/24/23 14:00:00 UTC"),
        curve(10 * counted(2), "Cycle: 0, Curve: 0, Scan: 1", date="08/24/23 14:10:00 UTC"),
        curve(10 * counted(3), "Cycle: 1, Curve: 0, Scan: 0", date="08/24/23 14:20:00 UTC"),
        curve(10 * counted(4), "Cycle: 1, Curve: 0, Scan: 1", date="08/24/23 14:30:00 UTC"),
    ]
    data = file_of(*curves, **{"Number of Scans": "2"})
    ds = read(tmp_path, data)
    np.testing.assert_array_equal(ds["counts"], [counted(k)[::-1] for k in (1, 2, 3, 4)])
    assert (np.diff(ds["time_start"].values) == np.timedelta64(600, "s")).all()
    assert ds["sweeps"].values.tolist() == [1, 1, 1, 1]
    assert problems(ds, RAW) == []
    second = read(tmp_path, data, cycle=1)
    np.testing.assert_array_equal(second["counts"], ds["counts"][2:])
    one = read(tmp_path, data, spectrum="1 as-loaded, Fe 2p, spectrum 20, cycle 1, scan 0")
    np.testing.assert_array_equal(one["counts"], ds["counts"][2])
    with pytest.warns(OperandoWarning, match="cycle 1: expected 2 scans, got 1"):
        read(tmp_path, file_of(*curves[:3], **{"Number of Scans": "2"}))


def test_channels_are_added_and_others_on_one_axis_only(tmp_path):
    headings = [f"Cycle: 0, Curve: 0, Scan: 0, Channel: {k}" for k in range(3)]
    channels = [curve(10 * counted(k), heading) for k, heading in enumerate(headings)]
    ds = read(tmp_path, file_of(*channels))
    np.testing.assert_array_equal(ds["counts"], sum(counted(k) for k in range(3))[::-1])
    channels[1].columns["energy"] = ENERGY + 0.1
    with pytest.raises(FileError, match="channels on one axis, got channels on different ones; export it with"):
        read(tmp_path, file_of(*channels))
    with pytest.raises(FileError, match="one curve for each scan and channel, got several"):
        read(tmp_path, file_of(curve(counted()), curve(counted())))


def test_transmission_is_a_column_and_others_are_left_out_with_a_remark(tmp_path):
    columns = {"energy": ENERGY, "counts/s": 10 * counted(), "transmission": 2 + ENERGY / 1e3, "errorbar": ENERGY}
    ds = read(tmp_path, specs_xy({"g": [xy_region("Fe2p", [XyCurve("Cycle: 0, Curve: 0", columns)])]}))
    np.testing.assert_allclose(ds["transmission"], 2 + ENERGY[::-1] / 1e3)
    assert "the column 'errorbar' was left out" in ds.attrs["remarks"]


def test_external_channels_and_results_stay_beside_the_spectra(tmp_path):
    aside = ["", "# External Channel Data Cycle: 0, Sample temperature [K]", "# ColumnLabels: energy Sample T [K]"]
    aside += ["740  723", "739  724", "# Operation: Shirley", "# Curve: Background", "# Values/Curve: 1", "740 3"]
    data = file_of(
        curve(10 * counted(1), "Cycle: 0, Curve: 0, Scan: 0", after=aside),
        curve(10 * counted(2), "Cycle: 0, Curve: 0, Scan: 1", after=aside),
        **{"Number of Scans": "2"},
    )
    ds = read(tmp_path, data)
    np.testing.assert_array_equal(ds["counts"], [counted(1)[::-1], counted(2)[::-1]])
    assert "External Channel Data Cycle: 0, Sample temperature [K]" in ds.attrs["remarks"]


def test_counts_that_are_whole_are_counts_and_means_are_not(tmp_path):
    np.testing.assert_array_equal(read(tmp_path, file_of(curve(counted(), label="counts")))["counts"], counted()[::-1])
    means = read(tmp_path, file_of(curve(counted() / 3, label="counts")))
    np.testing.assert_allclose(means["intensity"], counted()[::-1] / 3, rtol=1e-7)
    assert "perhaps means of scans" in means.attrs["remarks"]


@pytest.mark.parametrize(
    ("date", "timezone", "start"),
    [
        ("08/24/23 14:19:47 UTC", None, "2023-08-24T14:19:47"),
        ("08/24/23 14:19:47", "Europe/Berlin", "2023-08-24T12:19:47"),
        ("08/24/2023 14:19:47", "Europe/Berlin", "2023-08-24T12:19:47"),
        ("2023-10-27 08:34:22 UTC", None, "2023-10-27T08:34:22"),
        ("2023-10-27 08:34:22 +02:00", None, "2023-10-27T06:34:22"),
        ("2023-10-27 08:34:22 UTC+2", None, "2023-10-27T06:34:22"),
        ("08/24/23 14:19:47", None, "NaT"),
        ("24.08.23 14:19:47", "Europe/Berlin", "NaT"),
    ],
)
def test_dates_are_taken_with_their_zone_or_not_at_all(tmp_path, date, timezone, start):
    ds = read(tmp_path, file_of(curve(counted(), date=date)), timezone=timezone)
    np.testing.assert_array_equal(ds["time_start"].values, np.datetime64(start, "ns"))
    assert ("no_time" in flagged(ds)) == (start == "NaT")


def test_regions_are_chosen_by_name_group_and_number(tmp_path):
    fe = {"Spectrum ID": "3"}
    groups = {
        "1 as-loaded": [xy_region("Survey", [curve(counted(1))]), xy_region("Fe2p", [curve(10 * counted(2))], **fe)],
        "2 heated": [xy_region("Fe2p", [curve(10 * counted(3))], **{"Spectrum ID": "4"})],
        "3 else": [xy_region("Align", [curve(counted())], Scan_Mode="FixedEnergies")],
    }
    data = specs_xy(groups)
    assert read(tmp_path, data, region="fe 2p").sizes["scan"] == 2
    np.testing.assert_array_equal(read(tmp_path, data, region="Fe2p", group="2 heated")["counts"], counted(3)[::-1])
    np.testing.assert_array_equal(read(tmp_path, data, region="Fe2p", spectrum=3)["counts"], counted(2)[::-1])
    with pytest.raises(FileError, match="expected one region, got Survey, Fe 2p; name it"):
        read(tmp_path, data)
    with pytest.raises(FileError, match="a group among 1 as-loaded, 2 heated, 3 else, got '4'"):
        read(tmp_path, data, group="4")
    with pytest.raises(FileError, match=r"region 'Align', line .*: expected a swept kinetic energy, got the scan mode"):
        read(tmp_path, data, region="Align")
    with pytest.raises(FileError, match="a spectrum among 3, 4, got '9'"):
        read(tmp_path, data, region="Fe2p", spectrum=9)


def test_names_of_two_levels_stay_whole(tmp_path):
    groups = {"g": [xy_region("Fe3p-Mg2p", [curve(counted(1))]), xy_region("Fe3p", [curve(10 * counted(2))])]}
    ds = read(tmp_path, specs_xy(groups), region="Fe3p-Mg2p")
    assert ds.attrs["region"] == "Fe3p-Mg2p"
    assert "scan" not in ds.dims


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"Curves/Scan": "20"}, "one curve per scan, got 20: resolved in angle or place"),
        ({"Analysis Method": "AES"}, "photoemission, got the method 'AES'"),
        ({"Values/Curve": "60"}, "expected 60 rows, got 61; copy it again"),
        ({"Values/Curve": "many"}, "columns of energy and counts, and Values/Curve, got energy counts/s of many"),
    ],
)
def test_what_is_no_spectrum_or_contradicts_itself_is_refused_by_name(tmp_path, fields, told):
    with pytest.raises(FileError, match=told):
        read(tmp_path, file_of(curve(counted()), **fields))


def test_rows_that_are_missing_are_not_a_number_on_the_axis_as_it_goes_on(tmp_path):
    data = file_of(curve(10 * counted()))
    ds = read(tmp_path, b"\r\n".join(data.split(b"\r\n")[:-6]))
    missing = np.isnan(ds["counts"].values)
    assert missing.tolist() == [True] * missing.sum() + [False] * (61 - missing.sum())
    assert 0 < missing.sum() < 10
    assert ds["binding_energy"].values == pytest.approx(ENERGY[::-1])
    assert {"truncated", "not_finite"} <= flagged(ds)


def test_a_row_that_is_cut_is_left_out(tmp_path):
    data = file_of(curve(10 * counted())).rstrip()
    whole = read(tmp_path, data)
    cut = read(tmp_path, b"\r\n".join(data.split(b"\r\n")[:-3]) + b"\r\n711.0  9")
    assert np.isnan(cut["counts"].values[:3]).all()
    np.testing.assert_array_equal(cut["counts"].values[3:], whole["counts"].values[3:])


def test_a_region_without_its_name_is_not_taken_for_the_one_before(tmp_path):
    data = specs_xy({"g": [xy_region("C1s", [curve(counted(1))]), xy_region("Fe2p", [curve(counted(2))])]})
    with pytest.raises(FileError, match="a line 'Region' before the fields of the next one, got 'Spectrum ID'"):
        read(tmp_path, data.replace(b"# Region:   Fe2p", b"# Legion:   Fe2p"), region="C1s")
    with pytest.raises(FileError, match="a line that announces a curve, got numbers"):
        read(tmp_path, data.replace(b"# Cycle: 0, Curve: 0", b"# Cicle; 0, Curve; 0"), region="C1s")


def test_other_comments_and_other_files(tmp_path):
    data = file_of(curve(10 * counted()))
    path = tmp_path / "a.xy"
    path.write_bytes(data.replace(b"# ", b"%% ").replace(b"\n#\r", b"\n%%\r"))
    np.testing.assert_array_equal(xps.read(path)["counts"], counted()[::-1])
    path.write_text("# energy counts\n1 2\n3 4\n")
    assert not recognizes(head(path))
    with pytest.raises(FileError, match=r"'Created by: SpecsLab ...' in a comment"):
        xps.read(path, reader="specs_xy")


def test_all_regions_are_told_where_none_is_named(tmp_path):
    data = specs_xy({"g": [xy_region("C1s", [curve(counted(1))]), xy_region("Fe2p", [curve(counted(2))])]})
    path = tmp_path / "a.xy"
    path.write_bytes(data)
    with pytest.raises(SeveralRegionsError) as caught:
        xps.read(path)
    assert caught.value.regions[:2] == ("C 1s", "Fe 2p")


def assert_whole_or_told(path, region, points, scans):
    """A damaged copy gives whole scans, or says in a warning, a flag or an error of one line what is lost."""
    refused = None
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", OperandoWarning)
        try:
            ds = xps.read(path, reader="specs_xy", region=region)
        except OperandoError as error:
            refused = error
    if refused is not None:
        assert "\n" not in str(refused)
        return
    lost = ds.sizes["binding_energy"] != points or ds.sizes.get("scan", 1) != scans
    assert not lost or told or flagged(ds) & {"truncated", "unsorted_energy", "regridded"}
    assert (np.diff(ds["binding_energy"]) >= 0).all()


def test_no_cut_and_no_changed_byte_gives_anything_but_whole_scans_or_what_is_lost(tmp_path):
    scans = [curve(10 * counted(k), f"Cycle: 0, Curve: 0, Scan: {k}") for k in range(2)]
    regions = [xy_region("Fe2p", scans, **{"Number of Scans": "2"}), xy_region("C1s", [curve(counted())])]
    data = specs_xy({"1 as-loaded": regions})
    path = tmp_path / "a.xy"
    for copy in [*cut_off(data), *one_byte_changed(data, 250, 51)]:
        path.write_bytes(copy)
        assert_whole_or_told(path, "Fe 2p", ENERGY.size, 2)


@pytest.mark.realdata
def test_two_exports_of_one_region_agree_but_for_the_transmission(realdata):
    folder = realdata / "xps" / "pynxtools-xps"
    small = xps.read(folder / "MgFe2O4_small.xy", region="Survey")
    large = xps.read(folder / "MgFe2O4_with_transmission_function.xy", region="Survey", group="1 as-loaded")
    np.testing.assert_array_equal(small["rate"], large["rate"])
    assert set(large.data_vars) - set(small.data_vars) == {"transmission"}
    assert small["time_start"] == large["time_start"]


@pytest.mark.parametrize("cut", [0.97, 0.6])
def test_what_breaks_off_is_told_with_a_region_that_is_whole(tmp_path, cut):
    """Cycles of the first region may have been lost with the end of the file."""
    regions = [xy_region(name, [curve(counted(k))]) for k, name in enumerate(("Fe2p", "C1s"))]
    data = specs_xy({"g": regions})
    whole = read(tmp_path, data, region="Fe 2p")
    assert "remarks" not in whole.attrs
    with pytest.warns(OperandoWarning, match="expected whole curves, got a file that breaks off"):
        ds = read(tmp_path, data[: int(len(data) * cut)], region="Fe 2p")
    np.testing.assert_array_equal(ds["rate"], whole["rate"])
