"""Random affine maps and elastic distortions of images, on the device."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from lenet_jax.config import Config
from lenet_jax.data import SIDE
from lenet_jax.sweep import Hyperparameters

# Numbers that chance decides about an affine map: angle, height, width, shear, and two shifts.
AFFINE = 6
# Simard et al. 2003 smooth a field of noise, a number per pixel, with a Gaussian. What is left has
# no detail finer than the Gaussian, so noise on a grid about as wide as it (4.5 pixels) does.
GRID = 7
SIGMA = 4.0

# (uint8 images [B, 28, 28], rows and columns where their pixels come from) -> float32 [B, 28, 28].
Sampling = Callable[[jax.Array, jax.Array, jax.Array], jax.Array]


def sampling(config: Config) -> Sampling:
    """How a config, its `auto` resolved by `Config.on`, has images sampled."""
    if config.sampling == "gather":
        return bilinear
    # One pass of a TPU's matrix unit takes its numbers as these.
    dtype = jnp.bfloat16 if config.precision == "default" else jnp.float32
    return functools.partial(bilinear_by_products, dtype=dtype)


def is_identity(config: Config) -> bool:
    """Whether the config asks for no augmentation at all."""
    return not (config.rotation or config.scale or config.shear or config.shift or config.elastic)


def draws_per_image(config: Config) -> int:
    """How many numbers chance decides: of an affine map and, if there is one, an elastic field."""
    return AFFINE + (2 * GRID * GRID if config.elastic else 0)


def draw(config: Config, key: jax.Array, count: int) -> jax.Array:
    """What chance decides about each of `count` images, float32 [count, D] in [-1, 1).

    Row i is the same for any count: an image's fate depends on nothing around it.
    """
    return jax.random.uniform(key, (count, draws_per_image(config)), minval=-1.0, maxval=1.0)


def augment(
    strengths: Config | Hyperparameters,
    draws_BxD: jax.Array,
    images_BxHxW: jax.Array,
    sample: Sampling | None = None,
) -> jax.Array:
    """Distorts each image by a random affine map and elastic field.

    Args:
      strengths: rotation, scale, shear, shift and elastic, by which draws are multiplied.
      draws_BxD: of `draw`; without the columns of an elastic field there is none, whatever its
        strength.
      images_BxHxW: uint8 [B, 28, 28].
      sample: finds the pixels, as `sampling` gives it; `bilinear` by default.

    Returns:
      float32 [B, 28, 28] in 0..255.
    """
    sample = bilinear if sample is None else sample
    matrices_Bx2x3 = jax.vmap(lambda draws_D: _inverse_map(strengths, draws_D))(draws_BxD)
    centre = (SIDE - 1) / 2
    row_HxW, column_HxW = jnp.mgrid[0:SIDE, 0:SIDE].astype(jnp.float32) - centre
    m = matrices_Bx2x3[:, :, :, None, None]
    rows_BxHxW = m[:, 0, 0] * row_HxW[None] + m[:, 0, 1] * column_HxW[None] + m[:, 0, 2] + centre
    columns_BxHxW = m[:, 1, 0] * row_HxW[None] + m[:, 1, 1] * column_HxW[None] + m[:, 1, 2] + centre
    if draws_BxD.shape[1] > AFFINE:
        noise = draws_BxD[:, AFFINE:].reshape(-1, GRID * GRID)
        basis = strengths.elastic * jnp.asarray(_elastic_basis())
        fields = (noise @ basis).reshape(-1, 2, SIDE, SIDE)
        rows_BxHxW, columns_BxHxW = rows_BxHxW + fields[:, 0], columns_BxHxW + fields[:, 1]
    return sample(images_BxHxW, rows_BxHxW, columns_BxHxW)


def _inverse_map(strengths: Config | Hyperparameters, u: jax.Array) -> jax.Array:
    """Where the pixels of an augmented image come from, about its centre (Simard et al. 2003).

    Args:
      strengths: of each kind of distortion.
      u: in [-1, 1), for rotation, scale of the height, scale of the width, shear, shift of the
        rows and shift of the columns, in this order.

    Returns:
      [2, 3]: scale @ shear @ rotation and the shift, so that (row, column, 1) of a pixel gives
      the row and the column to read.
    """
    angle = u[0] * (strengths.rotation * jnp.pi / 180)
    cos, sin = jnp.cos(angle), jnp.sin(angle)
    height, width = 1 + u[1] * strengths.scale, 1 + u[2] * strengths.scale
    shear = u[3] * strengths.shear
    row = jnp.stack([cos / height, sin / height, u[4] * strengths.shift])
    column = jnp.stack(
        [(shear * cos - sin) / width, (shear * sin + cos) / width, u[5] * strengths.shift]
    )
    return jnp.stack([row, column])


@functools.cache
def _elastic_basis() -> np.ndarray:
    """Turns uniform noise on the grid into a smooth field of variance 1, float32 [G * G, H * W]."""
    nodes = np.linspace(0, SIDE - 1, GRID)
    weights_GxH = np.exp(-(((nodes[:, None] - np.arange(SIDE)) / SIGMA) ** 2) / 2)
    weights_GxH /= np.linalg.norm(weights_GxH, axis=0)
    # The variance of uniform noise in [-1, 1) is a third.
    basis = np.sqrt(3) * np.einsum("gh,kw->gkhw", weights_GxH, weights_GxH)
    return basis.reshape(GRID * GRID, SIDE * SIDE).astype(np.float32)


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


def bilinear_by_products(
    images_BxHxW: jax.Array,
    rows_BxHxW: jax.Array,
    columns_BxHxW: jax.Array,
    dtype: Any = jnp.float32,
) -> jax.Array:
    """What `bilinear` gives, without a gather: a TPU fetches single elements one by one.

    Bilinear interpolation is a sum over all rows and columns, with weights that are hat functions
    of the distance: `sum_rc hat(row - r) hat(column - c) image_rc`, 28 times the arithmetic.

    Args:
      images_BxHxW: uint8 [B, 28, 28].
      rows_BxHxW: where the pixels come from, float32 [B, 28, 28] in pixels.
      columns_BxHxW: likewise.
      dtype: of the weights along rows; bfloat16 is off by at most half a pixel value of 255.

    Returns:
      float32 [B, 28, 28] in 0..255.
    """
    batch = images_BxHxW.shape[0]
    line_H = jnp.arange(SIDE, dtype=jnp.float32)[:, None]

    def weights(at_BxHxW: jax.Array) -> jax.Array:
        """Of each line (row or column) in each pixel, [B, 28, 784]."""
        return jnp.maximum(0.0, 1.0 - jnp.abs(at_BxHxW.reshape(batch, 1, -1) - line_H[None]))

    # Pixels are whole numbers to 255, which bfloat16 has all of.
    columns_BxWxN = lax.dot_general(
        images_BxHxW.astype(dtype),
        weights(rows_BxHxW).astype(dtype),
        (((1,), (1,)), ((0,), (0,))),
        preferred_element_type=jnp.float32,
    )
    return jnp.sum(columns_BxWxN * weights(columns_BxHxW), axis=1).reshape(images_BxHxW.shape)
