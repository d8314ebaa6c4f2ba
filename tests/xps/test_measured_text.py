"""Every measured VAMAS and text file of the formats read here opens as its row says, or is refused in one line.

The numbers were read off the files: the ends of the energies and their step (eV), the points, what was measured.
"""

from __future__ import annotations

import random
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from operando import OperandoError, xps
from operando.errors import OperandoWarning
from operando.flags import names
from operando.schema import problems
from operando.series import stack
from operando.sniff import head, identify
from operando.xps.formats import FORMATS
from operando.xps.formats.columns import COLUMNS
from operando.xps.layout import RAW

pytestmark = pytest.mark.realdata

ENDINGS = ("*.vms", "*.npl", "*.csv", "*.txt")
OTHERS = ("pynxtools-xps/Ag_*.txt",)
"""Text of the Scienta reader."""
NO_TIME = ("no_time",)


@dataclass(frozen=True)
class Row:
    """What one region of a file holds."""

    reader: str
    region: str
    low: float
    high: float
    step: float
    points: int
    measured: tuple[str, ...] = ("counts",)
    flags: tuple[str, ...] = ()
    scans: int | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)


WITH_TRANSMISSION = ("counts", "transmission")
ROWS: dict[str, tuple[Row, ...] | str] = {
    "khervefitting/Pt4f.vms": (Row("vamas", "Pt 4f", 62, 90, 0.1, 281, WITH_TRANSMISSION),),
    "lg4x-v2/0-150W.vms": (
        Row("vamas", "wide", -5, 1200, 1, 1206, WITH_TRANSMISSION),
        Row("vamas", "Ni 2p", 840, 900, 0.1, 601, WITH_TRANSMISSION),
        Row("vamas", "O 1s", 520, 545, 0.1, 251, WITH_TRANSMISSION),
        Row("vamas", "C 1s", 270, 300, 0.1, 301, WITH_TRANSMISSION),
        Row("vamas", "W 4f", 25, 50, 0.1, 251, WITH_TRANSMISSION),
    ),
    "lg4x-v2/Mutlipak_vms.npl": (
        Row("vamas", "C 1s", 275, 305, 0.05, 601, flags=NO_TIME),
        Row("vamas", "O 1s", 525, 555, 0.05, 601, flags=NO_TIME),
        Row("vamas", "S 2p", 155, 180, 0.05, 501, flags=NO_TIME),
        Row("vamas", "N 1s", 390, 410, 0.05, 401, flags=NO_TIME),
        Row("vamas", "Mo 3d", 220, 240, 0.05, 401, flags=NO_TIME),
    ),
    "pynxtools-xps/FeO_analyzed.vms": (Row("vamas", "Fe 2p", 694, 750, 0.05, 1121, WITH_TRANSMISSION, flags=NO_TIME),),
    "pynxtools-xps/irregular.vms": (Row("vamas", "Survey", 0, 1350, 1, 1351, WITH_TRANSMISSION, flags=NO_TIME),),
    "pynxtools-xps/regular.vms": (Row("vamas", "Survey", 0, 1350, 1, 1351, WITH_TRANSMISSION),),
    "vamas/xps_eis.vms": (
        Row("vamas", "block 1", -20, 800, 0.1, 8201),
        Row("vamas", "block 2", 225, 241, 0.05, 321, ("rate",)),
        Row("vamas", "block 3", 389, 436, 0.05, 941, ("rate",)),
        Row("vamas", "block 4", 240, 267, 0.05, 541, ("rate",)),
    ),
    "pynxtools-xps/FeO_analyzed_lineshapes_cols.txt": (
        Row("casaxps_text", "Fe 2p", 694, 750, 0.05, 1121, flags=NO_TIME),
    ),
    "pynxtools-xps/FeO_analyzed_results.csv": "spectra exported by CasaXPS, got a table of results",
    "pynxtools-xps/vms_txt_export.txt": (
        Row("casaxps_text", "Survey", 0, 1200, 1, 1201, flags=NO_TIME, scans=2),
        Row("casaxps_text", "Ni 2p", 840, 890, 0.1, 501, flags=NO_TIME, scans=2),
    ),
    "theoechem/*_C_1s.csv": (Row("casaxps_text", "C 1s", 279.1, 299.1, 0.125, 161, flags=NO_TIME),),
    "theoechem/*_F_1s.csv": (Row("casaxps_text", "F 1s", 683.1, 695.1, 0.125, 97, flags=NO_TIME),),
    "theoechem/*_N_1s.csv": (Row("casaxps_text", "N 1s", 394.1, 408.1, 0.125, 113, flags=NO_TIME),),
    "theoechem/*_Na_1s.csv": (Row("casaxps_text", "Na 1s", 1067.1, 1082.1, 0.125, 121, flags=NO_TIME),),
    "theoechem/*_O_1s.csv": (Row("casaxps_text", "O 1s", 527.1, 540.1, 0.125, 105, flags=NO_TIME),),
    "theoechem/*_S_2p.csv": (Row("casaxps_text", "S 2p", 162.1, 175.1, 0.125, 105, flags=NO_TIME),),
    "theoechem/*_Si_2p.csv": (Row("casaxps_text", "Si 2p", 96.1, 106.1, 0.125, 81, flags=NO_TIME),),
    "theoechem/*_survey.csv": (Row("casaxps_text", "Sur1 1", 0.4, 1400.4, 0.4, 3501, ("rate",), flags=NO_TIME),),
    "lg4x-v2/111216_0459_O1s.csv": (Row("columns", "O 1s", 521, 546, 0.2, 126, ("intensity",), NO_TIME),),
    "lg4x-v2/C1s_sample.csv": (Row("columns", "C 1s", 266.5, 301.5, 0.1, 351, flags=NO_TIME),),
    "lg4x-v2/PET_C1s.csv": (Row("columns", "C 1s", 279.3, 299.3, 0.05, 401, ("intensity",), NO_TIME),),
    "lg4x-v2/Highres_Au4f_hv_180_testfile.csv": (
        Row(
            "columns",
            "Au 4f",
            84.0,
            95.0,
            0.041,
            269,
            flags=NO_TIME,
            settings={"columns": {"kinetic_energy": 0, "counts": 1}, "photon_energy": 180.0},
        ),
    ),
    "lmfitxps/clean_Au_4f.csv": (Row("columns", "Au 4f", 84, 96, 0.041, 294, flags=NO_TIME),),
    "lmfitxps/clean_Au_4f.txt": (Row("columns", "Au 4f", 84, 96, 0.041, 294, flags=NO_TIME),),
}


def files(realdata: Path) -> dict[str, Path]:
    folder = realdata / "xps"
    found = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
    mine = {name: path for name, path in found.items() if any(fnmatch(name, ending) for ending in ENDINGS)}
    return {name: path for name, path in mine.items() if not any(fnmatch(name, other) for other in OTHERS)}


def quiet(path: Path, **settings: Any):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", OperandoWarning)
        return xps.read(path, **settings)


def drafted(path: Path) -> dict[str, Any]:
    fmt = identify(head(path), FORMATS)
    return {} if fmt is None else fmt.suggest(head(path))


def test_every_file_has_one_row_and_every_row_a_file(realdata):
    told = {name: [row for row in ROWS if fnmatch(name, row)] for name in files(realdata)}
    assert [name for name, rows in told.items() if len(rows) != 1] == []
    assert set(ROWS) == {row for rows in told.values() for row in rows}


@pytest.mark.parametrize("name", ROWS)
def test_a_file_opens_as_the_table_says_or_is_refused_in_one_line(realdata, name):
    rows = ROWS[name]
    for path in (path for known, path in files(realdata).items() if fnmatch(known, name)):
        if isinstance(rows, str):
            with pytest.raises(OperandoError, match=rows) as caught:
                xps.read(path)
            assert "\n" not in str(caught.value)
            continue
        for row in rows:
            settings = dict(row.settings) or {**drafted(path), **({"region": row.region} if len(rows) > 1 else {})}
            assert_as_told(quiet(path, **settings), row)


def assert_as_told(ds, row: Row) -> None:
    energy = ds["binding_energy"].values
    assert (ds.attrs["format"], ds.attrs["region"]) == (row.reader, row.region)
    assert (energy[0], energy[-1]) == pytest.approx((row.low, row.high), abs=0.03)
    assert np.median(np.diff(energy)) == pytest.approx(row.step, abs=1e-4)
    assert energy.size == row.points
    assert ds.sizes.get("scan") == row.scans
    assert {name for name in ds.data_vars if "binding_energy" in ds[name].dims} == set(row.measured)
    assert {name for flag in np.ravel(ds["flag"]) for name in names(int(flag))} == set(row.flags)
    assert problems(stack([ds], "binding_energy"), RAW) == []


def damaged(data: bytes, seed: str):
    """Yield a text cut at 10 places, and with one byte changed at 40."""
    rng = random.Random(seed)
    for _ in range(10):
        yield data[: rng.randrange(1, len(data))]
    for k in range(40):
        spoiled = bytearray(data)
        spoiled[rng.randrange(len(data) if k % 2 else min(len(data), 600))] = rng.randrange(256)
        yield bytes(spoiled)


@pytest.mark.parametrize("reader", ["casaxps_text", "columns"])
def test_damaged_text_is_read_with_its_energies_in_order_or_refused_in_one_line(realdata, tmp_path, reader):
    read = 0
    for name, path in files(realdata).items():
        if identify(head(path), FORMATS).name != reader or path.stat().st_size > 100_000:
            continue
        settings = drafted(path)
        for data in damaged(path.read_bytes(), name):
            broken = tmp_path / path.name
            broken.write_bytes(data)
            read += judged(broken, reader, settings)
    assert read > 20


def judged(path: Path, reader: str, settings: Mapping[str, Any]) -> bool:
    try:
        ds = quiet(path, reader=reader, **settings)
    except OperandoError as error:
        return pytest.fail(str(error)) if "\n" in str(error) else False
    assert (np.diff(ds["binding_energy"]) >= 0).all()
    fmt = next(fmt for fmt in FORMATS if fmt.name == reader)
    assert isinstance(fmt.suggest(head(path)), dict)
    assert isinstance(COLUMNS.recognizes(head(path)), bool)
    return True
