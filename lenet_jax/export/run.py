"""The export of a run's folder."""

import os
from pathlib import Path

from lenet_jax.export.signature import Signature
from lenet_jax.export.writing import default_output, files_of, holdout_accuracy, write
from lenet_jax.files import to_path
from lenet_jax.inference import predict
from lenet_jax.runs import occupied, workdir, written


def write_run(
    folder: str | os.PathLike[str],
    record: workdir.Record,
    format: str,
    output: str | None,
    checkpoint: str,
    signature: Signature,
    *,
    overwrite: bool = False,
) -> Path:
    """Writes a run in one of the `FORMATS`, and says where.

    Args:
      folder: the run's workdir.
      record: of the run.
      format: one of `FORMATS`.
      output: where to; `default_output` if it is None.
      checkpoint: `latest` or `best`.
      signature: what the network is given.
      overwrite: files that were not written here may be replaced.

    Raises:
      UserError: there is no checkpoint, or what `write` says.
    """
    target = to_path(output) if output else default_output(folder, format, record.config.model)
    named = [("--output", path) for path in files_of(target, format)]
    inputs = [("--workdir", path) for path in occupied.files(folder)]
    written.check(named, overwrite=overwrite, inputs=inputs)
    write(
        target,
        format,
        record,
        predict.restore(folder, record, checkpoint),
        workdir.read_temperature(folder),
        epochs=workdir.epochs_done(folder, record),
        accuracy=holdout_accuracy(workdir.read_metrics(folder), checkpoint),
        signature=signature,
        overwrite=overwrite,
    )
    return target
