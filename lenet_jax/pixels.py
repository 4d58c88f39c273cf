"""Where the pixels of a data set lie: whole on every device, or in parts where they are many."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from lenet_jax import hosts
from lenet_jax import mesh as meshes

# Bytes from which a data set lies in parts: a sixteenth of what the smallest accelerators have, and
# fourteen times Kaggle's training and test digits.
LARGE = 2**30
_IMAGE = (28, 28)
_DEVICES = (meshes.MEMBER, meshes.BATCH)


def spec(mesh: Mesh, rows: int) -> P:
    """How so many images are split over the devices of a mesh: all alike, or not at all.

    A step needs rows that are drawn from all of the set. In parts, every device hears which ones
    the others need and sends what it has of them, which costs an exchange per step; whole, nothing
    is exchanged.
    """
    return P(_DEVICES) if mesh.size > 1 and rows * np.prod(_IMAGE) >= LARGE else P()


def abstract(mesh: Mesh, rows: int) -> jax.ShapeDtypeStruct:
    """Shape, dtype and sharding of what `put` makes of so many images."""
    split = spec(mesh, rows)
    return jax.ShapeDtypeStruct(
        (rows + _filling(mesh, rows), *_IMAGE), jnp.uint8, sharding=NamedSharding(mesh, split)
    )


def put(mesh: Mesh, images_NxHxW: np.ndarray) -> jax.Array:
    """Images on the devices; in parts, black ones fill up the last.

    Args:
      mesh: over which they are split.
      images_NxHxW: uint8 [N, 28, 28], any N from 1.
    """
    rows = len(images_NxHxW)
    filling = _filling(mesh, rows)
    if filling:
        images_NxHxW = np.pad(images_NxHxW, ((0, filling), (0, 0), (0, 0)))
    there: jax.Array = hosts.put(images_NxHxW, NamedSharding(mesh, spec(mesh, rows)))
    return there


def take(split: P, images_NxHxW: jax.Array, rows_B: jax.Array) -> jax.Array:
    """The images of some rows, uint8 [B, 28, 28]; runs inside `shard_map`, on all devices at once.

    Args:
      split: as `spec` says.
      images_NxHxW: the device's part of the images, or all of them.
      rows_B: int32 [B], positions in the whole set that this device needs, each of which must be
        there.
    """
    if split == P():
        return images_NxHxW.at[rows_B].get(mode="promise_in_bounds")
    part = len(images_NxHxW)
    needed_A = lax.all_gather(rows_B, _DEVICES, tiled=True)
    here_A = needed_A - lax.axis_index(_DEVICES) * part
    mine_A = (here_A >= 0) & (here_A < part)
    found_AxHxW = images_NxHxW.at[jnp.clip(here_A, 0, part - 1)].get(mode="promise_in_bounds")
    found_AxHxW = jnp.where(mine_A[:, None, None], found_AxHxW, jnp.uint8(0))
    # One device has a row, all others add nothing to it.
    return lax.psum_scatter(found_AxHxW, _DEVICES, tiled=True)


def _filling(mesh: Mesh, rows: int) -> int:
    return 0 if spec(mesh, rows) == P() else -rows % mesh.size
