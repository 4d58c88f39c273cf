"""A run's whole report: which pictures there are, what is said of them, and their files."""

import dataclasses
import math
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lenet_jax import sweep
from lenet_jax.files import make_folder, place, write_atomically
from lenet_jax.inference import calibration
from lenet_jax.report.confusion import confusion_matrix, draw_confusion
from lenet_jax.report.curves import draw_curves, draw_narrow_curves
from lenet_jax.report.figures import png
from lenet_jax.report.galleries import draw_augmented, draw_mistakes, worst_mistakes
from lenet_jax.report.layer_maps import draw_layers
from lenet_jax.report.page import Section, Table, page
from lenet_jax.report.reliability import draw_reliability
from lenet_jax.report.sweeps import draw_sweep

PAGE = "report.html"


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Held:
    """The held-out digits and what the run makes of them: arrays of the same N, at least one.

    Attributes:
      images_NxHxW: in 0..255, 0 is background and 255 is ink.
      labels_N: true classes, integers in [0, K).
      probabilities_NxK: of the averaged members.
    """

    images_NxHxW: np.ndarray
    labels_N: np.ndarray
    probabilities_NxK: np.ndarray


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Run:
    """What a report tells.

    Attributes:
      title: names the model.
      data_name: where the digits were read from.
      train_rows: how many digits were trained on.
      config: every field of the run's config.
      networks: number of members.
      rows: of `metrics.csv`; none if no epoch is done yet.
      swept: of `networks.csv`, a row for each network of a sweep; none without a sweep.
      held: None if nothing was held out.
      augmented_NxHxW: training digits as the network sees them, at least one.
      filters_CxHxW: of C1, member 0.
      digit_HxW: the one that `maps` are of.
      maps: layer -> maps [C, H, W], of member 0.
    """

    title: str
    data_name: str
    train_rows: int
    config: Mapping[str, Any]
    networks: int
    rows: Sequence[Mapping[str, float | None]]
    swept: Sequence[Mapping[str, float]]
    held: Held | None
    augmented_NxHxW: np.ndarray
    filters_CxHxW: np.ndarray
    digit_HxW: np.ndarray
    maps: Mapping[str, np.ndarray]


def write_report(run: Run, folder: str | os.PathLike[str]) -> None:
    """Writes a picture per section and `report.html`, each whole or not at all.

    Raises:
      UserError: the folder or a file cannot be written.
    """
    folder = place(folder)
    make_folder(folder)
    sections = list_sections(run)
    for section in sections:
        if section.png:
            write_atomically(folder / f"{section.name}.png", section.png, sync=False)
    write_atomically(folder / PAGE, page(run.title, facts(run), sections), sync=False)


def facts(run: Run) -> Table:
    """The numbers that people look for first."""
    config, held = run.config, run.held
    rows = []
    if held is None:
        rows.append(("hold-out", "none, so no accuracy is claimed"))
    else:
        digits = len(held.labels_N)
        right = int((held.probabilities_NxK.argmax(axis=1) == held.labels_N).sum())
        share = right / digits
        luck = math.sqrt(share * (1 - share) / digits)
        loss = calibration.cross_entropy(held.probabilities_NxK, held.labels_N)
        error = calibration.expected_error(held.probabilities_NxK, held.labels_N)
        rows += [
            ("hold-out accuracy", f"{share:.2%} ({right:,} of {digits:,} digits)"),
            ("one standard deviation of chance", f"{100 * luck:.2f} points"),
            ("hold-out loss (cross-entropy)", f"{loss:.4f}"),
            ("expected calibration error", f"{error:.2%}"),
        ]
    members, seed = run.networks, config["seed"]
    rows += [
        ("digits", run.data_name),
        ("trained on", f"{run.train_rows:,} digits"),
        ("epochs", f"{len(run.rows)} of {config['epochs']}"),
        ("networks", _networks(members, config["folds"])),
        ("seed", f"{seed}" if members == 1 else f"{seed} to {seed + members - 1}"),
        ("training", f"{sum(row['seconds'] or 0.0 for row in run.rows):.1f} s"),
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


def list_sections(run: Run) -> list[Section]:
    """Draws the pictures that there is something for."""
    sections = [_curves(run)] if run.rows else []
    if run.swept:
        sections.append(_sweep(run))
    if run.held is not None:
        sections += [
            _confusion(run.held),
            _mistakes(run.held),
            _reliability(run.held, run.config["folds"]),
        ]
    sections += [_layers(run), _augmented(run)]
    config = [(name, str(value)) for name, value in run.config.items()]
    return [*sections, Section(heading="Config", table=Table(head=("field", "value"), rows=config))]


def _curves(run: Run) -> Section:
    last = run.rows[-1]
    names = [name for name in last if any(row[name] is not None for row in run.rows)]
    cells = [
        ["" if row[name] is None else f"{row[name]:.6g}" for name in names] for row in run.rows
    ]
    alt = f"Loss and error rate over {len(run.rows)} epochs."
    for name, what in (("train_accuracy", "training"), ("holdout_accuracy", "hold-out")):
        if last.get(name) is not None:
            alt += (
                f" At the end {100 * (1 - (last[name] or 0)):.2f}% of the {what} digits are wrong."
            )
    return Section(
        heading="Learning curves",
        name="curves",
        png=png(draw_curves(run.rows)),
        narrow_png=png(draw_narrow_curves(run.rows)),
        alt=alt,
        table=Table(head=names, rows=cells),
    )


def _sweep(run: Run) -> Section:
    by_point = sweep.accuracies(run.config["sweep"], run.swept)
    fields = list(by_point[0][0])
    best, _ = max(by_point, key=lambda each: np.mean(each[1]))
    return Section(
        heading="Sweep",
        name="sweep",
        png=png(draw_sweep(run.swept, fields)),
        alt=f"Hold-out accuracy against what was swept; best on average is {sweep.named(best)}.",
        table=Table(
            head=(*fields, "networks", "mean hold-out accuracy"),
            rows=[
                (*map("{:g}".format, point.values()), f"{len(each)}", f"{np.mean(each):.3%}")
                for point, each in by_point
            ],
        ),
    )


def _confusion(held: Held) -> Section:
    matrix_KxK = confusion_matrix(held.labels_N, held.probabilities_NxK)
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


def _mistakes(held: Held) -> Section:
    order = worst_mistakes(held.labels_N, held.probabilities_NxK)
    rows = [
        (f"{index + 1:,}", str(held.labels_N[index]), str(row_K.argmax()), f"{row_K.max():.1%}")
        for index, row_K in ((index, held.probabilities_NxK[index]) for index in order[:48])
    ]
    digits = held.images_NxHxW, held.labels_N, held.probabilities_NxK
    return Section(
        heading="The worst mistakes",
        name="mistakes",
        png=png(draw_mistakes(*digits)),
        narrow_png=png(draw_mistakes(*digits, columns=4)) if len(order) else b"",
        alt=f"The most confident of {len(order):,} wrongly read digits, as pictures.",
        table=Table(head=("held-out digit", "true", "predicted", "confidence"), rows=rows),
    )


def _reliability(held: Held, folds: int) -> Section:
    bins = calibration.sort_into_bins(held.probabilities_NxK, held.labels_N)
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
        png=png(draw_reliability(held.labels_N, held.probabilities_NxK)),
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


def _layers(run: Run) -> Section:
    counts = ", ".join(f"{len(maps)} of {name}" for name, maps in run.maps.items())
    return Section(
        heading="Filters and feature maps",
        name="layers",
        png=png(draw_layers(run.filters_CxHxW, run.digit_HxW, run.maps)),
        narrow_png=png(draw_layers(run.filters_CxHxW, run.digit_HxW, run.maps, columns=5)),
        alt=f"The {len(run.filters_CxHxW)} filters of C1, and the maps of one digit: {counts}.",
        text="C1 and C3 are shown before they are pooled and squashed, S2 and S4 as they are "
        "handed on.",
    )


def _augmented(run: Run) -> Section:
    return Section(
        heading="Augmented digits",
        name="augmented",
        png=png(draw_augmented(run.augmented_NxHxW)),
        alt="Training digits, each as one of its random distortions.",
    )
