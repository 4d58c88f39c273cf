"""LeNet-5 (LeCun, Bottou, Bengio, Haffner 1998); the only file that knows Flax.

Layers have the paper's names: C for convolution, S for subsampling, F for fully connected. Feature
maps are `[C, H, W, B]`, the layout of `conv.py`. A model maps pixels to logits, normalisation
included, so that nobody can feed it wrongly.
"""

import dataclasses
import functools
from typing import Any, NamedTuple, cast

import flax.linen as nn
import jax
import jax.numpy as jnp

from lenet_jax import conv
from lenet_jax.config import Config

Params = Any

CLASSES = 10
# Flax's name for what a call leaves beside its result, and only if it is asked to.
INTERMEDIATES = "intermediates"
# The layers of feature maps, in the order the digit goes through them.
MAPPED = ("C1", "S2", "C3", "S4")

# Mean and standard deviation of a pixel in 0..1: MNIST's, and those that give the background -0.1
# and the ink 1.175, which is mean 0 and variance 1, roughly (paper, II.B).
LENET5_PIXELS = (0.1307, 0.3081)
LENET1998_PIXELS = (0.1 / 1.275, 1 / 1.275)
# Units of F6, of a network of width 1.
F6 = 84

# Table I of the paper: the maps of S2 (rows) that each map of C3 (columns) is connected to.
C3_TABLE = (
    "X...XXX..XXXX.XX",
    "XX...XXX..XXXX.X",
    "XXX...XXX..X.XXX",
    ".XXX..XXXX..X.XX",
    "..XXX..XXXX.XX.X",
    "...XXX..XXXX.XXX",
)

# Fixed codes of the output units: 7x12 bitmaps drawn after figure 3 of the paper.
DIGIT_BITMAPS = """
.#####. ...##.. .#####. .#####. .....## ####### ..####. ####### .#####. .#####.
##...## ..###.. ##...## ##...## ....### ##..... .##.... ##...## ##...## ##...##
##...## .####.. ##...## .....## ...#### ##..... ##..... .....## ##...## ##...##
##..### ...##.. .....## .....## ..##.## ##..... ##..... ....##. ##...## ##...##
##.#### ...##.. ....##. .....## .##..## ######. ######. ....##. .##.##. ##...##
####.## ...##.. ...##.. ..####. ##...## .....## ##...## ...##.. ..###.. ##...##
###..## ...##.. ..##... .....## ####### .....## ##...## ...##.. .##.##. .######
##...## ...##.. .##.... .....## .....## .....## ##...## ..##... ##...## .....##
##...## ...##.. ##..... .....## .....## .....## ##...## ..##... ##...## .....##
##...## ...##.. ##..... ##...## .....## ##...## ##...## .##.... ##...## ....##.
.#####. .###### ####### .#####. .....## .#####. .#####. .##.... .#####. .####..
....... ....... ....... ....... ....... ....... ....... ....... ....... .......
"""


def scaled_tanh(x: jax.Array) -> jax.Array:
    """1.7159 tanh(2x/3), which is +-1 at +-1 (paper, appendix A)."""
    return 1.7159 * jnp.tanh((2 / 3) * x)


ACTIVATIONS = {
    "relu": jax.nn.relu,
    "silu": jax.nn.silu,
    "tanh": jnp.tanh,
    "scaled_tanh": scaled_tanh,
}


def digit_codes() -> jax.Array:
    """The codes of the ten output units, [10, 84], each element -1 or +1 (paper, II.B)."""
    rows = [line.split() for line in DIGIT_BITMAPS.split("\n") if line]
    codes = ["".join(row[digit] for row in rows) for digit in range(CLASSES)]
    return jnp.array([[1.0 if dot == "#" else -1.0 for dot in code] for code in codes])


def connections() -> tuple[jax.Array, jax.Array]:
    """The 60 pairs (map of S2, map of C3) of table I, two int32 arrays of shape [60]."""
    pairs = [(s, c) for c in range(16) for s in range(6) if C3_TABLE[s][c] == "X"]
    return jnp.array([s for s, _ in pairs]), jnp.array([c for _, c in pairs])


def pad_and_normalise(images_BxHxW: jax.Array, mean: float, std: float) -> jax.Array:
    """Pixels 0..255 [B, 28, 28] -> zero-padded to 32x32, (x / 255 - mean) / std, [1, 32, 32, B]."""
    x_HxWxB = jnp.transpose(images_BxHxW, (1, 2, 0)).astype(jnp.float32)
    x_HxWxB = jnp.pad(x_HxWxB, ((2, 2), (2, 2), (0, 0)))
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
        module.sow(INTERMEDIATES, "maps", conv.convolve(x_CxHxWxB, kernel) + per_map(bias))


class Convolution(nn.Module):
    """A 5x5 convolution with a bias, by one of the functions of `conv.implementation`."""

    features: int
    operation: conv.Conv
    kernel_init: Any = nn.initializers.he_normal()

    @nn.compact
    def __call__(self, x_CxHxWxB: jax.Array) -> jax.Array:
        """[C, H, W, B] -> [features, ...], what the operation makes of it."""
        shape = (conv.SIZE, conv.SIZE, x_CxHxWxB.shape[0], self.features)
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
    def __call__(self, x_IxB: jax.Array) -> jax.Array:
        """[I, B] -> [features, B]; the kernel is stored as `kernel_shape` or [I, features]."""
        inputs = x_IxB.shape[0]
        kernel = self.param(
            "kernel", self.kernel_init, self.kernel_shape or (inputs, self.features)
        )
        bias = self.param("bias", nn.initializers.zeros, (self.features,))
        return kernel.reshape(inputs, self.features).T @ x_IxB + bias[:, None]


def c5(width: int = 1, **fields: Any) -> Dense:
    """C5, a convolution whose 5x5 kernel covers its whole input: dense, stored as a convolution."""
    shape = (conv.SIZE, conv.SIZE, 16 * width, 120 * width)
    return Dense(120 * width, kernel_shape=shape, name="C5", **fields)


def flatten_maps(x_CxHxWxB: jax.Array) -> jax.Array:
    """[C, H, W, B] -> [H * W * C, B], the order of a kernel of shape (H, W, C, out)."""
    return jnp.transpose(x_CxHxWxB, (1, 2, 0, 3)).reshape(-1, x_CxHxWxB.shape[-1])


class LeNet5(nn.Module):
    """LeNet-5 as it is built today: every layer connected in full, ten linear outputs."""

    activation: str
    subsampling: str
    conv: str
    width: int = 1

    @nn.compact
    def __call__(self, images_BxHxW: jax.Array, keep_BxF: jax.Array | None = None) -> jax.Array:
        """Pixels 0..255, [B, 28, 28] -> logits [B, 10]; `keep_BxF` multiplies the units of F6."""
        act = ACTIVATIONS[self.activation]
        phases, pooled = conv.implementation(self.conv)

        def convolve_and_subsample(x_CxHxWxB: jax.Array, features: int, name: str) -> jax.Array:
            if self.subsampling == "pool_act":
                return act(Convolution(features, pooled, name=name)(x_CxHxWxB))
            return conv.average_phases(act(Convolution(features, phases, name=name)(x_CxHxWxB)))

        x = pad_and_normalise(images_BxHxW, *LENET5_PIXELS)
        x = convolve_and_subsample(x, 6 * self.width, "C1")
        self.sow(INTERMEDIATES, "S2", x)
        x = convolve_and_subsample(x, 16 * self.width, "C3")
        self.sow(INTERMEDIATES, "S4", x)
        x = act(c5(self.width)(flatten_maps(x)))
        x = act(Dense(F6 * self.width, name="F6")(x))
        if keep_BxF is not None:
            x = x * keep_BxF.T
        logits_KxB = Dense(CLASSES, kernel_init=nn.initializers.lecun_normal(), name="output")(x)
        return logits_KxB.T


def uniform(fan_in: int) -> nn.initializers.Initializer:
    """Uniform in +-2.4 / fan-in (paper, appendix A)."""

    def init(key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
        return jax.random.uniform(key, shape, jnp.float32, -2.4 / fan_in, 2.4 / fan_in)

    return init


class SparseConvolution(nn.Module):
    """C3 of the paper: 60 kernels, one for each connection of table I."""

    operation: conv.Conv

    @nn.compact
    def __call__(self, x_CxHxWxB: jax.Array) -> jax.Array:
        """[6, H, W, B] -> [16, H', W', B]."""
        sources, targets = connections()
        # A map of C3 sees 3, 4 or 6 maps; 3.75 on average.
        kernels = self.param("kernel", uniform(25 * 60 // 16), (conv.SIZE, conv.SIZE, len(sources)))
        bias = self.param("bias", nn.initializers.zeros, (16,))
        dense = jnp.zeros((conv.SIZE, conv.SIZE, 6, 16)).at[:, :, sources, targets].set(kernels)
        keep_convolved(self, x_CxHxWxB, dense, bias)
        return self.operation(x_CxHxWxB, dense) + per_map(bias)


class Subsampling(nn.Module):
    """S2 and S4 of the paper: the sum of 2x2 units times a coefficient, plus a bias, squashed."""

    @nn.compact
    def __call__(self, mean_CxHxWxB: jax.Array) -> jax.Array:
        """Takes the mean of 2x2 units, which is a quarter of the paper's sum."""
        maps = (mean_CxHxWxB.shape[0],)
        coefficient = self.param("coefficient", nn.initializers.constant(0.25), maps)
        bias = self.param("bias", nn.initializers.zeros, maps)
        maps_CxHxWxB = scaled_tanh(4 * per_map(coefficient) * mean_CxHxWxB + per_map(bias))
        self.sow(INTERMEDIATES, "maps", maps_CxHxWxB)
        return maps_CxHxWxB


class LeNet1998(nn.Module):
    """LeNet-5 to the letter of the paper, section II.B: 60,000 trainable parameters."""

    conv: str

    @nn.compact
    def __call__(self, images_BxHxW: jax.Array) -> jax.Array:
        """Pixels 0..255, [B, 28, 28] -> minus the RBF outputs, [B, 10]."""
        _, pooled = conv.implementation(self.conv)
        x = pad_and_normalise(images_BxHxW, *LENET1998_PIXELS)
        x = Convolution(6, pooled, kernel_init=uniform(25), name="C1")(x)
        x = Subsampling(name="S2")(x)
        x = SparseConvolution(pooled, name="C3")(x)
        x = Subsampling(name="S4")(x)
        x = scaled_tanh(c5(kernel_init=uniform(400))(flatten_maps(x)))
        x_FxB = scaled_tanh(Dense(84, kernel_init=uniform(120), name="F6")(x))
        # Equation 7, y_i = sum_j (x_j - w_ij)^2, without the difference of every pair in memory.
        codes_KxF = digit_codes()
        squares_B = jnp.sum(jnp.square(x_FxB), axis=0)
        distances_KxB = squares_B[None] - 2 * (codes_KxF @ x_FxB) + codes_KxF.shape[1]
        return -distances_KxB.T


def _module(config: Config) -> nn.Module:
    if config.model == "lecun1998":
        return LeNet1998(conv=config.conv)
    return LeNet5(
        activation=config.activation,
        subsampling=config.subsampling,
        conv=config.conv,
        width=config.width,
    )


def init(config: Config, key: jax.Array) -> Params:
    """Parameters of one member, a dict layer -> name -> float32 array."""
    # Of the digit that goes through the network nothing is kept: the convolution that is traced
    # soonest will do.
    module = _module(dataclasses.replace(config, conv="native"))
    return module.init(key, jnp.zeros((1, 28, 28), jnp.uint8))["params"]


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
    keep_BxF: jax.Array | None = None,
) -> jax.Array:
    """Logits of one member.

    Args:
      config: which model.
      params: as `init` makes them.
      images_BxHxW: pixels 0..255, uint8 or float32 [B, 28, 28].
      keep_BxF: what the units of F6 are multiplied with in a training step with dropout; None for
        prediction.

    Returns:
      float32 [B, 10]; their softmax are the probabilities of the digits.
    """
    rest = () if keep_BxF is None else (keep_BxF,)
    return cast(jax.Array, _module(config).apply({"params": params}, images_BxHxW, *rest))


def feature_maps(config: Config, params: Params, images_BxHxW: jax.Array) -> dict[str, jax.Array]:
    """What one member's C1, S2, C3 and S4 make of digits.

    Args:
      config: which model.
      params: as `init` makes them.
      images_BxHxW: pixels 0..255, uint8 or float32 [B, 28, 28].

    Returns:
      float32 [B, C, H, W] by layer: of C1 and C3 the convolutions with their biases, neither
      pooled nor squashed; of S2 and S4 what the next layer is given.
    """
    _, kept = _module(config).apply({"params": params}, images_BxHxW, mutable=[INTERMEDIATES])
    maps = kept[INTERMEDIATES]
    return {layer: jnp.transpose(jax.tree.leaves(maps[layer])[0], (3, 0, 1, 2)) for layer in MAPPED}


def first_filters(params: Params) -> jax.Array:
    """The filters of C1, float32 [C, 5, 5]; params as `init` makes them."""
    return jnp.transpose(params["C1"]["kernel"][:, :, 0], (2, 0, 1))


class Layer(NamedTuple):
    """A row of the summary."""

    name: str
    what: str
    output: tuple[int, ...]
    trainable: int


def layers(config: Config) -> list[Layer]:
    """The layers with their output shapes (H, W, C) and trainable parameters.

    Examples:
      >>> [(layer.name, layer.trainable) for layer in layers(Config()) if layer.trainable]
      [('C1', 156), ('C3', 2416), ('C5', 48120), ('F6', 10164), ('output', 850)]
    """
    parameters = shapes(config)
    c1, c3, c5_, f6 = (config.width * features for features in (6, 16, 120, F6))
    rows = (
        ("C1", f"{c1} filters 5x5", (28, 28, c1)),
        ("S2", "average pooling 2x2", (14, 14, c1)),
        ("C3", f"{c3} filters 5x5", (10, 10, c3)),
        ("S4", "average pooling 2x2", (5, 5, c3)),
        ("C5", f"{c5_} filters 5x5", (1, 1, c5_)),
        ("F6", "dense", (f6,)),
        ("output", "dense, softmax" if "output" in parameters else "RBF units, fixed codes", (10,)),
    )
    return [
        Layer(name, what, output, sum(leaf.size for leaf in jax.tree.leaves(parameters.get(name))))
        for name, what, output in rows
    ]


def summary(config: Config) -> str:
    """The layer table that a training run prints first."""
    rows = [("layer", "what", "output shape", "trainable")]
    table = layers(config)
    rows += [(r.name, r.what, str(r.output), f"{r.trainable:,}") for r in table]
    rows += [("total", "", "", f"{sum(r.trainable for r in table):,}")]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = [
        f"{a:<{widths[0]}}  {b:<{widths[1]}}  {c:<{widths[2]}}  {d:>{widths[3]}}".rstrip()
        for a, b, c, d in rows
    ]
    rule = "-" * max(map(len, lines))
    return "\n".join([lines[0], rule, *lines[1:-1], rule, lines[-1]])
