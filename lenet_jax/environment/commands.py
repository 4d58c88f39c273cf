"""Where the recipes and the programs are: beside the package, or, from a wheel, inside it."""

import contextlib
import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]
_INSIDE = _PACKAGE / "programs"
# Of a virtual environment, on Windows and elsewhere.
_INTERPRETERS = ("bin/python", "Scripts/python.exe")


def home() -> Path:
    """The folder that holds `configs/` and the programs."""
    return _INSIDE if _INSIDE.is_dir() else _PACKAGE.parent


def typed(arguments: Sequence[str]) -> str:
    """The command line that `sys.argv` stands for, to be typed again."""
    file, *flags = arguments
    return command(Path(file).stem.removeprefix("run_"), *flags)


def command(name: str, *flags: str) -> str:
    """What to type in this folder for a program, `train` for instance: it runs as it stands."""
    return _joined([*_words(name), *flags])


def usual(name: str) -> str:
    """What a program is called in documents, whoever reads them wherever."""
    return f"lenet-{name}" if _INSIDE.is_dir() else f"python run_{name}.py"


def pip_install(*arguments: str) -> str:
    """What to type to install something for this Python, and not for whatever pip there is."""
    return _joined([_python(), "-m", "pip", "install", *arguments])


@contextlib.contextmanager
def packages() -> Iterator[None]:
    """Imports in its body that fail for want of a package end the program, in one line."""
    try:
        yield
    except ModuleNotFoundError as missing:
        line = lacking(missing)
        if line is None:
            raise
        print(f"error: {line}", file=sys.stderr)
        sys.exit(2)


def lacking(missing: ModuleNotFoundError) -> str | None:
    """A line that says what to do where a package is not installed, None for one of ours."""
    module = (missing.name or "").partition(".")[0]
    if module in ("", "lenet_jax") or module in sys.stdlib_module_names:
        return None
    told = f"{module} is not installed for {sys.executable}"
    own = next((path for part in _INTERPRETERS if (path := home() / ".venv" / part).exists()), None)
    if own is not None and own.absolute() != Path(sys.executable).absolute():
        program = [_short(own), _short(Path(sys.argv[0]).resolve()), *sys.argv[1:]]
        return f"{told}; type {_joined(program)}"
    if _INSIDE.is_dir():
        return f"{told}; type {pip_install('lenet-jax')}"
    install = pip_install("--editable", _short(home()))
    return f"{told}; make run sets it up in .venv, or, in an environment of your own, {install}"


def _words(name: str) -> list[str]:
    if not _INSIDE.is_dir():
        return [_python(), _short(home() / f"run_{name}.py")]
    script = f"lenet-{name}"
    scripts = Path(sysconfig.get_path("scripts"))
    found = shutil.which(script)
    if (found and Path(found).parent == scripts) or not (scripts / script).exists():
        return [script]
    return [_short(scripts / script)]


def _python() -> str:
    """What starts this Python: a word where that means this one, else its path."""
    own = Path(sys.executable)
    for word in ("python", "python3"):
        found = Path(shutil.which(word) or "").absolute()
        # The interpreters of all environments are links to the same file.
        if found.parent == own.parent and found.is_file() and found.samefile(own):
            return word
    return _short(own)


def _short(path: Path) -> str:
    """A path as it may be typed in this folder."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path) or "."


def _joined(words: Sequence[str]) -> str:
    return subprocess.list2cmdline(words) if os.name == "nt" else shlex.join(words)
