"""ONNX, written node by node with the `onnx` package's helper.

The members of an ensemble are groups of each convolution, so that an ensemble is one short graph
whose length does not depend on how many members there are.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from lenet_jax import calibration
from lenet_jax.export.network import Network
from lenet_jax.extras import needed

# The first opset whose Softmax works along one axis, and its file format: every runtime since 2021
# reads it.
OPSET = 13
IR_VERSION = 7

INPUT, OUTPUT = "images", "probabilities"

Node = tuple[str, list[str], dict[str, Any]]


def serialise(network: Network, metadata: Mapping[str, str]) -> bytes:
    """The file's content, checked by `onnx.checker` with full shape inference.

    Args:
      network: to be written; its graph takes `images`, uint8 [B, 28, 28], and gives
        `probabilities`, float32 [B, 10].
      metadata: name -> text, stored in the file.

    Raises:
      UserError: the package onnx is not installed.
    """
    onnx = needed("onnx", "ONNX")
    from onnx import helper, numpy_helper

    constants: dict[str, np.ndarray] = {
        "image shape": np.array([-1, 1, 28, 28], np.int64),
        "member shape": np.array([-1, network.members, 10], np.int64),
        "least": np.array(calibration.LEAST, np.float32),
        "temperature": np.array(network.temperature, np.float32),
    }
    nodes: list[Any] = []

    def add(operation: str, inputs: list[str], output: str, **attributes: Any) -> str:
        nodes.append(helper.make_node(operation, inputs, [output], name=output, **attributes))
        return output

    def convolution(x: str, name: str, **attributes: Any) -> str:
        kernel, bias = network.layers[name].kernel, network.layers[name].bias
        constants[f"{name} kernel"] = kernel.reshape(-1, *kernel.shape[2:])
        constants[f"{name} bias"] = bias.reshape(-1)
        return add("Conv", [x, f"{name} kernel", f"{name} bias"], name, **attributes)

    def squash(x: str) -> str:
        if network.activation == "relu":
            return add("Relu", [x], f"{x} relu")
        if network.activation == "silu":
            return add("Mul", [x, add("Sigmoid", [x], f"{x} sigmoid")], f"{x} silu")
        if network.activation == "tanh":
            return add("Tanh", [x], f"{x} tanh")
        constants["2/3"] = np.array(2 / 3, np.float32)
        constants["1.7159"] = np.array(1.7159, np.float32)
        tanh = add("Tanh", [add("Mul", [x, "2/3"], f"{x} shrunk")], f"{x} tanh")
        return add("Mul", [tanh, "1.7159"], f"{x} scaled tanh")

    def subsample(x: str, name: str) -> str:
        window = {"kernel_shape": [2, 2], "strides": [2, 2]}
        if network.subsampling == "pool_act":
            return squash(add("AveragePool", [x], name, **window))
        return add("AveragePool", [squash(x)], name, **window)

    members = network.members
    x = add("Cast", [INPUT], "pixels", to=onnx.TensorProto.FLOAT)
    x = add("Reshape", [x, "image shape"], "picture")
    # All members see the same picture: one group that has the maps of all of them.
    x = subsample(convolution(x, "C1", pads=[2, 2, 2, 2]), "S2")
    x = subsample(convolution(x, "C3", group=members), "S4")
    x = squash(convolution(x, "C5", group=members))
    x = squash(convolution(x, "F6", group=members))
    x = add("Reshape", [convolution(x, "output", group=members), "member shape"], "logits")
    x = add("Softmax", [x], "members' probabilities", axis=2)
    x = add("ReduceMean", [x], "mean", axes=[1], keepdims=0)
    x = add("Log", [add("Max", [x, "least"], "positive")], "log")
    add("Softmax", [add("Div", [x, "temperature"], "tempered")], OUTPUT, axis=1)

    graph = helper.make_graph(
        nodes,
        "LeNet-5",
        [helper.make_tensor_value_info(INPUT, onnx.TensorProto.UINT8, ["B", 28, 28])],
        [helper.make_tensor_value_info(OUTPUT, onnx.TensorProto.FLOAT, ["B", 10])],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in constants.items()],
    )
    file = helper.make_model(
        graph,
        producer_name="lenet-jax",
        ir_version=IR_VERSION,
        opset_imports=[helper.make_opsetid("", OPSET)],
    )
    helper.set_model_props(file, dict(metadata))
    onnx.checker.check_model(file, full_check=True)
    return bytes(file.SerializeToString())


def deserialise(content: bytes) -> Any:
    """The network of a file's content, run by onnxruntime: uint8 [B, 28, 28] -> float32 [B, 10].

    Raises:
      UserError: the package onnxruntime is not installed.
      Exception: the content is not what `serialise` writes; onnxruntime raises no narrower class.
    """
    runtime = needed("onnxruntime", "ONNX")
    session = runtime.InferenceSession(content, providers=["CPUExecutionProvider"])
    shapes = [array.shape[1:] for array in session.get_inputs()]
    if shapes != [[28, 28]]:
        raise ValueError("not a network of digits")
    return lambda images_BxHxW: session.run([OUTPUT], {INPUT: images_BxHxW})[0]
