"""What all fits of a series miss alike is told, though no single spectrum shows it."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from few_counts import FEW, few_count_model
from scipy.special import xlogy
from sulfur_spectra import ENERGY, LINES, RATIO, SPLITTING, spectra

from operando import xps
from operando.errors import OperandoWarning
from operando.xps import Background, Doublet, Free, Model
from operando.xps.loss_functions import loss_operator


def model(kind: str = "shirley") -> Model:
    starts = zip(LINES, (161.6, 160.1, 163.2), (1.0, 1.0, 1.2), strict=True)
    lines = [Doublet(n, Free(at, at - 0.8, at + 0.8), Free(w, 0.4, 3.0), SPLITTING, RATIO) for n, at, w in starts]
    return Model(lines, Background(kind, height=Free(0.01, 0.0), constant=Free(300.0, 0.0)))


def over_another_background(count: int, seed: int):
    """Return spectra at 400 counts over Tougaard's background and a slope."""
    clean = spectra(count)
    step = clean.copy(data=np.zeros(clean.shape))
    lines = xps.fit(clean, model(), curves=True)
    shape = (lines["fitted"] - lines["background"]).to_numpy()
    step.data = shape @ (2866.0 * loss_operator(ENERGY)).T + 6.0 * (ENERGY - ENERGY.mean()) + 400.0
    values = np.random.default_rng(seed).poisson(shape + step.data).astype(float)
    return clean.copy(data=values)


def test_a_background_of_another_form_is_told_where_no_single_spectrum_shows_it():
    counts = over_another_background(300, seed=31)
    with pytest.warns(OperandoWarning, match="residuals of 300 spectra have a pattern in common, [0-9]+ standard dev"):
        found = xps.fit(counts, model())
    assert abs(float(found["reduced_chi_square"].mean()) - 1) < 0.03
    assert float(found["runs"].min()) > -4


@pytest.mark.parametrize(
    ("counts", "fitted"),
    [
        (spectra(500, seed=32), model()),
        (spectra(500, seed=33, scale=10.0, constant=4000.0), model()),
        (spectra(2000, seed=34, scale=FEW, constant=20.0), few_count_model()),
    ],
    ids=["400 counts", "4000 counts", "20 counts"],
)
def test_nothing_is_told_of_a_model_that_is_right(counts, fitted):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        xps.fit(counts, fitted)


def test_a_few_spectra_are_not_judged_together():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        xps.fit(over_another_background(300, seed=31).isel(scan=slice(15)), model())


def test_a_start_from_the_neighbors_never_ends_in_a_worse_minimum():
    counts = spectra(2000, seed=34, scale=FEW, constant=20.0).isel(scan=slice(187, 190))
    alone = xps.fit(counts, few_count_model(), neighbors=False)
    together = xps.fit(counts, few_count_model())

    def deviance(found):
        mean = found["fitted"]
        return 2 * (mean - counts + xlogy(counts, counts / mean)).sum("binding_energy")

    assert (deviance(together) <= deviance(alone) * (1 + 1e-9)).all()
