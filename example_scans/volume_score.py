"""Compare what an evaluation found in the simulated volumes with the truth: voids, cracks and which crack is which."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy import ndimage

from .expansion_score import expansion_rows
from .microstructure import CRACK, GAP, PORE
from .score_rows import Row, flag_rows, matched, names_of, node_of, rms
from .transport_score import transport_rows

_NEAR = 2
"""Voxels around a void to which its blurred share may reach."""
_VOXEL = 12**-0.5
"""Standard deviation of a voxel's blur, voxels."""
_WHOLE = 0.5
"""Share of a crack's voxels that counts as most of them."""
RADIUS = 5.0
"""Radius of a crack, voxels, from which the detection limit of the recipe is meant for it."""

Numbers = NDArray[np.int64]


def volumes(tree: xr.DataTree, truth: xr.DataTree, node: str) -> Iterator[Row]:
    """Yield the comparison of a series of volumes.

    Notes
    -----
    Voids are judged where balls of three voxels fit in: 3.9 widths of an edge at the scan's blur of 0.7 voxels, so that
    the middle of a gap is as dark as void within 5 % and a threshold halfway cuts its edges where they are. A second
    line counts thinner ones too, such as lost contact in a coarse volume. What was found belongs to the nearest void,
    within the reach of the blur, and lost slices count for nothing. A crack is seen if most of its voxels are those of
    one object; it keeps its identity from scan to scan if its object stays on one track, or, where it has truly grown
    together with another, if its track has merged.
    """
    known, raw = truth["xtm"].to_dataset().load(), node_of(tree, f"{node}/raw")
    found = node_of(tree, f"{node}/processed")
    names = names_of(raw)
    present = np.array([str(source) in names for source in known["source"].values], dtype=bool)
    yield Row("XTM volumes read, of n", "1", float(present.sum()), truth=float(known.sizes["scan"]))
    yield from flag_rows("XTM", matched(found, known)["flag"].fillna(0).astype("int64"), known)
    order = [names.index(str(source)) for source in known["source"].values[present]]
    known, found = known.isel(scan=np.flatnonzero(present)), found.isel(scan=order)
    if "void_share" in found and known.sizes["scan"]:
        yield from _voids(known, found)
    if known.sizes["scan"]:
        yield from transport_rows(known, found)
        yield from expansion_rows(known, found)
    if {"label", "detection_limit"} <= set(found.data_vars) and known.sizes["scan"]:
        cracks = tree[node].children.get("cracks")
        yield from _cracks(known, found, None if cracks is None else cracks.to_dataset().isel(scan=order))


def _voids(known: xr.Dataset, found: xr.Dataset) -> Iterator[Row]:
    """Compare the volume of voids, cracks included, by its relative error: where they are thick, and all of it."""
    sigma = (found["void_fraction_uncertainty"] / found["void_fraction"]).to_numpy()
    shares = [found["void_share"].isel(scan=k).to_numpy() for k in range(known.sizes["scan"])]
    ratios = [_ratios(known.isel(scan=k), share) for k, share in enumerate(shares)]
    for label, ratio in zip(("", ", thinner ones too"), np.transpose(ratios), strict=True):
        yield Row(f"void and crack fraction{label}", "1", rms(ratio - 1), rms(sigma), 0.0, rms((ratio - 1) / sigma))


def _ratios(known: xr.Dataset, share: NDArray[np.float32]) -> tuple[float, float]:
    """Return the volume found over the true one: where voids are at least three voxels thick, and of all voids.

    The true one is spread as the scan spreads it, so that what lies in a part of the volume is compared in that part.
    """
    void = np.isin(known["label"].to_numpy(), [PORE, GAP, CRACK])
    thick = ndimage.binary_opening(void, ndimage.generate_binary_structure(3, 2))
    distance, nearest = ndimage.distance_transform_edt(~void, return_indices=True)
    sound = (known["slice_flag"].to_numpy() == 0)[:, np.newaxis, np.newaxis]
    near = (distance <= _NEAR) & sound
    judged = near & thick[tuple(nearest)]
    seen = ndimage.gaussian_filter(void.astype(np.float64), np.hypot(known.attrs["blur"], _VOXEL), mode="nearest")
    total, part = (float(share[where].sum(dtype=np.float64) / seen[where].sum()) for where in (near, judged))
    return part, total


def _cracks(known: xr.Dataset, found: xr.Dataset, tracks: xr.Dataset | None) -> Iterator[Row]:
    """Compare which cracks are seen, and whether they keep their identity."""
    scans, cracks = known["crack_radius"].shape
    seen = np.array([objects_of_cracks(known.isel(scan=k), found["label"].isel(scan=k).values) for k in range(scans)])
    due = due_to_be_seen(known, found["detection_limit"].to_numpy())
    hits = float((due & (seen > 0)).sum())
    yield Row("XTM cracks above the detection limit seen, of n", "1", hits, truth=float(due.sum()))
    false = [without_cause(known["label"].values[k], found["label"].isel(scan=k).values) for k in range(scans)]
    yield Row("XTM objects found without cause", "1", float(sum(false)), truth=0.0)
    if tracks is None:
        return
    pairs = [(k, c) for k in range(scans - 1) for c in range(cracks) if seen[k, c] and seen[k + 1, c]]
    kept = sum(
        is_same_crack(known["crack_body"].to_numpy()[k : k + 2], tracks, seen[k : k + 2], k, c) for k, c in pairs
    )
    yield Row("XTM cracks followed to the next scan, of n", "1", float(kept), truth=float(len(pairs)))


def without_cause(known: Numbers, label: Numbers) -> int:
    """Return how many objects of a labelled volume have no void within the reach of the blur."""
    void = np.isin(known, [PORE, GAP, CRACK])
    near = ndimage.distance_transform_edt(~void) <= _NEAR if void.any() else void
    return int(np.setdiff1d(label, label[near]).astype(bool).sum())


def due_to_be_seen(known: xr.Dataset, limit: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which cracks (scan, crack) are open by more than the detection limit of each scan, um, and not small."""
    above = known["crack_aperture"] * (2 / 3) > limit[:, np.newaxis]
    due: NDArray[np.bool_] = (above & (known["crack_radius"] > RADIUS * known.attrs["voxel_size"])).to_numpy()
    return due


def objects_of_cracks(known: xr.Dataset, label: Numbers) -> list[int]:
    """Return the object that most voxels of each true crack belong to; 0 if there is none."""
    places = np.argwhere(known["label"].to_numpy() == CRACK)
    away = (places[:, np.newaxis] + 0.5) * known.attrs["voxel_size"] - known["crack_center"].to_numpy()
    along = np.einsum("vci,ci->vc", away, known["crack_normal"].to_numpy())
    across = np.sqrt(np.maximum((away**2).sum(axis=-1) - along**2, 0))
    radius, half = known["crack_radius"].to_numpy(), known["crack_aperture"].to_numpy() / 2 + known.attrs["voxel_size"]
    there = radius > 0
    apart = np.where(there, np.maximum(across / np.where(there, radius, 1), np.abs(along) / half), np.inf)
    own = np.argmin(apart, axis=1) if len(places) else np.empty(0, int)
    numbers = []
    for crack in range(radius.size):
        hit = label[tuple(places[(own == crack) & there[crack]].T)]
        counts = np.bincount(hit) if hit.size else np.zeros(1, int)
        counts[0] = 0
        best = int(np.argmax(counts))
        numbers.append(best if counts[best] >= _WHOLE * hit.size > 0 else 0)
    return numbers


def is_same_crack(bodies: Numbers, tracks: xr.Dataset, seen: Numbers, scan: int, crack: int) -> bool:
    """Whether a crack is on the same track in two scans, or has truly merged with another, and its track too."""
    before, after = (
        int(np.flatnonzero(tracks["object"].to_numpy()[scan + step] == seen[step, crack])[0]) for step in (0, 1)
    )
    joined = bool(bodies[0, crack] != bodies[1, crack])
    return before == after or (joined and int(tracks["merged_into"].to_numpy()[before]) == after + 1)
