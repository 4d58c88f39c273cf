"""The programs of a run: its first state, the epochs of its members, and their evaluation.

`programs` lifts what is written here of one member to all members and devices, and jits it; inside,
`shard_map` gives each device its members, and its share of every batch.
"""

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.sharding import Mesh
from jax.sharding import PartitionSpec as P

from lenet_jax import augmentation, metrics, models
from lenet_jax.config import Config
from lenet_jax.distributed import backend
from lenet_jax.distributed import mesh as meshes
from lenet_jax.inference import predict
from lenet_jax.training import layout, optimizer
from lenet_jax.training import state as states
from lenet_jax.training.population import Member
from lenet_jax.training.signatures import Evaluated, Programs
from lenet_jax.training.state import TrainState
from lenet_jax.training.step import Batch, Targets, train_step

# `fold_in(key, step)` is the randomness of a step; what belongs to an epoch is folded in from the
# end of the range of steps, and the initialisation takes step 0 before training starts at 1.
ORDER = 2**32 - 1
# Of the key of a step, what dropout decides with; the augmentation has the key itself.
DROPOUT = 1


def programs(
    config: Config, mesh: Mesh, num_examples: int, teacher_config: Config | None = None
) -> Programs:
    """The programs of a run, compiled on their first call.

    Args:
      config: `Population.config` of the run.
      mesh: over which it runs.
      num_examples: that each member is trained on in an epoch.
      teacher_config: of the teacher's networks, if there is one.
    """
    platform = meshes.platform(mesh)
    config, teacher_config = config.on(platform), teacher_config and teacher_config.on(platform)
    stacked = P(meshes.MEMBER)
    create = functools.partial(states.create, config, num_examples)

    def shuffle(state_M: TrainState, member_M: Member) -> Member:
        every_member = meshes.over_members(
            mesh, functools.partial(shuffled, config), (), stacked, num_stacked=3
        )
        order_MxR = every_member(state_M.key, state_M.step, member_M.rows_R)
        return dataclasses.replace(member_M, rows_R=order_MxR)

    networks = [config] if teacher_config is None else [config, teacher_config]
    microbatch_size = min(map(models.cpu_microbatch, networks)) if platform == "cpu" else None
    steps_of_one = functools.partial(
        train_until,
        config,
        teacher_config,
        batch_axis=meshes.BATCH,
        microbatch_size=microbatch_size,
    )
    steps = meshes.over_members(mesh, steps_of_one, (P(),) * 5, stacked, num_stacked=2)

    def evaluate(
        params_M: models.Params, rows_MxV: jax.Array, images_NxHxW: jax.Array, labels_N: jax.Array
    ) -> Evaluated:
        logits_MxVxK = predict.logits(config, mesh, params_M, rows_MxV, images_NxHxW)
        labels_MxV = labels_N[jnp.maximum(rows_MxV, 0)]
        per_member = jax.vmap(metrics.evaluate)(logits_MxVxK, labels_MxV, rows_MxV >= 0)
        average_FxVxK = metrics.average_folds(logits_MxVxK, config.folds)
        # All members of a fold have the same rows.
        first = slice(None, None, rows_MxV.shape[0] // average_FxVxK.shape[0])
        ensemble_F = jax.vmap(metrics.evaluate)(
            average_FxVxK, labels_MxV[first], rows_MxV[first] >= 0
        )
        return Evaluated(per_member, jax.tree.map(jnp.sum, ensemble_F), jnp.exp(average_FxVxK))

    # Run once and not worth optimising: on a CPU 1.1 s to compile in place of 3.1 s. At level 0,
    # 0.9 s, a member's first bits would depend on how many members there are.
    quick = functools.partial(backend.jit, mesh=mesh, config=config, level=1)
    # LLVM's level 3 takes a third longer to compile than level 2 and runs no faster.
    less = functools.partial(backend.jit, mesh=mesh, config=config, level=2)
    return Programs(
        create=quick(meshes.over_members(mesh, create, (), stacked)),
        shuffle=quick(shuffle),
        train_until=less(steps, donate_argnums=0),
        evaluate=less(evaluate),
    )


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
    state: TrainState,
    member: Member,
    images_NxHxW: jax.Array,
    labels_N: jax.Array,
    first: jax.Array,
    stop: jax.Array,
    teacher_params_FxT: Any,
    *,
    batch_axis: str,
    microbatch_size: int | None = None,
) -> TrainState:
    """Trains one member within one epoch, up to step `stop`.

    Args:
      config: of the run.
      teacher_config: of the teacher's networks, None without a teacher.
      state: of one member.
      member: its rows `shuffled` for the one epoch that the steps from `first` to `stop` are in.
      images_NxHxW: uint8 [N, 28, 28]; the member says which rows are its own.
      labels_N: int32 [N].
      first: int32 [], the step that the state is at. One number for all members: a loop that each
        might leave at another turn would choose between the old state and the new one in each.
      stop: int32 [], where to stop; the result does not depend on how an epoch is cut in pieces.
      teacher_params_FxT: of the teacher's networks, leaves [folds, networks, ...], None without.
      batch_axis: mesh axis over which each batch is split.
      microbatch_size: as `layout.batch_layout` has it.
    """
    num_examples = member.rows_R.shape[0]
    steps_per_epoch = optimizer.steps_per_epoch(config, num_examples)
    epoch = state.step // steps_per_epoch
    devices = lax.psum(1, batch_axis)
    batches = layout.batch_layout(num_examples, config.batch_size, devices, microbatch_size)
    order_R = jnp.pad(member.rows_R, (0, batches.padding), constant_values=-1)
    # Fetched before the loop: in a step a TPU would fetch its labels one by one.
    labels_R = labels_N.at[jnp.maximum(order_R, 0)].get(mode="promise_in_bounds")
    per_device, slots = batches.per_device_batch, batches.per_device_batch * devices
    slots_B = lax.axis_index(batch_axis) * per_device + jnp.arange(per_device)
    # The networks that have not seen what the student is held out of.
    teacher_params_T = jax.tree.map(lambda leaf: leaf[member.fold], teacher_params_FxT)

    def local(rows: jax.Array) -> jax.Array:
        """This device's part of what there is for every slot of a batch."""
        return lax.dynamic_slice_in_dim(rows, slots_B[0], per_device)

    def body(_: jax.Array, state: TrainState) -> TrainState:
        # What is computed from these alone would be moved out of the loop, or not, and rounded
        # otherwise, depending on how many members there are.
        hyper = lax.optimization_barrier(member.hyper)
        begun = (state.step - epoch * steps_per_epoch) * config.batch_size
        from_slot = begun + slots_B[0]
        rows_B = lax.dynamic_slice_in_dim(order_R, from_slot, per_device)
        labels_B = lax.dynamic_slice_in_dim(labels_R, from_slot, per_device)
        # Fused with what reads them, they make a member's bits depend on the number of members.
        rows_B, labels_B = lax.optimization_barrier((rows_B, labels_B))
        inside_B = (slots_B < config.batch_size) & (rows_B >= 0)
        key = jax.random.fold_in(state.key, state.step + 1)
        rows_B = jnp.maximum(rows_B, 0)
        draws_BxD = augmentation.draw(config, key, slots)
        units = jax.random.uniform(
            jax.random.fold_in(key, DROPOUT),
            (slots, models.dropout_units(config) if config.dropout else 0),
        )
        images_BxHxW = images_NxHxW.at[rows_B].get(mode="promise_in_bounds")
        batch = Batch(
            # The barrier makes this a copy of rows; fused with its readers it is one of pixels.
            images_BxHxW=lax.optimization_barrier(images_BxHxW),
            labels_B=labels_B,
            mask_B=inside_B.astype(jnp.float32),
            draws_BxD=local(draws_BxD),
            units_BxU=local(units),
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
            num_examples,
            state,
            hyper,
            batch,
            batch_axis=batch_axis,
            microbatches=batches.microbatches,
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
        asked_T = (step % networks * asked + jnp.arange(asked)) % networks
        params_T = jax.tree.map(lambda leaf: leaf[asked_T], params_T)

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
