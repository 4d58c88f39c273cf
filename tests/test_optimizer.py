import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lenet_jax import models
from lenet_jax.config import OPTIMIZERS, Config
from lenet_jax.training import optimizer

PARAMS = {"C1": {"kernel": jnp.full((2, 2), 3.0), "bias": jnp.full((2,), 3.0)}}
ZEROS = jax.tree.map(jnp.zeros_like, PARAMS)


@pytest.mark.parametrize(("images", "steps"), [(1, 1), (63, 1), (64, 1), (65, 2), (42_000, 657)])
def test_steps_per_epoch_leave_no_image_out(images, steps):
    assert optimizer.steps_per_epoch(Config(batch_size=64), images) == steps


def test_schedule_warms_up_peaks_and_ends_at_zero():
    config = Config(epochs=10, batch_size=10, warmup_epochs=2.0, learning_rate=0.5)
    rates = np.array([float(optimizer.schedule(config, 100)(step)) for step in range(101)])
    assert rates[0] == 0
    np.testing.assert_allclose(rates[10], 0.25, rtol=1e-5)
    assert rates.argmax() == 20
    np.testing.assert_allclose(rates[20], 0.5, rtol=1e-5)
    np.testing.assert_allclose(rates[60], 0.25, rtol=1e-5)
    np.testing.assert_allclose(rates[100], 0, atol=1e-7)


@pytest.mark.parametrize("epochs", [1, 2, 3])
def test_a_short_run_is_not_all_warm_up(epochs):
    config = Config(epochs=epochs, batch_size=10, warmup_epochs=5.0, learning_rate=0.5)
    rates = [float(optimizer.schedule(config, 100)(step)) for step in range(10 * epochs + 1)]
    np.testing.assert_allclose(max(rates), 0.5, rtol=1e-5)
    np.testing.assert_allclose(rates[-1], 0, atol=1e-7)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_only_kernels_decay(name):
    config = Config(optimizer=name, weight_decay=0.1, warmup_epochs=0.0, epochs=1)
    state = optimizer.make(config, 100).init(PARAMS)
    params, _ = optimizer.update(config, 100, ZEROS, state, PARAMS)
    assert jnp.all(params["C1"]["kernel"] < 3)
    assert jnp.all(params["C1"]["bias"] == 3)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_decay_is_the_rate_times_the_weights_whatever_the_momentum(name):
    config = Config(optimizer=name, weight_decay=0.1, warmup_epochs=0.0, epochs=1)
    rate = optimizer.schedule(config, 128 * 20)
    params, state = PARAMS, optimizer.make(config, 128 * 20).init(PARAMS)
    expected = 3.0
    for step in range(10):
        params, state = optimizer.update(config, 128 * 20, ZEROS, state, params)
        expected *= 1 - 0.1 * float(rate(step))
    np.testing.assert_allclose(params["C1"]["kernel"], expected, rtol=1e-5)


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("norm", [0.0, 0.5])
def test_a_point_of_a_sweep_is_clipped_as_a_single_run_is(name, norm):
    config = Config(optimizer=name, clip_norm=norm)
    common = dataclasses.replace(config, clip_norm=100.0)

    def after(parts):
        params, state = PARAMS, optimizer.make(parts, 100).init(PARAMS)
        # Adam's first step would be the same for a gradient of any length.
        for scale in (1.0, 0.1):
            grads = jax.tree.map(lambda leaf, scale=scale: leaf * scale, PARAMS)
            params, state = optimizer.update(parts, 100, grads, state, params, config)
        return params

    for x, y in zip(jax.tree.leaves(after(common)), jax.tree.leaves(after(config)), strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-6)
    assert jnp.all(after(common)["C1"]["kernel"] < 3)


@pytest.mark.parametrize(("norm", "length"), [(0.0, 54**0.5), (0.5, 0.5), (100.0, 54**0.5)])
def test_longer_gradients_are_scaled_down_to_the_norm(norm, length):
    numbers = {"momentum": 0.0, "weight_decay": 0.0, "warmup_epochs": 0.0, "learning_rate": 0.1}
    config = Config(optimizer="sgd", clip_norm=norm, **numbers)
    state = optimizer.make(config, 100).init(PARAMS)
    params, _ = optimizer.update(config, 100, PARAMS, state, PARAMS)
    moved = np.concatenate([(3 - leaf).ravel() for leaf in jax.tree.leaves(params)])
    np.testing.assert_allclose(np.linalg.norm(moved), 0.1 * length, rtol=1e-4)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_step_goes_against_the_gradient(name):
    config = Config(optimizer=name, warmup_epochs=0.0, epochs=1)
    ones = jax.tree.map(jnp.ones_like, PARAMS)
    state = optimizer.make(config, 100).init(PARAMS)
    params, _ = optimizer.update(config, 100, ones, state, PARAMS)
    assert all(bool(jnp.all(leaf < 3)) for leaf in jax.tree.leaves(params))


def test_muon_takes_a_step_in_every_direction_alike():
    config = Config(optimizer="muon", weight_decay=0.0, warmup_epochs=0.0, epochs=1)
    params = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape), models.shapes(config))
    keys = iter(jax.random.split(jax.random.key(1), 10))
    grads = jax.tree.map(lambda leaf: jax.random.normal(next(keys), leaf.shape), params)
    state = optimizer.make(config, 100).init(params)
    update = jax.jit(functools.partial(optimizer.update, config, 100))
    changed, _ = update(grads, state, params)
    for name in ("C1", "C3", "C5", "F6"):
        step = np.asarray(changed[name]["kernel"])
        matrix = step.reshape(-1, step.shape[-1])
        singular = np.linalg.svd(matrix, compute_uv=False)
        each = optimizer.RMS_OF_ADAMW * np.sqrt(max(matrix.shape)) * config.learning_rate
        # Five turns of Jordan's polynomial bring singular values to about 1, not to 1.
        assert 0.5 < (singular / each).min() < (singular / each).max() < 1.3, name
    # Adam's first step is the sign of the gradient, times some length.
    signs = -np.sign(np.asarray(grads["output"]["kernel"]))
    step = np.asarray(changed["output"]["kernel"])
    np.testing.assert_allclose(step, signs * np.abs(step).max(), rtol=0.01)


@pytest.mark.parametrize(("largest", "like"), [(0, "F6"), (20, "F6"), (19, "output")])
def test_muon_leaves_kernels_that_are_too_large_to_adam(largest, like):
    config = Config(optimizer="muon", warmup_epochs=0.0, epochs=1, weight_decay=0.0)
    kernel = jax.random.normal(jax.random.key(0), (5, 4))

    def after(config, layer):
        params = {layer: {"kernel": kernel}}
        state = optimizer.make(config, 100).init(params)
        grads = {layer: {"kernel": kernel[::-1] ** 3}}
        params, _ = optimizer.update(config, 100, grads, state, params)
        return np.asarray(params[layer]["kernel"])

    limited = dataclasses.replace(config, muon_largest=largest)
    assert np.array_equal(after(limited, "F6"), after(config, like))
    assert not np.array_equal(after(config, "F6"), after(config, "output"))
