"""Small variables of an experiment, read once: panels ask for them again and again, and each time is a read."""

from __future__ import annotations

from itertools import accumulate

import xarray as xr

_MOST = 1 << 20
"""Bytes of a variable that is small: spectra of a long series, images and volumes are read where they are shown."""
_TOGETHER = 128 << 20
"""Bytes that all of them may take, the smallest first."""


def with_small_in_memory(tree: xr.DataTree) -> xr.DataTree:
    """Return an experiment whose small variables are in memory, read at once; others stay as they are."""
    import dask

    nodes = {node.path: node.to_dataset(inherit=False).copy() for node in tree.subtree}
    lazy = [one for ds in nodes.values() for one in ds.variables.values() if one.chunks and one.nbytes <= _MOST]
    lazy.sort(key=lambda one: one.nbytes)
    kept = [one for one, size in zip(lazy, accumulate(one.nbytes for one in lazy), strict=True) if size <= _TOGETHER]
    try:
        read = dask.compute(*(one.data for one in kept))  # type: ignore[attr-defined, no-untyped-call]
    # Codecs raise many kinds of errors on damaged chunks; what is not shown must not stop the page.
    except Exception:
        return tree
    for variable, values in zip(kept, read, strict=True):
        variable.data = values
    return xr.DataTree.from_dict(nodes, name=tree.name)
