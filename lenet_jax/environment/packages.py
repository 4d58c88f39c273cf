"""Packages that only some of the commands need."""

import contextlib
import importlib
import io
import sys
from typing import Any

from lenet_jax.environment.commands import pip_install
from lenet_jax.errors import UserError


def needed(package: str, asker: str) -> Any:
    """Imports an optional package.

    Args:
      package: its name, for `import` and for pip.
      asker: what needs it, a flag for instance.

    Raises:
      UserError: it, or what it needs, is not installed or does not fit what else is; the message
        says how to get it.
    """
    # NumPy 2 writes half a page about a package that was built for NumPy 1.
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            module = importlib.import_module(package)
    except ModuleNotFoundError as error:
        # The package itself, or one that it needs and does not say so.
        missing = error.name or package
        raise UserError(
            f"{asker}: the package {missing} is not installed; get it with {pip_install(missing)}"
        ) from None
    except ImportError as error:
        reason = " ".join(str(error).split()) or said.getvalue().strip().partition("\n")[0]
        raise UserError(
            f"{asker}: the package {package} is installed but cannot be imported ({reason}); get "
            f"one that fits the other packages with pip install --upgrade {package}"
        ) from error
    sys.stderr.write(said.getvalue())
    return module
