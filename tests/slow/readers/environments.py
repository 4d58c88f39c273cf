"""Makes a reader's environment, once; a folder of what is pinned, and nothing of the project."""

import json
import shutil
import subprocess
import sys
import venv
from pathlib import Path

from readers import Reader


class Missing(Exception):
    """The reader cannot be installed here; the text says why."""


def make(reader: Reader, folder: Path) -> Path:
    """The Python of the reader's environment below `folder`, or ours for our own reader.

    Raises:
      Missing: a Python, npm or a package cannot be had.
    """
    if not reader.packages:
        return Path(sys.executable)
    target = folder / "".join(c if c.isalnum() else "-" for c in reader.name)
    python = target / "bin" / "python"
    pinned = target / "pinned.json"
    wanted = json.dumps([reader.packages, reader.npm, reader.python])
    if pinned.exists() and pinned.read_text() == wanted:
        return python
    shutil.rmtree(target, ignore_errors=True)
    if reader.python is None:
        venv.create(target, with_pip=True)
    else:
        try:
            _call([f"python{reader.python}", "-m", "venv", target])
        except Missing:
            raise Missing(f"needs Python {reader.python}") from None
    _call([python, "-m", "pip", "install", "--quiet", *reader.packages])
    if reader.npm:
        # Their scripts would fetch libraries for GPUs.
        _call(["npm", "install", "--silent", "--ignore-scripts", "--prefix", target, *reader.npm])
    pinned.write_text(wanted)
    return python


def _call(command: list) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=1800)
    except FileNotFoundError as error:
        raise Missing(f"needs {error.filename}") from None
    if done.returncode:
        lines = [line for line in (done.stderr or done.stdout).splitlines() if "ERROR" in line]
        raise Missing((lines or ["cannot be installed"])[-1])


if __name__ == "__main__":
    from readers import READERS

    for reader in READERS:
        try:
            print(reader.name, make(reader, Path(sys.argv[1])), flush=True)
        except Missing as error:
            print(reader.name, "missing:", error, flush=True)
