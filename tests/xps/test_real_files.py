"""Every measured file opens, region by region, to its energies and counts, or is refused in one line.

The numbers were read off the files: scans, points, the ends and the median step of the binding energies (eV), and of
some the first values of the first scan in the order measured. A new file, or a region that is read for the first time,
needs a row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from operando import OperandoError, xps
from operando.errors import SeveralRegionsError
from operando.flags import names
from operando.schema import problems
from operando.series import stack
from operando.sniff import head, identify
from operando.xps.formats import FORMATS
from operando.xps.layout import MEASURED, RAW

pytestmark = [pytest.mark.realdata, pytest.mark.filterwarnings("ignore::operando.errors.OperandoWarning")]

NO_TIME = ("no_time",)


@dataclass(frozen=True)
class Row:
    """What one region holds."""

    region: str
    measured: str
    scans: int
    points: int
    low: float
    high: float
    step: float
    flags: tuple[str, ...] = ()
    transmission: bool = False
    start: tuple[float, ...] = ()


@dataclass(frozen=True)
class File:
    """A file: its reader, its regions, and the settings of a user where a draft does not do."""

    reader: str
    rows: tuple[Row, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)


FILES: dict[str, File | str] = {
    "khervefitting/Pt4f.json": "a format among",
    "khervefitting/Pt4f.vms": File(
        "vamas",
        (Row("Pt 4f", "counts", 1, 281, 62, 90, 0.1, transmission=True),),
    ),
    "khervefitting/Pt4f.xlsx": "a format among",
    "lg4x-v2/0-150W.vms": File(
        "vamas",
        (
            Row("wide", "counts", 1, 1206, -5, 1200, 1, transmission=True),
            Row("Ni 2p", "counts", 1, 601, 840, 900, 0.1, transmission=True),
            Row("O 1s", "counts", 1, 251, 520, 545, 0.1, transmission=True),
            Row("C 1s", "counts", 1, 301, 270, 300, 0.1, transmission=True),
            Row("W 4f", "counts", 1, 251, 25, 50, 0.1, transmission=True),
        ),
    ),
    "lg4x-v2/111216_0459_O1s.csv": File(
        "columns",
        (Row("O 1s", "intensity", 1, 126, 521, 546, 0.2, NO_TIME),),
    ),
    "lg4x-v2/C1s_sample.csv": File(
        "columns",
        (Row("C 1s", "counts", 1, 351, 266.5, 301.5, 0.1, NO_TIME),),
    ),
    "lg4x-v2/Highres_Au4f_hv_180_testfile.csv": File(
        "columns",
        (Row("Au 4f", "counts", 1, 269, 84.025, 95, 0.04095, NO_TIME),),
        {"columns": {"kinetic_energy": 0, "counts": 1}, "photon_energy": 180.0},
    ),
    "lg4x-v2/LICENSE": "a format among",
    "lg4x-v2/Mutlipak_vms.npl": File(
        "vamas",
        (
            Row("C 1s", "counts", 1, 601, 275, 305, 0.05, NO_TIME),
            Row("O 1s", "counts", 1, 601, 525, 555, 0.05, NO_TIME),
            Row("S 2p", "counts", 1, 501, 155, 180, 0.05, NO_TIME),
            Row("N 1s", "counts", 1, 401, 390, 410, 0.05, NO_TIME),
            Row("Mo 3d", "counts", 1, 401, 220, 240, 0.05, NO_TIME),
        ),
    ),
    "lg4x-v2/PET_C1s.csv": File(
        "columns",
        (Row("C 1s", "intensity", 1, 401, 279.301, 299.301, 0.05, NO_TIME),),
    ),
    "lmfitxps/LICENSE.head": "a format among",
    "lmfitxps/clean_Au_4f.csv": File(
        "columns",
        (Row("Au 4f", "counts", 1, 294, 84.002, 96, 0.041, NO_TIME),),
    ),
    "lmfitxps/clean_Au_4f.txt": File(
        "columns",
        (Row("Au 4f", "counts", 1, 294, 84, 95.998, 0.041, NO_TIME),),
    ),
    "pyexplabsys/specs_xps_sample.xml": File(
        "specs_xml",
        (
            Row(
                "CrO overview Mg anode", "counts", 25, 2011, -5, 1000, 0.5, transmission=True, start=(1146, 1106, 1171)
            ),
            Row("CrO 2p Mg anode", "counts", 30, 1351, 550, 820, 0.2, transmission=True, start=(497, 566, 536)),
            Row("CrO Carbon Mg anode", "counts", 35, 251, 250, 300, 0.2, transmission=True, start=(38, 36, 29)),
            Row("CrO Oxygen Mg anode", "counts", 35, 301, 500, 560, 0.2, transmission=True, start=(161, 158, 143)),
        ),
    ),
    "pyexplabsys/specs_xps_sample.xy": File(
        "specs_xy",
        (Row("CrO overview Mg anode", "counts", 1, 2011, -5, 1000, 0.5, NO_TIME, start=(27938, 27863, 28111)),),
    ),
    "pynxtools-xps/Ag_0001.txt": File(
        "scienta_txt",
        (Row("Ag 3d", "intensity", 1, 361, 364, 382, 0.05),),
    ),
    "pynxtools-xps/Ag_0001Ag__001.ibw": File(
        "scienta_ibw",
        (Row("Ag 3d", "intensity", 1, 361, 364, 382, 0.05),),
    ),
    "pynxtools-xps/Ag_0002.txt": File(
        "scienta_txt",
        (Row("VB", "intensity", 1, 801, -10, 30, 0.05),),
    ),
    "pynxtools-xps/Ag_0002Ag__002.ibw": File(
        "scienta_ibw",
        (Row("VB", "intensity", 1, 801, -10, 30, 0.05),),
    ),
    "pynxtools-xps/FeO_analyzed.vms": File(
        "vamas",
        (Row("Fe 2p", "counts", 1, 1121, 694, 750, 0.05, NO_TIME, transmission=True),),
    ),
    "pynxtools-xps/FeO_analyzed_lineshapes_cols.txt": File(
        "casaxps_text",
        (Row("Fe 2p", "counts", 1, 1121, 694, 750, 0.05, NO_TIME),),
    ),
    "pynxtools-xps/FeO_analyzed_results.csv": "spectra exported by CasaXPS, got a table of results",
    "pynxtools-xps/In-situ_PBTTT.nxs": File(
        "nexus",
        (
            Row("Survey", "counts", 1, 1403, -0.5, 701, 0.5004),
            Row("C 1s", "counts", 10, 201, 280.95, 291, 0.05025, NO_TIME),
            Row("S 2p", "counts", 15, 281, 159.95, 174, 0.05018, ("no_time", "truncated")),
        ),
        {"energies": "binding"},
    ),
    "pynxtools-xps/In-situ_PBTTT_XPS_SPECS.xml": File(
        "specs_xml",
        (
            Row("Survey", "counts", 1, 1403, -1, 700, 0.5, transmission=True, start=(471, 474, 380, 479)),
            Row("C 1s", "counts", 2, 201, 280, 290, 0.05, transmission=True, start=(107, 123, 130, 116)),
        ),
    ),
    "pynxtools-xps/MgFe2O4_small.xy": File(
        "specs_xy",
        (
            Row("Survey", "rate", 1, 1351, 0, 1350, 1, start=(15598.679, 15867.872)),
            Row("Fe 2p", "rate", 1, 56, 695, 750, 1, start=(5913.3234, 6180.257)),
        ),
    ),
    "pynxtools-xps/MgFe2O4_with_transmission_function.xy": File(
        "specs_xy",
        (
            Row("Survey", "rate", 10, 1351, 0, 1350, 1, transmission=True, start=(15598.679,)),
            Row("Fe 2p", "rate", 11, 1501, 695, 770, 0.05, ("regridded",), transmission=True),
            Row("Fe LMM", "rate", 9, 601, 770, 800, 0.05, transmission=True, start=(6170.7705,)),
            Row("MgKLL_1", "rate", 9, 1001, 295, 345, 0.05, transmission=True, start=(3812.0369,)),
            Row("Mg 1s", "rate", 9, 381, 1296, 1315, 0.05, transmission=True, start=(6039.5905,)),
            Row("Fe3s-Si2p-Mg2s", "rate", 9, 761, 82, 120, 0.05, transmission=True, start=(988.87323,)),
            Row("Fe3p-Mg2p", "rate", 9, 501, 40, 65, 0.05, transmission=True, start=(694.39879,)),
            Row("N 1s", "rate", 9, 361, 392, 410, 0.05, transmission=True, start=(3869.6638,)),
            Row("O 1s", "rate", 9, 301, 525, 540, 0.05, transmission=True, start=(3938.4258,)),
            Row("C 1s", "rate", 9, 401, 300, 320, 0.05, transmission=True, start=(3350.2621,)),
            Row("Si 2s", "rate", 9, 201, 140, 160, 0.1, ("regridded",), transmission=True, start=(5363.5526,)),
            Row("VB", "rate", 9, 211, 1.5, 12, 0.05, transmission=True, start=(125.75448,)),
            Row("Fermi level", "rate", 5, 61, -1.5, 1.5, 0.05, transmission=True, start=(107.78076,)),
        ),
    ),
    "pynxtools-xps/SnO2_10nm.spe": File(
        "phi",
        (Row("Survey", "counts", 1, 1751, 0, 1400, 0.8, NO_TIME, start=(6584, 6394, 6547, 6585)),),
    ),
    "pynxtools-xps/SnO2_10nm_1.pro": File(
        "phi",
        (
            Row("Survey", "counts", 21, 1751, 0, 1400, 0.8, NO_TIME, start=(6516, 6720, 6603, 6405)),
            Row("C 1s", "counts", 21, 101, 278, 298, 0.2, NO_TIME, start=(2660, 2658, 2660, 2643)),
            Row("Si 2p", "counts", 21, 101, 94, 114, 0.2, NO_TIME, start=(2907, 2888, 2882, 2942)),
            Row("Sn 3d5/2", "counts", 21, 101, 480, 500, 0.2, NO_TIME, start=(1057, 1029, 1040, 1081)),
        ),
    ),
    "pynxtools-xps/irregular.vms": File(
        "vamas",
        (Row("Survey", "counts", 1, 1351, 0, 1350, 1, NO_TIME, transmission=True),),
    ),
    "pynxtools-xps/phi_pro_ref.nxs": File(
        "nexus",
        (
            Row("C 1s", "rate", 21, 101, 278, 298, 0.2, NO_TIME),
            Row("Si 2p", "rate", 21, 101, 94, 114, 0.2, NO_TIME),
            Row("Sn 3d5/2", "rate", 21, 101, 480, 500, 0.2, NO_TIME),
            Row("Survey", "rate", 21, 1751, 0, 1400, 0.8, NO_TIME),
        ),
    ),
    "pynxtools-xps/regular.vms": File(
        "vamas",
        (Row("Survey", "counts", 1, 1351, 0, 1350, 1, transmission=True),),
    ),
    "pynxtools-xps/vms_analysis_ref.nxs": File(
        "nexus",
        (Row("Fe 2p", "rate", 1, 1121, 694, 750, 0.05, NO_TIME),),
    ),
    "pynxtools-xps/vms_txt_export.txt": File(
        "casaxps_text",
        (
            Row("Survey", "counts", 2, 1201, 0, 1200, 1, NO_TIME),
            Row("Ni 2p", "counts", 2, 501, 840, 890, 0.1, NO_TIME),
        ),
    ),
    "theoechem/*_C_1s.csv": File(
        "casaxps_text",
        (Row("C 1s", "counts", 1, 161, 279.1, 299.1, 0.125, NO_TIME),),
    ),
    "theoechem/*_F_1s.csv": File(
        "casaxps_text",
        (Row("F 1s", "counts", 1, 97, 683.1, 695.1, 0.125, NO_TIME),),
    ),
    "theoechem/*_N_1s.csv": File(
        "casaxps_text",
        (Row("N 1s", "counts", 1, 113, 394.1, 408.1, 0.125, NO_TIME),),
    ),
    "theoechem/*_Na_1s.csv": File(
        "casaxps_text",
        (Row("Na 1s", "counts", 1, 121, 1067.1, 1082.1, 0.125, NO_TIME),),
    ),
    "theoechem/*_O_1s.csv": File(
        "casaxps_text",
        (Row("O 1s", "counts", 1, 105, 527.1, 540.1, 0.125, NO_TIME),),
    ),
    "theoechem/*_S_2p.csv": File(
        "casaxps_text",
        (Row("S 2p", "counts", 1, 105, 162.1, 175.1, 0.125, NO_TIME),),
    ),
    "theoechem/*_Si_2p.csv": File(
        "casaxps_text",
        (Row("Si 2p", "counts", 1, 81, 96.1, 106.1, 0.125, NO_TIME),),
    ),
    "theoechem/*_survey.csv": File(
        "casaxps_text",
        (Row("Sur1 1", "rate", 1, 3501, 0.4, 1400.4, 0.4, NO_TIME),),
    ),
    "theoechem/README.md": "a format among",
    "vamas/xps_eis.vms": File(
        "vamas",
        (
            Row("block 1", "counts", 1, 8201, -20, 800, 0.1),
            Row("block 2", "rate", 1, 321, 225, 241, 0.05),
            Row("block 3", "rate", 1, 941, 389, 436, 0.05),
            Row("block 4", "rate", 1, 541, 240, 267, 0.05),
        ),
    ),
}
"""A file, or a pattern of files that hold the same; what an error says of those that are refused."""


def files(realdata: Path, pattern: str = "*") -> dict[str, Path]:
    folder = realdata / "xps"
    found = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
    return {name: path for name, path in found.items() if fnmatch(name, pattern)}


def settings_for(path: Path, file: File) -> dict[str, Any]:
    """Return the settings that a user or a draft gives."""
    fmt = identify(head(path), FORMATS)
    assert fmt is not None
    return dict(file.settings) or fmt.suggest(head(path))


def test_every_file_has_one_row_and_every_row_a_file(realdata):
    told = {name: [row for row in FILES if fnmatch(name, row)] for name in files(realdata)}
    assert [name for name, rows in told.items() if len(rows) != 1] == []
    assert set(FILES) == {row for rows in told.values() for row in rows}


@pytest.mark.parametrize("name", [name for name, file in FILES.items() if isinstance(file, str)])
def test_a_file_without_spectra_is_refused_in_one_line(realdata, name):
    for path in files(realdata, name).values():
        with pytest.raises(OperandoError, match=FILES[name]) as caught:
            xps.read(path)
        assert "\n" not in str(caught.value)
        assert path.name in str(caught.value)


@pytest.mark.parametrize("name", [name for name, file in FILES.items() if isinstance(file, File)])
def test_a_file_opens_region_by_region_as_the_table_says(realdata, name):
    file = FILES[name]
    for path in files(realdata, name).values():
        settings = settings_for(path, file)
        if len(file.rows) > 1:
            with pytest.raises(SeveralRegionsError) as caught:
                xps.read(path, **settings)
            assert caught.value.regions == tuple(row.region for row in file.rows)
        for row in file.rows:
            named = {"region": row.region} if len(file.rows) > 1 else {}
            assert_as_told(xps.read(path, timezone="UTC", **settings, **named), file.reader, row)


def assert_as_told(ds, reader: str, row: Row) -> None:
    energy = ds["binding_energy"].values
    assert (ds.attrs["format"], ds.attrs["region"]) == (reader, row.region)
    assert (energy[0], energy[-1]) == pytest.approx((row.low, row.high), abs=6e-4)
    assert np.median(np.diff(energy)) == pytest.approx(row.step, rel=1e-3)
    assert (np.diff(energy) > 0).all()
    assert (ds.sizes.get("scan", 1), energy.size) == (row.scans, row.points)
    assert set(ds.data_vars) & set(MEASURED) == {row.measured}
    assert ("transmission" in ds) == row.transmission
    assert {name for flag in np.ravel(ds["flag"]) for name in names(int(flag))} == set(row.flags)
    first = np.atleast_2d(ds[row.measured].values)[0, ::-1]
    assert first[: len(row.start)] == pytest.approx(row.start, rel=1e-9)
    assert problems(stack([ds], "binding_energy") if "scan" not in ds.dims else ds, RAW) == []


def test_measured_regions_that_are_no_spectra_are_told_beside_the_others(realdata):
    path = realdata / "xps/pyexplabsys/specs_xps_sample.xml"
    with pytest.raises(SeveralRegionsError) as caught:
        xps.read(path)
    assert {reason.place for reason in caught.value.left_out} == {"region 'Region5'", "region 'Cu/Zn Ni 2p Al anode'"}


def test_a_measured_scan_that_stopped_is_flagged_and_has_no_values_behind(realdata):
    """The last of 15 scans has zeros at 122 of its 281 points."""
    path = realdata / "xps/pynxtools-xps/In-situ_PBTTT.nxs"
    ds = xps.read(path, region="S 2p", energies="binding")
    truncated = ["truncated" in names(int(flag)) for flag in ds["flag"]]
    assert truncated == [False] * 14 + [True]
    missing = np.isnan(ds["counts"].values)
    assert missing.sum() == missing[-1].sum() == 122
    assert (ds["counts"].values[~missing] > 0).all()


def test_measured_regions_of_one_file_are_joined_to_one_axis(realdata):
    path = realdata / "xps/lg4x-v2/Mutlipak_vms.npl"
    joined = xps.read(path, region=["S2p", "C 1s", "Mo3d"])
    assert joined.attrs["region"] == "S 2p, Mo 3d, C 1s"
    assert joined.sizes == {"binding_energy": 501 + 401 + 601}
    for name in ("S 2p", "C 1s", "Mo 3d"):
        alone = xps.read(path, region=name)["counts"].values
        np.testing.assert_array_equal(joined["counts"].values[joined["region"].values == name], alone)
