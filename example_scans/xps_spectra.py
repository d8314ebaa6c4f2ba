"""Core level spectra without an instrument: which layer shows how much of what, and where its lines lie."""

from __future__ import annotations

import numpy as np
from scipy.special import erf

from .cell import Floats
from .xps_parameters import CoreLevel, CoreLine, Photoemission

GAUSSIAN_HALF = np.sqrt(np.log(2.0))


def binding_energies(level: CoreLevel, law: Photoemission) -> Floats:
    """Return the binding energies of a spectrum, eV, ascending."""
    low, high = level.range
    energies: Floats = low + law.step * np.arange(round((high - low) / law.step) + 1, dtype=np.float64)
    return energies


def transmission(binding_energy: Floats | float, law: Photoemission) -> Floats:
    """Return the analyser's transmission, ``(Ekin / E0)^n``."""
    relative: Floats = (law.photon_energy - np.asarray(binding_energy)) / law.transmission_energy
    return relative**law.transmission_exponent


def line(distance: Floats, fwhm: float, lorentzian_share: float) -> Floats:
    """Return a line of unit area, 1/eV: the sum of a Gaussian and a Lorentzian of the same FWHM."""
    relative = distance / (fwhm / 2)
    gaussian = np.exp(-np.log(2.0) * relative**2) * GAUSSIAN_HALF / np.sqrt(np.pi)
    lorentzian = 1 / (np.pi * (1 + relative**2))
    mixed: Floats = ((1 - lorentzian_share) * gaussian + lorentzian_share * lorentzian) / (fwhm / 2)
    return mixed


def cumulative(distance: Floats, fwhm: float, lorentzian_share: float) -> Floats:
    """Return the integral of the line from low binding energy: from 0 to 1."""
    relative = distance / (fwhm / 2)
    gaussian = 0.5 * (1 + erf(GAUSSIAN_HALF * relative))
    lorentzian = 0.5 + np.arctan(relative) / np.pi
    mixed: Floats = (1 - lorentzian_share) * gaussian + lorentzian_share * lorentzian
    return mixed


def shares(d_ox: Floats, d_red: Floats, law: Photoemission) -> dict[str, Floats]:
    """Return the share of its full intensity that each layer shows, per scan.

    The reduced layer lies on the oxidized one and that on the electrolyte. A layer of thickness d and effective
    attenuation length l shows ``1 - exp(-d/(l cos th))`` and lets ``exp(-d/(l cos th))`` of what lies below pass.
    The carbon of the electrode lies beside them, uncovered.
    """
    cosine = np.cos(np.deg2rad(law.emission_angle))
    through_reduced = np.exp(-d_red / (law.layers.reduced.attenuation_length * cosine))
    through_oxidized = np.exp(-d_ox / (law.layers.oxidized.attenuation_length * cosine))
    return {
        "reduced": 1 - through_reduced,
        "oxidized": through_reduced * (1 - through_oxidized),
        "electrolyte": through_reduced * through_oxidized,
        "electrode": np.ones_like(through_reduced),
    }


def areas(d_ox: Floats, d_red: Floats, level: CoreLevel, law: Photoemission) -> np.ndarray:
    """Return the area of each line with its spin-orbit partner, counts eV, dims (scan, peak), at transmission 1.

    Proportional to sweeps, sensitivity, atoms per volume and attenuation length of the layer, and to its share.
    """
    visible = shares(d_ox, d_red, law)
    scale = brightness(law) * level.scans * level.sensitivity
    return np.stack([scale * _full(item, law) * visible[item.layer] for item in level.lines], axis=-1)


def brightness(law: Photoemission) -> float:
    """Return counts eV per sweep, unit of sensitivity and atom: what gives the fresh electrolyte its S 2p3/2 counts."""
    level = next(level for level in law.levels if level.node == "S_2p")
    item = next(item for item in level.lines if item.layer == "electrolyte")
    height = float(line(np.zeros(1), level.fwhm, law.lorentzian_share)[0])
    area = law.counts / height * (1 + level.ratio)
    return area / (level.scans * level.sensitivity * _full(item, law))


def _full(item: CoreLine, law: Photoemission) -> float:
    """Return the relative intensity of a line whose layer is thick and uncovered."""
    if item.layer == "electrode":
        return item.atoms
    layer, electrolyte = getattr(law.layers, item.layer), law.layers.electrolyte
    return float(item.atoms * layer.density * layer.attenuation_length / electrolyte.attenuation_length)


def positions(charging: Floats, electrolyte: Floats, level: CoreLevel) -> np.ndarray:
    """Return the binding energies of the lines as measured, eV, dims (scan, peak): of the 2p3/2 in a doublet.

    Charging moves all lines, the potential only those of the electrolyte and of its layers.
    """
    lines = level.lines
    return np.stack(
        [item.energy + charging + (0 if item.layer == "electrode" else electrolyte) for item in lines], axis=-1
    )


def spectrum(area: Floats, position: Floats, level: CoreLevel, law: Photoemission) -> Floats:
    """Return a spectrum at transmission 1, counts: lines and background, on ``binding_energies``.

    ``b0 + b1 (E - Em) + sum A_j [f_j(E) + k F_j(E)]``: every line f raises the background at higher binding energy
    by its integral F; Em is the middle of the range.
    """
    energy = binding_energies(level, law)
    counts: Floats = level.background + level.slope * (energy - np.mean(level.range))
    main = area / (1 + level.ratio)
    parts = ((0.0, main), (level.splitting, main * level.ratio))
    for offset, values in parts:
        distance = energy - position[:, np.newaxis] - offset
        shape = line(distance, level.fwhm, law.lorentzian_share)
        counts = counts + values @ (shape + level.loss * cumulative(distance, level.fwhm, law.lorentzian_share))
    return counts
