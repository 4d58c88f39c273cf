"""The loop over the steps of one member's epoch, which is compiled as one program.

It runs inside `shard_map`, as the step does.
"""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from lenet_jax import augmentation, metrics, models
from lenet_jax.config import Config
from lenet_jax.training import optimizer
from lenet_jax.training.population import Member
from lenet_jax.training.state import TrainState
from lenet_jax.training.step import Batch, Targets, train_step

# `fold_in(key, step)` is the randomness of a step; what belongs to an epoch is folded in from the
# end of the range of steps, and the initialisation takes step 0 before training starts at 1.
ORDER = 2**32 - 1
# Of the key of a step, what dropout decides with; the augmentation has the key itself.
DROPOUT = 1


def shuffled(config: Config, key: jax.Array, step: jax.Array, rows_R: jax.Array) -> jax.Array:
    """The rows of a member's training images in the order of an epoch, int32 [R].

    Args:
      config: of the run.
      key: of the member's state.
      step: int32 [], any of the epoch.
      rows_R: int32 [R].
    """
    epoch = step // optimizer.steps_per_epoch(config, rows_R.shape[0])
    order_key = jax.random.fold_in(jax.random.fold_in(key, ORDER), epoch)
    # `jax.random.permutation` sorts twice so that equal draws change nothing. Of 42,000 draws of 32
    # bits two are equal in one epoch of five; those two keep their order, and a CPU core saves a
    # hundredth of the epoch.
    bits_R = jax.random.bits(order_key, rows_R.shape)
    order_R: jax.Array = lax.sort((bits_R, rows_R), num_keys=1)[1]
    return order_R


def train_until(
    config: Config,
    teacher_config: Config | None,
    state_and_member: tuple[TrainState, Member],
    images_NxHxW: jax.Array,
    labels_N: jax.Array,
    first: jax.Array,
    stop: jax.Array,
    teacher_params_FxT: Any = None,
    *,
    batch_axis: str,
    at_once: int | None = None,
) -> TrainState:
    """Trains one member within one epoch, up to step `stop`.

    Args:
      config: of the run.
      teacher_config: of the teacher's networks, None without a teacher.
      state_and_member: of one member, its rows `shuffled` for the one epoch that the steps between
        `first` and `stop` lie in.
      images_NxHxW: uint8 [N, 28, 28]; the member says which rows are its own.
      labels_N: int32 [N].
      first: int32 [], the step that the state is at. One number for all members: a loop that each
        might leave at another turn would choose between the old state and the new one in each.
      stop: int32 [], where to stop; the result does not depend on how an epoch is cut in pieces.
      teacher_params_FxT: of the teacher's networks, leaves [folds, networks, ...].
      batch_axis: mesh axis over which each batch is split.
      at_once: most images of a device's share that go through the network together; None for all.
    """
    state, member = state_and_member
    images = member.rows_R.shape[0]
    steps_per_epoch = optimizer.steps_per_epoch(config, images)
    epoch = state.step // steps_per_epoch
    shards = lax.psum(1, batch_axis)
    share = -(-config.batch_size // shards)
    turns = 1 if at_once is None else -(-share // at_once)
    share = turns * -(-share // turns)
    filling = steps_per_epoch * config.batch_size + share * shards - images
    order_R = jnp.pad(member.rows_R, (0, filling), constant_values=-1)
    # Fetched before the loop: in a step a TPU would fetch its labels one by one.
    labels_R = labels_N.at[jnp.maximum(order_R, 0)].get(mode="promise_in_bounds")
    slots_B = lax.axis_index(batch_axis) * share + jnp.arange(share)
    # The networks that have not seen what the student is held out of.
    teacher_params_T = jax.tree.map(lambda leaf: leaf[member.fold], teacher_params_FxT)

    def own(rows: jax.Array) -> jax.Array:
        """This device's share of what there is for every slot of a batch."""
        return lax.dynamic_slice_in_dim(rows, slots_B[0], share)

    def body(_: jax.Array, state: TrainState) -> TrainState:
        # What is computed from these alone would be moved out of the loop, or not, and rounded
        # otherwise, depending on how many members there are.
        hyper = lax.optimization_barrier(member.hyper)
        begun = (state.step - epoch * steps_per_epoch) * config.batch_size
        from_slot = begun + slots_B[0]
        rows_B = lax.dynamic_slice_in_dim(order_R, from_slot, share)
        labels_B = lax.dynamic_slice_in_dim(labels_R, from_slot, share)
        # Fused with what reads them, they make a member's bits depend on the number of members.
        rows_B, labels_B = lax.optimization_barrier((rows_B, labels_B))
        inside_B = (slots_B < config.batch_size) & (rows_B >= 0)
        key = jax.random.fold_in(state.key, state.step + 1)
        rows_B = jnp.maximum(rows_B, 0)
        draws_BxD = augmentation.draw(config, key, share * shards)
        units = jax.random.uniform(
            jax.random.fold_in(key, DROPOUT),
            (share * shards, models.F6 * config.width if config.dropout else 0),
        )
        images_BxHxW = images_NxHxW.at[rows_B].get(mode="promise_in_bounds")
        batch = Batch(
            # The barrier makes this a copy of rows; fused with its readers it is one of pixels.
            images_BxHxW=lax.optimization_barrier(images_BxHxW),
            labels_B=labels_B,
            mask_B=inside_B.astype(jnp.float32),
            draws_BxD=own(draws_BxD),
            units_BxF=own(units),
        )
        targets = None
        if teacher_config is not None:
            targets = _targets(
                teacher_config,
                config.teacher_networks,
                teacher_params_T,
                state.step,
                hyper.teacher_temperature,
            )
        return train_step(
            config,
            images,
            state,
            hyper,
            batch,
            batch_axis=batch_axis,
            turns=turns,
            targets=targets,
        )

    fresh = state.step == epoch * steps_per_epoch
    sums = jax.tree.map(lambda total: jnp.where(fresh, 0, total), state.epoch_metrics)
    state = TrainState(**{**vars(state), "epoch_metrics": sums})
    return _telling_of_overflow(lax.fori_loop(first, stop, body, state))


def _targets(
    config: Config,
    asked: int,
    params_T: models.Params,
    step: jax.Array,
    temperature: jax.Array,
) -> Targets:
    """What a teacher's networks say of images, on average.

    Args:
      config: of the teacher's networks.
      asked: how many of them, in turn; 0 asks all.
      params_T: of all of them, leaves [networks, ...].
      step: int32 [], which tells whose turn it is.
      temperature: float32 [], that softens what they say.
    """
    if asked:
        networks = jax.tree.leaves(params_T)[0].shape[0]
        # Only the remainder is multiplied, which no long run can make overflow.
        turn_T = (step % networks * asked + jnp.arange(asked)) % networks
        params_T = jax.tree.map(lambda leaf: leaf[turn_T], params_T)

    def targets(pixels_BxHxW: jax.Array) -> jax.Array:
        logits_TxBxK = lax.map(lambda params: models.apply(config, params, pixels_BxHxW), params_T)
        return metrics.softened(logits_TxBxK, temperature)

    return targets


def _telling_of_overflow(state: TrainState) -> TrainState:
    """The state, its loss NaN if anything that the next step starts from is not finite.

    A loss is that of the parameters before its step: the last one would not tell.
    """
    next_step = state.params, state.averaged_params, state.opt_state
    finite = jnp.bool_(True)
    for leaf in jax.tree.leaves(next_step):
        finite &= jnp.isfinite(leaf).all()
    sums = state.epoch_metrics
    loss = jnp.where(finite, sums.loss, jnp.nan)
    return dataclasses.replace(state, epoch_metrics=dataclasses.replace(sums, loss=loss))
