"""Tries the commands of the README on every Python and set of packages that people have.

python tests/slow/matrix.py                     # all rows, about an hour on two cores
python tests/slow/matrix.py lowest newest-3.14  # these rows; the others keep their last result

Each row is a clean clone of the last commit with an empty home and a virtual environment of its
own: `make run`, `make test` (the fast half of the tests; --whole for all), both again, the exports,
and all cleaned but the environment, `make test` before `make run`, twice. When a test is run again
it is those of `AGAIN`. Prints one table and keeps it in docs/reliability.md.
"""

import argparse
import datetime
import functools
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import kept

ROOT = Path(__file__).resolve().parents[2]
SETS = Path(__file__).parent / "sets"
PAGE = ROOT / "docs" / "reliability.md"
UV = Path(sys.executable).with_name("uv")
MINORS = (11, 12, 13, 14)
LOWEST = MINORS[0]
# Files with more than half of the seconds that all tests take.
SLOW_HALF = (
    "any_mesh", "conv", "docs", "export", "hosts", "make", "model", "optimizer", "pictures",
    "predict", "step", "train", "web",
)  # fmt: skip
# What depends on what lies in the tree and in the home.
AGAIN = ("make", "stranger", "versions")
HEAD = (
    "| row | Python | jax | flax | NumPy | `make run`, accuracy | `make test` | both again "
    "| exports | in reverse, twice | day |\n|---|---|---|---|---|---|---|---|---|---|---|"
)
# What the caller's environment must not bring along.
LEFT_OUT = (
    "JAX_",
    "LENET_JAX",
    "MAKE",
    "MFLAGS",
    "PYTEST",
    "PYTHON",
    "UV_",
    "VIRTUAL_ENV",
    "XDG",
    "XLA",
)
LIMIT = 3600


class Failed(Exception):
    """A command of a row ended with another status than 0."""


@dataclass(frozen=True)
class Row:
    """A row of the table.

    Attributes:
      name: of the row.
      minor: of the Python.
      fill: makes the virtual environment of a clone; None leaves it to `make`, with the newest.
    """

    name: str
    minor: int
    fill: Callable | None = None


@dataclass
class Clone:
    """A clean clone with an empty home.

    Attributes:
      folder: the clone.
      python: path of the interpreter.
      log: an open file for what commands print.
    """

    folder: Path
    python: str
    log: object

    @property
    def home(self):
        """Path of the home."""
        return self.folder.parent / "home"

    def clean(self):
        """Leaves what was cloned, the virtual environment, and an empty home."""
        self.run("git", "clean", "-xdfq", "--exclude=.venv")
        shutil.rmtree(self.home)

    def run(self, *command, **environment):
        """What a command printed on standard output; raises Failed with its last line."""
        kept_variables = {
            name: value for name, value in os.environ.items() if not name.startswith(LEFT_OUT)
        }
        self.home.mkdir(exist_ok=True)
        print("$", *command, file=self.log, flush=True)
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=kept_variables | {"HOME": str(self.home)} | environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=LIMIT,
        )
        print(done.stdout, file=self.log, flush=True)
        if done.returncode:
            raise Failed(f"{command[0]} {command[1]}: status {done.returncode}")
        return done.stdout

    def uv(self, *command):
        """Calls uv, with the cache of the caller."""
        cache = subprocess.run([UV, "cache", "dir"], capture_output=True, text=True, check=True)
        return self.run(str(UV), *map(str, command), UV_CACHE_DIR=cache.stdout.strip())

    def install(self, *what):
        """Installs into the clone's virtual environment."""
        return self.uv("pip", "install", "--python", self.binary("python"), *what)

    def binary(self, name):
        """Path of a program of the virtual environment."""
        return str(self.folder / ".venv" / "bin" / name)

    def packages(self):
        """What is installed: name -> version, without the product."""
        text = self.uv("pip", "freeze", "--python", self.binary("python"), "--exclude-editable")
        return dict(line.split("==") for line in text.splitlines() if "==" in line)


def lowest(clone):
    """The lowest versions of what the product and its extras name, the newest of all others."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    (tested,) = (text for text in project["dependency-groups"]["test"] if "lenet-jax" in text)
    extras = tested.removeprefix("lenet-jax")
    clone.install("--resolution=lowest-direct", "--editable", f".{extras}")
    _add_tests(clone, clone.packages())


def runtime(name):
    """Fills an environment with what a notebook's runtime has, and then as a user of it does."""

    def fill(clone):
        clone.install("--requirement", SETS / f"{name}.txt")
        before = clone.packages()
        clone.install("--editable", ".")
        after = clone.packages()
        changed = {key: after.get(key) for key in before if after.get(key) != before[key]}
        if changed:
            raise Failed(f"installing the product changes {changed}")
        _add_tests(clone, after)

    return fill


def _add_tests(clone, packages):
    constraints = clone.folder.parent / "constraints.txt"
    lines = [f"{name}=={version}\n" for name, version in packages.items()]
    constraints.write_text("".join(lines))
    clone.install("--constraint", constraints, "--editable", ".", "--group", "test", "pip")
    changed = {
        name: version
        for name, version in clone.packages().items()
        if packages.get(name, version) != version
    }
    if changed:
        raise Failed(f"the tests' packages change {changed}")


ROWS = (
    *(Row(f"newest-3.{minor}", minor) for minor in MINORS),
    Row("lowest", LOWEST, lowest),
    Row("colab", 13, runtime("colab")),
    Row("kaggle", 12, runtime("kaggle")),
)


def interpreter(minor):
    """Path of a Python 3.`minor` that runs and can make virtual environments, else None."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found = [shutil.which(f"python3.{minor}"), *pyenv.glob(f"3.{minor}.*/bin/python3.{minor}")]
    for path in filter(None, found):
        check = [path, "-c", "import ensurepip, venv"]
        if subprocess.run(check, capture_output=True).returncode == 0:
            return str(path)
    return None


def attempt(row, log, whole):
    """Does a row; returns the cells of its line in the table."""
    python = interpreter(row.minor)
    cells = [row.name, f"3.{row.minor}", *[""] * 8, str(datetime.date.today())]
    if python is None:
        cells[1] += ": none found"
        return cells
    with tempfile.TemporaryDirectory(prefix=f"matrix-{row.name}-") as name:
        clone = Clone(Path(name) / "clone", python, log)
        at = 5
        try:
            clone.folder.mkdir()
            clone.run("git", "clone", "--quiet", str(ROOT), ".")
            # Make takes the newest versions, and an environment that is there as it is.
            settings = [f"PYTHON={python}", "CONSTRAINTS="]
            if row.fill:
                clone.uv("venv", "--python", python, ".venv")
                row.fill(clone)
                for stamp in ("installed", "installed-dev"):
                    (clone.folder / ".venv" / stamp).touch()
            run = functools.partial(clone.run, "make", "run", *settings)
            cells[at] = _accuracy(run())
            cells[1:5] = _versions(clone)
            at = 6
            test = functools.partial(clone.run, "make", "test", *settings)
            again = functools.partial(test, PYTEST_ADDOPTS=_files(AGAIN))
            cells[at] = _tests(test(**_asked(whole)))
            at = 7
            cells[at] = f"{_accuracy(run())}, {_tests(again())}"
            at = 8
            cells[at] = _exports(clone)
            at = 9
            clone.clean()
            cells[at] = "; ".join(f"{_tests(again())}, {_accuracy(run())}" for _ in range(2))
        except (Failed, subprocess.TimeoutExpired) as error:
            cells[at] = f"**{error}**"
    return cells


def _asked(whole):
    return {} if whole else {"PYTEST_ADDOPTS": _files(SLOW_HALF, "--ignore=")}


def _files(names, option=""):
    """Of tests, as pytest takes them."""
    return " ".join(f"{option}tests/test_{name}.py" for name in names)


def _accuracy(told):
    found = re.findall(r"Accuracy on .*?([0-9.]+%)", told)
    return found[-1] if found else "done"


def _tests(told):
    """Pytest's last line, in short."""
    return re.findall(r"[0-9]+ passed.*?(?= in )", told)[-1]


def _exports(clone):
    for format in ("onnx", "stablehlo", "web"):
        command = (clone.binary("python"), "run_export.py", "--workdir=runs/sample")
        clone.run(*command, f"--format={format}")
    return "onnx, stablehlo, web"


def _versions(clone):
    code = (
        "import platform, jax, flax, numpy\n"
        "print(platform.python_version(), jax.__version__, flax.__version__, numpy.__version__)"
    )
    return clone.run(clone.binary("python"), "-c", code).split()[-4:]


def keep(line):
    """Puts a row's line into the table of the documentation, in the order of `ROWS`."""
    lines = [*kept.read(PAGE, "matrix").splitlines()[2:], line]
    by_name = {line.split(" | ")[0]: line for line in lines}
    ordered = [by_name[name] for row in ROWS if (name := f"| {row.name}") in by_name]
    table = "\n".join([HEAD, *ordered])
    kept.write(PAGE, "matrix", table)
    return table


def main():
    """Does the rows that are asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = [row.name for row in ROWS]
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"of {', '.join(names)}")
    parser.add_argument("--whole", action="store_true", help="all tests, not the fast half")
    parser.add_argument("--logs", type=Path, default=ROOT / "runs" / "matrix")
    arguments = parser.parse_args()
    unknown = set(arguments.rows) - set(names)
    if unknown:
        parser.error(f"no such row: {', '.join(sorted(unknown))}")
    arguments.logs.mkdir(parents=True, exist_ok=True)
    failed = False
    for row in ROWS:
        if arguments.rows and row.name not in arguments.rows:
            continue
        begun = time.monotonic()
        with (arguments.logs / f"{row.name}.txt").open("w") as log:
            cells = attempt(row, log, arguments.whole)
        failed |= "**" in "".join(cells)
        line = f"| {' | '.join(cells)} |"
        table = keep(line)
        print(f"{line}  ({time.monotonic() - begun:.0f} s)", flush=True)
    print(table)
    sys.exit(failed)


if __name__ == "__main__":
    main()
