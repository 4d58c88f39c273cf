"""A network of today's kind, and no LeNet-5: the teacher of one."""

import math
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from lenet_jax.data import SIDE
from lenet_jax.models import convolution
from lenet_jax.models.layers import (
    CLASSES,
    INTERMEDIATES,
    Dense,
    activation,
    flatten_maps,
    pad_and_normalise,
    per_map,
)
from lenet_jax.models.lenet5 import LENET5_PIXELS


class Shape(NamedTuple):
    """A layer of convolutions: maps of a network of width 1, side of the kernels, their stride."""

    maps: int
    side: int
    stride: int


class GroupNorm(NamedTuple):
    """How many maps are normalised together, and what keeps the root of their variance from 0."""

    maps: int
    epsilon: float


# Rows and columns of background on each side of a digit: with so many no layer leaves out the ends
# of its maps.
MODERN_PADDING = 1
# C for convolution, S for the strided ones in place of subsampling.
CONVOLUTIONS = {
    "C1": Shape(16, 3, 1),
    "C2": Shape(16, 3, 1),
    "S3": Shape(32, 4, 2),
    "C4": Shape(32, 3, 1),
    "C5": Shape(64, 3, 1),
    "S6": Shape(96, 4, 2),
}
MODERN_STRIDES = {name: layer.stride for name, layer in CONVOLUTIONS.items()}
# With so few a layer of 16 maps still has two groups.
GROUP_NORM = GroupNorm(maps=8, epsilon=1e-5)
# Units of the layer before the output, of a network of width 1.
F7 = 128


class Block(nn.Module):
    """A valid convolution, group normalisation (Wu and He 2018) and squashing.

    Each image is normalised by itself: there are no running statistics, and what predicts is what
    was trained.
    """

    shape: Shape
    features: int
    activation: str
    conv: str

    @nn.compact
    def __call__(self, x_CxHxWxB: jax.Array) -> jax.Array:
        """[C, H, W, B] -> [features, H', W', B]."""
        side, stride = self.shape.side, self.shape.stride
        kernel = self.param(
            "kernel", nn.initializers.he_normal(), (side, side, x_CxHxWxB.shape[0], self.features)
        )
        gain = self.param("gain", nn.initializers.ones, (self.features,))
        bias = self.param("bias", nn.initializers.zeros, (self.features,))
        convolved = convolution.valid(self.conv)(x_CxHxWxB, kernel, stride)
        x = normalised(convolved) * per_map(gain) + per_map(bias)
        handed_on = activation(self.activation)(x)
        self.sow(INTERMEDIATES, "maps", handed_on if stride > 1 else convolved)
        return handed_on


def normalised(x_CxHxWxB: jax.Array) -> jax.Array:
    """Each group of maps of an image has mean 0 and variance 1, [C, H, W, B]."""
    maps, *_, batch = x_CxHxWxB.shape
    x = x_CxHxWxB.reshape(maps // GROUP_NORM.maps, -1, batch)
    centred = x - jnp.mean(x, axis=1, keepdims=True)
    variance = jnp.mean(jnp.square(centred), axis=1, keepdims=True)
    return (centred * lax.rsqrt(variance + GROUP_NORM.epsilon)).reshape(x_CxHxWxB.shape)


def shapes_of_maps(width: int) -> dict[str, tuple[int, int, int]]:
    """What each layer of convolutions hands on, layer -> (C, H, W)."""
    side, shapes = SIDE + 2 * MODERN_PADDING, {}
    for name, layer in CONVOLUTIONS.items():
        side = (side - layer.side) // layer.stride + 1
        shapes[name] = layer.maps * width, side, side
    return shapes


def dropout_units(width: int) -> list[int]:
    """Units of S3, S6 and F7, of which dropout leaves some out."""
    strided = [name for name, layer in CONVOLUTIONS.items() if layer.stride > 1]
    shapes = shapes_of_maps(width)
    return [*(math.prod(shapes[name]) for name in strided), F7 * width]


class Modern(nn.Module):
    """3x3 convolutions in pairs, a strided one after each pair, one hidden layer."""

    activation: str
    conv: str
    width: int = 1

    @nn.compact
    def __call__(self, images_BxHxW: jax.Array, keep_BxU: jax.Array | None = None) -> jax.Array:
        """Pixels 0..255, [B, 28, 28] -> logits [B, 10].

        `keep_BxU` multiplies the units of `dropout_units`, layer after layer, each as [C, H, W].
        """
        ends = np.cumsum(dropout_units(self.width))[:-1]
        keeps = iter([] if keep_BxU is None else jnp.split(keep_BxU.T, ends))

        def kept(x: jax.Array) -> jax.Array:
            return x if keep_BxU is None else x * next(keeps).reshape(x.shape)

        x = pad_and_normalise(images_BxHxW, *LENET5_PIXELS, padding=MODERN_PADDING)
        for name, shape in CONVOLUTIONS.items():
            features = shape.maps * self.width
            x = Block(shape, features, self.activation, self.conv, name=name)(x)
            if shape.stride > 1:
                x = kept(x)
        units = F7 * self.width
        maps, height, width, _ = x.shape
        f7 = Dense(units, kernel_shape=(height, width, maps, units), name="F7")
        x = kept(activation(self.activation)(f7(flatten_maps(x))))
        logits_KxB = Dense(CLASSES, kernel_init=nn.initializers.lecun_normal(), name="output")(x)
        return logits_KxB.T
