"""The recipes that came with the package, and `--config` on the command line."""

import ast
import dataclasses
import difflib
from pathlib import Path

from lenet_jax import config
from lenet_jax.environment import commands
from lenet_jax.errors import UserError

_IN_WHEEL = Path(__file__).with_name("configs")
FIELDS = [field.name for field in dataclasses.fields(config.Config)]


def shipped() -> dict[str, Path]:
    """Name -> file, by name: of a checkout's `configs/`, which a wheel has in this package."""
    beside = commands.checkout()
    folder = _IN_WHEEL if beside is None else beside / "configs"
    return {path.stem: path for path in sorted(folder.glob("*.py"))}


def summary(recipe: Path) -> str:
    """The first line of a recipe's docstring; the recipe is not executed."""
    docstring = ast.get_docstring(ast.parse(recipe.read_text(encoding="utf-8"))) or ""
    return docstring.partition("\n")[0]


def resolved(arguments: list[str]) -> list[str]:
    """A command line whose `--config`, if it has one, stands first and is the path of a file.

    ml_collections wants it before the fields that are set, and tells of mistakes in these with a
    traceback.

    Raises:
      UserError: there is no such recipe or no such field.
    """
    program, *rest = arguments
    chosen = []
    for index, argument in enumerate(rest):
        name, equals, value = argument.partition("=")
        if name in ("-config", "--config"):
            value = value if equals else "".join(rest[index + 1 : index + 2])
            chosen = [f"--config={find(value)}"]
            rest = rest[:index] + rest[index + (1 if equals else 2) :]
            break
    for argument in rest:
        name = argument.lstrip("-").partition("=")[0].removeprefix("no")
        field = name.removeprefix("config.")
        if argument.startswith("-") and field != name and field not in FIELDS:
            raise UserError(config.unknown_field(field, FIELDS))
    return [program, *chosen, *rest]


def find(value: str) -> str:
    """The file of a recipe.

    Args:
      value: a path, or the name of a recipe that came with the package, from any folder: `fast` or
        `configs/fast.py`.

    Raises:
      UserError: there is none.
    """
    if Path(value).is_file():
        return value
    recipes, name = shipped(), Path(value).stem
    if value in (name, f"configs/{name}.py") and name in recipes:
        return str(recipes[name])
    near = difflib.get_close_matches(name, recipes)
    told = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(recipes)}"
    raise UserError(f"--config={value}: no such file, and no recipe has that name; {told}")
