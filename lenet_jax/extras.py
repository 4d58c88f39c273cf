"""Packages that only some of the commands need."""

import importlib
from typing import Any

from lenet_jax.errors import UserError


def needed(package: str, asker: str) -> Any:
    """Imports an optional package.

    Args:
      package: its name, for `import` and for pip.
      asker: what needs it, a flag for instance.

    Raises:
      UserError: it, or what it needs, is not installed; the message says how to get it.
    """
    try:
        return importlib.import_module(package)
    except ModuleNotFoundError as error:
        # The package itself, or one that it needs and does not say so.
        missing = error.name or package
        raise UserError(
            f"{asker}: the package {missing} is not installed; get it with pip install {missing}"
        ) from None
