"""What is published: the distributions are built, checked, installed apart and run."""

import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def run(*command, cwd):
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=240,
        env=environment,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def distributions(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dist")
    # The wheel is built from the sdist, so that what the sdist leaves out is missed.
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT, cwd=folder)
    return {path.suffix: path for path in folder.iterdir()}


def test_both_are_clean(distributions, tmp_path):
    assert set(distributions) == {".whl", ".gz"}
    run(sys.executable, "-m", "twine", "check", "--strict", *distributions.values(), cwd=tmp_path)
    with zipfile.ZipFile(distributions[".whl"]) as wheel:
        names = set(wheel.namelist())
    recipes = {path.name for path in (ROOT / "configs").glob("*.py")}
    assert {f"lenet_jax/config/configs/{name}" for name in recipes} <= names
    assert "lenet_jax/py.typed" in names
    tops = {name.split("/")[0] for name in names}
    assert len(tops) == 2, tops


@pytest.mark.slow
def test_the_console_scripts_do_what_the_files_do(distributions, tmp_path):
    venv, empty = tmp_path / "venv", tmp_path / "empty"
    run(sys.executable, "-m", "venv", "--without-pip", venv, cwd=tmp_path)
    binaries = venv / ("Scripts" if os.name == "nt" else "bin")
    pip = [sys.executable, "-m", "pip", "--python", binaries / "python", "install", "--quiet"]
    run(*pip, "--no-deps", "--no-index", distributions[".whl"], cwd=tmp_path)
    # Everything but this package comes from the packages of the tests; their own .pth files, and
    # with them an editable install of this checkout, are not read.
    (site,) = venv.rglob("site-packages")
    (site / "shared.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    empty.mkdir()
    flags = ["--workdir=run", "--data=sample"]
    everything = ["--config=configs/smoke.py", "--config.holdout=0"]
    out = run(binaries / "lenet-train", *everything, *flags, cwd=empty)
    assert "on 4,000 digits" in out
    assert "lenet-predict --workdir=run --data=sample" in out
    assert "Accuracy on sample" in run(binaries / "lenet-predict", *flags, cwd=empty)
    out = run(binaries / "lenet-export", "--help", cwd=empty)
    assert out.startswith("lenet-export --workdir=runs/first")
    out = run(binaries / "lenet-export", "--workdir=run", cwd=empty)
    assert out == "Wrote run/export/web\n"
    assert {path.name for path in empty.iterdir()} == {"run", "submission.csv"}
    assert "\nlenet-predict --workdir=run " in (empty / "run/README.md").read_text()
    where = "import lenet_jax; print(lenet_jax.__file__)"
    assert Path(run(binaries / "python", "-c", where, cwd=empty)).is_relative_to(venv)
