"""The export of a run's folder."""

import os
from pathlib import Path

from lenet_jax.export.signature import Signature
from lenet_jax.export.writing import default_output, holdout_accuracy, write
from lenet_jax.files import place
from lenet_jax.inference import predict
from lenet_jax.runs import workdir


def write_run(
    folder: str | os.PathLike[str],
    record: workdir.Record,
    format: str,
    output: str | None,
    checkpoint: str,
    signature: Signature,
) -> Path:
    """Writes a run in one of the `FORMATS`, and says where.

    Args:
      folder: the run's workdir.
      record: of the run.
      format: one of `FORMATS`.
      output: where to; `default_output` if it is None.
      checkpoint: `latest` or `best`.
      signature: what the network is given.

    Raises:
      UserError: there is no checkpoint, or what `write` says.
    """
    target = place(output) if output else default_output(folder, format)
    write(
        target,
        format,
        record,
        predict.restore(folder, record, checkpoint),
        workdir.read_temperature(folder),
        epochs=workdir.epochs_done(folder, record),
        accuracy=holdout_accuracy(workdir.read_metrics(folder), checkpoint),
        signature=signature,
    )
    return target
