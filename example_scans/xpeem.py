"""The Ni L3 image stacks: one TIFF file a frame with a text log, and the same stack as one HDF5 file."""

from __future__ import annotations

import numpy as np
import xarray as xr

from . import faults, image_files, nickel_references, nickel_spectra, xpeem_truth
from .cell import Floats, Run
from .clocks import CLOCK, beamline_local_time
from .nickel import depths
from .noise import stream
from .parameters import Parameters
from .part import Part
from .xpeem_scene import Scene, covers, scene, texture

LOG = """\
# Simulated photoemission electron microscope
# Stack={number}
# Sample=NCM811 with Li3PS4, operando
# Pixel size (um)={pixel:.4f}
# Time at start={start}
# Time per frame (s)={frame_time:.3f}
# Flat=../flat.tif
# Dark=../dark.tif
# frame\tfile\tphoton energy (eV)\ttime\tI0 (nA)
"""


RECIPE = """\
[[series]]                          # stacks of images: they stay in their files, the store holds what they give
node = "{node}"
technique = "xpeem"
files = ["{folder}/{node}_*/{node}_*.txt"]    # the logs, which name image, energy, time and I0 of every frame
reader = "image_log"
clock = "{clock}"

  [series.read]
  columns = {{ energy = "photon energy (eV)", time = "time", i0 = "I0 (nA)" }}
  units = {{ energy = "eV", i0 = "nA" }}

  [series.references]
  reader = "columns"
  read = {{ columns = {{ energy = "photon energy", tey = "drain current", i0 = "I0" }}, units = {{ energy = "eV" }} }}
  signal = "tey"

    [series.references.files]
{references}

  [[series.steps]]
  use = "correct"                   # dark, flat and I0
  gain = 1.0                        # counts per electron: the camera counts single ones
  i0_noise = {i0_noise:<22} # relative, of every reading of I0

  [[series.steps]]
  use = "drift"                     # of every frame, counted from the first frame of the first stack

  [[series.steps]]
  use = "align"

  [[series.steps]]                  # what holds nickel, found in the first stack
  use = "regions"
  pre_edge = [{pre[0]}, {pre[1]}]
  post_edge = [{post[0]}, {post[1]}]

  [[series.steps]]
  use = "spectra"

  [[series.steps]]
  use = "normalize"
  e0 = {e0:<27} # eV
  pre1 = {pre_from[0]}
  pre2 = {pre_from[1]}
  norm1 = {post_from[0]:<24} # between the white lines of L3 and L2
  norm2 = {post_from[1]}
  nnorm = 0

  [[series.steps]]
  use = "edge_energy"

  [[series.steps]]
  use = "lcf"
  scale = true
  background = "linear"
  bounds = [-0.5, 1.5]
  shift = [-0.5, 0.5]

{depths}
  [[series.steps]]                  # the same for every pixel
  use = "fraction_maps"
  e0 = {e0}
  pre1 = {pre_from[0]}
  pre2 = {pre_from[1]}
  norm1 = {post_from[0]}
  norm2 = {post_from[1]}
  nnorm = 0
  scale = true
  background = "linear"
  bounds = [-0.5, 1.5]
"""


def simulate(parameters: Parameters, run: Run, seed: int) -> Part:
    """Return the stacks and their truth.

    The particles keep the state of the stack's mean time while it is taken, and so does every spectrum.
    """
    law = parameters.xpeem
    if not law.scans:
        return Part({}, "")
    sample = scene(law, seed)
    known = xpeem_truth.truth(parameters, run, sample, seed)
    flat, dark = _flat_and_dark(parameters, known["flat"].values, seed)
    files = {
        f"{law.folder}/{name}.tif": image_files.tiff(image, law.pixel)
        for name, image in (("flat", flat), ("dark", dark))
    }
    for number in range(1, law.scans + 1):
        files |= _stack(parameters, number, known.isel(scan=number - 1), sample, seed, flat_and_dark=(flat, dark))
    return Part(files, _recipe(parameters), {f"xpeem/{law.node}": known})


def _recipe(parameters: Parameters) -> str:
    law, e0 = parameters.xpeem, parameters.nickel.reference_energy
    return RECIPE.format(
        node=law.node,
        folder=law.folder,
        clock=CLOCK,
        references="\n".join(f'    "{name}" = "{file}"' for name, file in nickel_references.files(parameters).items()),
        e0=e0,
        i0_noise=law.i0_noise,
        pre=law.pre_edge,
        post=law.post_edge,
        pre_from=[energy - e0 for energy in law.pre_edge],
        post_from=[energy - e0 for energy in law.post_edge],
        depths=depths(parameters, "tey"),
    )


def expected(parameters: Parameters, known: xr.Dataset, sample: Scene, frame: int) -> np.ndarray:
    """Return the counts of a frame above the dark, without noise, at I0 = 1 and a flat of 1, dims (y, x).

    Parameters
    ----------
    known
        The truth of one stack.
    """
    law = parameters.xpeem
    shift = (float(known["drift_y"][frame]), float(known["drift_x"][frame]))
    rows = float(known["energy"][frame]) + law.dispersion * (np.arange(law.pixels) / (law.pixels - 1) - 0.5)
    spectra = known["weight"].values @ nickel_spectra.references(rows, parameters.nickel)
    slope = 1 + law.background_slope * (rows[:, np.newaxis] - law.reference_energy)
    image = law.background_counts * slope * (1 + law.background_texture * texture(sample, law.pixels, shift))
    for number, part, cover in covers(sample, law.pixels, shift):
        inside = law.particle_counts * slope[part[0]] + law.edge_counts * spectra[number, part[0], np.newaxis]
        image[part] += cover * (sample.brightness[number] * inside - image[part])
    return image


def _stack(
    parameters: Parameters,
    number: int,
    known: xr.Dataset,
    sample: Scene,
    seed: int,
    *,
    flat_and_dark: tuple[np.ndarray, np.ndarray],
) -> dict[str, bytes]:
    """Return the files of one stack: its frames, its log and its HDF5 file."""
    law, name = parameters.xpeem, xpeem_truth.stack_name(parameters, number)
    found = faults.of_stack(number, parameters.faults)
    missing = found.get("missing_frame", set())
    planned: list[int | None] = [*range(known.sizes["frame"]), *([None] if "surplus_frame" in found else [])]
    frames = np.array([_noisy(parameters, number, known, sample, seed, frame=frame) for frame in planned])
    for frame in found.get("saturated_frame", set()):
        frames[frame] = faults.SATURATED
    kept = [index for index in range(len(frames)) if index not in missing]
    files = {f"{law.folder}/{name}/{_file(name, index)}": image_files.tiff(frames[index], law.pixel) for index in kept}
    error = 1 + law.i0_noise * stream(seed, "xpeem", "I0", number).standard_normal(known.sizes["frame"])
    i0 = law.i0_current * known["i0"].values * error
    files[f"{law.folder}/{name}/{name}.txt"] = _log(parameters, number, known["energy"].values, i0)
    frames[sorted(missing)] = 0
    files[f"{law.folder}/{name}.h5"] = _hdf5(
        parameters, number, frames, known["energy"].values, i0, flat_and_dark=flat_and_dark
    )
    return files


def _noisy(
    parameters: Parameters, number: int, known: xr.Dataset, sample: Scene, seed: int, *, frame: int | None
) -> np.ndarray:
    """Return a frame as the camera counts it; None: a surplus one, at the last energy and place."""
    noise = stream(seed, "xpeem", "frame", number, "surplus" if frame is None else frame)
    at = known.sizes["frame"] - 1 if frame is None else frame
    light = float(known["i0"][at]) * known["flat"].values * expected(parameters, known, sample, at)
    counts = noise.poisson(light + parameters.xpeem.dark_counts)
    image: np.ndarray = np.minimum(counts, faults.SATURATED).astype(np.uint16)
    return image


def _log(parameters: Parameters, number: int, energy: Floats, i0: Floats) -> bytes:
    law, name = parameters.xpeem, xpeem_truth.stack_name(parameters, number)
    header = LOG.format(
        number=number,
        pixel=law.pixel,
        start=beamline_local_time(xpeem_truth.plan(parameters, number)[0], parameters),
        frame_time=law.frame_time,
    )
    lines = [
        f"{index + 1}\t{_file(name, index)}\t{at:.3f}\t{_frame_time(parameters, number, index)}\t{current:.6f}"
        for index, (at, current) in enumerate(zip(energy, i0, strict=True))
    ]
    return (header + "\n".join([*lines, ""])).encode("ascii")


def _hdf5(
    parameters: Parameters,
    number: int,
    frames: np.ndarray,
    energy: Floats,
    i0: Floats,
    *,
    flat_and_dark: tuple[np.ndarray, np.ndarray],
) -> bytes:
    """Return a stack's HDF5 file; a missing frame keeps the fill value 0, a surplus one makes ``frames`` too long."""
    law = parameters.xpeem
    elapsed = law.frame_time * (np.arange(energy.size) + 0.5) * (1 + parameters.beamline.clock_drift)
    counts = {"units": "counts", "dims": "y x"}
    return image_files.hdf5(
        {
            "energy": (energy, {"units": "eV", "long_name": "photon energy", "dims": "frame"}),
            "frames": (frames, {"units": "counts", "dims": "frame y x", "interpretation": "image"}),
            "i0": (i0, {"units": "nA", "dims": "frame"}),
            "time": (elapsed, {"units": "s", "long_name": "middle of the frame after start", "dims": "frame"}),
            "flat": (flat_and_dark[0], counts),
            "dark": (flat_and_dark[1], counts),
            "pixel_size": (law.pixel, {"units": "um"}),
        },
        {
            "title": f"Ni L3 stack {number}, simulated",
            "sample": "NCM811 with Li3PS4, operando",
            "start_time": beamline_local_time(xpeem_truth.plan(parameters, number)[0], parameters),
        },
    )


def _frame_time(parameters: Parameters, number: int, frame: int) -> str:
    start, _ = xpeem_truth.plan(parameters, number)
    return beamline_local_time(start + parameters.xpeem.frame_time * frame, parameters)


def _flat_and_dark(parameters: Parameters, flat: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean flat (dark included) and the mean dark as measured, counts."""
    law, noise = parameters.xpeem, stream(seed, "xpeem", "flat field")
    flat_sum = noise.poisson((law.flat_counts * flat + law.dark_counts) * law.flat_frames)
    dark_sum = noise.poisson(law.dark_counts * law.flat_frames, flat.shape)
    means = [np.rint(total / law.flat_frames).astype(np.uint16) for total in (flat_sum, dark_sum)]
    return means[0], means[1]


def _file(name: str, frame: int) -> str:
    return f"{name}_{frame + 1:04d}.tif"
