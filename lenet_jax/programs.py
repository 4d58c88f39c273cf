"""The compiled programs of a run: its first state, steps of an epoch, and evaluation."""

import dataclasses
from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
from jax.sharding import Mesh
from jax.sharding import PartitionSpec as P

from lenet_jax import mesh as meshes
from lenet_jax import metrics, model, predict, state, step
from lenet_jax.config import Config
from lenet_jax.state import TrainState


@dataclasses.dataclass(frozen=True)
class Programs:
    """What is compiled, for one config, mesh and number of images.

    Wait for the result of one before calling another: programs with collectives that are in flight
    together can starve each other of the threads of XLA's CPU backend.

    Attributes:
      create: uint32 [M] seeds -> the first state.
      train_until: (state, images, labels, stop) -> state at step `stop`; donates the state.
      evaluate: (averaged params, images, labels) -> (metrics per member, metrics of the average,
        mean probabilities [N, 10]).
    """

    create: Callable[..., TrainState]
    train_until: Callable[..., TrainState]
    evaluate: Callable[..., tuple[metrics.Metrics, metrics.Metrics, jax.Array]]


def compile_lazily(config: Config, mesh: Mesh, images: int) -> Programs:
    """The programs of a run that trains on `images` images; compiled on their first call."""
    members = P(meshes.MEMBER)
    create = partial(state.create, config, images)
    train_until = partial(step.train_until, config, batch_axis=meshes.BATCH)

    def evaluate(
        params_M: model.Params, images_NxHxW: jax.Array, labels_N: jax.Array
    ) -> tuple[metrics.Metrics, metrics.Metrics, jax.Array]:
        logits_MxNxK = predict.logits(config, mesh, params_M, images_NxHxW)
        average_NxK = metrics.average_members(logits_MxNxK)
        each = jax.vmap(metrics.evaluate, (0, None))(logits_MxNxK, labels_N)
        return each, metrics.evaluate(average_NxK, labels_N), jnp.exp(average_NxK)

    return Programs(
        create=jax.jit(meshes.over_members(mesh, create, (), members)),
        train_until=jax.jit(
            meshes.over_members(mesh, train_until, (P(), P(), P()), members), donate_argnums=0
        ),
        evaluate=jax.jit(evaluate),
    )
