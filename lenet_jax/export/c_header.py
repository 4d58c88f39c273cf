"""A C99 header: the weights as arrays and the forward pass in plain loops, for microcontrollers.

The pass allocates nothing and calls nothing but `math.h`; where the memory lies that it works in is
left to the caller. The averages are taken as each filter's output comes, so that no map of a
LeNet-5's C1 or C3 is ever whole in memory. Beside the weights stand digits with the probabilities
that the run gives them, to be compared on the device itself.
"""

import math
from collections.abc import Iterable, Mapping
from importlib import resources

import numpy as np

from lenet_jax.config import ACTIVATIONS
from lenet_jax.export.network import Network
from lenet_jax.inference import calibration


def serialise(
    network: Network,
    stem: str,
    metadata: Mapping[str, str],
    images_BxHxW: np.ndarray,
    probabilities_BxK: np.ndarray,
) -> bytes:
    """The header's text, ASCII.

    Args:
      network: to be written.
      stem: what the header's names begin with, and that of its function; lower case.
      metadata: name -> text, for the comment at its head.
      images_BxHxW: uint8 [B, 28, 28], digits to be compared.
      probabilities_BxK: float32 [B, 10], what the network gives them.
    """
    floats = [layer.kernel.shape[1] * layer.side_handed_on**2 for layer in network.layers.values()]
    # A layer reads what the one before it has written, and may write over the one before that.
    even, odd = max(floats[::2]), max(floats[1::2])
    parts = {
        "ABOUT": "\n".join(f" *   {name}: {_comment(text)}" for name, text in metadata.items()),
        "SIZES": "\n".join(
            f"#define {stem.upper()}_{name} {value}"
            for name, value in {
                "MEMBERS": network.members, "LAYERS": len(network.layers),
                "PADDING": network.padding,
                "POOL_FIRST": int(network.subsampling == "pool_act"),
                "TEMPERATURE": _float(network.temperature),
                "LEAST": _float(math.log(calibration.LEAST)),
                "GOLDEN_DIGITS": len(images_BxHxW),
                "FIRST_PART": even, "WORKSPACE": even + odd,
            }.items()
        ),
        "ACTIVATION": f"return {ACTIVATIONS[network.activation].c};",
        "WEIGHTS": "\n".join(
            _array(f"{stem}_{name}_{what}", array.reshape(network.members, -1))
            for name, layer in network.layers.items()
            for what, array in layer.arrays.items()
        ),
        "LAYERS": ",\n".join(_layers(network, k, stem) for k in range(network.members)),
        "GOLDEN": "\n".join(
            (
                _array(f"{stem}_golden_pixels", images_BxHxW.reshape(len(images_BxHxW), -1)),
                _array(f"{stem}_golden_probabilities", probabilities_BxK),
            )
        ),
    }  # fmt: skip
    text = (resources.files("lenet_jax.export") / "lenet5.h").read_text(encoding="ascii")
    text = text.replace("lenet5", stem).replace("LENET5", stem.upper())
    for mark, content in parts.items():
        before, after = text.split(f"/* {mark} */\n")
        text = f"{before}{content}\n{after}"
    return text.encode("ascii")


def _layers(network: Network, member: int, stem: str) -> str:
    """The table of a member's layers."""
    rows = []
    for name, layer in network.layers.items():
        _, outputs, inputs, width, _ = layer.kernel.shape
        sizes = inputs, layer.side, outputs, width, layer.stride, int(bool(layer.averaged))
        norm = layer.normalisation
        grouped = ("0", "0.0f") if norm is None else (str(norm.maps), _float(norm.epsilon))
        pointers = (
            f"{stem}_{name}_{what}[{member}]" if what in layer.arrays else "0"
            for what in ("kernel", "bias", "gain", "shift")
        )
        rows.append(f"{{{', '.join([*map(str, sizes), *grouped, *pointers])}}}")
    return "{\n" + ",\n".join(rows) + "\n}"


def _array(name: str, array_NxD: np.ndarray) -> str:
    kind = "uint8_t" if array_NxD.dtype == np.uint8 else "float"
    as_text = str if array_NxD.dtype == np.uint8 else _float
    rows = (_lines(map(as_text, row.tolist())) for row in array_NxD)
    count, size = array_NxD.shape
    body = ",\n".join(f"{{\n{row}\n}}" for row in rows)
    return f"static const {kind} {name}[{count}][{size}] = {{\n{body}\n}};"


def _float(value: float) -> str:
    """Nine digits give back every float32."""
    text = f"{value:.9g}"
    return f"{text}f" if "." in text or "e" in text else f"{text}.0f"


def _lines(numbers: Iterable[str]) -> str:
    """Numbers with commas, in lines of a hundred characters at most."""
    lines, line = [], ""
    for number in numbers:
        if len(line) + len(number) > 98:
            lines.append(line)
            line = ""
        line += f"{number},"
    return "\n".join([*lines, line])


def _comment(text: str) -> str:
    """Text that cannot end the comment that it stands in."""
    return ascii(text)[1:-1].replace("*/", "* /")
