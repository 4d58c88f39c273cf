"""Both models as the same seven layers, for runtimes that are not JAX.

What is linear between two squashings is one linear map, so normalisation goes into C1, the
coefficients and biases of the 1998 paper's subsampling into C1 and C3, and the RBF units into a
dense layer: the squared length of F6, the same for all classes, cancels in the softmax.
"""

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lenet_jax import models
from lenet_jax.config import Config

LAYERS = ("C1", "C3", "C5", "F6", "output")

Array = NDArray[np.float32]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Layer:
    """A linear layer of all members: kernel [M, out, in, height, width] and bias [M, out].

    F6 and the output have kernels of 1x1.
    """

    kernel: Array
    bias: Array


@dataclasses.dataclass(frozen=True, kw_only=True)
class Network:
    """LeNet-5 on raw pixels 0..255, zero-padded by 2 on each side.

    Attributes:
      members: number of networks whose probabilities are averaged.
      activation: `relu`, `silu`, `tanh` or `scaled_tanh`, after each subsampling or before it, and
        after C5 and F6.
      subsampling: `pool_act` or `act_pool`.
      layers: by the names in `LAYERS`.
      temperature: of the average, see `calibration.tempered`.
    """

    members: int
    activation: str
    subsampling: str
    layers: dict[str, Layer]
    temperature: float


def of(config: Config, params_M: Any, temperature: float) -> Network:
    """The network of a run.

    Args:
      config: of the run.
      params_M: as `models.init` makes them, with a leading member axis.
      temperature: of the run's calibration.
    """
    # In float64, so that folding costs no more than one rounding.
    params = {
        layer: {name: np.asarray(array, np.float64) for name, array in arrays.items()}
        for layer, arrays in params_M.items()
    }
    paper = config.model == "lecun1998"
    mean, std = models.LENET1998_PIXELS if paper else models.LENET5_PIXELS
    dense = _dense_1998(params) if paper else params
    if paper:
        activation, subsampling = "scaled_tanh", "pool_act"
    else:
        activation, subsampling = config.activation, config.subsampling

    kernels = {name: _as_convolution(dense[name]["kernel"]) for name in LAYERS}
    biases = {name: dense[name]["bias"] for name in LAYERS}
    biases["C1"] = biases["C1"] - mean / std * kernels["C1"].sum(axis=(2, 3, 4))
    kernels["C1"] = kernels["C1"] / (255 * std)
    return Network(
        members=config.num_models,
        activation=activation,
        subsampling=subsampling,
        layers={
            name: Layer(
                kernel=kernels[name].astype(np.float32), bias=biases[name].astype(np.float32)
            )
            for name in LAYERS
        },
        temperature=temperature,
    )


def _as_convolution(kernel: np.ndarray) -> np.ndarray:
    """[M, height, width, in, out] or [M, in, out] -> [M, out, in, height, width]."""
    if kernel.ndim == 3:
        kernel = kernel[:, None, None]
    return kernel.transpose(0, 4, 3, 1, 2)


def _dense_1998(params: dict[str, dict[str, np.ndarray]]) -> dict[str, dict[str, np.ndarray]]:
    """The parameters of the paper's network as those of one with every layer connected in full."""
    members = len(params["C1"]["bias"])
    sources, targets = (np.asarray(array) for array in models.connections())
    c3 = np.zeros((members, 5, 5, 6, 16))
    c3[..., sources, targets] = params["C3"]["kernel"]
    codes_FxK = np.asarray(models.digit_codes(), np.float64).T
    return {
        "C1": _subsampled(params["C1"]["kernel"], params["C1"]["bias"], params["S2"]),
        "C3": _subsampled(c3, params["C3"]["bias"], params["S4"]),
        "C5": params["C5"],
        "F6": params["F6"],
        # -|x - w|^2 = 2 w.x - |x|^2 - 84
        "output": {
            "kernel": np.broadcast_to(2 * codes_FxK, (members, *codes_FxK.shape)),
            "bias": np.zeros((members, models.CLASSES)),
        },
    }


def _subsampled(
    kernel: np.ndarray, bias: np.ndarray, subsampling: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """A convolution that is followed by the paper's subsampling, the squashing left out."""
    factor = 4 * subsampling["coefficient"]
    return {
        "kernel": kernel * factor[:, None, None, None],
        "bias": bias * factor + subsampling["bias"],
    }
