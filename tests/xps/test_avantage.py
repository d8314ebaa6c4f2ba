"""Sheets of Avantage saved as text: the spectrum beside its parameters, in any delimiter and decimal sign."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from operando import xps
from operando.errors import FileError
from operando.flags import names
from operando.sniff import head, identify
from operando.xps.formats import FORMATS

ENERGY = np.round(np.arange(172.0, 158.0, -0.5), 2)
COUNTS = np.random.default_rng(11).poisson(4000, ENERGY.size).astype(float)
SCANS, DWELL = 10, 0.05
TIME = SCANS * DWELL


def sheet(
    delimiter: str = ",",
    decimal: str = ".",
    *,
    kind: str = "Binding",
    values: np.ndarray = COUNTS,
    scale: float = TIME,
    unit: str = "Counts / s",
    more: str = "Backgnd.",
    steps: bool = True,
) -> str:
    seconds = f"{TIME * ENERGY.size:g}".replace(".", decimal)
    beside = [
        ("Number of Scans", str(SCANS)),
        ("Total acquisition time", f"0 mins {seconds} secs"),
        ("Analyser Mode", "CAE: Pass Energy 50.0 eV"),
        *([("Number of Energy Steps", str(ENERGY.size))] if steps else []),
    ]
    rows = [["S2p Scan"], ["Acquisition Parameters"], *[["", "", key, value] for key, value in beside], []]
    rows += [[f"{kind} Energy (E)", "", "", more], ["eV", "", unit, unit]]
    for energy, value in zip(ENERGY, values, strict=True):
        numbers = [f"{energy:g}", "", f"{value / scale:.10g}", "12"]
        rows.append([cell.replace(".", decimal) for cell in numbers])
    return "\n".join(delimiter.join(row) for row in rows) + "\n"


def text(folder: Path, content: str, name: str = "sheet.csv") -> Path:
    path = folder / name
    path.write_text(content)
    return path


@pytest.mark.parametrize(("delimiter", "decimal"), [(",", "."), (";", ","), ("\t", "."), ("\t", ",")])
def test_rates_become_counts_in_the_time_that_the_sheet_states(tmp_path, delimiter, decimal):
    path = text(tmp_path, sheet(delimiter, decimal))
    assert identify(head(path), FORMATS).name == "avantage"
    ds = xps.read(path)
    np.testing.assert_allclose(ds["binding_energy"], ENERGY[::-1])
    np.testing.assert_array_equal(ds["counts"], COUNTS[::-1])
    assert ds["dwell"].item() == pytest.approx(DWELL)
    assert (ds["sweeps"].item(), ds["pass_energy"].item()) == (SCANS, 50)
    assert ds.attrs["region"] == "S 2p"
    assert "columns left out: Backgnd." in ds.attrs["remarks"]


def test_rates_that_were_corrected_stay_rates(tmp_path):
    assert "rate" in xps.read(text(tmp_path, sheet(values=COUNTS * 1.013)))


def test_rates_stay_rates_where_the_number_of_steps_is_not_stated(tmp_path):
    """Half a sheet would else seem to have been counted for twice the time."""
    assert "rate" in xps.read(text(tmp_path, sheet(steps=False)))


def test_a_sheet_with_fewer_points_than_stated_is_flagged(tmp_path):
    lines = sheet().splitlines(keepends=True)
    ds = xps.read(text(tmp_path, "".join(lines[:-14])))
    np.testing.assert_array_equal(ds["counts"], COUNTS[:14][::-1])
    assert set(names(int(ds["flag"]))) == {"truncated", "no_time"}
    assert "14 of the 28 points stated are there" in ds.attrs["remarks"]


def test_an_open_quote_reaches_no_further_than_its_line(tmp_path):
    with pytest.raises(FileError, match=r"line \d+: expected an energy and counts"):
        xps.read(text(tmp_path, sheet().replace("\n170,", '\n"170,')))


def test_counts_are_taken_as_they_are(tmp_path):
    ds = xps.read(text(tmp_path, sheet(unit="Counts", scale=1.0)))
    np.testing.assert_array_equal(ds["counts"], COUNTS[::-1])


def test_kinetic_energies_need_a_photon_energy(tmp_path):
    path = text(tmp_path, sheet(kind="Kinetic"))
    with pytest.raises(FileError, match="photon_energy beside kinetic energies, got none"):
        xps.read(path)
    np.testing.assert_allclose(xps.read(path, photon_energy=1486.6)["binding_energy"], 1486.6 - ENERGY)


def test_two_columns_of_counts_are_not_guessed_between(tmp_path):
    with pytest.raises(FileError, match="one column of counts without a name, got 2 of them"):
        xps.read(text(tmp_path, sheet(more="")))


def test_a_cut_row_is_flagged_and_a_broken_one_refused(tmp_path):
    whole = sheet()
    ds = xps.read(text(tmp_path, whole[: whole.rindex("158.5") + 4]))
    assert ds.sizes["binding_energy"] == ENERGY.size - 1
    assert "truncated" in names(int(ds["flag"]))
    with pytest.raises(FileError, match=r"line \d+: expected an energy and counts, got '170x"):
        xps.read(text(tmp_path, whole.replace("\n170,", "\n170x,")))
    with pytest.raises(FileError, match="expected an energy and counts, got '172"):
        xps.read(text(tmp_path, whole.replace("\n171.5,", ",171.5,")))
    with pytest.raises(FileError, match="the unit eV below the energies"):
        xps.read(text(tmp_path, whole.replace("\neV,", "\nmeV,")))
