import numpy as np
import pytest
import xarray as xr
from numpy.testing import assert_allclose
from pulls import assert_unit_normal

from operando.errors import OperandoError, OperandoWarning
from operando.tomo import threshold_mixture
from operando.tomo.gaussian_mixtures import Mixture, crossings, probabilities

WIDTH = 4.0
EDGES = WIDTH * np.arange(41) - WIDTH / 2


def drawn(true, voxels, draws, seed):
    chance = probabilities(true, EDGES).sum(axis=0)
    counts = np.random.default_rng(seed).multinomial(voxels, chance / chance.sum(), draws)
    level = ("level", WIDTH * np.arange(40), {"units": "1", "bin_width": WIDTH})
    return xr.Dataset({"counts": (("scan", "level"), counts)}, coords={"level": level})


@pytest.mark.parametrize(
    ("true", "partial_volume"),
    [
        (Mixture(np.array([0.3, 0.7]), np.array([50.0, 100.0]), np.array([9.0, 12.0])), False),
        (Mixture(np.array([0.3, 0.5, 0.2]), np.array([40.0, 110.0]), np.array([8.0, 8.0])), True),
    ],
)
def test_errors_of_levels_spreads_shares_and_thresholds_cover(true, partial_volume):
    counts = drawn(true, 20_000, 210, 11)
    found = threshold_mixture(counts, 2, levels=[45.0, 105.0], partial_volume=partial_volume)
    half = true.share[2] / 2 if partial_volume else 0.0
    truth = {
        "grey_level": true.mean[1],
        "grey_spread": true.sigma[1],
        "fraction": true.share[1] + half,
        "threshold": crossings(true)[0],
    }
    for name, value in truth.items():
        assert_unit_normal(((found[name] - value) / found[f"{name}_std"])[:, -1].to_numpy())
    assert float(found["misfit"].max()) < 0.05


def test_odds_are_even_where_the_densities_times_shares_are_equal():
    even = Mixture(np.array([0.5, 0.5]), np.array([10.0, 20.0]), np.array([2.0, 2.0]))
    assert_allclose(crossings(even), 15.0)
    uneven = Mixture(np.array([0.9, 0.1]), np.array([10.0, 20.0]), np.array([2.0, 2.0]))
    assert_allclose(crossings(uneven), 15.0 + 4.0 * np.log(9.0) / 10)
    shared = Mixture(np.array([0.4, 0.4, 0.2]), np.array([10.0, 20.0]), np.array([1.0, 1.0]))
    assert_allclose(crossings(shared), 15.0)


def test_shared_voxels_neither_move_the_levels_nor_pass_for_a_phase():
    true = Mixture(np.array([0.4, 0.4, 0.2]), np.array([40.0, 120.0]), np.array([6.0, 6.0]))
    counts = drawn(true, 1_000_000, 1, 12)
    aware, blind = (threshold_mixture(counts, 2, partial_volume=partial) for partial in (True, False))
    assert_allclose(aware["grey_level"][0], true.mean, atol=0.1)
    assert_allclose(aware["shared"][0], 0.2, atol=0.005)
    assert np.abs(blind["grey_level"][0] - true.mean).max() > 2
    assert blind["misfit"] > 5 * aware["misfit"]


def test_correlated_noise_widens_the_errors():
    true = Mixture(np.array([0.3, 0.7]), np.array([50.0, 100.0]), np.array([9.0, 12.0]))
    counts = drawn(true, 20_000, 1, 13)
    alone, together = (threshold_mixture(counts, 2, correlated_voxels=share) for share in (1.0, 9.0))
    assert_allclose(together["fraction_std"], 3 * alone["fraction_std"])


def test_a_rare_phase_close_to_another_has_no_threshold():
    assert np.isnan(crossings(Mixture(np.array([0.99, 0.01]), np.array([80.0, 82.0]), np.array([8.0, 8.0])))).all()


def test_a_search_without_end_is_told(monkeypatch):
    true = Mixture(np.array([0.3, 0.7]), np.array([50.0, 100.0]), np.array([9.0, 12.0]))
    monkeypatch.setattr("operando.tomo.gaussian_mixtures._CYCLES", 1)
    with pytest.warns(OperandoWarning, match="did not come to rest"):
        threshold_mixture(drawn(true, 2000, 1, 14), 2)


def test_levels_that_fall_are_refused():
    with pytest.raises(OperandoError, match="levels that ascend"):
        threshold_mixture(np.zeros((2, 2, 2)), levels=[120.0, 80.0])


def test_an_empty_histogram_is_told():
    true = Mixture(np.array([0.3, 0.7]), np.array([50.0, 100.0]), np.array([9.0, 12.0]))
    counts = drawn(true, 20_000, 2, 15)
    counts["counts"][1] = 0
    with pytest.raises(OperandoError, match="every histogram, got none in one"):
        threshold_mixture(counts, 2)
