"""What trees say of the labelled voxels that they had not seen: how often they are right, and how sure they may be."""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import NDArray


def out_of_bag_score(probability: NDArray[np.float32], kind: NDArray[np.uint8]) -> float:
    """Return the share of voxels whose class is the most probable one, mean of the classes.

    ``probability`` is (voxel, class), NaN where every tree had seen the voxel; ``kind`` its class, from 0.
    """
    told = np.isfinite(probability).all(axis=1)
    right = probability[told].argmax(axis=1) == kind[told]
    each = [right[kind[told] == one].mean() for one in np.unique(kind[told])]
    return float(np.mean(each)) if each else float("nan")


def out_of_bag_reliability(probability: NDArray[np.float32], kind: NDArray[np.uint8], bins: int) -> xr.Dataset:
    """Return the share of voxels that are of a class, for each range of the probability given to it."""
    told = np.isfinite(probability).all(axis=1)
    given = probability[told].astype(float).ravel()
    true = (kind[told, np.newaxis] == np.arange(probability.shape[1])).ravel()
    at = np.minimum((given * bins).astype(int), bins - 1)
    count = np.bincount(at, minlength=bins)
    with np.errstate(invalid="ignore"):
        predicted, observed = (np.bincount(at, weights=what, minlength=bins) / count for what in (given, true))
        error = np.sqrt(observed * (1 - observed) / count)
    columns = {
        "predicted": (predicted, "mean probability given"),
        "observed": (observed, "share that is of the class"),
        "observed_std": (error, "error of the share"),
        "count": (count, "voxels and classes"),
    }
    return xr.Dataset(
        {name: ("range", values, {"units": "1", "long_name": text}) for name, (values, text) in columns.items()}
    )
