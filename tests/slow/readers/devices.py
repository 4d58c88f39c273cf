"""`make devices`: size, accuracy and milliseconds of each form for small devices.

python tests/slow/readers/devices.py FOLDER DATA [--rounds=5] [--write]

Trains each recipe with five folds of DATA in FOLDER, unless it has been. On the digits that the
first fold's network has not seen, the layers that become int8 are compared; on those of the other
four every form is measured. The milliseconds are those of one network, one digit at a time on one
core, every form in turn in each round. LiteRT has an environment of its own in FOLDER.
"""

import argparse
import dataclasses
import datetime
import itertools
import json
import logging
import platform
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import device_forms
import environments
import numpy as np
from readers import Reader
from table_pages import PAGE, between, markdown

from lenet_jax import data
from lenet_jax.export.network import LAYERS
from lenet_jax.inference import predict
from lenet_jax.runs import workdir
from lenet_jax.training import population

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
BEGIN, END = "<!-- devices -->\n\n", "\n<!-- /devices -->\n"
FOLDS = 5
RECIPES = {"default": 8, "lecun1998": 6}
CHOICES = (
    (),
    LAYERS,
    ("C1", "C3", "C5", "F6"),
    ("C3", "C5", "F6", "output"),
    ("C3", "C5", "F6"),
    ("C5", "F6"),
    ("C5",),
)
TIMED = 2000
# The newest that runs on Python 3.11 and quantises; from 2.0 on onnx2tf does without TensorFlow,
# and its own converter refuses a Log in int8.
LITERT = Reader(
    "onnx2tf 1.29.24, LiteRT 2.1.0", "", ("onnx2tf==1.29.24", "ai-edge-litert==2.1.0"),
    python="3.11",
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("data")
    parser.add_argument("--rounds", type=int, default=5, help="of timing; 0 measures no time")
    parser.add_argument("--write", action="store_true", help="put the tables into the how-to")
    flags = parser.parse_args()
    # Orbax warns of what is asked of it on purpose.
    logging.getLogger("absl").setLevel(logging.CRITICAL)
    litert = environments.make(LITERT, flags.folder)
    dataset = data.load_train(flags.data)
    chosen, measured = [], []
    for recipe, epochs in RECIPES.items():
        networks = list(_networks(flags, recipe, epochs, dataset))
        with tempfile.TemporaryDirectory() as folder:
            chosen += _choice_rows(recipe, networks[0], dataset, Path(folder))
            measured += _rows(recipe, networks[1:], dataset, Path(folder), litert, flags.rounds)
    tables = [
        markdown([("recipe", "layers in int8", "kB", "right", "against float32"), *chosen]),
        markdown(
            [
                ("recipe", "form", "kB", "right", "against float32", "ms a digit, one core"),
                *measured,
            ]
        ),
    ]
    about = (
        f"{datetime.date.today()}, {platform.machine()}, Python {platform.python_version()}; "
        f"{LITERT.name}; epochs {RECIPES}"
    )
    print(*tables, about, sep="\n")
    if flags.write:
        page = between(PAGE.read_text(), BEGIN, END, tables[1])
        page = between(page, "<!-- int8 -->\n\n", "\n<!-- /int8 -->\n", tables[0])
        PAGE.write_text(page)


def _networks(flags, recipe, epochs, dataset):
    """Of each fold its network, as a run of its own, and the digits that it has not seen."""
    run = flags.folder / "runs" / f"{recipe} in folds"
    train = ["run_train.py", f"--config=configs/{recipe}.py", f"--config.epochs={epochs}"]
    train += [f"--config.folds={FOLDS}", f"--workdir={run}", f"--data={Path(flags.data).resolve()}"]
    subprocess.run([sys.executable, *train], cwd=ROOT, check=True, capture_output=True)
    record = workdir.read_run(run)
    params_M = predict.restore(run, record)
    held_MxV = population.make(record.config, dataset.labels_N).held_MxV
    alone = dataclasses.replace(record, config=dataclasses.replace(record.config, folds=0))
    for fold in range(FOLDS):
        own = {
            layer: {name: array[fold : fold + 1] for name, array in arrays.items()}
            for layer, arrays in params_M.items()
        }
        rows_V = held_MxV[fold]
        yield alone, own, rows_V[rows_V >= 0]


def _choice_rows(recipe, network, dataset, folder):
    record, params_M, rows_V = network
    images_VxHxW, labels_V = dataset.images_NxHxW[rows_V], dataset.labels_N[rows_V]
    found = device_forms.right_by_layers(folder, record, params_M, images_VxHxW, labels_V, CHOICES)
    base, _ = found[()]
    for layers, (right, size) in found.items():
        yield (
            f"`{recipe}.py`",
            ", ".join(layers) or "none",
            f"{size / 1000:.0f}",
            f"{right / len(rows_V):.2%}",
            f"{100 * (right - base) / len(rows_V):+.3f}",
        )


def _rows(recipe, networks, dataset, folder, litert, rounds):
    right, count = {}, 0
    for number, (record, params_M, rows_V) in enumerate(networks):
        target = folder / str(number)
        target.mkdir()
        written = device_forms.write(target, record, params_M, litert.parent)
        np.save(target / "digits.npy", dataset.images_NxHxW[rows_V])
        labels_V = dataset.labels_N[rows_V]
        count += len(rows_V)
        for form in written:
            answers_V, _ = _answers(form, target / "digits.npy", litert)
            right[form.name] = right.get(form.name, 0) + int((answers_V == labels_V).sum())
    np.save(folder / "timed.npy", dataset.images_NxHxW[rows_V[:TIMED]])
    times = {form.name: [] for form in written}
    for _, form in itertools.product(range(rounds), written):
        times[form.name].append(_answers(form, folder / "timed.npy", litert)[1])
    base = right[written[0].name]
    for form in written:
        yield (
            f"`{recipe}.py`",
            form.name,
            f"{form.size / 1000:.0f}",
            f"{right[form.name] / count:.2%}",
            f"{100 * (right[form.name] - base) / count:+.3f}",
            _spread(times[form.name]),
        )


def _answers(form, digits, litert):
    python = litert if form.script == "one_core_litert" else sys.executable
    command = [python, HERE / f"{form.script}.py", form.file, digits]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    told = json.loads(done.stdout.splitlines()[-1])
    return np.array(told["answers"]), told["milliseconds"]


def _spread(times):
    if not times:
        return "not measured"
    return f"{statistics.median(times):.3f} ({min(times):.3f} to {max(times):.3f})"


if __name__ == "__main__":
    main()
