"""What to type here for a program: in a checkout a file, from a wheel a console script."""

import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path

_BESIDE = Path(__file__).resolve().parents[2]


def checkout() -> Path | None:
    """The folder that holds `run_train.py` and `configs/` beside the package; None for a wheel."""
    return _BESIDE if (_BESIDE / "run_train.py").is_file() else None


def typed(arguments: Sequence[str]) -> str:
    """The command line that `sys.argv` stands for, to be typed again."""
    return command(name_of(arguments[0]), *arguments[1:])


def name_of(file: str) -> str:
    """`train` for run_train.py and lenet-train."""
    return Path(file).stem.removeprefix("run_").removeprefix("lenet-")


def command(name: str, *flags: str) -> str:
    """What to type in this folder for a program, `train` for instance: it runs as it stands."""
    return joined([*_words(name), *flags])


def usual(name: str) -> str:
    """What a program is called in documents, whoever reads them wherever."""
    return f"lenet-{name}" if checkout() is None else f"python run_{name}.py"


def pip_install(*arguments: str) -> str:
    """What to type to install something for this Python, and not for whatever pip there is."""
    return joined([_python(), "-m", "pip", "install", *arguments])


def _words(name: str) -> list[str]:
    folder = checkout()
    if folder is not None:
        return [_python(), short(folder / f"run_{name}.py")]
    script = f"lenet-{name}"
    scripts = Path(sysconfig.get_path("scripts"))
    found = shutil.which(script)
    if (found and Path(found).parent == scripts) or not (scripts / script).exists():
        return [script]
    return [short(scripts / script)]


def _python() -> str:
    """What starts this Python: a word where that means this one, else its path."""
    own = Path(sys.executable)
    for word in ("python", "python3"):
        found = Path(shutil.which(word) or "").absolute()
        # The interpreters of all environments are links to the same file.
        if found.parent == own.parent and found.is_file() and found.samefile(own):
            return word
    return short(own)


def short(path: Path) -> str:
    """A path as it may be typed in this folder."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path) or "."


def joined(words: Sequence[str]) -> str:
    """Words as one line for this system's shell."""
    return subprocess.list2cmdline(words) if os.name == "nt" else shlex.join(words)
