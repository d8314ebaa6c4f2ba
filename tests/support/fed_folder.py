"""A beamtime folder that is filled as instruments fill it: piece by piece, in order of time, some files broken."""

from __future__ import annotations

import heapq
import json
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

RECIPE = """\
[experiment]
name = "fed"
timezone = "Europe/Zurich"
store = "fed.zarr"

[cell]
active_mass = 7.0
reference_capacity = 1.4
soc0 = -0.012
reference_electrode = "In/InLi"
potential_offset = 0.62

[echem]
files = ["echem/*.mpt"]
reader = "eclab"

[onsets]
oxidation = { above = 2.3 }

[clocks.beamline]
offset = 37.4
drift = 25e-6
sigma = 0.5
method = "manual"
"""

SERIES = {
    "xas": """
[[series]]
node = "Ni_L3"
technique = "xas"
files = ["xas/*.txt"]
reader = "columns"
clock = "beamline"
  [series.read]
  columns = { energy = "photon energy", tey = "drain current", i0 = "I0", tfy = "fluorescence" }
  units = { energy = "eV", tey = "nA", i0 = "nA", tfy = "nA" }
  time = { start = "Time at start", middle = "Time from start (seconds)" }
  [[series.steps]]
  use = "normalize"
  signal = ["tey", "tfy"]
  e0 = 854.0
  pre1 = -16.0
  pre2 = -6.0
  norm1 = 27.0
  norm2 = 38.0
  nnorm = 0
  [[series.steps]]
  use = "edge_energy"
  method = "half_height"
""",
    "xps": """
[[series]]
node = "S_2p"
technique = "xps"
files = ["xps/*.vms"]
reader = "vamas"
clock = "beamline"
read = { region = "S 2p" }
  [[series.steps]]
  use = "deglitch"
""",
    "xpeem": """
[[series]]
node = "Ni_L3"
technique = "xpeem"
files = ["xpeem/*.h5"]
reader = "hdf5"
clock = "beamline"
  [[series.steps]]
  use = "correct"
  [[series.steps]]
  use = "drift"
  [[series.steps]]
  use = "align"
  [[series.steps]]
  use = "regions"
  pre_edge = [844.0, 850.0]
  post_edge = [861.0, 865.0]
  smallest = 8
  [[series.steps]]
  use = "spectra"
  [[series.steps]]
  use = "normalize"
  e0 = 854.0
  pre1 = -10.0
  pre2 = -4.0
  norm1 = 7.0
  norm2 = 11.0
  nnorm = 0
  [[series.steps]]
  use = "edge_energy"
""",
}
FIT = """  [[series.steps]]
  use = "fit"
  background = { kind = "shirley", polynomial = 1 }
  lines = [
    { kind = "doublet", name = "PS4 3-", position = 161.5, fwhm = 1.1, splitting = 1.18, ratio = 0.511, phase = "electrolyte", mixing = 0.3 },
    { kind = "doublet", name = "Li2S", position = 160.3, fwhm = { link = "PS4 3-.fwhm" }, splitting = 1.18, ratio = 0.511, phase = "electrolyte", mixing = { link = "PS4 3-.mixing" } },
  ]
    [series.steps.shifts]
    electrolyte = { start = 0.0, low = -4.5, high = 4.5 }
"""  # noqa: E501

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"
REASONS = {
    "empty": "empty file",
    "noise": "",
    "pointer": "git lfs pull",
    "cut": "",
}
"""Faults that make no scan of a file, and what must be said of it; ``cut`` is an HDF5 file without its end."""
PARTIAL, LATE, REWRITTEN, RENAMED = "partial", "late", "rewritten", "renamed"
OF_TEXT = ("empty", "noise", "pointer", PARTIAL, LATE, REWRITTEN, RENAMED)


@dataclass(frozen=True)
class Arrival:
    """A file that is to come: the bytes that end up in it, and what goes wrong on the way."""

    name: str
    data: bytes
    fault: str = ""
    first: bytes = b""
    """What it held before it was completed or rewritten."""
    old_name: str = ""


def arrivals(source: Path, patterns: dict[str, str], *, share: float, seed: int) -> list[Arrival]:
    """Return the files of a beamtime in the order in which they come, a share of them with faults.

    Techniques are mixed evenly. The first three of each come whole: the others are laid on their axis.
    """
    chosen = random.Random(seed)
    queues = {name: sorted(source.glob(pattern)) for name, pattern in patterns.items()}
    placed = [(k / len(files), name, k, path) for name, files in queues.items() for k, path in enumerate(files)]
    found = []
    for _, technique, number, path in sorted(placed):
        data, name = path.read_bytes(), path.relative_to(source).as_posix()
        if number < 3 or chosen.random() >= share:
            found.append(Arrival(name, data))
        elif technique == "xpeem":
            found.append(Arrival(name, data[: len(data) // 2], "cut"))
        else:
            found.append(_broken(name, data, chosen.choice(OF_TEXT), queues[technique][number - 1].read_bytes()))
    return found


def _broken(name: str, data: bytes, fault: str, other: bytes) -> Arrival:
    lines = data.splitlines(keepends=True)
    # Within the second of three regions, where the file holds several.
    last = 9 * len(lines) // 20 if name.endswith(".vms") else 2 * len(lines) // 3
    half = b"".join(lines[:last]) + lines[last][:5]
    made = {"empty": b"", "noise": bytes(range(256)) * 20, "pointer": POINTER, PARTIAL: half}
    if fault in made:
        return Arrival(name, made[fault], fault)
    if fault == RENAMED:
        stem, dot, suffix = name.rpartition(".")
        return Arrival(f"{stem}_again{dot}{suffix}", data, fault, old_name=name)
    return Arrival(name, data, fault, half if fault == LATE else other)


def whole(folder: Path, files: list[Arrival], *, first: bool = False) -> None:
    """Write the files as they end up, or as they are at ``first``."""
    for one in files:
        name = one.old_name if first and one.old_name else one.name
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(one.first if first and one.fault in (LATE, REWRITTEN) else one.data)


def feed(
    folder: Path,
    files: list[Arrival],
    logs: dict[str, bytes],
    *,
    rate: float,
    later: float,
    seed: int,
    closed: Callable[[dict[str, object]], None],
) -> None:
    """Write the files, ``rate`` a second, each in pieces within half a second, and the logs as they grow.

    A file that is completed, rewritten or renamed is so ``later`` (s) after it was first closed. Logs are written one
    after the other, ahead of the scans and without regard to where their lines end. ``closed`` is told of each file.
    """
    chosen, began = random.Random(seed), time.time()
    span = len(files) / rate
    todo: list[tuple[float, int, Callable[[], None]]] = []

    def at(when: float, action: Callable[[], None]) -> None:
        heapq.heappush(todo, (when, len(todo) + id(action) % 1000, action))

    total, done = sum(map(len, logs.values())), 0
    for name, data in logs.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        header = data.index(b"\n", len(data) // 20) + 7
        edges = [0, header, *sorted(chosen.randrange(header, len(data)) for _ in range(int(2 * span))), len(data)]
        for start, stop in pairwise(edges):
            when = 0.9 * span * (done + start) / total
            at(when, _append(folder / name, data[start:stop]))
        done += len(data)
    for number, one in enumerate(files):
        when = number / rate
        name, data = one.old_name or one.name, one.first if one.fault in (LATE, REWRITTEN) else one.data
        for data_ in _pieces(data, chosen):
            at(when, _append(folder / name, data_))
            when += chosen.uniform(0.02, 0.2)
        at(when, _tell(closed, one, name, final=one.fault not in (LATE, REWRITTEN, RENAMED)))
        if one.fault in (LATE, REWRITTEN, RENAMED):
            at(when + later, _changed(folder, one))
            at(when + later, _tell(closed, one, one.name, final=True))
    while todo:
        when, _, action = heapq.heappop(todo)
        time.sleep(max(0.0, began + when - time.time()))
        action()


def _pieces(data: bytes, chosen: random.Random) -> list[bytes]:
    edges = sorted({0, *(chosen.randrange(len(data) + 1) for _ in range(3)), len(data)})
    return [data[a:b] for a, b in pairwise(edges)] or [b""]


def _append(path: Path, data: bytes) -> Callable[[], None]:
    def act() -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as stream:
            stream.write(data)

    return act


def _changed(folder: Path, one: Arrival) -> Callable[[], None]:
    def act() -> None:
        if one.fault == RENAMED:
            (folder / one.old_name).rename(folder / one.name)
        elif one.fault == LATE:
            with (folder / one.name).open("ab") as stream:
                stream.write(one.data[len(one.first) :])
        else:
            aside = folder / f"{one.name}.part"
            aside.write_bytes(one.data)
            aside.rename(folder / one.name)

    return act


def _tell(closed: Callable[[dict[str, object]], None], one: Arrival, name: str, *, final: bool) -> Callable[[], None]:
    return lambda: closed({"name": name, "fault": one.fault, "final": final, "closed": time.time()})


def lines(path: Path) -> list[dict[str, object]]:
    """Return the lines of a file of JSON lines, a last one that is cut off left out."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    return [json.loads(line) for line in text.split("\n")[:-1]]
