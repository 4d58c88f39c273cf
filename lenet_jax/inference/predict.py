"""Logits of a run's members, and the average they predict with."""

import contextlib
import os
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import Mesh
from jax.sharding import PartitionSpec as P

from lenet_jax import augmentation, metrics, models
from lenet_jax.config import Config
from lenet_jax.data import SIDE
from lenet_jax.distributed import backend, compilation_progress, multihost
from lenet_jax.distributed import mesh as meshes
from lenet_jax.environment import commands
from lenet_jax.errors import UserError
from lenet_jax.files import printable, to_path
from lenet_jax.inference import calibration
from lenet_jax.runs import checkpoint, workdir

# Images per device and step: enough to keep it busy. A CPU core takes no more than its cache fits.
PER_DEVICE_BATCH = 128


def logits(
    config: Config,
    mesh: Mesh,
    params_M: models.Params,
    rows_MxN: jax.Array,
    images_NxHxW: jax.Array,
    views: int = 1,
) -> jax.Array:
    """Logits of every member for its rows of the images; traceable, for `backend.jit`.

    Args:
      config: of the run.
      mesh: over which members and images are split.
      params_M: parameters with a leading member axis.
      rows_MxN: int32 [M, N], positions of images, any N from 1; a negative one stands for none, and
        what comes out of it means nothing.
      images_NxHxW: uint8 [N, 28, 28], all images that the rows are of.
      views: of each image that are averaged, see `view_maps`.

    Returns:
      float32 [M, N, 10], with several views the logarithm of their mean probabilities.
    """
    platform = meshes.platform(mesh)
    config = config.on(platform)
    members, num_examples = rows_MxN.shape
    shards = mesh.shape[meshes.BATCH]
    most = models.cpu_predicted(config) if platform == "cpu" else PER_DEVICE_BATCH
    per_device_batch = min(most, -(-num_examples // shards))
    steps = -(-num_examples // (per_device_batch * shards))
    padded = jnp.pad(rows_MxN, ((0, 0), (0, steps * per_device_batch * shards - num_examples)))
    rows_MxSxB = jnp.maximum(padded, 0).reshape(members, steps, per_device_batch * shards)

    def one_member(
        params: models.Params, rows_SxB: jax.Array, images_NxHxW: jax.Array
    ) -> jax.Array:
        first = lax.axis_index(meshes.BATCH) * per_device_batch

        def one_batch(rows_B: jax.Array) -> jax.Array:
            rows_B = lax.dynamic_slice_in_dim(rows_B, first, per_device_batch)
            # The barrier makes this a copy of rows; fused with its readers it is one of pixels.
            images_BxHxW = images_NxHxW.at[rows_B].get(mode="promise_in_bounds")
            images_BxHxW = lax.optimization_barrier(images_BxHxW)
            return _averaged_views(config, params, images_BxHxW, views)

        return lax.map(one_batch, rows_SxB)

    every_member = meshes.over_members(
        mesh, one_member, (P(),), P(meshes.MEMBER, None, meshes.BATCH), num_stacked=2
    )
    logits_MxSxBxK = every_member(params_M, rows_MxSxB, images_NxHxW)
    return logits_MxSxBxK.reshape(members, steps * per_device_batch * shards, -1)[:, :num_examples]


def view_maps(views: int) -> np.ndarray:
    """Draws of the affine maps of test-time augmentation, float32 [views, 6] in [-1, 1].

    The first is the identity. The others are spread evenly over the maps (the R sequence of
    M. Roberts, "The unreasonable effectiveness of quasirandom sequences", 2018).
    """
    # The positive root of x**7 = x + 1.
    root = 1.1127756842787055
    steps = (1 / root) ** np.arange(1, augmentation.AFFINE + 1)
    maps = 2 * ((0.5 + np.arange(views)[:, None] * steps) % 1) - 1
    return maps.astype(np.float32)


def _averaged_views(
    config: Config, params: models.Params, images_BxHxW: jax.Array, views: int
) -> jax.Array:
    if views == 1:
        return models.apply(config, params, images_BxHxW)
    # Half as strong as in training: a digit that is given is in place, more or less.
    fields = ("rotation", "scale", "shear", "shift")
    strengths = replace(config, **{name: getattr(config, name) / 2 for name in fields})

    def one_view(maps_D: jax.Array) -> jax.Array:
        # An affine map and nothing else, whatever the network was trained with.
        draws_BxD = jnp.broadcast_to(maps_D, (images_BxHxW.shape[0], augmentation.AFFINE))
        sample = augmentation.sampling(config)
        return models.apply(
            config, params, augmentation.augment(strengths, draws_BxD, images_BxHxW, sample)
        )

    return metrics.average_members(lax.map(one_view, jnp.asarray(view_maps(views))))


def probabilities(
    config: Config,
    mesh: Mesh,
    params_M: Any,
    images_NxHxW: np.ndarray,
    *,
    views: int = 1,
) -> np.ndarray:
    """The members' mean probabilities, float32 [N, 10].

    Args:
      config: of the run.
      mesh: over which members and images are split.
      params_M: parameters with a leading member axis.
      images_NxHxW: uint8 [N, 28, 28], any N from 1.
      views: of each image that are averaged, see `view_maps`.
    """
    members = jax.tree.leaves(params_M)[0].shape[0]
    sizes = members, len(images_NxHxW), views
    program = compilation_progress.once(_program, config, mesh, *sizes)
    params_M = multihost.put(params_M, meshes.stacked(mesh))
    return np.asarray(program(params_M, multihost.replicate(images_NxHxW, meshes.replicated(mesh))))


def compile_ahead(config: Config, views: int, rows: int) -> None:
    """Compiles what `from_run` will call for so many images, while they are read."""
    mesh = meshes.make(config.num_models)
    compilation_progress.once(_program, config, mesh, config.num_models, rows, views)


def _program(
    config: Config, mesh: Mesh, members: int, rows: int, views: int
) -> Callable[..., jax.Array]:
    """(params, images) -> probabilities, for arrays of just these shapes and shardings."""
    whole = meshes.replicated(mesh)

    def program(params_M: Any, images_NxHxW: jax.Array) -> jax.Array:
        rows_MxN = jnp.broadcast_to(jnp.arange(rows, dtype=jnp.int32), (members, rows))
        logits_MxNxK = logits(config, mesh, params_M, rows_MxN, images_NxHxW, views)
        return jnp.exp(metrics.average_members(logits_MxNxK))

    params_M = meshes.abstract(models.shapes(config, (members,)), meshes.stacked(mesh))
    images_NxHxW = jax.ShapeDtypeStruct((rows, SIDE, SIDE), jnp.uint8, sharding=whole)
    jitted = backend.jit(program, mesh, config, out_shardings=whole)
    lowered = jitted.lower(params_M, images_NxHxW)
    compiled: Callable[..., jax.Array] = compilation_progress.compiled("predict", lowered.compile)
    return compiled


def out_of_fold(
    config: Config, mesh: Mesh, params_M: Any, rows_MxV: np.ndarray, images_NxHxW: np.ndarray
) -> np.ndarray:
    """Mean probabilities of each fold's members for what was held out of them, [folds, V, 10].

    Args:
      config: of the run.
      mesh: over which members and images are split.
      params_M: parameters with a leading member axis.
      rows_MxV: `Population.held_MxV`.
      images_NxHxW: uint8 [N, 28, 28].
    """
    whole = meshes.replicated(mesh)

    @partial(backend.jit, mesh=mesh, config=config, out_shardings=whole)
    def program(params_M: Any, rows_MxV: jax.Array, images_NxHxW: jax.Array) -> jax.Array:
        logits_MxVxK = logits(config, mesh, params_M, rows_MxV, images_NxHxW)
        return jnp.exp(metrics.average_folds(logits_MxVxK, config.folds))

    members = multihost.put((params_M, rows_MxV), meshes.stacked(mesh))
    given = *members, multihost.replicate(images_NxHxW, whole)
    compiled = compilation_progress.compiled("evaluate", program.lower(*given).compile)
    return np.asarray(compiled(*given))


def from_run(
    folder: str | os.PathLike[str],
    record: workdir.Record,
    images_NxHxW: np.ndarray,
    which: str = "latest",
    views: int = 1,
) -> np.ndarray:
    """Mean probabilities of a run's members, calibrated where a temperature was fitted for them.

    It was for one view. Several make probabilities less sure: divided by it again they would be
    worse.

    Args:
      folder: the run's workdir.
      record: of the run.
      images_NxHxW: uint8 [N, 28, 28], any N from 1.
      which: checkpoint, `latest` or `best` (by hold-out accuracy).
      views: as for `probabilities`.

    Returns:
      float32 [N, 10]

    Raises:
      UserError: there is no checkpoint, all are damaged, or a network of the run has diverged.
    """
    params_M = restore(folder, record, which)
    mesh = meshes.make(record.config.num_models)
    mean_NxK = probabilities(record.config, mesh, params_M, images_NxHxW, views=views)
    if not np.isfinite(mean_NxK).all():
        raise UserError(
            f"{printable(folder)}: no finite probabilities; a network of the run has diverged, "
            "train it again with a lower learning rate"
        )
    temperature = workdir.read_temperature(folder)
    return mean_NxK if views > 1 else calibration.tempered(mean_NxK, temperature)


def restore(
    folder: str | os.PathLike[str],
    record: workdir.Record,
    which: str = "latest",
) -> Any:
    """The members' averaged parameters from a run's checkpoint, as NumPy arrays.

    Args:
      folder: the run's workdir.
      record: of the run.
      which: `latest` or `best` (by hold-out accuracy) of the checkpoints.

    Raises:
      UserError: there is no checkpoint, or all are damaged.
    """
    below = to_path(folder) / workdir.CHECKPOINTS
    with contextlib.closing(checkpoint.Checkpoints(below, read_only=True)) as checkpoints:
        at = checkpoints.choose(which)
        if at is None:
            raise UserError(
                f"{printable(folder)}: holds no whole checkpoint yet; "
                f"{commands.command('train', f'--workdir={printable(folder)}')} goes on with the "
                "run"
            )
        target = models.shapes(record.config, (record.config.num_models,))
        return checkpoints.restore_averaged(at, target)
