"""The solution by blocks against plain least squares on one large matrix."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from operando.xps.line_departures import deviate
from operando.xps.line_positions import Line, Positions
from operando.xps.shift_solver import solve

SCANS, MEMBER = 7, np.array([[1, 0], [1, 0], [1, 0], [0, 1], [0, 1]], dtype=float)


def scattered(seed: int) -> Positions:
    """Return random positions of five lines in two phases, correlated within a scan, some missing."""
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(SCANS, 5, 5))
    covariance = root @ root.transpose(0, 2, 1) + 0.5 * np.eye(5)
    position = rng.normal(size=(SCANS, 5)) + np.array([160, 161, 132, 284, 286])
    missing = rng.random((SCANS, 5)) < 0.2
    missing[0] = False
    known = ~missing
    covariance *= known[:, :, None] * known[:, None, :]
    lines = tuple(Line("S 2p", str(index), "ab"[int(MEMBER[index, 1])]) for index in range(5))
    return Positions(lines, ("a", "b"), MEMBER, np.where(missing, np.nan, position), covariance)


def at_once(positions: Positions, part: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Return shifts then energies, their covariance, and chi2, with the weighted shifts of each phase adding to 0."""
    scan, line = np.nonzero(positions.usable)
    design = np.zeros((len(scan), SCANS * 2 + 5))
    design[np.arange(len(scan)), scan * 2 + MEMBER.argmax(axis=1)[line]] = 1
    design[np.arange(len(scan)), SCANS * 2 + line] = 1
    y = positions.position[scan, line]
    noise = np.where(scan[:, None] == scan, positions.covariance[scan[:, None], line[:, None], line[None, :]], 0.0)
    weight = np.linalg.inv(noise)
    free = design.any(axis=0)
    zero = np.zeros((2, design.shape[1]))
    for phase in range(2):
        zero[phase, phase : SCANS * 2 : 2] = part[:, phase]
    system = design.T @ weight @ design + np.diag(~free * 1.0)
    bordered = np.block([[system, zero.T], [zero, np.zeros((2, 2))]])
    inverse = np.linalg.inv(bordered)[:-2, :-2]
    solution = inverse @ design.T @ weight @ y
    rest = y - design @ solution
    return solution, inverse, float(rest @ weight @ rest)


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
@pytest.mark.parametrize("reference", [np.ones(SCANS, bool), np.arange(SCANS) == 0])
def test_blocks_give_what_one_large_system_gives(seed: int, reference: np.ndarray):
    positions = scattered(seed)
    found = solve(positions, reference)
    solution, covariance, chi2 = at_once(positions, found.part)
    shown = np.isfinite(found.shift)
    np.testing.assert_allclose(found.shift[shown], solution[: SCANS * 2].reshape(SCANS, 2)[shown], atol=1e-9)
    np.testing.assert_allclose(found.energy, solution[SCANS * 2 :], atol=1e-9)
    assert found.chi2 == pytest.approx(chi2, rel=1e-9)
    dense = found.between(np.eye(2)).reshape(SCANS * 2, SCANS * 2)
    both = shown.ravel()[:, None] & shown.ravel()
    np.testing.assert_allclose(dense[both], covariance[: SCANS * 2, : SCANS * 2][both], atol=1e-8)
    within = found.within()
    np.testing.assert_allclose(within, np.stack([dense.reshape(SCANS, 2, SCANS, 2)[t, :, t] for t in range(SCANS)]))


def test_degrees_of_freedom_are_counted():
    """Positions less shifts less energies, one zero a phase given back."""
    positions = scattered(1)
    found = solve(positions, np.ones(SCANS, bool))
    assert found.freedom == positions.usable.sum() - np.isfinite(found.shift).sum() - 5 + 2


@pytest.mark.parametrize("freedom", [5, 40, 400])
@pytest.mark.parametrize("probability", [0.3, 1e-3, 1e-9])
def test_the_deviate_of_chi2_is_that_of_its_probability(freedom: int, probability: float):
    """The formula of Wilson and Hilferty is 4 % low at 6 standard deviations of five degrees of freedom."""
    chi2 = stats.chi2.isf(probability, freedom)
    assert deviate(float(chi2), freedom) == pytest.approx(stats.norm.isf(probability), rel=0.05, abs=0.02)


def test_the_deviate_has_no_end():
    assert deviate(1e9, 100) > 1000
    assert np.isnan(deviate(0.0, 0))
