"""Strict types, strict ranks and two CPU devices for every test."""

import atexit
import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

from support.xla import QUICK_TO_COMPILE, known

os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["JAX_NUM_CPU_DEVICES"] = "2"
# Before anything of the package is imported: no test reads or writes the user's own cache. The
# processes of one test run share theirs, with whatever has been compiled.
if "PYTEST_XDIST_WORKER" not in os.environ:
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {known(*QUICK_TO_COMPILE)}"
    os.environ["LENET_JAX_CACHE"] = tempfile.mkdtemp(prefix="lenet-jax-tests-")
    atexit.register(shutil.rmtree, os.environ["LENET_JAX_CACHE"], ignore_errors=True)

import filelock
import jax
import pytest
from hypothesis import settings

from lenet_jax.distributed import mesh
from support import recipe

# A machine that others work on, too, is slow now and then.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")

# A shell has what runs in its background ignore Ctrl-C, and so would all that the tests start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

mesh.prepare(Path(os.environ["LENET_JAX_CACHE"]) / "compiled")
jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")

# Slowest first, so that no process is left with half a minute of one file when the other is done;
# files that need the trained run apart, so that no process waits while the other one trains it.
FIRST = (
    "hosts", "step", "train", "any_mesh", "notebook", "program", "picture_pages", "mirror",
    "pictures", "checkpoint",
)  # fmt: skip


def pytest_collection_modifyitems(items):
    rank = {f"test_{name}.py": index for index, name in enumerate(FIRST)}
    items.sort(key=lambda item: rank.get(item.path.name, len(FIRST)))


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """The workdir of a small run on the sample that reads digits well; trained once for all.

    Beside it lies what the program said, `stdout`.
    """
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        # The processes of one test run share the folder above their own.
        shared = shared.parent
    folder = shared / "trained"
    # The system lets go of it when a process ends, however it ends.
    with filelock.FileLock(shared / "trained.lock"):
        if not folder.exists():
            # Apart and then renamed, so that a run that was cut off is no trained one.
            training = Path(tempfile.mkdtemp(dir=shared, prefix="training-"))
            done = subprocess.run(
                [*recipe.COMMAND, "--workdir=run", "--tensorboard"],
                cwd=training,
                env=recipe.ENVIRONMENT,
                check=True,
                capture_output=True,
                text=True,
                timeout=480,
            )
            (training / "stdout").write_text(done.stdout)
            training.rename(folder)
    return folder / "run"
