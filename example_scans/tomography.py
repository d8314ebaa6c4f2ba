"""X-ray tomographic microscopy of the composite: a folder of TIFF slices a step, and the projections of one."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy import ndimage

from . import faults, image_files, microstructure, projections, scans
from .cell import Run
from .clocks import CLOCK, beamline_local_time
from .microstructure import Volume
from .noise import stream
from .parameters import Parameters
from .part import Part
from .tomography_truth import truth

LOG = """\
# Simulated tomographic microscope, reconstructed slices
# Sample=NCM811 with Li3PS4, operando
# Photon energy (keV)={energy:.3f}
# Voxel size (um)={voxel:.4f}
# Slices per step={voxels}
# step\tfolder\ttime at start\ttime at end
"""

RECIPE = """\
[[series]]                          # a volume a folder of slices: they stay in their files
node = "composite"
technique = "xtm"
files = ["{folder}/step_*/"]
reader = "tiff"
clock = "{clock}"
read = {{ log = "steps.txt" }}        # when each was measured, and how many slices it has

  [[series.steps]]
  use = "remove_rings"
  threshold = 12.0                  # standard uncertainties: thousands of circles are looked at, particles lie on some

  [[series.steps]]                  # grey levels are known from attenuation coefficients
  use = "segment"
  names = ["void", "electrolyte", "ncm"]
  levels = [{void}, {electrolyte}, {ncm}]

  [[series.steps]]
  use = "fractions"
  method = "grey"                   # void and electrolyte share voxels, which keeps small voids whole

  [[series.steps]]                  # below the surface of the electrode: the volume begins at it
  use = "probing_depth"

  [[series.steps]]                  # lost slices are taken to be like their neighbors
  use = "tortuosity"
  of = "electrolyte"
  dims = ["z"]                      # across the electrode

  [[series.steps]]
  use = "contact"
  a = "ncm"
  b = "electrolyte"
  blur = {blur:<26} # voxels: between particle and void it looks like electrolyte
  noise = {noise:<25} # of a voxel, grey levels: which gaps are too thin to be found

  [[series.steps]]                  # surfaces of the phases, and where all three meet
  use = "structure"
  of = ["electrolyte", "ncm"]
  quantities = ["surface"]          # "chords", "geodesic", "constrictivity", "correlation", "representative" as well
  triple = ["void", "electrolyte", "ncm"]
  blur = {blur:<26} # voxels: it fills grooves, and makes films as above

  [[series.steps]]                  # how much each particle has shrunk since the first volume
  use = "expansion"
  of = "ncm"
  blur = {blur:<26} # voxels

  [[series.steps]]
  use = "cracks"
  void = {void:<26} # grey level
  matrix = {electrolyte:<24} # of the electrolyte, which cracks run through
  noise = {noise:<25} # of a voxel, grey levels
  noise_blur = 0.0                  # voxels: neighbors share none of it
  blur = {blur:<26} # voxels
  particle = {ncm:<22} # of the particles, beside which gaps may open
  radius = 5.0                      # voxels, of the simulated cracks that tell the detection limit
  repeats = 3

  [[series.steps]]
  use = "label"
  of = "crack"
  smallest = 30                     # voxels

  [[series.steps]]                  # some slices, so that the report does not need the volumes themselves
  use = "preview"

  [[series.steps]]
  use = "objects"
  active = "ncm"

  [[series.steps]]                  # which crack is which, when it appears, what it grows into
  use = "track"
  node = "cracks"
"""


def simulate(parameters: Parameters, run: Run, seed: int) -> Part:
    """Return the volumes, the projections of one of them, and their truth.

    The composite keeps the state of a step's mean time while it is measured.
    """
    law = parameters.tomography
    if not law.steps:
        return Part({}, "")
    plans = [plan(parameters, number) for number in range(1, law.steps + 1)]
    known = scans.states(parameters, run, plans)
    passed = scans.passed(run, np.mean(plans, axis=1))
    fixed = microstructure.structure(law, seed)
    states = [microstructure.state(law, fixed, *now) for now in zip(known["z"].values, passed, strict=True)]
    files: dict[str, bytes] = {f"{law.folder}/steps.txt": _log(parameters)}
    labels = []
    for number, now in enumerate(states, 1):
        volume = microstructure.volume(law, fixed, now)
        labels.append(volume.label)
        files |= dict(_slices(parameters, number, volume, seed))
        if number == law.projected_step:
            files[f"{law.folder}/{name(number)}.h5"] = _projected(parameters, number, volume, seed)
    return Part(
        files,
        _recipe(parameters),
        {"xtm": truth(parameters, known, fixed, states, plans=plans, labels=np.array(labels))},
    )


def _recipe(parameters: Parameters) -> str:
    law = parameters.tomography
    levels = {
        name: round(law.grey_zero + law.grey_per_attenuation / length)
        for name, length in law.attenuation_lengths.items()
    }
    noise = law.noise * law.grey_per_attenuation
    return RECIPE.format(
        folder=law.folder, clock=CLOCK, void=round(law.grey_zero), noise=noise, blur=law.blur, **levels
    )


def attenuation(parameters: Parameters, volume: Volume) -> np.ndarray:
    """Return the linear attenuation coefficient of every voxel, 1/um: the mean of what fills it."""
    lengths = parameters.tomography.attenuation_lengths
    mu: np.ndarray = volume.ncm / lengths["ncm"] + (1 - volume.ncm - volume.void) / lengths["electrolyte"]
    return mu


def reconstructed(parameters: Parameters, number: int, volume: Volume, seed: int) -> np.ndarray:
    """Return a step's grey levels (uint16) before any slice is lost: blurred, with noise and, maybe, the ring."""
    law = parameters.tomography
    mu: np.ndarray = ndimage.gaussian_filter(attenuation(parameters, volume), law.blur, mode="nearest")
    mu += law.noise * stream(seed, "xtm", "noise", number).standard_normal(mu.shape)
    if "ring_artifact" in faults.of_volume(number, parameters.faults):
        mu += ring(parameters)
    grey = np.rint(law.grey_zero + law.grey_per_attenuation * mu)
    image: np.ndarray = np.clip(grey, 0, faults.SATURATED - 1).astype(np.uint16)
    return image


def ring(parameters: Parameters) -> np.ndarray:
    """Return what the ring artifact adds to every slice, 1/um, dims (y, x)."""
    law = parameters.tomography
    across = np.arange(law.voxels) - (law.voxels - 1) / 2
    distance = np.hypot(across[:, np.newaxis], across) - law.ring.radius * law.voxels
    added: np.ndarray = law.ring.height * np.exp(-((distance / law.ring.width) ** 2) / 2)
    return added


def plan(parameters: Parameters, number: int) -> tuple[float, float]:
    """Return start and end of a step, counted from 1, s of the cycler's clock."""
    law = parameters.tomography
    start = law.first_step + law.period * (number - 1)
    return start, start + law.duration


def name(number: int) -> str:
    """Return the name of a step's folder."""
    return f"step_{number:03d}"


def _slices(parameters: Parameters, number: int, volume: Volume, seed: int) -> Iterator[tuple[str, bytes]]:
    """Yield path and content of a step's slices as they reach the disk."""
    law = parameters.tomography
    found = faults.of_volume(number, parameters.faults)
    grey = reconstructed(parameters, number, volume, seed)
    grey[sorted(found.get("saturated_frame", set()))] = faults.SATURATED
    if "surplus_frame" in found:
        grey = np.concatenate([grey, grey[-1:]])
    for index, image in enumerate(grey):
        if index not in found.get("missing_frame", set()):
            path = f"{law.folder}/{name(number)}/slice_{index + 1:04d}.tif"
            yield path, image_files.tiff(image, law.voxel_size)


def _projected(parameters: Parameters, number: int, volume: Volume, seed: int) -> bytes:
    law = parameters.tomography
    first = (law.voxels - min(law.projected_rows, law.voxels)) // 2
    rows = attenuation(parameters, volume)[first : first + law.projected_rows]
    start, _ = plan(parameters, number)
    return projections.dxchange(parameters, rows, beamline_local_time(start, parameters), seed)


def _log(parameters: Parameters) -> bytes:
    law = parameters.tomography
    header = LOG.format(energy=law.energy, voxel=law.voxel_size, voxels=law.voxels)
    lines = []
    for number in range(1, law.steps + 1):
        start, end = (beamline_local_time(second, parameters) for second in plan(parameters, number))
        lines.append(f"{number}\t{name(number)}\t{start}\t{end}\n")
    return (header + "".join(lines)).encode("ascii")
