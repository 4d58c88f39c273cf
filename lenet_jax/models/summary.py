"""The layers with their shapes and parameters, as people read them."""

from typing import NamedTuple

import jax

from lenet_jax.config import Config
from lenet_jax.data import SIDE
from lenet_jax.models.functional import Params, shapes
from lenet_jax.models.layers import F6
from lenet_jax.models.modern import CONVOLUTIONS, F7, shapes_of_maps

# Name, what it is, output shape.
Row = tuple[str, str, tuple[int, ...]]


class Layer(NamedTuple):
    """A row of the summary."""

    name: str
    what: str
    output: tuple[int, ...]
    trainable: int


def layers(config: Config) -> list[Layer]:
    """The layers with their output shapes (H, W, C) and trainable parameters.

    Examples:
      >>> [(layer.name, layer.trainable) for layer in layers(Config()) if layer.trainable]
      [('C1', 156), ('C3', 2416), ('C5', 48120), ('F6', 10164), ('output', 850)]
    """
    parameters = shapes(config)
    rows = _modern(config) if config.model == "modern" else _lenet5(config, parameters)
    return [
        Layer(name, what, output, sum(leaf.size for leaf in jax.tree.leaves(parameters.get(name))))
        for name, what, output in rows
    ]


def _lenet5(config: Config, parameters: Params) -> list[Row]:
    c1, c3, c5_, f6 = (config.width * features for features in (6, 16, 120, F6))
    return [
        ("C1", f"{c1} filters 5x5", (SIDE, SIDE, c1)),
        ("S2", "average pooling 2x2", (14, 14, c1)),
        ("C3", f"{c3} filters 5x5", (10, 10, c3)),
        ("S4", "average pooling 2x2", (5, 5, c3)),
        ("C5", f"{c5_} filters 5x5", (1, 1, c5_)),
        ("F6", "dense", (f6,)),
        ("output", "dense, softmax" if "output" in parameters else "RBF units, fixed codes", (10,)),
    ]


def _modern(config: Config) -> list[Row]:
    rows = []
    for name, (maps, side, _) in shapes_of_maps(config.width).items():
        layer = CONVOLUTIONS[name]
        what = f"{maps} filters {layer.side}x{layer.side}"
        what += f", stride {layer.stride}" if layer.stride > 1 else ""
        rows.append((name, what, (side, side, maps)))
    units = F7 * config.width
    return [
        *rows,
        ("F7", f"{units} filters {side}x{side}", (1, 1, units)),
        ("output", "dense, softmax", (10,)),
    ]


def summary(config: Config) -> str:
    """The layer table that a training run prints first."""
    rows = [("layer", "what", "output shape", "trainable")]
    table = layers(config)
    rows += [(r.name, r.what, str(r.output), f"{r.trainable:,}") for r in table]
    rows += [("total", "", "", f"{sum(r.trainable for r in table):,}")]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = [
        f"{a:<{widths[0]}}  {b:<{widths[1]}}  {c:<{widths[2]}}  {d:>{widths[3]}}".rstrip()
        for a, b, c, d in rows
    ]
    rule = "-" * max(map(len, lines))
    return "\n".join([lines[0], rule, *lines[1:-1], rule, lines[-1]])
