"""Compare what an evaluation of a simulated beamtime found with the truth."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import reduce
from operator import or_
from typing import Any

import numpy as np
import xarray as xr

from operando.flags import Flag

from .onset_score import onset_rows
from .score_rows import Row, flag_rows, matched, names_of, node_of, rms
from .volume_score import volumes

_MARKS = ("flag", "flag_tolerated")
TRUNCATED = int(Flag.truncated)
LITHIATED, DELITHIATED = "lithiated NCM", "delithiated NCM"
JUDGED_SIGNAL = "tey"
"""The signal whose edge energy is true: self-absorption bends that of the fluorescence."""


def score(tree: xr.DataTree, truth: xr.DataTree) -> list[Row]:
    """Return the store of an evaluation beside the truth, quantity by quantity.

    Parameters
    ----------
    tree
        An opened store: ``/echem``, ``/xas/<node>/raw`` and ``/xas/<node>/processed``, likewise the
        other techniques, and the clocks in the root's attributes.
    truth
        ``truth.zarr`` of the simulated beamtime, opened.

    Raises
    ------
    StoreError
        If a node that the truth has is missing in the store.

    Notes
    -----
    Scans whose file ends before the post-edge have no edge energy to judge, and those in which the current
    changes no half-cycle, potential or state of charge. Drift is judged in the frames without a fault, in y and x of
    all stacks together. Scans are matched by the name of their file.
    """
    rows = [*_clocks(tree, truth), *_half_cycles(tree, truth), *onset_rows(tree, truth)]
    for node in truth["xas"].children:
        rows += _series(tree, truth, f"xas/{node}")
        rows += _composition(tree, truth, f"xas/{node}")
    for node in truth["xpeem"].children if "xpeem" in truth.children else ():
        rows += _images(tree, truth, f"xpeem/{node}")
    for node in tree["xps"].children if "xps" in tree.children else ():
        rows += _core_levels(tree, truth, f"xps/{node}")
    for node in tree["xtm"].children if "xtm" in tree.children else ():
        rows += volumes(tree, truth, f"xtm/{node}")
    return rows


def not_yet(truth: xr.DataTree) -> list[Row]:
    """Return a row for every quantity of the simulated cell that is not compared yet."""
    return [Row(entry["quantity"], entry["unit"], "not yet") for entry in json.loads(truth.attrs["not_yet"])]


def _clocks(tree: xr.DataTree, truth: xr.DataTree) -> Iterator[Row]:
    """Compare what each clock shows too much, at the start and at the end of the experiment."""
    estimated = {clock["name"]: clock for clock in json.loads(tree.attrs.get("clocks", "[]"))}
    for known in json.loads(truth.attrs["clocks"]):
        found = estimated.get(known["name"])
        for place in ("start", "end"):
            quantity, true = f"{known['name']} clock, offset at the {place}", _shown(known, truth.attrs[place])
            if found is None:
                yield Row(quantity, "s", None, truth=true)
            else:
                offset, sigma = _shown(found, truth.attrs[place]), float(found["sigma"])
                yield Row(quantity, "s", offset, sigma, true, (offset - true) / sigma if sigma else None)


def _shown(clock: dict[str, Any], instant: str) -> float:
    """Return the seconds that a clock shows too much at an instant, UTC."""
    elapsed = (_moment(instant) - _moment(clock["t_ref"])).total_seconds()
    return float(clock["offset"] + clock["drift"] * elapsed)


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _half_cycles(tree: xr.DataTree, truth: xr.DataTree) -> Iterator[Row]:
    found = node_of(tree, "echem")["half_cycle"]
    yield Row("half-cycles", "1", float(found.max()), truth=float(truth.attrs["half_cycles"]))


def _series(tree: xr.DataTree, truth: xr.DataTree, node: str) -> Iterator[Row]:
    """Compare one series, scan by scan."""
    known, raw = truth[node].to_dataset().load(), node_of(tree, f"{node}/raw")
    found = node_of(tree, f"{node}/processed")
    flags = matched(raw, known)["flag"].fillna(0).astype("int64")
    found = matched(found.sel(signal=JUDGED_SIGNAL) if "signal" in found.dims else found, known)
    if "flag" in found:
        flags = flags | found["flag"].fillna(0).astype("int64")
    name = node.rsplit("/", 1)[-1]
    present = int(np.isin(known["source"].values, names_of(raw)).sum())
    yield Row(f"{name} scans read, of n", "1", float(present), truth=float(known.sizes["scan"]))
    yield from flag_rows(name, flags, known)
    steady = known["reversals"] == 0
    agrees = (found["half_cycle"] == known["half_cycle"]) & steady
    yield Row(f"{name} half-cycle of the scan, of n", "1", float(agrees.sum()), truth=float(steady.sum()))
    whole = (known["flag"] & TRUNCATED) == 0
    for quantity, label, unit, true, judged in (
        ("potential", "potential", "V", "potential", steady),
        ("soc", "state of charge", "1", "soc", steady),
        ("edge_energy", "edge energy", "eV", "edge_energy_normalized", whole),
        ("edge_energy", "edge energy by the known edge step", "eV", "edge_energy", whole),
    ):
        yield _over_scans(f"{name} {label}, rms error", unit, found, quantity, true=known[true], judged=judged)


def _composition(tree: xr.DataTree, truth: xr.DataTree, node: str) -> Iterator[Row]:
    """Compare the layer's thickness and, by the fluorescence, the bulk's state of charge, in scans without faults."""
    known, found = truth[node].to_dataset().load(), node_of(tree, f"{node}/processed")
    if not {"layer_thickness", "fraction"} <= set(found.data_vars):
        return
    shares = found[["fraction", "fraction_covariance"]].sel(signal="tfy").transpose("scan", ...)
    low, high = (shares.sel(reference=name, drop=True) for name in (LITHIATED, DELITHIATED))
    covariance = [
        one["fraction_covariance"].sel(other_reference=name, drop=True)
        for one in (low, high)
        for name in (LITHIATED, DELITHIATED)
    ]
    whole = low["fraction"] + high["fraction"]
    variance = high["fraction"] ** 2 * covariance[0] + low["fraction"] ** 2 * covariance[3]
    variance = variance - 2 * low["fraction"] * high["fraction"] * covariance[1]
    bulk = {"bulk_soc": high["fraction"] / whole, "bulk_soc_std": np.sqrt(variance) / whole**2}
    scans = matched(found[["source", "layer_thickness", "layer_thickness_std"]].assign(bulk), known)
    sound = known["flag"] == 0
    for quantity, label, unit, true in (
        ("layer_thickness", "surface layer", "nm", known["layer"]),
        ("bulk_soc", "bulk state of charge", "1", known["z"].clip(0, 1)),
    ):
        yield _over_scans(label, unit, scans, quantity, true=true, judged=sound)


def _images(tree: xr.DataTree, truth: xr.DataTree, node: str) -> Iterator[Row]:
    """Compare the drift of stacks of images, frame by frame, and their flags."""
    known, raw = truth[node].to_dataset().load(), node_of(tree, f"{node}/raw")
    found, name = node_of(tree, f"{node}/processed"), "XPEEM"
    order = [_stem(source) for source in names_of(raw)]
    present = [_stem(str(source)) in order for source in known["source"].values]
    yield Row(f"{name} stacks read, of n", "1", float(sum(present)), truth=float(known.sizes["scan"]))
    known = known.isel(scan=np.flatnonzero(present))
    found = found.isel(scan=[order.index(_stem(str(source))) for source in known["source"].values])
    yield from flag_rows(name, found["flag"].astype("int64").drop_vars(list(found.coords), errors="ignore"), known)
    sound = (known["frame_flag"] == 0).values
    drift = {part: found[part].values for part in ("drift_y", "drift_x", "drift_y_std", "drift_x_std") if part in found}
    if len(drift) < 4:
        return
    error = np.stack([drift[part] - known[part].values for part in ("drift_y", "drift_x")])[:, sound]
    sigma = np.stack([drift[part] for part in ("drift_y_std", "drift_x_std")])[:, sound]
    placed, weighed = np.isfinite(error), np.isfinite(error) & (sigma > 0)
    yield Row(f"{name} frames placed, of n", "1", float(placed.all(axis=0).sum()), truth=float(sound.sum()))
    if weighed.any():
        pull = rms(error[weighed] / sigma[weighed])
        yield Row(f"{name} drift", "px", rms(error[placed]), rms(sigma[weighed]), 0.0, pull)


def _core_levels(tree: xr.DataTree, truth: xr.DataTree, node: str) -> Iterator[Row]:
    """Compare what lines of several core levels, fitted together, tell: flags, fractions in S 2p, the charging shift.

    Pulls of fractions count where the truth is farther from nothing and from all than three deviations.
    """
    raw, found = node_of(tree, f"{node}/raw"), node_of(tree, f"{node}/processed")
    levels = {str(level): truth[f"xps/{level}"].to_dataset().load() for level in truth["xps"].children}
    sulfur = levels["S_2p"]
    present = int(np.isin(sulfur["source"].values, names_of(raw)).sum())
    yield Row("XPS scans read, of n", "1", float(present), truth=float(sulfur.sizes["scan"]))
    marks = {name: reduce(or_, (level[name].astype("int64") for level in levels.values())) for name in _MARKS}
    together = xr.Dataset(marks, attrs=sulfur.attrs).assign_coords(source=sulfur["source"])
    yield from flag_rows("XPS", matched(found, sulfur)["flag"].fillna(0).astype("int64"), together)
    if "fraction" not in found or "shift" not in found:
        return
    sound = (together["flag"] & int(Flag.dead_detector | Flag.truncated)) == 0
    errors, sigmas, inner = [], [], []
    for name in sulfur["peak"].values:
        line = found[["source", "fraction", "fraction_std"]].sel(peak=f"S 2p {name}", drop=True)
        one, true = matched(line, sulfur), sulfur["fraction"].sel(peak=name)
        errors.append((one["fraction"] - true).values[sound])
        sigmas.append(one["fraction_std"].values[sound])
        share = true.values[sound]
        inner.append(np.minimum(share, 1 - share) > 3 * sigmas[-1])
    error, sigma, weighed = np.stack(errors), np.stack(sigmas), np.stack(inner)
    pull = rms(error[weighed] / sigma[weighed]) if weighed.any() else None
    yield Row("S 2p fractions", "1", rms(error), rms(sigma[weighed]), 0.0, pull)
    charging = found[["source", "shift", "shift_std"]].sel(phase="electrode", drop=True)
    scans = matched(charging, sulfur)
    yield _over_scans("charging shift", "eV", scans, "shift", true=sulfur["charging_shift"], judged=sound)


def _stem(name: str) -> str:
    return name.rsplit(".", 1)[0] if "." in name else name


def _over_scans(
    label: str, unit: str, found: xr.Dataset, quantity: str, *, true: xr.DataArray, judged: xr.DataArray
) -> Row:
    if quantity not in found.variables:
        return Row(label, unit, None, truth=0.0)
    error = (found[quantity] - true).values
    usable = judged.values & np.isfinite(error)
    if not usable.any():
        return Row(label, unit, None, truth=0.0)
    sigma = found[f"{quantity}_std"].values if f"{quantity}_std" in found.variables else np.full(error.shape, np.nan)
    weighed = usable & np.isfinite(sigma) & (sigma > 0)
    if not weighed.any():
        return Row(label, unit, rms(error[usable]), truth=0.0)
    pulls = error[weighed] / sigma[weighed]
    return Row(label, unit, rms(error[usable]), rms(sigma[weighed]), 0.0, rms(pulls))
