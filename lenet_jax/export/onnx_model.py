"""ONNX, written node by node with the `onnx` package's helper.

The graph is one that every reader of `docs/howto/export.md` computes alike, so it leaves nothing to
a reader's defaults: each attribute is written out, no size but the batch is open, and names are
identifiers; and it does without what some reader gets wrong. The members of an ensemble are groups
of each convolution, so that an ensemble is one short graph whose length does not depend on how many
members there are.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from lenet_jax.config import ACTIVATIONS
from lenet_jax.data import SIDE
from lenet_jax.environment.packages import needed
from lenet_jax.export.network import Network, Normalisation
from lenet_jax.export.signature import Signature, for_any_batch
from lenet_jax.inference import calibration

# The first opset whose Softmax works along one axis, and the file format of its time.
OPSET = 13
IR_VERSION = 7

# Changes no probability that is not below `calibration.LEAST`.
_TINY = 1e-37

INPUT, OUTPUT = "images", "probabilities"


def serialise(network: Network, metadata: Mapping[str, str], signature: Signature) -> bytes:
    """The file's content, checked by `onnx.checker` with full shape inference.

    Args:
      network: to be written.
      metadata: name -> text, stored in the file.
      signature: of the input `images`; the output is `probabilities`, float32 [B, 10].

    Raises:
      UserError: the package onnx is not installed.
    """
    onnx = needed("onnx", "ONNX")
    from onnx import helper

    graph = _Graph("LeNet-5" if network.subsampling else "network")
    members, batch = network.members, signature.batch or -1
    x = INPUT
    if signature.pixels != "float32":
        x = graph.add("Cast", [x], "pixels", to=onnx.TensorProto.FLOAT)
    x = graph.reshape(x, "picture", [batch, 1, SIDE, SIDE])
    for name, layer in network.layers.items():
        x = _convolve(graph, network, x, name)
        if layer.normalisation is not None:
            x = _normalise(graph, layer.normalisation, x, [batch] + 2 * [layer.side_made])
        if layer.averaged:
            x = _subsample(graph, network, x, layer.averaged)
        elif name != "output":
            x = _activation(graph, network, x)
    x = graph.add("Max", [_log_mean(graph, x, members, batch), "least"], "log_probabilities")
    x = graph.add("Div", [x, "temperature"], "tempered")
    graph.add("Softmax", [x], OUTPUT, axis=1)
    graph.constants["least"] = np.array(math.log(calibration.LEAST), np.float32)
    graph.constants["temperature"] = np.array(network.temperature, np.float32)

    pixels = onnx.TensorProto.DataType.Value("FLOAT" if signature.pixels == "float32" else "UINT8")
    probabilities = [signature.shape[0], 10]
    file = helper.make_model(
        graph.as_proto(
            helper.make_tensor_value_info(INPUT, pixels, signature.shape),
            helper.make_tensor_value_info(OUTPUT, onnx.TensorProto.FLOAT, probabilities),
        ),
        producer_name="lenet-jax",
        ir_version=IR_VERSION,
        opset_imports=[helper.make_opsetid("", OPSET)],
    )
    helper.set_model_props(file, dict(metadata))
    onnx.checker.check_model(file, full_check=True)
    return bytes(file.SerializeToString())


class _Graph:
    """Nodes and constants, in the order in which they are added."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.nodes: list[Any] = []
        self.constants: dict[str, np.ndarray] = {}

    def add(self, operation: str, inputs: list[str], output: str, **attributes: Any) -> str:
        """Adds a node that has its output's name, and gives that name."""
        from onnx import helper

        self.nodes.append(helper.make_node(operation, inputs, [output], name=output, **attributes))
        return output

    def reshape(self, x: str, output: str, shape: list[int]) -> str:
        """Adds a Reshape to constant sizes; one of them may be -1."""
        self.constants[f"{output}_shape"] = np.array(shape, np.int64)
        return self.add("Reshape", [x, f"{output}_shape"], output)

    def as_proto(self, images: Any, probabilities: Any) -> Any:
        """The GraphProto with its input and output."""
        from onnx import helper, numpy_helper

        constants = [numpy_helper.from_array(array, name) for name, array in self.constants.items()]
        return helper.make_graph(self.nodes, self.name, [images], [probabilities], constants)


def _convolve(graph: _Graph, network: Network, x: str, name: str) -> str:
    layer = network.layers[name]
    kernel, bias = layer.kernel, layer.bias
    first = x == "picture"
    graph.constants[f"{name}_kernel"] = kernel.reshape(-1, *kernel.shape[2:])
    graph.constants[f"{name}_bias"] = bias.reshape(-1)
    return graph.add(
        "Conv",
        [x, f"{name}_kernel", f"{name}_bias"],
        name,
        kernel_shape=kernel.shape[3:],
        strides=[layer.stride] * 2,
        pads=[network.padding if first else 0] * 4,
        dilations=[1, 1],
        # All members see the same picture: one group that has the maps of all of them.
        group=1 if first else network.members,
    )


def _normalise(graph: _Graph, norm: Normalisation, x: str, sizes: list[int]) -> str:
    """Adds the normalisation of groups, each of which is one map of an InstanceNormalization.

    GroupNormalization came with opset 18, and another meaning of its scale with 21.
    """
    batch, height, width = sizes
    maps, groups = norm.gain.size, norm.gain.size // norm.maps
    graph.constants[f"{x}_one"] = np.ones(groups, np.float32)
    graph.constants[f"{x}_zero"] = np.zeros(groups, np.float32)
    graph.constants[f"{x}_gain"] = norm.gain.reshape(1, maps, 1, 1)
    graph.constants[f"{x}_shift"] = norm.bias.reshape(1, maps, 1, 1)
    y = graph.reshape(x, f"{x}_groups", [batch, groups, norm.maps * height, width])
    inputs = [y, f"{x}_one", f"{x}_zero"]
    y = graph.add("InstanceNormalization", inputs, f"{x}_normal", epsilon=norm.epsilon)
    y = graph.reshape(y, f"{x}_maps", [batch, maps, height, width])
    y = graph.add("Mul", [y, f"{x}_gain"], f"{x}_scaled")
    return graph.add("Add", [y, f"{x}_shift"], f"{x}_shifted")


def _activation(graph: _Graph, network: Network, x: str) -> str:
    result = x
    for operator, *operands in ACTIVATIONS[network.activation].onnx:
        inputs = [_operand(graph, operand, x, result) for operand in operands]
        result = graph.add(str(operator), inputs, f"{result}_{str(operator).lower()}")
    return result


def _operand(graph: _Graph, operand: str | float, x: str, before: str) -> str:
    if isinstance(operand, str):
        return {"x": x, "_": before}[operand]
    # An identifier, which some readers take alone.
    name = f"constant_{operand:g}".replace(".", "_")
    graph.constants[name] = np.array(operand, np.float32)
    return name


def _subsample(graph: _Graph, network: Network, x: str, name: str) -> str:
    if network.subsampling == "act_pool":
        x = _activation(graph, network, x)
    pooled = graph.add(
        "AveragePool",
        [x],
        name,
        kernel_shape=[2, 2],
        strides=[2, 2],
        pads=[0, 0, 0, 0],
        ceil_mode=0,
        count_include_pad=0,
    )
    return pooled if network.subsampling == "act_pool" else _activation(graph, network, pooled)


def _log_mean(graph: _Graph, x: str, members: int, batch: int) -> str:
    """Adds the logarithm of the members' mean probabilities, [B, 10], at least that of `_TINY`.

    The mean is a product with a constant, and one network has none. Of ReduceMean, OpenCV 4.8 gets
    all but the first pictures of a larger batch wrong, and 4.13, over an axis of length 1, all from
    the second size of a batch on. The logarithm of 0, which LogSoftmax would be there too, is no
    number in ncnn. And a Max with a number near 0 is a Relu in LiteRT. None of them says so.
    """
    if members == 1:
        x = graph.reshape(x, "logits", [batch, 10])
        x = graph.add("Softmax", [x], "mean", axis=1)
    else:
        x = graph.reshape(x, "logits", [batch, members, 10])
        x = graph.add("Softmax", [x], "members_probabilities", axis=2)
        x = graph.reshape(x, "side_by_side", [batch, members * 10])
        graph.constants["averaging"] = np.tile(np.eye(10, dtype=np.float32) / members, (members, 1))
        x = graph.add("MatMul", [x, "averaging"], "mean")
    graph.constants["tiny"] = np.array(_TINY, np.float32)
    return graph.add("Log", [graph.add("Add", [x, "tiny"], "above_zero")], "log_mean")


def deserialise(content: bytes) -> Any:
    """The network of a file's content, run by onnxruntime: uint8 [B, 28, 28] -> float32 [B, 10].

    Raises:
      UserError: the package onnxruntime is not installed, or cannot be imported.
      ValueError: it is another network.
      Exception: the content is damaged; onnxruntime raises no narrower class.
    """
    runtime = needed("onnxruntime", "ONNX")
    session = runtime.InferenceSession(content, providers=["CPUExecutionProvider"])
    return for_any_batch(
        lambda images_BxHxW: session.run([OUTPUT], {INPUT: images_BxHxW})[0], _signature(session)
    )


_TYPES = {"tensor(uint8)": "uint8", "tensor(float)": "float32"}


def _signature(session: Any) -> Signature:
    """What a file takes; ValueError for one that is none of ours."""
    inputs = [(array.name, array.type, array.shape) for array in session.get_inputs()]
    outputs = [(array.name, array.shape[1:]) for array in session.get_outputs()]
    for name, pixels, shape in inputs:
        ours = name == INPUT and pixels in _TYPES and shape[1:] == [SIDE, SIDE]
        if ours and len(inputs) == 1 and (OUTPUT, [10]) in outputs:
            batch = shape[0] if isinstance(shape[0], int) else None
            return Signature(pixels=_TYPES[pixels], batch=batch)
    raise ValueError(f"it takes {_told(inputs)}, not {INPUT} of digits")


def _told(inputs: list[tuple[str, str, list[Any]]]) -> str:
    return ", ".join(f"{name} {pixels} {shape}" for name, pixels, shape in inputs) or "nothing"
