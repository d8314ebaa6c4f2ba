"""The tables of ``cell.toml`` on the instruments that take images; its comments there give units and meaning."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from .tables import Stretch, Table


class Xpeem(Table):
    """The Ni L3 image stacks of the photoemission electron microscope."""

    folder: str
    node: str
    scans: int = Field(ge=0)
    first_scan: float
    period: float = Field(gt=0)
    frame_time: float = Field(gt=0)
    energies: tuple[Stretch, ...]
    pre_edge: tuple[float, float]
    post_edge: tuple[float, float]
    pixels: int = Field(ge=32)
    field_of_view: float = Field(gt=0)
    dispersion: float
    particles: int = Field(ge=1)
    inactive: int = Field(ge=0)
    radius: tuple[float, float]
    edge_width: float = Field(gt=0)
    state_spread: float = Field(ge=0)
    layer_spread: float = Field(ge=0)
    brightness_spread: float = Field(ge=0)
    particle_counts: float = Field(gt=0)
    edge_counts: float = Field(gt=0)
    background_counts: float = Field(gt=0)
    background_slope: float
    background_texture: float = Field(ge=0)
    reference_energy: float
    drift_range: float = Field(ge=0)
    drift_between: float = Field(ge=0)
    i0_jitter: float = Field(ge=0)
    i0_decay: float = Field(ge=0)
    i0_noise: float = Field(ge=0)
    i0_current: float = Field(gt=0)
    vignetting: float = Field(ge=0)
    fixed_pattern: float = Field(ge=0)
    dark_counts: float = Field(ge=0)
    flat_counts: float = Field(gt=0)
    flat_frames: int = Field(ge=1)

    @property
    def frames(self) -> int:
        """The number of frames of a stack."""
        return sum(round((part.stop - part.start) / part.step) for part in self.energies)

    @property
    def pixel(self) -> float:
        """The edge of a pixel on the sample, um."""
        return self.field_of_view / self.pixels


class Crack(Table):
    """A penny-shaped crack; places and radii in edges of the volume."""

    center: tuple[float, float, float]
    normal: tuple[float, float, float]
    onset: float = Field(ge=0, lt=1)
    radius: tuple[float, float]
    aperture: tuple[float, float]


class ContactLoss(Table):
    """The gap that opens between a particle and the electrolyte."""

    share: float = Field(ge=0, le=1)
    gap: float = Field(ge=0)
    angle: tuple[float, float]
    irreversible: float = Field(ge=0, le=1)


class Ring(Table):
    """The ring artifact."""

    radius: float = Field(gt=0)
    width: float = Field(gt=0)
    height: float


class Tomography(Table):
    """The X-ray tomographic microscopy of the composite."""

    folder: str
    steps: int = Field(ge=0)
    first_step: float
    period: float = Field(gt=0)
    duration: float = Field(gt=0)
    voxels: int = Field(ge=16)
    voxel_size: float = Field(gt=0)
    energy: float = Field(gt=0)
    attenuation_lengths: dict[Literal["ncm", "electrolyte"], float]
    ncm_fraction: float = Field(ge=0, lt=0.5)
    ncm_radius: tuple[float, float]
    pore_fraction: float = Field(ge=0, lt=0.5)
    pore_radius: tuple[float, float]
    volume_change: float
    contact_loss: ContactLoss
    cracks: tuple[Crack, ...]
    blur: float = Field(ge=0)
    noise: float = Field(ge=0)
    grey_zero: float
    grey_per_attenuation: float = Field(gt=0)
    ring: Ring
    tortuosity: bool
    projected_step: int = Field(ge=0)
    projections: int = Field(ge=1)
    projected_rows: int = Field(ge=1)
    axis_offset: float
    beam_counts: float = Field(gt=0)
    dark_counts: float = Field(ge=0)
    flat_frames: int = Field(ge=1)
