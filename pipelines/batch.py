"""Whether a batch of scans fits the arrays that it is to continue."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from operando.store import SCAN, dims_of

from .encoding import NAT, TEXT, Stored, mismatch

_SLUG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_+.-]*")


def slug(node: str, store: str) -> str:
    """Return the path of a node without outer slashes.

    Raises
    ------
    StoreError
        If it has other characters than letters, digits and ``_ + . -``.
    """
    key = node.strip("/")
    if not all(_SLUG.fullmatch(part) for part in key.split("/")):
        raise mismatch(
            store, "a node such as 'xas/Ni_K/raw'", repr(node), "use letters, digits and _ + . - in its name"
        )
    return key


def filled(array: dict[str, Any], scans: int, where: str) -> Stored:
    """Return NaN, NaT or empty text for a variable that a batch lacks.

    Raises
    ------
    StoreError
        If nothing can stand for it: an integer, a boolean, or a variable without ``scan``.
    """
    dims, kind = dims_of(array), array["data_type"]
    shape = (scans, *array["shape"][1:])
    if dims[:1] == (SCAN,):
        if kind == "string":
            return Stored(dims, np.full(shape, "", dtype=TEXT), array["attributes"])
        if array["attributes"].get("_FillValue") == NAT:
            return Stored(dims, np.full(shape, NAT), array["attributes"])
        if np.dtype(kind).kind in "fc":
            return Stored(dims, np.full(shape, np.nan, dtype=kind), array["attributes"])
    raise mismatch(where, "this variable in every batch", "a batch without it", "add it, or replace the node")


def check_fits(var: Stored, array: dict[str, Any], where: str) -> Stored:
    """Return ``var`` with its dims in the order of ``array``.

    Raises
    ------
    StoreError
        If its dims, sizes, dtype or units are not those of ``array``.
    """
    dims = dims_of(array)
    if sorted(var.dims) != sorted(dims):
        raise mismatch(where, f"dims {dims}", str(var.dims), "replace the node")
    if var.dims != dims:
        order = [var.dims.index(dim) for dim in dims]
        var = Stored(dims, var.data.transpose(order), var.attributes)
    for label, want, got in (
        ("sizes", tuple(array["shape"][var.grows :]), var.shape[var.grows :]),
        ("dtype", array["data_type"], var.kind),
        ("units", array["attributes"].get("units"), var.attributes.get("units")),
    ):
        if want != got:
            raise mismatch(
                where, f"{label} {want!r} as stored", repr(got), "bring the scans to it, or replace the node"
            )
    return var


def check_equal(var: Stored, stored: Any, where: str) -> None:
    """Return if a variable without ``scan`` has exactly the stored values; NaN equals NaN.

    Raises
    ------
    StoreError
        Naming the first value that differs.
    """
    got, want = np.asarray(var.data), np.asarray(stored)
    same = got == want
    if got.dtype.kind in "fc":
        same |= np.isnan(got) & np.isnan(want)
    if np.all(same):
        return
    first = int(np.argmin(np.ravel(same)))
    old, new = (np.ravel(values)[first : first + 1].tolist()[0] for values in (want, got))
    place = " ".join(f"{dim} {i}" for dim, i in zip(var.dims, np.unravel_index(first, got.shape), strict=True))
    stored_value = f"{old!r} at {place}" if place else repr(old)
    remedy = "bring the scans to the stored values, or use another node"
    raise mismatch(where, f"{stored_value} as stored, exactly", repr(new), remedy)
