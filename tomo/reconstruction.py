"""From projections to volumes of the attenuation coefficient."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from operando.errors import OperandoError

from .back_projection import WINDOWS
from .layout import PLACES
from .phase_retrieval import Paganin, paganin
from .results import described
from .rotation_center import rotation_center
from .slice_methods import METHODS, STRIPES, stripe_removal, without_stripes
from .transmissions import Singles, attenuation, flat_shares, transmission

if TYPE_CHECKING:
    import dask.array as da

_ROWS = 8
"""Rows worked on together; four times as many after phase retrieval, which takes whole frames."""
_FRAMES = 16
"""Projections worked on together."""
_LOOKED_AT = 5
"""Rows in which the axis of rotation is sought."""
_PIECE = (_FRAMES, 4 * _ROWS, 2**16)
_CORE = ("angle", "y", "x")


def reconstruct(
    projections: xr.Dataset,
    *,
    method: str = "fbp",
    center: float | None = None,
    window: str = "ramp",
    rings: str | None = None,
    ring_settings: Mapping[str, Any] | None = None,
    phase: Paganin | None = None,
    size: int | None = None,
    outside: float = 0.0,
    iterations: int = 100,
    store: str | PathLike[str] | None = None,
) -> xr.DataArray:
    """Return the volume of the linear attenuation coefficient from parallel-beam projections.

    mu = R^-1[-ln((I - dark)/(flat - dark))] / pixel size. Pixels that cannot be trusted (saturated, without beam or
    light, not finite) and projections with a ``frame_flag`` (in any scan of a series) do not count.

    Parameters
    ----------
    projections
        ``projections`` (..., angle, y, x), ``flat`` (..., flat_frame, y, x) and perhaps ``dark`` (..., dark_frame,
        y, x), counts; coordinates ``angle`` (deg), perhaps ``pixel_size`` (um), ``frame_flag`` (..., angle), and
        ``flat_after`` (..., flat_frame): how many projections had been taken before each flat, so that the beam is
        interpolated between flats; their mean counts without it. Lazy projections are best chunked along y, all angles
        of a row together: every chunk is looked up once for each block of rows.
    method
        ``fbp``: filtered back-projection. ``dfi``: algotom's direct Fourier inversion, for evenly spaced angles over
        180 deg. ``sirt``: astra's iterative reconstruction, for few or noisy projections, slow.
    center
        Pixel along x, counted from 0, onto which the axis of rotation falls; found by algotom if not given.
    window
        Of the ramp filter: ``ramp``, ``shepp-logan``, ``cosine`` or ``hann``, from sharp and noisy to smooth.
        ``dfi`` knows ``ramp`` and ``hann``.
    rings
        algotom's way to take stripes out of sinograms: ``sorting``, ``filtering``, ``fitting``, ``large``, ``dead`` or
        ``all``; none by default. ``ring_settings`` are its arguments, such as ``{"size": 21}``.
    phase
        Single-distance phase retrieval before the logarithm.
    size
        Voxels along y and x; the pixels of a projection by default.
    outside
        Value of voxels that not every projection sees.
    iterations
        Of ``sirt``.
    store
        An empty folder for the frames after phase retrieval (4 bytes a pixel), for as long as the result is read.
        Without it they are retrieved again for every block of rows that is computed by itself.

    Returns
    -------
    xarray.DataArray
        ``grey`` (..., z, y, x), float32, 1/um (1/px without ``pixel_size``): z along the rows of the detector, the axis
        of rotation in the middle of y and x; at angle 0 the beam runs along y, and a positive angle turns the sample
        from x to y. Coordinate ``rotation_center`` (px). Computed block by block of rows when needed; in memory only
        if the projections are. A center to find is found at once, from a few rows.

    Raises
    ------
    OperandoError
        If variables are missing or do not fit, settings are out of range, or an optional package is missing.

    Notes
    -----
    algotom: N. T. Vo et al., Opt. Express 29, 17849 (2021), doi:10.1364/OE.418448. Its own back-projection on the CPU
    adds to one image from several threads at once, so ``fbp`` uses a kernel of this package.
    """
    ds = _checked(projections, method, window, rings)
    if rings is not None:
        stripe_removal(rings, ring_settings or {})
    pixels = ds.sizes["x"]
    width = pixels if size is None else size
    _check_size(width, pixels, center, method)
    line = _lines(ds, phase, store)
    centers = _centers(line, center)
    of_method: dict[str, Any] = {"iterations": iterations} if method == "sirt" else {"window": window}
    chosen = {"method": method, "rings": rings, "ring_settings": dict(ring_settings or {})}
    settings = {**chosen, "of_method": of_method, "edge": _pixel_size(ds) if "pixel_size" in ds.coords else 1.0}
    volume = _placed(_slices(line, centers, width, outside, settings), ds, centers)
    if ds["projections"].chunks is None:
        volume = volume.compute(scheduler="threads")
    parameters = {
        **chosen,
        **of_method,
        "center": centers.to_numpy(),
        "phase": asdict(phase) if phase else None,
        "size": width,
        "outside": outside,
    }
    units = "1/um" if "pixel_size" in ds.coords else "1/px"
    return described(
        volume,
        projections,
        name="grey",
        units=units,
        long_name="linear attenuation coefficient",
        step="tomo.reconstruct",
        parameters=parameters,
    )


def _checked(ds: xr.Dataset, method: str, window: str, rings: str | None) -> xr.Dataset:
    """Return the projections that count, with ``dark``."""
    windows = ("ramp", "hann") if method == "dfi" else WINDOWS
    for name, value, known in (("method", method, METHODS), ("window", window, windows), ("rings", rings, STRIPES)):
        if value not in known and not (name == "rings" and value is None):
            raise OperandoError(f"reconstruct: expected {name} to be one of {', '.join(known)}, got {value!r}")
    lacking = [name for name in ("projections", "flat") if name not in ds]
    lacking += [] if "angle" in ds.coords else ["angle"]
    if lacking:
        raise OperandoError(f"reconstruct: expected projections, flat and their angle, got no {' and '.join(lacking)}")
    if not set(_CORE) <= set(ds["projections"].dims) or ds["angle"].dims != ("angle",):
        raise OperandoError(
            f"reconstruct: expected projections (angle, y, x), got {tuple(map(str, ds['projections'].dims))}"
        )
    if "dark" not in ds:
        ds = ds.assign(dark=ds["flat"].isel(flat_frame=slice(0)).rename(flat_frame="dark_frame"))
    if "frame_flag" in ds.coords or "frame_flag" in ds:
        good = (ds["frame_flag"] == 0).all([dim for dim in ds["frame_flag"].dims if dim != "angle"])
        ds = ds.assign_coords(taken=("angle", np.arange(ds.sizes["angle"]))).isel(angle=np.flatnonzero(good))
    if not ds.sizes["angle"] or not np.isfinite(ds["angle"]).all():
        raise OperandoError("reconstruct: expected projections with an angle and without a frame_flag, got none")
    return ds


def _check_size(size: int, pixels: int, center: float | None, method: str) -> None:
    if not 1 <= size <= 2 * pixels or (method == "dfi" and (size - pixels) % 2):
        raise OperandoError(
            f"reconstruct: expected a size from 1 to twice the {pixels} pixels (for dfi less or more by an even "
            f"number), got {size}"
        )
    if center is not None and not 0 <= center <= pixels - 1:
        raise OperandoError(f"reconstruct: expected the center within the {pixels} pixels, got {center}")


def _lines(ds: xr.Dataset, phase: Paganin | None, store: str | PathLike[str] | None = None) -> xr.DataArray:
    """Return the attenuation along the rays, lazily, all angles of a block of rows together."""
    import dask.array as da

    seen = ds["projections"].transpose(..., *_CORE)
    lead = seen.dims[:-3]
    rows, frames = (-1, _FRAMES) if phase else (_ROWS, -1)
    blocks = dict.fromkeys(lead, 1)
    beams = [
        ds[name]
        .expand_dims({dim: seen.sizes[dim] for dim in lead if dim not in ds[name].dims})
        .transpose(*lead, f"{name}_frame", "y", "x")
        .chunk({**blocks, f"{name}_frame": -1, "y": rows, "x": -1})
        .data
        for name in ("flat", "dark")
    ]
    shares = _shares(ds, seen)
    index = tuple(range(len(lead)))
    angle, y, x, flat, dark = range(len(lead), len(lead) + 5)
    found = da.blockwise(  # type: ignore[no-untyped-call]
        _transmitted,
        (*index, angle, y, x),
        seen.chunk({**blocks, "angle": frames, "y": rows, "x": -1}).data,
        (*index, angle, y, x),
        beams[0],
        (*index, flat, y, x),
        beams[1],
        (*index, dark, y, x),
        da.from_array(shares, chunks=(*(1 for _ in lead), frames, -1)),  # type: ignore[no-untyped-call]
        (*index, angle, flat),
        concatenate=True,
        dtype=np.float32,
        meta=np.empty((0,) * seen.ndim, dtype=np.float32),
        length=phase.length / _pixel_size(ds) if phase else None,
    )
    if phase is not None and store is not None:
        found = _waiting(found, Path(store) / "frames")
    found = found.rechunk({len(lead): -1, len(lead) + 1: 4 * _ROWS if phase else _ROWS})
    found = found.map_blocks(_attenuated, dtype=np.float32, meta=np.empty((0,) * seen.ndim, dtype=np.float32))
    return seen.copy(data=found).drop_attrs()


def _shares(ds: xr.Dataset, seen: xr.DataArray) -> NDArray[np.float64]:
    """Return what each flat counts for each projection, dims (..., angle, flat_frame)."""
    lead = seen.isel(angle=0, y=0, x=0, drop=True)
    flats = ds.sizes["flat_frame"]
    taken = ds["taken"].to_numpy() if "taken" in ds.coords else np.arange(ds.sizes["angle"])
    found = np.empty((*lead.shape, taken.size, flats))
    before = None
    if "flat_after" in ds.coords:
        known = ds["flat_after"].expand_dims(
            {dim: lead.sizes[dim] for dim in lead.dims if dim not in ds["flat_after"].dims}
        )
        before = known.transpose(*lead.dims, "flat_frame").to_numpy()
    for index in np.ndindex(lead.shape):
        found[index] = flat_shares(None if before is None else before[index], flats, taken)
    return found


def _waiting(frames: da.Array, folder: Path) -> da.Array:
    """Return frames (..., angle, y, x) from a folder, written once, in pieces from which blocks of rows are read."""
    import dask.array as da
    import zarr

    chunks = (*(1 for _ in frames.shape[:-3]), *(min(a, b) for a, b in zip(frames.shape[-3:], _PIECE, strict=True)))
    kept = zarr.create_array(folder, shape=frames.shape, dtype=frames.dtype, chunks=chunks, compressors=None)
    pieces: da.Array = frames.rechunk(chunks)  # type: ignore[no-untyped-call]
    da.store(pieces, kept, lock=False)  # type: ignore[arg-type]
    read: da.Array = da.from_zarr(kept)  # type: ignore[no-untyped-call]
    return read


def _transmitted(
    projections: NDArray[np.generic],
    flat: NDArray[np.generic],
    dark: NDArray[np.generic],
    shares: NDArray[np.float64],
    *,
    length: float | None,
) -> Singles:
    shape = projections.shape
    alone = [block.reshape(block.shape[-3:]) for block in (projections, flat, dark)]
    found = transmission(*alone, shares=shares.reshape(shares.shape[-2:]))
    return (found if length is None else paganin(found, length)).reshape(shape)


def _attenuated(block: Singles) -> Singles:
    return attenuation(block.reshape(block.shape[-3:])).reshape(block.shape)


def _pixel_size(ds: xr.Dataset) -> float:
    """Return the edge of a pixel, um."""
    if "pixel_size" not in ds.coords:
        raise OperandoError(
            "reconstruct: expected the coordinate pixel_size (um) for phase retrieval, got none; "
            "assign it, such as projections.assign_coords(pixel_size=0.65)"
        )
    sizes = np.unique(ds["pixel_size"].to_numpy())
    if sizes.size != 1 or not sizes[0] > 0:
        raise OperandoError(f"reconstruct: expected one positive pixel_size (um), got {sizes.tolist()}")
    return float(sizes[0])


def _centers(line: xr.DataArray, center: float | None) -> xr.DataArray:
    """Return the axis of rotation of each scan, px; found in a few rows if not given."""
    lead = line.isel(angle=0, y=0, x=0, drop=True)
    if center is not None:
        return xr.DataArray(np.full(lead.shape, float(center)), dims=lead.dims)
    angles = line["angle"].to_numpy().astype(np.float64)
    count = min(_LOOKED_AT, line.sizes["y"])
    rows = np.unique(np.round((np.arange(count) + 0.5) * line.sizes["y"] / count - 0.5).astype(int))
    found = np.empty(lead.shape)
    for index in np.ndindex(lead.shape):
        one = line.isel(dict(zip(lead.dims, index, strict=True)))
        sinograms = one.isel(y=rows).transpose("y", "angle", "x").to_numpy()
        found[index] = rotation_center(sinograms, angles)
    return xr.DataArray(found, dims=lead.dims)


def _slices(
    line: xr.DataArray, centers: xr.DataArray, size: int, outside: float, settings: Mapping[str, Any]
) -> xr.DataArray:
    """Return slices (..., z, y, x) of blocks of rows."""
    import dask.array as da

    scans = tuple(range(line.ndim - len(_CORE)))
    angle, row, pixel, y, x = range(len(scans), len(scans) + 5)
    found = da.blockwise(  # type: ignore[no-untyped-call]
        _block,
        (*scans, row, y, x),
        line.data,
        (*scans, angle, row, pixel),
        da.from_array(centers.to_numpy(), chunks=1),  # type: ignore[no-untyped-call]
        scans,
        new_axes={y: size, x: size},
        concatenate=True,
        dtype=np.float32,
        meta=np.empty((0,) * line.ndim, dtype=np.float32),
        angles=np.deg2rad(line["angle"].to_numpy().astype(np.float64)),
        size=size,
        outside=outside,
        settings=settings,
    )
    return xr.DataArray(found, dims=(*line.dims[:-3], *PLACES))


def _block(
    lines: Singles,
    center: NDArray[np.float64],
    *,
    angles: NDArray[np.float64],
    size: int,
    outside: float,
    settings: Mapping[str, Any],
) -> Singles:
    sinograms = np.ascontiguousarray(lines.reshape(lines.shape[-3:]).transpose(1, 0, 2))
    if settings["rings"] is not None:
        sinograms = without_stripes(sinograms, settings["rings"], settings["ring_settings"])
    axis = float(np.ravel(center)[0])
    slices = METHODS[settings["method"]](sinograms, angles, axis, size, **settings["of_method"]) / settings["edge"]
    slices[:, _unseen(size, axis, sinograms.shape[-1])] = outside
    found: Singles = slices.astype(np.float32).reshape(*lines.shape[:-3], *slices.shape)
    return found


def _unseen(size: int, center: float, pixels: int) -> NDArray[np.bool_]:
    """Return which voxels of a slice some projections do not see."""
    across = np.arange(size) - (size - 1) / 2
    beyond: NDArray[np.bool_] = np.hypot(across[:, np.newaxis], across) > min(center, pixels - 1 - center) + 0.5
    return beyond


def _placed(volume: xr.DataArray, ds: xr.Dataset, centers: xr.DataArray) -> xr.DataArray:
    """Return the volume with the coordinates of its scans and the middles of its voxels."""
    kept = {
        str(name): one.variable
        for name, one in ds["projections"].coords.items()
        if not set(one.dims) & set(_CORE) and name != "pixel_size"
    }
    axis = {"units": "px", "long_name": "pixel onto which the axis of rotation falls"}
    volume = volume.assign_coords(kept).assign_coords(rotation_center=centers.assign_attrs(axis))
    if "pixel_size" not in ds.coords:
        return volume
    edge = _pixel_size(ds)
    middles = {
        name: (
            name,
            (np.arange(volume.sizes[name]) + 0.5) * edge,
            {"units": "um", "long_name": f"{name} of the voxel's middle"},
        )
        for name in PLACES
    }
    size = {"units": "um", "long_name": "edge of a voxel"}
    return volume.assign_coords(middles).assign_coords(
        voxel_size=(ds["pixel_size"].dims, ds["pixel_size"].to_numpy(), size)
    )
