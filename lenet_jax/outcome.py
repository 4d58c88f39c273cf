"""What a finished run shows: the files of its report, its model card and the closing lines."""

import os
import shlex
from pathlib import Path
from typing import Any

import jax
import numpy as np

from lenet_jax import augment, calibration, report, workdir
from lenet_jax.files import shown, write_atomically
from lenet_jax.train import Result


def write(folder: str | os.PathLike[str], result: Result) -> None:
    """Writes `report/` and the model card into the workdir."""
    pictures = Path(folder) / workdir.REPORT
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
        workdir.write_calibration(folder, _calibration(result.probabilities_NxK, labels_N))
        if len(result.population) > 1:
            networks = _networks(result)
            workdir.write_networks(folder, networks)
            if result.record.config.sweep:
                report.sweep(networks, list(result.population.points[0]), pictures / "sweep.png")
    last, record = result.rows[-1], result.record
    card = report.Card(
        workdir=shown(folder),
        config=record.config.as_dict(),
        parameters=result.parameters,
        networks=len(result.population),
        held_rows=0 if result.holdout is None else len(result.holdout),
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
    write_atomically(Path(folder) / workdir.CARD, report.model_card(card))


def _calibration(probabilities_NxK: np.ndarray, labels_N: np.ndarray) -> dict[str, float]:
    """The temperature of the held-out digits, and the calibration before and after it."""
    temperature = calibration.fit_temperature(probabilities_NxK, labels_N)
    after_NxK = calibration.tempered(probabilities_NxK, temperature)
    return {
        "temperature": temperature,
        "holdout_cross_entropy": calibration.cross_entropy(probabilities_NxK, labels_N),
        "holdout_cross_entropy_tempered": calibration.cross_entropy(after_NxK, labels_N),
        "holdout_calibration_error": calibration.expected_error(probabilities_NxK, labels_N),
        "holdout_calibration_error_tempered": calibration.expected_error(after_NxK, labels_N),
    }


def _networks(result: Result) -> list[dict[str, Any]]:
    """A row for each network."""
    people = result.population
    assert result.accuracy_M is not None
    return [
        {
            "network": index,
            "seed": int(people.seeds_M[index]),
            "fold": int(people.member.fold[index]),
            **people.points[people.point_M[index]],
            "holdout_accuracy": round(float(result.accuracy_M[index]), 6),
        }
        for index in range(len(people))
    ]


def _points(result: Result) -> list[str]:
    """A line for each point of the sweep, the best first."""
    people, accuracy_M = result.population, result.accuracy_M
    if not result.record.config.sweep or accuracy_M is None:
        return []
    lines = []
    for index, point in enumerate(people.points):
        own = accuracy_M[people.point_M == index]
        name = ", ".join(f"{field}={value:g}" for field, value in point.items())
        lines.append(
            (float(own.mean()), f"{own.mean():.3%} +- {own.std(ddof=len(own) > 1):.3%}  {name}")
        )
    return ["Sweep:", *(f"  {line}" for _, line in sorted(lines, reverse=True))]


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
        each = "the members' mean accuracy is " if len(result.population) > 1 else ""
        lines.append(
            f"Hold-out: {each}{last['holdout_accuracy']:.2%} of {len(result.holdout):,} digits"
        )
        if last["ensemble_accuracy"] is not None:
            lines[-1] += f", that of their average {last['ensemble_accuracy']:.2%}"
    lines += _points(result)
    lines.append(f"Pictures: {Path(folder) / workdir.REPORT}{os.sep}")
    lines.append("Next:")
    lines.append(
        f"  python run_predict.py --workdir={shlex.quote(folder)} --data={shlex.quote(data)} "
        "--output=submission.csv"
    )
    return "\n".join(lines)
