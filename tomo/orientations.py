"""Which way fibers and plates lie, voxel by voxel, and how directions are distributed."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from operando.errors import OperandoError
from operando.history import recorded

from .blocks import over_blocks
from .layout import PLACES
from .structure_tensor import Edges, directions, margin, tensor
from .voxels import as_volume, voxel

_STEP = "tomo.orientation"
_FIELDS = (*PLACES, "linearity", "planarity", "strength")
_RECORD = np.dtype([(name, np.float32) for name in _FIELDS])


def orientation(
    volume: xr.DataArray | NDArray[np.generic], sigma: float, rho: float, kind: Literal["fiber", "plate"] = "fiber"
) -> xr.Dataset:
    """Return the direction of fibers, or the normal of plates, at every voxel, from the structure tensor.

    Parameters
    ----------
    volume
        Grey levels or a mask, dims (..., z, y, x), lazy or in memory; voxels may be longer along one dim.
    sigma
        Standard deviation of the Gaussian that smooths grey levels before they are differentiated, um (px without
        coordinates): about the noise, less than the radius of a fiber.
    rho
        Standard deviation of the Gaussian mean of the tensor, um (px): about the distance of neighboring fibers.
    kind
        "fiber": the direction in which grey levels change least; "plate": in which they change most.

    Returns
    -------
    xarray.Dataset
        ``direction`` (axis, ..., z, y, x): unit vectors, z >= 0, float32; 0 where nothing changes. With the eigenvalues
        l1 >= l2 >= l3 of the tensor, ``linearity`` = (l2 - l3) / l1 (1: a fiber) and ``planarity`` = (l1 - l2) / l1
        (1: a plate); ``strength`` = sqrt(l1 + l2 + l3), the root mean square gradient, grey levels per um (px).

    Raises
    ------
    OperandoError
        If widths are not positive, ``kind`` is another, or dims are missing.

    Notes
    -----
    J = G_rho * (g g^T), g = grad (G_sigma * I): J. Bigün, G. H. Granlund, Proc. ICCV, 433 (1987). Eigenvalues by the
    trigonometric formula, eigenvectors by cross products.

    Examples
    --------
    Layers are plates:

    >>> import numpy as np
    >>> from operando import tomo
    >>> layers = np.sin(np.arange(24))[:, None, None] * np.ones((24, 24, 24))
    >>> found = tomo.orientation(layers, sigma=1.0, rho=2.0)
    >>> print(round(float(found["planarity"][12, 12, 12]), 1))
    1.0
    """
    grey = as_volume(volume, _STEP)
    size = voxel(grey, _STEP)
    if not (sigma > 0 and rho > 0):
        raise OperandoError(f"{_STEP}: expected sigma and rho above 0 {size.units}, got {sigma:g} and {rho:g}")
    if kind not in ("fiber", "plate"):
        raise OperandoError(f"{_STEP}: expected kind = 'fiber' or 'plate', got {kind!r}")
    settings: dict[str, Any] = {"sigma": sigma, "rho": rho}
    reach = margin(sigma, rho, size.edges)
    record = over_blocks(
        oriented, grey, margin=reach, dtype=_RECORD, edges=size.edges, across=kind == "plate", **settings
    )
    parts = {name: record.copy(data=_field(record.data, name)) for name in _FIELDS}
    meaning = "direction of the fiber" if kind == "fiber" else "normal of the plate"
    per = f"1/{size.units}" if str(grey.attrs.get("units", "1")) == "1" else f"{grey.attrs['units']}/{size.units}"
    found = xr.Dataset(
        {
            "direction": _named(xr.concat([parts[name] for name in PLACES], "axis"), "1", meaning),
            "linearity": _named(parts["linearity"], "1", "how much like a fiber"),
            "planarity": _named(parts["planarity"], "1", "how much like a plate"),
            "strength": _named(parts["strength"], per, "root mean square gradient"),
        }
    ).assign_coords(axis=list(PLACES))
    return recorded(found, _STEP, {**settings, "kind": kind}, after=xr.Dataset(attrs=grey.attrs))


def oriented(block: NDArray[np.generic], edges: Edges, sigma: float, rho: float, across: bool) -> NDArray[np.void]:
    """Return direction and anisotropy of every voxel of a whole array, as records."""
    elements = tensor(block, edges, sigma, rho)
    vector, value = directions(*(one.ravel() for one in elements), across=across)
    found = np.empty(block.size, _RECORD)
    for axis, name in enumerate(PLACES):
        found[name] = vector[:, axis]
    largest = np.where(value[:, 0] > 0, value[:, 0], 1)
    found["linearity"] = np.clip((value[:, 1] - value[:, 2]) / largest, 0, 1)
    found["planarity"] = np.clip((value[:, 0] - value[:, 1]) / largest, 0, 1)
    found["strength"] = np.sqrt(np.maximum(value.sum(axis=1), 0))
    return found.reshape(block.shape)


def _field(records: Any, name: str) -> Any:
    return np.ascontiguousarray(records[name]) if isinstance(records, np.ndarray) else records[name]


def _named(array: xr.DataArray, units: str, meaning: str) -> xr.DataArray:
    return array.assign_attrs({"units": units, "long_name": meaning})
