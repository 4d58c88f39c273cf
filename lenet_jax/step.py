"""The pure training step of one member, and the loop over steps that is compiled as one program.

Both run inside `shard_map`: along the mesh axis `batch_axis` each device holds all of the state and
computes its share of every batch. A mesh of one device is no special case.
"""

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import lax
from jax.flatten_util import ravel_pytree

from lenet_jax import augment, metrics, mixup, model, optimizer
from lenet_jax.config import Config
from lenet_jax.population import Hyperparameters, Member
from lenet_jax.state import TrainState

# `fold_in(key, step)` is the randomness of a step; what belongs to an epoch is folded in from the
# end of the range of steps, and the initialisation takes step 0 before training starts at 1.
ORDER = 2**32 - 1
# Of the key of a step, what dropout and mixup decide with; the augmentation has the key itself.
DROPOUT, MIXUP = 1, 4

# Pixels [B, 28, 28] -> logarithms of probabilities [B, K].
Targets = Callable[[jax.Array], jax.Array]
# (All images or this device's part of them, positions [B]) -> images [B, 28, 28].
Take = Callable[[jax.Array, jax.Array], jax.Array]


class Batch(NamedTuple):
    """A device's share of a batch; `mask_B` is 0 for the padding of an epoch's last batch.

    `draws` decide about the augmentation and `units_BxF`, uniform in [0, 1), about dropout. With
    mixup each image takes `shares_B` of the next one; images, labels and draws then have one row
    more, for the last one's partner.
    """

    images_BxHxW: jax.Array
    labels_B: jax.Array
    mask_B: jax.Array
    draws: augment.Draws
    units_BxF: jax.Array
    shares_B: jax.Array | None = None


def train_step(
    config: Config,
    images: int,
    state: TrainState,
    hyper: Hyperparameters,
    batch: Batch,
    *,
    batch_axis: str,
    turns: int = 1,
    targets: Targets | None = None,
) -> TrainState:
    """One step of the optimiser on one batch.

    Args:
      config: of the run.
      images: that an epoch trains on.
      state: of one member.
      hyper: of this member.
      batch: this device's share.
      batch_axis: mesh axis over which the batch is split.
      turns: equal parts of the share that go through the network one after the other.
      targets: what the teacher says of augmented images, if there is one.

    Returns:
      The state after the step; its loss is added to `epoch_metrics`.
    """
    in_turns = partial(_in_turns, batch.mask_B.shape[0], turns)
    parts = jax.tree.map(in_turns, batch)
    # One vector, one all-reduce: between CPU devices each costs a rendezvous of its own.
    nothing, unravel = ravel_pytree((jax.tree.map(jnp.zeros_like, state.params), metrics.zeros()))

    def add(turn: int | jax.Array, total: jax.Array) -> jax.Array:
        part = jax.tree.map(lambda rows: rows[turn], parts)
        return total + ravel_pytree(_gradients(config, state.params, hyper, part, targets))[0]

    vector = add(0, nothing) if turns == 1 else lax.fori_loop(0, turns, add, nothing)
    grads, sums = unravel(lax.psum(vector, batch_axis))
    # A batch may hold nothing but the filling of a shorter fold. One reciprocal, for XLA would take
    # it in some programs and divide in others: a member's bits would depend on the others.
    share = 1 / jnp.maximum(sums.count, 1)
    grads = jax.tree.map(lambda grad: grad * share, grads)
    params, opt_state = optimizer.update(
        config, images, grads, state.opt_state, state.params, hyper
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


def _in_turns(share: int, turns: int, rows: jax.Array) -> jax.Array:
    """The rows of a share in parts; where there is a row more, each part has the first of the next.

    >>> _in_turns(4, 2, jnp.arange(5)).tolist()
    [[0, 1, 2], [2, 3, 4]]
    """
    each = share // turns
    parts = rows[:share].reshape(turns, each, *rows.shape[1:])
    if rows.shape[0] > share:
        parts = jnp.concatenate([parts, rows[each::each, None]], axis=1)
    return parts


def _gradients(
    config: Config,
    params: model.Params,
    hyper: Hyperparameters,
    batch: Batch,
    targets: Targets | None,
) -> tuple[model.Params, metrics.Metrics]:
    """Gradients of the summed loss, and the sums, of augmented images.

    With mixup the teacher is asked about the mixed image, and correct is what equals the label of
    the image that has the larger part in it.
    """
    pixels = batch.images_BxHxW
    if not augment.is_identity(config):
        pixels = augment.augment(hyper, batch.draws, pixels)
    pixels = lax.optimization_barrier(pixels)
    own_B, partners_B = batch.labels_B[: batch.mask_B.shape[0]], batch.labels_B[1:]
    if batch.shares_B is not None:
        pixels = lax.optimization_barrier(mixup.mix(batch.shares_B, pixels[:-1], pixels[1:]))
    keep_BxF = None
    if config.dropout:
        # What is left is scaled up, so that nothing need be scaled when predicting.
        keep_BxF = jnp.where(batch.units_BxF < hyper.dropout, 0, 1 / (1 - hyper.dropout))
    soft_BxK = None if targets is None else lax.optimization_barrier(targets(pixels))

    def loss(params: model.Params) -> tuple[jax.Array, metrics.Metrics]:
        logits_BxK = model.apply(config, params, pixels, keep_BxF)
        losses = partial(
            metrics.losses,
            logits_BxK,
            label_smoothing=hyper.label_smoothing,
            rubbish_class=config.rubbish_class,
        )
        losses_B = losses(own_B)
        if batch.shares_B is not None:
            # Cross-entropy is linear in its target: to mix losses is to mix targets.
            losses_B = mixup.mix(batch.shares_B, losses_B, losses(partners_B))
        if soft_BxK is not None:
            taught_B = metrics.taught_losses(logits_BxK, soft_BxK, hyper.teacher_temperature)
            losses_B = losses_B + hyper.teacher_weight * (taught_B - losses_B)
        sums = metrics.masked(losses_B, logits_BxK, own_B, batch.mask_B)
        return sums.loss, sums

    grads: tuple[model.Params, metrics.Metrics] = jax.grad(loss, has_aux=True)(params)
    return grads


def _targets(config: Config, params_FxT: model.Params, fold: jax.Array) -> Targets:
    """What the teacher's networks that have not seen a fold say of images, on average."""
    params_T = jax.tree.map(lambda leaf: leaf[fold], params_FxT)

    def targets(pixels_BxHxW: jax.Array) -> jax.Array:
        logits_TxBxK = lax.map(lambda params: model.apply(config, params, pixels_BxHxW), params_T)
        return metrics.average_members(logits_TxBxK)

    return targets


def _averaging_rate(decay: float | jax.Array, step: jax.Array) -> jax.Array:
    """Weight of the newest parameters that makes the moving average free of bias.

    The debiased average after t steps is `sum_i d^(t-i) p_i (1-d) / (1-d^t)` (Kingma and Ba 2015,
    section 3); it obeys `a_t = a_(t-1) + (1-d) / (1-d^t) (p_t - a_(t-1))`.
    """
    return (1 - decay) / (1 - jnp.float32(decay) ** step.astype(jnp.float32))


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
    stop: jax.Array,
    teacher_params_FxT: Any = None,
    *,
    batch_axis: str,
    take: Take,
    at_once: int | None = None,
) -> TrainState:
    """Trains one member within one epoch, up to step `stop`.

    Args:
      config: of the run.
      teacher_config: of the teacher's networks, None without a teacher.
      state_and_member: of one member, its rows `shuffled` for the one epoch that the steps between
        the state and `stop` lie in.
      images_NxHxW: uint8, all images or this device's part of them; the member says which rows are
        its own.
      labels_N: int32 [N].
      stop: int32 [], where to stop; the result does not depend on how an epoch is cut in pieces.
      teacher_params_FxT: of the teacher's networks, leaves [folds, networks, ...].
      batch_axis: mesh axis over which each batch is split.
      take: finds images by their rows.
      at_once: most images of a device's share that go through the network together; None for all.
    """
    state, member = state_and_member
    images = member.rows_R.shape[0]
    steps = optimizer.steps_per_epoch(config, images)
    epoch = state.step // steps
    shards = lax.psum(1, batch_axis)
    share = -(-config.batch_size // shards)
    turns = 1 if at_once is None else -(-share // at_once)
    share = turns * -(-share // turns)
    # With mixup an image takes some of the next one of the epoch, which the next device may have.
    reach = share + (1 if config.mixup else 0)
    filling = steps * config.batch_size + share * shards - images
    order_R = jnp.pad(member.rows_R, (0, filling), constant_values=-1)
    slots_B = lax.axis_index(batch_axis) * share + jnp.arange(share)
    targets = None
    if teacher_config is not None:
        targets = _targets(teacher_config, teacher_params_FxT, member.fold)

    def own(rows: jax.Array, count: int = share) -> jax.Array:
        """This device's share of what there is for every slot of a batch."""
        return lax.dynamic_slice_in_dim(rows, slots_B[0], count)

    def body(_: jax.Array, state: TrainState) -> TrainState:
        # What is computed from these alone would be moved out of the loop, or not, and rounded
        # otherwise, depending on how many members there are.
        hyper = lax.optimization_barrier(member.hyper)
        first = (state.step - epoch * steps) * config.batch_size
        rows_B = lax.dynamic_slice_in_dim(order_R, first + slots_B[0], reach)
        inside_B = (slots_B < config.batch_size) & (rows_B[:share] >= 0)
        key = jax.random.fold_in(state.key, state.step + 1)
        shares_B = None
        if config.mixup:
            mixup_key = jax.random.fold_in(key, MIXUP)
            shares = mixup.partner_shares(hyper.mixup, mixup_key, share * shards)
            # Padding is nobody's partner.
            shares_B = jnp.where(rows_B[1:] < 0, 0, own(shares))
        rows_B = jnp.maximum(rows_B, 0)
        draws = augment.draw(config, key, share * (shards - 1) + reach)
        units = jax.random.uniform(
            jax.random.fold_in(key, DROPOUT),
            (share * shards, model.F6 * config.width if config.dropout else 0),
        )
        images_BxHxW = take(images_NxHxW, rows_B)
        batch = Batch(
            # The barrier makes this a copy of rows; fused with its readers it is one of pixels.
            images_BxHxW=lax.optimization_barrier(images_BxHxW),
            labels_B=labels_N.at[rows_B].get(mode="promise_in_bounds"),
            mask_B=inside_B.astype(jnp.float32),
            draws=jax.tree.map(partial(own, count=reach), draws),
            units_BxF=own(units),
            shares_B=shares_B,
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

    fresh = state.step == epoch * steps
    sums = jax.tree.map(lambda total: jnp.where(fresh, 0, total), state.epoch_metrics)
    state = TrainState(**{**vars(state), "epoch_metrics": sums})
    return _telling_of_overflow(lax.fori_loop(state.step, stop, body, state))


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
