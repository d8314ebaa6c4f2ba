"""The photoemission series: S 2p, P 2p and C 1s of every time point in one VAMAS file, on the beamline's clock."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np
import xarray as xr

from operando.flags import Flag

from . import scan_truth, vamas, xps_faults, xps_spectra
from .cell import Floats, Run
from .clocks import CLOCK, beamline_local_time
from .faults import combined
from .noise import stream
from .parameters import Parameters
from .part import Part
from .xps_parameters import CoreLevel, CoreLine, Photoemission

JUDGED = Flag.dead_detector | Flag.truncated | Flag.ec_gap
"""Flags whose truth is known for every spectrum."""

TRUTH = "xps"
NODE = "electrolyte"
INCIDENCE = 54.7

EXPERIMENT = vamas.Experiment(
    institution="Simulated beamline",
    instrument="Simulated hemispherical analyser",
    operator="Not Specified",
    name="operando",
    comment=("Simulated data: nothing here was measured", "Kinetic energies count from the Fermi level"),
    variable=("elapsed time", "s"),
)


RECIPE = """\
[[series]]                          # core levels of every time point, in one file each, fitted together
node = "{node}"
technique = "xps"
files = ["{folder}/{file}_*.vms"]
reader = "vamas"
clock = "{clock}"
read = {{ region = [{regions}] }}

  [[series.steps]]
  use = "deglitch"

  [[series.steps]]
  use = "fit"
  background = {{ kind = "shirley", polynomial = 1 }}   # of every region, fitted with the lines
  lines = [                         # energies at the potential at which nothing is shifted (eV) ...
{lines}
  ]

    [series.steps.shifts]           # ... from which charging moves all lines, the potential those of the electrolyte
{shifts}

  [[series.steps]]                  # how the electrolyte's lines follow the potential, charging taken off
  use = "shift_trend"
  against = "electrode"

  [[series.steps]]                  # from how deep lines come
  use = "probing_depth"
  attenuation_length = {length}          # nm, effective, of the electrolyte
"""

_LINE = """\
    {{ kind = "{kind}", region = "{region}", name = "{name}", position = {energy}, fwhm = {fwhm}, \
{partner}phase = "{phase}", mixing = {mixing} }},"""
_REACH = 4.5
"""How far a phase may shift, eV: by 0.9 eV/V over the range of potentials, and charging."""


def simulate(parameters: Parameters, run: Run, seed: int) -> Part:
    """Return the files, their section of the recipe and the truth of every core level.

    The spectra of a time point are those of the cell's mean state over it: it does not change while the levels
    are measured one after the other. VAMAS states the start of a spectrum in whole seconds, without a fraction.
    """
    law = parameters.xps
    known = {level.node: truth(parameters, run, seed, level) for level in law.levels}
    files = {
        f"{law.folder}/{source}": _file(parameters, number, known, seed)
        for number, source in enumerate(known[law.levels[0].node]["source"].values, 1)
    }
    return Part(files, _recipe(law), {f"{TRUTH}/{node}": ds for node, ds in known.items()})


def _recipe(law: Photoemission) -> str:
    """Return the section of the recipe: all lines of all levels, their widths and shapes common to a level."""
    phases = {item.name: _phase(item) for level in law.levels for item in level.lines}
    return RECIPE.format(
        node=NODE,
        folder=law.folder,
        file=law.file,
        clock=CLOCK,
        regions=", ".join(f'"{level.name}"' for level in law.levels),
        lines="\n".join(_line(level, item) for level in law.levels for item in level.lines),
        length=law.layers.electrolyte.attenuation_length,
        shifts="\n".join(
            f"    {phase} = {{ start = 0.0, low = {-_REACH}, high = {_REACH} }}"
            for phase in dict.fromkeys(phases.values())
        ),
    )


def _phase(item: CoreLine) -> str:
    return "electrode" if item.layer == "electrode" else "electrolyte"


def _line(level: CoreLevel, item: CoreLine) -> str:
    """Return a line of the recipe's model; the first line of a level sets width and shape of all."""
    first = level.lines[0]
    own = item is first
    doublet = level.ratio > 0
    return _LINE.format(
        kind="doublet" if doublet else "peak",
        region=level.name,
        name=f"{level.name} {item.name}",
        energy=item.energy,
        fwhm=round(level.fwhm, 1) if own else f'{{ link = "{level.name} {first.name}.fwhm" }}',
        partner=f"splitting = {level.splitting}, ratio = {level.ratio}, " if doublet else "",
        phase=_phase(item),
        mixing=0.3 if own else f'{{ link = "{level.name} {first.name}.mixing" }}',
    )


def truth(parameters: Parameters, run: Run, seed: int, level: CoreLevel) -> xr.Dataset:
    """Return what is true of one core level, spectrum by spectrum.

    ``potential`` and the other means are those over the spectrum itself; what the spectrum shows (``d_ox``,
    ``d_red``, ``shift_potential`` and what follows from them) is that of the whole time point. Areas hold for
    counts divided by the transmission and for the whole line, beyond the range too.
    """
    law = parameters.xps
    plans = [_plan(law, number, level) for number in range(1, law.scans + 1)]
    sources = [f"{law.file}_{number:04d}.vms" for number in range(1, law.scans + 1)]
    last = level is law.levels[-1]
    found = [
        xps_faults.of_spectrum(number, level.node, law.scans, parameters.faults, last=last)
        for number in range(1, law.scans + 1)
    ]
    deserved, tolerated = (
        np.array([combined(names, table) for names in found]) for table in (xps_faults.EXPECTED, xps_faults.TOLERATED)
    )
    ds = scan_truth.state(parameters, run, plans, sources)
    ds = ds.merge(_seen(parameters, run, seed, level), overwrite_vars=["d_ox", "d_red"])
    ds = ds.merge(scan_truth.faults(found, deserved | scan_truth.gap_flags(parameters, plans), tolerated))
    ds = ds.merge(_constants(level, law))
    return ds.assign_attrs(judged_flags=int(JUDGED), technique="xps", level=level.name, photon_energy=law.photon_energy)


def _seen(parameters: Parameters, run: Run, seed: int, level: CoreLevel) -> xr.Dataset:
    """Return what the spectra of a level show: layers, areas, shifts and binding energies."""
    law = parameters.xps
    points = [_time_point(law, number) for number in range(1, law.scans + 1)]
    d_ox, d_red, potential = (
        np.array([run.mean(name, *at) for at in points]) for name in ("d_ox", "d_red", "potential")
    )
    charging = np.array([_charging(law, number, seed) for number in range(1, law.scans + 1)])
    electrolyte = law.shift_per_potential * (potential - law.unshifted_potential)
    area = xps_spectra.areas(d_ox, d_red, level, law)
    position = xps_spectra.positions(charging, electrolyte, level)
    per_scan: dict[str, scan_truth.Column] = {
        "d_ox": (d_ox, "nm", "thickness of the oxidized interphase that the spectrum shows"),
        "d_red": (d_red, "nm", "thickness of the reduced interphase that the spectrum shows"),
        "shift_potential": (potential, "V", "potential vs Li+/Li that shifts the electrolyte's lines"),
        "charging_shift": (charging, "eV", "charging shift of all lines"),
        "electrolyte_shift": (electrolyte, "eV", "shift of the electrolyte's lines by the potential"),
        "total_area": (area.sum(axis=-1), "count*eV", "area of all lines"),
    }
    per_peak: dict[str, scan_truth.Column] = {
        "area": (area, "count*eV", "area of the line with its spin-orbit partner"),
        "fraction": (area / area.sum(axis=-1, keepdims=True), "1", "share of the line in the area"),
        "position": (position, "eV", "binding energy of the line as measured"),
        "transmission": (xps_spectra.transmission(position, law), "1", "transmission of the analyser at the line"),
    }
    names = np.array([item.name for item in level.lines], dtype=object)
    return scan_truth.labelled(per_scan).merge(scan_truth.labelled(per_peak, "peak")).assign_coords(peak=names)


def _constants(level: CoreLevel, law: Photoemission) -> xr.Dataset:
    """Return what is the same at all time points."""
    numbers = {
        "background": (level.background, "count", "background at the middle of the range, without the lines' own"),
        "background_slope": (level.slope, "count/eV", "slope of the background"),
        "background_loss": (level.loss, "1/eV", "background behind a line per area"),
        "background_energy": (float(np.mean(level.range)), "eV", "middle of the range"),
        "splitting": (level.splitting, "eV", "spin-orbit splitting"),
        "ratio": (level.ratio, "1", "area of the second line of a doublet per area of the first"),
        "fwhm": (level.fwhm, "eV", "full width at half maximum of every line"),
        "lorentzian_share": (law.lorentzian_share, "1", "share of the Lorentzian in a line's area"),
        "sensitivity": (level.sensitivity, "1", "sensitivity of the level against C 1s"),
        "shift_per_potential": (law.shift_per_potential, "eV/V", "shift of the electrolyte's lines per potential"),
        "emission_angle": (law.emission_angle, "deg", "emission angle from the surface's normal"),
    }
    constants = {name: xr.Variable((), value, _words(unit, text)) for name, (value, unit, text) in numbers.items()}
    layers = dict(law.layers)
    for name, unit, text in (
        ("attenuation_length", "nm", "effective attenuation length"),
        ("density", "1", "formula units per volume against Li3PS4"),
    ):
        constants[name] = xr.Variable("layer", [getattr(layer, name) for layer in layers.values()], _words(unit, text))
    return xr.Dataset(constants).assign_coords(layer=np.array(list(layers), dtype=object))


def _words(unit: str, meaning: str) -> dict[str, str]:
    return {"units": unit, "long_name": meaning}


def _charging(law: Photoemission, number: int, seed: int) -> float:
    return float(law.charging * stream(seed, "xps charging", number).standard_normal())


def _duration(level: CoreLevel, law: Photoemission) -> float:
    return law.dwell * level.scans * xps_spectra.binding_energies(level, law).size


def _time_point(law: Photoemission, number: int) -> tuple[float, float]:
    """Return start and end of a time point, s of the cycler's clock."""
    start = law.first_scan + law.period * (number - 1)
    return start, _plan(law, number, law.levels[-1])[1]


def _plan(law: Photoemission, number: int, level: CoreLevel) -> tuple[float, float]:
    """Return start and end of a spectrum, s of the cycler's clock."""
    before = law.levels[: [item.node for item in law.levels].index(level.node)]
    start = law.first_scan + law.period * (number - 1) + sum(_duration(item, law) + law.pause for item in before)
    return start, start + _duration(level, law)


def _file(parameters: Parameters, number: int, known: dict[str, xr.Dataset], seed: int) -> bytes:
    """Return one time point's VAMAS file."""
    law = parameters.xps
    blocks = [
        _block(parameters, number, level, known[level.node].isel(scan=number - 1), seed=seed) for level in law.levels
    ]
    content = vamas.text(EXPERIMENT, blocks)
    if parameters.faults.xps_truncated_last and number == law.scans:
        energies = xps_spectra.binding_energies(law.levels[-1], law)
        content = xps_faults.cut(content, energies, len(blocks[-1].columns), vamas.NEWLINE)
    return content.encode("ascii")


def _block(parameters: Parameters, number: int, level: CoreLevel, known: xr.Dataset, *, seed: int) -> vamas.Block:
    law = parameters.xps
    energy = xps_spectra.binding_energies(level, law)
    counts, transmission = _measured(level, law, known, stream(seed, "xps", number, level.node))
    found = str(known["fault"].item()).split()
    started = datetime.fromisoformat(beamline_local_time(_plan(law, number, level)[0], parameters))
    ahead = started.replace(tzinfo=ZoneInfo(parameters.experiment.timezone)).utcoffset()
    hours = round(ahead.total_seconds() / 3600) if ahead else 0
    species, transition = level.name.split()
    return vamas.Block(
        name=level.name,
        sample="Li3PS4 with NCM811 and carbon, operando",
        started=started,
        hours_ahead=hours + (xps_faults.WRONG_HOURS if "wrong_hour" in found else 0),
        comment=(f"Time point {number}", "Scan mode = FixedAnalyzerTransmission"),
        value=round(law.period * (number - 1)),
        source=("Al", law.photon_energy),
        incidence_angle=INCIDENCE,
        pass_energy=law.pass_energy,
        work_function=law.work_function,
        emission_angle=law.emission_angle,
        species=species,
        transition=transition,
        first_energy=law.photon_energy - energy[-1],
        energy_step=law.step,
        dwell=law.dwell,
        sweeps=level.scans,
        columns={
            ("counts", "d"): [str(value) for value in xps_faults.spoiled(counts, found)[::-1]],
            ("Transmission", "d"): [f"{value:.6f}" for value in transmission[::-1]],
        },
    )


def _measured(
    level: CoreLevel, law: Photoemission, known: xr.Dataset, noise: np.random.RandomState
) -> tuple[np.ndarray, Floats]:
    """Return Poisson counts and the analyser's transmission, over ascending binding energy."""
    transmission = xps_spectra.transmission(xps_spectra.binding_energies(level, law), law)
    expected = xps_spectra.spectrum(known["area"].values, known["position"].values, level, law)
    return noise.poisson(transmission * expected), transmission
