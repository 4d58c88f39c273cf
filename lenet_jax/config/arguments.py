"""Checks of what functions are called with in a notebook."""

import dataclasses
import difflib
import os
from typing import Any

from lenet_jax.config.fields import Config
from lenet_jax.errors import UserError
from lenet_jax.files import home


def check_type(name: str, value: object, wanted: Any, told: str) -> None:
    """Raises TypeError if an argument is of another type than is wanted, which `told` names."""
    if not isinstance(value, wanted):
        text = repr(value)
        # As it may stand in one line.
        brief = len(text) <= 60 and "\n" not in text
        raise TypeError(f"{name}: {told}, not {text if brief else f'a {type(value).__name__}'}")


def check_fields(fields: dict[str, Any]) -> None:
    """Raises TypeError, as Python does of arguments, for what is no field of the config."""
    known = [field.name for field in dataclasses.fields(Config)]
    for name in fields:
        if name not in known:
            near = difflib.get_close_matches(
                name, [*known, "config", "overwrite", "run", "say"], cutoff=0.5
            )
            told = f"did you mean {' or '.join(near)}?" if near else "see lenet_jax.Config"
            raise TypeError(f"there is no argument {name}; {told}")


def path_argument(name: str, given: str | os.PathLike[str]) -> str:
    """A path that was given as an argument, `~` being the home.

    Raises:
      UserError: it is empty, or nobody has such a home.
    """
    path = os.fspath(given)
    if not path:
        raise UserError(f"{name} is empty; give a path, '.' for the current folder")
    return home(path)
