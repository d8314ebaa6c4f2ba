"""A small experiment of every technique with all that exports are to keep: odd texts, gaps, flags, uncertainties."""

from __future__ import annotations

import json

import numpy as np
import xarray as xr

from operando import flags
from operando.flags import Flag
from operando.history import recorded
from operando.tomo.layout import RAW as TOMO
from operando.xas.layout import RAW as XAS
from operando.xps.layout import RAW as XPS

START = np.datetime64("2026-03-29T00:30:00.123456789", "ns")
ODD = 'Li₃PS₄ | "NCM811", it\'s #7 \\ µ'


def scans(count: int, **more) -> dict:
    """Return the coordinates of linked scans, the last one without time and flagged."""
    start = START + np.arange(count) * np.timedelta64(3_600_987_654_321, "ns")
    start[-1:] = np.datetime64("NaT") if count > 1 else start[-1:]
    flag = np.zeros(count, "int32")
    flag[-1] = int(Flag.no_time | Flag.truncated) if count > 1 else 0
    rng = np.random.default_rng(5)
    potential = rng.normal(3.7, 0.2, count)
    potential[-1] = np.nan if count > 1 else potential[-1]
    return {
        "time_start": ("scan", start, {"long_name": "start of the scan, UTC"}),
        "time": ("scan", start + np.timedelta64(61, "s"), {"long_name": "middle of the scan, UTC"}),
        "time_end": ("scan", start + np.timedelta64(122_000_000_001, "ns"), {"long_name": "end of the scan, UTC"}),
        "source": ("scan", np.array([f"day 1/{ODD}_{k}.dat" for k in range(count)], dtype=object)),
        "flag": ("scan", flag, flags.attrs()),
        "potential": ("scan", potential, {"units": "V", "long_name": "potential vs Li+/Li, mean over the scan"}),
        "potential_std": ("scan", np.full(count, 1e-3), {"units": "V", "long_name": "its spread"}),
        "half_cycle": ("scan", np.minimum(np.arange(count), 2.0), {"units": "1", "long_name": "half-cycle: 0 rest"}),
        "current": ("scan", np.where(np.arange(count) < 2, 1e-4, -1e-4), {"units": "A", "long_name": "current"}),
        **more,
    }


def told(step: str, ds: xr.Dataset, **metadata) -> xr.Dataset:
    names = {"xas": XAS, "xps": XPS, "tomo": TOMO}[step.partition(".")[0]].long_names()
    for name in set(names) & set(map(str, ds.variables)):
        ds[name].attrs["long_name"] = names[name]
    known = {"sample": ODD, **metadata}
    return recorded(ds.assign_attrs(format="made", metadata=json.dumps(known, ensure_ascii=False)), step, {"file": ODD})


def absorption(count: int = 4) -> xr.Dataset:
    rng = np.random.default_rng(1)
    energy = np.round(np.r_[np.arange(8300.0, 8330, 5), np.arange(8330, 8350, 0.7), np.arange(8350, 8420, 9.3)], 3)
    shape = count, energy.size
    i0, it = rng.uniform(1e5, 2e5, shape), rng.uniform(1e4, 5e4, shape)
    it[-1, -5:] = np.nan if count > 1 else it[-1, -5:]
    fluorescence = rng.poisson(500.0, (*shape, 3)).astype(float)
    return told(
        "xas.read",
        xr.Dataset(
            {
                "i0": (("scan", "energy"), i0, {"units": "nA", "long_name": "incoming intensity"}),
                "transmission": (("scan", "energy"), it, {"units": "nA", "long_name": "behind the sample"}),
                "fluorescence": (
                    ("scan", "energy", "detector"),
                    fluorescence,
                    {"units": "count", "long_name": "fluorescence"},
                ),
            },
            scans(
                count,
                energy=("energy", energy, {"units": "eV", "long_name": "photon energy"}),
                detector=("detector", np.array(["mca1", "mca2", "mca3"], dtype=object), {"long_name": "detector"}),
            ),
        ),
    )


def normalized(count: int = 4) -> xr.Dataset:
    raw = absorption(count)
    rng = np.random.default_rng(2)
    shape = count, 2, raw.sizes["energy"]
    dims = ("scan", "signal", "energy")
    e0 = np.full((count, 2), 8340.3)
    return raw.drop_vars(["i0", "transmission", "fluorescence", "detector"]).assign(
        normalized=(dims, rng.normal(0.5, 0.3, shape), {"units": "1", "long_name": "normalized absorption"}),
        normalized_std=(dims, rng.uniform(0, 0.01, shape), {"units": "1", "long_name": "standard uncertainty"}),
        e0=(("scan", "signal"), e0, {"units": "eV", "long_name": "energy of the steepest rise"}),
        edge_energy=("scan", rng.normal(8341, 0.1, count), {"units": "eV", "long_name": "edge energy"}),
        edge_energy_std=("scan", rng.uniform(0, 0.1, count), {"units": "eV", "long_name": "its uncertainty"}),
        signal=("signal", np.array(["transmission", "fluorescence"], dtype=object)),
    )


def photoemission(count: int = 3, region: str = "S 2p", start: float = 158.0, step: float = 0.1) -> xr.Dataset:
    rng = np.random.default_rng(3)
    energy = np.round(start + step * np.arange(60), 9)
    counts = rng.poisson(300.0, (count, energy.size)).astype(float)
    numbers = {"photon_energy": 1486.6, "dwell": 0.1, "sweeps": 3.0, "pass_energy": 20.0, "emission_angle": 0.0}
    units = {"photon_energy": "eV", "dwell": "s", "sweeps": "1", "pass_energy": "eV", "emission_angle": "deg"}
    ds = xr.Dataset(
        {
            "counts": (("scan", "binding_energy"), counts, {"units": "count", "long_name": "electrons counted"}),
            "transmission": (
                ("scan", "binding_energy"),
                1 + energy / 997 * np.ones((count, 1)),
                {"units": "1", "long_name": "transmission"},
            ),
            **{
                name: ("scan", np.full(count, value), {"units": units[name], "long_name": name})
                for name, value in numbers.items()
            },
        },
        scans(count, binding_energy=("binding_energy", energy, {"units": "eV", "long_name": "binding energy"})),
    )
    return told("xps.read", ds).assign_attrs(region=region)


def volumes(count: int = 2, shape: tuple[int, int, int] = (6, 8, 10)) -> xr.Dataset:
    rng = np.random.default_rng(4)
    dims = ("scan", "z", "y", "x")
    places = {
        axis: (axis, (np.arange(size) + 0.5) * 0.65, {"units": "um", "long_name": f"place along {axis}"})
        for axis, size in zip("zyx", shape, strict=True)
    }
    full = (count, *shape)
    grey = rng.integers(0, 2**16, full).astype("uint16")
    return told(
        "tomo.read",
        xr.Dataset(
            {
                "grey": (dims, grey, {"units": "1", "long_name": "grey value"}),
                "label": (dims, rng.integers(0, 9, full).astype("int32"), {"units": "1", "long_name": "object"}),
                "void_mask": (dims, rng.random(full) > 0.5, {"units": "1", "long_name": "void"}),
                "void_fraction": ("scan", rng.random(count), {"units": "1", "long_name": "volume fraction of voids"}),
            },
            scans(
                count,
                **places,
                voxel_size=("scan", np.full(count, 0.65), {"units": "um", "long_name": "edge of a voxel"}),
                frame_flag=(("scan", "z"), np.zeros((count, shape[0]), "int32"), flags.attrs()),
            ),
        ),
    )


def cycling(samples: int = 90) -> xr.Dataset:
    """Return a log in two pieces: a charge, a rest, a discharge."""
    seconds = np.arange(samples) * 60.25
    seconds[samples // 2 :] += 1234.5
    time = START + (seconds * 1e9).astype("timedelta64[ns]")
    current = np.where(seconds < 2000, 1.37e-4, np.where(seconds < 3000, 0.0, -1.37e-4))
    charge = np.r_[0.0, np.cumsum(current[1:] * np.where(np.diff(seconds) < 100, np.diff(seconds), 0.0))]
    return xr.Dataset(
        {
            "voltage": ("time", 3.5 + 0.3 * np.sin(seconds / 3e3), {"units": "V", "long_name": "voltage as measured"}),
            "current": ("time", current, {"units": "A", "long_name": "current, charge positive"}),
            "charge": ("time", charge, {"units": "C", "long_name": "charge passed"}),
            "step": ("time", (seconds > 2000).astype("int32"), {"units": "1", "long_name": "step"}),
            "cycle": ("time", np.ones(samples, "int64"), {"units": "1", "long_name": "cycle number"}),
            "half_cycle": ("time", 1 + (seconds >= 3000).astype("int64"), {"units": "1", "long_name": "half-cycle"}),
            "segment": ("time", (np.arange(samples) >= samples // 2).astype("int32"), {"units": "1"}),
            "flag": ("time", np.zeros(samples, "int32"), flags.attrs()),
        },
        {"time": ("time", time, {"long_name": "time, UTC"})},
        {"format": "made", "history": json.dumps([{"step": "echem.read", "parameters": {}, "version": "0"}])},
    )


def experiment() -> xr.DataTree:
    """Return an experiment with a node of each kind, in memory."""
    cell = xr.Dataset({"active_mass": ((), 6.8, {"units": "mg", "long_name": "mass of active material"})})
    return xr.DataTree.from_dict(
        {
            "/": xr.Dataset(attrs={"experiment": ODD, "timezone": "Europe/Zurich", "schema_version": "1"}),
            "/cell": cell.assign_attrs(reference_electrode="In/InLi", potential_offset=0.62),
            "/echem": cycling(),
            "/xas/Ni_K/raw": absorption(),
            "/xas/Ni_K/processed": normalized(),
            "/xps/S_2p/raw": photoemission(),
            "/xtm/composite/raw": volumes()[["grey"]],
            "/xtm/composite/processed": volumes().drop_vars("grey"),
        }
    )
