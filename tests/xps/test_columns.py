"""Plain text of photoemission spectra by recipe: energies of either kind, units, labels, and first guesses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from operando import OperandoError, xps
from operando.errors import FileError
from operando.flags import names
from operando.history import entries
from operando.sniff import head
from operando.xps.formats.columns import COLUMNS

ENERGY = np.round(np.arange(172.0, 158.0, -0.5), 3)
COUNTS = np.random.default_rng(5).poisson(900, ENERGY.size)


def written(folder: Path, header: str, columns: list, name: str = "S2p.csv", delimiter: str = ",") -> Path:
    rows = [delimiter.join(f"{cell:.10g}" for cell in row) for row in zip(*columns, strict=True)]
    path = folder / name
    path.write_text("\n".join([header, *rows] if header else rows) + "\n")
    return path


def test_binding_energies_and_counts_are_taken_by_label_and_number(tmp_path):
    path = written(tmp_path, "BE (eV),counts", [ENERGY, COUNTS])
    for columns in ({"binding_energy": "BE (eV)", "counts": "COUNTS"}, {"binding_energy": 0, "counts": 1}):
        ds = xps.read(path, columns=columns)
        np.testing.assert_array_equal(ds["binding_energy"], ENERGY[::-1])
        np.testing.assert_array_equal(ds["counts"], COUNTS[::-1])
    assert ds.attrs["region"] == "S 2p"
    assert names(int(ds["flag"])) == ["no_time"]
    assert entries(ds)[-1]["step"] == "xps.read"


def test_kinetic_energies_in_kev_become_binding_energies(tmp_path):
    path = written(tmp_path, "Ek I T", [(1486.6 - ENERGY) / 1e3, COUNTS, np.full(ENERGY.size, 0.5)], delimiter=" ")
    settings = {
        "columns": {"kinetic_energy": "Ek", "counts": "I", "transmission": "T"},
        "units": {"kinetic_energy": "keV"},
    }
    ds = xps.read(path, photon_energy=1486.6, **settings)
    np.testing.assert_allclose(ds["binding_energy"], ENERGY[::-1], atol=1e-9)
    np.testing.assert_array_equal(ds["counts"], COUNTS[::-1])
    assert ds["photon_energy"].item() == 1486.6
    assert (ds["transmission"] == 0.5).all()
    with pytest.raises(FileError, match="photon_energy beside kinetic energies, got none; give photon_energy"):
        xps.read(path, **settings)


def test_rates_have_a_unit_and_the_rest_is_stated(tmp_path):
    path = written(tmp_path, "", [ENERGY, COUNTS / 1e3])
    ds = xps.read(
        path,
        columns={"binding_energy": 0, "rate": 1},
        units={"rate": "kHz"},
        conditions={"dwell": 0.2, "sweeps": 3, "emission_angle": 0.0},
        region="P2p",
    )
    np.testing.assert_allclose(ds["rate"], COUNTS[::-1])
    assert ds["rate"].attrs["units"] == "count/s"
    assert (ds["dwell"].item(), ds["sweeps"].item(), ds["emission_angle"].item()) == (0.2, 3, 0)
    assert ds.attrs["region"] == "P 2p"


def test_the_header_tells_the_time(tmp_path):
    path = written(tmp_path, "# started: 2024-05-01 10:00:00\n# seconds = 60\nBE,I", [ENERGY, COUNTS])
    settings = {"columns": {"binding_energy": "BE", "counts": "I"}, "time": {"start": "started", "duration": "seconds"}}
    ds = xps.read(path, timezone="Europe/Paris", **settings)
    assert ds["time_start"].values == np.datetime64("2024-05-01T08:00:00")
    assert ds["time_end"].values == np.datetime64("2024-05-01T08:01:00")
    assert xps.read(path, **settings).attrs["local_time_start"] == "2024-05-01 10:00:00"


def test_scaled_counts_are_said_to_be_scaled(tmp_path):
    ds = xps.read(written(tmp_path, "", [ENERGY, COUNTS * 0.3]), columns={"binding_energy": 0, "counts": 1})
    assert "the counts are no whole numbers" in ds.attrs["remarks"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "settings 'columns' with binding_energy or kinetic_energy, and one of counts, rate and intensity"),
        ({"columns": {"binding_energy": 0}}, "settings 'columns' with"),
        ({"columns": {"binding_energy": 0, "kinetic_energy": 0, "counts": 1}}, "settings 'columns' with"),
        ({"columns": {"binding_energy": 0, "counts": 1, "rate": 1}}, "settings 'columns' with"),
        ({"columns": {"binding_energy": 0, "counts": "I(t)"}}, "a column 'I\\(t\\)', got 'BE', 'I'"),
        ({"columns": {"binding_energy": 0, "counts": 7}}, "a column from 0 to 1, got 7"),
        ({"columns": {"binding_energy": [0, 1], "counts": 1}}, "one column, got 2 columns"),
        ({"columns": {"binding_energy": 0, "i0": 1}}, "columns: expected names among"),
        ({"columns": "BE"}, "columns: expected a table"),
        ({"units": {"counts": "eV"}}, "units.counts: expected a unit such as count"),
        ({"conditions": {"pressure": 1}}, "conditions: expected names among"),
        ({"conditions": {"dwell": -1}}, "dwell: expected a number above 0"),
        ({"photon_energy": "Al"}, "photon_energy: expected a number above 0"),
    ],
)
def test_wrong_settings_are_named_in_one_line(tmp_path, settings, message):
    path = written(tmp_path, "BE,I", [ENERGY, COUNTS])
    with pytest.raises(OperandoError, match=message) as caught:
        xps.read(path, reader="columns", **settings)
    assert "\n" not in str(caught.value)


def test_the_error_without_settings_offers_a_guess(tmp_path):
    with pytest.raises(FileError, match=r"perhaps columns = {binding_energy = 'BE/eV', counts = 'InC1s'}"):
        xps.read(written(tmp_path, "BE/eV,InC1s", [ENERGY, COUNTS]))


@pytest.mark.parametrize(
    ("header", "columns", "expected"),
    [
        ("BE/eV,InC1s", [ENERGY, COUNTS], {"columns": {"binding_energy": "BE/eV", "counts": "InC1s"}}),
        ("B.E.,Intensity", [ENERGY, COUNTS / 7], {"columns": {"binding_energy": "B.E.", "intensity": "Intensity"}}),
        ("Binding Energy (eV),Counts/s", [ENERGY, COUNTS], {"columns": {"binding_energy": 0, "rate": 1}}),
        ("", [ENERGY, COUNTS], {"columns": {"binding_energy": 0, "counts": 1}}),
        ("", [COUNTS, ENERGY], {"columns": {"binding_energy": 1, "counts": 0}}),
        ("", [ENERGY, COUNTS / 7], {"columns": {"binding_energy": 0, "intensity": 1}}),
        (
            "#E_kin, intensity, hv=1486.6 eV",
            [1486.6 - ENERGY, COUNTS],
            {"columns": {"kinetic_energy": 0, "counts": 1}, "photon_energy": 1486.6},
        ),
        (
            "# photon energy: 1.4866 keV\nKinetic Energy,Counts",
            [(1486.6 - ENERGY) / 1e6, COUNTS],
            {
                "columns": {"kinetic_energy": "Kinetic Energy", "counts": "Counts"},
                "photon_energy": 1486.6,
                "units": {"kinetic_energy": "keV"},
            },
        ),
        ("", [COUNTS, COUNTS], {}),
        ("a,b,c", [ENERGY, COUNTS, COUNTS], {}),
    ],
)
def test_first_guesses(tmp_path, header, columns, expected):
    path = written(tmp_path, header, columns)
    found = COLUMNS.suggest(head(path))
    numbers = {0: header.split(",")[0], 1: header.split(",")[-1]}
    named = {
        key: numbers.get(value, value) if header.startswith("Binding") else value
        for key, value in expected.get("columns", {}).items()
    }
    assert found == ({**expected, "columns": named} if expected else {})


def test_a_guess_reads_the_file(tmp_path):
    path = written(tmp_path, "#E_kin, intensity, hv=1486.6 eV", [1486.6 - ENERGY, COUNTS])
    ds = xps.read(path, **COLUMNS.suggest(head(path)))
    np.testing.assert_allclose(ds["binding_energy"], ENERGY[::-1], atol=1e-9)


def test_rows_with_other_cells_are_left_out_and_told(tmp_path):
    path = written(tmp_path, "BE,I", [ENERGY, COUNTS])
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:5], "170.2", *lines[5:], "158"]) + "\n")
    ds = xps.read(path, columns={"binding_energy": 0, "counts": 1})
    np.testing.assert_array_equal(ds["counts"], COUNTS[::-1])
    assert {"truncated", "not_finite"} <= set(names(int(ds["flag"])))
    assert "lines with a wrong number of columns left out: 6, 31" in ds.attrs["remarks"]


def test_binary_files_are_refused(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(b"1,2\n3,4\x00\n5,6\n7,8\n")
    assert not COLUMNS.recognizes(head(path))
    with pytest.raises(FileError, match="expected text, got binary data"):
        xps.read(path, reader="columns", columns={"binding_energy": 0, "counts": 1})


def test_a_last_line_without_its_end_is_left_out_and_flagged(tmp_path):
    """Nobody knows whether its last number is whole: 1234 may have been 12345."""
    path = tmp_path / "S2p.txt"
    path.write_text("".join(f"{160 + 0.1 * k:.1f} {1000 + k}\n" for k in range(30))[:-2])
    ds = xps.read(path, columns={"binding_energy": 0, "counts": 1})
    assert ds.sizes["binding_energy"] == 29
    assert names(int(ds["flag"])) == ["no_time", "truncated"]
    assert "breaks off within its last line" in ds.attrs["remarks"]
