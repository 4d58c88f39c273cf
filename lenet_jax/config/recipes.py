"""The recipes that came with the package."""

import ast
import difflib
import os
import runpy
from pathlib import Path

from lenet_jax.config.fields import Config
from lenet_jax.config.mapping import from_mapping
from lenet_jax.environment import commands
from lenet_jax.errors import UserError

_IN_WHEEL = Path(__file__).with_name("configs")


def shipped() -> dict[str, str]:
    """Name -> what `--config` takes for it, variants too: `accurate:ensemble`.

    Of a checkout's `configs/`, which a wheel has in this package.
    """
    beside = commands.checkout()
    folder = _IN_WHEEL if beside is None else beside / "configs"
    return {
        f"{file.stem}{colon}": f"{file}{colon}"
        for file in sorted(folder.glob("*.py"))
        for colon in ("", *(f":{variant}" for variant in variants(file)))
    }


def variants(recipe: Path) -> list[str]:
    """Names of a recipe's variants, which are its public functions; it is not executed."""
    return [name for name in _docstrings(recipe) if name and name != "get_config"]


def summary(recipe: str) -> str:
    """The first line of the docstring of a recipe, or of its variant after a colon."""
    file, variant = _split(recipe)
    return _docstrings(Path(file))[variant].partition("\n")[0]


def config_of(value: str) -> Config:
    """The config of a recipe, for another one to derive from.

    Args:
      value: as for `find`.

    Raises:
      UserError: there is none.
    """
    file, variant = _split(find(value))
    made = runpy.run_path(file)["get_config"](*filter(None, [variant]))
    return from_mapping(made.to_dict())


def _docstrings(recipe: Path) -> dict[str, str]:
    """Of a file, by the empty name, and of its public functions."""
    module = ast.parse(recipe.read_text(encoding="utf-8"))
    functions = [node for node in module.body if isinstance(node, ast.FunctionDef)]
    public = [node for node in functions if not node.name.startswith("_")]
    return {"": ast.get_docstring(module) or ""} | {
        node.name: ast.get_docstring(node) or "" for node in public
    }


def _split(recipe: str) -> tuple[str, str]:
    """The file and the variant, empty for none; a drive has a colon too."""
    drive, path = os.path.splitdrive(recipe)
    file, _, variant = path.partition(":")
    return drive + file, variant


def find(value: str) -> str:
    """What ml_collections takes for a recipe.

    Args:
      value: a path, or the name of a recipe that came with the package, from any folder: `fast` or
        `configs/fast.py`; either with a variant after a colon.

    Raises:
      UserError: there is none, or it has no such variant.
    """
    file, variant = _split(value)
    known, name = shipped(), Path(file).stem
    if not Path(file).is_file():
        if file not in (name, f"configs/{name}.py") or name not in known:
            names = [name for name in known if ":" not in name]
            near = difflib.get_close_matches(name, names)
            told = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(names)}"
            raise UserError(f"--config={value}: no such file, and no recipe has that name; {told}")
        file = known[name]
    if variant and name in known and Path(file).samefile(known[name]):
        there_are = variants(Path(file))
        if variant not in there_are:
            told = f"there are {', '.join(there_are)}" if there_are else "it has none"
            raise UserError(f"--config={value}: {name} has no such variant; {told}")
    return f"{file}:{variant}" if variant else file
