"""The pure nickel substances, measured a week before with a monochromator that shows a little too much."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import xarray as xr

from . import nickel_spectra
from .cell import Floats, Run
from .noise import stream
from .parameters import Parameters, Reference
from .part import Part

HEADER = """\
# Simulated soft X-ray beamline, total electron yield
# Sample={sample}
# Time at start={start}
# Dwell per point (s)={dwell:.3f}
# photon energy\tdrain current\tI0
"""


def simulate(parameters: Parameters, _run: Run, seed: int) -> Part:
    """Return one text file a substance and their truth: the exact spectra are those of the Ni L2,3 series.

    Every substance is thick and pure; its TEY has the background of the series.
    """
    law = parameters.nickel
    measured = law.measured_references
    paths = files(parameters)
    contents = [_file(parameters, substance, hour, seed) for hour, substance in enumerate(law.references)]
    energy = nickel_spectra.energies(law)
    shift = {"units": "eV", "long_name": "energy shown minus true energy"}
    exact = {"units": "1", "long_name": "exact spectrum at the true energy, edge steps"}
    axis = {"units": "eV", "long_name": "true photon energy"}
    known = xr.Dataset(
        {
            "energy_shift": ("reference", np.full(len(paths), measured.shift), shift),
            "spectrum": (("reference", "energy"), nickel_spectra.references(energy, law), exact),
        },
        coords={
            "reference": np.array([*paths], dtype=object),
            "source": ("reference", np.array([path.rpartition("/")[2] for path in paths.values()], dtype=object)),
            "energy": ("energy", energy, axis),
        },
    )
    return Part(dict(zip(paths.values(), contents, strict=True)), "", {f"references/{law.node}": known})


def files(parameters: Parameters) -> dict[str, str]:
    """Return the path of every substance's file."""
    law = parameters.nickel
    stems = {one.name: one.name.replace(" ", "_") for one in law.references}
    return {name: f"{law.measured_references.folder}/{law.node}_{stem}.txt" for name, stem in stems.items()}


def _file(parameters: Parameters, substance: Reference, hour: int, seed: int) -> bytes:
    law = parameters.nickel
    start = (law.measured_references.start + timedelta(hours=hour)).isoformat(sep=" ", timespec="milliseconds")
    header = HEADER.format(sample=substance.name, start=start, dwell=law.dwell)
    rows = _measured(parameters, substance, stream(seed, "nickel reference", substance.name))
    lines = ["\t".join([f"{row[0]:.3f}", *(f"{value:.6e}" for value in row[1:])]) for row in rows]
    return (header + "\n".join([*lines, ""])).encode("ascii")


def _measured(parameters: Parameters, substance: Reference, noise: np.random.RandomState) -> np.ndarray:
    """Return the energy shown (eV), drain current and I0 (nA): Poisson counts of both."""
    law = parameters.nickel
    shown: Floats = nickel_spectra.energies(law)
    true = shown - law.measured_references.shift
    beam = (1 + law.i0_jump * noise.standard_normal()) * np.exp(-law.i0_decay * np.linspace(0, 1, shown.size))
    background = law.background + law.background_slope * (true - law.reference_energy)
    signal = background + nickel_spectra.reference(true, substance, law)
    drain = noise.poisson(law.measured_references.counts * beam * signal)
    i0 = noise.poisson(law.i0_counts * beam)
    return np.column_stack([shown, drain * law.drain_unit, i0 * law.i0_unit])
