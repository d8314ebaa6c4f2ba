"""From counts of a camera to intensities: dark, flat, incoming intensity, repeated energies."""

from __future__ import annotations

import numpy as np
import xarray as xr

from operando.errors import OperandoError
from operando.flags import Flag, raised
from operando.history import recorded
from operando.units import with_units

from .frames import ALONG, I0_NOISE, PLANE, usable

_NAMES = {
    "intensity": "electron yield per incoming intensity",
    "intensity_std": "standard uncertainty of the yield from counting",
}


def correct(
    stack: xr.Dataset, *, gain: float | None = None, duplicates: float | None = None, i0_noise: float | None = None
) -> xr.Dataset:
    """Return the intensity (counts - dark)/(flat - dark)/I0 of a stack of images.

    Parameters
    ----------
    stack
        ``counts`` (energy y x, and other dims such as scan), in memory or dask, with ``i0`` (energy), ``flat`` and
        ``dark`` (y x), as far as they were measured, and the coordinate ``frame_flag`` (energy). What was not
        measured is passed over.
    gain
        Counts of the camera per detected electron, if known: the variance of a pixel is then ``gain`` times its
        counts.
    duplicates
        Frames whose energies differ by up to this much (eV) are averaged, 0.1 for instance; None: none are.
    i0_noise
        Standard deviation with which I0 was measured, relative to it, if known: 0.002 for instance. All pixels of a
        frame share it, and no two frames do. It counts beside the noise of counting, so the gain must be known.

    Returns
    -------
    xarray.Dataset
        ``intensity`` (float32) and, if the gain is known, ``intensity_std``, which leaves out the noise of I0, flat and
        dark; if that of I0 is known, the coordinate ``i0_noise`` (1, dims as ``frame_flag``). NaN in frames that are
        missing or saturated, in frames without I0 (``Flag.no_i0`` in ``frame_flag``), and in pixels whose flat is not
        above the dark. The units are counts or, with a flat, 1, per unit of I0.

    Raises
    ------
    OperandoError
        If there are no ``counts`` with the dims energy, y, x, if the gain or the tolerance is not positive, or if
        ``i0_noise`` is no number from 0 to 1, or given where there is no I0 or no gain.

    Notes
    -----
    Lazy images stay lazy; I0 is read at once. Repeated frames are averaged where they are: do so only where the image
    does not drift from one to the other.
    """
    _check(stack, gain, duplicates, i0_noise)
    counts = stack["counts"]
    kept = [name for name in stack.coords if name not in PLANE]
    flag = stack.coords.get("frame_flag", xr.DataArray(np.zeros(counts.sizes[ALONG], np.int32), dims=ALONG)).compute()
    gray, units, dark = counts.astype(np.float32), "counts", xr.DataArray(np.float32(0))
    flat, lit = xr.DataArray(np.float32(1)), xr.DataArray(np.float32(1))
    if "dark" in stack:
        dark = stack["dark"].astype(np.float32)
    if "flat" in stack:
        flat, units = stack["flat"].astype(np.float32) - dark, "1"
    if "i0" in stack:
        i0 = stack["i0"].compute()
        lit = i0.where(i0 > 0).astype(np.float32)
        flag = raised(flag, Flag.no_i0, lit.isnull().reset_coords(drop=True))
        own = i0.attrs.get("units", "1")
        units = units if own == "1" else f"{units}/({own})"
    flat, lit = flat.where(flat > 0), lit.where(usable(counts.assign_coords(frame_flag=flag)))
    ds = xr.Dataset({"intensity": (gray - dark) / flat / lit})
    if gain is not None:
        ds["intensity_std"] = (np.float32(gain) * gray) ** np.float32(0.5) / flat / lit
    ds = ds.transpose(*counts.dims).assign_coords({name: stack[name] for name in kept})
    ds = ds.assign_coords(frame_flag=flag)
    if i0_noise is not None:
        about = {"units": "1", "long_name": "relative standard uncertainty of the incoming intensity"}
        ds = ds.assign_coords({I0_NOISE: (flag.dims, np.full(flag.shape, float(i0_noise)), about)})
    if duplicates is not None:
        ds = _averaged(ds, duplicates)
    ds = with_units(ds, dict.fromkeys(_NAMES, units), {name: text for name, text in _NAMES.items() if name in ds})
    parameters = {"gain": gain, "duplicates": duplicates, I0_NOISE: i0_noise}
    return recorded(ds, "xas.xpeem.correct", parameters, after=stack)


def _check(stack: xr.Dataset, gain: float | None, duplicates: float | None, i0_noise: float | None) -> None:
    dims = stack["counts"].dims if "counts" in stack else ()
    if not {ALONG, *PLANE} <= set(dims):
        raise OperandoError(f"correct: expected 'counts' with the dims energy, y and x, got {tuple(dims) or 'none'}")
    for name, value in (("gain", gain), ("duplicates", duplicates)):
        if value is not None and not value > 0:
            raise OperandoError(f"correct: expected {name} above 0, got {value}")
    if i0_noise is not None and not 0 <= i0_noise < 1:
        raise OperandoError(f"correct: expected i0_noise, relative to I0, from 0 to 1, got {i0_noise}")
    if i0_noise is not None and "i0" not in stack:
        raise OperandoError("correct: expected an I0 whose noise is i0_noise, got none; leave i0_noise out")
    if i0_noise is not None and gain is None:
        raise OperandoError(
            "correct: expected a gain beside i0_noise, got none; without it noise is taken from scatter"
        )


def _averaged(ds: xr.Dataset, tolerance: float) -> xr.Dataset:
    """Return a stack whose frames at about the same energy are one, energies ascending."""
    energy = ds[ALONG].to_numpy()
    order = np.argsort(energy, kind="stable")
    groups: list[list[int]] = []
    for at in order:
        if groups and energy[at] - energy[groups[-1][0]] <= tolerance:
            groups[-1].append(int(at))
        else:
            groups.append([int(at)])
    if len(groups) == energy.size and (order == np.arange(energy.size)).all():
        return ds
    return xr.concat([_mean(ds.isel({ALONG: group})) for group in groups], ALONG).assign_attrs(ds.attrs)


def _mean(frames: xr.Dataset) -> xr.Dataset:
    """Return the mean of frames as one, flagged as repeated; those that do not count are left out."""
    if frames.sizes[ALONG] == 1:
        return frames
    sound = usable(frames["intensity"])
    out = frames.isel({ALONG: [0]})
    number = sound.sum(ALONG)
    out["intensity"] = _like(frames["intensity"].mean(ALONG), out["intensity"])
    if "intensity_std" in frames:
        variance = (frames["intensity_std"] ** 2).sum(ALONG)
        out["intensity_std"] = _like((variance**0.5 / number.where(number > 0)).astype(np.float32), out["intensity"])
    counting = frames["frame_flag"].where(sound | (number == 0), 0).astype(np.int32)
    flag = counting.reduce(np.bitwise_or.reduce, ALONG).reset_coords(drop=True)
    flag = raised(flag, Flag.duplicate_energy).expand_dims({ALONG: 1}).transpose(*out["frame_flag"].dims)
    energy = frames[ALONG].mean(keep_attrs=True).expand_dims(ALONG)
    out = out.assign_coords({ALONG: energy, "frame_flag": (out["frame_flag"].dims, flag.data, flag.attrs)})
    if I0_NOISE in frames.coords:
        own = frames[I0_NOISE].where(sound).reset_coords(drop=True)
        shared = (own**2).sum(ALONG) ** 0.5 / number.where(number > 0)
        shared = shared.expand_dims({ALONG: 1}).transpose(*out[I0_NOISE].dims)
        out = out.assign_coords({I0_NOISE: (shared.dims, shared.data, frames[I0_NOISE].attrs)})
    return out


def _like(values: xr.DataArray, frame: xr.DataArray) -> tuple[tuple[str, ...], object]:
    shaped = values.reset_coords(drop=True).expand_dims({ALONG: 1}).transpose(*frame.dims)
    return tuple(map(str, shaped.dims)), shaped.data
