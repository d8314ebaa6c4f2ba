import numpy as np
import pytest
from scipy import ndimage

from operando.tomo import tortuosity


def factor(mask):
    return tortuosity(mask, boundary="periodic_sides")["tortuosity_factor"].item()


@pytest.mark.parametrize(("filled", "expected"), [(0.4, 2.46446), (0.6, 1.55738)])
def test_periodic_sides_give_what_taufactors_periodic_solver_does(filled, expected):
    """taufactor 1.2.1, PeriodicSolver, over-converged, on the same volumes."""
    width = 2.0 if filled == 0.4 else 3.0
    field = ndimage.gaussian_filter(np.random.default_rng(4).standard_normal((48,) * 3), width, mode="wrap")
    mask = field < np.quantile(field, filled)
    found = factor(mask)
    assert found == pytest.approx(expected, rel=2e-4)
    shifted = np.roll(mask, (7, 11), (1, 2))
    assert factor(shifted) == pytest.approx(found, rel=2e-4)
