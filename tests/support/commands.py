"""Programs called as a user calls them, in the surroundings of `recipe`."""

import subprocess
import sys

from support import recipe


def call(*command, cwd, status=0, environment=()):
    """Runs a command that ends with a status."""
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=240,
        env=recipe.ENVIRONMENT | dict(environment),
    )
    assert done.returncode == status, done.stderr
    return done


def program(name, *flags, cwd, status=0, environment=()):
    """Runs `run_NAME.py`."""
    command = (sys.executable, recipe.ROOT / f"run_{name}.py", *flags)
    return call(*command, cwd=cwd, status=status, environment=environment)


def told(done):
    """The one line on standard error of a user's mistake."""
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    return line
