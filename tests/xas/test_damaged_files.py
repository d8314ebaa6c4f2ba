"""Whatever is lost or changed in a file, its reader gives a scan or an error in one line, and what follows goes on."""

from __future__ import annotations

import gzip
import json
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scan_files import ENERGY, edge, mda_ascii, mda_bytes, mda_energy_scan, mda_file, mda_scan, mda_start, spec_file

from operando import OperandoError, xas
from operando.errors import OperandoWarning
from operando.flags import names
from operando.sniff import Format, head
from operando.xas.formats import FORMATS
from operando.xas.signals import SIGNALS

COLUMN_FILE = "# time 2026-11-05\n# energy\ti0\ttey\n" + "".join(
    f"{e:.3f}\t{1000 + e:.2f}\t{mu:.6f}\n" for e, mu in zip(ENERGY, edge(), strict=True)
)
XDI_FILE = (
    "# XDI/1.0\n# Element.symbol: Ni\n# Element.edge: K\n# Column.1: energy eV\n# Column.2: i0\n# Column.3: itrans\n"
    "# Scan.start_time: 2026-11-05T10:00:00\n# ///\n# a cell\n#---\n# energy i0 itrans\n"
) + "".join(f"{e:.3f} {1000 + e:.2f} {900 * np.exp(-mu):.6f}\n" for e, mu in zip(ENERGY, edge(), strict=True))
PHOENIX_FILE = "#  Energy_c1  I0_KEITHLEY1_c2  KEITHLEY4_TEY_c3  D1_NiKa_corr_c4  D2_NiKa_corr_c5\n" + "".join(
    f"{e:.6E}  {0.1 + e / 1e6:.6E}  {-mu:.6E}  {mu:.6E}  {2 * mu:.6E}\n" for e, mu in zip(ENERGY, edge(), strict=True)
)


def perl() -> bytes:
    lines = ["# Athena project file -- Demeter version 0.9.26"]
    for name in ("ab", "cd"):
        arrays = {"x": ENERGY, "y": edge(), "i0": 1000 + ENERGY}
        lines += [f"$old_group = '{name}';", f"@args = ('label','{name} foil','bkg_eshift','0.5');"]
        lines += [f"@{key} = ({','.join(repr(f'{value:.6g}') for value in values)});" for key, values in arrays.items()]
        lines += ["[record]"]
    return "\n".join([*lines, "1;", ""]).encode()


def json_project() -> bytes:
    group = {"args": {"label": "foil"}, "x": [f"{e:.3f}" for e in ENERGY], "y": [f"{mu:.6f}" for mu in edge()]}
    return json.dumps({"_____header1": "# Athena project file -- Demeter", "g": group}, indent=0).encode()


def nested_mda() -> bytes:
    outer = [("ioc:delay", "delay", "s", np.arange(2.0))]
    place = mda_start([2, ENERGY.size]) + len(mda_scan(0, outer, [], rank=2))
    first = mda_energy_scan(place)
    scans = [first, mda_energy_scan(place + len(first), 0.5)]
    return mda_bytes(mda_scan(mda_start([2, ENERGY.size]), outer, [], rank=2, inner=scans), [2, ENERGY.size])


def written_by(write: Callable[[Path], Path]) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        return write(Path(folder) / "scan").read_bytes()


SMALL: dict[str, tuple[str, bytes]] = {
    "xdi": ("xdi", XDI_FILE.encode()),
    "columns": ("columns", COLUMN_FILE.encode()),
    "phoenix": ("phoenix", PHOENIX_FILE.encode()),
    "project in Perl": ("athena", perl()),
    "project in JSON": ("athena", json_project()),
    "compressed project": ("athena", gzip.compress(perl())),
    "spec": ("spec", written_by(spec_file)),
    "mda": ("mda", written_by(mda_file)),
    "nested mda": ("mda", nested_mda()),
    "mda2ascii": ("mda2ascii", written_by(mda_ascii)),
}
READERS = {fmt.name: fmt for fmt in FORMATS}
NEVER_HALF = {"nexus", "bec", "hdf5"}
"""HDF5 knows its own length: a file that breaks off is refused."""


def settings_for(fmt: Format, path: Path) -> dict:
    """Return what a draft says of a whole file, or two of its columns."""
    drafted = fmt.suggest(head(path))
    return {"columns": {"energy": 0, "mu": 1}} if fmt.name == "columns" and not drafted.get("columns") else drafted


def judged(fmt: Format, path: Path, **given_settings):
    """Read a file and work up what it gives; return it, or None if it is refused in one line."""
    error = None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", OperandoWarning)
        try:
            ds = fmt.read(path, **given_settings)
        except OperandoError as caught:
            error = caught
    if error is not None:
        assert "\n" not in str(error)
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", OperandoWarning)
        assert (np.diff(ds["energy"]) >= 0).all()
        assert (ds["energy"] > 0).all()
        xas.quality(ds)
        for name in SIGNALS:
            try:
                mu = xas.signal(ds, name)
            except OperandoError:
                continue
            xas.find_e0(mu)
            xas.edge_energy(xas.normalize(mu))
    return ds


@pytest.mark.parametrize("kind", SMALL)
def test_the_whole_file_is_read_without_a_flag_but_that_of_the_time(tmp_path, kind):
    reader, data = SMALL[kind]
    (tmp_path / "scan").write_bytes(data)
    ds = judged(READERS[reader], tmp_path / "scan", **settings_for(READERS[reader], tmp_path / "scan"))
    assert ds.sizes["energy"] == ENERGY.size
    assert {name for flag in np.ravel(ds["flag"]) for name in names(int(flag))} <= {"no_time"}


@pytest.mark.parametrize("kind", SMALL)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_no_damage_gives_anything_but_a_scan_or_a_named_error(kind, data):
    reader, whole = SMALL[kind]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "scan"
        path.write_bytes(whole)
        drafted = settings_for(READERS[reader], path)
        path.write_bytes(data.draw(damaged(whole)))
        judged(READERS[reader], path, **drafted)
        if path.stat().st_size:
            READERS[reader].suggest(head(path))
            assert all(isinstance(fmt.recognizes(head(path)), bool) for fmt in FORMATS)


@st.composite
def damaged(draw, whole: bytes) -> bytes:
    """Return a file that was cut, whose bytes were changed, or into which lines were put."""
    way = draw(st.sampled_from(["cut", "hole", "flips", "lines"]))
    at = draw(st.integers(0, len(whole) - 1))
    if way == "cut":
        return whole[:at]
    if way == "hole":
        return whole[:at] + whole[at + draw(st.integers(1, 200)) :]
    if way == "flips":
        spoiled = bytearray(whole)
        for place in draw(st.lists(st.integers(0, min(len(whole), 400) - 1) | st.just(at), min_size=1, max_size=4)):
            spoiled[place] = draw(st.integers(0, 255))
        return bytes(spoiled)
    lines = whole.splitlines(keepends=True)
    put = st.sampled_from([b"#S 3 x\n", b"#L a\n", b"#N 99999\n", b"@A 1 2\\\n", b"1 2 3 4 5 6\n", b"nan inf 1e999\n"])
    where = draw(st.integers(0, len(lines)))
    return b"".join([*lines[:where], *draw(st.lists(put | st.binary(max_size=30), max_size=3)), *lines[where:]])


@pytest.mark.parametrize("kind", [kind for kind in SMALL if kind not in ("xdi", "columns")])
def test_half_a_file_says_that_it_is_half_a_file(tmp_path, kind):
    """A flag, a warning or an error: all but plain columns state what is to come."""
    reader, whole = SMALL[kind]
    path = tmp_path / "scan"
    path.write_bytes(whole)
    drafted = settings_for(READERS[reader], path)
    path.write_bytes(whole[: len(whole) // 2])
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", OperandoWarning)
        try:
            ds = READERS[reader].read(path, **drafted)
        except OperandoError:
            return
    flags = {name for flag in np.ravel(ds["flag"]) for name in names(int(flag))}
    assert told or "truncated" in flags


def halves(data: bytes) -> dict[str, bytes]:
    lines = data.splitlines(keepends=True)
    return {"bytes": data[: len(data) // 2], "lines": b"".join(lines[: len(lines) // 2])}


@pytest.mark.realdata
@pytest.mark.parametrize("fmt", FORMATS, ids=lambda fmt: fmt.name)
def test_half_of_any_measured_file_is_read_or_named_by_every_reader(realdata, tmp_path, fmt):
    """Of the 229 files of one series, which differ in their noise, every 20th is cut."""
    series = sorted((realdata / "xas/perex/xas").iterdir())
    files = [path for path in sorted((realdata / "xas").rglob("*")) if path.is_file()]
    read = 0
    for path in files:
        if path.suffix == ".tiff" or path in set(series) - set(series[::20]):
            continue
        drafted = settings_for(fmt, path)
        for half in halves(path.read_bytes()).values():
            cut = tmp_path / path.name
            cut.write_bytes(half)
            read += judged(fmt, cut, **drafted) is not None
    assert (read > 0) == (fmt.name not in NEVER_HALF)
