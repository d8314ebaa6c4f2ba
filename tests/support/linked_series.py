"""A log of charge that rises and falls, and scans that follow it: made of numbers that are all known."""

from __future__ import annotations

import numpy as np
import xarray as xr

START = np.datetime64("2024-03-01T08:00:00", "ns")
PERIOD = 8 * 3600.0
MINUTE = 60.0


def at(seconds):
    """Return times, UTC, of seconds after the start."""
    return START + np.rint(np.asarray(seconds) * 1e9).astype("m8[ns]")


def charge(seconds):
    """Return a charge that falls from 1 to 0 and rises again, eight hours either way."""
    return np.abs(np.asarray(seconds) / PERIOD % 2 - 1)


def log(length, step=60.0, gaps=()):
    """Return a log of the charge; each gap is a pair of seconds without samples."""
    t = np.arange(0.0, length, step)
    for low, high in gaps:
        t = t[(t <= low) | (t >= high)]
    segment = np.searchsorted([low for low, _ in gaps], t - 1e-9, side="left")
    half = 1 + (t // PERIOD).astype(int)
    return xr.Dataset(
        {
            "charge": ("time", charge(t), {"units": "C", "long_name": "charge"}),
            "segment": ("time", segment),
            "half_cycle": ("time", half),
            "flag": ("time", np.zeros(t.size, int)),
        },
        {"time": at(t)},
    )


def scans(t, values, std, *, name="edge_energy", length=120.0, **coords):
    """Return a series of scans around times (s after the start)."""
    along = {key: ("scan", values_, {"units": "1"}) for key, values_ in coords.items()}
    return xr.Dataset(
        {
            name: ("scan", values, {"units": "eV", "long_name": "edge energy"}),
            f"{name}_std": ("scan", np.broadcast_to(std, np.shape(t)).astype(float), {"units": "eV"}),
        },
        {
            "time": ("scan", at(t)),
            "time_start": ("scan", at(t - length / 2)),
            "time_end": ("scan", at(t + length / 2)),
            "half_cycle": ("scan", 1.0 + t // PERIOD),
            "flag": ("scan", np.zeros(t.size, int)),
            **along,
        },
    )


def shared_noise(rng, n, neighbor, std):
    """Return noise whose neighbors correlate."""
    drawn = rng.normal(0, std, n)
    for k in range(1, n):
        drawn[k] = neighbor * drawn[k - 1] + np.sqrt(1 - neighbor**2) * drawn[k]
    return drawn


def scan_times(rng, n, apart=700.0, first=7200.0):
    """Return times (s) of scans that do not come quite regularly."""
    return first + apart * np.arange(n) + rng.uniform(-0.15, 0.15, n) * apart
