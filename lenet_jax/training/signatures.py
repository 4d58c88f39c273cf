"""What the compiled programs of a run take and give."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax

from lenet_jax import metrics, models
from lenet_jax.training.population import Member
from lenet_jax.training.state import TrainState


class Evaluated(NamedTuple):
    """What `Programs.evaluate` gives.

    Attributes:
      per_member: sums of each member over its rows, [M].
      ensemble: sums of the average of each fold's members, all folds together.
      probabilities_FxVxK: of that average.
    """

    per_member: metrics.Metrics
    ensemble: metrics.Metrics
    probabilities_FxVxK: jax.Array


class Programs(NamedTuple):
    """What is compiled, for one config, mesh, number of images and of members.

    Wait for the result of one before calling another: programs with collectives that are in flight
    together can starve each other of the threads of XLA's CPU backend.

    Attributes:
      create: seeds_M, uint32 -> the state before the first step.
      shuffle: (state, members) -> the members, their rows in the order of the state's epoch.
      train_until: (state, shuffled members, images_NxHxW, labels_N, step that the state is at, step
        to stop at in the same epoch, teacher_params_FxT) -> the state there; donates the state.
      evaluate: (averaged params, rows_MxV, images_NxHxW, labels_N) -> how good they are on them.
    """

    create: Callable[[jax.Array], TrainState]
    shuffle: Callable[[TrainState, Member], Member]
    train_until: Callable[
        [TrainState, Member, jax.Array, jax.Array, jax.Array, jax.Array, Any], TrainState
    ]
    evaluate: Callable[[models.Params, jax.Array, jax.Array, jax.Array], Evaluated]
