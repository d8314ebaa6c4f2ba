"""The cell's electrochemistry: what really happens, at every time step, without any instrument."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import exp, tanh

import numpy as np

from .parameters import Equilibrium, Interphase, Parameters

REVERSAL_WIDTH = 2e-4
"""Seconds between the last sample of a step of the program and the first of the next."""

Floats = np.ndarray[tuple[int], np.dtype[np.float64]]


@dataclass(frozen=True)
class Onset:
    """The first sample beyond the potential at which a side reaction sets in.

    ``level`` is that potential, V vs Li+/Li, and ``crossing`` when the straight line from the sample before passes it.
    """

    reaction: str
    half_cycle: int
    seconds: float
    level: float
    crossing: float


@dataclass(frozen=True)
class Run:
    """What the cell does, sample by sample; between samples every quantity is a straight line.

    ``seconds`` since the start of the log; ``potential`` vs Li+/Li and ``voltage`` as measured, V;
    ``current``, A, charge positive; ``charge``, C, passed since the start; ``soc`` coulometric;
    ``z`` the delithiated fraction of the cathode, which side reactions part from ``soc``; ``d_ox`` and
    ``d_red``, nm, of the oxidized and the reduced interphase; ``resistance``, ohm; ``half_cycle`` 0 at rest.
    """

    seconds: Floats
    potential: Floats
    voltage: Floats
    current: Floats
    charge: Floats
    soc: Floats
    z: Floats
    d_ox: Floats
    d_red: Floats
    resistance: Floats
    half_cycle: np.ndarray[tuple[int], np.dtype[np.int64]]
    onsets: tuple[Onset, ...]

    @property
    def reversals(self) -> Floats:
        """Times at which the current changes, the end of the rest included."""
        return self.seconds[1:][np.diff(self.half_cycle) > 0]

    def at(self, name: str, seconds: Floats | float) -> Floats:
        """Return a quantity at given times."""
        values: Floats = np.interp(seconds, self.seconds, getattr(self, name))
        return values

    def held(self, name: str, seconds: Floats) -> np.ndarray:
        """Return a quantity that keeps its value between samples (``current``, ``half_cycle``) at given times."""
        values: np.ndarray = getattr(self, name)[np.searchsorted(self.seconds, seconds, side="right") - 1]
        return values

    def mean(self, name: str, start: float, end: float) -> float:
        """Return the mean of a quantity between two times."""
        inside = (self.seconds > start) & (self.seconds < end)
        times = np.concatenate([[start], self.seconds[inside], [end]])
        values = np.interp(times, self.seconds, getattr(self, name))
        return float(np.trapezoid(values, times) / (end - start))


def equilibrium_potential(z: float, law: Equilibrium) -> float:
    """Return U(z), V vs Li+/Li."""
    potential = law.base + law.slope * z
    potential += sum(step.height * tanh((z - step.position) / step.width) for step in law.steps)
    potential -= law.filling.height * exp(-max(z, 0.0) / law.filling.width)
    if z < 0:
        potential -= law.exhausted.height * (1 - exp(z / law.exhausted.width))
    return potential


def growth(potential: float, d_ox: float, d_red: float, law: Interphase) -> tuple[float, float]:
    """Return the growth of the oxidized and of the reduced interphase, nm/s."""
    driven = max(0.0, 1 - exp(-(potential - law.oxidation_onset) / law.onset_width))
    oxidation = law.oxidation_rate * driven / (1 + d_ox / law.slowing_thickness)
    driven = max(0.0, 1 - exp(-(law.reduction_onset - potential) / law.onset_width))
    reduction = law.reduction_rate * driven / (1 + d_red / law.slowing_thickness)
    return oxidation, reduction


def run(parameters: Parameters) -> Run:
    """Return the whole run: a rest, then the cycles at constant current.

    Explicit steps of ``cell.time_step``. A step of the program ends at the sample that passes its limit; that
    sample is kept twice, with the old current and, ``REVERSAL_WIDTH`` later, with the new one.
    """
    cell = parameters.cell
    rows = np.array(list(_rows(parameters)))
    seconds, potential, current, charge, z, d_ox, d_red, resistance, half_cycle = rows.T
    return Run(
        seconds=seconds,
        potential=potential,
        voltage=potential - cell.potential_offset,
        current=current,
        charge=charge,
        soc=cell.z0 + charge / (3.6 * cell.capacity),
        z=z,
        d_ox=d_ox,
        d_red=d_red,
        resistance=resistance,
        half_cycle=half_cycle.astype(np.int64),
        onsets=tuple(_onsets(seconds, potential, half_cycle.astype(np.int64), parameters.interphase)),
    )


def _rows(parameters: Parameters) -> Iterator[tuple[float, ...]]:
    cell, law = parameters.cell, parameters.interphase
    step = cell.time_step
    program = [(0.0, 0.0), *[(cell.current, cell.upper_potential), (-cell.current, cell.lower_potential)] * cell.cycles]
    index, charge, z, d_ox, d_red = 0, 0.0, cell.z0, 0.0, 0.0
    rest = round(cell.rest / step)
    for half_cycle, (current, limit) in enumerate(program):
        while True:
            resistance = law.resistance + law.resistance_per_thickness * (d_ox + d_red)
            potential = equilibrium_potential(z, parameters.equilibrium) + current * resistance
            ended = index >= rest if current == 0 else (potential - limit) * current > 0
            last = ended and half_cycle == len(program) - 1
            time = index * step - (REVERSAL_WIDTH if ended and not last else 0.0)
            yield time, potential, current, charge, z, d_ox, d_red, resistance, half_cycle
            if ended:
                break
            oxidation, reduction = growth(potential, d_ox, d_red, law)
            parasitic = law.parasitic_charge * (oxidation - reduction)
            d_ox, d_red = d_ox + oxidation * step, d_red + reduction * step
            z += (current - parasitic) * step / (3.6 * cell.capacity)
            charge += current * step
            index += 1


def _onsets(seconds: Floats, potential: Floats, half_cycle: np.ndarray, law: Interphase) -> Iterator[Onset]:
    reactions = (("oxidation", law.oxidation_onset, 1.0), ("reduction", law.reduction_onset, -1.0))
    for index in range(1, seconds.size):
        for reaction, level, sign in reactions:
            before, after = ((potential[at] - level) * sign for at in (index - 1, index))
            if after > 0 >= before:
                start, end = float(seconds[index - 1]), float(seconds[index])
                crossing = start + (end - start) * float(before / (before - after))
                yield Onset(reaction, int(half_cycle[index]), end, level, crossing)
