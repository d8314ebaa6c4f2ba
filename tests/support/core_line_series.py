"""Positions of the core lines of the simulated cell, with errors and all shifts known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from operando.example_scans import parameters, xps_spectra

LAW = parameters.load("small").xps
PHASES = {"electrolyte": {"S 2p": "all", "P 2p": "all"}, "electrode": {"C 1s": "all"}}


@dataclass(frozen=True)
class Series:
    """Fits by core level, and what is true of them: charging and shift (eV), potential (V), by scan."""

    fits: dict[str, xr.Dataset]
    charging: np.ndarray
    shift: np.ndarray
    potential: np.ndarray

    @property
    def zeroed(self) -> np.ndarray:
        """The shift, its mean over all scans zero."""
        return self.shift - self.shift.mean()


def core_line_series(
    scans: int = 60,
    seed: int = 1,
    std: tuple[float, float] = (0.005, 0.010),
    chemical: dict[tuple[str, str], np.ndarray] | None = None,
) -> Series:
    """Return positions with Gaussian errors of ``std`` (lowest, highest); ``chemical`` shifts single lines (eV)."""
    rng = np.random.default_rng(seed)
    potential = 3.0 + 1.2 * np.sin(np.linspace(0, 9, scans))
    charging = rng.normal(0, LAW.charging, scans)
    shift = LAW.shift_per_potential * (potential - LAW.unshifted_potential)
    fits = {}
    for level in LAW.levels:
        true = xps_spectra.positions(charging, shift, level)
        names = [line.name for line in level.lines]
        for (where, peak), departure in (chemical or {}).items():
            if where == level.name:
                true[:, names.index(peak)] += departure
        error = rng.uniform(*std, true.shape)
        values = {"position": true + error * rng.standard_normal(true.shape), "position_std": error}
        fits[level.name] = xr.Dataset(
            {name: (("scan", "peak"), value, {"units": "eV"}) for name, value in values.items()},
            coords={"peak": np.array(names, dtype=object), "potential": ("scan", potential, {"units": "V"})},
        )
    return Series(fits, charging, shift, potential)


def energies(level: str) -> list[float]:
    """Return the unshifted binding energies of the lines of a level (eV)."""
    return [line.energy for one in LAW.levels if one.name == level for line in one.lines]
