"""`(key, images) -> images` on the device: random affine maps with bilinear sampling."""

import jax
import jax.numpy as jnp
from jax import lax

from lenet_jax.config import Config

SIDE = 28
# Numbers that chance decides about an image: angle, height, width, shear, and two shifts.
DRAWS = 6


def is_identity(config: Config) -> bool:
    """Whether the config asks for no augmentation at all."""
    return not (config.rotation or config.scale or config.shear or config.shift)


def draw(key: jax.Array, count: int) -> jax.Array:
    """What chance decides about each of `count` images, uniform in [-1, 1), float32 [count, 6].

    Row i is the same for any count: an image's fate depends on nothing around it.
    """
    return jax.random.uniform(key, (count, DRAWS), minval=-1.0, maxval=1.0)


def augment(config: Config, draws_BxD: jax.Array, images_BxHxW: jax.Array) -> jax.Array:
    """Maps each image by a random affine map of its own.

    Args:
      config: strengths; each draw is multiplied by its strength.
      draws_BxD: rows of `draw`.
      images_BxHxW: uint8 [B, 28, 28].

    Returns:
      float32 [B, 28, 28] in 0..255.
    """
    matrices_Bx2x3 = jax.vmap(lambda draws: _inverse_map(config, draws))(draws_BxD)
    centre = (SIDE - 1) / 2
    row_HxW, column_HxW = jnp.mgrid[0:SIDE, 0:SIDE].astype(jnp.float32) - centre
    m = matrices_Bx2x3[:, :, :, None, None]
    rows_BxHxW = m[:, 0, 0] * row_HxW[None] + m[:, 0, 1] * column_HxW[None] + m[:, 0, 2] + centre
    columns_BxHxW = m[:, 1, 0] * row_HxW[None] + m[:, 1, 1] * column_HxW[None] + m[:, 1, 2] + centre
    return bilinear(images_BxHxW, rows_BxHxW, columns_BxHxW)


def _inverse_map(config: Config, u: jax.Array) -> jax.Array:
    """Where the pixels of an augmented image come from: [2, 3], about the centre of the image."""
    angle = u[0] * (config.rotation * jnp.pi / 180)
    cos, sin = jnp.cos(angle), jnp.sin(angle)
    height, width = 1 + u[1] * config.scale, 1 + u[2] * config.scale
    shear = u[3] * config.shear
    row = jnp.stack([cos / height, sin / height, u[4] * config.shift])
    column = jnp.stack(
        [(shear * cos - sin) / width, (shear * sin + cos) / width, u[5] * config.shift]
    )
    return jnp.stack([row, column])


def bilinear(images_BxHxW: jax.Array, rows_BxHxW: jax.Array, columns_BxHxW: jax.Array) -> jax.Array:
    """Samples each image at the given places, 0 outside of it.

    Args:
      images_BxHxW: uint8 [B, 28, 28].
      rows_BxHxW: where the pixels come from, float32 [B, 28, 28] in pixels.
      columns_BxHxW: likewise.

    Returns:
      float32 [B, 28, 28] in 0..255.
    """
    batch = images_BxHxW.shape[0]
    # The four neighbours of a place share a 32-bit word: one gather instead of four.
    width = SIDE + 3
    flat = jnp.pad(images_BxHxW, ((0, 0), (1, 2), (1, 2))).reshape(batch, -1).astype(jnp.uint32)
    last = flat.shape[1] - width - 1
    words = (
        flat[:, :last]
        | flat[:, 1 : last + 1] << 8
        | flat[:, width : last + width] << 16
        | flat[:, width + 1 : last + width + 1] << 24
    )
    words = lax.optimization_barrier(words)
    rows = jnp.clip(rows_BxHxW, -1.0, SIDE)
    columns = jnp.clip(columns_BxHxW, -1.0, SIDE)
    top, left = jnp.floor(rows), jnp.floor(columns)
    index = (top.astype(jnp.int32) + 1) * width + left.astype(jnp.int32) + 1
    word = jnp.take_along_axis(
        words, index.reshape(batch, -1), axis=1, mode="promise_in_bounds"
    ).reshape(rows.shape)
    down, right = rows - top, columns - left

    def byte(shift: int) -> jax.Array:
        return ((word >> shift) & 0xFF).astype(jnp.float32)

    upper = byte(0) + right * (byte(8) - byte(0))
    lower = byte(16) + right * (byte(24) - byte(16))
    return upper + down * (lower - upper)
