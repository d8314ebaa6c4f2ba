"""Regions as SPECS' programs write them: the XML of SpecsLab 2, the ``.xy`` of SpecsLab 2 and Prodigy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

DOCTYPE = "<!DOCTYPE any [\n<!ELEMENT any (any|sequence|struct)?>\n<!ATTLIST any name NMTOKEN #IMPLIED>\n]>"
CHANNELS = (-0.0744451, -0.0348058, 0.00538331, 0.0444291, 0.0824935)
"""Shifts of the five channels of a real analyser, in units of the pass energy."""


@dataclass
class XmlRegion:
    """A region; ``electrons`` gives the electrons that one channel counts at kinetic energies, in scan k.

    ``scans`` are how many points each scan measured, all of them by default (None), for each cycle.
    """

    name: str
    electrons: Callable[[np.ndarray, int], np.ndarray]
    points: int = 201
    kinetic: float = 963.6
    step: float = 0.05
    pass_energy: float = 20.0
    shifts: Sequence[float] = CHANNELS
    cycles: Sequence[Sequence[int | None]] = ((None,),)
    begins: int = 1643391325
    transmission: np.ndarray | None = None
    fields: dict[str, str] = field(default_factory=dict)

    @property
    def head(self) -> int:
        """The extra points before the axis."""
        return int(np.floor(max(self.shifts) * self.pass_energy / self.step + 0.5))

    @property
    def tail(self) -> int:
        """The extra points behind it."""
        return int(np.floor(-min(self.shifts) * self.pass_energy / self.step + 0.5))

    def counts(self, scan: int) -> np.ndarray:
        """Return what a scan counts, (point, channel), each channel at its own energies."""
        points = np.arange(self.head + self.points + self.tail)
        set_to = self.kinetic + (points - self.head) * self.step
        energies = set_to[:, None] + np.asarray(self.shifts) * self.pass_energy
        return np.rint(self.electrons(energies, scan)).astype(int)


def specs_xml(groups: dict[str, Sequence[XmlRegion]], doctype: str = DOCTYPE) -> bytes:
    """Return a whole file."""
    text = f'<?xml version="1.0"?>\n<!-- from SL 2.81 -->\n{doctype}\n<any version="1.6">\n'
    text += f'<sequence length="{len(groups)}" type_id="IDL:specs.de/S:1.0" type_name="RegionGroupSeq">\n'
    for group, regions in groups.items():
        text += f'<struct type_name="RegionGroup">\n<string name="name">{group}</string>\n'
        text += f'<sequence name="regions" length="{len(regions)}" type_name="RegionDataSeq">\n'
        text += "".join(map(_region, regions)) + "</sequence>\n</struct>\n"
    return (text + "</sequence>\n</any>\n").encode()


def _region(region: XmlRegion) -> str:
    fields = {
        "analysis_method": ("string", "XPS"),
        "curves_per_scan": ("ulong", "1"),
        "values_per_curve": ("ulong", str(region.points)),
        "dwell_time": ("double", "0.1"),
        "scan_delta": ("double", f"{region.step:g}"),
        "excitation_energy": ("double", "1253.6"),
        "kinetic_energy": ("double", f"{region.kinetic:g}"),
        "kinetic_energy_base": ("double", "0"),
        "pass_energy": ("double", f"{region.pass_energy:g}"),
        "effective_workfunction": ("double", "4.37"),
    }
    values = {name: (tag, region.fields.get(name, value)) for name, (tag, value) in fields.items()}
    mode = region.fields.get("scan_mode", "FixedAnalyzerTransmission")
    text = f'<struct type_name="RegionData">\n<string name="name">{region.name}</string>\n'
    text += '<struct name="region" type_name="RegionDef">\n'
    text += "".join(f'<{tag} name="{name}">{value}</{tag}>\n' for name, (tag, value) in values.items())
    text += f'<struct name="scan_mode" type_name="ScanMode"><string name="name">{mode}</string></struct>\n</struct>\n'
    text += f'<ulong name="mcd_head">{region.head}</ulong>\n<ulong name="mcd_tail">{region.tail}</ulong>\n'
    text += '<struct name="analyzer_info"><string name="name">PHOIBOS</string>'
    text += f'<sequence name="detectors" length="{len(region.shifts)}">\n'
    text += "".join(
        f'<struct type_name="Detector"><double name="shift">{shift!r}</double><double name="gain">1</double></struct>\n'
        for shift in region.shifts
    )
    text += f'</sequence></struct>\n<sequence name="cycles" length="{len(region.cycles)}" type_name="CycleSeq">\n'
    scan = 0
    for cycle, measured in enumerate(region.cycles):
        text += f'<struct type_name="Cycle">\n<ulong name="time">{region.begins + 1000 * cycle}</ulong>\n'
        text += f'<sequence name="scans" length="{len(measured)}" type_name="ScanSeq">\n'
        for points in measured:
            text += _scan(region.counts(scan), points)
            scan += 1
        text += "</sequence>\n</struct>\n"
    curve = np.empty(0) if region.transmission is None else region.transmission
    numbers = "\n".join(map(repr, curve.tolist()))
    text += (
        f'</sequence>\n<sequence name="transmission" length="{curve.size}"><double>\n{numbers}\n</double></sequence>'
    )
    return text + "\n</struct>\n"


def _scan(counts: np.ndarray, points: int | None) -> str:
    """Return a scan; from ``points`` on nothing was measured: zeros."""
    counts = counts.copy()
    if points is not None:
        counts[points:] = 0
    numbers = "\n".join(map(str, counts.ravel()))
    text = f'<struct type_name="ScanData">\n<sequence name="counts" length="{counts.size}" type_name="CountsSeq">\n'
    text += f'<ulong type_name="Counts">\n{numbers}\n</ulong>\n</sequence>\n'
    return text + '<sequence name="scaling_factors" length="0"><double/></sequence>\n</struct>\n'


PRODIGY = {
    "Comment Prefix": "#",
    "Energy Axis": "Binding Energy",
    "Count Rate": "Counts per Second",
    "Separate Scan Data": "no",
    "Separate Channel Data": "no",
    "External Channel Data": "yes",
}


@dataclass
class XyCurve:
    """One curve: its heading below ``Cycle: n``, its columns by label, its date; ``after`` are lines behind it."""

    heading: str
    columns: dict[str, np.ndarray]
    date: str = "08/24/23 14:19:47 UTC"
    after: Sequence[str] = ()


def xy_region(name: str, curves: Sequence[XyCurve], **fields: str) -> list[str]:
    """Return the lines of a region."""
    first = next(iter(curves[0].columns.values()))
    given = {
        "Spectrum ID": "20",
        "Analysis Method": "XPS",
        "Scan Mode": "FixedAnalyzerTransmission",
        "Curves/Scan": "1",
        "Values/Curve": str(first.size),
        "Dwell Time": "0.1",
        "Excitation Energy": "1486.61",
        "Binding Energy": f"{first[0]:g}",
        "Pass Energy": "20",
        "Eff. Workfunction": "4.1082",
        "Comment": "",
        **{key.replace("_", " "): value for key, value in fields.items()},
    }
    lines = [
        f"# Region:   {name}",
        *(f"# {key}:   {value}" for key, value in given.items() if key != "Number of Scans"),
    ]
    for k, curve in enumerate(curves):
        cycle = curve.heading.partition(",")[0]
        if k == 0 or cycle != curves[k - 1].heading.partition(",")[0]:
            lines += ["", f"# {cycle}", "#", f"# Number of Scans: {given.get('Number of Scans', '1')}", ""]
        lines += [f"# {curve.heading}", "#", f"# Acquisition Date:   {curve.date}"]
        lines += [f"# ColumnLabels:   {' '.join(curve.columns)}", "#"]
        lines += ["  ".join(f"{value:.8g}" for value in row) for row in zip(*curve.columns.values(), strict=True)]
        lines += curve.after
    return lines


def specs_xy(
    groups: dict[str, Sequence[Sequence[str]]], settings: dict[str, str] = PRODIGY, end: str = "\r\n"
) -> bytes:
    """Return a whole file of regions, each of which is a list of lines."""
    lines = ["# Created by:        SpecsLab Prodigy, Version 4.100.1-r111001", "#", "# XY-Serializer Export Settings:"]
    lines += [f"#   {key}:   {value}" for key, value in settings.items()] + ["#"]
    for group, regions in groups.items():
        lines += [f"# Group:   {group}", "#"]
        for region in regions:
            lines += [*region, ""]
    return end.join(lines).encode()
