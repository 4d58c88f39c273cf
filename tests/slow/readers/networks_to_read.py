"""Trained networks of every kind, in every form that an ONNX file of ours can have."""

import subprocess
import sys
from pathlib import Path

import numpy as np

import lenet_jax
from lenet_jax import export
from lenet_jax.inference import predict
from lenet_jax.runs import workdir

ROOT = Path(__file__).parents[3]
# Sure of most digits, as a network in use is, so that probabilities near 0 and 1 are compared too.
KINDS = {
    "one": ("--config.epochs=2",),
    "three members": ("--config.epochs=2", "--config.members=3"),
    "lecun1998": (f"--config={ROOT}/configs/lecun1998.py", "--config.epochs=12"),
    "silu act_pool": (
        "--config.epochs=2",
        "--config.activation=silu",
        "--config.subsampling=act_pool",
    ),
    "width 2": ("--config.epochs=2", "--config.width=2"),
}
# In the order in which they are tried, flags -> what they are to a reader.
FORMS = {
    (): ("uint8", None),
    ("--input=float32",): ("float32", None),
    ("--batch=1",): ("uint8", 1),
    ("--input=float32", "--batch=1"): ("float32", 1),
}


def make(runs: Path, folder: Path, digits: np.ndarray) -> dict[str, np.ndarray]:
    """Exports each kind in each form below `folder`, and gives the probabilities of each.

    Args:
      runs: where they are trained, unless they have been.
      folder: for the files.
      digits: uint8 [B, 28, 28].
    """
    expected = {}
    for kind, flags in KINDS.items():
        run = runs / kind
        train = ["run_train.py", "--data=sample", f"--workdir={run}", *flags]
        subprocess.run([sys.executable, *train], cwd=ROOT, check=True, capture_output=True)
        record = workdir.read_run(run)
        params_M, temperature = predict.restore(run, record), workdir.read_temperature(run)
        for form, (pixels, batch) in FORMS.items():
            signature = export.Signature(pixels=pixels, batch=batch)
            output = file(folder, kind, form)
            export.write(output, "onnx", record, params_M, temperature, signature=signature)
        expected[kind] = lenet_jax.load(run)(digits)
    return expected


def file(folder: Path, kind: str, form: tuple[str, ...]) -> Path:
    """Where a kind in a form was written."""
    name = "-".join(flag.strip("-").replace("=", "-") for flag in form) or "as-it-is"
    return folder / kind / name / "lenet5.onnx"
