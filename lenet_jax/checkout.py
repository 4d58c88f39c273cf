"""Where the recipes and the programs are: beside the package, or, from a wheel, inside it."""

import shlex
from collections.abc import Sequence
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
_INSIDE = _PACKAGE / "programs"


def home() -> Path:
    """The folder that holds `configs/` and the programs."""
    return _INSIDE if _INSIDE.is_dir() else _PACKAGE.parent


def typed(arguments: Sequence[str]) -> str:
    """The command line that `sys.argv` stands for, to be typed again."""
    file, *flags = arguments
    if _INSIDE.is_dir():
        return shlex.join([command(Path(file).stem.removeprefix("run_")), *flags])
    return shlex.join(["python", file, *flags])


def command(name: str) -> str:
    """What to type for a program, `train` for instance."""
    return f"lenet-{name}" if _INSIDE.is_dir() else f"python run_{name}.py"
