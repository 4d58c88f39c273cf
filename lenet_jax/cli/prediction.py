"""The last steps of both programs that predict: `run_predict.py`, and `run_train.py --predict`."""

from lenet_jax import data
from lenet_jax.cli import program
from lenet_jax.data import Dataset
from lenet_jax.runs import workdir
from lenet_jax.submission import outputs


def write(
    run: str,
    record: workdir.Record,
    dataset: Dataset,
    source: str,
    files: outputs.Files,
    which: str = "latest",
    views: int = 1,
    *,
    overwrite: bool,
) -> None:
    """Predicts with a run's checkpoint, writes what is asked for and tells of it.

    Args:
      run: its workdir.
      record: of the run.
      dataset: what is predicted.
      source: that it was read from, as --data names it.
      files: to write, checked by `outputs.check` or `written.check` before.
      which: checkpoint, as for `predict.from_run`.
      views: likewise.
      overwrite: files that were not written here may be replaced.

    Raises:
      UserError: the run gives no probabilities, or a file cannot be written.
    """
    # Here, for JAX starts with the devices that the flags ask for.
    from lenet_jax.distributed import multihost
    from lenet_jax.inference import predict

    program.tell(data.prediction_warning(record.data_appearance, dataset))
    probabilities_NxK = predict.from_run(run, record, dataset.images_NxHxW, which, views)
    if multihost.first():
        sample = data.sample_submission(source)
        lines = outputs.write(dataset, probabilities_NxK, files, sample, overwrite=overwrite)
        print("\n".join(lines), flush=True)
