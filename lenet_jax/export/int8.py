"""Whole numbers of 8 bits for the layers that hold nearly all weights, by onnxruntime.

C3, C5 and F6 have 98% of LeNet-5's weights. C1 and the output stay as they are, in other networks
too: they are small, and their numbers are those that rounding would hurt most, pixels and, in the
network of 1998, distances.
"""

import contextlib
import logging
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from lenet_jax.data import SIDE, sample
from lenet_jax.environment.packages import needed
from lenet_jax.export.signature import Signature

LAYERS = ("C3", "C5", "F6")
# Of the sample's training part, 100 of each class.
CALIBRATION_DIGITS = 1000


def quantise(content: bytes, signature: Signature, layers: Sequence[str] = LAYERS) -> bytes:
    """An ONNX file with some layers in int8, in the QDQ form, one scale for each filter.

    The ranges of what comes between the layers are the least and largest values that
    `CALIBRATION_DIGITS` of the sample give.

    Args:
      content: as `onnx_model.serialise` gives it.
      signature: of the network, which stays.
      layers: those that become int8.

    Raises:
      UserError: the package onnx or onnxruntime is not installed.
    """
    onnx = needed("onnx", "--int8")
    needed("onnxruntime", "--int8")
    # It warns of what larger networks should go through before.
    with _quiet(), tempfile.TemporaryDirectory() as folder:
        from onnxruntime import quantization

        written = Path(folder, "lenet5.onnx")
        quantization.quantize_static(
            onnx.load_from_string(content),
            written,
            _reader(signature),
            quant_format=quantization.QuantFormat.QDQ,
            per_channel=True,
            # Before onnxruntime 1.26 the products of its CPU kernels may overflow with others.
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
            nodes_to_quantize=list(layers),
        )
        return written.read_bytes()


def calibration_digits() -> np.ndarray:
    """`CALIBRATION_DIGITS` of the sample's training part, as many of each class, uint8."""
    dataset = sample.load("train")
    # The sample is sorted by class.
    return dataset.images_NxHxW[:: len(dataset) // CALIBRATION_DIGITS]


def _reader(signature: Signature) -> object:
    from onnxruntime import quantization

    images_NxHxW = calibration_digits().astype(signature.pixels)
    size = signature.batch or 100
    whole = len(images_NxHxW) // size * size
    padded = images_NxHxW[:whole] if whole else np.resize(images_NxHxW, (size, SIDE, SIDE))
    batches = iter(np.split(padded, len(padded) // size))

    class Reader(quantization.CalibrationDataReader):
        def get_next(self) -> dict[str, np.ndarray] | None:
            batch = next(batches, None)
            return None if batch is None else {"images": batch}

    return Reader()


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
