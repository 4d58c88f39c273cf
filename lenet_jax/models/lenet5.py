"""LeNet-5 of 61,706 parameters."""

from typing import Any

import flax.linen as nn
import jax

from lenet_jax.models import convolution
from lenet_jax.models.layers import (
    CLASSES,
    F6,
    INTERMEDIATES,
    Convolution,
    Dense,
    activation,
    c5,
    flatten_maps,
    pad_and_normalise,
)
from lenet_jax.models.whitening import whitened

# Mean and standard deviation of MNIST's pixels in 0..1.
LENET5_PIXELS = (0.1307, 0.3081)


class LeNet5(nn.Module):
    """LeNet-5 as it is built today: every layer connected in full, ten linear outputs."""

    activation: str
    subsampling: str
    conv: str
    width: int = 1
    first_filters: str = "he_normal"

    @nn.compact
    def __call__(self, images_BxHxW: jax.Array, keep_BxU: jax.Array | None = None) -> jax.Array:
        """Pixels 0..255, [B, 28, 28] -> logits [B, 10]; `keep_BxU` multiplies the units of F6."""
        act = activation(self.activation)
        phases, pooled = convolution.implementation(self.conv)

        def convolve_and_subsample(
            x_CxHxWxB: jax.Array, features: int, name: str, **fields: Any
        ) -> jax.Array:
            if self.subsampling == "pool_act":
                return act(Convolution(features, pooled, name=name, **fields)(x_CxHxWxB))
            return convolution.average_phases(
                act(Convolution(features, phases, name=name, **fields)(x_CxHxWxB))
            )

        x = pad_and_normalise(images_BxHxW, *LENET5_PIXELS)
        first = {"kernel_init": whitened} if self.first_filters == "whitened" else {}
        x = convolve_and_subsample(x, 6 * self.width, "C1", **first)
        self.sow(INTERMEDIATES, "S2", x)
        x = convolve_and_subsample(x, 16 * self.width, "C3")
        self.sow(INTERMEDIATES, "S4", x)
        x = act(c5(self.width)(flatten_maps(x)))
        x = act(Dense(F6 * self.width, name="F6")(x))
        if keep_BxU is not None:
            x = x * keep_BxU.T
        logits_KxB = Dense(CLASSES, kernel_init=nn.initializers.lecun_normal(), name="output")(x)
        return logits_KxB.T
