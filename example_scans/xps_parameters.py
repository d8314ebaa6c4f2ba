"""The photoemission tables of ``cell.toml``."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from .tables import Table


class Layer(Table):
    """What the electrons pass through."""

    attenuation_length: float = Field(gt=0)
    density: float = Field(gt=0)


class Layers(Table):
    """The stack, from the surface inwards."""

    reduced: Layer
    oxidized: Layer
    electrolyte: Layer


class CoreLine(Table):
    """A chemical state of a core level."""

    name: str
    layer: Literal["reduced", "oxidized", "electrolyte", "electrode"]
    energy: float
    atoms: float = Field(ge=0)


class CoreLevel(Table):
    """A core level and its spectrum."""

    name: str
    node: str
    range: tuple[float, float]
    scans: int = Field(ge=1)
    splitting: float = Field(ge=0)
    ratio: float = Field(ge=0)
    fwhm: float = Field(gt=0)
    sensitivity: float = Field(gt=0)
    background: float = Field(ge=0)
    slope: float
    loss: float = Field(ge=0)
    lines: tuple[CoreLine, ...]


class Photoemission(Table):
    """The photoemission series: one file a time point, one block a core level."""

    folder: str
    file: str
    scans: int = Field(ge=1)
    first_scan: float
    period: float = Field(gt=0)
    pause: float = Field(ge=0)
    photon_energy: float = Field(gt=0)
    work_function: float
    pass_energy: float = Field(gt=0)
    emission_angle: float = Field(ge=0, lt=90)
    transmission_exponent: float
    transmission_energy: float = Field(gt=0)
    dwell: float = Field(gt=0)
    step: float = Field(gt=0)
    counts: float = Field(gt=0)
    charging: float = Field(ge=0)
    shift_per_potential: float
    unshifted_potential: float
    lorentzian_share: float = Field(ge=0, le=1)
    layers: Layers
    levels: tuple[CoreLevel, ...]
