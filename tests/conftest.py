"""Strict types, strict ranks and two CPU devices for every test."""

import fcntl
import os
import subprocess
import sys
import tempfile
from pathlib import Path

os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["JAX_NUM_CPU_DEVICES"] = "2"
# Before anything of the package is imported: no test reads or writes the user's own cache.
os.environ["LENET_JAX_CACHE"] = tempfile.mkdtemp(prefix="lenet-jax-tests-")

import jax
import pytest

from lenet_jax import mesh

mesh.prepare()
jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """The workdir of a small run on the sample that reads digits well; trained once for all."""
    workers = "PYTEST_XDIST_WORKER" in os.environ
    base = tmp_path_factory.getbasetemp()
    place = (base.parent if workers else base) / "trained"
    with (base.parent / "trained.lock").open("w") as lock:
        # The processes of one test run share the folder above their own.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (place / "run" / "README.md").exists():
            place.mkdir(exist_ok=True)
            program = [sys.executable, str(ROOT / "run_train.py"), "--data=sample"]
            fields = ["--config.epochs=15", "--config.ema_decay=0.99", "--config.holdout=0"]
            subprocess.run(
                [*program, *fields, "--workdir=run"],
                cwd=place,
                env=os.environ | {"PYTHONPATH": str(ROOT)},
                check=True,
                capture_output=True,
            )
    return place / "run"
