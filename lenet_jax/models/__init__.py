"""LeNet-5 (LeCun, Bottou, Bengio, Haffner 1998) and its teacher; the only room that knows Flax.

Layers have the paper's names: C for convolution, S for subsampling, F for fully connected. Feature
maps are `[C, H, W, B]`, the layout of `convolution.py`. A model maps pixels to logits,
normalisation included, so that nobody can feed it wrongly.
"""

from lenet_jax.models.functional import (
    Params,
    apply,
    cpu_microbatch,
    cpu_predicted,
    dropout_units,
    feature_maps,
    first_filters,
    init,
    mapped,
    shapes,
)
from lenet_jax.models.layers import CLASSES, F6, pad_and_normalise, scaled_tanh
from lenet_jax.models.lecun1998 import (
    LENET1998_PIXELS,
    LeNet1998,
    SparseConvolution,
    connections,
    digit_codes,
)
from lenet_jax.models.lenet5 import LENET5_PIXELS, LeNet5
from lenet_jax.models.modern import GROUP_NORM, MODERN_PADDING, MODERN_STRIDES, Modern
from lenet_jax.models.summary import Layer

__all__ = [
    "CLASSES",
    "F6",
    "GROUP_NORM",
    "LENET5_PIXELS",
    "LENET1998_PIXELS",
    "MODERN_PADDING",
    "MODERN_STRIDES",
    "Layer",
    "LeNet5",
    "LeNet1998",
    "Modern",
    "Params",
    "SparseConvolution",
    "apply",
    "connections",
    "cpu_microbatch",
    "cpu_predicted",
    "digit_codes",
    "dropout_units",
    "feature_maps",
    "first_filters",
    "init",
    "mapped",
    "pad_and_normalise",
    "scaled_tanh",
    "shapes",
]
