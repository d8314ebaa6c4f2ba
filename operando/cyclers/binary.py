"""Binary cycler files, through packages that are loaded when such a file is read."""

from __future__ import annotations

import warnings
import zipfile
import zlib
from collections.abc import Callable
from importlib import import_module
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from operando.clock import Times, to_ns, to_utc
from operando.errors import FileError
from operando.sniff import Format, Head, head

from .biologic import Columns
from .log import build, elapsed_times, joined_parts, local_and_elapsed

_INSTALL = 'pip install "operando[cycler]"'
_UNPACKED_MAX = 1 << 28
_SERIAL_DAY_0 = np.datetime64("1899-12-30", "ns")
_MODE_BITS = 3


def _package(name: str, path: Path) -> Any:
    own = zlib.decompress, zlib.decompressobj
    try:
        return import_module(name)
    except ImportError:
        package = name.partition(".")[0].replace("_", "-")
        raise FileError(path, f"the package {package} to read this file", "none installed", remedy=_INSTALL) from None
    finally:
        # fastnda puts isal in zlib's place for all of Python, whose errors nobody else knows.
        zlib.decompress, zlib.decompressobj = own


def _attempt(path: Path, kind: str, action: Callable[[], Any]) -> Any:
    """Return what a third party's parser makes of a file; whatever it raises becomes one line."""
    head(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return action()
    except Exception as error:
        text = str(error).partition("\n")[0][:160]
        raise FileError(
            path,
            f"a whole {kind} file",
            f"{type(error).__name__}: {text}",
            remedy="copy it again, or export it as text",
        ) from None


def read_mpr(
    path: str | Path, *, timezone: str | None = None, start: str | None = None, voltage: str | None = None
) -> xr.Dataset:
    """Return the log in a BioLogic ``.mpr`` file (through the package galvani, GPL, optional).

    Parameters
    ----------
    path, timezone
        The file and the zone of the computer that ran EC-Lab.
    start
        Local start of the acquisition (ISO) for a file that holds none.
    voltage
        Label of the voltage's column; ``Ewe`` by default.

    Raises
    ------
    FileError
        If galvani is missing or cannot read the file, or it gives no start.

    Notes
    -----
    Where the file stores no current, it is the stored charge increment over the time since the last sample,
    which is what EC-Lab itself writes as ``<I>``.
    """
    path = Path(path)
    galvani = _package("galvani.BioLogic", path)
    file = _attempt(path, ".mpr", lambda: _parsed(galvani.MPRfile, path))
    data = file.data
    labels = [label for label in data.dtype.names if label != "flags"]

    def column(label: str) -> npt.NDArray[np.float64]:
        if label == "mode":
            return np.asarray(data["flags"] & _MODE_BITS, "f8")
        values: npt.NDArray[np.float64] = data[label].astype("f8")
        return values

    labels += ["mode"] if "flags" in data.dtype.names else []
    if "time/s" not in labels:
        raise FileError(path, "a column 'time/s'", f"columns {', '.join(labels[:12])}")
    began = start if start is not None else getattr(file, "timestamp", None)
    if began is None:
        raise FileError(path, "the start of the acquisition", "none", remedy="give start = '2022-07-26 22:38:30'")
    elapsed = column("time/s")
    columns = Columns(path, labels, column, "")
    values = columns.read(elapsed, voltage)
    times = elapsed_times(to_utc(began, timezone, file=path, place="its log module"), elapsed)
    loops = getattr(file, "loop_index", None)
    return build(
        path,
        "mpr",
        times,
        values,
        metadata={"local_start": str(began)},
        current_is=columns.current_is,
        notes=tuple(columns.notes),
        flag=joined_parts(elapsed.size, [] if loops is None else loops),
    )


def _parsed(parser: Callable[[Any], Any], path: Path) -> Any:
    # From memory no more can be read than there is, whatever length the file declares.
    return parser(BytesIO(path.read_bytes()))


def read_neware(path: str | Path, *, timezone: str | None = None) -> xr.Dataset:
    """Return the log in a Neware ``.nda`` or ``.ndax`` file (through the package fastnda).

    The file holds Unix times, so ``timezone`` is not needed. Where they step back, because the computer's clock
    was set, the cycler's own seconds count from the first of them and a note says how far the two part.

    Raises
    ------
    FileError
        If fastnda is missing or cannot read the file, or the file unpacks to more than 256 MiB.
    """
    del timezone
    path = Path(path)
    fastnda = _package("fastnda", path)
    _refuse_bomb(path)
    table = _attempt(path, "Neware", lambda: fastnda.read(path, cycle_mode="raw"))
    data = {name: table[name].to_numpy().astype("f8") for name in _NEWARE if name in table.columns}
    for name in ("unix_time_s", "total_time_s", "voltage_V", "current_mA"):
        if name not in data:
            raise FileError(path, f"a column {name!r}", "none", remedy="export the file as text")
    times, notes = _neware_times(data["unix_time_s"], data["total_time_s"])
    values = {
        "voltage": data["voltage_V"],
        "current": data["current_mA"] * 1e-3,
        "cycler_cycle": data["cycle_count"],
        "step": data["step_index"],
    }
    return build(path, "neware", times, values, metadata={}, notes=notes)


_NEWARE = ("unix_time_s", "total_time_s", "voltage_V", "current_mA", "cycle_count", "step_index")


def _neware_times(unix: npt.NDArray[np.float64], total: npt.NDArray[np.float64]) -> tuple[Times, tuple[str, ...]]:
    first = np.datetime64(0, "ns") + to_ns(unix[:1])
    if (np.diff(unix) >= 0).all():
        return np.datetime64(0, "ns") + to_ns(unix), ()
    apart = float(np.max(abs((unix - unix[0]) - (total - total[0]))))
    note = f"the computer's clock steps back; times count the cycler's seconds, which part from it by {apart:.1f} s"
    return elapsed_times(first[0], total - total[0]), (note,)


def _refuse_bomb(path: Path) -> None:
    if not zipfile.is_zipfile(path):
        return
    with _attempt(path, "Neware", lambda: zipfile.ZipFile(path)) as packed:
        size = sum(item.file_size for item in packed.infolist())
    if size > _UNPACKED_MAX:
        raise FileError(path, f"at most {_UNPACKED_MAX >> 20} MiB when unpacked", f"{size >> 20} MiB")


def read_arbin(path: str | Path, *, timezone: str | None = None) -> xr.Dataset:
    """Return the log in an Arbin ``.res`` file, an Access database (through the package access-parser).

    Raises
    ------
    FileError
        If the package is missing, the file is no Arbin database, or it holds several tests.
    """
    path = Path(path)
    package = _package("access_parser", path)
    tables = _attempt(path, "Arbin .res", lambda: _arbin_tables(package.AccessParser(str(path))))
    rows, test = tables
    if len(set(rows["Test_ID"])) != 1:
        raise FileError(path, "one test in the file", f"{len(set(rows['Test_ID']))}", remedy="export the tests apart")
    order = np.argsort(np.asarray(rows["Data_Point"]), kind="stable")

    def column(name: str) -> npt.NDArray[np.float64]:
        return np.asarray(rows[name], "f8")[order]

    # A damaged number may be too large in another unit: it is infinite then.
    with np.errstate(over="ignore", invalid="ignore"):
        local = _SERIAL_DAY_0 + to_ns(column("DateTime") * 86400.0)
        charge = (column("Charge_Capacity") - column("Discharge_Capacity")) * 3600.0
    times = local_and_elapsed(local, column("Test_Time"), timezone, path, "Channel_Normal_Table, DateTime")
    values = {
        "voltage": column("Voltage"),
        "current": column("Current"),
        "cycler_charge": charge,
        "cycler_cycle": column("Cycle_Index"),
        "step": column("Step_Index"),
    }
    first = {name: values[0] for name, values in test.items() if isinstance(values, list) and values}
    described = {
        name: str(first[name]) for name in ("Test_Name", "Channel_Index", "Schedule_File_Name") if name in first
    }
    grams = first.get("MASS")
    mass = {"active_mass": grams * 1e3} if isinstance(grams, int | float) and grams else {}
    return build(path, "arbin", times, values, metadata={"header": described, "cell": mass})


def _arbin_tables(database: Any) -> tuple[dict[str, list[Any]], dict[str, list[Any]]]:
    return dict(database.parse_table("Channel_Normal_Table")), dict(database.parse_table("Global_Table"))


def _is_mpr(start: Head) -> bool:
    return start.data.startswith(b"BIO-LOGIC MODULAR FILE")


def _is_neware(start: Head) -> bool:
    packed = start.data.startswith(b"PK\x03\x04") and start.path.suffix.lower() == ".ndax"
    return packed or start.data.startswith(b"NEWARE")


def _is_arbin(start: Head) -> bool:
    return start.data[4:19] in (b"Standard Jet DB", b"Standard ACE DB") and start.path.suffix.lower() == ".res"


MPR = Format("mpr", "echem", "BioLogic binary (.mpr)", _is_mpr, read_mpr)
NEWARE = Format("neware", "echem", "Neware binary (.nda, .ndax)", _is_neware, read_neware)
ARBIN = Format("arbin", "echem", "Arbin database (.res)", _is_arbin, read_arbin)
