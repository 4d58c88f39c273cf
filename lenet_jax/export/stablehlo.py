"""StableHLO by `jax.export`: one file for CPU, CUDA and TPU, with any batch size.

JAX promises to read such a file for at least six months after it was written; what has to last
longer belongs into ONNX.
"""

import dataclasses
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import export

from lenet_jax import calibration, metrics, model
from lenet_jax.config import Config
from lenet_jax.extras import needed

PLATFORMS = ("cpu", "cuda", "tpu")


def serialise(config: Config, params_M: Any, temperature: float) -> bytes:
    """The file's content; `jax.export.deserialize` reads it.

    Args:
      config: of the run.
      params_M: NumPy arrays with a leading member axis; they are stored in the file.
      temperature: of the run's calibration.

    Raises:
      UserError: the package flatbuffers is not installed.
    """
    needed("flatbuffers", "StableHLO")
    # `matmul` is how a CPU likes it, `native` is left to the compiler of each platform.
    config = dataclasses.replace(config, conv="native")
    images = jax.ShapeDtypeStruct(export.symbolic_shape("B, 28, 28"), jnp.uint8)

    def lenet5(images_BxHxW: jax.Array) -> jax.Array:
        return probabilities(config, params_M, temperature, images_BxHxW)

    exported = export.export(jax.jit(lenet5), platforms=PLATFORMS)(images)
    return bytes(exported.serialize())


def probabilities(
    config: Config, params_M: Any, temperature: float, images_BxHxW: jax.Array
) -> jax.Array:
    """What `predict.from_run` gives, uint8 [B, 28, 28] -> float32 [B, 10]; traceable.

    The members are written out one after the other: in a loop, XLA's CPU backend would compile
    their convolutions badly, and batched over the members it would not know them.
    """
    logits = [
        model.apply(
            config, jax.tree.map(lambda leaf, k=k: jnp.asarray(leaf[k]), params_M), images_BxHxW
        )
        for k in range(config.networks)
    ]
    log_mean_BxK = metrics.average_members(jnp.stack(logits))
    return jax.nn.softmax(jnp.maximum(log_mean_BxK, math.log(calibration.LEAST)) / temperature)


def deserialise(content: bytes) -> Any:
    """The program of a file's content, uint8 [B, 28, 28] -> float32 [B, 10].

    Raises:
      UserError: the package flatbuffers is not installed.
      Exception: the content is not what `serialise` writes; JAX raises no narrower class.
    """
    needed("flatbuffers", "StableHLO")
    exported = export.deserialize(bytearray(content))
    shapes = [tuple(map(str, array.shape)) for array in exported.in_avals]
    if len(shapes) != 1 or shapes[0][1:] != ("28", "28"):
        raise ValueError("not a network of digits")
    call = jax.jit(exported.call)
    return lambda images_BxHxW: np.asarray(call(images_BxHxW))
