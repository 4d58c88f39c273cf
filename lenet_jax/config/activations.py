"""The activations of LeNet-5: each once, for JAX and for every format that a run is exported to.

Importing this imports no JAX.
"""

from collections.abc import Callable
from typing import Any, NamedTuple


class Activation(NamedTuple):
    """One activation.

    Attributes:
      jax: (module `jax.nn`, array of any shape) -> array of that shape.
      c: C99 of a float `x`, an expression.
      javascript: of a number `x`, an expression.
      onnx: nodes in their order, operator and operands: `x`, `_` for what the node before gives, or
        a constant.
    """

    jax: Callable[[Any, Any], Any]
    c: str
    javascript: str
    onnx: tuple[tuple[str | float, ...], ...]


# 1.7159 tanh(2x/3) is +-1 at +-1 (LeCun et al. 1998, appendix A).
ACTIVATIONS = {
    "relu": Activation(
        jax=lambda nn, x: nn.relu(x),
        c="x > 0.0f ? x : 0.0f",
        javascript="x > 0 ? x : 0",
        onnx=(("Relu", "x"),),
    ),
    "silu": Activation(
        jax=lambda nn, x: nn.silu(x),
        c="x / (1.0f + expf(-x))",
        javascript="x / (1 + Math.exp(-x))",
        onnx=(("Sigmoid", "x"), ("Mul", "x", "_")),
    ),
    "tanh": Activation(
        jax=lambda nn, x: nn.tanh(x),
        c="tanhf(x)",
        javascript="Math.tanh(x)",
        onnx=(("Tanh", "x"),),
    ),
    "scaled_tanh": Activation(
        jax=lambda nn, x: 1.7159 * nn.tanh((2 / 3) * x),
        c="1.7159f * tanhf(x * (2.0f / 3.0f))",
        javascript="1.7159 * Math.tanh((2 / 3) * x)",
        onnx=(("Mul", "x", 2 / 3), ("Tanh", "_"), ("Mul", "_", 1.7159)),
    ),
}
