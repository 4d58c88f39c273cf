import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lenet_jax import metrics


def logits(*shape, seed=0):
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape).astype(np.float32))


def test_losses_are_minus_log_probability():
    x, labels = logits(6, 10), np.array([0, 9, 3, 3, 7, 1], np.int32)
    p = np.exp(x) / np.exp(x).sum(1, keepdims=True)
    expected = -np.log(p[np.arange(6), labels])
    np.testing.assert_allclose(metrics.losses(x, jnp.asarray(labels)), expected, rtol=1e-5)


def test_rubbish_class_is_equation_9_of_the_paper():
    distances, labels = np.abs(logits(5, 10)) * 4, np.array([1, 2, 3, 4, 0], np.int32)
    j = 1.5
    own = distances[np.arange(5), labels]
    expected = own + np.log(np.exp(-j) + np.exp(-distances).sum(1))
    got = metrics.losses(jnp.asarray(-distances), jnp.asarray(labels), rubbish_class=j)
    np.testing.assert_allclose(got, expected, rtol=1e-5)


def test_label_smoothing_moves_a_share_of_the_target():
    x, labels = logits(4, 10), jnp.array([5, 6, 7, 8], jnp.int32)
    uniform = sum(metrics.losses(x, jnp.full(4, k, jnp.int32)) for k in range(10)) / 10
    expected = 0.8 * metrics.losses(x, labels) + 0.2 * uniform
    got = metrics.losses(x, labels, label_smoothing=0.2)
    np.testing.assert_allclose(got, expected, rtol=1e-5)


def test_a_teacher_at_temperature_1_is_asked_for_its_probabilities():
    x, teacher = logits(6, 10), logits(6, 10, seed=1)
    p = np.exp(teacher) / np.exp(teacher).sum(1, keepdims=True)
    log_probabilities = x - np.log(np.exp(x).sum(1, keepdims=True))
    expected = -(p * log_probabilities).sum(1)
    got = metrics.distillation_losses(x, metrics.softened(teacher[None], 1.0), 1.0)
    np.testing.assert_allclose(got, expected, rtol=1e-5)


def test_a_hot_teacher_is_matched_logit_by_logit():
    # Equation 4 of Hinton, Vinyals and Dean 2015, times T^2, for logits with a mean of zero.
    x, teacher = (y - y.mean(1, keepdims=True) for y in (logits(6, 10), logits(6, 10, seed=1)))
    targets = metrics.softened(teacher[None], 100.0)
    gradient = jax.grad(lambda x: metrics.distillation_losses(x, targets, 100.0).sum())(x)
    np.testing.assert_allclose(gradient, (x - teacher) / 10, rtol=0.05, atol=1e-3)


def test_networks_of_a_teacher_teach_their_mean_loss():
    # So that they may be asked in turn.
    x, teachers = logits(6, 10), jnp.stack([logits(6, 10, seed=seed) for seed in (1, 2, 3)])
    losses = [
        metrics.distillation_losses(x, metrics.softened(teacher[None], 5.0), 5.0)
        for teacher in teachers
    ]
    got = metrics.distillation_losses(x, metrics.softened(teachers, 5.0), 5.0)
    np.testing.assert_allclose(got, sum(losses) / 3, rtol=1e-5)


@pytest.mark.parametrize("padding", [0, 1, 5])
def test_padding_counts_for_nothing(padding):
    x, labels = logits(7 + padding, 10), jnp.asarray(np.arange(7 + padding) % 10, jnp.int32)
    mask = (jnp.arange(7 + padding) < 7).astype(jnp.float32)
    got = metrics.masked(metrics.losses(x, labels), x, labels, mask)
    expected = metrics.evaluate(x[:7], labels[:7])
    assert (got.count, got.correct) == (expected.count, expected.correct) == (7, got.correct)
    np.testing.assert_allclose(got.loss, expected.loss, rtol=1e-6)


def test_average_of_one_member_is_that_member():
    x = logits(1, 5, 10)
    np.testing.assert_allclose(
        jnp.exp(metrics.average_members(x)),
        np.exp(x[0]) / np.exp(x[0]).sum(1, keepdims=True),
        rtol=1e-5,
    )


def test_average_is_of_probabilities_and_ignores_the_order_of_members():
    x = logits(3, 5, 10)
    p = np.exp(x) / np.exp(x).sum(-1, keepdims=True)
    average = jnp.exp(metrics.average_members(x))
    np.testing.assert_allclose(average, p.mean(0), rtol=1e-5)
    np.testing.assert_allclose(average, jnp.exp(metrics.average_members(x[::-1])), rtol=1e-5)
    np.testing.assert_allclose(average.sum(1), 1, rtol=1e-5)
