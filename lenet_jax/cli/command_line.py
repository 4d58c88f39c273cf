"""The words of a command line before they are parsed: what was forgotten, and what came twice."""

import functools
import sys
from collections.abc import Callable, Collection, Sequence

from absl import flags

from lenet_jax.cli import recipe_flags, streams
from lenet_jax.errors import UserError
from lenet_jax.files import home, printable

OVERWRITE = flags.DEFINE_bool(
    "overwrite",
    False,
    "Replace files that this program has not written or that were changed since, never what is "
    "read.",
)
# Flags whose value is the path of a file or folder; --data has its own words for some.
PATHS = (
    "config", "config.teacher", "doubtful", "mirror", "output", "predict", "probabilities", "show",
    "workdir",
)  # fmt: skip


def read(values: flags.FlagValues, say: Callable[[str], None]) -> list[str]:
    """The command line with what its files of flags hold.

    Args:
      values: the flags of a program.
      say: is given a line for what may be a mistake in it.

    Raises:
      UserError: a file of flags cannot be read, or a value was forgotten.
    """
    streams.take_any_text()
    try:
        given = values.read_flags_from_files(sys.argv[1:])
    except (flags.Error, UnicodeDecodeError) as error:
        refused = error.__context__
        reason = f": {error}"
        if isinstance(refused, OSError):
            reason = f"={refused.filename}: {refused.strerror}"
        raise UserError(f"--flagfile{reason}; give a text file with a flag in each line") from None
    words, told = checked([sys.argv[0], *given], functools.partial(_is_switch, values), PATHS)
    for line in told:
        say(line)
    return words


def _is_switch(values: flags.FlagValues, name: str) -> bool | None:
    """Whether a flag takes no value, None for what is no flag."""
    bare = name.removeprefix("no")
    field = bare.removeprefix("config.")
    if field != bare:
        return recipe_flags.is_switch(field) if field in recipe_flags.FIELDS else None
    known = next((flag for flag in (name, bare) if flag in values), None)
    if known is None:
        # `--config` is defined once the command line is known.
        return False if name == "config" else None
    return bool(values[known].boolean)


def checked(
    arguments: Sequence[str], is_switch: Callable[[str], bool | None], paths: Collection[str]
) -> tuple[list[str], list[str]]:
    """A command line whose values are all there, `~` being the home where they are paths.

    Args:
      arguments: the program and its flags.
      is_switch: whether a flag takes no value; None for a word that is no flag.
      paths: flags whose values are paths.

    Returns:
      The command line, and a line for each flag that is in it more than once.

    Raises:
      UserError: a value was forgotten or is empty, or nobody has such a home.
    """
    program, *left = arguments
    words, values = [program], dict[str, list[str]]()
    while left:
        word = left.pop(0)
        name, equals, value = word.lstrip("-").partition("=")
        switch = is_switch(name) if word.startswith("-") else None
        if switch is None:
            words.append(word)
            continue
        if switch:
            name, value = name.removeprefix("no"), word
        else:
            if not equals:
                value = _next(name, left)
            # Some fields of a recipe are empty by default.
            if not value and not name.startswith("config."):
                raise UserError(f"--{name}: its value is empty; give one, or leave the flag out")
            if name in paths:
                value = home(value, f"--{name}=")
            word = f"--{name}={value}"
        words.append(word)
        values.setdefault(name, []).append(value)
    return words, [
        f"WARNING: --{name} is given {len(given)} times; the last one counts, "
        f"{printable(given[-1])}"
        for name, given in values.items()
        if len(given) > 1
    ]


def _next(name: str, left: list[str]) -> str:
    """Takes the value of a flag from the words after it."""
    if not left or left[0].startswith("--"):
        told = f", for {printable(left[0])} comes next" if left else ""
        raise UserError(f"--{name}: its value is missing{told}; give --{name}=VALUE")
    return left.pop(0)
