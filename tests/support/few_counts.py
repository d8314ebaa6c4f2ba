"""S 2p spectra with 20 counts of background: where errors from the covariance are too simple."""

from __future__ import annotations

import numpy as np
import xarray as xr
from sulfur_spectra import LINES, RATIO, SPLITTING, spectra, truth

from operando import xps
from operando.xps import Background, Doublet, Free, Model

FEW = 0.05
POSITIONS, WIDTHS, MOVE = (161.6, 160.1, 163.2), (1.0, 1.0, 1.2), 0.8
NARROW, WIDE = 0.4, 3.0


def few_count_model() -> Model:
    places = [Free(at, at - MOVE, at + MOVE) for at in POSITIONS]
    widths = [Free(width, NARROW, WIDE) for width in WIDTHS]
    lines = [Doublet(n, at, w, SPLITTING, RATIO) for n, at, w in zip(LINES, places, widths, strict=True)]
    return Model(lines, Background(polynomial=0, height=Free(0.01, 0.0), constant=Free(15.0, 0.0)))


def few_count_truth(count: int) -> xr.Dataset:
    known = truth(count)
    return known.assign(area=FEW * known["area"])


def inside_of_bounds(count: int) -> dict[str, np.ndarray]:
    """Return which truths lie more than 3 standard deviations, as expected without noise, inside of their bounds."""
    expected = xps.fit(spectra(count, scale=FEW, constant=20.0), few_count_model(), curves=False)
    known = few_count_truth(count)
    middle = np.array(POSITIONS)
    low = {"area": 0.0, "position": middle - MOVE, "fwhm": NARROW}
    high = {"area": np.inf, "position": middle + MOVE, "fwhm": WIDE}
    return {
        key: (
            (known[key] - low[key] > 3 * expected[f"{key}_std"]) & (high[key] - known[key] > 3 * expected[f"{key}_std"])
        )
        .transpose("scan", "peak")
        .to_numpy()
        for key in low
    }
