"""What a finished run shows: the files of its report and its model card."""

import dataclasses
import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np

from lenet_jax import augmentation, models, report
from lenet_jax.config import Config
from lenet_jax.data import Dataset
from lenet_jax.distributed import backend, mesh, settings
from lenet_jax.distributed import mesh as meshes
from lenet_jax.errors import UserError
from lenet_jax.files import printable, to_path
from lenet_jax.inference import calibration, predict
from lenet_jax.report import best_effort
from lenet_jax.runs import workdir, written
from lenet_jax.training import population as populations
from lenet_jax.training.result import Result


def write_results(folder: str | os.PathLike[str], result: Result) -> None:
    """Writes what a finished run has found: `networks.csv` and `calibration.json`.

    Args:
      folder: the run's workdir.
      result: of the run.

    Raises:
      UserError: one of them cannot be written.
    """
    config = result.record.config
    if result.networks and config.num_models > 1:
        workdir.write_networks(folder, result.networks)
    # What predicts after folds is the average of them all, and there is no digit that it has not
    # seen. A network of a sweep may have diverged.
    if result.held is not None and not config.folds:
        labels_N, probabilities_NxK = result.held
        if np.isfinite(probabilities_NxK).all():
            workdir.write_calibration(folder, calibration.summary(probabilities_NxK, labels_N))


def write_report(
    folder: str | os.PathLike[str],
    result: Result,
    again: best_effort.Again = best_effort.IN_PYTHON,
    say: Callable[[str], None] = print,
) -> None:
    """Writes what only shows a finished run: `report/` and the model card.

    The work is done, so a report or a card that cannot be made is a line and no error.

    Args:
      folder: the run's workdir, its results written.
      result: of the run.
      again: what the line says.
      say: is given it.
    """
    with best_effort.telling("the report", again.report, say):
        _write_report(folder, result)
    with best_effort.telling("the model card", again.card, say):
        card = report.model_card(result, printable(folder), settings.deciding())
        written.put(to_path(folder) / workdir.CARD, card)


def rewrite_report(
    folder: str | os.PathLike[str], record: workdir.Record, dataset: Dataset, which: str = "latest"
) -> str:
    """Writes the report of an existing run anew; its model card stays as the run wrote it.

    Args:
      folder: the run's workdir.
      record: of the run.
      dataset: all digits the run was given; what it held out is derived from its record.
      which: `latest` or `best` of the checkpoints.

    Returns:
      The line that tells of it.

    Raises:
      UserError: these are other digits, there is no whole checkpoint, or a file cannot be written.
    """
    if dataset.fingerprint != record.data_fingerprint:
        raise UserError(
            f"{dataset.name}: these are not the {record.data_rows:,} digits that the run in "
            f"{printable(folder)} was trained on ({record.data_name}); give the --data of "
            "run_train.py"
        )
    assert dataset.labels_N is not None
    config = record.config
    population = populations.make(config, dataset.labels_N)
    params_M = predict.restore(folder, record, which)
    probabilities_NxK, aside, devices = None, None, mesh.make(len(population))
    if len(population.held_rows):
        aside = dataset.take(population.held_rows)
        probabilities_NxK = population.in_held_rows(
            predict.out_of_fold(
                config, devices, params_M, population.held_MxV, dataset.images_NxHxW
            )
        )
    page = _write_report(
        folder,
        Result(
            record=record,
            rows=[],
            networks=[],
            training=dataset.take(population.member.rows_R[0]),
            holdout=aside,
            probabilities_NxK=probabilities_NxK,
            params=jax.tree.map(lambda leaf: leaf[0], params_M),
            devices=backend.describe(devices, config),
        ),
    )
    return f"Wrote {page}"


def _write_report(folder: str | os.PathLike[str], result: Result) -> Path:
    config, held = result.record.config, result.holdout
    digit_1xHxW = _telling_digit(result.training if held is None else held)
    filters, maps = jax.tree.map(np.asarray, _seen_inside(config)(result.params, digit_1xHxW))
    inside = (
        report.layers(
            filters, digit_1xHxW[0], {layer: maps[layer][0] for layer in models.mapped(config)}
        ),
        report.augmented(_augmented(config, result.training)),
    )
    # As the files have them, so that a report that is drawn again is the same to the last byte.
    swept = config.sweep and held is not None
    result = dataclasses.replace(
        result,
        rows=workdir.read_metrics(folder),
        networks=workdir.read_networks(folder, tuple(config.trials[0])) if swept else [],
    )
    pictures = to_path(folder) / workdir.REPORT
    report.write_report(result, inside, pictures)
    return pictures / report.PAGE


def _telling_digit(digits: Dataset) -> np.ndarray:
    """The first 3, whose curves and ends the filters tell apart, or else the first digit."""
    assert digits.labels_N is not None
    index = int(np.argmax(digits.labels_N == 3))
    return digits.images_NxHxW[index : index + 1]


def _of_all_classes(labels_N: np.ndarray, count: int) -> np.ndarray:
    """Positions of some digits, one of each class in turn, for files may be sorted by class."""
    order_N = np.argsort(labels_N, kind="stable")
    first_N = np.searchsorted(labels_N[order_N], labels_N[order_N])
    rank_N = np.empty_like(order_N)
    rank_N[order_N] = np.arange(len(order_N)) - first_N
    positions: np.ndarray = np.lexsort((labels_N, rank_N))[:count]
    return positions


def _seen_inside(config: Config) -> Callable[..., Any]:
    """(params, images) -> C1's filters and the feature maps, in one program."""
    # One digit is no work, and native convolutions are compiled in a quarter of the time.
    config = dataclasses.replace(config, conv="native")

    def look(params: models.Params, images_BxHxW: jax.Array) -> Any:
        return models.first_filters(params), models.feature_maps(config, params, images_BxHxW)

    return _run_once(look)


def _augmented(config: Config, training: Dataset) -> np.ndarray:
    """A hundred training digits of all classes as member 0 might see them, [100, 28, 28]."""
    config = populations.configs_of_trials(config)[0]
    assert training.labels_N is not None
    images_NxHxW = training.images_NxHxW[_of_all_classes(training.labels_N, 100)]
    # Drawn by NumPy, for JAX would compile its generator.
    rng = np.random.default_rng(config.seed)
    draws_NxD = rng.uniform(-1, 1, (len(images_NxHxW), augmentation.draws_per_image(config)))
    distort = _run_once(functools.partial(augmentation.augment, config))
    return np.asarray(distort(draws_NxD.astype(np.float32), images_NxHxW))


def _run_once(function: Callable[..., Any]) -> Callable[..., Any]:
    """Jits what runs once on a few digits; on a CPU only the compilation takes any time."""
    return backend.jit(function, meshes.make(1), level=0)
