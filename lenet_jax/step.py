"""The pure training step of one member, and the loop over steps that is compiled as one program.

Both run inside `shard_map`: along the mesh axis `batch_axis` each device holds all of the state and
computes its share of every batch. A mesh of one device is no special case.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import lax
from jax.flatten_util import ravel_pytree

from lenet_jax import augment, metrics, model, optimizer
from lenet_jax.config import Config
from lenet_jax.state import TrainState

# `fold_in(key, step)` is the randomness of a step; what belongs to an epoch is folded in from the
# end of the range of steps, and the initialisation takes step 0 before training starts at 1.
ORDER = 2**32 - 1


class Batch(NamedTuple):
    """A device's share of a batch; `mask_B` is 0 for the padding of an epoch's last batch."""

    images_BxHxW: jax.Array
    labels_B: jax.Array
    mask_B: jax.Array
    draws_BxD: jax.Array


def train_step(
    config: Config,
    images: int,
    state: TrainState,
    batch: Batch,
    *,
    batch_axis: str,
    turns: int = 1,
) -> TrainState:
    """One step of the optimiser on one batch.

    Args:
      config: of the run.
      images: number of training images.
      state: of one member.
      batch: this device's share.
      batch_axis: mesh axis over which the batch is split.
      turns: equal parts of the share that go through the network one after the other.

    Returns:
      The state after the step; its loss is added to `epoch_metrics`.
    """
    parts = jax.tree.map(lambda rows: rows.reshape(turns, -1, *rows.shape[1:]), batch)
    # One vector, one all-reduce: between CPU devices each costs a rendezvous of its own.
    nothing, unravel = ravel_pytree((jax.tree.map(jnp.zeros_like, state.params), metrics.zeros()))

    def add(turn: int | jax.Array, total: jax.Array) -> jax.Array:
        part = jax.tree.map(lambda rows: rows[turn], parts)
        return total + ravel_pytree(_gradients(config, state.params, part))[0]

    vector = add(0, nothing) if turns == 1 else lax.fori_loop(0, turns, add, nothing)
    grads, sums = unravel(lax.psum(vector, batch_axis))
    grads = jax.tree.map(lambda grad: grad / sums.count, grads)
    params, opt_state = optimizer.update(config, images, grads, state.opt_state, state.params)
    step = state.step + 1
    return TrainState(
        step=step,
        params=params,
        averaged_params=optax.incremental_update(
            params, state.averaged_params, _averaging_rate(config.ema_decay, step)
        ),
        opt_state=opt_state,
        key=state.key,
        epoch_metrics=jax.tree.map(jnp.add, state.epoch_metrics, sums),
    )


def _gradients(
    config: Config, params: model.Params, batch: Batch
) -> tuple[model.Params, metrics.Metrics]:
    """Gradients of the summed loss, and the sums, of augmented images."""
    pixels = batch.images_BxHxW
    if not augment.is_identity(config):
        pixels = augment.augment(config, batch.draws_BxD, pixels)
    pixels = lax.optimization_barrier(pixels)

    def loss(params: model.Params) -> tuple[jax.Array, metrics.Metrics]:
        logits_BxK = model.apply(config, params, pixels)
        losses_B = metrics.losses(
            logits_BxK,
            batch.labels_B,
            label_smoothing=config.label_smoothing,
            rubbish_class=config.rubbish_class,
        )
        sums = metrics.masked(losses_B, logits_BxK, batch.labels_B, batch.mask_B)
        return sums.loss, sums

    grads: tuple[model.Params, metrics.Metrics] = jax.grad(loss, has_aux=True)(params)
    return grads


def _averaging_rate(decay: float, step: jax.Array) -> jax.Array:
    """Weight of the newest parameters that makes the moving average free of bias.

    The debiased average after t steps is `sum_i d^(t-i) p_i (1-d) / (1-d^t)` (Kingma and Ba 2015,
    section 3); it obeys `a_t = a_(t-1) + (1-d) / (1-d^t) (p_t - a_(t-1))`.
    """
    return (1 - decay) / (1 - jnp.float32(decay) ** step.astype(jnp.float32))


def train_until(
    config: Config,
    state: TrainState,
    images_NxHxW: jax.Array,
    labels_N: jax.Array,
    stop: jax.Array,
    *,
    batch_axis: str,
    at_once: int | None = None,
) -> TrainState:
    """Trains one member within one epoch, up to step `stop`.

    Args:
      config: of the run.
      state: of the member; the steps between it and `stop` must lie in one epoch.
      images_NxHxW: uint8 [N, 28, 28], the whole training set.
      labels_N: int32 [N].
      stop: int32 [], where to stop; the result does not depend on how an epoch is cut in pieces.
      batch_axis: mesh axis over which each batch is split.
      at_once: most images of a device's share that go through the network together; None for all.
    """
    images = images_NxHxW.shape[0]
    steps = optimizer.steps_per_epoch(config, images)
    epoch = state.step // steps
    order_key = jax.random.fold_in(jax.random.fold_in(state.key, ORDER), epoch)
    order_N = jax.random.permutation(order_key, images)
    shards = lax.psum(1, batch_axis)
    share = -(-config.batch_size // shards)
    turns = 1 if at_once is None else -(-share // at_once)
    share = turns * -(-share // turns)
    order_N = jnp.pad(order_N, (0, steps * config.batch_size + share * shards - images))
    slots_B = lax.axis_index(batch_axis) * share + jnp.arange(share)

    def body(_: jax.Array, state: TrainState) -> TrainState:
        first = (state.step - epoch * steps) * config.batch_size
        rows_B = lax.dynamic_slice_in_dim(order_N, first + slots_B[0], share)
        inside_B = (slots_B < config.batch_size) & (first + slots_B < images)
        draws = augment.draw(config, jax.random.fold_in(state.key, state.step + 1), share * shards)
        images_BxHxW = images_NxHxW.at[rows_B].get(mode="promise_in_bounds")
        batch = Batch(
            # The barrier makes this a copy of rows; fused with its readers it is one of pixels.
            images_BxHxW=lax.optimization_barrier(images_BxHxW),
            labels_B=labels_N.at[rows_B].get(mode="promise_in_bounds"),
            mask_B=inside_B.astype(jnp.float32),
            draws_BxD=lax.dynamic_slice_in_dim(draws, slots_B[0], share),
        )
        return train_step(config, images, state, batch, batch_axis=batch_axis, turns=turns)

    fresh = state.step == epoch * steps
    sums = jax.tree.map(lambda total: jnp.where(fresh, 0, total), state.epoch_metrics)
    state = TrainState(**{**vars(state), "epoch_metrics": sums})
    return lax.fori_loop(state.step, stop, body, state)
