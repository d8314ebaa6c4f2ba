"""Compare the onsets that an evaluation found with the true ones."""

from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np
import xarray as xr

from .score_rows import Row, rms

NEAR = 600.0
"""Seconds within which an onset found is the true one."""


def onset_rows(tree: xr.DataTree, truth: xr.DataTree) -> Iterator[Row]:
    """Yield how many onsets were found, how many that are none, and how far they lie from the true crossings."""
    known = json.loads(truth.attrs["onsets"])
    if "onsets" not in tree.children:
        yield Row("onsets", "s", None, truth=0.0)
        return
    found = tree["onsets"].to_dataset().load()
    seconds = (found["time"].values - np.datetime64(truth.attrs["start"], "ns")) / np.timedelta64(1, "ns") * 1e-9
    names, std = found["name"].values, found["time_std"].values
    errors, sigmas = [], []
    for onset in known:
        alike = np.flatnonzero((names == onset["reaction"]) & (abs(seconds - onset["crossing"]) < NEAR))
        if alike.size:
            errors.append(float(seconds[alike[0]] - onset["crossing"]))
            sigmas.append(float(std[alike[0]]))
    yield Row("onsets found, of n", "1", float(len(errors)), truth=float(len(known)))
    yield Row("onsets found without cause", "1", float(found.sizes["onset"] - len(errors)), truth=0.0)
    if errors:
        pulls = np.array(errors) / np.array(sigmas)
        yield Row("onsets", "s", rms(np.array(errors)), rms(np.array(sigmas)), 0.0, rms(pulls))
