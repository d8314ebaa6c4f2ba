"""EC-Lab text files (.mpt), in every dialect of number and date."""

from __future__ import annotations

import re
from datetime import datetime
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from operando.clock import Times, seconds_since, to_utc
from operando.errors import FileError
from operando.flags import Flag
from operando.sniff import Format, Head, head

from .biologic import COUNTERS, Columns, cell_values
from .log import build, elapsed_times, joined_parts

_MAGIC = ("EC-Lab ASCII FILE", "BT-Lab ASCII FILE")
_COUNT = re.compile(r"Nb header lines\s*:\s*(\d{1,9})")
_DATE = re.compile(
    r"\b(\d{1,4})([./-])(\d{1,2})\2(\d{1,4})[ T]+(\d{1,2}:\d{2}:\d{2}(?:[.,]\d+)?(?: *[AP]M)?)", re.IGNORECASE
)
_LOOP = re.compile(r"Loop \d+ from point number (\d{1,9}) to \d+")
_EXPONENT = re.compile(r"[-+]?\d[.,]\d+E[-+]\d+$")
_ORDERS = ("month", "day")
_MAX_HEADER = 10_000


def recognizes(start: Head) -> bool:
    """Whether the file says that EC-Lab or BT-Lab wrote it."""
    return start.is_text and start.text.startswith(_MAGIC)


def read(
    path: str | Path,
    *,
    timezone: str | None = None,
    start: str | None = None,
    date_order: str | None = None,
    voltage: str | None = None,
) -> xr.Dataset:
    """Return the log in an EC-Lab text file.

    Parameters
    ----------
    path
        The ``.mpt`` file.
    timezone
        Zone of the computer that ran EC-Lab; the file does not say.
    start
        Local start of the acquisition (ISO), for a file whose header lacks it.
    date_order
        ``"month"`` or ``"day"``: which comes first in the file's dates. By default another date in the file
        that allows only one order decides, else 01/10/2024 is taken as EC-Lab writes it, month first; 01.10.2024
        is an error, because it is written either way.
    voltage
        Label of the voltage's column, such as ``"Ewe-Ece/V"``; ``Ewe`` by default.

    Raises
    ------
    FileError
        If the header is incomplete, gives no start, or a line or column cannot be read.

    Notes
    -----
    ``<I>`` is the mean since the last sample (``attrs["current_is"]``), so current times interval is the charge
    exactly. At open circuit the current is 0 by definition. Impedance files give the mean voltage and current
    of each point. The cell's values in the header go to ``attrs["metadata"]``; they are often stale.
    """
    if date_order not in (None, *_ORDERS):
        raise FileError(path, f"date_order among {', '.join(_ORDERS)}", repr(date_order))
    table = Table(Path(path))
    dates = Dates(table, date_order)
    elapsed, times = sample_times(table, dates, timezone, start)
    labels = table.labels
    columns = Columns(path, labels, table.column, table.technique)
    values = columns.read(elapsed, voltage)
    flag = joined_parts(elapsed.size, [int(found) for found in _LOOP.findall(table.header_text)])
    if table.truncated:
        flag[-1] |= int(Flag.truncated)
        columns.notes.append(f"line {table.truncated} is cut off and was left out")
    header = table.header()
    metadata = {
        "technique": table.technique,
        "channel": header.get("Run on channel", ""),
        "device": header.get("Device", ""),
        "software": next((line for line in table.head_lines if "(software)" in line), ""),
        "date_order": dates.order,
        "cell": cell_values(header),
        "header": header,
    }
    return build(
        path,
        "eclab",
        times,
        values,
        metadata=metadata,
        current_is=columns.current_is,
        notes=tuple(columns.notes),
        flag=flag,
    )


class Table:
    """The header and the columns of one file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        lines = _decoded(path).split("\n")
        self.complete = lines[-1] == ""
        lines = [line.rstrip("\r") for line in lines]
        count = self._header_lines(lines)
        self.head_lines = [line.strip() for line in lines[: count - 1]]
        self.header_text = "\n".join(self.head_lines)
        self.technique = next((line for line in self.head_lines[2:] if line), "")
        self.labels = [label.strip() for label in lines[count - 1].rstrip("\t").split("\t")]
        self.first_line = count + 1
        self.rows, self.truncated = self._rows(lines[count:])
        self.decimal = (
            "," if any("," in field for row in self.rows[:5] for field in row.split("\t") if ":" not in field) else "."
        )
        self.body = "\n".join(self.rows)

    def _header_lines(self, lines: list[str]) -> int:
        found = _COUNT.match(lines[1]) if len(lines) > 1 else None
        if found is None:
            raise FileError(
                self.path, "'Nb header lines : N'", repr(lines[1][:40] if lines[1:] else ""), place="line 2"
            )
        count = int(found[1])
        if not 3 <= count <= min(len(lines), _MAX_HEADER):
            raise FileError(
                self.path,
                f"{count} header lines",
                f"{len(lines)} lines in all",
                remedy="the file is cut off: copy it again",
            )
        return count

    def _rows(self, lines: list[str]) -> tuple[list[str], int]:
        """Return the complete rows and the number of the last line if it was cut off, else 0."""
        rows = list(lines)
        while rows and not rows[-1].strip():
            rows.pop()
        truncated = 0
        if rows and self._is_cut(rows):
            truncated = self.first_line + len(rows) - 1
            rows.pop()
        if not rows:
            raise FileError(self.path, "data after the header", "none", remedy="the measurement may not have started")
        for number, row in enumerate(rows):
            if self._width(row) != len(self.labels):
                self._bad_line(number, f"{len(self.labels)} columns as in the header", str(self._width(row)))
        return rows, truncated

    def _width(self, row: str) -> int:
        """Return the number of fields; one tab after the last is no field."""
        tabs = row.count("\t")
        return tabs if tabs == len(self.labels) and row.endswith("\t") else tabs + 1

    def _is_cut(self, rows: list[str]) -> bool:
        if self._width(rows[-1]) < len(self.labels):
            return True
        if self.complete or len(rows) < 2:
            return False
        before, last = (row.rstrip("\t").rpartition("\t")[2] for row in rows[-2:])
        return bool(_EXPONENT.match(before)) and len(last.partition("E")[2]) < len(before.partition("E")[2])

    def _bad_line(self, number: int, expected: str, got: str) -> None:
        raise FileError(
            self.path,
            expected,
            got,
            place=f"line {self.first_line + number}",
            remedy="export the file from EC-Lab again",
        )

    @property
    def absolute(self) -> bool:
        """Whether ``time/s`` holds dates."""
        return ":" in self.rows[0].split("\t")[self._index("time/s")]

    def _index(self, label: str) -> int:
        if label not in self.labels:
            raise FileError(
                self.path,
                f"a column {label!r}",
                f"columns {', '.join(self.labels[:12])}",
                remedy="export it from EC-Lab",
            )
        return self.labels.index(label)

    def text(self, label: str) -> list[str]:
        """Return a column as it is written."""
        index = self._index(label)
        return [row.split("\t")[index] for row in self.rows]

    def column(self, label: str) -> npt.NDArray[np.float64]:
        """Return a column as numbers; an empty field is NaN, or 0 in a counter."""
        index = self._index(label)
        try:
            frame = pd.read_csv(
                StringIO(self.body),
                sep="\t",
                header=None,
                usecols=[index],
                decimal=self.decimal,
                dtype="float64",
                skip_blank_lines=False,
                quoting=3,
                lineterminator="\n",
            )
        except ValueError as error:
            self._find_bad(label)
            expected, remedy = f"numbers in column {label!r}", "export the file from EC-Lab again"
            raise FileError(self.path, expected, repr(str(error)[:60]), place="table", remedy=remedy) from None
        values: npt.NDArray[np.float64] = frame.iloc[:, 0].to_numpy()
        return np.nan_to_num(values) if label in COUNTERS.values() else values

    def _find_bad(self, label: str) -> None:
        for number, field in enumerate(self.text(label)):
            try:
                float(field.replace(self.decimal, ".") or "nan")
            except ValueError:
                self._bad_line(number, f"a number in column {label!r}", repr(field[:40]))

    def header(self) -> dict[str, str]:
        """Return the header's ``key : value`` lines; a key that comes again is numbered by joining its values."""
        found: dict[str, str] = {}
        for line in self.head_lines:
            key, separator, value = line.partition(" :")
            if separator and value.strip():
                found[key.strip()] = f"{found[key.strip()]}; {value.strip()}" if key.strip() in found else value.strip()
        return found


def _decoded(path: Path) -> str:
    head(path)
    data = path.read_bytes()
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")


class Dates:
    """The dates of one file, month or day first throughout."""

    def __init__(self, table: Table, order: str | None) -> None:
        self.path = table.path
        texts = [table.header_text]
        if "time/s" in table.labels and table.absolute:
            texts += [table.text("time/s")[0], table.text("time/s")[-1]]
        self.found = [match for text in texts for match in _DATE.finditer(text)]
        self.order = order or self._decided()

    def _decided(self) -> str:
        numeric = [match for match in self.found if len(match[1]) <= 2]
        votes = {"day" for match in numeric if int(match[1]) > 12} | {
            "month" for match in numeric if int(match[3]) > 12
        }
        if len(votes) == 1:
            return votes.pop()
        if not votes and not any(match[2] == "." for match in numeric):
            return "month"
        raise FileError(
            self.path,
            "dates that show whether the month or the day comes first",
            repr(numeric[0][0]),
            remedy="give date_order = 'month' or 'day' to the reader",
        )

    def parse(self, text: str, place: str) -> datetime:
        """Return the local time in ``text``."""
        match = _DATE.search(text)
        if match is None:
            raise FileError(self.path, "a date such as 07/26/2022 22:38:30.190", repr(text[:60]), place=place)
        clock = match[5].replace(",", ".").upper()
        first, second, third = int(match[1]), int(match[3]), int(match[4])
        if len(match[1]) == 4:
            year, month, day = first, second, third
        else:
            year = third if len(match[4]) == 4 else 2000 + third
            month, day = (first, second) if self.order == "month" else (second, first)
        form = "%I:%M:%S.%f %p" if clock.endswith("M") else "%H:%M:%S.%f"
        body, half = (clock[:-2].strip(), f" {clock[-2:]}") if clock.endswith("M") else (clock, "")
        whole, _, fraction = body.partition(".")
        try:
            moment = datetime.strptime(f"{whole}.{(fraction or '0')[:6]}{half}", form)
            return moment.replace(year=year, month=month, day=day)
        except ValueError:
            raise FileError(self.path, "a date that exists", repr(match[0]), place=place) from None


def sample_times(
    table: Table, dates: Dates, timezone: str | None, start: str | None
) -> tuple[npt.NDArray[np.float64], Times]:
    """Return the elapsed seconds and the UTC time of every row."""
    if table.absolute:
        local = np.array([dates.parse(text, "column 'time/s'") for text in table.text("time/s")], "M8[us]")
        times: Times = to_utc(local, timezone, file=table.path, place="column 'time/s'")
        return seconds_since(times, times[0]), times
    line = next((line for line in table.head_lines if line.startswith("Acquisition started on")), None)
    if line is None and start is None:
        raise FileError(
            table.path,
            "'Acquisition started on' in the header",
            "none",
            remedy="export with the full header, or give start = '2022-07-26 22:38:30' to the reader",
        )
    place = "header line 'Acquisition started on'"
    began: Any = start if start is not None else dates.parse(line or "", place)
    elapsed = table.column("time/s")
    return elapsed, elapsed_times(to_utc(began, timezone, file=table.path, place=place), elapsed)


FORMAT = Format("eclab", "echem", "BioLogic EC-Lab text (.mpt)", recognizes, read)
