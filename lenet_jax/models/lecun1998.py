"""LeNet-5 to the letter of the paper: 60,000 trainable parameters."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from lenet_jax.models import convolution
from lenet_jax.models.layers import (
    CLASSES,
    F6,
    INTERMEDIATES,
    Convolution,
    Dense,
    c5,
    flatten_maps,
    keep_convolved,
    pad_and_normalise,
    per_map,
    scaled_tanh,
)

# Mean and standard deviation that give the background -0.1 and the ink 1.175, which is mean 0 and
# variance 1, roughly (paper, II.B).
LENET1998_PIXELS = (0.1 / 1.275, 1 / 1.275)

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


def digit_codes() -> jax.Array:
    """The codes of the ten output units, [10, 84], each element -1 or +1 (paper, II.B)."""
    rows = [line.split() for line in DIGIT_BITMAPS.split("\n") if line]
    codes = ["".join(row[digit] for row in rows) for digit in range(CLASSES)]
    return jnp.array([[1.0 if dot == "#" else -1.0 for dot in code] for code in codes])


def connections() -> tuple[jax.Array, jax.Array]:
    """The 60 pairs (map of S2, map of C3) of table I, two int32 arrays of shape [60]."""
    pairs = [(s, c) for c in range(16) for s in range(6) if C3_TABLE[s][c] == "X"]
    return jnp.array([s for s, _ in pairs]), jnp.array([c for _, c in pairs])


def uniform(fan_in: int) -> nn.initializers.Initializer:
    """Uniform in +-2.4 / fan-in (paper, appendix A)."""

    def init(key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
        return jax.random.uniform(key, shape, jnp.float32, -2.4 / fan_in, 2.4 / fan_in)

    return init


class SparseConvolution(nn.Module):
    """C3 of the paper: 60 kernels, one for each connection of table I."""

    operation: convolution.Conv

    @nn.compact
    def __call__(self, x_CxHxWxB: jax.Array) -> jax.Array:
        """[6, H, W, B] -> [16, H', W', B]."""
        sources, targets = connections()
        # A map of C3 sees 3, 4 or 6 maps; 3.75 on average.
        kernels = self.param(
            "kernel", uniform(25 * 60 // 16), (convolution.SIZE, convolution.SIZE, len(sources))
        )
        bias = self.param("bias", nn.initializers.zeros, (16,))
        dense = (
            jnp.zeros((convolution.SIZE, convolution.SIZE, 6, 16))
            .at[:, :, sources, targets]
            .set(kernels)
        )
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
        _, pooled = convolution.implementation(self.conv)
        x = pad_and_normalise(images_BxHxW, *LENET1998_PIXELS)
        x = Convolution(6, pooled, kernel_init=uniform(25), name="C1")(x)
        x = Subsampling(name="S2")(x)
        x = SparseConvolution(pooled, name="C3")(x)
        x = Subsampling(name="S4")(x)
        x = scaled_tanh(c5(kernel_init=uniform(400))(flatten_maps(x)))
        x_FxB = scaled_tanh(Dense(F6, kernel_init=uniform(120), name="F6")(x))
        # Equation 7, y_i = sum_j (x_j - w_ij)^2, without the difference of every pair in memory.
        codes_KxF = digit_codes()
        squares_B = jnp.sum(jnp.square(x_FxB), axis=0)
        distances_KxB = squares_B[None] - 2 * (codes_KxF @ x_FxB) + codes_KxF.shape[1]
        return -distances_KxB.T
