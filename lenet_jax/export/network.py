"""The models as linear layers and what lies between them, for runtimes that are not JAX.

Both LeNet-5s are the same seven layers; `modern` has others, and no average pooling.

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
from lenet_jax.data import SIDE

LAYERS = ("C1", "C3", "C5", "F6", "output")
# Of LeNet-5, what follows the convolutions that are subsampled.
SUBSAMPLED = {"C1": "S2", "C3": "S4"}

Array = NDArray[np.float32]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Normalisation:
    """Of groups of a layer's maps, each then multiplied by a gain and moved by a bias, [M, out]."""

    maps: int
    epsilon: float
    gain: Array
    bias: Array


@dataclasses.dataclass(frozen=True, kw_only=True)
class Layer:
    """A linear layer of all members, from maps to maps; units are maps of side 1.

    Attributes:
      kernel: [M, out, in, width, width].
      bias: [M, out].
      side: of the maps that it is given, padding included.
      stride: of the kernel.
      normalisation: of what it makes, if there is one.
      averaged: the name of what takes the mean of each 2x2 of what it makes; empty for none.
    """

    kernel: Array
    bias: Array
    side: int
    stride: int = 1
    normalisation: Normalisation | None = None
    averaged: str = ""

    @property
    def side_made(self) -> int:
        """Of the maps that it makes, before they are averaged."""
        return (self.side - self.kernel.shape[-1]) // self.stride + 1

    @property
    def side_handed_on(self) -> int:
        """Of the maps that the next layer is given."""
        return self.side_made // 2 if self.averaged else self.side_made

    @property
    def arrays(self) -> dict[str, Array]:
        """All of its parameters, leading axis M, by the names that exported code has for them."""
        norm = self.normalisation
        more = {} if norm is None else {"gain": norm.gain, "shift": norm.bias}
        return {"kernel": self.kernel, "bias": self.bias} | more


@dataclasses.dataclass(frozen=True, kw_only=True)
class Network:
    """A network on raw pixels 0..255.

    Attributes:
      members: number of networks whose probabilities are averaged.
      activation: `relu`, `silu`, `tanh` or `scaled_tanh`, after each layer but the last; after each
        subsampling or before it where there is one.
      subsampling: `pool_act` or `act_pool` of a LeNet-5, whose layers are those in `LAYERS`; empty
        where nothing is pooled.
      padding: zeros on each side of a picture.
      layers: by their names, in the order that digits go through them.
      temperature: of the average, see `calibration.tempered`.
    """

    members: int
    activation: str
    subsampling: str
    padding: int
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
    (mean, std), activation = models.LENET5_PIXELS, config.activation
    names: tuple[str, ...] = LAYERS
    subsampling, padding, strides = config.subsampling, 2, {}
    if config.model == "lecun1998":
        mean, std = models.LENET1998_PIXELS
        activation, params = "scaled_tanh", _dense_1998(params)
    elif config.model == "modern":
        strides = models.MODERN_STRIDES
        names, subsampling, padding = (*strides, "F7", "output"), "", models.MODERN_PADDING

    kernels = {name: _as_convolution(params[name]["kernel"]) for name in names}
    norms = {name: _normalisation(params[name]) for name in names if "gain" in params[name]}
    biases = {
        name: np.zeros_like(params[name]["bias"]) if name in norms else params[name]["bias"]
        for name in names
    }
    biases["C1"] = biases["C1"] - mean / std * kernels["C1"].sum(axis=(2, 3, 4))
    kernels["C1"] = kernels["C1"] / (255 * std)
    layers: dict[str, Layer] = {}
    side = SIDE + 2 * padding
    for name in names:
        layers[name] = Layer(
            kernel=kernels[name].astype(np.float32),
            bias=biases[name].astype(np.float32),
            side=side,
            stride=strides.get(name, 1),
            normalisation=norms.get(name),
            averaged=SUBSAMPLED.get(name, "") if subsampling else "",
        )
        side = layers[name].side_handed_on
    return Network(
        members=config.num_models,
        activation=activation,
        subsampling=subsampling,
        padding=padding,
        layers=layers,
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


def _normalisation(layer: dict[str, np.ndarray]) -> Normalisation:
    gain, bias = (layer[name].astype(np.float32) for name in ("gain", "bias"))
    return Normalisation(**models.GROUP_NORM._asdict(), gain=gain, bias=bias)


def _subsampled(
    kernel: np.ndarray, bias: np.ndarray, subsampling: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """A convolution that is followed by the paper's subsampling, the squashing left out."""
    factor = 4 * subsampling["coefficient"]
    return {
        "kernel": kernel * factor[:, None, None, None],
        "bias": bias * factor + subsampling["bias"],
    }
