import functools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lenet_jax import augmentation, metrics, models
from lenet_jax.config import Config
from lenet_jax.distributed import backend
from lenet_jax.distributed import mesh as meshes
from lenet_jax.inference import calibration, predict
from lenet_jax.runs import workdir
from support.networks import TEMPERATURE, calibrated

MEMBERS = 3


@functools.cache
def params(members=MEMBERS):
    init = jax.jit(jax.vmap(functools.partial(models.init, Config())))
    return jax.tree.map(np.asarray, init(jax.random.split(jax.random.key(0), members)))


@functools.cache
def digits(count):
    return np.random.default_rng(count).integers(0, 256, (count, 28, 28)).astype(np.uint8)


@functools.cache
def reference(count):
    """Without mesh, loop, batches and padding."""
    apply = jax.jit(jax.vmap(functools.partial(models.apply, Config()), in_axes=(0, None)))
    return np.asarray(apply(params(), jnp.asarray(digits(count))))


def compiled(members, count, devices, views=1):
    """The program of `predict.logits`, and what it takes."""
    config = Config(members=members)
    mesh = meshes.make(members, jax.devices()[:devices])
    params_M = jax.tree.map(lambda leaf: leaf[:members], params())
    program = backend.jit(
        functools.partial(predict.logits, config, mesh, views=views), mesh, config
    )
    rows_MxN = np.tile(np.arange(count, dtype=np.int32), (members, 1))
    arguments = (jax.device_put(params_M, meshes.stacked(mesh)), rows_MxN, digits(count))
    return program.lower(*arguments).compile(), arguments


def logits(members, count, devices, views=1):
    program, arguments = compiled(members, count, devices, views)
    return np.asarray(program(*arguments))


@pytest.mark.parametrize(("count", "devices"), [(1, 2), (127, 1), (301, 2)])
def test_every_image_counts_whatever_the_batch(count, devices):
    got = logits(MEMBERS, count, devices)
    assert got.shape == (MEMBERS, count, 10)
    np.testing.assert_allclose(got, reference(count), rtol=1e-4, atol=1e-3)


def test_views_do_not_depend_on_the_mesh():
    np.testing.assert_allclose(
        logits(MEMBERS, 601, 2, views=3), logits(MEMBERS, 601, 1, views=3), rtol=1e-5, atol=1e-4
    )


def test_no_kernel_is_split_into_tasks_for_other_cores():
    """Beside such tasks a product can come out with parts of another operand."""
    program, _ = compiled(1, 2000, 2, views=2)
    assert not re.search(r'"outer_dimension_partitions":\["', program.as_text())


def test_an_ensemble_predicts_with_the_average_of_its_members():
    mesh = meshes.make(MEMBERS)
    got = predict.probabilities(Config(members=MEMBERS), mesh, params(), digits(301))
    singles = [
        predict.probabilities(
            Config(),
            meshes.make(1),
            jax.tree.map(lambda x, k=k: x[k : k + 1], params()),
            digits(301),
        )
        for k in range(MEMBERS)
    ]
    assert got.shape == (301, 10)
    np.testing.assert_allclose(got, np.mean(singles, axis=0), atol=1e-5)


def test_a_run_is_calibrated_where_it_was_fitted(trained, tmp_path):
    run = calibrated(trained, tmp_path)
    record = workdir.read_run(run)
    mesh, params_M = meshes.make(1), predict.restore(run, record)
    for views, temperature in ((1, TEMPERATURE), (2, 1.0)):
        got = predict.from_run(run, record, digits(20), views=views)
        raw = predict.probabilities(record.config, mesh, params_M, digits(20), views=views)
        np.testing.assert_allclose(got, calibration.tempered(raw, temperature), atol=1e-6)


def test_evaluation_counts_every_image_once():
    labels = jnp.asarray(np.arange(301) % 10, jnp.int32)
    sums = metrics.evaluate(logits(1, 301, 2)[0], labels)
    assert float(sums.count) == 301
    assert float(sums.correct) == int((reference(301)[0].argmax(1) == np.arange(301) % 10).sum())


def test_views_are_averaged_and_the_first_one_is_the_digit_itself():
    maps = predict.view_maps(64)
    np.testing.assert_allclose(maps[0], 0, atol=1e-6)
    # Spread evenly: as many on each side of the middle, in every dimension.
    assert np.abs(maps).max() <= 1
    np.testing.assert_allclose(maps.mean(axis=0), 0, atol=0.05)
    # A view is an affine map, whatever else there was in training.
    still = Config(rotation=0.0, scale=0.0, shear=0.0, shift=0.0, elastic=1.0)
    one, same, moved = (
        predict.probabilities(
            config, meshes.make(1), jax.tree.map(lambda x: x[:1], params()), digits(20), views=views
        )
        for config, views in ((Config(), 1), (still, 3), (Config(), 3))
    )
    np.testing.assert_allclose(one, same, atol=1e-3)
    np.testing.assert_allclose(moved.sum(axis=1), 1, atol=1e-5)
    assert np.abs(one - moved).max() > 1e-2


def test_a_view_is_half_as_strong_as_an_image_of_training():
    config = Config(rotation=20.0, scale=0.3, shear=0.3, shift=2.0)
    strengths = Config(rotation=10.0, scale=0.15, shear=0.15, shift=1.0)
    one = jax.tree.map(lambda leaf: leaf[0], params())

    @jax.jit
    def viewed(maps_D):
        draws_BxD = jnp.broadcast_to(maps_D, (20, augmentation.AFFINE))
        pixels_BxHxW = augmentation.augment(strengths, draws_BxD, jnp.asarray(digits(20)))
        return models.apply(config, one, pixels_BxHxW)

    each = [jax.nn.softmax(viewed(maps_D)) for maps_D in predict.view_maps(2)]
    got = predict.probabilities(
        config, meshes.make(1), jax.tree.map(lambda leaf: leaf[:1], params()), digits(20), views=2
    )
    np.testing.assert_allclose(got, np.mean(each, axis=0), atol=1e-4)
