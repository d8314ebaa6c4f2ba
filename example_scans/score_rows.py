"""Lines of the comparison with the truth, and what all instruments share in drawing them up."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import xarray as xr

from operando.errors import StoreError
from operando.flags import Flag


@dataclass(frozen=True)
class Row:
    """One line of the comparison; None where a number has no meaning.

    For a single number, ``pull`` is (estimate - truth)/sigma. For a quantity of every scan ("..., rms error"),
    ``estimate`` is the root mean square of estimate - truth over the scans, ``sigma`` the root mean square of the
    stated uncertainties, ``truth`` zero and ``pull`` the root mean square of the scans' pulls: 1 if the
    uncertainties are right. For a count ("... of n"), ``estimate`` is the number found of ``truth``.
    """

    quantity: str
    unit: str
    estimate: float | str | None
    sigma: float | None = None
    truth: float | None = None
    pull: float | None = None


def flag_rows(name: str, flags: xr.DataArray, known: xr.Dataset) -> Iterator[Row]:
    """Yield what comes of the flags whose truth is known, bit by bit."""
    deserved, tolerated = known["flag"].astype("int64"), known["flag_tolerated"].astype("int64")
    judged = int(known.attrs["judged_flags"])
    bits = [int(flag) for flag in Flag if int(flag) & judged]
    hits = sum(int(((flags & bit) & (deserved & bit) != 0).sum()) for bit in bits)
    wanted = sum(int(((deserved & bit) != 0).sum()) for bit in bits)
    false = sum(int((((flags & bit) != 0) & (((deserved | tolerated) & bit) == 0)).sum()) for bit in bits)
    yield Row(f"{name} flags deserved and raised, of n", "1", float(hits), truth=float(wanted))
    yield Row(f"{name} flags raised without cause", "1", float(false), truth=0.0)


def rms(values: np.ndarray) -> float:
    """Return the root mean square."""
    return float(np.sqrt(np.mean(np.square(values))))


def node_of(tree: xr.DataTree, path: str) -> xr.Dataset:
    """Return a node of a store.

    Raises
    ------
    StoreError
        If it is not there.
    """
    try:
        node = tree[path]
    except KeyError:
        raise StoreError(f"expected the node /{path} in the store, got none; run the beamtime's recipe first") from None
    return node.to_dataset()


def matched(found: xr.Dataset, known: xr.Dataset) -> xr.Dataset:
    """Return the per-scan numbers found, in the order of the known scans; NaN for a scan that was not read."""
    numbers = {
        str(name): np.asarray(values, dtype=float)
        for name, values in found.variables.items()
        if values.dims == ("scan",) and values.dtype.kind in "fiub"
    }
    order = {name: index for index, name in enumerate(names_of(found))}
    index = np.array([order.get(str(source), -1) for source in known["source"].values])
    picked = {name: np.where(index >= 0, values[index], np.nan) for name, values in numbers.items()}
    return xr.Dataset({name: ("scan", values) for name, values in picked.items()})


def names_of(series: xr.Dataset) -> list[str]:
    """Return the file names of a series' scans, without folder and entry."""
    return [str(source).split("::", 1)[0].replace("\\", "/").rsplit("/", 1)[-1] for source in series["source"].values]
