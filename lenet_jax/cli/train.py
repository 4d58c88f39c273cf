"""Trains LeNet-5 on digits: `lenet-train`, or `run_train.py`; see `--help`."""

import sys

from lenet_jax.environment import commands, packages

with packages.required():
    from absl import flags

    from lenet_jax import data
    from lenet_jax.cli import program, reading
    from lenet_jax.cli.command_line import OVERWRITE
    from lenet_jax.config import Config
    from lenet_jax.runs import mirror
    from lenet_jax.training import tensorboard

HELP = """python run_train.py --data=digit-recognizer.zip --workdir=runs/first

Trains LeNet-5 and leaves config.json, checkpoints/, metrics.csv, report/ and README.md in the
workdir. A workdir with a checkpoint is gone on from. Every field of the recipe can be set as
--config.field=value, for instance --config.epochs=5 --config.members=4."""

FLAGS = flags.FlagValues()
DATA = flags.DEFINE_string("data", "auto", data.HELP_TO_TRAIN, FLAGS)
WORKDIR = flags.DEFINE_string("workdir", "runs/default", "Folder of the run.", FLAGS)
MIRROR = flags.DEFINE_string(
    "mirror",
    None,
    "Folder that outlives this machine, on Google Drive for one: checkpoints and compiled programs "
    "are copied there, an empty workdir is restored from there.",
    FLAGS,
)
TRANSPOSED = flags.DEFINE_bool("transposed", False, data.HELP_TRANSPOSED, FLAGS)
TENSORBOARD = flags.DEFINE_bool(
    "tensorboard", False, "Write events to tensorboard/ there, too.", FLAGS
)


def main() -> None:
    """Does what the command line asks for, and ends the process."""
    values = program.flag_values(FLAGS)
    arguments, recipe = program.define_config(values)
    program.run(lambda: _train(recipe()), HELP, values, arguments)


def _train(recipe: Config) -> None:
    kept_in = None
    if MIRROR.value:
        # Before anything is compiled.
        kept_in = mirror.begin(WORKDIR.value, MIRROR.value, program.compiled_folder())
    how = (
        data.load_train,
        DATA.value,
        "lenet_jax.report.build",
        "lenet_jax.training.loop",
        recipe,
    )
    dataset = reading.load(*how, transposed=TRANSPOSED.value)
    program.tell(data.training_warning(dataset))
    from lenet_jax.distributed import multihost
    from lenet_jax.report import best_effort, build
    from lenet_jax.training import loop

    with tensorboard.writer(WORKDIR.value if TENSORBOARD.value else None) as log:
        result = loop.train(
            recipe, dataset, WORKDIR.value, log=log, kept_in=kept_in, overwrite=OVERWRITE.value
        )
    if result is not None:
        digits = [f"--data={DATA.value}", *["--transposed"] * TRANSPOSED.value]
        report = commands.command("predict", f"--workdir={WORKDIR.value}", *digits, "--report")
        again = best_effort.Again(report, commands.typed(sys.argv))
        build.write(WORKDIR.value, result, again, program.tell)
    if kept_in is not None:
        kept_in.copy()
    if multihost.first():
        print(build.closing(WORKDIR.value, DATA.value))
