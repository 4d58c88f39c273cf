"""Pictures of a run and its model card.

Every picture is drawn by a pure function `draw_...` that gives a matplotlib `Figure`, and written
as a PNG by the function of the same name without `draw_`. Matplotlib is imported where a picture is
drawn, and never through pyplot, so that nothing here has global state or needs a display.
"""

import dataclasses
import io
import os
import platform
import shlex
from collections.abc import Iterable, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lenet_jax.errors import UserError
from lenet_jax.files import shown, write_atomically

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DPI = 120
# Screen pixels per pixel of a digit: a whole number keeps the squares square.
ZOOM = 3
GALLERY_COLUMNS = 8
AUGMENTED_SIDE = 10

# Okabe and Ito's colours, told apart by everybody.
BLUE, ORANGE, GREEN = "#0072b2", "#d55e00", "#009e73"
INK, FAINT, PALE, GRID, DIAGONAL, PAPER = (
    "#222222",
    "#767676",
    "#c4c4c4",
    "#e0e0e0",
    "#e9eef3",
    "#ffffff",
)

_PACKAGES = ("jax", "jaxlib", "flax", "optax", "numpy")


# Learning curves


def curves(rows: Sequence[Mapping[str, float | None]], path: str | os.PathLike[str]) -> None:
    """Writes the learning curves; see `draw_curves` and `write`."""
    write(draw_curves(rows), path)


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
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    if not rows:
        raise ValueError("there are no epochs to draw")
    figure = _figure(1200, 540, layout=ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.12))
    loss, error = figure.subplots(1, 2)
    epochs = _column(rows, "epoch")
    ensemble = _percent_wrong(_column(rows, "ensemble_accuracy"))
    held_out = "hold-out, mean of members" if np.isfinite(ensemble).any() else "hold-out"
    _lines(
        loss,
        epochs,
        [
            ("training", _column(rows, "train_loss"), BLUE),
            (held_out, _column(rows, "holdout_loss"), ORANGE),
        ],
        "{:.4f}",
    )
    _lines(
        error,
        epochs,
        [
            ("training", _percent_wrong(_column(rows, "train_accuracy")), BLUE),
            (held_out, _percent_wrong(_column(rows, "holdout_accuracy")), ORANGE),
            ("hold-out, ensemble", ensemble, GREEN),
        ],
        "{:.2f}%",
    )
    loss.set_title("Loss")
    error.set_title("Error rate (% of digits)")
    figure.supxlabel(
        "Training: running mean over the epoch, with augmentation if there is any. "
        "Hold-out: averaged weights at its end.",
        fontsize=8.5,
        color=FAINT,
    )
    return figure


def _column(rows: Sequence[Mapping[str, float | None]], name: str) -> np.ndarray:
    values = [row.get(name) for row in rows]
    column = np.array([np.nan if value is None else value for value in values], np.float64)
    column[~np.isfinite(column)] = np.nan
    return column


def _percent_wrong(accuracies: np.ndarray) -> np.ndarray:
    # Twelve digits: 1 - 0.9 is no 0.1, and what should be zero must not end up on a log axis.
    return np.round(100.0 * (1.0 - accuracies), 12)


def _lines(
    axes: "Axes",
    epochs: np.ndarray,
    lines: Iterable[tuple[str, np.ndarray, str]],
    form: str,
) -> None:
    """Draws lines that have points, each with its last value in the legend."""
    from matplotlib.ticker import MaxNLocator

    drawn = [line for line in lines if np.isfinite(line[1]).any()]
    marker = "o" if len(epochs) <= 50 else ""
    for name, values, colour in drawn:
        last = form.format(values[np.isfinite(values)][-1])
        axes.plot(
            epochs, values, marker=marker, ms=3.5, lw=1.6, color=colour, label=f"{name}: {last}"
        )
    _scale(axes, np.concatenate([values for _, values, _ in drawn] or [np.empty(0)]))
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1, steps=[1, 2, 5, 10]))
    axes.grid(color=GRID, lw=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    if drawn:
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


# Confusion matrix


def confusion(matrix_KxK: np.ndarray, path: str | os.PathLike[str]) -> None:
    """Writes the confusion matrix; see `draw_confusion` and `write`."""
    write(draw_confusion(matrix_KxK), path)


def draw_confusion(matrix_KxK: np.ndarray) -> "Figure":
    """Confusion matrix, coloured by the mistakes alone: the diagonal would drown them.

    Args:
      matrix_KxK: counts, at least 0, of the true class (rows) against the predicted (columns).

    Returns:
      900 x 960 pixels.

    Raises:
      ValueError: the matrix is not square, is empty, or holds a negative number.
    """
    from matplotlib.colors import LinearSegmentedColormap

    counts_KxK = np.asarray(matrix_KxK)
    if counts_KxK.ndim != 2 or len(set(counts_KxK.shape)) != 1 or not counts_KxK.size:
        raise ValueError(f"a confusion matrix is square, not {counts_KxK.shape}")
    if counts_KxK.min() < 0:
        raise ValueError("a confusion matrix holds counts, which are at least 0")
    classes = len(counts_KxK)
    right_KxK = np.eye(classes, dtype=bool)
    most = max(1, int(np.where(right_KxK, 0, counts_KxK).max()))

    figure = _figure(900, 960)
    # Left, bottom, width and height: 800 x 800 pixels.
    axes = figure.add_axes((72 / 900, 72 / 960, 800 / 900, 800 / 960))
    axes.set_facecolor(DIAGONAL)
    axes.imshow(
        np.ma.masked_array(counts_KxK, mask=right_KxK),
        cmap=LinearSegmentedColormap.from_list("mistakes", [PAPER, "#f9c9a3", ORANGE]),
        vmin=0,
        vmax=most,
    )
    size = float(np.clip(66 / len(f"{counts_KxK.max():,.0f}"), 6, 13)) * min(1, 10 / classes)
    for true, predicted in np.ndindex(counts_KxK.shape):
        count, right = counts_KxK[true, predicted], right_KxK[true, predicted]
        axes.text(
            predicted,
            true,
            f"{count:,.0f}",
            ha="center",
            va="center",
            fontsize=size,
            color=INK if right or count else PALE,
            fontweight="normal" if right or not count else "bold",
        )
    axes.set_xticks(range(classes))
    axes.set_yticks(range(classes))
    axes.set_xticks(np.arange(classes + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(classes + 1) - 0.5, minor=True)
    axes.grid(which="minor", color=GRID, lw=0.8)
    axes.tick_params(which="both", length=0, labelsize=12)
    axes.spines[:].set_visible(False)
    axes.set_xlabel("predicted digit", fontsize=12)
    axes.set_ylabel("true digit", fontsize=12)
    _headings(
        figure,
        _right_of(np.trace(counts_KxK), counts_KxK.sum()),
        "On the diagonal what is right; the stronger the colour beside it, the more mistakes",
        72,
    )
    return figure


def _right_of(right: float, all_: float) -> str:
    if not all_:
        return "No digits"
    return f"{right:,.0f} of {all_:,.0f} digits right ({right / all_:.2%})"


# Galleries of digits


def mistakes(
    images_NxHxW: np.ndarray,
    labels_N: np.ndarray,
    probabilities_NxK: np.ndarray,
    path: str | os.PathLike[str],
    limit: int = 48,
) -> None:
    """Writes the gallery of wrong digits; see `draw_mistakes` and `write`."""
    write(draw_mistakes(images_NxHxW, labels_N, probabilities_NxK, limit), path)


def worst_mistakes(labels_N: np.ndarray, probabilities_NxK: np.ndarray) -> np.ndarray:
    """Positions of the wrongly predicted digits, the most confident mistake first.

    Args:
      labels_N: true classes, integers in [0, K).
      probabilities_NxK: predicted, in [0, 1]; the largest of a row is the prediction.

    Returns:
      int64 [at most N]; mistakes of the same confidence stay in their order.
    """
    predicted_N = probabilities_NxK.argmax(axis=1)
    wrong = np.flatnonzero(predicted_N != labels_N)
    confidence = probabilities_NxK[wrong, predicted_N[wrong]]
    return wrong[np.argsort(-confidence, kind="stable")]


def draw_mistakes(
    images_NxHxW: np.ndarray,
    labels_N: np.ndarray,
    probabilities_NxK: np.ndarray,
    limit: int = 48,
) -> "Figure":
    """Gallery of wrong digits, each titled `true -> predicted, confidence`, the worst first.

    Args:
      images_NxHxW: in 0..255, 0 is background and 255 is ink.
      labels_N: true classes, integers in [0, K).
      probabilities_NxK: predicted, in [0, 1].
      limit: of digits that are shown, at least 1.

    Returns:
      888 pixels wide for digits of 28 x 28, and as high as its rows of 8 ask for; where no digit is
      wrong, a picture that says so.

    Raises:
      ValueError: arrays of different N, or a limit below 1.
    """
    digits = len(images_NxHxW)
    if not digits == len(labels_N) == len(probabilities_NxK):
        raise ValueError("images, labels and probabilities must be of the same digits")
    if limit < 1:
        raise ValueError(f"limit must be at least 1, not {limit}")
    order = worst_mistakes(labels_N, probabilities_NxK)
    if not len(order):
        what = f"None of {digits:,} digits is wrong" if digits else "There are no digits"
        return _notice(what)
    chosen = order[:limit]
    rate = f"{len(order):,} of {digits:,} digits wrong ({len(order) / digits:.2%})"
    which = "" if len(chosen) == len(order) else f": the {len(chosen)} most confident mistakes"
    predicted = probabilities_NxK[chosen].argmax(axis=1)
    titles = [
        f"{true} \N{RIGHTWARDS ARROW} {guess}, {_confidence(probability)}"
        for true, guess, probability in zip(
            labels_N[chosen], predicted, probabilities_NxK[chosen, predicted], strict=True
        )
    ]
    return _gallery(
        images_NxHxW[chosen],
        titles,
        f"{rate}{which}",
        "True \N{RIGHTWARDS ARROW} predicted, confidence",
        columns=GALLERY_COLUMNS,
    )


def augmented(images_NxHxW: np.ndarray, path: str | os.PathLike[str]) -> None:
    """Writes augmented digits; see `draw_augmented` and `write`."""
    write(draw_augmented(images_NxHxW), path)


def draw_augmented(images_NxHxW: np.ndarray) -> "Figure":
    """A grid of the first 10 x 10 digits.

    Args:
      images_NxHxW: already augmented, at least one, in 0..255; 0 is background and 255 is ink.

    Returns:
      960 x 1020 pixels for digits of 28 x 28; rows that have no digits are left out.

    Raises:
      ValueError: there is no image.
    """
    if not len(images_NxHxW):
        raise ValueError("there are no digits to draw")
    shown_NxHxW = images_NxHxW[: AUGMENTED_SIDE**2]
    return _gallery(
        shown_NxHxW,
        None,
        "Augmented digits",
        "As the network sees them in training",
        columns=AUGMENTED_SIDE,
    )


def _confidence(probability: float) -> str:
    # "100.0%" would claim what no softmax says.
    return ">99.9%" if probability > 0.999 else f"{probability:.1%}"


def _gallery(
    images_NxHxW: np.ndarray,
    titles: Sequence[str] | None,
    heading: str,
    subheading: str,
    *,
    columns: int,
) -> "Figure":
    """Digits in rows, dark on light, laid out in whole screen pixels."""
    images, height, width = images_NxHxW.shape
    high, wide = height * ZOOM, width * ZOOM
    gap = 8 if titles is None else 24
    above = 0 if titles is None else 22
    below = gap if titles is None else 16
    margin, head = 24, 84
    rows = -(-images // columns)
    figure_width = 2 * margin + columns * (wide + gap) - gap
    figure_height = head + rows * (high + above + below) - below + margin
    figure = _figure(figure_width, figure_height)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    _headings(figure, heading, subheading, margin)
    for index, image_HxW in enumerate(images_NxHxW):
        left = margin + index % columns * (wide + gap)
        top = head + above + index // columns * (high + above + below)
        axes.imshow(
            image_HxW,
            cmap="gray_r",
            vmin=0,
            vmax=255,
            interpolation="nearest",
            extent=(left, left + wide, top + high, top),
            aspect="auto",
        )
        if titles is not None:
            axes.text(left + wide / 2, top - 6, titles[index], ha="center", fontsize=8, color=INK)
    # After the images, which set the limits to their own.
    axes.set_xlim(0, figure_width)
    axes.set_ylim(figure_height, 0)
    return figure


def _headings(figure: "Figure", heading: str, subheading: str, left: int) -> None:
    """Writes two lines at the top of a figure, `left` pixels from its edge."""
    width, height = figure.get_size_inches() * figure.dpi
    for text, top, size, colour in ((heading, 38, 13.0, INK), (subheading, 64, 9.5, FAINT)):
        figure.text(left / width, 1 - top / height, text, fontsize=size, color=colour)


def _notice(text: str) -> "Figure":
    """A picture that says a line."""
    figure = _figure(936, 200)
    figure.text(0.5, 0.5, text, ha="center", va="center", fontsize=16, color=INK)
    return figure


# Files


def write(figure: "Figure", path: str | os.PathLike[str]) -> None:
    """Writes a figure as a PNG, whole or not at all; its folder is made if it is missing.

    Raises:
      UserError: the folder or the file cannot be written.
    """
    folder = Path(path).parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{shown(folder)}: cannot be made a folder ({error.strerror})") from None
    write_atomically(path, png(figure))


def png(figure: "Figure") -> bytes:
    """The PNG of a figure, in the pixels that it was drawn for."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=figure.dpi, facecolor=PAPER)
    return buffer.getvalue()


def _figure(width: int, height: int, **options: Any) -> "Figure":
    """An empty figure of a size in pixels; `savefig` draws it with Agg."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width / DPI, height / DPI), dpi=DPI, facecolor=PAPER, **options)


# Model card


@dataclasses.dataclass(frozen=True, kw_only=True)
class Card:
    """What a model card tells.

    Attributes:
      workdir: folder of the run, as the user gives it to `--workdir`.
      config: every field of the run's config.
      parameters: trainable, of one member.
      data_source: what the digits are known to be, `Dataset.source`.
      data_name: where they were read from.
      data_fingerprint: of every pixel and label, the hold-out included.
      data_rows: their number, the hold-out included.
      train_rows: how many of them were trained on; the rest was held out.
      holdout_accuracy: after the last epoch, mean of the members, in [0, 1]; None if nothing was
        held out.
      ensemble_accuracy: the same of the averaged members; None if nothing was held out or there is
        one member.
      seconds: spent in training.
      device: a line that names the devices.
      versions: of the software, name -> version, see `versions`.
    """

    workdir: str
    config: Mapping[str, Any]
    parameters: int
    data_source: str
    data_name: str
    data_fingerprint: str
    data_rows: int
    train_rows: int
    holdout_accuracy: float | None
    ensemble_accuracy: float | None
    seconds: float
    device: str
    versions: Mapping[str, str]

    @property
    def holdout_rows(self) -> int:
        """Number of digits held out."""
        return self.data_rows - self.train_rows


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that decide a run's numbers, in a fixed order."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found


def model_card(card: Card) -> str:
    """The text of a workdir's `README.md`, in Hugging Face's format: YAML head, then Markdown."""
    return (
        "\n\n".join(
            [
                _YAML_HEAD,
                "# " + _title(card),
                _what(card),
                "## How to use it",
                _fenced(
                    f"python run_predict.py --workdir={shlex.quote(shown(card.workdir))} "
                    "--data=digit-recognizer.zip --output=submission.csv",
                ),
                _USE,
                "## How good it is",
                _evaluation(card),
                "## Training data",
                _data(card),
                "## Training",
                _training(card),
                "### Config",
                _table(
                    ("field", "value"),
                    [(f"`{name}`", _code(str(value))) for name, value in card.config.items()],
                ),
                "### Versions",
                _table(("software", "version"), card.versions.items()),
            ]
        )
        + "\n"
    )


_USE = (
    "The input is a grey picture of one digit, uint8 [28, 28], 0 for background and 255 for ink, "
    "centred as MNIST's are; the output is a probability for each of the ten digits. What is no "
    "digit, a letter for instance, is called a digit too."
)

_YAML_HEAD = """\
---
license: apache-2.0
library_name: flax
pipeline_tag: image-classification
tags:
- jax
- flax
- lenet-5
- mnist
- digit-recognizer
metrics:
- accuracy
---"""


def _title(card: Card) -> str:
    name = "LeNet-5 of 1998" if card.config["model"] == "lecun1998" else "LeNet-5"
    members = card.config["members"]
    return name if members == 1 else f"{members} x {name}"


def _what(card: Card) -> str:
    if card.config["model"] == "lecun1998":
        network = (
            "LeNet-5 to the letter of the paper: scaled tanh, trainable subsampling, the sparse "
            "connection table of C3 and RBF output units"
        )
    else:
        order = {"pool_act": "subsampled, then squashed", "act_pool": "squashed, then subsampled"}
        network = (
            f"LeNet-5 with `{card.config['activation']}` units, convolutions "
            f"{order[card.config['subsampling']]}"
        )
    members = card.config["members"]
    if members > 1:
        ensemble = (
            f" An ensemble of {members} such networks, which differ by their seeds; their "
            f"probabilities are averaged. Together: {members * card.parameters:,} parameters."
        )
    else:
        ensemble = ""
    return (
        "Reads handwritten digits, for Kaggle's Digit Recognizer. "
        f"{network} ([LeCun, Bottou, Bengio and Haffner, 1998]"
        "(http://yann.lecun.com/exdb/publis/pdf/lecun-98.pdf)), written in JAX and Flax: "
        f"{card.parameters:,} trainable parameters.{ensemble}"
    )


def _evaluation(card: Card) -> str:
    if card.holdout_accuracy is None or not card.holdout_rows:
        return "Nothing was held out of training, so this card claims no accuracy."
    epochs = card.config["epochs"]
    alone = "one network" if card.config["members"] == 1 else "one network, mean of the members"
    results = [(alone, card.holdout_accuracy)]
    if card.ensemble_accuracy is not None:
        results.append((f"ensemble of {card.config['members']}", card.ensemble_accuracy))
    table = _table(
        ("hold-out", "accuracy", "digits", "epochs"),
        [(name, f"{value:.2%}", f"{card.holdout_rows:,}", f"{epochs}") for name, value in results],
    )
    best = results[-1][1]
    luck = 100 * float(np.sqrt(best * (1 - best) / card.holdout_rows))
    return (
        f"{table}\n\n"
        "The held-out digits, the config and the number of epochs were fixed before training, and "
        "none of these digits was trained on. The numbers are those after the last epoch, not of "
        f"the best one. On so many digits, one standard deviation of luck is {luck:.2f} points; "
        "where recipes were compared on the same digits, the better number flatters."
    )


def _data(card: Card) -> str:
    lines = [
        f"- name: {_code(card.data_name)}",
        f"- digits: {card.data_rows:,}, of which {card.train_rows:,} were trained on and "
        f"{card.holdout_rows:,} held out",
        f"- source: {_code(card.data_source)}",
        f"- fingerprint: {_code(card.data_fingerprint)}",
    ]
    line = _honesty(card.data_source)
    return "\n".join(lines) + (f"\n\n**{line}**" if line else "")


def _honesty(source: str) -> str | None:
    """What must be said of a score on Kaggle's test set, None if nothing."""
    if source == "kaggle-train":
        return None
    if source.startswith(("sample", "mnist")):
        return (
            "These digits include digits of Kaggle's test set: a score there says little about "
            "new digits."
        )
    return (
        "The origin of these digits is not known: if they include digits of Kaggle's test set, a "
        "score there says little about new digits."
    )


def _training(card: Card) -> str:
    seed, members = card.config["seed"], card.config["members"]
    seeds = f"seed {seed}" if members == 1 else f"seeds {seed} to {seed + members - 1}"
    return "\n".join(
        [
            f"- {seeds}",
            f"- {card.config['epochs']} epochs in {_duration(card.seconds)}",
            f"- devices: {card.device}",
        ]
    )


def _duration(seconds: float) -> str:
    """Seconds as people say them: `0.8 s`, `42 s`, `3 min 5 s`, `2 h 0 min`."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _code(text: str) -> str:
    """Inline code, which neither line ends nor backticks of the text can break."""
    text = shown(text)
    fence = "`"
    while fence in text:
        fence += "`"
    space = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{space}{text}{space}{fence}"


def _fenced(command: str) -> str:
    fence = "```"
    while fence in command:
        fence += "`"
    return f"{fence}sh\n{command}\n{fence}"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines
    )
