"""The Ni L2,3 series: total electron yield and I0, one column text file a scan, on the beamline's clock."""

from __future__ import annotations

import numpy as np
import xarray as xr

from operando.flags import Flag

from . import faults, nickel_spectra
from .cell import Floats, Run
from .clocks import CLOCK, beamline_local_time
from .noise import stream
from .parameters import Parameters
from .part import Part
from .truth import utc

JUDGED = Flag.no_i0 | Flag.not_finite | Flag.truncated | Flag.duplicate_energy | Flag.unsorted_energy | Flag.ec_gap
"""Flags whose truth is known for every scan."""

HEADER = """\
# Simulated soft X-ray beamline, total electron yield
# Scan={number}
# Sample=NCM811 with Li3PS4, operando
# Detector gain={gain}
# Time at start={start}
# Time from start (seconds)={middle:.3f}
# Dwell per point (s)={dwell:.3f}
# photon energy\tdrain current\tI0
"""

RECIPE = """\
[[series]]
node = "{node}"
technique = "xas"
files = ["{folder}/{node}_*.txt"]
reader = "columns"
clock = "{clock}"

  [series.read]                     # the reader's settings; labels as in the files
  columns = {{ energy = "photon energy", tey = "drain current", i0 = "I0" }}
  units = {{ energy = "eV", tey = "nA", i0 = "nA" }}
  time = {{ start = "Time at start", middle = "Time from start (seconds)" }}

  [[series.steps]]
  use = "normalize"
  signal = "tey"                    # divided by i0
  e0 = {e0:<27} # eV, fixed: the ranges below count from it
  pre1 = {pre[0]}
  pre2 = {pre[1]}
  norm1 = {post[0]:<24} # above the L2 white line
  norm2 = {post[1]}
  nnorm = 0                         # a constant post-edge

  [[series.steps]]
  use = "edge_energy"
  method = "half_height"
"""


def simulate(parameters: Parameters, run: Run, seed: int) -> Part:
    """Return the scans, their section of the recipe and their truth.

    The spectrum of a scan is that of the cell's mean state over the scan: it does not change while it is
    measured.
    """
    law = parameters.nickel
    plans = [_plan(parameters, number) for number in range(1, law.scans + 1)]
    known = truth(parameters, run, plans)
    files = {
        f"{law.folder}/{source}": _file(parameters, number, shares, seed)
        for number, (source, shares) in enumerate(zip(known["source"].values, known["weight"].values, strict=True), 1)
    }
    recipe = RECIPE.format(
        node=law.node, folder=law.folder, clock=CLOCK, e0=law.reference_energy, pre=law.pre_edge, post=law.post_edge
    )
    return Part(files, recipe, {f"xas/{law.node}": known})


def truth(parameters: Parameters, run: Run, plans: list[tuple[float, float]]) -> xr.Dataset:
    """Return what is true of each scan: its time, the cell's mean state over it, its spectrum and its faults.

    Parameters
    ----------
    plans
        Start and end of each scan, s of the cycler's clock.
    """
    law, start = parameters.nickel, parameters.experiment.start_utc
    begin, end = np.array(plans).T
    middle = (begin + end) / 2
    names = ("potential", "voltage", "current", "charge", "soc", "z", "d_ox", "d_red")
    units = dict(zip(names, ("V", "V", "A", "C", "1", "1", "nm", "nm"), strict=True))
    mean = {name: np.array([run.mean(name, *plan) for plan in plans]) for name in names}
    shares = nickel_spectra.weights(mean["z"], mean["d_ox"], law)
    known, as_normalized = nickel_spectra.edge_energies(shares, law)
    found = [faults.of_scan(number, law.scans, parameters.faults) for number in range(1, law.scans + 1)]
    columns: dict[str, tuple[np.ndarray, str, str]] = {
        **{name: (values, units[name], f"{name}, mean over the scan") for name, values in mean.items()},
        "half_cycle": (run.held("half_cycle", middle), "1", "half-cycle in the middle of the scan"),
        "reversals": (
            run.held("half_cycle", end) - run.held("half_cycle", begin),
            "1",
            "changes of the current within the scan",
        ),
        "layer": (nickel_spectra.layer(mean["d_ox"], law), "nm", "thickness of the layer of reduced nickel"),
        "edge_energy": (known, "eV", "half-height edge energy, normalized by the known edge step"),
        "edge_energy_normalized": (as_normalized, "eV", "half-height edge energy, normalized as the recipe asks"),
        "gain": (np.array([faults.GAIN if "gain_x10" in names else 1.0 for names in found]), "1", "gain of the TEY"),
        "flag": (_flags(parameters, found, begin, end), "1", "flags that the scan deserves"),
        "flag_tolerated": (
            np.array([faults.combined(names, faults.TOLERATED) for names in found], dtype=np.int32),
            "1",
            "flags that are no mistake either",
        ),
    }
    ds = xr.Dataset({name: ("scan", *_labelled(column)) for name, column in columns.items()})
    ds["weight"] = xr.Variable(("scan", "reference"), shares, {"units": "1", "long_name": "share in the TEY signal"})
    ds["fault"] = ("scan", np.array([" ".join(names) for names in found], dtype=object), {"long_name": "faults"})
    times = {"time": middle, "time_start": begin, "time_end": end}
    ds = ds.assign_coords({name: ("scan", utc(start, values)) for name, values in times.items()})
    sources = [f"{law.node}_{number:04d}.txt" for number in range(1, law.scans + 1)]
    ds = ds.assign_coords(
        source=("scan", np.array(sources, dtype=object)),
        reference=np.array([substance.name for substance in law.references], dtype=object),
    )
    return ds.assign_attrs(judged_flags=int(JUDGED), technique="xas")


def _plan(parameters: Parameters, number: int) -> tuple[float, float]:
    """Return start and end of a scan, s of the cycler's clock."""
    law = parameters.nickel
    start = law.first_scan + law.period * (number - 1)
    return start, start + law.dwell * _planned(parameters, number).size


def _planned(parameters: Parameters, number: int) -> Floats:
    law = parameters.nickel
    return faults.planned(nickel_spectra.energies(law), faults.of_scan(number, law.scans, parameters.faults))


def _flags(parameters: Parameters, found: list[list[str]], begin: Floats, end: Floats) -> np.ndarray:
    """Return the flags each scan deserves: those of its faults, and of the gap between the cycler's files."""
    cycler = parameters.cycler
    in_gap = (begin < cycler.split_time + cycler.gap) & (end > cycler.split_time) & parameters.faults.cycler_split
    flags = np.array([faults.combined(names, faults.EXPECTED) for names in found]) | (in_gap * int(Flag.ec_gap))
    return np.asarray(flags, dtype=np.int32)


def _file(parameters: Parameters, number: int, shares: np.ndarray, seed: int) -> bytes:
    """Return one scan's text file."""
    law = parameters.nickel
    found = faults.of_scan(number, law.scans, parameters.faults)
    energy = _planned(parameters, number)
    table = faults.spoiled(
        _measured(parameters, number, energy, shares @ nickel_spectra.references(energy, law), seed), found
    )
    start, end = _plan(parameters, number)
    header = HEADER.format(
        number=number,
        gain=f"{faults.GAIN if 'gain_x10' in found else 1.0:.0e}",
        start=beamline_local_time(start, parameters),
        middle=(end - start) / 2 * (1 + parameters.beamline.clock_drift),
        dwell=law.dwell,
    )
    lines = [f"{energy:.3f}\t{drain:.6e}\t{i0:.6e}" for energy, drain, i0 in table]
    return (header + faults.cut(lines, found)).encode("ascii")


def _measured(parameters: Parameters, number: int, energy: Floats, spectrum: Floats, seed: int) -> np.ndarray:
    """Return energy (eV), drain current and I0 (nA) as good detectors give them: Poisson counts of both.

    The beam jumps from scan to scan and once within the scan, and decays; both detectors see it alike.
    """
    law = parameters.nickel
    noise = stream(seed, "nickel", number)
    level, jump = 1 + law.i0_jump * noise.standard_normal(2)
    beam = level * np.where(np.arange(energy.size) < noise.uniform() * energy.size, 1.0, jump)
    beam = beam * np.exp(-law.i0_decay * np.linspace(0, 1, energy.size))
    background = law.background + law.background_slope * (energy - law.reference_energy)
    i0 = noise.poisson(law.i0_counts * beam)
    drain = noise.poisson(law.yield_counts * beam * (background + spectrum))
    return np.column_stack([energy, drain * law.drain_unit, i0 * law.i0_unit])


def _labelled(column: tuple[np.ndarray, str, str]) -> tuple[np.ndarray, dict[str, str]]:
    values, unit, meaning = column
    return values, {"units": unit, "long_name": meaning}
