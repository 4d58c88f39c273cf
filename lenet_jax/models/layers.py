"""What the networks are made of."""

from collections.abc import Callable
from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from lenet_jax.config import ACTIVATIONS
from lenet_jax.models import convolution

CLASSES = 10
# Units of F6, of a network of width 1.
F6 = 84
# Flax's name for what a call leaves beside its result, and only if it is asked to.
INTERMEDIATES = "intermediates"


def activation(name: str) -> Callable[[jax.Array], jax.Array]:
    """A row of `config.ACTIVATIONS` as a function of arrays of any shape."""
    return partial(ACTIVATIONS[name].jax, jax.nn)


scaled_tanh = activation("scaled_tanh")


def pad_and_normalise(
    images_BxHxW: jax.Array, mean: float, std: float, padding: int = 2
) -> jax.Array:
    """Pixels 0..255 [B, 28, 28] -> zero-padded to 32x32, (x / 255 - mean) / std, [1, 32, 32, B].

    With another padding than 2 on each side to another size.
    """
    x_HxWxB = jnp.transpose(images_BxHxW, (1, 2, 0)).astype(jnp.float32)
    x_HxWxB = jnp.pad(x_HxWxB, ((padding, padding), (padding, padding), (0, 0)))
    return (x_HxWxB * (1 / (255 * std)) - mean / std)[None]


def per_map(vector_C: jax.Array, axes: int = 4) -> jax.Array:
    """Gives a vector with a number per feature map the axes of `[C, H, W, B]`, or as many."""
    return vector_C.reshape(-1, *[1] * (axes - 1))


def keep_convolved(
    module: nn.Module, x_CxHxWxB: jax.Array, kernel: jax.Array, bias: jax.Array
) -> None:
    """Keeps the maps of a convolution for `feature_maps`, not yet pooled or squashed.

    Where pooling is moved in front of the convolution they never exist, so they are computed anew,
    and only for who asks.
    """
    if module.is_mutable_collection(INTERMEDIATES):
        module.sow(INTERMEDIATES, "maps", convolution.convolve(x_CxHxWxB, kernel) + per_map(bias))


class Convolution(nn.Module):
    """A 5x5 convolution with a bias, by one of the functions of `convolution.implementation`."""

    features: int
    operation: convolution.Conv
    kernel_init: Any = nn.initializers.he_normal()

    @nn.compact
    def __call__(self, x_CxHxWxB: jax.Array) -> jax.Array:
        """[C, H, W, B] -> [features, ...], what the operation makes of it."""
        shape = (convolution.SIZE, convolution.SIZE, x_CxHxWxB.shape[0], self.features)
        kernel = self.param("kernel", self.kernel_init, shape)
        bias = self.param("bias", nn.initializers.zeros, (self.features,))
        keep_convolved(self, x_CxHxWxB, kernel, bias)
        y = self.operation(x_CxHxWxB, kernel)
        return y + per_map(bias, y.ndim)


class Dense(nn.Module):
    """A fully connected layer on columns, x [I, B] -> [features, B]."""

    features: int
    kernel_shape: tuple[int, ...] | None = None
    kernel_init: Any = nn.initializers.he_normal()

    @nn.compact
    def __call__(self, x_DxB: jax.Array) -> jax.Array:
        """[I, B] -> [features, B]; the kernel is stored as `kernel_shape` or [I, features]."""
        inputs = x_DxB.shape[0]
        kernel = self.param(
            "kernel", self.kernel_init, self.kernel_shape or (inputs, self.features)
        )
        bias = self.param("bias", nn.initializers.zeros, (self.features,))
        return kernel.reshape(inputs, self.features).T @ x_DxB + bias[:, None]


def c5(width: int = 1, **fields: Any) -> Dense:
    """C5, a convolution whose 5x5 kernel covers its whole input: dense, stored as a convolution."""
    shape = (convolution.SIZE, convolution.SIZE, 16 * width, 120 * width)
    return Dense(120 * width, kernel_shape=shape, name="C5", **fields)


def flatten_maps(x_CxHxWxB: jax.Array) -> jax.Array:
    """[C, H, W, B] -> [H * W * C, B], the order of a kernel of shape (H, W, C, out)."""
    return jnp.transpose(x_CxHxWxB, (1, 2, 0, 3)).reshape(-1, x_CxHxWxB.shape[-1])
