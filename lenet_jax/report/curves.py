"""Learning curves: loss and error rate over the epochs."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from lenet_jax.report.figures import BLUE, FAINT, GREEN, ORANGE, add_text, empty_figure, quiet_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


NOTES = (
    "Training: running mean over the epoch, with augmentation if there is any.",
    "Hold-out: averaged weights at its end.",
)


def draw_curves(rows: Sequence[Mapping[str, float | None]]) -> "Figure":
    """Learning curves over the epochs, the loss beside the error rate in percent.

    Args:
      rows: of `metrics.csv`, at least one, with `epoch`, `train_loss` and `train_accuracy`;
        `holdout_loss`, `holdout_accuracy` and `ensemble_accuracy` may be None or absent. Losses
        are at least 0, accuracies in [0, 1]; what is not finite leaves a gap.

    Returns:
      1200 x 540 pixels.

    Raises:
      ValueError: there is no row.
    """
    figure = empty_figure(1200, 540)
    # Left, bottom, width and height; a layout engine would draw everything twice.
    loss, error = (
        figure.add_axes((left / 1200, 100 / 540, 500 / 1200, 384 / 540)) for left in (72, 672)
    )
    _draw_both(rows, loss, error)
    add_text(figure, 600, 522, " ".join(NOTES), ha="center", color=FAINT)
    return figure


def draw_narrow_curves(rows: Sequence[Mapping[str, float | None]]) -> "Figure":
    """The curves of `draw_curves`, one below the other, 600 x 1080 pixels."""
    figure = empty_figure(600, 1080)
    loss, error = (
        figure.add_axes((72 / 600, bottom / 1080, 504 / 600, 384 / 1080)) for bottom in (644, 128)
    )
    _draw_both(rows, loss, error)
    for line, note in enumerate(NOTES):
        add_text(figure, 300, 1040 + 22 * line, note, ha="center", color=FAINT)
    return figure


def _draw_both(rows: Sequence[Mapping[str, float | None]], loss: "Axes", error: "Axes") -> None:
    if not rows:
        raise ValueError("there are no epochs to draw")
    epochs = _column(rows, "epoch")
    ensemble = _percent_wrong(rows, "ensemble_accuracy")
    held_out = "hold-out, mean of members" if np.isfinite(ensemble).any() else "hold-out"
    losses = [
        ("training", _column(rows, "train_loss"), BLUE),
        (held_out, _column(rows, "holdout_loss"), ORANGE),
    ]
    errors = [
        ("training", _percent_wrong(rows, "train_accuracy"), BLUE),
        (held_out, _percent_wrong(rows, "holdout_accuracy"), ORANGE),
        ("hold-out, ensemble", ensemble, GREEN),
    ]
    _draw_lines(loss, "Loss", epochs, losses, "{:.4f}")
    _draw_lines(error, "Error rate, % of digits", epochs, errors, "{:.2f}%")


def _column(rows: Sequence[Mapping[str, float | None]], name: str) -> np.ndarray:
    # NumPy reads None as NaN.
    column = np.array([row.get(name) for row in rows], np.float64)
    return np.where(np.isfinite(column), column, np.nan)


def _percent_wrong(rows: Sequence[Mapping[str, float | None]], accuracy: str) -> np.ndarray:
    # Twelve digits: 1 - 0.9 is no 0.1, and what should be zero must not end up on a log axis.
    return np.round(100.0 * (1.0 - _column(rows, accuracy)), 12)


def _draw_lines(
    axes: "Axes",
    title: str,
    epochs: np.ndarray,
    lines: Sequence[tuple[str, np.ndarray, str]],
    form: str,
) -> None:
    """Draws those lines (name, values, colour) that have points, the last one in the legend."""
    from matplotlib.ticker import MaxNLocator

    marker = "o" if len(epochs) <= 50 else ""
    for name, values, colour in lines:
        finite = values[np.isfinite(values)]
        if len(finite):
            label = f"{name}: {form.format(finite[-1])}"
            axes.plot(epochs, values, marker=marker, ms=3.5, lw=1.6, color=colour, label=label)
    _scale(axes, np.concatenate([values for _, values, _ in lines]))
    # Equal steps of such an axis are equal factors, which nobody sees who is not told.
    logarithmic = axes.get_yscale() != "linear"
    axes.set_title(f"{title} (logarithmic scale)" if logarithmic else title)
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1, steps=[1, 2, 5, 10]))
    quiet_axes(axes)
    if axes.lines:
        axes.legend(frameon=False, title="after the last epoch", alignment="left")


def _scale(axes: "Axes", values: np.ndarray) -> None:
    """A log axis where values span enough of one; a zero among them gets a place at its foot."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    values = values[np.isfinite(values)]
    positive = values[values > 0]
    if not len(positive) or positive.max() < 5 * positive.min():
        if len(values):
            axes.set_ylim(bottom=0)
        return
    low, high = float(positive.min()), float(positive.max())
    ticks = _round_numbers(low, high)
    if len(positive) < len(values):
        axes.set_yscale("symlog", linthresh=low, linscale=0.3)
        axes.set_ylim(-0.1 * low, high * 1.3)
        ticks = [0.0, *ticks]
    else:
        axes.set_yscale("log")
        axes.set_ylim(low / 1.2, high * 1.3)
    axes.yaxis.set_major_locator(FixedLocator(ticks))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def _round_numbers(low: float, high: float) -> list[float]:
    """1, 2 and 5 times powers of ten in [low, high], or fewer of them where they are many."""
    exponents = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
    for digits in ((1, 2, 5), (1, 3), (1,)):
        ticks = [float(f"{digit}e{exponent}") for exponent in exponents for digit in digits]
        ticks = [tick for tick in ticks if low <= tick <= high]
        if len(ticks) <= 9:
            break
    return ticks
