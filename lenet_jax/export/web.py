"""The drawing page: one HTML file that holds all it needs, and what lets a phone keep it.

The network runs in 150 lines of plain JavaScript over its weights and not in onnxruntime-web: a
LeNet-5 is 247 kB of weights and 0.4 million multiplications, which take a phone a few milliseconds,
where the runtime alone is some 10 MB of WebAssembly that must be fetched and compiled first, cannot
be opened from a file, and hides the feature maps that this page is there to show.
"""

import base64
import json
from collections.abc import Mapping
from importlib import resources

import numpy as np

from lenet_jax.config import ACTIVATIONS
from lenet_jax.export.network import Layer, Network

# In the order in which they are pasted into the page.
SCRIPTS = ("network.js", "picture.js", "strokes.js", "maps.js", "page.js")
BESIDE = ("service_worker.js", "manifest.webmanifest", "icon.svg")
LENET5 = {
    "PAGE_TITLE": "LeNet-5: draw a digit",
    "PAGE_HEADING": "LeNet-5",
    "PAGE_READER": "A network of 1998",
    "PAGE_SOURCE": "LeCun, Bottou, Bengio and Haffner, <cite>Gradient-Based Learning Applied to "
    "Document Recognition</cite>, 1998.",
}
MODERN = {
    "PAGE_TITLE": "3x3 network: draw a digit",
    "PAGE_HEADING": "3x3 network",
    "PAGE_READER": "A network of small convolutions in pairs",
    "PAGE_SOURCE": "Simonyan and Zisserman, <cite>Very Deep Convolutional Networks for Large-Scale "
    "Image Recognition</cite>, 2015, and Wu and He, <cite>Group Normalization</cite>, 2018.",
}


def files(network: Network, about: Mapping[str, object]) -> dict[str, bytes]:
    """The files of the folder, name -> content; `index.html` also works alone.

    Args:
      network: to be drawn for.
      about: what the page tells of it, name -> value.
    """
    sources = resources.files("lenet_jax.export") / "page"

    def source(name: str) -> str:
        return (sources / name).read_text(encoding="utf-8")

    words = MODERN if about["model"] == "modern" else LENET5
    parts = words | {
        "/* page.css */": source("page.css"),
        "/* scripts */": "\n".join(source(name) for name in SCRIPTS),
        "/* activations */": "\n  ".join(
            f"{name}: (x) => {activation.javascript}," for name, activation in ACTIVATIONS.items()
        ),
        "NETWORK_JSON": _as_json(describe(network) | {"about": dict(about)}),
    }
    named = {mark: words[mark] for mark in ("PAGE_TITLE", "PAGE_HEADING")}
    marks = {"index.html": parts, "manifest.webmanifest": named}
    return {
        name: _filled(source(name), marks.get(name, {})).encode()
        for name in ("index.html", *BESIDE)
    }


def _filled(text: str, parts: Mapping[str, str]) -> str:
    """A text with something in place of each of its marks."""
    for mark, content in parts.items():
        # A mark that is there twice, or not at all, would make a page that is broken quietly.
        before, after = text.split(mark)
        text = before + content + after
    return text


def describe(network: Network) -> dict[str, object]:
    """The network as JSON, its weights as base64 of little-endian float32.

    For each member in turn, of each layer the kernel [out, in, height, width] and the bias [out],
    and then of a normalised one the gain and the shift of its maps, [out].
    """
    weights = [
        array[member].ravel()
        for member in range(network.members)
        for layer in network.layers.values()
        for array in layer.arrays.values()
    ]
    content = np.concatenate(weights).astype("<f4").tobytes()
    return {
        "members": network.members,
        "activation": network.activation,
        "subsampling": network.subsampling,
        "padding": network.padding,
        "temperature": network.temperature,
        "layers": [_sizes(name, layer) for name, layer in network.layers.items()],
        "weights": base64.b64encode(content).decode(),
    }


def _sizes(name: str, layer: Layer) -> dict[str, object]:
    """A layer without its weights."""
    _, outputs, inputs, width, _ = layer.kernel.shape
    norm = layer.normalisation
    return {
        "name": name,
        "outputs": outputs,
        "inputs": inputs,
        "width": width,
        "stride": layer.stride,
        "side": layer.side,
        "made": layer.side_made,
        "averaged": layer.averaged,
        "normalised": None if norm is None else {"maps": norm.maps, "epsilon": norm.epsilon},
    }


def _as_json(content: object) -> str:
    """JSON that may stand inside a script element, whatever its strings hold."""
    return json.dumps(content).replace("<", "\\u003c")
