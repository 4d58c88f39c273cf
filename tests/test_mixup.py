import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from lenet_jax.training import mixup


@functools.cache
def program(count):
    return jax.jit(functools.partial(mixup.partner_shares, count=count))


def shares(alpha, count=20_000):
    return np.asarray(program(count)(jnp.float32(alpha), jax.random.key(0)))


@pytest.mark.parametrize("alpha", [0.05, 0.2, 0.5, 1.0, 7.0, 100.0])
def test_shares_are_those_of_beta(alpha):
    # The smaller part of a symmetric Beta: twice its distribution, below the middle. Float32 ends
    # at 1e-7 below 1, where most of Beta(0.05, 0.05) is.
    drawn, places = shares(alpha), np.linspace(1e-4, 0.5, 200)
    expected = 2 * stats.beta(alpha, alpha).cdf(places)
    measured = (drawn[:, None] <= places).mean(0)
    # The bound of Kolmogorov and Smirnov for one sample in a thousand.
    assert np.abs(measured - expected).max() < 1.95 / np.sqrt(len(drawn))
    assert drawn.min() >= 0
    assert drawn.max() <= 0.5


def test_alpha_0_mixes_nothing():
    assert not shares(0.0).any()


def test_a_share_is_the_same_for_any_count():
    np.testing.assert_array_equal(shares(0.5, 20_000)[:7], shares(0.5, 7))


def test_mixing():
    rng = np.random.default_rng(0)
    own, partners = rng.integers(0, 256, (2, 3, 28, 28)).astype(np.uint8)
    mixed = mixup.mix(jnp.array([0.0, 0.5, 0.25]), jnp.asarray(own), jnp.asarray(partners))
    np.testing.assert_array_equal(mixed[0], own[0])
    np.testing.assert_array_equal(mixed[1], (own[1].astype(np.float32) + partners[1]) / 2)
    np.testing.assert_array_equal(mixed[2], 0.75 * own[2] + 0.25 * partners[2])
