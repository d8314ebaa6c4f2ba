"""The fluorescence yield (TFY) of the cathode under its layer, without an instrument: bulk-sensitive, self-absorbed.

Attenuation coefficients are those of Elam's tables, in 1/nm, with the Ni L2,3 edge step of the tables and the
shape of the simulated spectra.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from . import nickel_spectra
from .cell import Floats
from .parameters import Fluorescence, Nickel

PER_NM = 1e-7
"""1/cm in 1/nm."""

STRETCHED_TO = 50
"""Energies from which the absorption below the edge is extrapolated."""


@dataclass(frozen=True)
class Tables:
    """Attenuation by all but the element's L2,3 edge over energy, its edge step, and that of the emitted line, 1/nm."""

    without_edge: Floats
    step: float
    emitted: float


def tables(energy: Floats, law: Fluorescence) -> Tables:
    """Return the tabulated attenuation of the material at the energies of a scan."""
    exponent, level, step, emitted = _read(law)
    return Tables(level * energy**exponent, step, emitted)


@cache
def _read(law: Fluorescence) -> tuple[float, float, float, float]:
    """Return exponent and factor of the attenuation below the edge, the edge step, and that of the emitted line."""
    from xraydb import material_mu, xray_lines

    def tabulated(energy: Floats) -> Floats:
        return np.asarray(material_mu(law.material, energy, density=law.density)) * PER_NM

    below = np.linspace(*law.below, STRETCHED_TO)
    exponent, logarithm = np.polyfit(np.log(below), np.log(tabulated(below)), 1)
    level = np.exp(logarithm)
    above, emitted = tabulated(np.array([law.above, xray_lines(law.element)[law.line].energy]))
    return float(exponent), float(level), float(above - level * law.above**exponent), float(emitted)


def attenuation(spectrum: np.ndarray, known: Tables) -> np.ndarray:
    """Return the attenuation coefficient of a substance, 1/nm; ``spectrum`` in edge steps."""
    coefficient: np.ndarray = known.without_edge + known.step * spectrum
    return coefficient


def per_depth(spectrum: np.ndarray, known: Tables, law: Fluorescence) -> np.ndarray:
    """Return 1/Lf, 1/nm: ``mu(E)/sin(incidence) + mu(line)/sin(takeoff)``."""
    incidence, takeoff = np.sin(np.deg2rad([law.incidence, law.takeoff]))
    inverse: np.ndarray = attenuation(spectrum, known) / incidence + known.emitted / takeoff
    return inverse


def depth_above(law: Nickel) -> float:
    """Return Lf above the edge, nm, where every reference is one edge step."""
    above = tables(np.array([law.fluorescence.above]), law.fluorescence)
    return float(1 / per_depth(np.ones(1), above, law.fluorescence)[0])


def bulk(z: Floats) -> np.ndarray:
    """Return the share of each reference in the cathode below the layer, dims (scan, reference)."""
    delithiated = np.clip(z, 0.0, 1.0)
    return np.stack([np.zeros_like(delithiated), 1 - delithiated, delithiated], axis=-1)


def surface(scans: int) -> np.ndarray:
    """Return the share of each reference in the layer, dims (scan, reference): reduced nickel alone."""
    return np.tile([1.0, 0.0, 0.0], (scans, 1))


def weights(z: Floats, d_ox: Floats, law: Nickel) -> np.ndarray:
    """Return the share of each reference in the TFY, dims (scan, reference), with Lf above the edge."""
    covered = (1 - np.exp(-nickel_spectra.layer(d_ox, law) / depth_above(law)))[:, np.newaxis]
    return np.asarray(covered * surface(z.size) + (1 - covered) * bulk(z))


def spectra(energy: Floats, z: Floats, d_ox: Floats, law: Nickel) -> np.ndarray:
    """Return the TFY in edge steps, without background, dims (scan, energy).

    With self-absorption, at depth x the beam has lost exp(-x mu(E)/sin(incidence)) and the line loses
    exp(-x mu(line)/sin(takeoff)), so that a layer of thickness t over the thick cathode gives
    ``s_layer/a_layer (1 - exp(-a_layer t)) + s_bulk/a_bulk exp(-a_layer t)``, a = 1/Lf(E), s in edge steps; scaled to
    1 for a spectrum of one edge step. Without, it is the mixture by ``weights``. Fluorescence of the other elements,
    which dips where nickel absorbs, is left out: the detector's background is flat.
    """
    references = nickel_spectra.references(energy, law)
    if not law.fluorescence.self_absorption:
        return np.asarray(weights(z, d_ox, law) @ references)
    known = tables(energy, law.fluorescence)
    layer, below = surface(z.size) @ references, bulk(z) @ references
    through_layer, through_bulk = (per_depth(part, known, law.fluorescence) for part in (layer, below))
    passed = np.exp(-through_layer * nickel_spectra.layer(d_ox, law)[:, np.newaxis])
    emitted = layer / through_layer * (1 - passed) + below / through_bulk * passed
    return np.asarray(emitted / depth_above(law))


def depths(energy: Floats, z: Floats, law: Nickel) -> np.ndarray:
    """Return Lf in the cathode, nm, dims (scan, energy)."""
    known = tables(energy, law.fluorescence)
    inverse = per_depth(bulk(z) @ nickel_spectra.references(energy, law), known, law.fluorescence)
    return np.asarray(1 / inverse)
