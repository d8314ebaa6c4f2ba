"""SPEC files: every energy scan is found among the others, at its energies and with what is odd told."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scan_files import ENERGY, edge, spec_file, spec_header, spec_scan

from operando import OperandoError, xas
from operando.errors import FileError, OperandoWarning
from operando.flags import Flag, names
from operando.history import entries
from operando.schema import problems
from operando.sniff import HEAD_BYTES, choose, head
from operando.xas.formats import FORMATS
from operando.xas.formats.spec import SPEC
from operando.xas.layout import RAW

COLUMNS = {"energy": "Energy", "i0": "I0", "tey": "Total Yield"}


def scan(shift=0.0, number=1, **settings):
    columns = {"Energy": ENERGY, "Total Yield": 1e3 * edge(shift), "I0": 1e3 + ENERGY / 100}
    return spec_scan(number, columns, **settings)


def written(tmp_path, *scans, header=None):
    path = tmp_path / "cell.spec"
    path.write_text((spec_header() if header is None else header) + "".join(scans))
    return path


def remarks(ds) -> str:
    return " ".join(json.loads(ds.attrs.get("remarks", "[]")))


def test_the_energy_scans_of_a_file_become_a_series_and_the_others_are_named(tmp_path):
    path = spec_file(tmp_path / "cell.spec")
    assert choose(path, FORMATS).name == "spec"
    with pytest.warns(OperandoWarning, match=r"scan 1\.1: expected a column 'Energy', got 'Sample X', 'Monitor'"):
        ds = xas.read(path, timezone="Europe/Paris", columns=COLUMNS)
    assert [str(one) for one in ds["source"].values] == [f"cell.spec::{k}.1" for k in (2, 3, 4)]
    np.testing.assert_allclose(ds["energy"], ENERGY)
    for k, shift in enumerate((0.0, 0.5, 1.0)):
        np.testing.assert_allclose(ds["tey"][k], 1e3 * edge(shift), rtol=1e-7)
    assert (ds["time_start"].values == np.datetime64("2026-11-05T09:00:00")).all()
    assert not ds["flag"].any()
    assert problems(ds, RAW) == []
    assert "scan 1.1" in remarks(ds)
    told = json.loads(ds.attrs["metadata"])
    assert told["motor Mono angle"] == "14.2"
    assert told["scans"]["3.1"]["number"] == 3
    assert entries(ds)[-1]["parameters"]["reader"] == "spec"


def test_one_energy_scan_has_no_dim_scan_but_its_number(tmp_path):
    ds = xas.read(written(tmp_path, scan()), columns=COLUMNS)
    assert "scan" not in ds.dims
    assert str(ds["source"].values) == "cell.spec::1.1"
    assert ds.attrs["local_time_start"] == "Thu Nov 05 10:00:00 2026"
    assert names(int(ds["flag"])) == ["no_time"]


@pytest.mark.parametrize(
    ("wanted", "shifts"),
    [(7, (0.0, 0.5)), ("7.2", (0.5,)), (["8", "7.1"], (0.0, 1.0)), ("7", (0.0, 0.5)), ([8], (1.0,))],
)
def test_repeated_numbers_are_told_apart_by_their_order(tmp_path, wanted, shifts):
    path = written(tmp_path, scan(0.0, 7), scan(0.5, 7), scan(1.0, 8))
    ds = xas.read(path, columns=COLUMNS, scan=wanted)
    found = np.atleast_2d(ds["tey"].transpose(..., "energy"))
    np.testing.assert_allclose(found, [1e3 * edge(shift) for shift in shifts], rtol=1e-7)


def test_a_scan_that_is_not_there_is_answered_with_those_that_are(tmp_path):
    path = written(tmp_path, scan(0.0, 7), scan(0.5, 7))
    with pytest.raises(FileError, match=r"a scan among 7\.1, 7\.2, got '9'"):
        xas.read(path, columns=COLUMNS, scan=9)
    with pytest.raises(OperandoError, match=r"text, such as '7\.2'.*got 7\.1"):
        xas.read(path, columns=COLUMNS, scan=7.1)


@pytest.mark.parametrize(
    ("settings", "points"),
    [
        ({"rows": 70}, 70),
        (
            {
                "rows": 70,
                "command": "Escan 8300 8420",
                "header": ["#C Thu Nov 05 2026.  Scan aborted after 70 points."],
            },
            70,
        ),
        ({"rows": 70, "command": "a2scan energy 0 1 gap 3 4 119 1"}, 70),
    ],
    ids=["fewer points than intervals", "said to be aborted", "two motors"],
)
def test_an_aborted_scan_is_flagged_as_truncated_and_kept(tmp_path, settings, points):
    ds = xas.read(written(tmp_path, scan(**settings)), timezone="UTC", columns=COLUMNS)
    assert ds.sizes["energy"] == points
    assert names(int(ds["flag"])) == ["truncated"]
    both = xas.read(written(tmp_path, scan(), scan(0.5, 2, **settings)), timezone="UTC", columns=COLUMNS)
    assert [names(int(flag)) for flag in both["flag"]] == [[], ["truncated"]]
    assert np.isnan(both["tey"][1, 70:]).all()


@pytest.mark.parametrize(
    "command", ["ascan energy 0 1 119 1", "dscan energy 0 1 119 1", "a2scan e 0 1 g 2 3 119 1", "lup"]
)
def test_a_whole_scan_is_not_called_truncated(tmp_path, command):
    ds = xas.read(written(tmp_path, scan(command=command)), timezone="UTC", columns=COLUMNS)
    assert int(ds["flag"]) == 0


def test_spectra_of_analyzers_are_passed_over_whatever_their_lines_hold(tmp_path):
    spectrum = ["@A 1 2 3 4\\", " 8400 1 2 3 4\\", "#S 9 1 2\\", " 5 6 7"]
    path = written(tmp_path, scan(header=["#@MCA 8C", "#@CALIB 0 1 0"], extra=spectrum))
    ds = xas.read(path, timezone="UTC", columns=COLUMNS)
    np.testing.assert_allclose(ds["energy"], ENERGY)
    assert int(ds["flag"]) == 0
    assert f"{ENERGY.size} spectra of multichannel analyzers" in remarks(ds)


def test_an_energy_that_is_only_read_back_is_no_scan(tmp_path):
    still = 8345 + 0.01 * np.sin(ENERGY)
    motor = {"Sample X": ENERGY, "Energy": still, "I0": ENERGY, "Total Yield": ENERGY}
    path = written(tmp_path, spec_scan(1, motor), spec_scan(2, motor), scan(0.0, 3))
    with pytest.warns(OperandoWarning, match=r"scans 1\.1, 2\.1: expected energies over 1 eV or more"):
        ds = xas.read(path, columns=COLUMNS)
    assert str(ds["source"].values) == "cell.spec::3.1"
    with pytest.raises(FileError, match=r"scan 1\.1: expected energies over 1 eV"):
        xas.read(path, columns=COLUMNS, scan=1)


def test_scans_of_another_edge_are_left_out_by_name(tmp_path):
    other = {"Energy": ENERGY - 1200, "Total Yield": edge(), "I0": ENERGY}
    path = written(tmp_path, scan(), scan(0.5, 2), spec_scan(3, other))
    with pytest.warns(OperandoWarning, match=r"'3\.1': expected energies that most scans share.*scan = '3\.1'"):
        assert xas.read(path, columns=COLUMNS).sizes["scan"] == 2
    assert xas.read(path, columns=COLUMNS, scan="3.1")["energy"][0] == ENERGY[0] - 1200


@pytest.mark.parametrize("first", [300.0, 1793873100.0])
def test_a_column_of_epochs_gives_the_time_without_a_zone(tmp_path, first):
    columns = {"Energy": ENERGY, "Epoch": first + np.arange(ENERGY.size), "I0": ENERGY, "Total Yield": edge()}
    text = spec_scan(1, columns, command="Escan 8300 8420")
    text = "\n".join(
        f"{line.split()[0]} {first + k:.1f} {' '.join(line.split()[2:])}" if line[:1].isdigit() else line
        for k, line in zip(
            np.cumsum([row[:1].isdigit() for row in text.splitlines()]) - 1, text.splitlines(), strict=True
        )
    )
    ds = xas.read(written(tmp_path, text + "\n"), columns=COLUMNS)
    start = np.datetime64(1793872800 + 300, "s")
    assert ds["time_start"].values == start
    assert ds["time_end"].values == start + np.timedelta64(ENERGY.size - 1, "s")
    assert int(ds["flag"]) == 0


def test_epochs_of_another_day_are_not_believed(tmp_path):
    columns = {"Energy": ENERGY, "Epoch": 300.0 + np.arange(ENERGY.size), "I0": ENERGY, "Total Yield": edge()}
    path = written(tmp_path, spec_scan(1, columns), header=spec_header(epoch=1700000000))
    ds = xas.read(path, timezone="Europe/Paris", columns=COLUMNS)
    assert ds["time_start"].values == np.datetime64("2026-11-05T09:00:00")
    assert "more than 15 h" in remarks(ds)


def test_labels_hold_single_spaces_and_columns_go_by_number_too(tmp_path):
    path = written(tmp_path, scan())
    by_number = xas.read(path, columns={"energy": 0, "tey": 1, "i0": 2})
    np.testing.assert_array_equal(by_number["tey"], xas.read(path, columns=COLUMNS)["tey"])
    single = path.read_text().replace("Energy  Total Yield  I0", "Energy Yield I0")
    path.write_text(single)
    np.testing.assert_array_equal(by_number["tey"], xas.read(path, columns={**COLUMNS, "tey": "Yield"})["tey"])
    path.write_text(single.replace("#L Energy Yield I0", "#L Energy Total Yield of I0"))
    ds = xas.read(path, columns={"energy": 0, "tey": 1, "i0": 2})
    assert "the line of labels has 1 of 3 columns" in remarks(ds)


def test_kilo_electronvolts_angles_and_falling_energies_are_sorted_out(tmp_path):
    angle = np.degrees(np.arcsin(12398.419843320026 / (2 * 3.1356 * ENERGY)))
    columns = {"Energy": ENERGY[::-1] / 1e3, "Mono angle": angle[::-1], "Total Yield": edge()[::-1], "I0": ENERGY}
    path = tmp_path / "cell.spec"
    path.write_text(spec_scan(1, columns))
    ds = xas.read(path, columns=COLUMNS, units={"energy": "keV"})
    np.testing.assert_allclose(ds["energy"], ENERGY)
    np.testing.assert_allclose(ds["tey"], edge(), rtol=1e-6)
    assert "unsorted_energy" in names(int(ds["flag"]))
    by_angle = xas.read(path, columns={**COLUMNS, "energy": "Mono angle"}, units={"energy": "degree"}, d_spacing=3.1356)
    np.testing.assert_allclose(by_angle["energy"], ENERGY, rtol=1e-6)


def test_settings_are_guessed_from_the_first_energy_scan_however_late_it_comes(tmp_path):
    motor = "".join(spec_scan(k, {"Sample X": np.linspace(-1, 1, 120), "Monitor": ENERGY / 8}) for k in range(1, 60))
    assert len(motor) > HEAD_BYTES
    path = written(tmp_path, motor, scan(0.0, 60))
    assert SPEC.suggest(head(path))["columns"] == {"energy": "Energy", "i0": "I0"}
    assert SPEC.suggest(head(written(tmp_path, motor))) == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (spec_header(), "scans, each behind a line '#S number command'"),
        (spec_header() + "#S 1  ascan x 0 1 3 1\n#N 2\n#L x  y\n", r"scan 1\.1: expected rows of numbers"),
        (spec_header() + scan() + "\0", "binary data"),
    ],
)
def test_a_file_without_energy_scans_is_named(tmp_path, text, message):
    path = tmp_path / "cell.spec"
    path.write_text(text)
    with pytest.raises(FileError, match=message):
        xas.read(path, reader="spec", columns=COLUMNS)


def test_columns_that_are_not_named_are_proposed(tmp_path):
    with pytest.raises(FileError, match=r"perhaps columns = \{energy = 'Energy', i0 = 'I0'\}"):
        xas.read(written(tmp_path, scan()))


def test_a_file_that_ends_within_a_line_loses_that_line_with_a_flag(tmp_path):
    path = written(tmp_path, scan(command="Escan 8300 8420"))
    path.write_text(path.read_text().rstrip()[:-2])
    ds = xas.read(path, timezone="UTC", columns=COLUMNS)
    assert ds.sizes["energy"] == ENERGY.size - 1
    assert names(int(ds["flag"])) == ["truncated"]
    assert "breaks off" in remarks(ds)


def test_a_second_header_brings_its_own_motors(tmp_path):
    again = spec_header(("Piezo", "Slit"))
    path = written(tmp_path, scan(header=["#P0 1 2"]), again, scan(0.5, 2, header=["#P0 3 4"]))
    ds = xas.read(path, columns=COLUMNS)
    own = json.loads(ds.attrs["metadata"])["scans"]
    assert own["1.1"]["motor Mono angle"] == "1"
    assert own["2.1"]["motor Slit"] == "4"
    assert not int(Flag.truncated) & int(ds["flag"][0])
