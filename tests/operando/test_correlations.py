"""A slope between two uncertain quantities, and correlations that know how many pairs are independent."""

import json

import numpy as np
import pytest
from linked_series import charge, log, scan_times, scans, shared_noise
from pulls import assert_unit_normal
from scipy import stats

from operando.correlations import correlate
from operando.errors import OperandoError
from operando.quantities import quantity

PEARSON = {
    "x": [0.0, 0.9, 1.8, 2.6, 3.3, 4.4, 5.2, 6.1, 6.5, 7.4],
    "y": [5.9, 5.4, 4.4, 4.6, 3.5, 3.7, 2.8, 2.8, 2.4, 1.5],
}
YORK_WEIGHTS = {"x": [1000, 1000, 500, 800, 200, 80, 60, 20, 1.8, 1], "y": [1, 1.8, 4, 8, 20, 20, 70, 70, 100, 500]}


def pair(y, x, y_std, x_std, t=None):
    t = 600.0 * np.arange(len(y)) if t is None else t
    first, second = scans(t, np.array(y), y_std), scans(t, np.array(x), x_std)
    return quantity(first, "edge_energy"), quantity(second, "edge_energy")


def test_the_classic_data_of_pearson_and_york_give_their_known_line():
    """Slope -0.4805 and intercept 5.4799 (York 1966); chi^2/8 = 1.48 there, so that a scatter takes part here."""
    weights = [np.array(YORK_WEIGHTS[axis]) ** -0.5 for axis in "yx"]
    y, x = pair(PEARSON["y"], PEARSON["x"], *weights)
    found = correlate(y, x)
    assert 0 < float(found.scatter) < 0.3
    assert float(found.slope) == pytest.approx(-0.4805, abs=0.05)
    from operando.correlations import _york

    slope, _, chi = _york(np.array(PEARSON["x"]), np.array(PEARSON["y"]), weights[1], weights[0])
    assert slope == pytest.approx(-0.48053, abs=1e-5)
    assert chi == pytest.approx(11.8663 / 8, abs=1e-4)


def test_slopes_with_errors_in_both_axes_pull_as_a_unit_normal():
    pulls = []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        true = rng.uniform(0, 1, 60)
        y, x = pair(3 * true + rng.normal(0, 0.2, 60), true + rng.normal(0, 0.1, 60), 0.2, 0.1)
        found = correlate(y, x)
        pulls.append(float((found.slope - 3) / found.slope_std))
    assert_unit_normal(np.array(pulls))


def test_noise_in_x_does_not_flatten_the_slope():
    rng = np.random.default_rng(5)
    true = rng.uniform(0, 1, 2000)
    y, x = pair(2 * true + rng.normal(0, 0.05, 2000), true + rng.normal(0, 0.2, 2000), 0.05, 0.2)
    flat = np.polyfit(x.value.values, y.value.values, 1)[0]
    assert flat < 1.5
    assert float(correlate(y, x).slope) == pytest.approx(2, abs=0.1)


def test_coefficients_are_those_of_scipy_and_n_comes_along():
    rng = np.random.default_rng(8)
    a, b = rng.normal(size=(2, 50))
    found = correlate(*pair(a + b, b, 0.1, 0.1))
    assert float(found.spearman) == pytest.approx(stats.spearmanr(a + b, b).statistic)
    assert float(found.pearson) == pytest.approx(stats.pearsonr(a + b, b).statistic)
    assert float(found.pearson_lower) < float(found.pearson) < float(found.pearson_upper)
    assert int(found.n) == 50
    assert json.loads(found.attrs["history"])[-1]["step"] == "correlate"


def test_limits_of_ranks_cover_in_19_of_20():
    inside = []
    true = 6 / np.pi * np.arcsin(0.6 / 2)
    for seed in range(150):
        drawn = np.random.default_rng(seed).multivariate_normal([0, 0], [[1, 0.6], [0.6, 1]], 40)
        found = correlate(*pair(drawn[:, 0], drawn[:, 1], 0.1, 0.1))
        inside.append(float(found.spearman_lower) < true < float(found.spearman_upper))
    assert stats.binom.ppf(5e-4, 150, 0.95) <= sum(inside) <= stats.binom.ppf(1 - 5e-4, 150, 0.95)


def test_slow_series_that_have_nothing_to_do_with_each_other_stay_uncertain():
    """Of 200 values that last for 20 each, few are independent: limits hold 0 where those for 200 pairs would not."""
    naive, ours = 0, 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        a, b = shared_noise(rng, 200, 0.95, 1.0), shared_noise(rng, 200, 0.95, 1.0)
        found = correlate(*pair(a, b, 0.01, 0.01))
        assert float(found.n_effective) < 40
        naive += abs(np.arctanh(float(found.pearson))) > 1.96 / np.sqrt(197)
        ours += not float(found.pearson_lower) < 0 < float(found.pearson_upper)
    assert naive > 20
    assert ours <= 7


def test_what_two_quantities_owe_to_time_alone_is_taken_off():
    rng = np.random.default_rng(2)
    t = 600.0 * np.arange(80)
    y, x = pair(t / t[-1] + rng.normal(0, 0.02, 80), t / t[-1] + rng.normal(0, 0.02, 80), 0.02, 0.02)
    found = correlate(y, x)
    assert float(found.pearson) > 0.99
    assert float(found.partial_lower) < 0 < float(found.partial_upper)
    assert abs(float(found.partial)) < 0.4


def test_scans_are_paired_with_the_mean_of_the_log_and_none_in_a_gap():
    rng = np.random.default_rng(1)
    t = scan_times(rng, 40)
    y = quantity(scans(t, 7 + 2 * charge(t), 0.01), "edge_energy")
    found = correlate(y, quantity(log(60000.0, gaps=[(15000.0, 20000.0)]), "charge"))
    assert float(found.slope) == pytest.approx(2, abs=0.01)
    assert int(found.n) == 40 - int(((t > 14940) & (t < 20060)).sum())


def test_too_few_pairs_are_refused():
    with pytest.raises(OperandoError, match="at least 5 pairs"):
        correlate(*pair([1.0, 2, 3, 4], [1.0, 2, 3, 5], 0.1, 0.1))
