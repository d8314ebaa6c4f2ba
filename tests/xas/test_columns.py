"""Column text: every oddity of a file becomes a flag or a one-line error, never a wrong axis."""

from __future__ import annotations

import contextlib
import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from operando import OperandoError, xas
from operando.errors import FileError
from operando.flags import Flag, names
from operando.history import entries
from operando.sniff import head
from operando.xas.formats.columns import COLUMNS

HEADER = "# Time at start=2022-07-26 23:01:58.055\n#Time from start (seconds)=65.0\n# shifted energy\tmu norm\tI0\n"
SETTINGS = {"columns": {"energy": "shifted energy", "mu": "mu norm", "i0": "I0"}}
TIME = {"start": "Time at start", "middle": "Time from start (seconds)"}


def rows(energy=(8300.0, 8310.0, 8320.0, 8330.0, 8340.0)) -> list[list[float]]:
    return [[e, 0.1 * k, 1e4 + k] for k, e in enumerate(energy)]


def written(folder: Path, table, header=HEADER, sep="\t", name="scan.txt") -> Path:
    path = folder / name
    path.write_text(header + "\n".join(sep.join(str(cell) for cell in row) for row in table) + "\n")
    return path


def found(ds) -> list[str]:
    return [name for name in names(int(ds["flag"])) if name != "no_time"]


def test_columns_are_found_by_label_and_by_number(tmp_path):
    path = written(tmp_path, rows())
    by_label = xas.read(path, **SETTINGS)
    by_number = xas.read(path, columns={"energy": 0, "mu": 1, "i0": 2})
    any_case = xas.read(path, columns={"energy": "Shifted Energy", "mu": "MU NORM", "i0": "i0"})
    for other in (by_number, any_case):
        np.testing.assert_array_equal(by_label["mu"], other["mu"])
    np.testing.assert_array_equal(by_label["energy"], [8300, 8310, 8320, 8330, 8340])
    assert by_label["energy"].attrs["units"] == "eV"
    assert found(by_label) == []
    assert by_label.attrs["format"] == "columns"
    assert json.loads(by_label.attrs["metadata"])["labels"] == ["shifted energy", "mu norm", "I0"]
    assert entries(by_label)[0]["step"] == "xas.read"


def test_a_list_of_columns_becomes_detectors(tmp_path):
    ds = xas.read(written(tmp_path, rows()), columns={"energy": 0, "fluorescence": [1, "I0"], "i0": 2})
    assert ds["fluorescence"].dims == ("energy", "detector")
    expected = ds["fluorescence"].sum("detector") / ds["i0"]
    np.testing.assert_allclose(xas.signal(ds, "fluorescence"), expected)


def test_seconds_from_the_start_lead_to_the_middle(tmp_path):
    ds = xas.read(written(tmp_path, rows()), timezone="Europe/Paris", time=TIME, **SETTINGS)
    start = np.datetime64("2022-07-26T21:01:58.055", "ns")
    assert ds["time_start"].item() == start.astype(int)
    assert ds["time"].values - start == np.timedelta64(65, "s")
    assert ds["time_end"].values - start == np.timedelta64(130, "s")
    assert not int(ds["flag"]) & Flag.no_time
    assert ds.attrs["time_taken"] == "start, and seconds to the middle"


@pytest.mark.parametrize(
    ("line", "time", "end"),
    [
        ("# ended: 2022-07-26T21:03:58+00:00", {"end": "ended"}, "2022-07-26T21:03:58"),
        ("# duration = 120 s", {"duration": "duration"}, "2022-07-26T21:03:58.055"),
    ],
)
def test_an_end_or_a_duration_gives_the_middle(tmp_path, line, time, end):
    path = written(tmp_path, rows(), header=f"{line}\n{HEADER}")
    ds = xas.read(path, timezone="Europe/Paris", time={"start": "Time at start", **time}, **SETTINGS)
    assert ds["time_end"].values == np.datetime64(end, "ns")
    assert ds["time"].values == ds["time_start"].values + (ds["time_end"].values - ds["time_start"].values) // 2


def test_local_time_without_a_zone_is_not_used(tmp_path):
    ds = xas.read(written(tmp_path, rows()), time=TIME, **SETTINGS)
    assert all(np.isnat(ds[name].values) for name in ("time_start", "time", "time_end"))
    assert int(ds["flag"]) & Flag.no_time
    assert ds.attrs["local_time_start"] == "2022-07-26 23:01:58.055"


@pytest.mark.parametrize(
    ("local", "timezone", "message"),
    [
        ("2022-10-30 02:30:00", "Europe/Paris", "occurs"),
        ("2022-03-27 02:30:00", "Europe/Paris", "skip"),
        ("2022-07-26 23:01:58", "Europe/Pari", "zone"),
        ("26/07/2022 23:01", "Europe/Paris", "ISO 8601"),
    ],
)
def test_a_time_that_cannot_be_placed_is_an_error(tmp_path, local, timezone, message):
    path = written(tmp_path, rows(), header=f"# Time at start={local}\n# energy\tmu\tI0\n")
    with pytest.raises(FileError, match=message) as caught:
        xas.read(path, timezone=timezone, columns={"energy": 0, "mu": 1}, time={"start": "Time at start"})
    assert "\n" not in str(caught.value)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_a_format_of_its_own_is_read_as_told(tmp_path):
    path = written(tmp_path, rows(), header="# begun 26/07/2022 23:01\n")
    time = {"start": "begun", "format": "%d/%m/%Y %H:%M"}
    ds = xas.read(path, timezone="Europe/Paris", columns={"energy": 0, "mu": 1}, time=time)
    assert ds["time_start"].values == np.datetime64("2022-07-26T21:01", "ns")
    assert np.isnat(ds["time_end"].values)


@pytest.mark.parametrize("sep", ["\t", ",", ", ", ";", " ", "   "])
def test_the_delimiter_is_found(tmp_path, sep):
    ds = xas.read(written(tmp_path, rows(), header="", sep=sep), columns={"energy": 0, "i0": 2})
    np.testing.assert_array_equal(ds["i0"], 1e4 + np.arange(5))


@pytest.mark.parametrize("sep", ["\t", ";", " "])
def test_a_decimal_comma_is_found(tmp_path, sep):
    table = [[f"{cell:.4f}".replace(".", ",") for cell in row] for row in rows()]
    path = written(tmp_path, table, header="", sep=sep)
    ds = xas.read(path, columns={"energy": 0, "mu": 1})
    np.testing.assert_allclose(ds["mu"], 0.1 * np.arange(5))
    np.testing.assert_array_equal(ds["mu"], xas.read(path, columns={"energy": 0, "mu": 1}, decimal=",")["mu"])


def test_labels_stand_between_semicolons_as_the_numbers_do(tmp_path):
    table = [[f"{cell:.4f}".replace(".", ",") for cell in row] for row in rows()]
    path = written(tmp_path, table, header="Sample: NCM 7\nE/eV;Drain current/pA;Mesh\n", sep=";")
    ds = xas.read(path, columns={"energy": "E/eV", "tey": "Drain current/pA", "i0": "Mesh"})
    np.testing.assert_allclose(ds["tey"], 0.1 * np.arange(5))
    np.testing.assert_allclose(ds["i0"], 1e4 + np.arange(5))


def test_kilo_electronvolts_and_angles_become_energies(tmp_path):
    kilo = written(tmp_path, rows(np.linspace(8.3, 8.4, 6)), name="kilo.txt")
    ds = xas.read(kilo, units={"energy": "keV"}, **SETTINGS)
    np.testing.assert_allclose(ds["energy"], np.linspace(8300, 8400, 6))
    angles = np.degrees(np.arcsin(12398.419843320026 / (2 * 3.13551 * np.linspace(7112, 7200, 6))))
    path = written(tmp_path, rows(angles), name="angle.txt")
    ds = xas.read(path, units={"energy": "degree"}, d_spacing=3.13551, **SETTINGS)
    np.testing.assert_allclose(ds["energy"], np.linspace(7112, 7200, 6))
    with pytest.raises(FileError, match="d-spacing"):
        xas.read(path, units={"energy": "degree"}, **SETTINGS)
    with pytest.raises(FileError, match=r"photon energies in eV, got 8.3 to 8.4; state the unit"):
        xas.read(kilo, **SETTINGS)


def test_falling_and_shuffled_energies_are_sorted_and_flagged(tmp_path):
    energy = np.array([8340.0, 8320.0, 8330.0, 8310.0])
    ds = xas.read(written(tmp_path, rows(energy)), **SETTINGS)
    np.testing.assert_array_equal(ds["energy"], np.sort(energy))
    np.testing.assert_allclose(ds["mu"], 0.1 * np.argsort(energy))
    assert found(ds) == ["unsorted_energy"]


def test_repeated_energies_are_kept_and_flagged(tmp_path):
    ds = xas.read(written(tmp_path, rows([8300, 8310, 8310, 8320])), **SETTINGS)
    assert ds.sizes["energy"] == 4
    assert found(ds) == ["duplicate_energy"]


@pytest.mark.parametrize("cell", ["nan", "-inf", "?", "#####"])
def test_a_cell_that_is_no_number_is_flagged_and_nan(tmp_path, cell):
    table = rows()
    table[2][1] = cell
    ds = xas.read(written(tmp_path, table), **SETTINGS)
    assert ds.sizes["energy"] == 5
    assert not np.isfinite(ds["mu"][2])
    assert np.isfinite(np.delete(ds["mu"].to_numpy(), 2)).all()
    assert found(ds) == ["not_finite"]


def test_a_row_of_another_length_is_left_out_and_flagged(tmp_path):
    table = rows()
    table[1] = table[1][:2]
    ds = xas.read(written(tmp_path, table), **SETTINGS)
    assert ds.sizes["energy"] == 4
    assert found(ds) == ["not_finite"]
    assert "5" in json.loads(ds.attrs["remarks"])[0]


def test_a_file_cut_in_its_last_row_is_flagged_as_truncated(tmp_path):
    path = written(tmp_path, rows())
    path.write_text(path.read_text()[:-12])
    ds = xas.read(path, **SETTINGS)
    assert ds.sizes["energy"] == 4
    assert "truncated" in found(ds)


def test_dead_detectors_and_missing_intensity_are_flagged(tmp_path):
    dead = [[e, 0.3, k + 1] for k, e in enumerate((8300, 8310, 8320))]
    assert found(xas.read(written(tmp_path, dead), **SETTINGS)) == ["dead_detector"]
    dark = [[e, k, k] for k, e in enumerate((8300, 8310, 8320))]
    assert found(xas.read(written(tmp_path, dark), **SETTINGS)) == ["no_i0", "not_finite"]
    without = xas.read(written(tmp_path, rows()), columns={"energy": 0, "tey": 1})
    assert found(without) == ["no_i0"]


def test_rows_of_zeros_do_not_become_energies(tmp_path):
    ds = xas.read(written(tmp_path, [*rows(), [0, 0, 0], [0, 0, 0]]), **SETTINGS)
    assert ds.sizes["energy"] == 5
    assert found(ds) == ["not_finite"]


def test_labels_of_a_line_with_a_hash_as_column_name(tmp_path):
    path = written(tmp_path, [[0, 520.0, 1.0], [1, 520.2, 2.0], [2, 520.4, 3.0]], header=" #,  mono, tey\n", sep=", ")
    ds = xas.read(path, columns={"energy": "mono", "mu": "#"})
    np.testing.assert_array_equal(ds["mu"], [0, 1, 2])


def test_rows_far_from_all_photon_energies_are_left_out_and_flagged(tmp_path):
    ds = xas.read(written(tmp_path, rows([8300, 8310, 8320, 8e9, 1e-3])), **SETTINGS)
    np.testing.assert_array_equal(ds["energy"], [8300, 8310, 8320])
    assert found(ds) == ["not_finite"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, r"settings 'columns' .*perhaps columns = \{energy = 'shifted energy'"),
        ({"columns": {"energy": 0}}, "settings 'columns'"),
        ({"columns": {"energy": "Energy", "mu": 1}}, "'shifted energy', 'mu norm', 'I0'"),
        ({"columns": {"energy": 7, "mu": 1}}, "a column from 0 to 2"),
        ({"columns": {"energy": 0, "mew": 1}}, "got 'mew'"),
        ({"columns": {"energy": 0, "mu": []}}, "an empty list"),
        ({"columns": {"energy": [0, 1], "mu": 1}}, "one column of energies"),
        ({"columns": {"energy": 0, "mu": 1}, "units": {"energy": "V"}}, "an energy or an angle"),
        ({"columns": {"energy": 0, "mu": 1}, "units": {"energy": "kev?"}}, "unknown unit"),
        ({"columns": {"energy": 0, "mu": 1}, "time": {"start": "Started"}}, "a header line with 'Started'"),
        ({"columns": {"energy": 0, "mu": 1}, "time": {"begin": "Time"}}, "got 'begin'"),
        (
            {"columns": {"energy": 0, "mu": 1}, "time": {"start": "Time at start", "middle": "Time at"}},
            "seconds behind",
        ),
        ({"columns": {"energy": 0, "mu": 1}, "delimiter": "|"}, "delimiter among"),
        ({"columns": {"energy": 0, "mu": 1}, "wavelength": 1}, "has no setting .wavelength."),
        ({"reader": "hdf7"}, "a reader among"),
    ],
    ids=str,
)
def test_a_mistake_in_the_settings_is_one_plain_sentence(tmp_path, settings, message):
    path = written(tmp_path, rows())
    with pytest.raises(OperandoError, match=message) as caught:
        xas.read(path, **settings)
    assert "\n" not in str(caught.value)
    assert "scan.txt" in str(caught.value)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "empty file"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n", "Git LFS pointer"),
        (b"\x00\x01\x02\x03" * 20, "begins with"),
        (b"only words here\nand here\n", "begins with"),
        (b"# energy mu\n", "begins with"),
        (b"8300 1\n8301 2\n", "begins with"),
    ],
)
def test_a_file_that_is_no_scan_is_named(tmp_path, data, message):
    path = tmp_path / "scan.txt"
    path.write_bytes(data)
    with pytest.raises(FileError, match=message):
        xas.read(path, columns={"energy": 0, "mu": 1})


@given(st.binary(max_size=400))
@settings(max_examples=60, deadline=None)
def test_any_bytes_are_read_or_named(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("fuzz") / "scan.txt"
    path.write_bytes(data)
    for start in (b"", b"# XDI/1.0\n# Column.1: energy eV\n"):
        path.write_bytes(start + data)
        for reader in ("columns", "xdi"):
            with contextlib.suppress(OperandoError):
                xas.read(path, reader=reader, columns={"mu": 1} if reader == "xdi" else {"energy": 0, "mu": 1})


@given(st.text(alphabet="0123456789.,;-+eE \t\n#nai_", max_size=300))
@settings(max_examples=100, deadline=None)
def test_any_text_of_numbers_is_read_or_named(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("fuzz") / "scan.txt"
    path.write_text(text)
    try:
        ds = xas.read(path, reader="columns", columns={"energy": 0, "mu": 1})
    except OperandoError:
        return
    assert (np.diff(ds["energy"]) >= 0).all()


@pytest.mark.realdata
def test_settings_are_guessed_for_the_operando_series(realdata):
    file = min((realdata / "xas/perex/xas").glob("*.txt"))
    guess = COLUMNS.suggest(head(file))
    assert guess["columns"] == {
        "energy": "shifted energy",
        "mu": "normalized",
        "reference": "reference",
        "i0": "I0",
    }
    assert guess["time"] == TIME
    ds = xas.read(file, timezone="Europe/Paris", **guess)
    assert (ds.sizes["energy"], int(ds["flag"])) == (1649, 0)


@pytest.mark.realdata
def test_every_text_file_is_read_with_guessed_settings_or_named(realdata):
    read, named, lines = [], [], 0
    for folder in ("larch", "plews", "pynexafs", "demeter", "pyexafs", "xaspy", "pynxxas", "xdl"):
        for file in sorted((realdata / "xas" / folder).iterdir()):
            try:
                ds = COLUMNS.read(file, **COLUMNS.suggest(head(file)))
            except OperandoError as error:
                named.append(file.name)
                lines += str(error).count("\n")
            else:
                assert (np.diff(ds["energy"]) >= 0).all()
                read.append(file.name)
    assert {"fe.060", "Co_metal_Delta.txt", "htxs_scan.881", "kev.dat", "ESRF_SNBL_2013.dat"} <= set(read)
    assert lines == 0
    assert {"cufluo.dat", "MEX2_13366_processed.xdi", "xmcd_co.csv", "danger.prj"} <= set(named)


@pytest.mark.realdata
@pytest.mark.parametrize(
    ("file", "settings", "edge"),
    [
        (
            "larch/PF9A_2022.dat",
            {"columns": {"energy": 0, "i0": 3, "fluorescence": 4}, "units": {"energy": "degree"}, "d_spacing": 3.13551},
            7120,
        ),
        (
            "larch/ESRF_SNBL_2013.dat",
            {"columns": {"energy": "ZapEnergy", "i0": "Mon", "transmission": "Ion1"}, "units": {"energy": "keV"}},
            11100,
        ),
        (
            "larch/SLS_PHOENIX_2023.dat",
            {"columns": {"energy": "Energy_c1", "i0": "I0_KEITHLEY1_c4", "tey": "KEITHLEY4_TEY_c10"}},
            1567,
        ),
        ("larch/CLSHXMA.dat", {"columns": {"energy": 2, "i0": 4, "transmission": 5}}, 11870),
        ("larch/generic_columns_no_header.dat", {"columns": {"energy": 0, "i0": 1, "transmission": 2}}, 11100),
        ("pyexafs/Co_metal_Delta.txt", {"columns": {"energy": 0, "mu": 1}, "units": {"energy": "keV"}}, 7709),
        (
            "demeter/kev.dat",
            {"columns": {"energy": "Enkev", "i0": "I0", "transmission": "It"}, "units": {"energy": "keV"}},
            7112,
        ),
        ("plews/htxs_scan.881", {"columns": {"energy": "mono", "i0": "i0", "tey": "tey"}}, 531),
        ("plews/xo1s_d55_z3.5_Blank_C_tape_886.dat", {"columns": {"energy": "mono", "mu": "tfy"}}, 531),
    ],
)
def test_real_files_have_their_edge_where_it_belongs(realdata, file, settings, edge):
    ds = COLUMNS.read(realdata / "xas" / file, **settings)
    name = next(name for name in ("mu", "transmission", "fluorescence", "tey") if name in ds)
    assert abs(xas.find_e0(xas.signal(ds, name)).item() - edge) < 30
