"""What a finished run shows: the files of its report, its model card and the closing lines."""

import os
import shlex

import jax
import numpy as np

from lenet_jax import augment, report, workdir
from lenet_jax.files import place, shown, write_atomically
from lenet_jax.train import Result


def write(folder: str | os.PathLike[str], result: Result) -> None:
    """Writes `report/` and the model card into the workdir."""
    pictures = place(folder) / workdir.REPORT
    report.curves(result.rows, pictures / "curves.png")
    report.augmented(_augmented(result), pictures / "augmented.png")
    if result.holdout is not None and result.probabilities_NxK is not None:
        held, labels_N = result.holdout, result.holdout.labels_N
        assert labels_N is not None
        matrix_KxK = np.zeros((10, 10), np.int64)
        np.add.at(matrix_KxK, (labels_N, result.probabilities_NxK.argmax(1)), 1)
        report.confusion(matrix_KxK, pictures / "confusion.png")
        report.mistakes(
            held.images_NxHxW, labels_N, result.probabilities_NxK, pictures / "mistakes.png"
        )
    last, record = result.rows[-1], result.record
    card = report.Card(
        workdir=shown(folder),
        config=record.config.as_dict(),
        parameters=result.parameters,
        data_source=record.data_source,
        data_name=record.data_name,
        data_fingerprint=record.data_fingerprint,
        data_rows=record.data_rows,
        train_rows=record.train_rows,
        holdout_accuracy=last["holdout_accuracy"],
        ensemble_accuracy=last["ensemble_accuracy"],
        seconds=result.seconds,
        device=result.devices,
        versions=report.versions(),
    )
    write_atomically(place(folder) / workdir.CARD, report.model_card(card))


def _augmented(result: Result) -> np.ndarray:
    """A hundred training digits as member 0 might see them, [100, 28, 28]."""
    config = result.record.config
    images_NxHxW = result.training.images_NxHxW[:100]
    draws_NxD = augment.draw(config, jax.random.key(config.seed), len(images_NxHxW))
    return np.asarray(jax.jit(augment.augment, static_argnums=0)(config, draws_NxD, images_NxHxW))


def closing(folder: str, data: str, result: Result) -> str:
    """The last lines of a run: its numbers, where the pictures are, and what to type next."""
    last, config = result.rows[-1], result.record.config
    lines = [f"Done: {config.epochs} epochs in {result.seconds:.1f} s"]
    if result.holdout is not None:
        each = "the members' mean accuracy is " if config.members > 1 else ""
        lines.append(
            f"Hold-out: {each}{last['holdout_accuracy']:.2%} of {len(result.holdout):,} digits"
        )
        if last["ensemble_accuracy"] is not None:
            lines[-1] += f", that of their average {last['ensemble_accuracy']:.2%}"
    lines.append(f"Pictures: {place(folder) / workdir.REPORT}{os.sep}")
    lines.append("Next:")
    lines.append(
        f"  python run_predict.py --workdir={shlex.quote(folder)} --data={shlex.quote(data)} "
        "--output=submission.csv"
    )
    return "\n".join(lines)
