"""Write VAMAS files (ISO 14976): spectra with evenly spaced energies, as an XPS instrument exports them.

Field order after W. A. Dench, L. B. Hazell, M. P. Seah, Surf. Interface Anal. 13, 63 (1988),
doi:10.1002/sia.740130202.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np

FORMAT = "VAMAS Surface Chemical Analysis Standard Data Transfer Format 1988 May 4"
END = "end of experiment"
NEWLINE = "\r\n"
NOT_GIVEN = "1e+037"
"""What instruments write for a number that they do not know."""

ELECTRON_CHARGE = -1


@dataclass(frozen=True)
class Experiment:
    """What a file says of itself; ``variable`` is the label and the unit of its experimental variable."""

    institution: str
    instrument: str
    operator: str
    name: str
    comment: tuple[str, ...]
    variable: tuple[str, str]


@dataclass(frozen=True)
class Block:
    """One spectrum.

    ``started`` is the local time and ``hours_ahead`` what it is ahead of GMT; ``value`` is that of the experimental
    variable; ``first_energy`` and ``energy_step`` are kinetic energies, eV, ``dwell`` the s per energy and sweep;
    ``columns`` maps label and unit of each measured quantity to its text, energy by energy.
    """

    name: str
    sample: str
    started: datetime
    hours_ahead: int
    comment: tuple[str, ...]
    value: float
    source: tuple[str, float]
    incidence_angle: float
    pass_energy: float
    work_function: float
    emission_angle: float
    species: str
    transition: str
    first_energy: float
    energy_step: float
    dwell: float
    sweeps: int
    columns: dict[tuple[str, str], list[str]]


def text(experiment: Experiment, blocks: list[Block]) -> str:
    """Return the whole file."""
    lines = [*_header(experiment, len(blocks)), *(line for block in blocks for line in _block(block)), END, ""]
    return NEWLINE.join(lines)


def _header(experiment: Experiment, blocks: int) -> list[str]:
    """Return the file's own fields; nothing is left out of the blocks and nothing is added to them."""
    spectral_regions, left_out, manual_items, later_entries, later_block_entries = "0", "0", "0", "0", "0"
    return [
        FORMAT,
        experiment.institution,
        experiment.instrument,
        experiment.operator,
        experiment.name,
        str(len(experiment.comment)),
        *experiment.comment,
        "NORM",
        "REGULAR",
        spectral_regions,
        "1",
        *experiment.variable,
        left_out,
        manual_items,
        later_entries,
        later_block_entries,
        str(blocks),
    ]


def _block(block: Block) -> list[str]:
    started = block.started
    source, energy = block.source
    rows = list(zip(*block.columns.values(), strict=True))
    limits = [limit for column in block.columns.values() for limit in _limits(column)]
    strength, beam_width, source_azimuth = NOT_GIVEN, [NOT_GIVEN] * 2, NOT_GIVEN
    bias, analysis_width, takeoff_azimuth = "0", [NOT_GIVEN] * 2, NOT_GIVEN
    return [
        block.name,
        block.sample,
        *map(str, (started.year, started.month, started.day, started.hour, started.minute, started.second)),
        str(block.hours_ahead),
        str(len(block.comment)),
        *block.comment,
        "XPS",
        f"{block.value:g}",
        source,
        f"{energy:g}",
        strength,
        *beam_width,
        f"{block.incidence_angle:g}",
        source_azimuth,
        "FAT",
        f"{block.pass_energy:g}",
        "1",
        f"{block.work_function:g}",
        bias,
        *analysis_width,
        f"{block.emission_angle:g}",
        takeoff_azimuth,
        block.species,
        block.transition,
        str(ELECTRON_CHARGE),
        "kinetic energy",
        "eV",
        f"{block.first_energy:.6g}",
        f"{block.energy_step:g}",
        str(len(block.columns)),
        *(item for labels in block.columns for item in labels),
        "pulse counting",
        f"{block.dwell:g}",
        str(block.sweeps),
        "0",
        *[NOT_GIVEN] * 3,
        "0",
        str(sum(len(column) for column in block.columns.values())),
        *limits,
        *(item for row in rows for item in row),
    ]


def _limits(column: list[str]) -> tuple[str, str]:
    numbers = np.array(column, dtype=float)
    return column[int(np.argmin(numbers))], column[int(np.argmax(numbers))]
