"""The cheap targets of make, in several orders, on a tree that somebody has worked in."""

import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
BIN = Path(sys.executable).parent
# Neither sorted nor typed nor Python.
SCRIBBLE = "import os, runs, numpy\nimport lenet_jax\ndef f( x ): return y\n%matplotlib inline\n"
NOTEBOOK = '{"cells": [{"cell_type": "code", "source": ["import os"], "metadata": {}}]}'
LEFT_BEHIND = {
    "digit-recognizer.zip": "PK",
    "data/train.csv": "label,pixel0\n1,0\n",
    "train.csv": "label,pixel0\n1,0\n",
    "test.csv.gz": "",
    "submission.csv": "ImageId,Label\n1,0\n",
    "probabilities.csv": "ImageId,p0\n1,0\n",
    "photo.jpg": "",
    "lenet5.onnx": "",
    "lenet5.stablehlo": "",
    "runs/first/config.json": "{}",
    "runs/first/report/report.html": "<html>",
    "runs/__init__.py": SCRIBBLE,
    "support.py": SCRIBBLE,
    "scratch.py": SCRIBBLE,
    "test_scratch.py": SCRIBBLE,
    "env/lib/python3.11/site-packages/thing/__init__.py": SCRIBBLE,
    "env/bin/activate_this.py": SCRIBBLE,
    "Untitled.ipynb": NOTEBOOK,
    ".ipynb_checkpoints/Untitled-checkpoint.ipynb": NOTEBOOK,
    "notebooks/.ipynb_checkpoints/colab-checkpoint.ipynb": NOTEBOOK,
    "tests/.ipynb_checkpoints/test_scratch-checkpoint.py": SCRIBBLE,
    "site/index.html": "<html>",
    "dist/lenet_jax-0.0.1.tar.gz": "",
    "build/lib/lenet_jax/old.py": SCRIBBLE,
    "uv.lock": "",
}

pytestmark = pytest.mark.skipif(
    not ((ROOT / ".git").exists() and shutil.which("git") and shutil.which("make")),
    reason="needs git, make and a checkout",
)


def tracked():
    listed = ("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    names = subprocess.run(listed, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [name for name in names.split("\0") if name and (ROOT / name).is_file()]


def checkout(tree):
    """Copies what git keeps; the virtual environment is that of the tests, and make finds it."""
    for name in tracked():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, tree / name)
    (tree / ".venv/bin").mkdir(parents=True)
    for name in ("bin/python", "installed", "installed-dev"):
        (tree / ".venv" / name).touch()
    return tree


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    return checkout(tmp_path_factory.mktemp("clean"))


@pytest.fixture(scope="module")
def worked_in(tmp_path_factory):
    """A checkout with what a user leaves in it."""
    tree = checkout(tmp_path_factory.mktemp("worked-in"))
    for name, text in LEFT_BEHIND.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(text)
    return tree


def make(tree, *targets):
    # What was given to the make that runs the tests is in the environment too.
    given = ("BIN", "CONSTRAINTS", "MAKE", "MFLAGS", "PYTHON=", "VENV")
    environment = {k: v for k, v in os.environ.items() if not f"{k}=".startswith(given)}
    # What mypy has found out of the packages serves the checkout too.
    environment["MYPY_CACHE_DIR"] = str(ROOT / ".mypy_cache")
    done = subprocess.run(
        ["make", *targets, f"BIN={BIN}"],
        cwd=tree,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
    )
    return done.returncode, done.stdout


def made(tree, *targets):
    status, told = make(tree, *targets)
    assert status == 0, told
    return told


def test_help_names_every_target(worked_in):
    told = made(worked_in)
    assert told == made(worked_in, "help")
    text = "".join(path.read_text() for path in (ROOT / "Makefile", *ROOT.glob("*/**/*.mk")))
    lines = [line.split() for line in text.splitlines() if line.startswith(".PHONY:")]
    assert {line.split()[1] for line in told.splitlines()} == set().union(*lines) - {".PHONY:"}


@pytest.mark.parametrize(("target", "told"), [("run", "1 GB on the disk"), ("test", "1.6 GB")])
def test_what_is_installed_is_told_first_and_shown(clean, target, told):
    printed = made(clean, "--dry-run", target, "VENV=env", "PYTHON=python3.12")
    before, _, after = printed.partition("--editable .")
    assert told in before
    assert "--constraint constraints.txt" in before
    assert "--upgrade pip" in before
    assert "--quiet" not in printed
    assert "run_train.py" in after or "pytest" in after


@pytest.mark.parametrize("before", ["lint", "dist"])
def test_the_linters_judge_what_is_ours_alone(clean, worked_in, before):
    for program in ("ruff", "mypy", "jactionlint", "zizmor"):
        if shutil.which(program, path=BIN) is None:
            pytest.skip(f"{program} is not installed")
    # Whatever was made before, they say what they say of a clean checkout.
    make(worked_in, before)
    assert make(worked_in, "lint") == make(clean, "lint")


def test_git_is_not_offered_what_is_downloaded_or_made():
    scribbled = {"runs/__init__.py"} | {
        name for name, text in LEFT_BEHIND.items() if text != SCRIBBLE
    }
    made_or_fetched = sorted(scribbled - {"photo.jpg", "Untitled.ipynb"})
    command = ("git", "check-ignore", "--no-index", *made_or_fetched)
    ignored = subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stdout.split()
    assert ignored == made_or_fetched


def test_the_sdist_holds_nothing_of_the_user(worked_in):
    made(worked_in, "dist")
    (sdist,) = (worked_in / "dist").glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert not names & LEFT_BEHIND.keys()
    # The rest of what git keeps is for who works on the repository.
    assert {name for name in tracked() if not name.startswith(".")} <= names
    assert sdist.stat().st_size < 5_000_000
