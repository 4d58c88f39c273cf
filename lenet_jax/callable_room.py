"""Rooms that can be called: `lenet_jax.train(...)` beside `lenet_jax.train.compile_ahead(...)`.

Two rooms have the names of functions that a notebook expects of the package. Python binds a module
to its package under its own name, so the name can stand for the function only if the module itself
can be called.
"""

import importlib
import sys
import types
from typing import Any


class Room(types.ModuleType):
    """A module; called, it is the function of its name in `lenet_jax.library`."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """See `lenet_jax.library`."""
        # Not imported above: the library knows the rooms, and no room knows the library.
        library = importlib.import_module("lenet_jax.library")
        return getattr(library, self.__name__.rpartition(".")[2])(*args, **kwargs)


def make_callable(name: str) -> None:
    """Lets the module of this name, which is being imported, be called."""
    sys.modules[name].__class__ = Room
