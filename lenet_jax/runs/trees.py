"""What is compared of trees of arrays that were saved and read back."""

from typing import Any

import jax
import numpy as np


def check_alike(saved: Any, wanted: Any) -> None:
    """Raises ValueError unless two trees have arrays of the same names, types and shapes.

    Args:
      saved: arrays, or Orbax's description of some.
      wanted: arrays, or shapes and types.
    """
    there, must_be = _described(saved), _described(wanted)
    for name in sorted(there.keys() | must_be.keys()):
        if there.get(name) != must_be.get(name):
            raise ValueError(
                f"{name}: holds {there.get(name, 'nothing')} where "
                f"{must_be.get(name, 'nothing')} must be"
            )


def check_same(saved: Any, read: Any) -> None:
    """Raises ValueError unless two trees of the same structure have the same bits."""
    pairs = zip(_named(saved), _named(read), strict=True)
    for (name, one), (_, other) in pairs:
        # As bytes: a network of a sweep may have diverged to what is not a number.
        if np.asarray(one).tobytes() != np.asarray(other).tobytes():
            raise ValueError(f"{name} has changed")


def _described(tree: Any) -> dict[str, str]:
    return {
        name: f"{leaf.dtype} {tuple(leaf.shape)}"
        for name, leaf in _named(tree)
        if hasattr(leaf, "shape")
    }


def _named(tree: Any) -> list[tuple[str, Any]]:
    return [
        (jax.tree_util.keystr(path, simple=True, separator="."), leaf)
        for path, leaf in jax.tree_util.tree_flatten_with_path(tree)[0]
    ]
