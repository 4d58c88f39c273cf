"""Logits of a run's members, and the average they predict with."""

import os
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import Mesh
from jax.sharding import PartitionSpec as P

from lenet_jax import checkpoint, hosts, metrics, model, workdir
from lenet_jax import mesh as meshes
from lenet_jax.config import Config
from lenet_jax.errors import UserError
from lenet_jax.files import place, shown

# Images per device and step: enough to keep it busy, few enough to fit a CPU core's cache.
SHARE = 128


def logits(
    config: Config, mesh: Mesh, params_M: model.Params, images_NxHxW: jax.Array
) -> jax.Array:
    """Logits of every member for every image; traceable, and meant to be jitted.

    Args:
      config: of the run.
      mesh: over which members and images are split.
      params_M: parameters with a leading member axis.
      images_NxHxW: uint8 [N, 28, 28], any N from 1; the last batch is padded and cut off again.

    Returns:
      float32 [M, N, 10]
    """
    images = images_NxHxW.shape[0]
    batch = min(SHARE, -(-images // mesh.shape[meshes.BATCH])) * mesh.shape[meshes.BATCH]
    steps = -(-images // batch)
    padded = jnp.pad(images_NxHxW, ((0, steps * batch - images), (0, 0), (0, 0)))
    images_SxBxHxW = padded.reshape(steps, batch, *images_NxHxW.shape[1:])

    def one_member(params: model.Params, images_SxBxHxW: jax.Array) -> jax.Array:
        return lax.map(partial(model.apply, config, params), images_SxBxHxW)

    batches = P(None, meshes.BATCH)
    every_member = meshes.over_members(
        mesh, one_member, (batches,), P(meshes.MEMBER, None, meshes.BATCH)
    )
    logits_MxSxBxK = every_member(params_M, images_SxBxHxW)
    return logits_MxSxBxK.reshape(config.members, steps * batch, -1)[:, :images]


def probabilities(
    config: Config, mesh: Mesh, params_M: Any, images_NxHxW: np.ndarray
) -> np.ndarray:
    """The members' mean probabilities, float32 [N, 10]; arguments as for `logits`."""

    @partial(jax.jit, out_shardings=meshes.replicated(mesh))
    def program(params_M: Any, images_NxHxW: jax.Array) -> jax.Array:
        return jnp.exp(metrics.average_members(logits(config, mesh, params_M, images_NxHxW)))

    params_M = jax.tree.map(lambda leaf: hosts.put(leaf, meshes.stacked(mesh)), params_M)
    images = hosts.put(images_NxHxW, meshes.replicated(mesh))
    return np.asarray(program(params_M, images))


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
    checkpoints = checkpoint.Checkpoints(place(folder) / workdir.CHECKPOINTS, read_only=True)
    try:
        at = checkpoints.choose(which)
        if at is None:
            raise UserError(
                f"{shown(folder)}: holds no whole checkpoint yet; run_train.py "
                f"--workdir={shown(folder)} goes on with the run"
            )
        one = jax.eval_shape(partial(model.init, record.config), jax.random.key(0))
        target = jax.tree.map(
            lambda leaf: jax.ShapeDtypeStruct((record.config.members, *leaf.shape), leaf.dtype), one
        )
        return checkpoints.restore_averaged(at, target)
    finally:
        checkpoints.close()
