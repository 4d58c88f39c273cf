"""Predicts digits with a trained run: `lenet-predict`, or `run_predict.py`; see `--help`."""

from lenet_jax.environment import packages, startup

with packages.required():
    from absl.flags import DEFINE_bool, DEFINE_enum, DEFINE_integer, DEFINE_string, FlagValues

    from lenet_jax import data
    from lenet_jax.cli import prediction, program, reading
    from lenet_jax.cli.command_line import OVERWRITE
    from lenet_jax.errors import Incomplete, UserError
    from lenet_jax.runs import workdir
    from lenet_jax.submission import outputs, upload

HELP = """python run_predict.py --workdir=runs/first --data=digit-recognizer.zip

Writes a submission of what the run in the workdir, its members averaged, makes of the test digits.
Of digits with labels it tells the accuracy, of pictures each digit with its confidence."""
FLAGS = FlagValues()
WORKDIR = DEFINE_string("workdir", "runs/default", "Folder of the run.", FLAGS)
DATA = DEFINE_string("data", "auto", data.HELP_TO_PREDICT, FLAGS)
TRANSPOSED = DEFINE_bool("transposed", False, data.HELP_TRANSPOSED, FLAGS)
OUTPUT = DEFINE_string("output", "submission.csv", "The submission to write.", FLAGS)
PROBABILITIES = DEFINE_string(
    "probabilities", None, "Write the ten of each row to this CSV, too.", FLAGS
)
DOUBTFUL = DEFINE_string(
    "doubtful", None, "Write the least confident 100 rows to this CSV, too.", FLAGS
)
CHECKPOINT = DEFINE_enum(
    "checkpoint", "latest", ["latest", "best"], "Best is by the hold-out.", FLAGS
)
VIEWS = DEFINE_integer(
    "views", 1, "Views of each digit to average (test-time augmentation).", 1, flag_values=FLAGS
)
SHOW = DEFINE_string("show", None, "Write what the network saw to this PNG file.", FLAGS)
DESKEW = DEFINE_bool("deskew", False, "Straighten the slanted digits of pictures.", FLAGS)
REPORT = DEFINE_bool("report", False, "Write the run's report anew; predict nothing.", FLAGS)
SUBMIT = DEFINE_string("submit", None, "Send the submission to Kaggle with this message.", FLAGS)
OF_PREDICTIONS = (OUTPUT, PROBABILITIES, DOUBTFUL, VIEWS, SHOW, DESKEW, SUBMIT)


def main() -> None:
    """Does what the command line asks for, and ends the process."""
    program.run(_predict, HELP, program.flag_values(FLAGS))


def _predict() -> None:
    program.refuse(OF_PREDICTIONS, "--report predicts nothing", when=REPORT.value)
    record = workdir.read_run(WORKDIR.value, say=program.tell)
    which, views, anyway = CHECKPOINT.value, VIEWS.value, OVERWRITE.value
    read = data.load_train if REPORT.value else data.load_test
    turned = {"transposed": TRANSPOSED.value} | ({} if REPORT.value else {"deskew": DESKEW.value})
    ahead = () if REPORT.value else ("lenet_jax.inference.predict", record.config, views)
    dataset = reading.load(read, DATA.value, "lenet_jax.inference.predict", *ahead, **turned)
    program.refuse((DESKEW,), f"{dataset.name} is no picture", when=dataset.locations is None)
    program.refuse(
        (OUTPUT, SUBMIT), "pictures make no submission", when=dataset.locations is not None
    )
    if REPORT.value:
        from lenet_jax.report import build

        print(build.rewrite_report(WORKDIR.value, record, dataset, which))
        return
    files = outputs.Files(OUTPUT.value, PROBABILITIES.value, DOUBTFUL.value, SHOW.value)
    outputs.check(dataset, files, WORKDIR.value, DATA.value, overwrite=anyway)
    program.tell(data.overlap_warning(record.data_source, record.data_fingerprint, dataset))
    prediction.write(
        WORKDIR.value, record, dataset, DATA.value, files, which, views, overwrite=anyway
    )
    from lenet_jax.distributed import multihost

    if multihost.first():
        if dataset.locations is not None:
            _check_told()
        if SUBMIT.value is not None:
            upload.submit(dataset, OUTPUT.value, SUBMIT.value)
        if dataset.left_out:
            many = len(dataset.left_out)
            raise Incomplete(f"{many} left out, named above; the rest is answered")


def _check_told() -> None:
    """Raises UserError if the lines, which are all that pictures give, could not be written."""
    try:
        startup.check_told()
    except OSError as error:
        raise UserError(
            f"the answers could not be written to standard output ({error.strerror}); make room"
        ) from None
