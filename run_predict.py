"""Predicts digits with a trained run; see `--help`. Kept short on purpose: all is in lenet_jax."""

from functools import partial

from absl.flags import DEFINE_bool, DEFINE_enum, DEFINE_integer, DEFINE_string

from lenet_jax import answers, data, program, submit, workdir
from lenet_jax.errors import Incomplete

HELP = """python run_predict.py --workdir=runs/first --data=digit-recognizer.zip

Predicts the test digits with the run in the workdir, the members of an ensemble averaged, and
writes a submission for Kaggle. Where the digits have labels the accuracy is printed as well.
For a photo, or a folder of pictures, the digits are printed instead, each with its confidence."""

WORKDIR = DEFINE_string("workdir", "runs/default", "Folder of the run.")
DATA = DEFINE_string("data", "auto", data.HELP_TO_PREDICT)
TRANSPOSED = DEFINE_bool("transposed", False, data.HELP_TRANSPOSED)
OUTPUT = DEFINE_string("output", "submission.csv", "The submission to write.")
PROBABILITIES = DEFINE_string("probabilities", None, "Write the ten of each row to this CSV, too.")
DOUBTFUL = DEFINE_string("doubtful", None, "Write the least confident 100 rows to this CSV, too.")
CHECKPOINT = DEFINE_enum("checkpoint", "latest", ["latest", "best"], "Best is by the hold-out.")
VIEWS = DEFINE_integer("views", 1, "Views of each digit to average (test-time augmentation).", 1)
MEAN = DEFINE_enum("mean", "probabilities", ["probabilities", "log_probabilities"], "Of members.")
SHOW = DEFINE_string("show", None, "Write what the network saw to this PNG file.")
DESKEW = DEFINE_bool("deskew", False, "Straighten the slanted digits of pictures.")
REPORT = DEFINE_bool("report", False, "Write the run's report anew; predict nothing.")
SUBMIT = DEFINE_string("submit", None, "Send the submission to Kaggle with this message.")


def main() -> None:
    """Wires the flags to the rooms."""
    record = workdir.read_run(WORKDIR.value)
    which, views, mean = CHECKPOINT.value, VIEWS.value, MEAN.value
    with program.importing("lenet_jax.predict") as then:
        ahead = partial(then, program.compile_ahead, "predict", record.config, views, mean)
        load_test = partial(data.load_test, counted=ahead, deskew=DESKEW.value)
        load = data.load_train if REPORT.value else load_test
        dataset = load(DATA.value, say=program.tell, transposed=TRANSPOSED.value)
    program.start_jax()
    if REPORT.value:
        from lenet_jax import outcome

        print(outcome.rewrite_report(WORKDIR.value, record, dataset, which))
        return
    program.tell(data.overlap_warning(record.data_source, record.data_fingerprint, dataset))
    from lenet_jax import hosts, predict

    images_NxHxW = dataset.images_NxHxW
    probabilities_NxK = predict.from_run(WORKDIR.value, record, images_NxHxW, which, views, mean)
    if not hosts.first():
        return
    files = answers.Files(OUTPUT.value, PROBABILITIES.value, DOUBTFUL.value, SHOW.value)
    sample = data.sample_submission(DATA.value)
    print("\n".join(answers.write(dataset, probabilities_NxK, files, sample)))
    if SUBMIT.value is not None:
        submit.submit(dataset, OUTPUT.value, SUBMIT.value)
    if dataset.left_out:
        raise Incomplete(f"{len(dataset.left_out)} left out, named above; the rest is answered")


if __name__ == "__main__":
    program.run(main, HELP)
