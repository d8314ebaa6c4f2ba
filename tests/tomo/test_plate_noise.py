import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from operando.errors import OperandoError
from operando.tomo.plate_noise import smoothed, spread, threshold
from operando.tomo.plates import plate_responses


@pytest.fixture(scope="module")
def noise():
    return np.random.default_rng(31).standard_normal((110, 110, 110))


@pytest.mark.parametrize(("scale", "noise_blur"), [(1.0, 0.0), (2.0, 0.0), (1.0, 0.8)])
def test_noise_exceeds_the_threshold_as_often_as_it_says(noise, scale, noise_blur):
    grey = noise if not noise_blur else gaussian_filter(noise, noise_blur, mode="wrap")
    factor = scale**2 / spread(scale, float(grey.std()), noise_blur)
    answer = plate_responses(grey, scales=(scale,), factors=(factor,))[12:-12, 12:-12, 12:-12]
    for false_alarm in (1e-2, 1e-3, 1e-4):
        assert (answer > threshold(false_alarm, "test")).mean() == pytest.approx(false_alarm, rel=0.35)


def test_smoothed_noise_has_the_spread_it_should(noise):
    for scale, blur in ((1.0, 0.0), (1.0, 0.8)):
        grey = noise if not blur else gaussian_filter(noise, blur, mode="wrap")
        assert gaussian_filter(grey, scale, mode="wrap").std() == pytest.approx(
            smoothed(scale, grey.std(), blur), rel=0.03
        )


def test_rarer_alarms_need_higher_thresholds_and_rates_have_bounds():
    rates = np.logspace(-15, -2, 30)
    assert (np.diff([threshold(rate, "test") for rate in rates]) < 0).all()
    for rate in (0.0, 0.1, float("nan")):
        with pytest.raises(OperandoError, match="share of false alarms"):
            threshold(rate, "test")
