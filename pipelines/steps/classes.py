"""Recipe step that tells phases apart by how voxels look, as a classifier learned it from labelled ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from operando.history import HISTORY
from operando.pipelines.scratch import kept

from .volume_costs import affordable
from .volumes import grey_of

Labels = NDArray[np.uint8]


def classify(raw: xr.Dataset, processed: xr.Dataset, *, classifier: Path) -> xr.Dataset:
    """Tell phases apart by a trained classifier, a file beside the recipe; phases are numbered in its order from 1."""
    from operando import tomo

    trained = tomo.PixelClassifier.load(classifier)
    found = trained.predict(affordable(grey_of("classify", raw, processed), "classify"))
    numbers = np.zeros(256, np.uint8)
    numbers[list(trained.classes)] = np.arange(1, len(trained.classes) + 1)
    label = xr.apply_ufunc(_numbered, found, kwargs={"numbers": numbers}, dask="parallelized", output_dtypes=[np.uint8])
    made = kept(xr.Dataset({"phase_label": label.variable}))
    names = np.array(list(trained.classes.values()), dtype=object)
    flags = {"flag_values": list(range(1, len(names) + 1)), "flag_meanings": " ".join(names)}
    made["phase_label"].attrs = {"units": "1", "long_name": "phase of the voxel, 0 unknown", **flags}
    out = processed.assign_coords(phase=("phase", names, {"long_name": "phase, in the order of the classifier"}))
    return out.assign(made.data_vars).assign_attrs({HISTORY: found.attrs[HISTORY]})


def _numbered(classes: Labels, numbers: Labels) -> Labels:
    found: Labels = numbers[classes]
    return found
