"""The drawing page: one HTML file that holds all it needs, and what lets a phone keep it.

The network runs in 150 lines of plain JavaScript over its weights and not in onnxruntime-web: one
network is 247 kB of weights and 0.4 million multiplications, which take a phone a few milliseconds,
where the runtime alone is some 10 MB of WebAssembly that must be fetched and compiled first, cannot
be opened from a file, and hides the feature maps that this page is there to show.
"""

import base64
import json
from collections.abc import Mapping
from importlib import resources

import numpy as np

from lenet_jax.config import ACTIVATIONS
from lenet_jax.export.network import LAYERS, Network

# In the order in which they are pasted into the page.
SCRIPTS = ("network.js", "picture.js", "strokes.js", "maps.js", "page.js")
BESIDE = ("service_worker.js", "manifest.webmanifest", "icon.svg")


def files(network: Network, about: Mapping[str, object]) -> dict[str, bytes]:
    """The files of the folder, name -> content; `index.html` also works alone.

    Args:
      network: to be drawn for.
      about: what the page tells of it, name -> value.
    """
    sources = resources.files("lenet_jax.export") / "page"

    def source(name: str) -> str:
        return (sources / name).read_text(encoding="utf-8")

    page = source("index.html")
    parts = {
        "/* page.css */": source("page.css"),
        "/* scripts */": "\n".join(source(name) for name in SCRIPTS),
        "/* activations */": "\n  ".join(
            f"{name}: (x) => {activation.javascript}," for name, activation in ACTIVATIONS.items()
        ),
        "NETWORK_JSON": _as_json(describe(network) | {"about": dict(about)}),
    }
    for mark, content in parts.items():
        # A mark that is there twice, or not at all, would make a page that is broken quietly.
        before, after = page.split(mark)
        page = before + content + after
    return {"index.html": page.encode()} | {name: source(name).encode() for name in BESIDE}


def describe(network: Network) -> dict[str, object]:
    """The network as JSON, its weights as base64 of little-endian float32.

    For each member in turn, kernel [out, in, height, width] and bias [out] of each layer; `layers`
    has the name, out, in and width of each.
    """
    weights = [
        array[member].ravel()
        for member in range(network.members)
        for name in LAYERS
        for array in (network.layers[name].kernel, network.layers[name].bias)
    ]
    content = np.concatenate(weights).astype("<f4").tobytes()
    return {
        "members": network.members,
        "activation": network.activation,
        "subsampling": network.subsampling,
        "temperature": network.temperature,
        "layers": [[name, *network.layers[name].kernel.shape[1:4]] for name in LAYERS],
        "weights": base64.b64encode(content).decode(),
    }


def _as_json(content: object) -> str:
    """JSON that may stand inside a script element, whatever its strings hold."""
    return json.dumps(content).replace("<", "\\u003c")
