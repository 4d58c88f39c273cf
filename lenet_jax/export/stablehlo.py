"""StableHLO by `jax.export`: one file for CPU, CUDA and TPU.

JAX promises that such a file is read by every jax that was released at most six months after the
jax that wrote it, whatever the day it was written on; what has to last longer belongs into ONNX.
After what `jax.export` wrote, which does not mind, stands one line of JSON that says by which jax.
"""

import dataclasses
import json
import math
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import export

from lenet_jax import metrics, models
from lenet_jax.config import Config
from lenet_jax.data import SIDE
from lenet_jax.environment import commands
from lenet_jax.environment.packages import needed
from lenet_jax.errors import UserError
from lenet_jax.export.signature import Network, Signature, for_any_batch
from lenet_jax.inference import calibration

PLATFORMS = ("cpu", "cuda", "tpu")
PROMISE = "read by every jax released within six months of the jax that wrote it"


def serialise(
    config: Config,
    params_M: Any,
    temperature: float,
    metadata: Mapping[str, str],
    signature: Signature,
) -> bytes:
    """The file's content; `jax.export.deserialize` reads it.

    Args:
      config: of the run.
      params_M: NumPy arrays with a leading member axis; they are stored in the file.
      temperature: of the run's calibration.
      metadata: name -> text, stored in the file's last line.
      signature: of the input. Any batch size brings an assertion about shapes into the file, which
        jax of other versions may refuse; one batch size brings none.

    Raises:
      UserError: the package flatbuffers is not installed.
    """
    needed("flatbuffers", "StableHLO")
    # `matmul` is how a CPU likes it, `native` is left to the compiler of each platform.
    config = dataclasses.replace(config, conv="native")
    shape = export.symbolic_shape(",".join(map(str, signature.shape)))
    images = jax.ShapeDtypeStruct(shape, signature.pixels)

    def lenet5(images_BxHxW: jax.Array) -> jax.Array:
        return probabilities(config, params_M, temperature, images_BxHxW)

    exported = export.export(jax.jit(lenet5), platforms=PLATFORMS)(images)
    told = {"jax": jax.__version__, "promise": PROMISE, **metadata}
    return bytes(exported.serialize()) + f"\n{json.dumps(told)}\n".encode()


def probabilities(
    config: Config, params_M: Any, temperature: float, images_BxHxW: jax.Array
) -> jax.Array:
    """What `predict.from_run` gives, uint8 [B, 28, 28] -> float32 [B, 10]; traceable.

    The members are written out one after the other: in a loop, XLA's CPU backend would compile
    their convolutions badly, and batched over the members it would not know them.
    """
    logits = [
        models.apply(
            config, jax.tree.map(lambda leaf, k=k: jnp.asarray(leaf[k]), params_M), images_BxHxW
        )
        for k in range(config.num_models)
    ]
    log_mean_BxK = metrics.average_members(jnp.stack(logits))
    return jax.nn.softmax(jnp.maximum(log_mean_BxK, math.log(calibration.LEAST)) / temperature)


def run(config: Config, params_M: Any, temperature: float) -> Network:
    """What the file computes, without a file: uint8 [B, 28, 28] -> float32 [B, 10]."""

    @jax.jit
    def program(images_BxHxW: jax.Array) -> jax.Array:
        return probabilities(config, params_M, temperature, images_BxHxW)

    return lambda images_BxHxW: np.asarray(program(images_BxHxW))


def deserialise(content: bytes) -> Any:
    """The program of a file's content, uint8 [B, 28, 28] -> float32 [B, 10].

    It is run once, for some programs are refused only then.

    Raises:
      UserError: another version of jax wrote it than can be read here, or the package flatbuffers
        is not installed.
      ValueError: it is another program.
      Exception: the content is not what `serialise` writes; JAX raises no narrower class.
    """
    needed("flatbuffers", "StableHLO")
    signature = None
    try:
        exported = export.deserialize(bytearray(content))
        signature = _signature(exported)
        # jax before 0.9 does not find the number of devices where later ones write it.
        exported = dataclasses.replace(exported, nr_devices=1)
        call = jax.jit(exported.call)
        call(np.zeros((signature.batch or 1, SIDE, SIDE), signature.pixels))
    except Exception as error:
        writer = _metadata(content).get("jax")
        if writer in (None, jax.__version__):
            raise
        raise UserError(_unread(writer, signature, error)) from error
    return for_any_batch(lambda images_BxHxW: np.asarray(call(images_BxHxW)), signature)


def _signature(exported: export.Exported) -> Signature:
    """What a program takes; ValueError for one that is none of ours."""
    inputs = [(str(array.dtype), *map(str, array.shape)) for array in exported.in_avals]
    if len(inputs) != 1 or inputs[0][2:] != (str(SIDE), str(SIDE)) or len(exported.out_avals) != 1:
        raise ValueError(f"it takes {inputs}, not pictures of digits")
    pixels, batch, *_ = inputs[0]
    return Signature(pixels=pixels, batch=int(batch) if batch.isdecimal() else None)


def _metadata(content: bytes) -> dict[str, str]:
    """The file's last line, nothing where there is none: in files of before, or cut short."""
    try:
        told = json.loads(content.rstrip().rpartition(b"\n")[2])
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


def _unread(writer: str, signature: Signature | None, error: Exception) -> str:
    reason = " ".join(str(error).split())[:120] or type(error).__name__
    # The assertion about any batch size is what other versions mind most often.
    fixed = "" if signature is None or signature.batch else ", or with --batch=1 with that one"
    return (
        f"was written by jax {writer}, and jax {jax.__version__} does not read it ({reason}); "
        f"write it again with this jax{fixed}: {commands.command('export')} --format=stablehlo "
        "--workdir=...; --format=onnx does not depend on jax"
    )
