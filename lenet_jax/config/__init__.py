"""The frozen, validated `Config` that everything else is given, and the table of its fields."""

from lenet_jax.config.activations import ACTIVATIONS
from lenet_jax.config.fields import (
    OPTIMIZERS,
    SUBSAMPLINGS,
    SWEPT,
    Config,
    documented,
)
from lenet_jax.config.mapping import DELETED, differences, from_mapping, unknown_field
from lenet_jax.config.mesh import MESH_AXES, mesh_sizes

__all__ = [
    "ACTIVATIONS",
    "DELETED",
    "MESH_AXES",
    "OPTIMIZERS",
    "SUBSAMPLINGS",
    "SWEPT",
    "Config",
    "differences",
    "documented",
    "from_mapping",
    "mesh_sizes",
    "unknown_field",
]
