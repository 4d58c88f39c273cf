"""`--config` and the fields of a recipe on the command line."""

import dataclasses

from lenet_jax import config
from lenet_jax.errors import UserError

_CONFIG = "--config="
FIELDS = [field.name for field in dataclasses.fields(config.Config)]


def is_switch(field: str) -> bool:
    """Whether a field of a recipe is on or off."""
    return isinstance(getattr(config.Config, field), bool)


def separate(arguments: list[str]) -> tuple[str, list[str]]:
    """The recipe that a command line names, and the command line without it.

    Args:
      arguments: as `command_line.checked` gives them; the last `--config` counts.

    Raises:
      UserError: there is no such field.
    """
    named = [word for word in arguments if word.startswith(_CONFIG)]
    rest = [word for word in arguments if not word.startswith(_CONFIG)]
    # ml_collections tells of a mistake in these with a traceback.
    for argument in rest[1:]:
        name = argument.lstrip("-").partition("=")[0].removeprefix("no")
        field = name.removeprefix("config.")
        if argument.startswith("-") and field != name and field not in FIELDS:
            raise UserError(config.unknown_field(field, FIELDS))
    return named[-1].removeprefix(_CONFIG) if named else "default", rest
