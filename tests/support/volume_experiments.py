"""Series of volumes as a run leaves them in its store, of any size, for the report to show."""

from __future__ import annotations

import numpy as np
import xarray as xr
from experiments import EVIL, hours, log, near, quantity

from operando import flags
from operando.flags import Flag
from operando.history import recorded
from operando.pipelines.steps.previews import previews

NAMES = ("void", "electrolyte", EVIL)
SLICES, DEEPEST = 5, 3
"""Slices kept of each volume, and the place among them of the one that cuts the crack where it is largest."""
APERTURES = np.array([0.2, 0.4, 1.0, 2.0])
BIAS = np.array([-0.8, -0.2, -0.1, 0.0])
LIMIT, LIMIT_STD = 0.31, 0.02
EVENTS = ("birth", "growth", "shrinkage", "absorption", "merger", "split", "splitting_off", "healing", "reappearance")


def grey_and_kinds(scans, size, slices=SLICES):
    """Return grey values and what fills them: a particle in a corner, a crack that grows, deepest in one slice."""
    rng = np.random.default_rng(5)
    kinds = np.full((scans, slices, *size), 2, "uint8")
    kinds[..., : size[0] // 3, : size[1] // 3] = 3
    for scan in range(scans):
        for at in range(slices):
            kinds[scan, at, size[0] // 2 : size[0] // 2 + 2, 5 : 15 + scan + 5 * (at == DEEPEST)] = 4
    grey = np.choose(kinds, [0, 90, 130, 440, 90]) + rng.normal(0, 2, kinds.shape)
    places = {"z": 0.5 * np.arange(slices) + 0.25, "y": 0.5 * np.arange(size[0]), "x": 0.5 * np.arange(size[1])}
    named = {"flag_values": [1, 2, 3, 4], "flag_meanings": " ".join([*NAMES, "crack"])}
    dims = ("scan", "z", "y", "x")
    return xr.DataArray(grey.astype("float32"), places, dims), xr.DataArray(kinds, places, dims, attrs=named)


def volumes(scans=5, *, size=(60, 80), linked=True, slices=SLICES):
    """Return the raw and the processed node of a series of volumes; the last one is flagged."""
    echem, when = log(), hours(np.arange(scans) * 9.0 + 4)
    flag = np.zeros(scans, "int32")
    flag[-1] = Flag.missing_frame
    coords = {
        "time": ("scan", when),
        "time_start": ("scan", when),
        "time_end": ("scan", when + np.timedelta64(10, "m")),
        "source": ("scan", np.array([f"xtm/step_{at:03d}" for at in range(scans)], dtype=object)),
        "flag": ("scan", flag, flags.attrs()),
        "voxel_size": quantity("scan", np.full(scans, 0.5), "um", "edge of a voxel"),
    }
    if linked:
        coords["potential"] = quantity("scan", near(echem, when, "potential"), "V", "potential vs Li+/Li")
    raw = recorded(xr.Dataset(coords=coords), "tomo.read", {"reader": "tiff"})
    grey, kinds = grey_and_kinds(scans, size, slices)
    label = (kinds == 4).astype("int32")
    kept = previews(grey, kinds, label, slices=slices)
    scan = np.arange(scans, dtype=float)
    share = np.stack([0.01 + 0.01 * scan, 0.7 - 0.01 * scan, np.full(scans, 0.29)], axis=1)
    curve = (("scan", "aperture"), np.tile(BIAS, (scans, 1)), {"units": "1"})
    found = {
        "fraction": quantity(("scan", "phase"), share, "1", "volume fraction"),
        "fraction_uncertainty": quantity(("scan", "phase"), share * 0.1, "1", "uncertainty"),
        "threshold": quantity(("scan", "boundary"), np.tile([110.0, 300.0], (scans, 1)), "1", "threshold"),
        "crack_volume": quantity("scan", 100 + 20 * scan, "um^3", "volume of cracks"),
        "crack_volume_std": quantity("scan", np.full(scans, 3.0), "um^3", "uncertainty"),
        "crack_volume_uncertainty": quantity("scan", np.full(scans, 5.0), "um^3", "uncertainty"),
        "void_volume": quantity("scan", 150 + 20 * scan, "um^3", "volume of voids"),
        "void_volume_std": quantity("scan", np.full(scans, 4.0), "um^3", "uncertainty"),
        "detection_limit": quantity("scan", np.full(scans, LIMIT), "um", "limit"),
        "detection_limit_std": quantity("scan", np.full(scans, LIMIT_STD), "um", "uncertainty"),
        "crack_volume_bias": curve,
        "crack_found": (curve[0], 1 + curve[1], curve[2]),
    }
    found |= {
        name: quantity("scan", np.full(scans, value), "1", name)
        for name, value in {"matrix_level": 130.0, "void_level": 90.0, "noise": 10.0, "blur": 0.7}.items()
    }
    numbered = {"phase": np.array(NAMES, dtype=object), "aperture": quantity("aperture", APERTURES, "um", "aperture")}
    processed = xr.Dataset(found, coords | numbered).assign(kept.data_vars)
    processed = recorded(processed, "tomo.segment", {"threshold": [110.0, 300.0]}, after=raw)
    return raw, recorded(processed, "tomo.label", {"connectivity": 26})


def objects(scans=5):
    """Return the table of objects: number 1, the crack, in all scans; number 2, lost contact, in the last two."""
    rows = [(scan, 1, 100.0 + 20 * scan, 0.4, 2) for scan in range(scans)]
    rows += [(scan, 2, 10.0, 1.0, 3) for scan in range(max(scans - 2, 0), scans)]
    scan, number, volume, aperture, kind = (np.array(column) for column in zip(*rows, strict=True))
    axes = np.zeros((scan.size, 3, 3))
    axes[:, 2] = [np.cos(np.pi / 6), 0.0, np.sin(np.pi / 6)]
    kinds = {"units": "1", "flag_values": [0, 1, 2, 3], "flag_meanings": "unresolved void crack contact_loss"}
    return xr.Dataset(
        {
            "number": ("object", number),
            "volume": quantity("object", volume * 1.1, "um^3", "volume"),
            "void_volume": quantity("object", volume, "um^3", "volume"),
            "void_volume_std": quantity("object", volume * 0.03, "um^3", "uncertainty"),
            "aperture_mean": quantity("object", aperture, "um", "aperture"),
            "aperture_mean_std": quantity("object", aperture * 0.04, "um", "uncertainty"),
            "aperture_median": quantity("object", aperture, "um", "aperture"),
            "principal_axis": (("object", "principal", "axis"), axes),
            "kind": ("object", kind, kinds),
        },
        {"scan": ("object", scan), "axis": list("zyx"), "principal": ["long", "middle", "short"]},
    )


def tracks(scans=5):
    """Return three tracks: the crack takes in another one in scan 2; lost contact begins in the last but one."""
    volume, number, event = np.zeros((scans, 3)), np.zeros((scans, 3), int), np.zeros((scans, 3), int)
    volume[:, 0], number[:, 0] = 110 + 22 * np.arange(scans), 1
    volume[:2, 1] = 30.0
    volume[-2:, 2], number[-2:, 2] = 11.0, 2
    bit = {name: 1 << at for at, name in enumerate(EVENTS)}
    event[2:3] = bit["growth"] | bit["absorption"], bit["merger"], 0
    event[-2:-1, 2] = bit["birth"]
    first = {"first_scan": [0, 0, max(scans - 2, 0)], "last_scan": [scans - 1, min(scans, 2) - 1, scans - 1]}
    masks = {"flag_masks": list(bit.values()), "flag_meanings": " ".join(EVENTS)}
    return xr.Dataset(
        {
            "volume": quantity(("scan", "crack"), volume, "um^3", "volume"),
            "object": (("scan", "crack"), number),
            "event": (("scan", "crack"), event, masks),
            "volume_max": quantity("crack", volume.max(axis=0), "um^3", "largest volume"),
            "parent": ("crack", [0, 0, 1]),
            "merged_into": ("crack", [0, 1, 0]),
            **{name: ("crack", values) for name, values in first.items()},
        },
        {"crack": [1, 2, 3]},
    )


def with_volumes(tree, scans=5, *, measured=True, followed=True, **settings):
    """Return an experiment with a series of volumes."""
    out = tree.copy()
    raw, processed = volumes(scans, **settings)
    out["xtm/composite/raw"], out["xtm/composite/processed"] = xr.DataTree(raw), xr.DataTree(processed)
    if measured:
        out["xtm/composite/objects"] = xr.DataTree(objects(scans))
    if followed:
        out["xtm/composite/cracks"] = xr.DataTree(tracks(scans))
    return out


def with_transport(tree):
    """Return an experiment whose volumes have tortuosity factors along z and y, inf along y in one, and contact."""
    out, node = tree.copy(), "xtm/composite/processed"
    ds = out[node].to_dataset()
    scans = ds.sizes["scan"]
    factor = np.column_stack([1.3 + 0.02 * np.arange(scans), np.full(scans, 1.6), np.full(scans, np.nan)])
    factor[-1, 1] = np.inf
    reason = np.where(np.isnan(factor), "not asked for", np.where(np.isinf(factor), f"no path along y {EVIL}", ""))
    dims = ("scan", "axis")
    ds = ds.assign(
        tortuosity_factor=quantity(dims, factor, "1", "tortuosity factor"),
        tortuosity_factor_uncertainty=quantity(dims, np.where(np.isfinite(factor), 0.05, np.nan), "1", "uncertainty"),
        tortuosity_reason=(dims, reason.astype(object)),
        contact_share=quantity("scan", 0.97 - 0.01 * np.arange(scans), "1", "share"),
        contact_share_uncertainty=quantity("scan", np.full(scans, 0.03), "1", "uncertainty"),
    ).assign_coords(axis=np.array(["z", "y", "x"], dtype=object))
    ds["tortuosity_factor"].attrs["conducting"] = f"electrolyte, {EVIL}"
    ds["contact_share"].attrs |= {"body": EVIL, "toward": "electrolyte", "blur": 0.7}
    out[node] = xr.DataTree(ds)
    return out
