"""Untrained networks of every kind, for what has to compute as they do."""

import functools
import shutil

import jax
import numpy as np
import pytest

from lenet_jax import models
from lenet_jax.config import ACTIVATIONS, SUBSAMPLINGS, Config
from lenet_jax.runs import workdir

ONE_OF_EACH = [
    Config(),
    Config(subsampling="act_pool"),
    Config(activation="silu", subsampling="act_pool"),
    Config(activation="tanh"),
    Config(activation="scaled_tanh", subsampling="act_pool"),
    Config(width=2),
    Config(model="lecun1998"),
]
# The others differ from one of these by an activation or a size, and compile for seconds each.
FEW = [ONE_OF_EACH[0], ONE_OF_EACH[2], ONE_OF_EACH[-1]]
assert {config.activation for config in ONE_OF_EACH} == set(ACTIVATIONS)
assert {config.subsampling for config in ONE_OF_EACH} == set(SUBSAMPLINGS)
# Far from 1, so that an export without it is found out.
TEMPERATURE = 1.6
MODERN = Config(model="modern", activation="silu", members=2)
ENSEMBLES = [Config(members=3), Config(members=2, model="lecun1998"), MODERN]
EVERY = [
    config if config in FEW or config in ENSEMBLES else pytest.param(config, marks=pytest.mark.slow)
    for config in [*ONE_OF_EACH, *ENSEMBLES]
]


def name(config):
    which = config.activation if config.model == "lenet5" else config.model
    return f"{which}-{config.subsampling}-{config.width}-{config.members}"


@functools.cache
def params(config):
    """Parameters in which nothing is 0 or 1, so that nothing can be forgotten."""
    shapes = jax.eval_shape(functools.partial(models.init, config), jax.random.key(0))
    rng = np.random.default_rng(7)

    def leaf(shape):
        fan_in = np.prod(shape.shape[:-1]) if len(shape.shape) > 1 else 25
        drawn = rng.normal(0, 1 / np.sqrt(fan_in), (config.members, *shape.shape))
        return drawn.astype(np.float32)

    return jax.tree.map(leaf, shapes)


def calibrated(trained, folder):
    """A copy of a run that was fitted with the temperature."""
    run = shutil.copytree(trained, folder / "run")
    workdir.write_calibration(run, {"temperature": TEMPERATURE})
    return run


def record(config):
    return workdir.Record(
        config=config,
        data_source="sample-train",
        data_name="sample",
        data_fingerprint="0" * 16,
        data_rows=4000,
        train_rows=3600,
    )
