"""Virtual environments with one version of jax and its compilers for accelerators each."""

import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent


def versions() -> dict[str, Path]:
    """Versions of jax that there are pinned requirements for, newest first."""
    found = {file.stem.removeprefix("jax-"): file for file in HERE.glob("jax-*.txt")}

    def numbers(jax_version: str) -> list[int]:
        return [int(number) for number in re.findall(r"\d+", jax_version)]

    return {name: found[name] for name in sorted(found, key=numbers, reverse=True)}


def make(folder: Path, jax_version: str) -> Path:
    """The Python of an environment, which is made if it is not there or its requirements changed.

    Args:
      folder: that environments lie in.
      jax_version: one of `versions()`.

    Raises:
      subprocess.CalledProcessError: pip has failed, and said why.
    """
    requirements = versions()[jax_version]
    root = folder / f"jax-{jax_version}"
    python, installed = root / "bin/python", root / "installed.txt"
    if installed.exists() and installed.read_text() == requirements.read_text():
        return python
    print(f"makes {root}: about a GB", file=sys.stderr)
    subprocess.run([sys.executable, "-m", "venv", "--clear", root], check=True)
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    # First what the product needs, then the compilers alone: what they need is for running.
    subprocess.run([*pip, "--constraint", requirements, "--editable", ROOT], check=True)
    subprocess.run([*pip, "--no-deps", "--requirement", requirements], check=True)
    installed.write_text(requirements.read_text())
    return python
