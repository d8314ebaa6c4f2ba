"""Whole experiments as trees, of any size, for the report to show."""

from __future__ import annotations

import json

import numpy as np
import xarray as xr

from operando import flags
from operando.flags import Flag
from operando.history import recorded

START = np.datetime64("2022-07-26T12:02:00", "ns")
EVIL = "<script>alert(1)</script>"


def quantity(dims, values, units, name):
    return (dims, values, {"units": units, "long_name": name})


def hours(values):
    return START + (np.asarray(values) * 3.6e12).astype("timedelta64[ns]")


def log(length=48.0, step=1 / 60):
    """A rest, then two cycles of charge and discharge: E rises with the charge passed."""
    t = np.arange(0, length, step)
    half = np.where(t < 1, 0, 1 + ((t - 1) // ((length - 1) / 4)).astype(int))
    current = np.where(half == 0, 0.0, np.where(half % 2 == 1, 1.5e-4, -1.5e-4))
    soc = np.clip(np.cumsum(current) * step / (1.5e-4 * (length - 1) / 4), 0, 1)
    potential = 3.55 + 0.6 * soc + 0.06 * np.tanh((soc - 0.35) / 0.06) + current * 400
    return xr.Dataset(
        {
            "voltage": quantity("time", potential - 0.62, "V", "voltage as measured"),
            "potential": quantity("time", potential, "V", "potential vs Li+/Li"),
            "current": quantity("time", current, "A", "current, charge positive"),
            "charge": quantity(
                "time", np.cumsum(current) * step * 3600, "C", "charge passed since the start of the log"
            ),
            "soc": quantity("time", soc, "1", "state of charge"),
            "cycle": quantity("time", 1 + np.maximum(half - 1, 0) // 2, "1", "cycle number"),
            "half_cycle": quantity(
                "time", half, "1", "half-cycle: 0 rest before the first current, then +1 a reversal"
            ),
            "segment": quantity("time", (t > 30).astype(int), "1", "piece of the log without a gap"),
            "flag": ("time", np.zeros(t.size, "int32"), flags.attrs()),
        },
        {"time": hours(t)},
    )


def near(echem, time, name):
    return np.interp(time.astype(float), echem.time.values.astype(float), echem[name].values)


def series(scans=60, echem=None, *, length=48.0, times=True, signals=(), energies=300, seed=7):
    """Return raw and processed nodes: an edge at 8343 eV that moves by 1.5 eV with the state of charge."""
    rng = np.random.default_rng(seed)
    when = hours((np.arange(scans) + 0.5) * length / scans)
    energy = np.unique(np.r_[np.arange(8200, 8320, 5.0), np.linspace(8320, 8400, energies), np.arange(8400, 8900, 4.0)])
    soc = near(echem, when, "soc") if echem is not None else np.linspace(0, 1, scans)
    edge = 8343.0 + 1.5 * soc
    x = energy[None, :] - edge[:, None]
    mu = (
        0.5
        + np.arctan(x / 1.5) / np.pi
        + 0.5 * np.exp(-((x - 6) ** 2) / 18)
        + 0.06 * np.sin(x / 9) * np.exp(-x / 200) * (x > 9)
    )
    mu = mu + rng.normal(0, 2e-3, mu.shape)
    nat = np.full(scans, np.datetime64("NaT", "ns"))
    half = np.timedelta64(5, "m")
    flag = np.zeros(scans, "int32") if times else np.full(scans, int(Flag.no_time), "int32")
    coords = {
        "scan": quantity("scan", np.arange(scans), "1", "scan number"),
        "energy": quantity("energy", energy, "eV", "photon energy"),
        "time": ("scan", when if times else nat),
        "time_start": ("scan", when - half if times else nat),
        "time_end": ("scan", when + half if times else nat),
        "source": ("scan", np.array([f"xas/Ni_K_{at:04d}.txt" for at in range(scans)], dtype=object)),
        "flag": ("scan", flag, flags.attrs()),
    }
    if echem is not None:
        for name, units, words in (
            ("potential", "V", "potential vs Li+/Li, mean over the scan"),
            ("voltage", "V", "voltage as measured, mean over the scan"),
            ("current", "A", "current, charge positive, mean over the scan"),
            ("soc", "1", "state of charge, mean over the scan"),
        ):
            coords[name] = quantity("scan", near(echem, when, name), units, words)
        coords["potential_std"] = quantity("scan", np.full(scans, 4e-3), "V", "spread of the potential within the scan")
        coords["half_cycle"] = quantity("scan", np.rint(near(echem, when, "half_cycle")), "1", "half-cycle")
    raw = xr.Dataset({"mu": quantity(("scan", "energy"), mu * 0.8, "1", "absorption")}, coords)
    raw = recorded(
        raw.assign_attrs(format="columns", metadata="{}"), "xas.read", {"reader": "columns", "timezone": "Europe/Paris"}
    )
    std = np.full(scans, 0.03)
    found = edge + rng.normal(0, 0.03, scans)
    dims: tuple[str, ...] = ("scan",)
    if signals:
        mu, found, std = np.stack([mu] * len(signals)), np.stack([found] * len(signals)), np.stack([std] * len(signals))
        dims, coords = ("signal", "scan"), {**coords, "signal": ("signal", np.array(signals, dtype=object))}
    else:
        coords = {**coords, "signal": ((), np.array("mu", dtype=object))}
    processed = xr.Dataset(
        {
            "normalized": quantity((*dims, "energy"), mu, "1", "normalized absorption"),
            "edge_step": quantity(dims, np.ones_like(found), "1", "edge step"),
            "edge_energy": quantity(dims, found, "eV", "edge energy"),
            "edge_energy_std": quantity(dims, std, "eV", "standard uncertainty of the edge energy"),
        },
        coords,
    )
    processed = recorded(processed, "xas.normalize", {"signal": "mu", "e0": None, "pre1": -150.0}, after=raw)
    processed = recorded(processed, "xas.edge_energy", {"method": "half_height", "level": 0.5})
    return raw, processed


def experiment(scans=60, *, with_echem=True, nodes=("Ni_K",), timezone="Europe/Paris", **settings):
    """Return an experiment as a run leaves it in its store."""
    echem = log() if with_echem else None
    children = {}
    if echem is not None:
        children["/echem"] = recorded(echem, "echem.read", {"reader": "eclab", "files": ["echem/a.mpt", "echem/b.mpt"]})
        children["/cell"] = xr.Dataset(
            {
                "active_mass": quantity((), 6.8, "mg", "mass of active material"),
                "electrode_area": quantity((), 0.785, "cm^2", "electrode area"),
                "reference_capacity": quantity((), 1.54, "mAh", "charge that takes the state of charge from 0 to 1"),
            },
            attrs={"reference_electrode": "In/InLi", "potential_offset": 0.62},
        )
    for seed, node in enumerate(nodes):
        children[f"/xas/{node}/raw"], children[f"/xas/{node}/processed"] = series(scans, echem, seed=seed, **settings)
    clock = {
        "name": "beamline",
        "reference": "cycler",
        "offset": 37.4,
        "drift": 25e-6,
        "sigma": 0.4,
        "method": "manual",
    }
    tree = xr.DataTree.from_dict(children)
    tree.attrs = {
        "experiment": "Ni K operando, cell 4",
        "timezone": timezone,
        "schema_version": "1",
        "created": "2022-07-28T14:10:00+00:00",
        "software": "operando 0.1.0",
        "recipe": '[experiment]\nname = "Ni K operando, cell 4"\n',
        "clocks": json.dumps([clock] if with_echem else []),
    }
    return tree


def spoiled(tree, node="Ni_K"):
    """Return the tree with what goes wrong at a beamtime: flags, an edge lost, a file unread, an evil name."""
    out = tree.copy(deep=True)
    for stage in ("raw", "processed"):
        ds = out[f"xas/{node}/{stage}"].to_dataset()
        flag, source = ds.flag.values.copy(), ds.source.values.copy()
        flag[3] = Flag.truncated | Flag.no_i0
        flag[10:13] = Flag.saturated
        source[3] = EVIL
        coords = {"flag": ("scan", flag, flags.attrs()), "source": ("scan", source)}
        for name in ("potential", "voltage", "half_cycle"):
            values = ds[name].values.copy()
            values[-4:] = np.nan
            coords[name] = ("scan", values, ds[name].attrs)
        flag[-4:] = Flag.ec_outside
        ds = ds.assign_coords(coords)
        if stage == "processed":
            edge = ds.edge_energy.copy(deep=True)
            edge[3], edge[11] = np.nan, 8200.0
            ds = ds.assign(edge_energy=edge)
        else:
            ds.attrs["failed"] = json.dumps([{"source": f"xas/{EVIL}.txt", "reason": "expected 5 columns, got 1"}])
        out[f"xas/{node}/{stage}"] = xr.DataTree(ds)
    return out
