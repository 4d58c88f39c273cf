"""Messages of the programs in the words of a notebook, where there are no flags to give."""

import contextlib
import logging
import re
from collections.abc import Iterator

from lenet_jax.environment import commands
from lenet_jax.errors import UserError

_WORDS = (
    (r"--data=(\w+)", r"load_data('\1')"),
    (r"--data takes", "load_data takes"),
    (r"--data\b", "digits"),
    (r"--workdir\b", "run"),
    (r"--transposed\b", "transposed=True"),
    (r"leave the flag out", "leave it out"),
    (r"--config, fields", "fields"),
    # Of several processes, which a notebook has not, and of devices.
    (r"--(\w+)", r"\1"),
)


def in_python(message: str) -> str:
    """A message as it is for who calls functions.

    Examples:
      >>> in_python("--data=auto: no digits in data/ here, taking the sample")
      "load_data('auto'): no digits in data/ here, taking the sample"
      >>> in_python("w: holds a run; give the same --data to go on, or another --workdir")
      'w: holds a run; give the same digits to go on, or another run'
      >>> in_python("f: give --batch=1: python run_export.py --format=onnx; or --data")
      'f: give batch=1: python run_export.py --format=onnx; or digits'
      >>> in_python("x.csv: its digits lie on their side; give --transposed")
      'x.csv: its digits lie on their side; give transposed=True'
    """
    command = re.escape(commands.command("train"))
    message = re.sub(rf"{command} .*?(?= goes on|$)", "lenet_jax.train(digits, run)", message)
    # What is to be typed into a shell stays as it is.
    parts = re.split(r"(\S*(?:run_\w+\.py|pip install)[^;,]*)", message)
    for pattern, words in _WORDS:
        parts[::2] = [re.sub(pattern, words, part) for part in parts[::2]]
    return "".join(parts)


@contextlib.contextmanager
def errors_in_python() -> Iterator[None]:
    """Lets the errors of its body speak of arguments, where those of the programs tell of flags."""
    try:
        yield
    except UserError as error:
        raise UserError(in_python(str(error))) from error.__cause__


@contextlib.contextmanager
def quiet_orbax() -> Iterator[None]:
    """Keeps Orbax, which warns of what is asked of it on purpose, silent inside the body."""
    orbax = logging.getLogger("absl")
    level = orbax.level
    orbax.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        orbax.setLevel(level)
