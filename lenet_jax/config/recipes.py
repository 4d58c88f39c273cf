"""Recipes: Python files whose `get_config()` returns fields; those that came with the package."""

import ast
import difflib
import os
import runpy
import traceback
from collections.abc import Mapping
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
    """The config of a recipe, for a run or for another recipe to derive from.

    Args:
      value: as for `find`.

    Raises:
      UserError: there is none, or it fails, or it returns no fields of a config.
    """
    file, variant = find(value)
    try:
        get_config = runpy.run_path(file).get("get_config")
        if get_config is None:
            raise UserError("has no function get_config")
        made = get_config(*filter(None, [variant]))
        fields = made.to_dict() if hasattr(made, "to_dict") else made
        if not isinstance(fields, Mapping):
            raise UserError(f"get_config() returned no ConfigDict but {type(made).__name__}")
        return from_mapping(fields, source="get_config()")
    # One that ends the program would end it with a status that tells of no mistake.
    except (Exception, SystemExit) as error:
        raise UserError(f"--config={value}: {_reason(error, file)}") from error


def _reason(error: BaseException, file: str) -> str:
    """What went wrong in a recipe, and in which of its lines."""
    if isinstance(error, UserError):
        return str(error)
    told = str(error)
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == file]
    if isinstance(error, SyntaxError):
        told, lines = error.msg, [error.lineno]
    words = [type(error).__name__, *([f"({told})"] if told else [])]
    return " ".join([*words, *(f"in line {line}" for line in lines[-1:])])


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


def find(value: str) -> tuple[str, str]:
    """The file of a recipe, and its variant, empty for none.

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
    return file, variant
