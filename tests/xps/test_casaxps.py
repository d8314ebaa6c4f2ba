"""CasaXPS: its comments in VAMAS blocks, with calibrated energies in either frame, and the text that it exports."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from operando import OperandoError, xps
from operando.errors import FileError
from operando.flags import Flag, names
from tests.support.vamas_files import block, column, vamas_file

HV = 1486.6
REGION = "CASA region (*S 2p*) (*Shirley*) 1318 1328 1.68 2 0 0 299 542 0 0 (*S 2p*) 32.06 0 1.68"
COMPONENT = (
    "CASA comp (*Li2S*) (*GL(30)*) Area 500.5 1e-020 1e6 -1 1 MFWHM 1.2 0.3 3 0 1 Position {} 1320 1330 0 -1.18 "
    "RSF 1.68 MASS 32.06 INDEX -1 (*S 2p*) CONST (**) UNCORRECTEDRSF 1.7"
)


def analyzed(folder: Path, calibration: str, kinetic: float) -> Path:
    comment = ["Casa Info Follows", "0", calibration, "1", REGION, "1", COMPONENT.format(kinetic)]
    comment = [line for line in comment if line]
    path = folder / "analyzed.vms"
    path.write_bytes(vamas_file([block(column(), {8: (str(len(comment)), *comment)})]))
    return path


def test_components_keep_their_bounds_and_what_they_follow(tmp_path):
    ds = xps.read(analyzed(tmp_path, "", HV - 160.5))
    found = json.loads(ds.attrs["casaxps"])["S 2p"]
    assert found["regions"][0]["background"] == "Shirley"
    np.testing.assert_allclose(found["regions"][0]["range"], [HV - 1328, HV - 1318])
    component = found["components"][0]
    assert component["area_tied"] is None
    assert component["fwhm_tied"] == {"component": 0, "by": 1}
    assert component["kinetic_energy_tied"] == {"component": 0, "by": -1.18}
    assert component["uncorrected_sensitivity_factor"] == 1.7
    table = xps.casaxps_components(ds)
    assert table["position"].item() == pytest.approx(160.5)
    assert {name: table[name].attrs["units"] for name in table} == {
        "position": "eV",
        "fwhm": "eV",
        "area": "count*eV/s",
        "sensitivity_factor": "1",
    }
    assert (table["name"].item(), table["entry"].item()) == ("Li2S", "S 2p")


@pytest.mark.parametrize(
    ("line", "contained"),
    [
        ("Calib M = 285.1 A = 284.8 BE ADD", True),
        ("Calib M = 285.1 A = 284.8 Regions Comps BE ADD", False),
        ("Calib M = 1201.5 A = 1201.8 KE ADD", True),
    ],
)
def test_a_calibration_is_named_and_applied_when_asked(tmp_path, line, contained):
    """A component at 160.5 eV as measured: CasaXPS keeps it on the calibrated axis, or not where its line says so."""
    path = analyzed(tmp_path, line, HV - (160.2 if contained else 160.5))
    plain, calibrated = xps.read(path), xps.read(path, calibrate=True)
    assert "calibration of -0.3 eV is not applied" in plain.attrs["remarks"]
    assert "calibration of -0.3 eV is applied" in calibrated.attrs["remarks"]
    np.testing.assert_allclose(calibrated["binding_energy"].values - plain["binding_energy"].values, -0.3, atol=1e-9)
    positions = [xps.casaxps_components(ds)["position"].item() for ds in (plain, calibrated)]
    assert positions == pytest.approx([160.5, 160.2])


def test_calibrations_add_up_and_unknown_ones_are_left_alone(tmp_path):
    path = analyzed(tmp_path, "Calib M = 285.1 A = 284.8 BE ADD", HV - 160.2)
    data = path.read_bytes().replace(b"\r\n9\r\n", b"\r\n9\r\n")
    first, second = b"Calib M = 285.1 A = 284.8 BE ADD", b"Calib M = 1 A = 1.5 BE ADD"
    path.write_bytes(data.replace(b"Casa Info Follows\r\n0", second + b"\r\n0"))
    assert first in path.read_bytes()
    assert "calibration of +0.2 eV" in xps.read(path).attrs["remarks"]
    path.write_bytes(data.replace(first, b"Calib M = 1,2 A = 3,4 BE ADD"))
    assert "CasaXPS's line is not understood: Calib M = 1,2" in xps.read(path).attrs["remarks"]


def test_damaged_lines_of_a_fit_are_remarked_on(tmp_path):
    path = analyzed(tmp_path, "", HV - 160.5)
    path.write_bytes(path.read_bytes().replace(b"MFWHM 1.2", b"MFWHM ?").replace(b"1318 1328", b"1318 x"))
    ds = xps.read(path)
    assert ds.attrs["remarks"].count("CasaXPS's line is not understood") == 2
    with pytest.raises(OperandoError, match="casaxps_components: expected spectra of a file in which CasaXPS fitted"):
        xps.casaxps_components(ds)


COUNTS = np.array([1000.0, 1100.0, 1300.0, 1250.0, 1010.0])
BINDING = np.array([170.0, 169.0, 168.0, 167.0, 166.0])


def exported(title: str = "Cycle 0:sample:S2p", calibrated: float = 0.0) -> str:
    """Return a spectrum as CasaXPS exports it in columns, with one component."""
    rows = [
        f"{HV - energy:.6e}\t{counts:.6e}\t{counts / 2:.6e}\t\t{energy + calibrated:.6e}\t{counts / 0.5:.6e}"
        for energy, counts in zip(BINDING, COUNTS, strict=True)
    ]
    return "\n".join(
        [
            title,
            f"\tCharacteristic Energy eV\t{HV:.6e}\tAcquisition Time s\t5.000000e-001",
            "Name\t\tLi2S\t",
            "Position\t\t168.10\t",
            "FWHM\t\t1.20\t",
            "Area\t\t4321.50\t",
            "Lineshape\t\tGL(30)\t",
            "K.E.\tCounts\tLi2S\t\tB.E.\tCPS",
            *rows,
            "",
        ]
    )


def text(folder: Path, content: str, name: str = "export.txt") -> Path:
    path = folder / name
    path.write_text(content)
    return path


def test_an_exported_spectrum_opens_with_its_components(tmp_path):
    ds = xps.read(text(tmp_path, exported()))
    np.testing.assert_allclose(ds["binding_energy"], BINDING[::-1])
    np.testing.assert_allclose(ds["counts"], COUNTS[::-1])
    assert (ds.attrs["region"], ds["photon_energy"].item(), ds["dwell"].item()) == ("S 2p", HV, 0.5)
    assert "fitted curves are left out: Li2S" in ds.attrs["remarks"]
    table = xps.casaxps_components(ds)
    assert [table[name].item() for name in ("position", "fwhm", "area")] == [168.1, 1.2, 4321.5]
    assert table["line_shape"].item() == "GL(30)"


def test_a_calibration_in_exported_energies_is_named(tmp_path):
    ds = xps.read(text(tmp_path, exported(calibrated=-0.25)))
    np.testing.assert_allclose(ds["binding_energy"], BINDING[::-1] - 0.25)
    assert "calibrated: -0.250 eV" in ds.attrs["remarks"]


def test_several_exported_spectra_are_regions_and_series(tmp_path):
    path = text(tmp_path, exported() + exported("Cycle 1:sample:S2p") + exported("Cycle 1:sample:C1s"))
    with pytest.raises(FileError, match="expected one region, got S 2p, C 1s"):
        xps.read(path)
    assert xps.read(path, region="S 2p").sizes == {"scan": 2, "binding_energy": 5}
    assert xps.read(path, block="Cycle 1:sample:C1s").attrs["region"] == "C 1s"


def comma(*groups: tuple[str, float], cells: int = 2) -> str:
    """Return spectra beside each other, as CasaXPS exports rows of tables: energies and counts per second."""
    stated = [f"Characteristic Energy eV,{HV},Acquisition Time s,{time}" if cells > 3 else "" for _, time in groups]
    named = [f"BE_{name},CPS_{name},Background_{name}," for name, _ in groups]
    rows = [
        ",".join(f"{energy},{counts / time:.6g},1," for _, time in groups)
        for energy, counts in zip(BINDING, COUNTS, strict=True)
    ]
    return "\n".join([",,,", ",".join(stated), ",".join(named), *rows, ""])


def test_spectra_beside_each_other_are_told_apart_and_rates_become_counts(tmp_path):
    path = text(tmp_path, comma(("S 2p 4", 5.25), ("C 1s 1", 2.8), cells=4), "export.csv")
    for region in ("S 2p", "C 1s"):
        ds = xps.read(path, region=region)
        np.testing.assert_array_equal(ds["counts"], COUNTS[::-1])
        assert "Background" in ds.attrs["remarks"]


def test_a_cut_export_is_flagged_and_a_broken_one_refused(tmp_path):
    whole = exported()
    cut = xps.read(text(tmp_path, whole[:-4]))
    assert cut.sizes["binding_energy"] == 4
    assert "truncated" in names(int(cut["flag"]))
    joined = whole.replace("\n1.317600e+03", "\t1.317600e+03")
    with pytest.raises(FileError, match=r"line 9: expected 6 cells, got 12"):
        xps.read(text(tmp_path, joined))
    with pytest.raises(FileError, match=r"line 10: expected a number, got '1.1x"):
        xps.read(text(tmp_path, whole.replace("1.100000e+03", "1.1x0000e+03")))
    with pytest.raises(FileError, match=r"a line that names the columns, such as K.E., B.E."):
        xps.read(text(tmp_path, whole.replace("K.E.", "K.X.").replace("B.E.", "B.X.")))


def test_a_table_of_results_is_no_spectrum(tmp_path):
    names_of_columns = "Name\tPosition\tFWHM\tRaw Area\tArea/(RSF*T*MFP)\t%At Conc"
    table = f"C:\\x.vms\n\n{names_of_columns}\nFe 2p\t709.03\t3.86\t63400\t1430\t41\n"
    with pytest.raises(FileError, match="spectra exported by CasaXPS, got a table of results"):
        xps.read(text(tmp_path, table))


def test_exports_have_no_times(tmp_path):
    ds = xps.read(text(tmp_path, exported()))
    assert int(ds["flag"]) == Flag.no_time
