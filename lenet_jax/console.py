"""The console scripts: each runs the file of its program, so that both do the same."""

import runpy

from lenet_jax.environment import commands


def train() -> None:
    """`lenet-train`, which is `run_train.py`."""
    _run("run_train.py")


def predict() -> None:
    """`lenet-predict`, which is `run_predict.py`."""
    _run("run_predict.py")


def export() -> None:
    """`lenet-export`, which is `run_export.py`."""
    _run("run_export.py")


def _run(file: str) -> None:
    runpy.run_path(str(commands.home() / file), run_name="__main__")
