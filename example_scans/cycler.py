"""The potentiostat's log: EC-Lab text files of galvanostatic cycling with potential limitation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import PurePosixPath

import numpy as np

from .cell import Floats, Run
from .noise import stream
from .parameters import Cycler, Parameters
from .part import Part

FOLDER = "echem"
ENCODING = "latin-1"
GALVANOSTATIC, OPEN_CIRCUIT = 1, 3
COLUMNS = (
    "mode", "ox/red", "error", "control changes", "Ns changes", "counter inc.", "Ns", "time/s", "dq/mA.h",
    "(Q-Qo)/mA.h", "control/V/mA", "Ewe/V", "I Range", "Q charge/discharge/mA.h", "half cycle", "<I>/mA",
    "cycle number",
)  # fmt: skip

RECIPE = """\
[cell]
active_mass = {mass:<21} # mg; the mass in the header of the cycler's log is wrong
reference_capacity = {capacity:<14} # mAh, takes the state of charge from 0 to 1
soc0 = {soc0:<28} # state of charge at the start of the log
reference_electrode = "{electrode}"
potential_offset = {offset:<16} # V, added to the voltage to give the potential vs Li+/Li
electrode_area = {area:<18} # cm^2

[echem]
files = ["{folder}/*.mpt"]                # two files: the second follows a short gap, with restarted counters
reader = "eclab"
clock = "cycler"
current_offset_std = {offset_std:<14.1e} # A, uncertainty of the current's zero

[onsets]                            # V vs Li+/Li: the electrolyte's window
oxidation = {{ above = {oxidation} }}
reduction = {{ below = {reduction} }}
"""


@dataclass(frozen=True)
class Log:
    """What the cycler has measured and kept: ``current`` is the mean since the sample before, mA; charges in mAh."""

    seconds: Floats
    voltage: Floats
    current: Floats
    charge: Floats
    half_cycle: np.ndarray[tuple[int], np.dtype[np.int64]]
    control: Floats


def simulate(parameters: Parameters, run: Run, seed: int) -> Part:
    """Return the cycler's files and their section of the recipe."""
    cycler = parameters.cycler
    log = record(parameters, run, seed)
    name = f"{FOLDER}/{cycler.file}"
    if parameters.faults.cycler_split:
        first, second = _split(log, run, cycler.split_time, cycler.gap)
        logs = {f"{name}_C01.mpt": first, f"{name}_continued_C01.mpt": second}
    else:
        logs = {f"{name}_C01.mpt": log}
    files = {path: text(part, parameters, path).encode(ENCODING) for path, part in logs.items()}
    return Part(files, recipe(parameters))


def recipe(parameters: Parameters) -> str:
    """Return the recipe's sections on the cell and its log."""
    cell = parameters.cell
    return RECIPE.format(
        mass=cell.active_mass,
        capacity=round(cell.capacity, 9),
        soc0=cell.z0,
        electrode=cell.reference_electrode,
        offset=cell.potential_offset,
        area=cell.area,
        folder=FOLDER,
        offset_std=parameters.cycler.current_offset_std,
        oxidation=parameters.interphase.oxidation_onset,
        reduction=parameters.interphase.reduction_onset,
    )


def current_offset(parameters: Parameters, seed: int) -> float:
    """Return the error of the current's zero (A), which all samples of a log share."""
    return parameters.cycler.current_offset_std * float(stream(seed, "cycler zero").standard_normal())


def record(parameters: Parameters, run: Run, seed: int) -> Log:
    """Return the samples that the cycler keeps: by ``record_voltage``, by ``record_interval`` and at reversals."""
    cycler = parameters.cycler
    noise = stream(seed, "cycler")
    seconds = np.union1d(run.seconds, np.arange(0.0, run.seconds[-1], cycler.sample_interval))
    control, half_cycle = run.held("current", seconds), run.held("half_cycle", seconds)
    voltage = run.at("voltage", seconds) + cycler.voltage_noise * noise.standard_normal(seconds.size)
    measured = control + current_offset(parameters, seed) + cycler.current_noise * noise.standard_normal(seconds.size)
    measured[control == 0] = 0.0
    charge = np.concatenate([[0.0], np.cumsum(measured[:-1] * np.diff(seconds))]) / 3.6
    turns = np.flatnonzero(np.diff(half_cycle) > 0)
    kept = _kept(seconds, voltage, {*turns, *(turns + 1), seconds.size - 1}, cycler)
    current = np.diff(charge[kept], prepend=0.0) * 3600 / np.diff(seconds[kept], prepend=-1.0)
    return Log(seconds[kept], voltage[kept], current, charge[kept], half_cycle[kept], control[kept] * 1e3)


def _kept(seconds: Floats, voltage: Floats, turns: set[int], cycler: Cycler) -> list[int]:
    """Return the readings to keep: the first, every one that has moved or waited long enough, and the turns."""
    kept = [0]
    times, values = seconds.tolist(), voltage.tolist()
    last_time, last_value = times[0], values[0]
    for index, (time, value) in enumerate(zip(times, values, strict=True)):
        moved = abs(value - last_value) >= cycler.record_voltage
        if moved or time - last_time >= cycler.record_interval or index in turns:
            kept.append(index)
            last_time, last_value = time, value
    return kept


def _split(log: Log, run: Run, end: float, gap: float) -> tuple[Log, Log]:
    """Return the log before and after a gap; the second begins anew: seconds, charge and counters."""
    before, after = log.seconds <= end, log.seconds > end + gap
    first = Log(*[values[before] for values in vars(log).values()])
    opening = {
        "seconds": end + gap,
        "voltage": float(run.at("voltage", end + gap)),
        "current": log.current[after][0],
        "charge": float(np.interp(end + gap, log.seconds, log.charge)),
        "half_cycle": log.half_cycle[after][0],
        "control": log.control[after][0],
    }
    joined = {name: np.concatenate([[opening[name]], values[after]]) for name, values in vars(log).items()}
    joined["charge"] = joined["charge"] - opening["charge"]
    return first, Log(**joined)


def text(log: Log, parameters: Parameters, path: str) -> str:
    """Return one EC-Lab text file; its seconds count from the first sample of the file."""
    lines = _header(log, parameters, path)
    lines = [lines[0], f"Nb header lines : {len(lines) + 2:<28}", *lines[1:], "\t".join(COLUMNS)]
    if parameters.faults.decimal_comma:
        lines = [_with_comma(line) for line in lines]
    return "\r\n".join([*lines, *_rows(log, "," if parameters.faults.decimal_comma else "."), ""])


def _with_comma(line: str) -> str:
    """Return a header line with its decimal points as commas; versions and file names keep theirs."""
    keeps = ("Acquisition started on", "EC-Lab", "Internet", "Command", "Loaded", "\tFile", "\tHost", "mode")
    return line if line.startswith(keeps) else line.replace(".", ",").replace("mA,h", "mA.h").replace("A,h", "A.h")


def _header(log: Log, parameters: Parameters, path: str) -> list[str]:
    cell, cycler, name = parameters.cell, parameters.cycler, PurePosixPath(path)
    start = parameters.experiment.start + timedelta(milliseconds=round(log.seconds[0] * 1e3))
    mass = cell.active_mass * (cycler.wrong_mass_factor if parameters.faults.wrong_header_mass else 1.0)
    limits = [0.0, *(limit - cell.potential_offset for limit in (cell.upper_potential, cell.lower_potential))]
    return [
        "EC-Lab ASCII FILE",
        "",
        "Galvanostatic Cycling with Potential Limitation",
        "",
        "Run on channel : 1 (SN 1234)",
        "User : ",
        "Electrode connection : standard",
        "Potential control : Ewe",
        "Ewe ctrl range : min = 0.00 V, max = 5.00 V",
        "Safety Limits :",
        "\tDo not start on E overload",
        f"Acquisition started on : {start:%m/%d/%Y %H:%M:%S}.{start.microsecond // 1000:03d}",
        "Loaded Setting File : NONE",
        "Saved on :",
        f"\tFile : {name.with_suffix('.mpr').name}",
        "\tDirectory : C:\\Users\\beamtime\\",
        "\tHost : 192.0.2.1",
        "Device : VMP3 (SN 0001)",
        "Address : USB",
        "EC-Lab for windows v11.43 (software)",
        "Internet server v11.40 (firmware)",
        "Command interpretor v11.40 (firmware)",
        "Electrode material : ",
        "Initial state : ",
        "Electrolyte : ",
        "Comments : simulated",
        f"Mass of active material : {mass:.3f} mg",
        " at x = 1.000",
        "Molecular weight of active material (at x = 0) : 97.280 g/mol",
        "Atomic weight of intercalated ion : 6.940 g/mol",
        "Acquisition started at : xo = 1.000",
        "Number of e- transfered per intercalated ion : 1",
        "Battery capacity : 0.000 A.h",
        f"Electrode surface area : {cell.area:.3f} cm\u00b2",
        "Characteristic mass : 1.000 g",
        "Record Power",
        "Cycle Definition : Charge/Discharge alternance",
        _settings("Ns", "0", "1", "2"),
        _settings("Set I/C", "I", "I", "I"),
        _settings("Is", *(f"{current:.3f}" for current in (0.0, cell.current * 1e6, -cell.current * 1e6))),
        _settings("unit Is", "mA", "\u00b5A", "\u00b5A"),
        _settings("I Range", "1 mA", "1 mA", "1 mA"),
        _settings("dE1 (mV)", *[f"{cycler.record_voltage * 1e3:.2f}"] * 3),
        _settings("dt1 (s)", *[f"{cycler.record_interval:.4f}"] * 3),
        _settings("EM (V)", *(f"{limit:.3f}" for limit in limits)),
        _settings("tR (h:m:s)", f"{cell.rest // 3600:.0f}:00:0.0000", "0:00:0.0000", "0:00:0.0000"),
        _settings("goto Ns'", "0", "0", "1"),
        _settings("nc cycles", "0", "0", str(cell.cycles - 1)),
        "",
    ]


def _settings(name: str, *values: str) -> str:
    return "".join(f"{item:<20}" for item in (name, *values))


def _rows(log: Log, decimal: str) -> Iterator[str]:
    half_cycles = log.half_cycle - log.half_cycle[0]
    starts = {int(cycle): log.charge[log.half_cycle == cycle][0] for cycle in np.unique(log.half_cycle)}
    number = _number(decimal)
    for index, seconds in enumerate(log.seconds - log.seconds[0]):
        true, first = int(log.half_cycle[index]), index == 0
        turned = not first and true != log.half_cycle[index - 1]
        charging, resting = log.control[index] > 0, true == 0
        yield "\t".join((
            str(OPEN_CIRCUIT if resting else GALVANOSTATIC),
            str(int(charging or resting)),
            "0",
            str(int(turned)),
            str(int(turned)),
            "0",
            "0" if resting else "1" if charging else "2",
            number(seconds, 15),
            number(0.0 if first else log.charge[index] - log.charge[index - 1], 7),
            number(log.charge[index], 15),
            number(log.control[index], 7),
            number(log.voltage[index], 7),
            "10",
            number(log.charge[index] - starts[true], 7),
            str(int(half_cycles[index])),
            number(log.current[index], 7),
            str(max(0, int(half_cycles[index]) - 1) // 2),
        ))  # fmt: skip


def _number(decimal: str) -> Callable[[float, int], str]:
    """Return a formatter of numbers as EC-Lab writes them: ``1,400000E-001``."""

    def formatted(value: float, digits: int) -> str:
        mantissa, exponent = f"{value + 0.0:.{digits}E}".split("E")
        return f"{mantissa.replace('.', decimal)}E{int(exponent):+04d}"

    return formatted
