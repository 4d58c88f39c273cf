"""What only shows a run never fails the run: it is told in a line, with what makes it again."""

import contextlib
from collections.abc import Callable, Iterator
from typing import NamedTuple

from lenet_jax.environment import commands
from lenet_jax.errors import UserError
from lenet_jax.files import printable


class Again(NamedTuple):
    """What makes again what is only shown: commands, or calls.

    Attributes:
      report: of the report.
      card: of the model card.
    """

    report: str
    card: str


# Of who calls functions.
IN_PYTHON = Again(
    f"{commands.usual('predict')} --report, with the run as --workdir and its digits as --data",
    commands.command("train"),
)


@contextlib.contextmanager
def telling(what: str, again: str, say: Callable[[str], None]) -> Iterator[None]:
    """Has whatever fails in the body told in one line.

    Args:
      what: the body makes.
      again: makes it again; a fault of ours shows its traceback there.
      say: is given the line.
    """
    try:
        yield
    except Exception as error:
        kind = "" if isinstance(error, UserError) else f"{type(error).__name__}: "
        reason = printable(" ".join(f"{kind}{error}".split())[:300])
        say(f"WARNING: {what} could not be written ({reason}); to make it again: {again}")
