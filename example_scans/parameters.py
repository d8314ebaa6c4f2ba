"""All numbers of the simulated beamtime: ``cell.toml``, one size of it, and the caller's changes."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import Field, ValidationError

from operando.errors import RecipeError

from .image_parameters import Tomography, Xpeem
from .tables import Stretch, Table
from .xps_parameters import Photoemission

DECLARED = Path(__file__).with_name("cell.toml")


class Experiment(Table):
    """When and where."""

    name: str
    start: datetime
    timezone: str
    truth_interval: float = Field(gt=0)

    @property
    def start_utc(self) -> datetime:
        """The start of the cycler's log in UTC."""
        return self.start.replace(tzinfo=ZoneInfo(self.timezone)).astimezone(UTC)


class Cell(Table):
    """The cell and its protocol."""

    active_mass: float = Field(gt=0)
    specific_capacity: float = Field(gt=0)
    rate: float = Field(gt=0)
    area: float = Field(gt=0)
    reference_electrode: str
    potential_offset: float
    z0: float
    rest: float = Field(gt=0)
    upper_potential: float
    lower_potential: float
    cycles: int = Field(ge=1)
    time_step: float = Field(gt=0)

    @property
    def capacity(self) -> float:
        """The charge that takes z from 0 to 1, mAh."""
        return self.specific_capacity * self.active_mass * 1e-3

    @property
    def current(self) -> float:
        """The charging current, A."""
        return self.rate * self.capacity * 1e-3


class TanhStep(Table):
    """A step of the equilibrium potential."""

    height: float
    position: float
    width: float = Field(gt=0)


class Exponential(Table):
    """An exponential end of the equilibrium potential."""

    height: float
    width: float = Field(gt=0)


class Equilibrium(Table):
    """The equilibrium potential U(z)."""

    base: float
    slope: float
    steps: tuple[TanhStep, ...]
    filling: Exponential
    exhausted: Exponential


class Interphase(Table):
    """Growth of the two interphases and what they do to the cell."""

    oxidation_onset: float
    reduction_onset: float
    oxidation_rate: float = Field(ge=0)
    reduction_rate: float = Field(ge=0)
    onset_width: float = Field(gt=0)
    slowing_thickness: float = Field(gt=0)
    parasitic_charge: float = Field(ge=0)
    resistance: float = Field(ge=0)
    resistance_per_thickness: float = Field(ge=0)


class Cycler(Table):
    """The potentiostat and its text log."""

    file: str
    sample_interval: float = Field(gt=0)
    record_voltage: float = Field(gt=0)
    record_interval: float = Field(gt=0)
    voltage_noise: float = Field(ge=0)
    current_noise: float = Field(ge=0)
    current_offset_std: float = Field(ge=0)
    split_time: float = Field(gt=0)
    gap: float = Field(gt=0)
    wrong_mass_factor: float = Field(gt=0)


class Beamline(Table):
    """The beamline's clock."""

    clock_offset: float
    clock_drift: float


class VoltageCopy(Table):
    """The cell's voltage on the beamline's recorder."""

    file: str
    noise: float = Field(ge=0)
    interval: float = Field(gt=0)
    dense_interval: float = Field(gt=0)
    dense_before: float = Field(ge=0)
    dense_after: float = Field(ge=0)


class Line(Table):
    """A white line."""

    energy: float
    height: float
    sigma: float = Field(gt=0)


class Reference(Table):
    """A pure substance's L2,3 spectrum."""

    name: str
    edge: float
    lines: tuple[Line, ...]


class Fluorescence(Table):
    """The fluorescence yield of the Ni L2,3 series."""

    material: str
    element: str
    density: float = Field(gt=0)
    line: str
    incidence: float = Field(gt=0, le=90)
    takeoff: float = Field(gt=0, le=90)
    below: tuple[float, float]
    above: float
    self_absorption: bool
    counts: float = Field(gt=0)
    background: float = Field(ge=0)
    unit: float = Field(gt=0)


class MeasuredReferences(Table):
    """The measurement of the pure substances."""

    folder: str
    counts: float = Field(gt=0)
    shift: float
    start: datetime


class Nickel(Table):
    """The Ni L2,3 series: electron yield and fluorescence yield."""

    folder: str
    node: str
    scans: int = Field(ge=1)
    first_scan: float
    period: float = Field(gt=0)
    lag: float = Field(ge=0)
    dwell: float = Field(gt=0)
    energies: tuple[Stretch, ...]
    escape_depth: float = Field(gt=0)
    native_layer: float = Field(ge=0)
    layer_per_interphase: float = Field(ge=0)
    i0_counts: float = Field(gt=0)
    i0_jump: float = Field(ge=0)
    i0_decay: float = Field(ge=0)
    yield_counts: float = Field(gt=0)
    background: float = Field(ge=0)
    background_slope: float
    drain_unit: float = Field(gt=0)
    i0_unit: float = Field(gt=0)
    spin_orbit: float = Field(gt=0)
    l2_height: float = Field(ge=0)
    l2_broadening: float = Field(gt=0)
    step_width: float = Field(gt=0)
    lifetime: float = Field(gt=0)
    reference_energy: float
    pre_edge: tuple[float, float]
    post_edge: tuple[float, float]
    references: tuple[Reference, Reference, Reference]
    fluorescence: Fluorescence
    measured_references: MeasuredReferences


class Nexus(Table):
    """Scans of the Ni L2,3 series that are written as NXxas too."""

    folder: str
    scans: tuple[int, ...]


class Faults(Table):
    """What goes wrong; each switch has its truth in ``truth.zarr``."""

    i0_dropout: tuple[int, ...]
    duplicate_energies: tuple[int, ...]
    descending_energies: tuple[int, ...]
    zero_tail: tuple[int, ...]
    gain_from: int = Field(ge=0)
    truncated_last: bool
    xpeem_missing_frame: tuple[tuple[int, int], ...]
    xpeem_surplus_frame: tuple[int, ...]
    xpeem_saturated_frame: tuple[tuple[int, int], ...]
    xtm_missing_slice: tuple[tuple[int, int], ...]
    xtm_surplus_slice: tuple[int, ...]
    xtm_saturated_slice: tuple[tuple[int, int], ...]
    xtm_ring: tuple[int, ...]
    cycler_split: bool
    wrong_header_mass: bool
    decimal_comma: bool
    top_up: tuple[int, ...]
    glitch: tuple[int, ...]
    xps_spike: tuple[int, ...]
    xps_dead_detector: tuple[int, ...]
    xps_wrong_hour: tuple[int, ...]
    xps_truncated_last: bool


class Parameters(Table):
    """Everything that, with the seed, decides the content of a simulated beamtime."""

    experiment: Experiment
    cell: Cell
    equilibrium: Equilibrium
    interphase: Interphase
    cycler: Cycler
    beamline: Beamline
    voltage_copy: VoltageCopy
    nickel: Nickel
    nexus: Nexus
    xps: Photoemission
    xpeem: Xpeem
    tomography: Tomography
    faults: Faults


def load(size: str = "small", overrides: Mapping[str, Any] | None = None) -> Parameters:
    """Return the parameters of one size, with the caller's changes.

    Parameters
    ----------
    size
        A table under ``sizes`` in ``cell.toml``: ``"small"`` or ``"full"``.
    overrides
        Tables like those of ``cell.toml``, such as ``{"nickel": {"scans": 10}}``.

    Raises
    ------
    RecipeError
        For a size or key that does not exist or a value of the wrong kind, all of them at once.
    """
    tables = tomllib.loads(DECLARED.read_text(encoding="utf-8"))
    sizes = tables.pop("sizes")
    if size not in sizes:
        raise RecipeError([f"size: expected one of {', '.join(sizes)}, got {size!r}"])
    try:
        parameters = Parameters.model_validate(_merged(_merged(tables, sizes[size]), overrides or {}))
    except ValidationError as error:
        raise RecipeError(
            f"{'.'.join(map(str, item['loc']))}: {item['msg']}, got {item['input']!r}" for item in error.errors()
        ) from None
    problems = list(_beside_the_images(parameters))
    if problems:
        raise RecipeError(problems)
    return parameters


def _beside_the_images(parameters: Parameters) -> Iterator[str]:
    """Yield the faults of images that do not exist."""
    last = {"xpeem": parameters.xpeem.frames, "xtm": parameters.tomography.voxels}
    for name in ("xpeem_missing_frame", "xpeem_saturated_frame", "xtm_missing_slice", "xtm_saturated_slice"):
        images = last[name.split("_")[0]]
        for scan, image in getattr(parameters.faults, name):
            if not 1 <= image <= images:
                yield f"faults.{name}: expected images 1 to {images}, got {[scan, image]}"


def _merged(tables: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``tables`` with ``changes``; tables merge, every other value is replaced."""
    merged = deepcopy(dict(tables))
    for key, value in changes.items():
        inner = merged.get(key)
        merged[key] = _merged(inner, value) if isinstance(inner, dict) and isinstance(value, Mapping) else value
    return merged
