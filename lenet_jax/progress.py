"""What people read while a run trains."""

import numpy as np

from lenet_jax import metrics
from lenet_jax.config import Config
from lenet_jax.data import Dataset
from lenet_jax.workdir import Row


def training_columns(sums: metrics.Metrics) -> Row:
    """The training loss and accuracy of an epoch so far, the mean of the members."""
    return {
        "train_loss": float(np.mean(sums.loss / sums.count)),
        "train_accuracy": float(np.mean(sums.correct / sums.count)),
    }


def text(row: Row) -> str:
    """The numbers of an epoch as people read them."""
    parts = [f"loss {row['train_loss']:.4f}, accuracy {row['train_accuracy']:.2%}"]
    if row.get("holdout_accuracy") is not None:
        parts.append(f"hold-out {row['holdout_accuracy']:.2%}")
    if row.get("ensemble_accuracy") is not None:
        parts.append(f"ensemble {row['ensemble_accuracy']:.2%}")
    return ", ".join(parts)


def what(dataset: Dataset, trained_on: int, held: Dataset | None, config: Config) -> str:
    """One line: how many networks are trained on which digits."""
    held_out = f", {len(held):,} held out" if held is not None else ", none held out"
    if config.folds:
        held_out = f", each without one of {config.folds} folds"
    networks = f"{config.networks} networks" if config.networks > 1 else "one network"
    return f"Training {networks} on {trained_on:,} digits of {dataset.name}{held_out}"
