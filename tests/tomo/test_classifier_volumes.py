"""The classifier on the simulated composite, whose phases are known, and on a measured volume."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
import xarray as xr
from numpy.testing import assert_allclose
from phase_phantoms import strokes
from scipy.ndimage import binary_erosion, gaussian_filter

from operando import example_scans
from operando.tomo import Features, PixelClassifier

SMALL = Path(example_scans.__file__).parent / "small"
NAMES = {1: "NCM", 2: "electrolyte", 3: "void"}
CLASSIFIER = PixelClassifier(features=Features(scales=(1, 2)), trees=50)


@pytest.mark.parametrize("step", [1, 5])
def test_the_composite_is_told_apart_from_a_few_strokes(step):
    """Voids of some percent come out too large, as the docstring of ``fractions`` says; NCM is right."""
    slices = sorted((SMALL / f"xtm/step_{step:03d}").glob("*.tif"))[:64]
    grey = np.array([tifffile.imread(path) for path in slices])
    with xr.open_datatree(SMALL / "truth.zarr", engine="zarr") as truth:
        label = truth["xtm/label"][step - 1].to_numpy()
    phases = np.array([0, 1, 2, 3, 3, 3], np.uint8)[label]
    fitted = CLASSIFIER.fit(grey, strokes(phases, 1, 25, 7), NAMES)
    found = fitted.fractions(grey, draws=4)
    true = np.bincount(phases.ravel())[1:] / phases.size
    assert (fitted.predict(grey) == phases).mean() > 0.93
    assert_allclose(found["fraction"].sel(phase="NCM"), true[0], atol=0.02)
    assert np.all(np.abs(found["fraction"] - true) < 0.03 + 3.3 * found["fraction_std"])
    assert -0.01 < found["fraction"].sel(phase="void") - true[2] < 0.04


@pytest.mark.realdata
def test_voids_of_cement_paste_are_found(realdata):
    """Air voids are dark; forty strokes where that is clear find the others, and hardly anything in the solid."""
    grey = tifffile.imread(realdata / "tomo/cement_128x128x128.tif")[:64]
    smooth = gaussian_filter(grey.astype(float), 1.5)
    clear = binary_erosion(smooth < 60) + 2 * binary_erosion(smooth > 90).astype(np.uint8)
    found = CLASSIFIER.fit(grey, strokes(clear, 2, 40, 5), {1: "void", 2: "solid"}).predict(grey)
    void = found.to_numpy() == 1
    assert void[smooth < 75].mean() > 0.9
    assert void[clear == 1].mean() > 0.97
    assert void[clear == 2].mean() < 0.05
