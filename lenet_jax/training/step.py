"""The pure training step of one member.

It runs inside `shard_map`: along the mesh axis `batch_axis` each device holds all of the state and
computes its part of every batch. A mesh of one device is no special case.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import lax
from jax.flatten_util import ravel_pytree

from lenet_jax import augmentation, metrics, models
from lenet_jax.config import Config
from lenet_jax.sweep import Hyperparameters
from lenet_jax.training import optimizer
from lenet_jax.training.state import TrainState

# Pixels [B, 28, 28] -> softened probabilities [B, K].
Targets = Callable[[jax.Array], jax.Array]


class Batch(NamedTuple):
    """A device's part of a batch; `mask_B` is 0 for the padding of an epoch's last batch.

    `draws_BxD` decide about the augmentation and `units_BxU`, uniform in [0, 1), about dropout.
    """

    images_BxHxW: jax.Array
    labels_B: jax.Array
    mask_B: jax.Array
    draws_BxD: jax.Array
    units_BxU: jax.Array


def train_step(
    config: Config,
    num_examples: int,
    state: TrainState,
    hyper: Hyperparameters,
    batch: Batch,
    *,
    batch_axis: str,
    microbatches: int = 1,
    targets: Targets | None = None,
) -> TrainState:
    """One step of the optimiser on one batch.

    Args:
      config: of the run.
      num_examples: that an epoch trains on.
      state: of one member.
      hyper: of this member.
      batch: this device's part.
      batch_axis: mesh axis over which the batch is split.
      microbatches: equal parts of the batch that go through the network one after the other.
      targets: what the teacher says of augmented images, if there is one.

    Returns:
      The state after the step; its loss is added to `epoch_metrics`.
    """
    parts = jax.tree.map(
        lambda rows: rows.reshape(microbatches, rows.shape[0] // microbatches, *rows.shape[1:]),
        batch,
    )
    # One vector, one all-reduce: between CPU devices each costs a rendezvous of its own.
    zeros, unravel = ravel_pytree((jax.tree.map(jnp.zeros_like, state.params), metrics.zeros()))

    def add(index: int | jax.Array, total: jax.Array) -> jax.Array:
        part = jax.tree.map(lambda rows: rows[index], parts)
        grads = jax.grad(loss, argnums=1, has_aux=True)(config, state.params, hyper, part, targets)
        return total + ravel_pytree(grads)[0]

    vector = add(0, zeros) if microbatches == 1 else lax.fori_loop(0, microbatches, add, zeros)
    grads, sums = unravel(lax.psum(vector, batch_axis))
    # A batch may hold nothing but the padding of a shorter fold. One reciprocal, for XLA would take
    # it in some programs and divide in others: a member's bits would depend on the others.
    inv_count = 1 / jnp.maximum(sums.count, 1)
    grads = jax.tree.map(lambda grad: grad * inv_count, grads)
    params, opt_state = optimizer.update(
        config, num_examples, grads, state.opt_state, state.params, hyper
    )
    step = state.step + 1
    return TrainState(
        step=step,
        params=params,
        averaged_params=optax.incremental_update(
            params, state.averaged_params, _averaging_rate(hyper.ema_decay, step)
        ),
        opt_state=opt_state,
        key=state.key,
        epoch_metrics=jax.tree.map(jnp.add, state.epoch_metrics, sums),
    )


def loss(
    config: Config,
    params: models.Params,
    hyper: Hyperparameters,
    batch: Batch,
    targets: Targets | None = None,
) -> tuple[jax.Array, metrics.Metrics]:
    """The summed cross-entropy of a batch, augmented, that with soft targets mixed in; all sums.

    Args:
      config: of the run.
      params: of one member, which the loss is differentiated by; nothing before the network is.
      hyper: of this member.
      batch: images, labels and mask, and what decides about augmentation and dropout.
      targets: what the teacher says of augmented images, if there is one.
    """
    pixels = batch.images_BxHxW
    if not augmentation.is_identity(config):
        pixels = augmentation.augment(hyper, batch.draws_BxD, pixels, augmentation.sampling(config))
    pixels = lax.optimization_barrier(pixels)
    keep_BxU = None
    if config.dropout:
        # What is left is scaled up, so that nothing need be scaled when predicting.
        keep_BxU = jnp.where(batch.units_BxU < hyper.dropout, 0, 1 / (1 - hyper.dropout))
    soft_BxK = None if targets is None else lax.optimization_barrier(targets(pixels))
    logits_BxK = models.apply(config, params, pixels, keep_BxU)
    losses_B = metrics.losses(
        logits_BxK,
        batch.labels_B,
        label_smoothing=hyper.label_smoothing,
        rubbish_class=config.rubbish_class,
    )
    if soft_BxK is not None:
        distillation_B = metrics.distillation_losses(
            logits_BxK, soft_BxK, hyper.teacher_temperature
        )
        losses_B = losses_B + hyper.teacher_weight * (distillation_B - losses_B)
    sums = metrics.masked(losses_B, logits_BxK, batch.labels_B, batch.mask_B)
    return sums.loss, sums


def _averaging_rate(decay: float | jax.Array, step: jax.Array) -> jax.Array:
    """Weight of the newest parameters that makes the moving average free of bias.

    The debiased average after t steps is `sum_i d^(t-i) p_i (1-d) / (1-d^t)` (Kingma and Ba 2015,
    section 3); it obeys `a_t = a_(t-1) + (1-d) / (1-d^t) (p_t - a_(t-1))`.
    """
    return (1 - decay) / (1 - jnp.float32(decay) ** step.astype(jnp.float32))
