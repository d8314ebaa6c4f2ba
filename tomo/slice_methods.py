"""Ways from sinograms to slices, and what takes stripes out of sinograms, by name."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

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

_ASTRA = Lock()
"""astra keeps its objects in one table of the process."""


def without_stripes(sinograms: Singles, method: str, settings: dict[str, Any]) -> Singles:
    """Return sinograms (row, angle, pixel) without the stripes that become rings."""
    function = getattr(imported("algotom.prep.removal", "to remove rings from sinograms"), STRIPES[method])
    return np.stack([function(one, **settings) for one in sinograms]).astype(np.float32)


def by_back_projection(sinograms: Singles, angles: Floats, center: float, size: int, *, window: str) -> Singles:
    """Return slices by filtered back-projection."""
    return back_projection(sinograms, angles, center, size, window)


def by_fourier_inversion(sinograms: Singles, angles: Floats, center: float, size: int, *, window: str) -> Singles:
    """Return slices by algotom's direct inversion of the Fourier transform; evenly spaced angles over 180 deg."""
    module = imported("algotom.rec.reconstruction", "for method 'dfi'")
    name = None if window == "ramp" else window
    common = {"ratio": None, "filter_name": name, "apply_log": False, "ncore": 1}
    slices = [module.dfi_reconstruction(one.copy(), center, angles=angles, **common) for one in sinograms]
    return _framed(np.stack(slices)[:, ::-1], size)


def by_iteration(sinograms: Singles, angles: Floats, center: float, size: int, *, iterations: int) -> Singles:
    """Return slices by astra's simultaneous iterative reconstruction (SIRT) on the CPU."""
    astra = imported("astra", "for method 'sirt'")
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
