"""A trained run as one file or folder that needs neither this package nor the run.

Every format takes pixels as they come, uint8 [B, 28, 28], 0 for background and 255 for ink, and
gives probabilities, float32 [B, 10]: preprocessing and the average over the members are inside.
Importing this package costs no more than JAX; onnx and onnxruntime are imported where a file of
theirs is written or read.
"""

from lenet_jax.export.reading import load
from lenet_jax.export.signature import Signature
from lenet_jax.export.writing import FORMATS, default_output, holdout_accuracy, write

__all__ = ["FORMATS", "Signature", "default_output", "holdout_accuracy", "load", "write"]
