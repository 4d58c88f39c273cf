"""The text of `--help`, and of `--version`."""

import dataclasses
import platform
import re
import shutil
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from importlib import metadata
from typing import Any

from absl import flags

from lenet_jax import __version__
from lenet_jax.config import documented, recipes
from lenet_jax.environment import commands

# Columns of the terminal that are used, and of what stands before an explanation.
NARROWEST, WIDEST, LEFT = 60, 100, 27


@dataclasses.dataclass(frozen=True)
class Flag:
    """A flag as it is shown.

    Attributes:
      name: without dashes.
      default: None for none.
      choices: of what it takes; empty for anything, and for a switch.
      help: what it does.
    """

    name: str
    default: str | int | bool | None
    choices: Sequence[str]
    help: str


def text(
    description: str,
    flags: Sequence[Flag],
    recipe: Mapping[str, Any] | None,
    several: Sequence[Flag],
    footer: str,
    *,
    full: bool,
) -> str:
    """The whole help.

    Args:
      description: of the program; what to type stands in it as for a checkout.
      flags: what everybody needs first.
      recipe: field -> value of the recipe that was asked for, None for a program without one.
      several: flags of a run of several processes.
      footer: the last lines.
      full: all that is documented of a field, in place of as much as fits into its line.
    """
    # From a wheel the programs have other names.
    description = re.sub(r"python run_(\w+)\.py", lambda run: commands.usual(run[1]), description)
    first, _, rest = description.partition("\n\n")
    parts = [first, *(textwrap.fill(part, _width()) for part in rest.split("\n\n"))]
    parts.append(_part("Flags, with their defaults", map(_flag, flags)))
    if recipe is not None:
        shipped = [(name, recipes.summary(path)) for name, path in recipes.shipped().items()]
        fields = [(f"{name}={recipe[name]}", told) for name, told in documented().items()]
        if not full:
            shipped, fields = _cut(shipped), _cut(fields)
        more = "" if full else ", whole in --helpfull"
        parts.append(_part("Recipes, --config=NAME", shipped))
        parts.append(_part(f"Fields of the recipe, --config.FIELD=VALUE{more}", fields))
    parts.append(_part("For a run of several processes", map(_flag, several)))
    return "\n\n".join([*parts, footer])


def of_flag(flag: flags.Flag) -> Flag:
    """One of absl's as it is shown."""
    default = "default" if flag.name == "config" else flag.default
    return Flag(flag.name, default, getattr(flag.parser, "enum_values", ()), flag.help)


def versions() -> str:
    """What `--version` shows."""
    jax = metadata.version("jax")
    return f"lenet-jax {__version__} (Python {platform.python_version()}, jax {jax})"


def _flag(flag: Flag) -> tuple[str, str]:
    if isinstance(flag.default, bool):
        return f"--{'[no]' * flag.default}{flag.name}", flag.help
    if flag.choices:
        # absl puts them in front of the help.
        told = flag.help.removeprefix(f"<{'|'.join(flag.choices)}>: ")
        left_out = "" if flag.default is None else f" Left out, {flag.default}."
        return f"--{flag.name}={'|'.join(flag.choices)}", f"{told}{left_out}"
    return f"--{flag.name}={'...' if flag.default is None else flag.default}", flag.help


def _part(heading: str, entries: Iterable[tuple[str, str]]) -> str:
    """Names with what they mean beside them, or below where the name is long."""
    lines = [f"{heading}:"]
    for name, told in entries:
        name = f"  {name}"
        explained = textwrap.wrap(told, _width() - LEFT)
        if len(name) < LEFT:
            lines.append(f"{name:<{LEFT}}{explained.pop(0)}")
        else:
            lines.append(name)
        lines += [f"{'':<{LEFT}}{line}" for line in explained]
    return "\n".join(lines)


def _cut(entries: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """As much of each as fits into a line."""
    width = _width() - LEFT
    return [(name, textwrap.shorten(told, width, placeholder=" ...")) for name, told in entries]


def _width() -> int:
    return min(max(shutil.get_terminal_size().columns, NARROWEST), WIDEST) - 1
