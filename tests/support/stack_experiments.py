"""Series of stacks of images as a run leaves them in its store, of any size, for the report to show."""

from __future__ import annotations

import numpy as np
import xarray as xr
from experiments import EVIL, hours, log, near, quantity

from operando import flags
from operando.flags import Flag
from operando.history import recorded

SUBSTANCES = ("reduced Ni", EVIL)


def stacks(scans=5, *, size=(90, 120), energies=12, regions=4, maps=True, linked=True):
    """Return the raw and the processed node of a series of stacks; one frame is lost, one stack is flagged."""
    rng, echem, when = np.random.default_rng(11), log(), hours(np.arange(scans) * 9.0 + 4)
    flag = np.zeros(scans, "int32")
    flag[-1] = Flag.missing_frame
    frame_flag = np.zeros((scans, energies), "int32")
    frame_flag[-1, 2] = Flag.missing_frame
    per_frame = ("scan", "energy")
    coords = {
        "energy": quantity("energy", np.linspace(845, 866, energies), "eV", "photon energy"),
        "time": ("scan", when),
        "time_start": ("scan", when),
        "time_end": ("scan", when + np.timedelta64(5, "m")),
        "source": ("scan", np.array([f"xpeem/{at}/{at}.txt" for at in range(scans)], dtype=object)),
        "flag": ("scan", flag, flags.attrs()),
        "frame_flag": (per_frame, frame_flag, flags.attrs()),
        "pixel_size": quantity("scan", np.full(scans, 0.1), "um", "edge of a pixel on the sample"),
    }
    if linked:
        coords["potential"] = quantity("scan", near(echem, when, "potential"), "V", "potential vs Li+/Li")
        coords["half_cycle"] = quantity("scan", np.rint(near(echem, when, "half_cycle")), "1", "half-cycle")
    raw = recorded(xr.Dataset({"i0": quantity(per_frame, np.ones(frame_flag.shape), "nA", "I0")}, coords),
                   "xas.xpeem.read", {"reader": "image_log"})  # fmt: skip
    label = np.zeros(size, "int32")
    for number in range(regions):
        label[10:30, 5 + 25 * number : 20 + 25 * number] = number + 1
    names = np.array(SUBSTANCES, dtype=object)
    walk = np.cumsum(rng.normal(0, 0.8, (2, *frame_flag.shape)), axis=-1)
    walk[:, -1, 2] = np.nan
    spectra = 1 / (1 + np.exp(-(coords["energy"][1] - 854)))
    of_region = (scans, regions)
    normalized = spectra + rng.normal(0, 0.01, (*of_region, energies))
    variables = {
        "drift_y": quantity(per_frame, walk[0], "px", "displacement"),
        "drift_x": quantity(per_frame, walk[1], "px", "displacement"),
        "drift_y_std": quantity(per_frame, walk[0] * 0 + 0.02, "px", "uncertainty"),
        "drift_x_std": quantity(per_frame, walk[1] * 0 + 0.02, "px", "uncertainty"),
        "image": quantity(("scan", "y", "x"), rng.normal(100, 5, (scans, *size)) + 50 * (label > 0), "1", "mean"),
        "region_label": quantity(("y", "x"), label, "1", "number of the region"),
        "normalized": quantity(("scan", "region", "energy"), normalized, "1", "normalized absorption"),
        "edge_energy": quantity(("scan", "region"), 853 + rng.normal(0, 0.1, of_region), "eV", "edge energy"),
        "edge_energy_std": quantity(("scan", "region"), np.full(of_region, 0.03), "eV", "uncertainty"),
        "fraction": quantity(("scan", "region", "reference"), rng.uniform(0, 1, (*of_region, 2)), "1", "share"),
        "fraction_std": quantity(("scan", "region", "reference"), np.full((*of_region, 2), 0.02), "1", "uncertainty"),
    }  # fmt: skip
    if maps:
        variables["map_edge_energy"] = quantity(("scan", "y", "x"), rng.normal(853, 0.1, (scans, *size)), "eV", "edge")
        shares = rng.uniform(0, 1, (scans, *size, 2))
        variables["map_fraction"] = quantity(("scan", "y", "x", "reference"), shares, "1", "share")
    numbered = {"region": quantity("region", np.arange(1, regions + 1), "1", "number"), "reference": names}
    processed = recorded(xr.Dataset(variables, coords | numbered), "xas.xpeem.drift", {}, after=raw)
    return raw, processed


def with_stacks(tree, **settings):
    """Return an experiment with a series of stacks of the same name as its spectra."""
    out = tree.copy()
    raw, processed = stacks(**settings)
    out["xpeem/Ni_K/raw"], out["xpeem/Ni_K/processed"] = xr.DataTree(raw), xr.DataTree(processed)
    return out
