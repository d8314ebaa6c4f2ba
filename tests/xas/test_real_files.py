"""Every measured text and binary file opens to its energies and detectors, or is refused in one line.

The table's numbers were read off the files: the ends of the energies (eV), the rows, what was measured. A new file in
the folder needs a row.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from operando import OperandoError, xas
from operando.errors import OperandoWarning
from operando.flags import names
from operando.sniff import head, identify
from operando.xas.formats import FORMATS

pytestmark = pytest.mark.realdata

OTHERS = ("*.h5", "*.nxs", "*.tiff")
"""Files of readers that have tests of their own."""
DRAFT: Mapping[str, Any] = {"drafted": True}
_I0_T_R = ("i0", "transmission", "reference")


@dataclass(frozen=True)
class Row:
    """What a file holds; ``settings`` are those of a user, or those that a draft has."""

    reader: str
    low: float
    high: float
    points: int
    detectors: tuple[str, ...]
    settings: Mapping[str, Any] = field(default_factory=lambda: DRAFT)
    scans: int | None = None
    flags: tuple[str, ...] = ()
    channels: int | None = None


ROWS: dict[str, Row | str] = {
    "demeter/CT_I_0-8m.005": Row(
        "columns", 4936.0, 5713.4, 401, ("i0", "transmission", "fluorescence"), channels=4, flags=("no_time",)
    ),
    "demeter/cu050k.dat": Row("columns", 8782.3, 11362.5, 620, ("mu",), flags=("no_time",)),
    "demeter/cufluo.dat": "photon energies in eV, got 0.33",
    "demeter/fe73ga27.010": Row("columns", 6912.0, 8491.8, 341, ("i0", "fluorescence"), flags=("no_time",)),
    "demeter/kev.dat": Row(
        "columns",
        6912.0,
        8962.9,
        511,
        ("i0", "transmission"),
        {"columns": {"energy": "Enkev", "i0": "I0", "transmission": "It"}, "units": {"energy": "keV"}},
        flags=("no_time",),
    ),
    "demeter/zbroken.dat": Row("columns", 6912.0, 8962.9, 511, ("i0", "transmission"), flags=("no_time",)),
    "larch/APS13ID_2008.dat": Row("columns", 9509.0, 10405.8, 469, ("i0", "transmission")),
    "larch/CLSHXMA.dat": Row(
        "columns",
        11667.0,
        12842.4,
        414,
        ("i0", "transmission"),
        {"columns": {"energy": "BL1606-ID-1:Energy", "i0": "BL1606-ID1:mcs04:fbk", "transmission": 6}},
        flags=("no_time",),
    ),
    "larch/Cl_CAMD.prj": Row("athena", 2779.9, 2960.1, 573, ("mu",), scans=7, flags=("no_time", "regridded")),
    "larch/ESRF_SNBL_2013.dat": Row("spec", 11050.0, 11499.8, 906, _I0_T_R, scans=2, flags=("regridded",)),
    "larch/FeFoil_QXAFS_Compare.prj": Row(
        "athena", 7012.0, 7969.2, 504, ("mu", "i0"), scans=4, flags=("no_time", "regridded")
    ),
    "larch/Mn_all.prj": Row("athena", 6300.0, 7500.7, 3435, ("mu", "i0"), scans=11, flags=("no_time", "regridded")),
    "larch/NiO.prj": Row(
        "athena", 8134.3, 9571.2, 522, ("mu", "i0"), scans=24, flags=("no_time", "regridded", "truncated")
    ),
    "larch/PF9A_2022.dat": Row(
        "columns",
        6606.2,
        8211.2,
        1426,
        ("i0", "fluorescence"),
        {"columns": {"energy": 1, "i0": 3, "fluorescence": 4}, "units": {"energy": "degree"}, "d_spacing": 3.13551},
        flags=("no_time", "duplicate_energy"),
    ),
    "larch/SLS_PHOENIX_2023.dat": Row(
        "phoenix",
        1480.0,
        1840.1,
        301,
        ("i0", "tey", "fluorescence"),
        channels=4,
        flags=("no_time", "unsorted_energy"),
    ),
    "larch/S_CAMD.prj": Row("athena", 2440.3, 2520.3, 549, ("mu", "i0"), scans=22, flags=("no_time", "regridded")),
    "larch/cu_metal_rt.xdi": Row("xdi", 8779.0, 10145.9, 408, ("i0", "transmission", "mu")),
    "larch/cyanobacteria.prj": Row(
        "athena", 11719.7, 12889.6, 327, ("mu", "i0"), scans=17, flags=("no_time", "regridded")
    ),
    "larch/danger.prj": Row("athena", 6914.0, 8493.8, 341, ("mu",), flags=("no_time",)),
    "larch/dispersive.prj": Row("athena", 8952.0, 9315.6, 1241, ("mu",), scans=2, flags=("no_time", "regridded")),
    "larch/fe.060": Row("columns", 6912.0, 8962.9, 511, ("i0", "transmission"), flags=("no_time",)),
    "larch/fe_xanes_8ch.xdi": Row(
        "xdi", 7012.0, 7108.6, 100, ("i0", "transmission", "fluorescence"), channels=8, flags=("dead_detector",)
    ),
    "larch/fexanes_a.001": Row("xdi", 7032.0, 7355.8, 449, ("i0", "transmission", "fluorescence"), channels=7),
    "larch/generic_columns_no_header.dat": Row(
        "columns",
        10906.9,
        11505.6,
        198,
        ("i0", "transmission"),
        {"columns": {"energy": 0, "i0": 1, "transmission": 2}},
        flags=("no_time",),
    ),
    "larch/json_unzipped.prj": Row(
        "athena", 7012.0, 7745.9, 442, ("mu",), scans=4, flags=("no_time", "regridded", "truncated")
    ),
    "larch/ni_metal_rt.xdi": Row("xdi", 8133.0, 9567.4, 418, ("i0", "mu")),
    "larch/scorodite_as_xafs.001": Row(
        "columns", 11767.0, 12415.6, 297, ("i0", "transmission", "fluorescence"), channels=13
    ),
    "perex/LICENSE": "a format among",
    "perex/echem/*.mpt": "photon energies in eV",
    "perex/xas/*.txt": Row("columns", 8060.0, 9500.0, 1649, ("mu", "reference", "i0")),
    "plews/htxs_scan.881": Row(
        "columns",
        520.0,
        579.0,
        288,
        ("i0", "tey", "transmission", "reference", "fluorescence"),
        flags=("no_time",),
    ),
    "plews/xo1s_d55_z3.5_Blank_C_tape_886.dat": Row(
        "columns",
        520.0,
        579.0,
        288,
        ("i0", "tey", "tfy", "pfy"),
        {"columns": {"energy": "mono", "i0": "i0", "tey": "tey", "tfy": "tfy", "pfy": "pey"}},
        flags=("no_time", "dead_detector"),
    ),
    "pyexafs/Co_metal_Delta.txt": Row("columns", 7507.0, 8685.5, 433, ("mu",), flags=("no_time",)),
    "pynexafs/MEX1_40747_processed.xdi": Row(
        "xdi",
        6199.8,
        6199.8,
        131,
        ("i0", "transmission", "fluorescence"),
        channels=4,
        flags=("no_time", "duplicate_energy", "unsorted_energy", "dead_detector"),
    ),
    "pynexafs/MEX2_13366.mda": "3 points or more, got 1 of 520: the scan stopped early",
    "pynexafs/MEX2_13366_processed.xdi": "a finite number, got '-inf'",
    "pynexafs/MEX2_564?_processed.xdi": Row(
        "xdi", 2460.0, 2524.9, 236, ("i0", "fluorescence", "tey"), flags=("no_time",)
    ),
    "pynexafs/sxr129577.asc": Row(
        "mda2ascii", 270.0, 330.0, 601, ("i0", "tey", "reference"), flags=("unsorted_energy",)
    ),
    "pynexafs/sxr129577.mda": Row("mda", 270.0, 330.0, 601, ("i0", "tey", "reference"), flags=("unsorted_energy",)),
    "pynxxas/6_Ti.0001": Row("columns", 4815.7, 5819.9, 489, _I0_T_R, flags=("no_time",)),
    "pynxxas/V_XANES_ap1.001": Row("xdi", 5365.0, 5732.6, 367, ("i0", "transmission", "fluorescence"), channels=4),
    "xaspy/xmcd_co.csv": "a format among",
    "xdi_bad/BadFiles.txt": "a format among",
    "xdi_bad/bad_01.xdi": Row("columns", 8779.0, 8889.0, 12, ("i0", "mu", "transmission")),
    "xdi_bad/bad_28.xdi": Row("xdi", 8779.0, 8889.0, 12, ("i0", "transmission", "mu"), flags=("no_time",)),
    "xdi_bad/bad_12.xdi": "the d-spacing that turns angles into energies",
    "xdi_bad/bad_13.xdi": "line 31: expected 4 columns, got 3",
    "xdi_bad/bad_15.xdi": "a finite number, got 'nan'",
    "xdi_bad/bad_16.xdi": "a finite number, got 'STRING'",
    "xdl/Mn*_rt_01.xdi": Row("xdi", 6520.0, 6630.0, 217, _I0_T_R),
    "xdl/Na2SO3_rt_01.xdi": Row("xdi", 2450.0, 2550.0, 229, ("i0", "fluorescence")),
    "xdl/Ni[2O]*_rt_01.xdi": Row("xdi", 8110.0, 9451.1, 435, _I0_T_R),
    "xdl/NiSO4_rt_01.xdi": Row("xdi", 2450.0, 2672.0, 272, ("i0", "fluorescence")),
    "xdl/Ni_metal_rt_01.xdi": Row("xdi", 8133.0, 9567.4, 418, ("i0", "transmission")),
    "xdl/S_elemental_rt_01.xdi": Row("xdi", 2450.0, 2520.0, 268, ("i0", "fluorescence")),
    "xdl/co_metal_rt.xdi": Row("xdi", 7519.0, 8943.4, 417, ("i0", "transmission")),
    "xdl/pyrite1_rt_01.xdi": Row("xdi", 2450.0, 2672.0, 272, ("i0", "fluorescence")),
}
for number in ("00", "03", "04", "06", "07", "09", "10", "25", "27", "30", "31", "33", "34"):
    ROWS[f"xdi_bad/bad_{number}.xdi"] = Row("xdi", 8779.0, 8889.0, 12, ("i0", "transmission", "mu"))
for number in ("18", "19", "21", "22", "24"):
    ROWS[f"xdi_bad/bad_{number}.xdi"] = Row("xdi", 8779.0, 8889.0, 12, ("i0", "transmission", "mu"))

USERS: dict[str, Mapping[str, Any]] = {
    "pynexafs/MEX2_13366.mda": {"columns": {"energy": 0, "i0": 5, "tey": 7}},
    "pynexafs/MEX2_13366_processed.xdi": {"strict": False},
    "demeter/cufluo.dat": {"reader": "columns", "columns": {"energy": 0, "mu": 1}},
    "perex/echem/*.mpt": {"reader": "columns", "columns": {"energy": 0, "mu": 1}},
}
"""What a user might try on files that are refused, where drafting gives nothing."""


def files_of(folder: Path) -> list[Path]:
    found = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return [path for path in found if not any(fnmatch(path.name, pattern) for pattern in OTHERS)]


def drafted(path: Path) -> dict[str, Any]:
    fmt = identify(head(path), FORMATS)
    return {} if fmt is None else fmt.suggest(head(path))


def assert_as_told(ds, row: Row) -> None:
    energy = ds["energy"].values
    assert ds.attrs["format"] == row.reader
    assert (round(float(energy[0]), 1), round(float(energy[-1]), 1)) == pytest.approx((row.low, row.high), abs=0.11)
    assert energy.size == row.points
    assert (np.diff(energy) >= 0).all()
    assert set(ds.data_vars) == set(row.detectors)
    assert ds.sizes.get("scan") == row.scans
    assert ds.sizes.get("detector") == row.channels
    assert {name for flag in np.ravel(ds["flag"]) for name in names(int(flag))} == set(row.flags)


def test_every_file_has_one_row_and_every_row_a_file(realdata):
    folder = realdata / "xas"
    told = {path: [row for row in ROWS if fnmatch(path, row)] for path in map(str, relative(folder))}
    assert [path for path, rows in told.items() if len(rows) != 1] == []
    assert set(ROWS) == {row for rows in told.values() for row in rows}


def relative(folder: Path) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in files_of(folder)]


@pytest.mark.parametrize("name", ROWS)
def test_a_file_opens_as_the_table_says_or_is_refused_in_one_line(realdata, name):
    row, folder = ROWS[name], realdata / "xas"
    for path in (path for path in files_of(folder) if fnmatch(path.relative_to(folder).as_posix(), name)):
        settings = row.settings if isinstance(row, Row) else USERS.get(name, DRAFT)
        settings = drafted(path) if settings is DRAFT else settings
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", OperandoWarning)
            if isinstance(row, Row):
                assert_as_told(xas.read(path, timezone="UTC", **settings), row)
                continue
            with pytest.raises(OperandoError) as caught:
                xas.read(path, **settings)
        assert row in str(caught.value)
        assert "\n" not in str(caught.value)
        assert path.name in str(caught.value)
