"""Packages that only an export needs."""

import importlib
from typing import Any

from lenet_jax.errors import UserError


def needed(package: str) -> Any:
    """Imports a package of the extra `export`.

    Raises:
      UserError: it is not installed; the message says how to get it.
    """
    try:
        return importlib.import_module(package)
    except ModuleNotFoundError as error:
        if error.name != package:
            raise
        raise UserError(
            f"the package {package} is not installed; get it with pip install {package}"
        ) from None
