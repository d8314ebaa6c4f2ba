"""Clocks that jump: of the file server, of the beamline, of the potentiostat: flagged or passed over, not waited on."""

from __future__ import annotations

import os
import re

import numpy as np
import pytest
from watched_folder import RAW, Watched, few_scans, same_as_one_run

import operando
from operando.flags import Flag

HOUR = 3600.0
FUTURE, PAST = 4102444800.0, -86400.0
"""The years 2100 and 1969 as the clock of a file server may put them, s after 1970."""


@pytest.fixture
def folder(tmp_path):
    return few_scans(tmp_path)


def shifted_log(path, rows, hours):
    """Write a log again with the clock of some of its rows set forward or back."""
    lines = path.read_text(encoding="latin-1").splitlines(keepends=True)
    header = int(re.search(r"Nb header lines : (\d+)", "".join(lines[:3]))[1])
    column = lines[header - 1].split("\t").index("time/s")
    for number in range(header, len(lines))[rows]:
        cells = lines[number].split("\t")
        cells[column] = f"{float(cells[column].replace(',', '.')) + hours * HOUR:.15E}".replace(".", ",")
        lines[number] = "\t".join(cells)
    path.write_text("".join(lines), encoding="latin-1")


def set_clock(path, text):
    """Write a scan again with another time of its start."""
    path.write_text(re.sub(r"(?<=Time at start=).*", text, path.read_text(encoding="utf-8")), encoding="utf-8")


@pytest.mark.faults
def test_a_watch_follows_files_whatever_the_clocks_say_and_flags_the_scans_that_it_cannot_place(folder):
    scans = sorted((folder / "xas").iterdir())
    log, other = sorted((folder / "echem").iterdir())
    other.unlink()
    shifted_log(log, slice(400, 460), -1.0)
    set_clock(scans[4], "2031-01-01 00:00:00.000")
    set_clock(scans[5], "1999-12-31 23:59:59.999")
    late = scans[3:]
    data = {path: path.read_bytes() for path in late}
    for path in late:
        path.unlink()
    with Watched(folder) as watched:
        watched.until(lambda raw, _: raw.sizes["scan"] == 3)
        for number, path in enumerate(late):
            path.write_bytes(data[path][: len(data[path]) // 2])
            os.utime(path, (FUTURE, FUTURE) if number % 2 else (PAST, PAST))
            path.write_bytes(data[path])
            os.utime(path, (PAST, PAST) if number % 2 else (FUTURE, FUTURE))
        watched.until(lambda raw, failed: raw.sizes["scan"] == 8 and not failed)
        os.utime(scans[0], (FUTURE, FUTURE))
        os.utime(log, (PAST, PAST))
        watched.until(lambda raw, _: not (raw.flag.values & int(Flag.truncated)).any())
    assert watched.error is None
    with operando.open(folder / "fed.zarr") as tree:
        echem, raw = tree["echem"].to_dataset().load(), tree[RAW].to_dataset().load().sortby("source")
    assert np.count_nonzero(echem["flag"].values & int(Flag.clock_step)) >= 59
    outside = (raw["flag"].values & int(Flag.ec_outside)) > 0
    assert [str(source) for source in raw["source"].values[outside]] == [f"xas/{path.name}" for path in scans[4:6]]
    assert np.isnan(raw["potential"].values[outside]).all()
    assert np.isfinite(raw["potential"].values[~outside]).all()
    same_as_one_run(folder)
