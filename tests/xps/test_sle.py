"""SpecsLab Prodigy databases: channels add up where they see the same energy, what is lost says so, nothing is written.

The simulated files have the tables of a measured one of version 4.63.
"""

from __future__ import annotations

import json
import sqlite3
import warnings
from contextlib import closing

import numpy as np
import pytest
from damaged_copies import cut_off, one_byte_changed
from sle_files import DEAD, PHOTONS, TABLES, SleGroup, SleSpectrum, sle

from operando import xps
from operando.errors import FileError, OperandoError, OperandoWarning, SeveralRegionsError
from operando.flags import names
from operando.schema import problems
from operando.sniff import head, identify
from operando.xps.formats import FORMATS
from operando.xps.layout import RAW

LINE = 90.0
"""Binding energy of the simulated line, eV."""


def peak(kinetic, scan):
    """Return a narrow peak at 90 eV on 30 electrons, which grows from scan to scan, in whole numbers."""
    return np.rint(30 + 100 * (scan + 1) * np.exp(-0.5 * ((PHOTONS - kinetic - LINE) / 0.3) ** 2))


def slope(kinetic, scan):
    """Return electrons that count the energy itself, in whole numbers at steps of 0.1 eV."""
    return 1000 + np.rint((kinetic - 1390) / 0.1) + 7 * scan


def written(tmp_path, *spectra, name="a.sle", compact="None", group="cell", method="XPS", **settings):
    return sle(tmp_path / name, [SleGroup(group, spectra, compact, method)], **settings)


def flagged(ds):
    return [names(int(flag)) for flag in np.ravel(ds["flag"])]


def remarks(ds):
    return " ".join(json.loads(ds.attrs.get("remarks", "[]")))


def test_channels_whose_shifts_are_whole_steps_add_up_to_the_truth_exactly(tmp_path):
    ds = xps.read(written(tmp_path, SleSpectrum("Au4f", slope, shifts=(-0.1, -0.05, 0.0, 0.05, 0.1))))
    kinetic = PHOTONS - ds["binding_energy"].values
    np.testing.assert_array_equal(ds["counts"], 5 * slope(kinetic, 0))
    assert ds["binding_energy"].values[[0, -1]] == pytest.approx([85, 95])
    assert ds.attrs["region"] == "Au 4f"
    assert ds["counts"].attrs["units"] == "count"
    assert remarks(ds) == ""


@pytest.mark.parametrize("added", [0, 1])
def test_samples_may_have_the_extra_points_or_not(tmp_path, added):
    shifts = (-0.1, 0.0, 0.1)
    one = SleSpectrum("Au4f", slope, shifts=shifts)
    one.samples = one.points + added * (one.head + one.tail)
    ds = xps.read(written(tmp_path, one))
    np.testing.assert_array_equal(ds["counts"], 3 * slope(PHOTONS - ds["binding_energy"].values, 0))


def test_shifts_of_parts_of_a_step_leave_the_line_where_it_is(tmp_path):
    shifts = (-0.101399, -0.048, 0.0053, 0.0372, 0.0800433)
    ds = xps.read(written(tmp_path, SleSpectrum("Au4f", peak, shifts=shifts)))
    signal = ds["counts"].values - 5 * 30
    middle = float((signal * ds["binding_energy"].values).sum() / signal.sum())
    assert middle == pytest.approx(LINE, abs=0.1 / 2)


@pytest.mark.parametrize("kind", ["Binding", "Kinetic"])
def test_energies_begin_where_the_table_says_and_rise_in_kinetic_energy(tmp_path, kind):
    ds = xps.read(written(tmp_path, SleSpectrum("Au4f", slope, kind=kind)))
    np.testing.assert_allclose(ds["binding_energy"], np.linspace(85, 95, 101), rtol=1e-12)
    np.testing.assert_array_equal(ds["counts"], slope(PHOTONS - ds["binding_energy"].values, 0))


def test_scans_and_loops_lie_along_scan_in_their_order(tmp_path):
    path = written(tmp_path, SleSpectrum("Au4f", peak, loops=(2, 1)))
    ds = xps.read(path, timezone="UTC")
    assert [str(source) for source in ds["source"].values] == [
        "a.sle::cell, Au4f, cycle 1, scan 1",
        "a.sle::cell, Au4f, cycle 1, scan 2",
        "a.sle::cell, Au4f, cycle 2, scan 1",
    ]
    np.testing.assert_array_equal(ds["counts"].max("binding_energy"), [130, 230, 330])
    assert problems(ds, RAW) == []
    assert flagged(ds) == [[], [], []]
    assert xps.read(path, cycle=1).sizes["scan"] == 2
    last = xps.read(path, spectrum="cell, Au4f, cycle 2, scan 1")
    np.testing.assert_array_equal(last["counts"], ds["counts"][2])
    with pytest.raises(FileError, match="expected a cycle among 1, 2, got '4'"):
        xps.read(path, cycle=4)


def test_scans_of_a_loop_add_up_where_they_are_whole(tmp_path):
    one = SleSpectrum("Au4f", peak, loops=(3, 2), written={1: 50})
    ds = xps.read(written(tmp_path, one), sum_scans=True, timezone="UTC")
    np.testing.assert_array_equal(ds["counts"].max("binding_energy"), [130 + 330, 430 + 530])
    np.testing.assert_array_equal(ds["sweeps"], [2, 2])
    assert "1 scans that stop before their end are left out" in remarks(ds)
    assert flagged(ds) == [[], []]


def test_what_the_file_states_is_kept(tmp_path):
    passed = np.linspace(2, 3, 101)
    ds = xps.read(written(tmp_path, SleSpectrum("Au4f", peak, dwell=0.25, transmission=passed)))
    said = {name: float(ds[name]) for name in ("photon_energy", "dwell", "sweeps", "pass_energy", "work_function")}
    assert said == {"photon_energy": 1486.61, "dwell": 0.25, "sweeps": 1, "pass_energy": 20, "work_function": 4.156}
    np.testing.assert_array_equal(ds["transmission"], passed[::-1])
    about = json.loads(ds.attrs["metadata"])
    assert about["version"] == "4.63.1"
    assert about["LensMode"] == "LargeArea"
    assert about["SlitInfo.Entrance"] == "4:7x20c"


def test_a_scan_ends_at_its_date_and_took_the_time_since_the_one_before(tmp_path):
    path = written(tmp_path, SleSpectrum("Au4f", peak, loops=(2,)))
    ds = xps.read(path, timezone="UTC")
    counted = 10.1
    ends = np.datetime64("2020-08-27T08:28:00", "ns") + np.round(np.array([1, 2]) * DEAD * counted * 1e9).astype(
        "m8[ns]"
    )
    np.testing.assert_array_equal(ds["time_end"], ends)
    lengths = (ds["time_end"] - ds["time_start"]).values / np.timedelta64(1, "s")
    assert lengths == pytest.approx([counted, DEAD * counted])
    in_berlin = xps.read(path, timezone="Europe/Berlin")
    np.testing.assert_array_equal(ds["time"] - in_berlin["time"], np.timedelta64(2, "h"))


def test_times_without_a_zone_are_left_out(tmp_path):
    ds = xps.read(written(tmp_path, SleSpectrum("Au4f", peak)))
    assert np.isnat(ds["time"])
    assert flagged(ds) == [["no_time"]]
    assert ds.attrs["local_time_start"].startswith("2020-08-27T08:28")


def test_a_scan_that_stopped_has_nothing_behind_it_and_zeros_at_an_end_are_counts(tmp_path):
    ds = xps.read(written(tmp_path, SleSpectrum("Au4f", peak, written={0: 60})), timezone="UTC")
    assert np.isnan(ds["counts"].values).sum() == 41
    assert np.isnan(ds["counts"].values[:41]).all()
    assert flagged(ds) == [["truncated", "not_finite"]]

    with pytest.raises(FileError, match="stopped before its first point"):
        xps.read(written(tmp_path, SleSpectrum("Au4f", peak, written={0: 0}), name="c.sle"))

    def fades(kinetic, scan):
        return np.where(PHOTONS - kinetic < 87, 0.0, 40.0)

    ds = xps.read(written(tmp_path, SleSpectrum("Au4f", fades), name="b.sle"), timezone="UTC")
    assert (ds["counts"].values[:20] == 0).all()
    assert flagged(ds) == [[]]


@pytest.mark.parametrize("stored", ["f8", "f4", "deflated"])
@pytest.mark.parametrize("chunk", [7, 1000])
def test_counts_are_the_same_however_they_are_stored(tmp_path, stored, chunk):
    one = SleSpectrum("Au4f", slope, shifts=(-0.1, 0.0, 0.1))
    ds = xps.read(written(tmp_path, one, stored=stored, chunk=chunk))
    np.testing.assert_array_equal(ds["counts"], 3 * slope(PHOTONS - ds["binding_energy"].values, 0))


def test_channels_that_prodigy_added_are_counts_and_say_that_they_were_interpolated(tmp_path):
    def between(kinetic, scan):
        return peak(kinetic, scan) + 0.25

    ds = xps.read(written(tmp_path, SleSpectrum("Au4f", between), compact="Channels"))
    assert float(ds["counts"].max()) == 130.25
    assert "interpolated" in remarks(ds)
    averaged = written(tmp_path, SleSpectrum("Au4f", between, scans=3), compact="Channels", name="b.sle")
    ds = xps.read(averaged)
    assert "counts" not in ds
    assert ds["intensity"].attrs["units"] == "1"
    assert float(ds["sweeps"]) == 3
    assert "neither whole nor known to be counts" in remarks(ds)


def test_other_versions_and_what_the_display_does_are_told(tmp_path):
    one = SleSpectrum("Au4f", peak, attributes='ScanMask="1,3"')
    ds = xps.read(written(tmp_path, one, version="4.100.1"))
    assert "4.100.1" in remarks(ds)
    assert "ScanMask = 1,3 of Prodigy's display is not applied" in remarks(ds)


def test_a_transmission_may_lie_in_the_table_of_spectra_and_has_to_fit(tmp_path):
    passed = np.linspace(2, 3, 101)
    path = written(tmp_path, SleSpectrum("Au4f", peak))
    with closing(sqlite3.connect(path)) as made:
        made.execute("DROP TABLE TransmissionData")
        made.execute("ALTER TABLE Spectrum ADD COLUMN TransmissionData BLOB")
        made.execute("ALTER TABLE Spectrum ADD COLUMN TransmissionLen INTEGER")
        made.execute(
            "UPDATE Spectrum SET TransmissionData = ?, TransmissionLen = 101", (passed.astype("<f4").tobytes(),)
        )
        made.commit()
    np.testing.assert_allclose(xps.read(path)["transmission"], passed[::-1], rtol=1e-7)
    with closing(sqlite3.connect(path)) as made:
        made.execute("UPDATE Spectrum SET TransmissionData = ?, TransmissionLen = 3", (passed[:3].tobytes(),))
        made.commit()
    ds = xps.read(path)
    assert "transmission" not in ds
    assert "the transmission has 3 values and was left out" in remarks(ds)


def test_groups_of_one_name_and_spectra_of_one_name_are_told_apart(tmp_path):
    form = "cell, #Treatments: , #Temp: RT"
    wide = SleSpectrum("Au4f", peak, points=401, start=115)
    groups = [SleGroup(form, [SleSpectrum("Au4f", peak)]), SleGroup(form, [SleSpectrum("Au4f", slope), wide])]
    path = sle(tmp_path / "a.sle", groups)
    assert xps.read(path, group=2).sizes == {"binding_energy": 101}
    with pytest.warns(OperandoWarning, match="most spectra share"):
        ds = xps.read(path)
    assert [str(source).partition("::")[2] for source in ds["source"].values] == [
        "cell (2), Au4f, cycle 1, scan 1",
        "cell (4), Au4f, cycle 1, scan 1",
    ]
    assert xps.read(path, spectrum=6).sizes == {"binding_energy": 401}
    assert xps.read(path, spectrum="cell (4), Au4f (2)").sizes == {"binding_energy": 401}
    with pytest.raises(FileError, match=r"expected a group among cell \(2\), cell \(4\), got 'other'"):
        xps.read(path, group="other")


def test_several_regions_are_named_and_joined(tmp_path):
    path = written(
        tmp_path, SleSpectrum("Au4f", peak), SleSpectrum("S2p", peak, start=175), SleSpectrum("O1s", peak, loops=())
    )
    with pytest.raises(SeveralRegionsError, match="Au 4f, S 2p") as caught:
        xps.read(path)
    assert "planned, not measured" in str(caught.value.left_out[0])
    assert set(xps.read(path, region=["Au 4f", "S 2p"])["region"].values) == {"Au 4f", "S 2p"}
    with pytest.raises(FileError, match="planned, not measured"):
        xps.read(path, region="O 1s")


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"mode": "FixedEnergies"}, "a swept kinetic energy, got the scan mode 'FixedEnergies'"),
        ({"mode": "SnapshotFAT"}, "a swept kinetic energy, got the scan mode 'SnapshotFAT'"),
        ({"slices": 12}, "one curve per scan, got 12"),
        ({"kind": "Analyser"}, "binding or kinetic energies, got 'Analyser'"),
        ({"step": -0.1}, "a number Step"),
        ({"samples": 77}, "expected 77 points, got 101"),
        ({"shifts": (-0.1, 0.1), "head_added": 5}, "channels within the 45 extra points"),
        ({"shifts": (-0.1, 0.1), "planned_points": 90}, "101 points from 95 eV, got 90 from 95 eV in the schedule"),
        ({"scans": 0}, "one scan or more"),
    ],
)
def test_what_cannot_be_read_right_is_refused(tmp_path, changed, expected):
    path = written(tmp_path, SleSpectrum("Au4f", peak, **changed))
    with pytest.raises(FileError, match=expected) as caught:
        xps.read(path)
    assert "\n" not in str(caught.value)


def test_another_method_is_refused(tmp_path):
    with pytest.raises(FileError, match="photoemission, got the method 'ISS'"):
        xps.read(written(tmp_path, SleSpectrum("Au4f", peak), method="ISS"))


@pytest.mark.parametrize(("table", "column"), [("Spectrum", "Step FLOAT, "), ("RawData", "Eexc FLOAT, ")])
def test_a_version_with_other_columns_is_named(tmp_path, table, column):
    path = written(tmp_path, SleSpectrum("Au4f", peak), version="1.11")
    with closing(sqlite3.connect(path)) as made:
        made.execute(f"DROP TABLE {table}")
        made.execute(f"CREATE TABLE {table} ({TABLES[table].replace(column, '')})")
        made.commit()
    with pytest.raises(FileError, match=rf"table {table}, got version 1.11 without {column.split()[0]}.*VAMAS"):
        xps.read(path)


@pytest.mark.parametrize("table", ["NodeMapping", "CountRateData", "Configuration", "RawData"])
def test_a_missing_table_is_named_or_the_file_is_another(tmp_path, table):
    path = written(tmp_path, SleSpectrum("Au4f", peak))
    with closing(sqlite3.connect(path)) as made:
        made.execute(f"DROP TABLE {table}")
        made.commit()
    with pytest.raises(FileError, match=table):
        xps.read(path, reader="sle")
    known = identify(head(path), FORMATS)
    assert (known is not None) == (table in {"NodeMapping", "CountRateData"})


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("DELETE FROM CountRateData", "expected 101 points, got 0"),
        ("DELETE FROM CountRateData WHERE Offset = 40", "counts a point from point 40"),
        ("UPDATE CountRateData SET Data = substr(Data, 1, 12)", "101 numbers, got other bytes"),
        ("UPDATE CountRateData SET ChunkSize = 1000000000", "counts a point from point 0"),
        ("UPDATE CountRateData SET RawID = 9", "scans of the counts"),
        ("UPDATE RawData SET Node = 999", "spectra of the scans"),
        ("UPDATE RawData SET Eexc = -1.0", "a photon energy Eexc"),
        ("UPDATE RawData SET Scans = 'x'", "whole numbers, got 'x'"),
        ("UPDATE Spectrum SET ElectronEnergy = NULL", "a number ElectronEnergy"),
        ("UPDATE Configuration SET Value = '<Experiment' WHERE Key = 'Schedule'", "well-formed XML"),
        ("UPDATE Configuration SET Value = '<!ENTITY x \"y\">' WHERE Key = 'Schedule'", "entities"),
        ("UPDATE Configuration SET Value = '<Experiment/>' WHERE Key = 'Schedule'", "settings of each spectrum"),
        ("UPDATE Configuration SET Value = replace(Value, 'Spectrum ID=\"3\"', 'Spectrum ID=\"x\"')", "a number as ID"),
    ],
)
def test_tables_that_do_not_fit_together_are_named(tmp_path, query, expected):
    path = written(tmp_path, SleSpectrum("Au4f", peak))
    with closing(sqlite3.connect(path)) as made:
        made.execute(query)
        made.commit()
    with pytest.raises(FileError, match=expected) as caught:
        xps.read(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("value", [np.nan, np.inf, -1.0, 1e300])
def test_numbers_that_are_no_counts_are_named(tmp_path, value):
    path = written(tmp_path, SleSpectrum("Au4f", lambda kinetic, _scan: np.full_like(kinetic, value)))
    with pytest.raises(FileError, match="expected counts, got numbers that are none"):
        xps.read(path)


def test_a_file_that_prodigy_still_writes_is_refused(tmp_path):
    path = written(tmp_path, SleSpectrum("Au4f", peak))
    path.with_name("a.sle-journal").write_bytes(bytes(512))
    assert xps.read(path).sizes == {"binding_energy": 101}
    path.with_name("a.sle-wal").write_bytes(b"x")
    with pytest.raises(FileError, match="one that is being written"):
        xps.read(path)


def test_files_are_recognized_by_their_tables_and_never_written_to(tmp_path):
    path = written(tmp_path, SleSpectrum("Au4f", peak), name="scan #1?.dat")
    before = path.read_bytes()
    assert identify(head(path), FORMATS).name == "sle"
    xps.read(path)
    assert path.read_bytes() == before
    assert [one.name for one in tmp_path.iterdir()] == [path.name]


def outcome(path):
    """Return the sizes of a broken file, whether anything was told of it, and why it was refused."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", OperandoWarning)
        try:
            return xps.read(path, reader="sle").sizes, bool(told), ""
        except OperandoError as error:
            return {}, True, str(error)


def test_no_damage_ends_in_a_traceback_or_in_fewer_scans_unsaid(tmp_path):
    path = written(tmp_path, SleSpectrum("Au4f", peak, shifts=(-0.1, 0.0, 0.1), loops=(1, 1)), chunk=200)
    whole, refused = path.read_bytes(), []
    copies = [*cut_off(whole), *one_byte_changed(whole, 35, 3), *one_byte_changed(whole, 35, 4, upto=4096)]
    for data in copies:
        path.write_bytes(data)
        sizes, told, why = outcome(path)
        assert told or sizes == {"scan": 2, "binding_energy": 101}
        assert "\n" not in why
        refused += [why] if why else []
    assert 10 < len(refused) < len(copies) - 10
