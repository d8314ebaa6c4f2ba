"""Maps from aligned images: every pixel is a spectrum, and is treated as one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from operando.errors import OperandoError
from operando.history import recorded
from operando.units import with_units
from operando.xas.combination import lcf, leaves_normalization
from operando.xas.edge import edge_energy, find_e0
from operando.xas.normalization import normalize

from .frames import ALONG, PLANE, images_of, usable
from .noise_propagation import Floats, edge_variance, fit_weights
from .region_spectra import counting_noise

_BLOCK = 64
_KEPT = ("fraction", "fraction_std", "scale", "scale_std", "r_factor")
_NAMES = {
    "edge_step": "rise of the yield at the edge",
    "edge_step_std": "standard uncertainty of the edge step from noise",
}


def maps(
    images: xr.DataArray | xr.Dataset,
    *,
    e0: float | None = None,
    normalization: Mapping[str, Any] | None = None,
    edge: Mapping[str, Any] | None = None,
    references: xr.DataArray | xr.Dataset | None = None,
    combination: Mapping[str, Any] | None = None,
) -> xr.Dataset:
    """Return edge step, edge energy and shares of references of every pixel, or of every region.

    By :func:`~operando.xas.normalize`, :func:`~operando.xas.edge_energy` and :func:`~operando.xas.lcf`.

    Parameters
    ----------
    images
        Aligned images, dims ``energy`` (eV), ``y``, ``x`` and others such as ``scan``, in memory or dask; or a Dataset
        with them as ``intensity`` and, if known, the noise of every pixel as ``intensity_std``; or what
        :func:`~operando.xas.xpeem.spectra` returns. Frames that are flagged as missing or saturated are left out.
    e0
        Edge energy, eV, from which the ranges of the normalization count; by default that of the mean of all
        spectra, which is computed at once.
    normalization, edge, combination
        Options of ``normalize``, ``edge_energy`` and ``lcf`` by name.
    references
        The normalized spectra of known substances (reference energy) as :func:`~operando.xas.lcf` takes them; None: no
        shares.

    Returns
    -------
    xarray.Dataset
        ``edge_step`` (units of the images) with ``edge_step_std`` if the noise is known; ``edge_energy`` (eV) with
        ``edge_energy_std``; with references ``fraction``, ``fraction_std``, ``r_factor`` and, where it is fitted,
        ``scale`` with ``scale_std``. Dims as the images' without energy, and reference last.

    Raises
    ------
    OperandoError
        If the dims are not those described, or the edge energy is not within the scan.

    Notes
    -----
    Lazy images stay lazy and are worked on in blocks of 64 x 64 px with all energies: store aligned images in such
    blocks if they exceed the memory. Noise that is known is carried through the normalization to edge step and edge
    energy, which are linear in it while it is small; of regions also that of I0 (``mu_common_std``), which pixels share
    and their maps leave out. Shares take it where they are fitted with ``scale`` and a linear background, for then the
    normalization's own noise does not move them. Else the edge energy is judged by the scatter of each spectrum, shares
    by the residuals. Splines average neighbors: after :func:`~operando.xas.xpeem.align` single pixels have some 13 %
    less noise than ``intensity_std``, which holds for their sums, and errors too wide by as much. The pixels' flags are
    not raised: in single pixels noise alone reaches bounds and hides edges.
    """
    stack, error = _spectra_and_noise(images)
    sound = usable(stack)
    known = np.flatnonzero(sound.any([dim for dim in sound.dims if dim != ALONG]).to_numpy())
    spectra = _blocks(stack.isel({ALONG: known}))
    center = float(find_e0(spectra.mean([dim for dim in spectra.dims if dim != ALONG]))) if e0 is None else float(e0)
    energy = np.sort(spectra[ALONG].to_numpy())
    if energy.size < 4 or not energy[1] <= center <= energy[-2]:
        raise OperandoError(f"maps: expected four or more energies around the edge energy {center:g} eV, got {energy}")
    options = dict(normalization or {})
    fitted = normalize(spectra, center, **options)
    found = edge_energy(fitted, **(edge or {}))
    ds = xr.Dataset({"edge_step": fitted["edge_step"], **found[["edge_energy", "edge_energy_std"]].data_vars})
    noise = None if error is None else _blocks(error.isel({ALONG: known}))
    if noise is not None:
        ds = ds.assign(
            _errors(fitted["normalized"], noise, ds, (center, options), float((edge or {}).get("level", 0.5)))
        )
    if references is not None:
        asked = dict(combination or {})
        of_point = noise / abs(fitted["edge_step"]) if noise is not None and leaves_normalization(**asked) else None
        shares = lcf(fitted, references, noise=of_point, residual=False, **asked)
        ds = ds.merge(shares[[name for name in _KEPT if name in shares]], compat="override")
    parameters = {"e0": center, "normalization": normalization, "edge": edge, "combination": combination}
    return recorded(_labelled(ds, stack), "xas.xpeem.maps", parameters, after=xr.Dataset(attrs=stack.attrs))


def _spectra_and_noise(images: xr.DataArray | xr.Dataset) -> tuple[xr.DataArray, xr.DataArray | None]:
    if isinstance(images, xr.Dataset) and "mu" in images:
        history = {name: text for name, text in images.attrs.items() if name == "history"}
        return images["mu"].assign_attrs(history), counting_noise(images, shared=True)
    error = images.get("intensity_std") if isinstance(images, xr.Dataset) else None
    return images_of(images, "maps"), error


def _blocks(spectra: xr.DataArray) -> xr.DataArray:
    """Return spectra without their flags and, if lazy, in blocks that hold all energies."""
    bare = spectra.drop_vars(["flag", "frame_flag"], errors="ignore")
    return bare.chunk({ALONG: -1, **{dim: _BLOCK for dim in PLANE if dim in bare.dims}}) if bare.chunks else bare


def _errors(
    normalized: xr.DataArray, noise: xr.DataArray, found: xr.Dataset, fit: tuple[float, Mapping[str, Any]], level: float
) -> dict[str, xr.DataArray]:
    """Return the standard deviations of edge step and edge energy from the noise of every point."""
    energy = normalized[ALONG].to_numpy()
    std = xr.apply_ufunc(
        _stds,
        normalized,
        noise.drop_vars([name for name in noise.coords if name != ALONG]),
        found["edge_step"],
        found["edge_energy"],
        kwargs={"energy": energy, "weights": fit_weights(energy, *fit), "level": level},
        input_core_dims=[[ALONG], [ALONG], [], []],
        output_core_dims=[[], []],
        dask="parallelized",
        output_dtypes=[np.float64] * 2,
    )
    return dict(zip(("edge_step_std", "edge_energy_std"), std, strict=True))


def _stds(
    normalized: Floats,
    noise: Floats,
    step: Floats,
    edge: Floats,
    *,
    energy: Floats,
    weights: tuple[Floats, Floats],
    level: float,
) -> tuple[Floats, Floats]:
    variance = noise.astype(np.float64) ** 2
    in_energy = edge_variance((energy, normalized), variance, (step, edge), weights, level)
    return np.sqrt(variance @ weights[1] ** 2), np.sqrt(in_energy)


def _labelled(ds: xr.Dataset, stack: xr.DataArray) -> xr.Dataset:
    units = dict.fromkeys(_NAMES, str(stack.attrs.get("units", "1"))) | {"edge_energy_std": "eV"}
    kept = {name: values for name, values in stack.coords.items() if ALONG not in values.dims}
    names = {**_NAMES, "edge_energy_std": "standard uncertainty of the edge energy from noise"}
    ds = with_units(ds.drop_vars(ALONG, errors="ignore").assign_coords(kept), units, names)
    return ds.transpose(*(dim for dim in stack.dims if dim != ALONG), ..., missing_dims="ignore")
