"""What was exported, as a function again."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from lenet_jax.data import SIDE
from lenet_jax.errors import UserError
from lenet_jax.export import onnx_model, stablehlo
from lenet_jax.files import printable, to_path
from lenet_jax.inference import predict
from lenet_jax.runs import workdir

READERS = {".stablehlo": stablehlo.deserialise, ".onnx": onnx_model.deserialise}


def load(path: str | os.PathLike[str]) -> Callable[[np.ndarray], np.ndarray]:
    """A function from pictures of digits to probabilities.

    Args:
      path: of a `.stablehlo` or `.onnx` file that `run_export.py` wrote, or of a run's workdir.

    Returns:
      pixels, uint8 [B, 28, 28], 0 for background and 255 for ink -> float32 [B, 10]. It raises
      ValueError for arrays of another shape or type.

    Raises:
      UserError: there is no such file or run, or it cannot be read.
    """
    path = to_path(path)
    if path.is_dir():
        return _checked(_workdir(path))
    name = printable(path)
    if path.suffix not in READERS:
        raise UserError(f"{name}: must end in {' or '.join(READERS)}, or be the folder of a run")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"{name}: cannot be read ({error.strerror})") from None
    try:
        return _checked(READERS[path.suffix](content))
    except UserError as error:
        raise UserError(f"{name}: {error}") from error
    # Neither JAX nor onnxruntime raises a narrower class for a damaged file.
    except Exception as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise UserError(
            f"{name}: is not a network that run_export.py wrote, or damaged ({reason})"
        ) from error


def _workdir(folder: Path) -> Any:
    record = workdir.read_run(folder)
    params_M = predict.restore(folder, record)
    temperature = workdir.read_temperature(folder)

    return stablehlo.run(record.config, params_M, temperature)


def _checked(function: Callable[[np.ndarray], np.ndarray]) -> Callable[[np.ndarray], np.ndarray]:
    def probabilities(images_BxHxW: np.ndarray) -> np.ndarray:
        images_BxHxW = np.asarray(images_BxHxW)
        shape, dtype = images_BxHxW.shape, images_BxHxW.dtype
        if dtype != np.uint8 or len(shape) != 3 or shape[1:] != (SIDE, SIDE) or not shape[0]:
            raise ValueError(
                f"pictures must be uint8 [B, 28, 28], 0 for background and 255 for ink, not "
                f"{dtype} {list(shape)}"
            )
        return function(images_BxHxW)

    return probabilities
