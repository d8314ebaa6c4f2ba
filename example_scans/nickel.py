"""The Ni L2,3 series: electron yield, I0 and fluorescence yield, one text file a scan, on the beamline's clock."""

from __future__ import annotations

import numpy as np
import xarray as xr

from operando.flags import Flag

from . import faults, fluorescence, nickel_references, nickel_spectra, scan_truth
from .cell import Floats, Run
from .clocks import CLOCK, beamline_local_time
from .noise import stream
from .parameters import Nickel, Parameters
from .part import Part

JUDGED = Flag.no_i0 | Flag.not_finite | Flag.truncated | Flag.duplicate_energy | Flag.unsorted_energy | Flag.ec_gap
"""Flags whose truth is known for every scan."""

HEADER = """\
# Simulated soft X-ray beamline, total electron yield and fluorescence yield
# Scan={number}
# Sample=NCM811 with Li3PS4, operando
# Detector gain={gain}
# Time at start={start}
# Time from start (seconds)={middle:.3f}
# Dwell per point (s)={dwell:.3f}
# photon energy\tdrain current\tI0\tfluorescence
"""

RECIPE = """\
[[series]]
node = "{node}"
technique = "xas"
files = ["{folder}/{node}_*.txt"]
reader = "columns"
clock = "{clock}"

  [series.read]                     # the reader's settings; labels as in the files
  columns = {{ energy = "photon energy", tey = "drain current", i0 = "I0", tfy = "fluorescence" }}
  units = {{ energy = "eV", tey = "nA", i0 = "nA", tfy = "nA" }}
  time = {{ start = "Time at start", middle = "Time from start (seconds)" }}

  [series.references]               # measured a week before, by electron yield alone
  read = {{ columns = {{ energy = "photon energy", tey = "drain current", i0 = "I0" }}, units = {{ energy = "eV" }} }}
  signal = "tey"

    [series.references.files]
{references}

  [[series.steps]]
  use = "normalize"
  signal = ["tey", "tfy"]           # each divided by i0: the surface, and deeper
  e0 = {e0:<27} # eV, fixed: the ranges below count from it
  pre1 = {pre[0]}
  pre2 = {pre[1]}
  norm1 = {post[0]:<24} # above the L2 white line
  norm2 = {post[1]}
  nnorm = 0                         # a constant post-edge

{correction}  [[series.steps]]
  use = "edge_energy"
  method = "half_height"

  [[series.steps]]                  # shares of the references, free of the errors of normalization
  use = "lcf"
  scale = true                      # each spectrum has a height ...
  background = "linear"             # ... and a background of its own
  bounds = [-0.5, 1.5]              # wide: noise around 0 and 1 is no sign of a poor fit
  shift = [-0.5, 0.5]               # eV, between the two measurements ...
  shift_signal = "tey"              # ... found in the signal that self-absorption does not bend

  [[series.steps]]                  # a layer of one substance on a bulk without it
  use = "depth_profile"
  substance = "{substance}"
  escape_depth = {escape_depth:<18} # nm, effective attenuation length of the electrons
  surface = 1.0
  bulk = 0.0

{depths}"""

DEPTHS = """\
  [[series.steps]]                  # how deep the {name} sees, by its own spectrum on the scale of the tables
  use = "probing_depth"
  signal = "{signal}"
  material = "{law.material}"
  density = {law.density}                     # g/cm^3
  element = "{law.element}"
  edge = "L3"
{more}  incidence = {law.incidence:<21} # deg to the surface
  takeoff = {law.takeoff}
"""

CORRECTION = """\
  [[series.steps]]
  use = "correct_self_absorption"
  signal = "tfy"
  material = "{law.material}"  # what attenuates
  element = "{law.element}"
  edge = "L3"
  line = "{law.line}"
  incidence = {law.incidence:<21} # deg to the surface
  takeoff = {law.takeoff}

"""


def simulate(parameters: Parameters, run: Run, seed: int) -> Part:
    """Return the scans, their section of the recipe and their truth.

    The spectrum of a scan is that of the cell's mean state over the scan, or ``lag`` seconds before: it does not
    change while it is measured.
    """
    law = parameters.nickel
    known = truth(parameters, run)
    files = {
        f"{law.folder}/{source}": _file(parameters, number, table(parameters, number, known, seed))
        for number, source in enumerate(known["source"].values, 1)
    }
    light, pure = law.fluorescence, nickel_references.files(parameters)
    recipe = RECIPE.format(
        node=law.node,
        folder=law.folder,
        clock=CLOCK,
        e0=law.reference_energy,
        pre=law.pre_edge,
        post=law.post_edge,
        references="\n".join(f'    "{name}" = "{file}"' for name, file in pure.items()),
        correction=CORRECTION.format(law=light) if light.self_absorption else "",
        substance=law.references[0].name,
        escape_depth=law.escape_depth,
        depths="\n".join(depths(parameters, signal) for signal in ("tey", "tfy")),
    )
    return Part(files, recipe, {f"xas/{law.node}": known})


def depths(parameters: Parameters, signal: str) -> str:
    """Return the step of the recipe that says how deep a yield sees."""
    law = parameters.nickel
    of_electrons = f"  escape_depth = {law.escape_depth:<18} # nm\n"
    of_photons = f'  line = "{law.fluorescence.line}"\n'
    return DEPTHS.format(
        signal=signal, name=signal.upper(), law=law.fluorescence, more=of_electrons if signal == "tey" else of_photons
    )


def truth(parameters: Parameters, run: Run) -> xr.Dataset:
    """Return what is true of each scan: its time, the cell's mean state over it, its spectra and its faults."""
    law = parameters.nickel
    plans = [plan(parameters, number) for number in range(1, law.scans + 1)]
    sources = [f"{law.node}_{number:04d}.txt" for number in range(1, law.scans + 1)]
    ds = _lagging(scan_truth.state(parameters, run, plans, sources), parameters, run, plans)
    shares = nickel_spectra.weights(ds["z"].values, ds["d_ox"].values, law)
    known, as_normalized = nickel_spectra.edge_energies(shares, law)
    found = [faults.of_scan(number, law.scans, parameters.faults) for number in range(1, law.scans + 1)]
    deserved, tolerated = (
        np.array([faults.combined(names, flags) for names in found]) for flags in (faults.EXPECTED, faults.TOLERATED)
    )
    columns: dict[str, scan_truth.Column] = {
        "layer": (nickel_spectra.layer(ds["d_ox"].values, law), "nm", "thickness of the layer of reduced nickel"),
        "edge_energy": (known, "eV", "half-height edge energy, normalized by the known edge step"),
        "edge_energy_normalized": (as_normalized, "eV", "half-height edge energy, normalized as the recipe asks"),
        "gain": (np.array([faults.GAIN if "gain_x10" in names else 1.0 for names in found]), "1", "gain of the TEY"),
    }
    ds = ds.merge(scan_truth.labelled(columns)).merge(_depths(ds, shares, law))
    ds = ds.merge(scan_truth.faults(found, deserved | scan_truth.gap_flags(parameters, plans), tolerated))
    return ds.assign_attrs(judged_flags=int(JUDGED), technique="xas")


def _lagging(ds: xr.Dataset, parameters: Parameters, run: Run, plans: list[tuple[float, float]]) -> xr.Dataset:
    """Return the cell's state with the matter that the spectra show behind it by the chemistry's lag."""
    lag = parameters.nickel.lag
    earlier = [(max(begin - lag, 0.0), max(end - lag, end - begin)) for begin, end in plans]
    seen = scan_truth.state(parameters, run, earlier, [*ds["source"].values])
    return ds.assign({name: seen[name] for name in ("z", "d_ox", "d_red")})


def _depths(ds: xr.Dataset, shares: np.ndarray, law: Nickel) -> xr.Dataset:
    """Return what two detectors that see to two depths are to find: shares by reference, depths and spectra."""
    z, d_ox, energy = ds["z"].values, ds["d_ox"].values, nickel_spectra.energies(law)
    by_reference: dict[str, scan_truth.Column] = {
        "weight": (shares, "1", "share in the TEY signal"),
        "weight_tfy": (fluorescence.weights(z, d_ox, law), "1", "share in the TFY signal without self-absorption"),
        "xs": (fluorescence.surface(z.size), "1", "share in the layer"),
        "xb": (fluorescence.bulk(z), "1", "share in the cathode below the layer"),
    }
    by_energy: dict[str, scan_truth.Column] = {
        "tfy": (fluorescence.spectra(energy, z, d_ox, law), "1", "TFY in edge steps, without background"),
        "Lf_energy": (fluorescence.depths(energy, z, law), "nm", "attenuation length of the TFY in the cathode"),
    }
    exact = (("reference", "energy"), nickel_spectra.references(energy, law), _words("1", "exact spectrum, edge steps"))
    constants = {
        "Le": ((), law.escape_depth, _words("nm", "effective attenuation length of the TEY")),
        "Lf": ((), fluorescence.depth_above(law), _words("nm", "attenuation length of the TFY above the edge")),
        "reference_spectrum": exact,
        "self_absorption": ((), int(law.fluorescence.self_absorption), _words("1", "whether the TFY is self-absorbed")),
    }
    two = scan_truth.labelled(by_reference, "reference").merge(scan_truth.labelled(by_energy, "energy"))
    names = np.array([substance.name for substance in law.references], dtype=object)
    axis = xr.Variable("energy", energy, _words("eV", "photon energy of a scan without faults"))
    return two.assign({name: xr.Variable(*each) for name, each in constants.items()}).assign_coords(
        reference=names, energy=axis
    )


def _words(unit: str, meaning: str) -> dict[str, str]:
    return {"units": unit, "long_name": meaning}


def plan(parameters: Parameters, number: int) -> tuple[float, float]:
    """Return start and end of a scan, s of the cycler's clock."""
    law = parameters.nickel
    start = law.first_scan + law.period * (number - 1)
    return start, start + law.dwell * _planned(parameters, number).size


def _planned(parameters: Parameters, number: int) -> Floats:
    law = parameters.nickel
    return faults.planned(nickel_spectra.energies(law), faults.of_scan(number, law.scans, parameters.faults))


def table(parameters: Parameters, number: int, known: xr.Dataset, seed: int) -> np.ndarray:
    """Return a scan as its detectors give it, dims (point, column): energy (eV), drain current, I0, TFY (nA)."""
    law = parameters.nickel
    found = faults.of_scan(number, law.scans, parameters.faults)
    energy = _planned(parameters, number)
    scan = known.isel(scan=number - 1)
    spectrum = scan["weight"].values @ nickel_spectra.references(energy, law)
    bulk = fluorescence.spectra(energy, np.atleast_1d(scan["z"].values), np.atleast_1d(scan["d_ox"].values), law)[0]
    return faults.spoiled(_measured(parameters, number, energy, spectrum, bulk=bulk, seed=seed), found)


def _file(parameters: Parameters, number: int, rows: np.ndarray) -> bytes:
    """Return one scan's text file."""
    law = parameters.nickel
    found = faults.of_scan(number, law.scans, parameters.faults)
    start, end = plan(parameters, number)
    header = HEADER.format(
        number=number,
        gain=f"{faults.GAIN if 'gain_x10' in found else 1.0:.0e}",
        start=beamline_local_time(start, parameters),
        middle=(end - start) / 2 * (1 + parameters.beamline.clock_drift),
        dwell=law.dwell,
    )
    lines = ["\t".join([f"{row[0]:.3f}", *(f"{value:.6e}" for value in row[1:])]) for row in rows]
    return (header + faults.cut(lines, found)).encode("ascii")


def _measured(
    parameters: Parameters, number: int, energy: Floats, spectrum: Floats, *, bulk: Floats, seed: int
) -> np.ndarray:
    """Return energy (eV), drain current, I0 and TFY (nA) as good detectors give them: Poisson counts of each.

    The beam jumps from scan to scan and once within the scan, and decays; all detectors see it alike.
    """
    law, tfy = parameters.nickel, parameters.nickel.fluorescence
    noise = stream(seed, "nickel", number)
    level, jump = 1 + law.i0_jump * noise.standard_normal(2)
    beam = level * np.where(np.arange(energy.size) < noise.uniform() * energy.size, 1.0, jump)
    beam = beam * np.exp(-law.i0_decay * np.linspace(0, 1, energy.size))
    beam = beam * faults.beam(energy.size, faults.of_scan(number, law.scans, parameters.faults))
    background = law.background + law.background_slope * (energy - law.reference_energy)
    i0 = noise.poisson(law.i0_counts * beam)
    drain = noise.poisson(law.yield_counts * beam * (background + spectrum))
    photons = stream(seed, "nickel fluorescence", number).poisson(tfy.counts * beam * (tfy.background + bulk))
    return np.column_stack([energy, drain * law.drain_unit, i0 * law.i0_unit, photons * tfy.unit])
