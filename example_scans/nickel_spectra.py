"""Ni L2,3 spectra without an instrument: three references, their mixture, and where its edge lies."""

from __future__ import annotations

import numpy as np
from scipy.special import expit, voigt_profile

from .cell import Floats
from .parameters import Nickel, Reference

DENSE_STEP = 0.01
L3_SHARE = 2 / 3


def reference(energy: Floats, substance: Reference, law: Nickel) -> Floats:
    """Return a substance's absorption in units of its whole L2,3 step, without background.

    ``2/3 F(E - E3) + 1/3 F(E - E2) + sum h [V(E - E_l) + r V(E - E_l - so)]`` with Fermi steps F and Voigt
    lines V of unit height; so is the spin-orbit splitting and r the L2 : L3 height of the white lines.
    """
    mu: Floats = L3_SHARE * expit((energy - substance.edge) / law.step_width)
    mu = mu + (1 - L3_SHARE) * expit((energy - substance.edge - law.spin_orbit) / (law.step_width * law.l2_broadening))
    for line in substance.lines:
        mu = mu + line.height * _voigt(energy - line.energy, line.sigma, law.lifetime)
        shifted = energy - line.energy - law.spin_orbit
        mu = mu + line.height * law.l2_height * _voigt(
            shifted, line.sigma * law.l2_broadening, law.lifetime * law.l2_broadening
        )
    return mu


def references(energy: Floats, law: Nickel) -> np.ndarray:
    """Return the three references, dims (reference, energy)."""
    return np.array([reference(energy, substance, law) for substance in law.references])


def weights(z: Floats, d_ox: Floats, law: Nickel) -> np.ndarray:
    """Return the share of each reference in the TEY signal, dims (scan, reference).

    A layer of reduced nickel, t = native + growth d_ox, covers the cathode: it gives 1 - exp(-t/L) of the
    signal, and the cathode, linear in z clipped to 0-1, the rest. Beyond 0-1 no reference covers it.
    """
    covered = 1 - np.exp(-layer(d_ox, law) / law.escape_depth)
    delithiated = np.clip(z, 0.0, 1.0)
    return np.stack([covered, (1 - covered) * (1 - delithiated), (1 - covered) * delithiated], axis=-1)


def layer(d_ox: Floats, law: Nickel) -> Floats:
    """Return the thickness of the layer of reduced nickel, nm."""
    return law.native_layer + law.layer_per_interphase * d_ox


def energies(law: Nickel) -> Floats:
    """Return the energies of a scan without faults, eV."""
    return np.concatenate(
        [part.start + part.step * np.arange(round((part.stop - part.start) / part.step)) for part in law.energies]
    )


def edge_energies(shares: np.ndarray, law: Nickel) -> tuple[Floats, Floats]:
    """Return where each noise-free mixture crosses half its edge step, by two definitions.

    The first is normalized by its own known step. The second is normalized as it is in practice, by a
    straight line through ``pre_edge`` and a constant through ``post_edge`` (both without their last
    energy), which takes the tails of the white lines for background.
    """
    dense, measured = np.arange(law.energies[0].start, law.energies[-1].stop, DENSE_STEP), energies(law)
    spectra, sampled = shares @ references(dense, law), shares @ references(measured, law)
    known = np.array([_crossing(dense, spectrum) for spectrum in spectra])
    pre, post = (_within(measured, law.reference_energy, limits) for limits in (law.pre_edge, law.post_edge))
    lines = np.polynomial.polynomial.polyfit(measured[pre] - law.reference_energy, sampled[:, pre].T, 1)
    above = sampled - np.polynomial.polynomial.polyval(measured - law.reference_energy, lines)
    flat = spectra - np.polynomial.polynomial.polyval(dense - law.reference_energy, lines)
    steps = above[:, post].mean(axis=1)
    as_normalized = np.array([_crossing(dense, spectrum) for spectrum in flat / steps[:, np.newaxis]])
    return known, as_normalized


def _within(energy: Floats, origin: float, limits: tuple[float, float]) -> np.ndarray:
    return (energy >= origin + limits[0] - 1e-6) & (energy < origin + limits[1] - 1e-6)


def _crossing(energy: Floats, normalized: Floats, level: float = 0.5) -> float:
    """Return the first energy at which ``normalized`` rises through ``level``, on a straight line between points."""
    above = int(np.argmax(normalized > level))
    low, high = normalized[above - 1], normalized[above]
    return float(energy[above - 1] + (level - low) / (high - low) * (energy[above] - energy[above - 1]))


def _voigt(distance: Floats, sigma: float, gamma: float) -> Floats:
    profile: Floats = voigt_profile(distance, sigma, gamma) / voigt_profile(0.0, sigma, gamma)
    return profile
