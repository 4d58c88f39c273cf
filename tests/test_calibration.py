import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from lenet_jax.inference import calibration


def honest(count=40_000, seed=0):
    """Probabilities, and labels drawn with them."""
    rng = np.random.default_rng(seed)
    logits_NxK = 3 * rng.normal(size=(count, 10))
    powers_NxK = np.exp(logits_NxK)
    probabilities_NxK = powers_NxK / powers_NxK.sum(axis=1, keepdims=True)
    chosen_N = (probabilities_NxK.cumsum(axis=1) < rng.random((count, 1))).sum(axis=1)
    return probabilities_NxK, np.minimum(chosen_N, 9)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_the_temperature_that_spoilt_probabilities_is_found(temperature):
    probabilities_NxK, labels_N = honest()
    spoilt_NxK = calibration.tempered(probabilities_NxK, 1 / temperature)
    found = calibration.fit_temperature(spoilt_NxK, labels_N)
    np.testing.assert_allclose(found, temperature, rtol=0.05)
    mended_NxK = calibration.tempered(spoilt_NxK, found)
    assert calibration.expected_error(mended_NxK, labels_N) < 0.01
    if temperature != 1:
        assert calibration.expected_error(spoilt_NxK, labels_N) > 0.03


@settings(max_examples=30)
@given(st.floats(0.03, 30), st.integers(0, 100), st.integers(1, 300))
def test_the_temperature_is_the_one_that_a_search_finds(temperature, seed, count):
    probabilities_NxK, labels_N = honest(count, seed)
    spoilt_NxK = calibration.tempered(probabilities_NxK, 1 / temperature)
    bounds = np.log(calibration.TEMPERATURES)

    def loss(log):
        tempered_NxK = calibration.tempered(spoilt_NxK, float(np.exp(log)))
        return calibration.cross_entropy(tempered_NxK, labels_N)

    found = np.log(calibration.fit_temperature(spoilt_NxK, labels_N))
    if (spoilt_NxK.argmax(axis=1) == labels_N).all():
        # The surest would fit best, whatever they are worth.
        assert found == 0
        return
    searched = minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-6})
    assert bounds[0] <= found <= bounds[1]
    assert loss(found) <= searched.fun + 1e-9
    np.testing.assert_allclose(found, searched.x, atol=1e-3)


@settings(max_examples=50)
@given(st.floats(0.05, 20), st.integers(0, 100))
def test_a_temperature_keeps_the_order_of_the_classes(temperature, seed):
    probabilities_NxK, _ = honest(20, seed)
    tempered_NxK = calibration.tempered(probabilities_NxK, temperature)
    np.testing.assert_allclose(tempered_NxK.sum(axis=1), 1, rtol=1e-6)
    assert (tempered_NxK.argmax(axis=1) == probabilities_NxK.argmax(axis=1)).all()


def test_a_probability_of_zero_is_no_error():
    sure_NxK = np.eye(10, dtype=np.float32)
    assert calibration.cross_entropy(sure_NxK, np.arange(10)) == 0
    assert calibration.expected_error(sure_NxK, np.arange(10)) == 0
    assert np.isfinite(calibration.fit_temperature(sure_NxK, np.arange(10)[::-1]))
