"""`--config` and the fields of a recipe on the command line."""

import dataclasses

from lenet_jax import config
from lenet_jax.config import recipes
from lenet_jax.errors import UserError

FIELDS = [field.name for field in dataclasses.fields(config.Config)]


def is_switch(field: str) -> bool:
    """Whether a field of a recipe is on or off."""
    return isinstance(getattr(config.Config, field), bool)


def resolved(arguments: list[str]) -> list[str]:
    """A command line whose `--config`, if it has one, stands first and is the path of a file.

    ml_collections wants it before the fields that are set, and tells of mistakes in these with a
    traceback.

    Args:
      arguments: as `command_line.checked` gives them; the last `--config` counts.

    Raises:
      UserError: there is no such recipe or no such field.
    """
    program, *words = arguments
    chosen = [word for word in words if word.startswith("--config=")][-1:]
    chosen = [f"--config={recipes.find(word.removeprefix('--config='))}" for word in chosen]
    rest = [word for word in words if not word.startswith("--config=")]
    for argument in rest:
        name = argument.lstrip("-").partition("=")[0].removeprefix("no")
        field = name.removeprefix("config.")
        if argument.startswith("-") and field != name and field not in FIELDS:
            raise UserError(config.unknown_field(field, FIELDS))
    return [program, *chosen, *rest]
