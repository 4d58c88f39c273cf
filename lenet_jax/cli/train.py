"""Trains LeNet-5 on digits: `lenet-train`, or `run_train.py`; see `--help`."""

import sys
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from lenet_jax.environment import commands, packages

with packages.required():
    from absl import flags

    from lenet_jax import data
    from lenet_jax.cli import program, reading
    from lenet_jax.cli.command_line import OVERWRITE
    from lenet_jax.config import Config, recipes
    from lenet_jax.data import Dataset
    from lenet_jax.errors import UserError
    from lenet_jax.runs import copies, mirror, workdir, written
    from lenet_jax.submission import outputs
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
    "Folder that outlives this machine, as on Google Drive: checkpoints and compiled programs are "
    "copied to it, and restored from it.",
    FLAGS,
)
TRANSPOSED = flags.DEFINE_bool("transposed", False, data.HELP_TRANSPOSED, FLAGS)
PREDICT = flags.DEFINE_string("predict", None, "Submission to write at the end, too.", FLAGS)
TENSORBOARD = flags.DEFINE_bool(
    "tensorboard", False, "Write events to tensorboard/ there, too.", FLAGS
)


def main() -> None:
    """Does what the command line asks for, and ends the process."""
    values = program.flag_values(FLAGS)
    given = program.define_config(values)
    program.run(lambda: _train(given.config(), given.name), HELP, values, given.arguments)


def _train(recipe: Config, recipe_name: str) -> None:
    kept_in = None
    if MIRROR.value:
        # Before anything is compiled.
        kept_in = mirror.begin(WORKDIR.value, MIRROR.value, program.compiled_folder())
    prediction = None if PREDICT.value is None else _Prediction(PREDICT.value, recipe_name)
    read = data.load_train if prediction is None else prediction.load_train
    how = read, DATA.value, "lenet_jax.report.build", "lenet_jax.training.loop", recipe
    dataset = reading.load(*how, transposed=TRANSPOSED.value)
    program.tell(data.training_warning(dataset))
    from lenet_jax.distributed import multihost
    from lenet_jax.report import best_effort, build, closing
    from lenet_jax.training import loop

    if prediction is not None:
        prediction.compile_ahead(recipe)
    with tensorboard.writer(WORKDIR.value if TENSORBOARD.value else None) as log:
        result = loop.train(
            recipe, dataset, WORKDIR.value, log=log, kept_in=kept_in, overwrite=OVERWRITE.value
        )
    if result is not None:
        build.write_results(WORKDIR.value, result)
    if prediction is not None:
        # Before the report: it is what the run is for.
        prediction.write()
    digits = [f"--data={DATA.value}", *["--transposed"] * TRANSPOSED.value]
    report = commands.command("predict", f"--workdir={WORKDIR.value}", *digits, "--report")
    if result is not None:
        again = best_effort.Again(report, commands.typed(sys.argv))
        build.write_report(WORKDIR.value, result, again, program.tell)
    if kept_in is not None:
        kept_in.copy()
    if multihost.first():
        for line in closing.lacking(WORKDIR.value, report) if result is None else ():
            program.tell(line)
        print(closing.lines(WORKDIR.value, DATA.value, predicted=prediction is not None))


class _Prediction:
    """The submission that --predict asks for."""

    _test: Dataset
    _compiled: Future[None]

    def __init__(self, output: str, recipe_name: str) -> None:
        """Refuses a file that must not be written, before anything is read.

        Raises:
          UserError: it must not.
        """
        self._output = output
        read = [
            *outputs.inputs(WORKDIR.value, DATA.value),
            *(("--mirror", path) for path in copies.folders(MIRROR.value)),
            ("--config", recipes.find(recipe_name)[0]),
        ]
        written.check([("--predict", output)], overwrite=OVERWRITE.value, inputs=read)
        outputs.check_endings([("--predict", output)])

    def load_train(self, source: str, **how: Any) -> Dataset:
        """Reads what is trained on, and what is predicted while programs are compiled.

        Raises:
          UserError: there are no test digits; nobody waits for the programs then.
        """
        training = data.load_train(source, **how)
        test = data.load_test(DATA.value, transposed=TRANSPOSED.value)
        if test.locations is not None or test.fingerprint == training.fingerprint:
            raise UserError(
                f"--predict: {test.name} has no test digits beside those that are trained on; give "
                "the zip or folder that holds both, or run run_predict.py"
            )
        program.tell(data.overlap_warning(training.source, training.fingerprint, test))
        self._test = test
        return training

    def compile_ahead(self, recipe: Config) -> None:
        """Compiles the program that predicts, beside those that train."""
        from lenet_jax.inference import predict

        pool = ThreadPoolExecutor(1)
        self._compiled = pool.submit(predict.compile_ahead, recipe, 1, len(self._test))

    def write(self) -> None:
        """Predicts with the checkpoint of the run, and tells of the submission."""
        from lenet_jax.cli import prediction

        record = workdir.read_run(WORKDIR.value)
        self._compiled.result()
        files = outputs.Files(self._output, None, None, None)
        prediction.write(
            WORKDIR.value, record, self._test, DATA.value, files, overwrite=OVERWRITE.value
        )
