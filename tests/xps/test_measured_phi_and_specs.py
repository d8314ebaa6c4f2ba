"""Every measured file of PHI and SPECS opens, region by region, to its energies and counts.

The table's numbers were read off the files: scans, points, the ends and the step of the binding energies (eV), and
the first values of the first scan in the order measured. A new file, or a region that is read for the first time,
needs a row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest

from operando import xps
from operando.errors import FileError
from operando.flags import names
from operando.sniff import head, identify
from operando.xps.formats import FORMATS

pytestmark = [pytest.mark.realdata, pytest.mark.filterwarnings("ignore::operando.errors.OperandoWarning")]

ENDINGS = {".spe", ".pro", ".xml", ".xy"}


@dataclass(frozen=True)
class Row:
    """What a region holds."""

    reader: str
    measured: str
    scans: int
    low: float
    high: float
    step: float
    start: Sequence[float]
    flags: Sequence[str] = ()


PHI, XML, SPECS = "pynxtools-xps/SnO2_10nm", "pyexplabsys/specs_xps_sample.xml", "pynxtools-xps/In-situ_PBTTT_XPS_SPECS"
SMALL, LARGE = "pynxtools-xps/MgFe2O4_small.xy", "pynxtools-xps/MgFe2O4_with_transmission_function.xy"
TIMELESS, REGRIDDED = ("no_time",), ("regridded",)

ROWS = {
    (f"{PHI}.spe", "Survey"): Row("phi", "counts", 1, 0, 1400, 0.8, [6584, 6394, 6547, 6585], TIMELESS),
    (f"{PHI}_1.pro", "Survey"): Row("phi", "counts", 21, 0, 1400, 0.8, [6516, 6720, 6603, 6405], TIMELESS),
    (f"{PHI}_1.pro", "C 1s"): Row("phi", "counts", 21, 278, 298, 0.2, [2660, 2658, 2660, 2643], TIMELESS),
    (f"{PHI}_1.pro", "Si 2p"): Row("phi", "counts", 21, 94, 114, 0.2, [2907, 2888, 2882, 2942], TIMELESS),
    (f"{PHI}_1.pro", "Sn 3d5/2"): Row("phi", "counts", 21, 480, 500, 0.2, [1057, 1029, 1040, 1081], TIMELESS),
    (f"{SPECS}.xml", "Survey"): Row("specs_xml", "counts", 1, -1, 700, 0.5, [471, 474, 380, 479]),
    (f"{SPECS}.xml", "C 1s"): Row("specs_xml", "counts", 2, 280, 290, 0.05, [107, 123, 130, 116]),
    (XML, "CrO overview Mg anode"): Row("specs_xml", "counts", 25, -5, 1000, 0.5, [1146, 1106, 1171]),
    (XML, "CrO 2p Mg anode"): Row("specs_xml", "counts", 30, 550, 820, 0.2, [497, 566, 536]),
    (XML, "CrO Carbon Mg anode"): Row("specs_xml", "counts", 35, 250, 300, 0.2, [38, 36, 29]),
    (XML, "CrO Oxygen Mg anode"): Row("specs_xml", "counts", 35, 500, 560, 0.2, [161, 158, 143]),
    (f"{XML[:-4]}.xy", "CrO overview Mg anode"): Row(
        "specs_xy", "counts", 1, -5, 1000, 0.5, [27938, 27863, 28111], TIMELESS
    ),
    (SMALL, "Survey"): Row("specs_xy", "rate", 1, 0, 1350, 1, [15598.679, 15867.872]),
    (SMALL, "Fe 2p"): Row("specs_xy", "rate", 1, 695, 750, 1, [5913.3234, 6180.257]),
    (LARGE, "Survey"): Row("specs_xy", "rate", 10, 0, 1350, 1, [15598.679]),
    (LARGE, "Fe 2p"): Row("specs_xy", "rate", 11, 695, 770, 0.05, [], REGRIDDED),
    (LARGE, "Fe LMM"): Row("specs_xy", "rate", 9, 770, 800, 0.05, [6170.7705]),
    (LARGE, "MgKLL_1"): Row("specs_xy", "rate", 9, 295, 345, 0.05, [3812.0369]),
    (LARGE, "Mg 1s"): Row("specs_xy", "rate", 9, 1296, 1315, 0.05, [6039.5905]),
    (LARGE, "Fe3s-Si2p-Mg2s"): Row("specs_xy", "rate", 9, 82, 120, 0.05, [988.87323]),
    (LARGE, "Fe3p-Mg2p"): Row("specs_xy", "rate", 9, 40, 65, 0.05, [694.39879]),
    (LARGE, "N 1s"): Row("specs_xy", "rate", 9, 392, 410, 0.05, [3869.6638]),
    (LARGE, "O 1s"): Row("specs_xy", "rate", 9, 525, 540, 0.05, [3938.4258]),
    (LARGE, "C 1s"): Row("specs_xy", "rate", 9, 300, 320, 0.05, [3350.2621]),
    (LARGE, "Si 2s"): Row("specs_xy", "rate", 9, 140, 160, 0.1, [5363.5526], REGRIDDED),
    (LARGE, "VB"): Row("specs_xy", "rate", 9, 1.5, 12, 0.05, [125.75448]),
    (LARGE, "Fermi level"): Row("specs_xy", "rate", 5, -1.5, 1.5, 0.05, [107.78076]),
}


@pytest.mark.parametrize(("file", "region"), ROWS)
def test_every_measured_region_has_its_axis_scans_and_values(realdata, file, region):
    row = ROWS[file, region]
    ds = xps.read(realdata / "xps" / file, region=region)
    energy = ds["binding_energy"].values
    assert (energy[0], energy[-1]) == pytest.approx((row.low, row.high), abs=1e-6)
    assert np.diff(energy) == pytest.approx(row.step, abs=1e-6)
    assert ds.sizes.get("scan", 1) == row.scans
    first = np.atleast_2d(ds[row.measured].values)[0, ::-1]
    assert first[: len(row.start)] == pytest.approx(row.start, rel=1e-9)
    assert (ds.attrs["format"], ds.attrs["region"]) == (row.reader, region)
    assert {name for flag in np.ravel(ds["flag"]) for name in names(int(flag))} == set(row.flags)


def test_no_measured_file_and_no_region_is_without_a_row(realdata):
    folder = realdata / "xps"
    files = [path for path in sorted(folder.rglob("*")) if path.suffix in ENDINGS]
    for path in files:
        name = str(path.relative_to(folder))
        with pytest.raises(FileError) as caught:
            xps.read(path, region="none of them")
        listed = str(caught.value).partition("a region among ")[2].rpartition(", got")[0].split(", ")
        readable = {region for file, region in ROWS if file == name}
        assert readable <= set(listed)
        for region in set(listed) - readable:
            with pytest.raises(FileError, match=r"a swept kinetic energy|3 to 1000000 points"):
                xps.read(path, region=region)


def test_a_draft_names_a_region_where_there_are_several(realdata):
    for file in {file for file, _ in ROWS}:
        path = realdata / "xps" / file
        regions = [region for name, region in ROWS if name == file]
        drafted = identify(head(path), FORMATS).suggest(head(path))
        assert drafted == ({"region": regions[0]} if len(regions) > 1 else {})
        assert xps.read(path, **drafted).attrs["region"] == regions[0]
