"""The frozen `TrainState` of one member; stacked along a leading member axis everywhere else."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp

from lenet_jax import metrics, models
from lenet_jax.config import Config
from lenet_jax.training import optimizer


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainState:
    """All that training goes on from: with it and the data, the rest of a run is determined.

    Attributes:
      step: int32 [], steps done.
      params: as `models.init` makes them.
      averaged_params: exponential moving average of `params`, without bias.
      opt_state: of the optax transform.
      key: root of all randomness of this member; a step uses `fold_in(key, step)`.
      epoch_metrics: sums since the epoch began, so that stopping inside one loses nothing.
    """

    step: jax.Array
    params: models.Params
    averaged_params: models.Params
    opt_state: Any
    key: jax.Array
    epoch_metrics: metrics.Metrics


def create(config: Config, num_examples: int, seed: jax.Array) -> TrainState:
    """The state before the first step.

    Args:
      config: of the run.
      num_examples: number of training images, which the schedule in `opt_state` depends on.
      seed: uint32 [], the seed of this member.
    """
    key = jax.random.key(seed)
    params = models.init(config, jax.random.fold_in(key, 0))
    return TrainState(
        step=jnp.int32(0),
        params=params,
        averaged_params=params,
        opt_state=optimizer.make(config, num_examples).init(params),
        key=key,
        epoch_metrics=metrics.zeros(),
    )
