"""Runs the notebook headless with the packages of Colab or Kaggle, from an empty home.

python tests/slow/notebook.py colab --python=python3.13
python tests/slow/notebook.py kaggle --python=python3.12

Installs about 600 MB of packages into a folder that is removed, unless --environment names one.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parents[2]
SETS = Path(__file__).parent / "sets"
# What each of them sets, by which the first cell knows it.
VARIABLES = {
    "colab": {"COLAB_RELEASE_TAG": "release-colab"},
    "kaggle": {"KAGGLE_KERNEL_RUN_TYPE": "Interactive"},
}
CHOICES = {"LENET_JAX_EPOCHS": "2", "LENET_JAX_MEMBERS": "2", "LENET_JAX_DATA": "sample"}


def make(python: str, requirements: Path, environment: Path) -> None:
    """Installs what the runtime has, and a kernel."""
    if (environment / "bin" / "python").exists():
        return
    subprocess.run([python, "-m", "venv", environment], check=True)
    pip = [environment / "bin" / "python", "-m", "pip", "install", "--quiet"]
    subprocess.run([*pip, "--requirement", requirements, "ipykernel"], check=True)


def versions(environment: Path) -> dict[str, str]:
    """Package -> version."""
    command = [environment / "bin" / "python", "-m", "pip", "list", "--format=json"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return {package["name"]: package["version"] for package in json.loads(done.stdout)}


def run(environment: Path, folder: Path, variables: dict[str, str]) -> str:
    """Runs the notebook beside a copy of the project; returns all that it prints."""
    listed = ["git", "-C", str(ROOT), "ls-files", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.run(listed, check=True, capture_output=True, text=True).stdout.split():
        if (ROOT / name).is_file():
            (folder / "lenet-jax" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / "lenet-jax" / name)
    kernel = folder / "kernels" / "runtime"
    kernel.mkdir(parents=True)
    python = str(environment / "bin" / "python")
    argv = [python, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    (kernel / "kernel.json").write_text(
        json.dumps({"argv": argv, "display_name": "runtime", "language": "python"})
    )
    os.environ["JUPYTER_PATH"] = str(folder)
    (folder / "home").mkdir()
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
    # What reaches a package index stays, or there is nothing to install from.
    kept |= {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
    kept |= {"HOME": str(folder / "home")} | variables | CHOICES
    notebook = nbformat.read(ROOT / "notebooks" / "colab.ipynb", as_version=4)
    client = NotebookClient(
        notebook, timeout=600, kernel_name="runtime", resources={"metadata": {"path": str(folder)}}
    )
    client.execute(env=kept)
    outputs = (output for cell in notebook.cells for output in cell.get("outputs", []))
    return "".join(output.get("text", "") for output in outputs)


def main() -> None:
    """Ends with a traceback if the notebook fails or a package was replaced."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runtime", choices=sorted(VARIABLES))
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--environment", help="is kept, and not installed again")
    flags = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary).resolve()
        environment = Path(flags.environment or folder / "environment").absolute()
        make(flags.python, SETS / f"{flags.runtime}.txt", environment)
        before = versions(environment)
        print(run(environment, folder, VARIABLES[flags.runtime]))
        assert (folder / "submission.csv").is_file()
        after = versions(environment)
        replaced = {name: (version, after.get(name)) for name, version in before.items()}
        replaced = {name: each for name, each in replaced.items() if each[0] != each[1]}
        assert not replaced, replaced
        new = ", ".join(f"{name} {after[name]}" for name in sorted(after.keys() - before.keys()))
        print(f"Of {len(before)} packages none was replaced; installed: {new or 'nothing'}")


if __name__ == "__main__":
    main()
