"""Share of void of voxels beside particles, on planes of particle, matrix, void that are blurred exactly."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import ndtr

from operando.tomo.crack_blocks import void_share
from operando.tomo.crack_levels import Levels

EDGE, MATRIX, VOID, INNER = 36, 100.0, 60.0, (slice(8, -8),) * 3
CONTRAST = MATRIX - VOID


def planes(layer, wide, ratio, rng, *, noise=4.0, blur=0.7):
    """Return thickness of void found and drawn, in widths of an edge, behind a layer of matrix at a particle."""
    normal = rng.normal(size=3)
    sigma = np.hypot(blur, 12**-0.5)
    places = np.ix_(*[np.arange(EDGE) - (EDGE - 1) / 2] * 3)
    along = sum(place * part for place, part in zip(places, normal / np.linalg.norm(normal), strict=True)) / sigma + 5
    void = ndtr(along - layer) - ndtr(along - layer - wide)
    grey = MATRIX + CONTRAST * (ratio * ndtr(-along) - void) + noise * rng.standard_normal(along.shape)
    share = void_share(grey.astype(np.float32), levels=Levels(MATRIX, VOID, noise, blur))
    each = np.count_nonzero(np.abs(along[INNER]) < 0.5)
    return share[INNER].sum() / each, void[INNER].sum() / each


@pytest.mark.parametrize("ratio", [2.5, 8.0])
@pytest.mark.parametrize(("layer", "close"), [(0.0, 0.3), (1.0, 0.3), (2.0, 0.12), (3.0, 0.12)])
def test_behind_a_layer_void_keeps_its_thickness_as_far_as_the_blur_tells_the_layer(layer, ratio, close):
    """Layers thinner than the blur are known to a third of it: they differ from none in the second order alone."""
    rng = np.random.default_rng(round(10 * ratio + layer))
    found, drawn = np.mean([planes(layer, 8.0, ratio, rng) for _ in range(3)], axis=0)
    assert found == pytest.approx(drawn, abs=close)


def test_a_particle_without_void_has_hardly_any():
    found, _ = np.mean([planes(0.0, 0.0, 8.0, np.random.default_rng(seed)) for seed in range(3)], axis=0)
    assert abs(found) < 0.1
