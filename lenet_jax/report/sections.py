"""A run's whole report: which pictures there are, what is said of them, and their files."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lenet_jax import sweep
from lenet_jax.files import is_remote, make_folder, write_atomically
from lenet_jax.inference import calibration
from lenet_jax.report.card import model_name
from lenet_jax.report.confusion import confusion_matrix, draw_confusion
from lenet_jax.report.curves import draw_curves, draw_narrow_curves
from lenet_jax.report.figures import png
from lenet_jax.report.galleries import draw_augmented, draw_mistakes, worst_mistakes
from lenet_jax.report.layer_maps import draw_layers
from lenet_jax.report.page import Section, Table, page
from lenet_jax.report.reliability import draw_reliability
from lenet_jax.report.sweeps import draw_sweep
from lenet_jax.runs import foreign, signs
from lenet_jax.runs.signs import PAGE

if TYPE_CHECKING:
    from lenet_jax.training.result import Result


def write_report(result: "Result", inside: Sequence[Section], folder: Path) -> None:
    """Writes `report.html` and a picture per section, each whole or not at all.

    A folder of that name that holds something and no such page is kept beside it.

    Args:
      result: of the run.
      inside: what is seen inside its first network, `layers` and `augmented`.
      folder: of the pictures, made if it is missing.

    Raises:
      UserError: the folder or a file cannot be written.
    """
    sections = list_sections(result, inside)
    if not is_remote(folder) and not _is_free(folder):
        foreign.set_aside(folder, "kept")
    make_folder(folder)
    # First, for by it the folder is known.
    write_atomically(folder / PAGE, page(title(result), facts(result), sections), sync=False)
    for section in sections:
        if section.png:
            write_atomically(folder / f"{section.name}.png", section.png, sync=False)


def _is_free(folder: Path) -> bool:
    """Whether nothing is in a folder, or the report of a run."""
    return signs.is_report(folder) or not folder.is_dir() or not any(folder.iterdir())


def title(result: "Result") -> str:
    """Of the page: the model and its digits."""
    return f"{model_name(result.record.config)} on {result.record.data_name}"


def facts(result: "Result") -> Table:
    """The numbers that people look for first."""
    record, config = result.record, result.record.config
    rows = []
    if result.held is None:
        rows.append(("hold-out", "none, so no accuracy is claimed"))
    else:
        labels_N, probabilities_NxK = result.held
        digits = len(labels_N)
        right = int((probabilities_NxK.argmax(axis=1) == labels_N).sum())
        accuracy = right / digits
        luck = math.sqrt(accuracy * (1 - accuracy) / digits)
        loss = calibration.cross_entropy(probabilities_NxK, labels_N)
        error = calibration.expected_error(probabilities_NxK, labels_N)
        rows += [
            ("hold-out accuracy", f"{accuracy:.2%} ({right:,} of {digits:,} digits)"),
            ("one standard deviation of chance", f"{100 * luck:.2f} points"),
            ("hold-out loss (cross-entropy)", f"{loss:.4f}"),
            ("expected calibration error", f"{error:.2%}"),
        ]
    members, seed = config.num_models, config.seed
    rows += [
        ("digits", record.data_name),
        ("trained on", f"{record.train_rows:,} digits"),
        ("epochs", f"{len(result.rows)} of {config.epochs}"),
        ("networks", _networks(members, config.folds)),
        ("seed", f"{seed}" if members == 1 else f"{seed} to {seed + members - 1}"),
        ("training", f"{result.seconds:.1f} s"),
    ]
    return Table(head=("what", "value"), rows=rows)


def _networks(networks: int, folds: int) -> str:
    each = networks // max(1, folds)
    parts = [f"{networks}"]
    if folds:
        parts.append(f"{each} that {'has' if each == 1 else 'have'} not seen each of {folds} folds")
    if each > 1:
        parts.append("their probabilities averaged")
    return ", ".join(parts)


def list_sections(result: "Result", inside: Sequence[Section]) -> list[Section]:
    """Draws the pictures that there is something for; those of `inside` are drawn before."""
    sections = [_curves(result.rows)] if result.rows else []
    config = result.record.config
    if result.holdout is not None and result.held is not None:
        # A run from before there was `networks.csv`, or one that somebody has removed it from.
        if config.sweep and result.networks:
            sections.append(_sweep(config.sweep, result.networks))
        sections += [
            _confusion(*result.held),
            _mistakes(result.holdout.images_NxHxW, *result.held),
            _reliability(*result.held, config.folds),
        ]
    fields = [(name, str(value)) for name, value in config.as_dict().items()]
    table = Table(head=("field", "value"), rows=fields)
    return [*sections, *inside, Section(heading="Config", table=table)]


def _curves(rows: Sequence[Mapping[str, float | None]]) -> Section:
    last = rows[-1]
    names = [name for name in last if any(row[name] is not None for row in rows)]
    cells = [["" if row[name] is None else f"{row[name]:.6g}" for name in names] for row in rows]
    alt = f"Loss and error rate over {len(rows)} epochs."
    for name, what in (("train_accuracy", "training"), ("holdout_accuracy", "hold-out")):
        if last.get(name) is not None:
            alt += (
                f" At the end {100 * (1 - (last[name] or 0)):.2f}% of the {what} digits are wrong."
            )
    return Section(
        heading="Learning curves",
        name="curves",
        png=png(draw_curves(rows)),
        narrow_png=png(draw_narrow_curves(rows)),
        alt=alt,
        table=Table(head=names, rows=cells),
    )


def _sweep(swept: str, networks: Sequence[Mapping[str, Any]]) -> Section:
    by_trial = sweep.accuracies(swept, networks)
    fields = list(by_trial[0][0])
    best, _ = max(by_trial, key=lambda each: np.mean(each[1]))
    return Section(
        heading="Sweep",
        name="sweep",
        png=png(draw_sweep(networks, fields)),
        alt=f"Hold-out accuracy against what was swept; best on average is {sweep.named(best)}.",
        table=Table(
            head=(*fields, "networks", "mean hold-out accuracy"),
            rows=[
                (*map("{:g}".format, trial.values()), f"{len(each)}", f"{np.mean(each):.3%}")
                for trial, each in by_trial
            ],
        ),
    )


def _confusion(labels_N: np.ndarray, probabilities_NxK: np.ndarray) -> Section:
    matrix_KxK = confusion_matrix(labels_N, probabilities_NxK)
    wrong_KxK = matrix_KxK * (1 - np.eye(len(matrix_KxK), dtype=int))
    true, predicted = np.unravel_index(wrong_KxK.argmax(), wrong_KxK.shape)
    alt = f"{np.trace(matrix_KxK):,} of {matrix_KxK.sum():,} digits are right."
    if wrong_KxK.any():
        alt += (
            f" The most frequent mistake is a {true} read as {predicted}: "
            f"{wrong_KxK[true, predicted]:,} times."
        )
    digits = [str(digit) for digit in range(len(matrix_KxK))]
    return Section(
        heading="Confusion matrix",
        name="confusion",
        png=png(draw_confusion(matrix_KxK)),
        alt=f"Confusion matrix of the held-out digits: {alt}",
        table=Table(
            head=("true \\ predicted", *digits),
            rows=[
                (digit, *map(str, row.tolist()))
                for digit, row in zip(digits, matrix_KxK, strict=True)
            ],
        ),
    )


def _mistakes(
    images_NxHxW: np.ndarray, labels_N: np.ndarray, probabilities_NxK: np.ndarray
) -> Section:
    order = worst_mistakes(labels_N, probabilities_NxK)
    rows = [
        (f"{index + 1:,}", str(labels_N[index]), str(row_K.argmax()), f"{row_K.max():.1%}")
        for index, row_K in ((index, probabilities_NxK[index]) for index in order[:48])
    ]
    digits = images_NxHxW, labels_N, probabilities_NxK
    return Section(
        heading="The worst mistakes",
        name="mistakes",
        png=png(draw_mistakes(*digits)),
        narrow_png=png(draw_mistakes(*digits, columns=4)) if len(order) else b"",
        alt=f"The most confident of {len(order):,} wrongly read digits, as pictures.",
        table=Table(head=("held-out digit", "true", "predicted", "confidence"), rows=rows),
    )


def _reliability(labels_N: np.ndarray, probabilities_NxK: np.ndarray, folds: int) -> Section:
    bins = calibration.sort_into_bins(probabilities_NxK, labels_N)
    rows = [
        (
            f"{index / calibration.BINS:.0%} to {(index + 1) / calibration.BINS:.0%}",
            f"{count:,}",
            f"{sure:.1%}",
            f"{right:.1%}",
        )
        for index, (count, sure, right) in enumerate(
            zip(bins.count_Q, bins.confidence_Q, bins.accuracy_Q, strict=True)
        )
        if count
    ]
    return Section(
        heading="Reliability diagram",
        name="reliability",
        png=png(draw_reliability(labels_N, probabilities_NxK)),
        alt=f"Accuracy against confidence; the expected calibration error is {bins.error:.2%}.",
        text="Where the network says 90%, nine in ten of its answers should be right. "
        + (
            "Predictions average the networks of all folds, and are left as they are: there is no "
            "digit that none of these networks has seen."
            if folds
            else "This is before the temperature in calibration.json, which predictions of one "
            "view are divided by."
        ),
        table=Table(head=("confidence", "digits", "mean confidence", "right"), rows=rows),
    )


def layers(
    filters_CxHxW: np.ndarray, digit_HxW: np.ndarray, maps: Mapping[str, np.ndarray]
) -> Section:
    """What a network has learned to look for, and what it sees.

    Args:
      filters_CxHxW: of C1.
      digit_HxW: the one that `maps` are of.
      maps: layer -> maps [C, H, W].
    """
    convolved, handed_on = (
        " and ".join(name for name in maps if name.startswith(kind)) for kind in "CS"
    )
    counts = ", ".join(f"{len(each)} of {name}" for name, each in maps.items())
    return Section(
        heading="Filters and feature maps",
        name="layers",
        png=png(draw_layers(filters_CxHxW, digit_HxW, maps)),
        narrow_png=png(draw_layers(filters_CxHxW, digit_HxW, maps, columns=5)),
        alt=f"The {len(filters_CxHxW)} filters of C1, and the maps of one digit: {counts}.",
        text=f"Of {convolved} this is what the convolution leaves, not yet pooled or squashed; of "
        f"{handed_on} it is what is handed on.",
    )


def augmented(images_NxHxW: np.ndarray) -> Section:
    """Training digits as the network sees them, at least one."""
    return Section(
        heading="Augmented digits",
        name="augmented",
        png=png(draw_augmented(images_NxHxW)),
        alt="Training digits, each as one of its random distortions.",
    )
