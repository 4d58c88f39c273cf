"""Predicts digits with a trained run; see `--help`. Kept short on purpose: all is in lenet_jax."""

from absl import flags

from lenet_jax import data, program, submission, workdir

HELP = """python run_predict.py --workdir=runs/first --data=digit-recognizer.zip

Predicts the test digits with the run in the workdir, the members of an ensemble averaged, and
writes a submission for Kaggle. Where the digits have labels the accuracy is printed as well."""

WORKDIR = flags.DEFINE_string("workdir", "runs/default", "Folder of the run.")
DATA = flags.DEFINE_string(
    "data",
    "auto",
    "Digits to predict: auto (data/ here if it holds digits, else the sample's test digits), "
    "sample, or the path of Kaggle's zip, of its CSVs or of an IDX folder.",
)
OUTPUT = flags.DEFINE_string("output", "submission.csv", "The submission to write.")
PROBABILITIES = flags.DEFINE_string(
    "probabilities", None, "Also write the ten probabilities of each row to this CSV file."
)
CHECKPOINT = flags.DEFINE_enum(
    "checkpoint", "latest", ["latest", "best"], "Which checkpoint; best is by hold-out accuracy."
)


def main() -> None:
    """Wires the flags to the rooms."""
    record = workdir.read_run(WORKDIR.value)
    with program.importing("lenet_jax.predict"):
        dataset = data.load_test(DATA.value, say=program.tell)
    warning = data.overlap_warning(record.data_source, record.data_fingerprint, dataset)
    if warning:
        program.tell(warning)
    program.start_jax()
    from lenet_jax import hosts, mesh, predict

    params_M = predict.restore(WORKDIR.value, record, CHECKPOINT.value)
    devices = mesh.make(record.config.members)
    probabilities_NxK = predict.probabilities(
        record.config, devices, params_M, dataset.images_NxHxW
    )
    if not hosts.first():
        return
    labels_N = probabilities_NxK.argmax(axis=1)
    submission.write(OUTPUT.value, labels_N)
    submission.validate(OUTPUT.value, len(dataset), data.sample_submission(DATA.value))
    if PROBABILITIES.value:
        submission.write_probabilities(PROBABILITIES.value, probabilities_NxK)
    print(f"Wrote {len(dataset):,} rows to {OUTPUT.value}")
    if dataset.labels_N is not None:
        right = int((labels_N == dataset.labels_N).sum())
        print(f"Accuracy on {dataset.name}: {right / len(dataset):.2%} ({right:,} right)")


if __name__ == "__main__":
    program.run(main, HELP)
