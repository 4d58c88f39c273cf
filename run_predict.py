"""Predicts digits with a trained run; see `--help`. Kept short on purpose: all is in lenet_jax."""

from lenet_jax.environment import commands, startup

startup.begin()
with commands.packages():
    from absl.flags import DEFINE_bool, DEFINE_enum, DEFINE_integer, DEFINE_string

    from lenet_jax import data
    from lenet_jax.cli import program
    from lenet_jax.runs import workdir
    from lenet_jax.submission import outputs, upload

HELP = """python run_predict.py --workdir=runs/first --data=digit-recognizer.zip

Writes a submission of what the run in the workdir, its members averaged, makes of the test digits.
Of digits with labels it tells the accuracy, of pictures each digit with its confidence."""
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
OF_PREDICTIONS = (OUTPUT, PROBABILITIES, DOUBTFUL, VIEWS, MEAN, SHOW, DESKEW, SUBMIT)


def main() -> None:
    """Wires the flags to the rooms."""
    program.refuse(OF_PREDICTIONS, "--report predicts nothing", when=REPORT.value)
    record = workdir.read_run(WORKDIR.value, say=program.tell)
    which, how = CHECKPOINT.value, (VIEWS.value, MEAN.value)
    read = data.load_train if REPORT.value else data.load_test
    turned = {"transposed": TRANSPOSED.value} | ({} if REPORT.value else {"deskew": DESKEW.value})
    ahead = () if REPORT.value else ("lenet_jax.inference.predict", record.config, *how)
    dataset = program.load(read, DATA.value, "lenet_jax.inference.predict", *ahead, **turned)
    program.refuse((DESKEW,), f"{dataset.name} is no picture", when=dataset.places is None)
    program.refuse((OUTPUT, SUBMIT), "pictures make no submission", when=dataset.places is not None)
    from lenet_jax.distributed import multihost
    from lenet_jax.inference import predict
    from lenet_jax.report import build

    if REPORT.value:
        print(build.rewrite_report(WORKDIR.value, record, dataset, which))
        return
    program.tell(data.overlap_warning(record.data_source, record.data_fingerprint, dataset))
    probabilities_NxK = predict.from_run(WORKDIR.value, record, dataset.images_NxHxW, which, *how)
    if multihost.first():
        files = outputs.Files(OUTPUT.value, PROBABILITIES.value, DOUBTFUL.value, SHOW.value)
        sample = data.sample_submission(DATA.value)
        print("\n".join(outputs.write(dataset, probabilities_NxK, files, sample)))
        if SUBMIT.value is not None:
            upload.submit(dataset, OUTPUT.value, SUBMIT.value)
        program.done_but_for(dataset.left_out)


if __name__ == "__main__":
    program.run(main, HELP)
