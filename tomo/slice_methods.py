"""Ways from sinograms to slices, and what takes stripes out of sinograms, by name."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from operando.errors import OperandoError

from .back_projection import back_projection
from .extras import imported

Singles = NDArray[np.float32]
Floats = NDArray[np.float64]

STRIPES = {
    "sorting": "remove_stripe_based_sorting",
    "filtering": "remove_stripe_based_filtering",
    "fitting": "remove_stripe_based_fitting",
    "large": "remove_large_stripe",
    "dead": "remove_dead_stripe",
    "all": "remove_all_stripe",
}
"""algotom's methods: N. T. Vo et al., Opt. Express 26, 28396 (2018), doi:10.1364/OE.26.028396."""

_FOR_RINGS = ("algotom.prep.removal", "to remove rings from sinograms")
_FOR_METHOD = {
    "dfi": ("algotom.rec.reconstruction", "for method 'dfi'"),
    "sirt": ("astra", "for method 'sirt'"),
}

_ASTRA = Lock()
"""astra keeps its objects in one table of the process."""


def require_packages(method: str, rings: str | None) -> None:
    """Refuse a way that takes an optional package that is not installed.

    Raises
    ------
    OperandoError
        With the package and how to get it.
    """
    if rings is not None:
        imported(*_FOR_RINGS)
    if method in _FOR_METHOD:
        imported(*_FOR_METHOD[method])


def stripe_removal(method: str, settings: Mapping[str, Any]) -> Callable[..., Any]:
    """Return algotom's function, which takes one sinogram and these settings.

    Raises
    ------
    OperandoError
        If algotom is not installed or the function knows no such setting.
    """
    function: Callable[..., Any] = getattr(imported(*_FOR_RINGS), STRIPES[method])
    known = [name for name in inspect.signature(function).parameters if name != "sinogram"]
    unknown = [name for name in settings if name not in known]
    if unknown:
        raise OperandoError(f"reconstruct: expected ring_settings among {', '.join(known)}, got {unknown[0]!r}")
    return function


def without_stripes(sinograms: Singles, method: str, settings: Mapping[str, Any]) -> Singles:
    """Return sinograms (row, angle, pixel) without the stripes that become rings.

    Raises
    ------
    OperandoError
        If algotom is not installed or refuses the settings.
    """
    function = stripe_removal(method, settings)
    try:
        return np.stack([function(one, **settings) for one in sinograms]).astype(np.float32)
    except (TypeError, ValueError, IndexError) as error:
        reason = " ".join(str(error).split())
        raise OperandoError(
            f"reconstruct: expected ring_settings that algotom takes, got {dict(settings)} ({reason})"
        ) from None


def by_back_projection(sinograms: Singles, angles: Floats, center: float, size: int, *, window: str) -> Singles:
    """Return slices by filtered back-projection."""
    return back_projection(sinograms, angles, center, size, window)


def by_fourier_inversion(sinograms: Singles, angles: Floats, center: float, size: int, *, window: str) -> Singles:
    """Return slices by algotom's direct inversion of the Fourier transform; evenly spaced angles over 180 deg."""
    module = imported(*_FOR_METHOD["dfi"])
    name = None if window == "ramp" else window
    common = {"ratio": None, "filter_name": name, "apply_log": False, "ncore": 1}
    slices = [module.dfi_reconstruction(one.copy(), center, angles=angles, **common) for one in sinograms]
    return _framed(np.stack(slices)[:, ::-1], size)


def by_iteration(sinograms: Singles, angles: Floats, center: float, size: int, *, iterations: int) -> Singles:
    """Return slices by astra's simultaneous iterative reconstruction (SIRT) on the CPU."""
    astra = imported(*_FOR_METHOD["sirt"])
    pixels = sinograms.shape[-1]
    geometry = astra.create_proj_geom("parallel", 1.0, pixels, angles)
    geometry = astra.geom_postalignment(geometry, (pixels - 1) / 2 - center)
    volume = astra.create_vol_geom(size, size)
    with _ASTRA:
        projector = astra.create_projector("linear", geometry, volume)
        found = [_iterated(astra, projector, (geometry, volume), one, iterations) for one in sinograms]
        astra.projector.delete(projector)
    return np.stack(found).astype(np.float32)


def _iterated(astra: Any, projector: int, geometries: tuple[Any, Any], sinogram: Singles, iterations: int) -> Singles:
    data = astra.data2d.create("-sino", geometries[0], sinogram)
    image = astra.data2d.create("-vol", geometries[1], 0.0)
    setting = astra.astra_dict("SIRT") | {
        "ProjectorId": projector,
        "ProjectionDataId": data,
        "ReconstructionDataId": image,
    }
    run = astra.algorithm.create(setting)
    astra.algorithm.run(run, iterations)
    found: Singles = astra.data2d.get(image)[::-1]
    astra.algorithm.delete(run)
    astra.data2d.delete([data, image])
    return found


def _framed(slices: Singles, size: int) -> Singles:
    """Return slices cut or padded with zeros to ``size``, about their middle; both even or both odd."""
    have = slices.shape[-1]
    if size > have:
        pad = (size - have) // 2
        return np.pad(slices, ((0, 0), (pad, pad), (pad, pad)))
    cut = (have - size) // 2
    return np.ascontiguousarray(slices[:, cut : cut + size, cut : cut + size])


METHODS: dict[str, Callable[..., Singles]] = {
    "fbp": by_back_projection,
    "dfi": by_fourier_inversion,
    "sirt": by_iteration,
}
