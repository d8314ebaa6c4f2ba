"""The matrix of a loss function: a line's background by one product, on any grid."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad

from operando.errors import OperandoError
from operando.xps.loss_functions import LOSS_FUNCTIONS, loss_operator


@pytest.mark.parametrize("kind", LOSS_FUNCTIONS)
@pytest.mark.parametrize("uneven", [False, True])
def test_operator_convolves_a_line_with_the_loss_function(kind, uneven):
    energy = np.linspace(0.0, 60.0, 1201)
    if uneven:
        energy = energy + 0.02 * np.sin(energy * 3)
    loss = LOSS_FUNCTIONS[kind]

    def line(x):
        return np.exp(-(((x - 10.0) / 0.7) ** 2) / 2) / (0.7 * np.sqrt(2 * np.pi))

    def kernel(t):
        return t / ((loss.c + loss.c_prime * t**2) ** 2 + loss.d * t**2)

    found = loss_operator(energy, kind) @ line(energy)
    for i in (100, 220, 300, 800, 1200):
        at = energy[i]
        points = [p for p in (8.0, 10.0, 12.0) if p < at]
        expected = quad(lambda x, at=at: kernel(at - x) * line(x), 0, at, points=points or None, epsabs=1e-14)[0]
        assert found[i] == pytest.approx(expected, abs=2e-4 * found.max())


def test_nothing_is_lost_towards_lower_binding_energy():
    operator = loss_operator(np.linspace(0.0, 20.0, 50))
    assert not np.triu(operator).any()
    assert (operator[np.tril_indices(50, -1)] > 0).all()


def test_gap_keeps_small_losses_away():
    operator = loss_operator(np.arange(20.0), "polymer", gap=3.0)
    assert not np.triu(operator, -2).any()
    assert operator[3, 0] > 0


def test_energies_that_do_not_ascend_are_refused():
    with pytest.raises(OperandoError, match="ascending binding energies"):
        loss_operator(np.array([1.0, 1.0, 2.0]))
