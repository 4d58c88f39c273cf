"""The network that a config names, as pure functions."""

import dataclasses
import functools
from typing import Any, cast

import flax.linen as nn
import jax
import jax.numpy as jnp

from lenet_jax.config import Config
from lenet_jax.data import SIDE
from lenet_jax.models import modern
from lenet_jax.models.layers import F6, INTERMEDIATES
from lenet_jax.models.lecun1998 import LeNet1998
from lenet_jax.models.lenet5 import LeNet5

Params = Any

# The layers whose feature maps people are shown, in the order the digit goes through them.
_MAPPED = {"lenet5": ("C1", "S2", "C3", "S4"), "modern": ("C1", "S3", "C4")}
# Digits that a CPU core takes through the network together: their feature maps stay in its cache.
# Of LeNet-5 batches of 512 ran a fifth faster than undivided, of 4,096 twice as fast; `modern` ran
# a tenth faster with 32 than with 64, without gradients a quarter, and more than twice as fast as
# with 128.
_CPU_MICROBATCH = {"lenet5": 64, "modern": 32}
# The same without gradients.
_CPU_PREDICTED = {"lenet5": 128, "modern": 32}


def _module(config: Config) -> nn.Module:
    if config.conv == "auto":
        config = config.on(jax.default_backend())
    if config.model == "lecun1998":
        return LeNet1998(conv=config.conv)
    if config.model == "modern":
        return modern.Modern(activation=config.activation, conv=config.conv, width=config.width)
    return LeNet5(
        activation=config.activation,
        subsampling=config.subsampling,
        conv=config.conv,
        width=config.width,
        first_filters=config.first_filters,
    )


def dropout_units(config: Config) -> int:
    """Units that a training step with dropout leaves some of out."""
    if config.model == "modern":
        return sum(modern.dropout_units(config.width))
    return F6 * config.width


def _kind(config: Config) -> str:
    """`lenet5`, for that of 1998 too, or `modern`."""
    return "modern" if config.model == "modern" else "lenet5"


def cpu_microbatch(config: Config) -> int:
    """Digits that a CPU core takes through the network together where it trains."""
    return _CPU_MICROBATCH[_kind(config)]


def cpu_predicted(config: Config) -> int:
    """Digits that a CPU core takes through the network together where it predicts."""
    return _CPU_PREDICTED[_kind(config)]


def mapped(config: Config) -> tuple[str, ...]:
    """The layers of `feature_maps`, in the order the digit goes through them."""
    return _MAPPED[_kind(config)]


def init(config: Config, key: jax.Array) -> Params:
    """Parameters of one member, a dict layer -> name -> float32 array."""
    # Of the digit that goes through the network nothing is kept: the convolution that is traced
    # soonest will do.
    module = _module(dataclasses.replace(config, conv="native"))
    return module.init(key, jnp.zeros((1, SIDE, SIDE), jnp.uint8))["params"]


def shapes(config: Config, lead: tuple[int, ...] = ()) -> Params:
    """Shapes and dtypes of the parameters of one member; nothing is computed.

    Args:
      config: which model.
      lead: leading axes of every parameter, such as one of members.
    """
    return jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct((*lead, *leaf.shape), leaf.dtype), _traced_shapes(config)
    )


@functools.cache
def _traced_shapes(config: Config) -> Params:
    seed = jax.ShapeDtypeStruct((), jnp.uint32)
    return jax.eval_shape(lambda seed: init(config, jax.random.key(seed)), seed)


def apply(
    config: Config,
    params: Params,
    images_BxHxW: jax.Array,
    keep_BxU: jax.Array | None = None,
) -> jax.Array:
    """Logits of one member.

    Args:
      config: which model.
      params: as `init` makes them.
      images_BxHxW: pixels 0..255, uint8 or float32 [B, 28, 28].
      keep_BxU: what the units of `dropout_units` are multiplied with in a training step with
        dropout; None for prediction.

    Returns:
      float32 [B, 10]; their softmax are the probabilities of the digits.
    """
    rest = () if keep_BxU is None else (keep_BxU,)
    return cast(jax.Array, _module(config).apply({"params": params}, images_BxHxW, *rest))


def feature_maps(config: Config, params: Params, images_BxHxW: jax.Array) -> dict[str, jax.Array]:
    """What the `mapped` layers of one member make of digits.

    Args:
      config: which model.
      params: as `init` makes them.
      images_BxHxW: pixels 0..255, uint8 or float32 [B, 28, 28].

    Returns:
      float32 [B, C, H, W] by layer: of C1 and C3 the convolutions with their biases, neither
      pooled nor squashed; of those that subsample, S, what the next layer is given.
    """
    _, kept = _module(config).apply({"params": params}, images_BxHxW, mutable=[INTERMEDIATES])
    maps = kept[INTERMEDIATES]
    return {
        layer: jnp.transpose(jax.tree.leaves(maps[layer])[0], (3, 0, 1, 2))
        for layer in mapped(config)
    }


def first_filters(params: Params) -> jax.Array:
    """The filters of C1, float32 [C, 5, 5], or 3x3 of `modern`; params as `init` makes them."""
    return jnp.transpose(params["C1"]["kernel"][:, :, 0], (2, 0, 1))
