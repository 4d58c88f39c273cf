"""Packages that are not installed, and those that only some of the commands need."""

import contextlib
import importlib
import io
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lenet_jax.environment import commands
from lenet_jax.errors import UserError

# Of a virtual environment, on Windows and elsewhere.
_INTERPRETERS = ("bin/python", "Scripts/python.exe")


@contextlib.contextmanager
def required() -> Iterator[None]:
    """Imports in its body that fail for want of a package end the program, in one line."""
    try:
        yield
    except ModuleNotFoundError as missing:
        line = lacking(missing)
        if line is None:
            raise
        print(f"error: {line}", file=sys.stderr)
        sys.exit(2)


def lacking(missing: ModuleNotFoundError) -> str | None:
    """A line that says what to do where a package is not installed, None for one of ours."""
    module = (missing.name or "").partition(".")[0]
    if module in ("", "lenet_jax") or module in sys.stdlib_module_names:
        return None
    told = f"{module} is not installed for {sys.executable}"
    folder = commands.checkout()
    if folder is None:
        return f"{told}; type {commands.pip_install('lenet-jax')}"
    interpreters = [folder / ".venv" / part for part in _INTERPRETERS]
    own = next(filter(Path.exists, interpreters), None)
    if own is not None and own.absolute() != Path(sys.executable).absolute():
        file = folder / f"run_{commands.name_of(sys.argv[0])}.py"
        words = [commands.short(own), commands.short(file), *sys.argv[1:]]
        return f"{told}; type {commands.joined(words)}"
    install = commands.pip_install("--editable", commands.short(folder))
    return f"{told}; make run sets it up in .venv, or, in an environment of your own, {install}"


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
        install = commands.pip_install(missing)
        raise UserError(
            f"{asker}: the package {missing} is not installed; get it with {install}"
        ) from None
    except ImportError as error:
        reason = " ".join(str(error).split()) or said.getvalue().strip().partition("\n")[0]
        raise UserError(
            f"{asker}: the package {package} is installed but cannot be imported ({reason}); get "
            f"one that fits the other packages with pip install --upgrade {package}"
        ) from error
    sys.stderr.write(said.getvalue())
    return module
