"""Cross-validated accuracy of finished runs: the tables and pictures of docs/results.md.

python benchmarks/accuracy.py --data=digit-recognizer.zip accurate=runs/accurate ...

Each run is one of `run_train.py --config.folds=K`; the first of `--ablation`'s is the baseline of
the others, whose networks differ from its own in one ingredient, seed by seed and fold by fold. The
digits that the first recipe gets wrong are drawn, and those that all get wrong. Recipes that are
not given keep their rows.
"""

from lenet_jax.distributed import mesh as meshes

meshes.prepare()

import argparse
import dataclasses
import functools
import itertools
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import jax
import mistakes
import numpy as np
from absl import logging

from lenet_jax.distributed import backend
from lenet_jax.inference import calibration, predict
from lenet_jax import data, metrics, report
from lenet_jax.models import summary
from lenet_jax.training import population as populations
from lenet_jax.runs import workdir
from lenet_jax.data import Dataset
from lenet_jax.errors import UserError
from lenet_jax.report import figures

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "docs" / "results.md"
PICTURES = ROOT / "docs" / "pictures"
BEGIN, END = "<!-- tables -->", "<!-- end of tables -->"
# Random subsets of the members that the accuracy of smaller ensembles is the mean of.
SUBSETS = 50


@dataclasses.dataclass(frozen=True)
class Scored:
    """What the networks of a run say of the digits they have not seen.

    Attributes:
      name: of the recipe.
      record: of the run.
      probabilities_FxMxVxK: of the M networks of each of F folds.
      labels_FxV: -1 where a fold has fewer digits than another.
      rows_FxV: positions of the digits in the data.
    """

    name: str
    record: workdir.Record
    probabilities_FxMxVxK: np.ndarray
    labels_FxV: np.ndarray
    rows_FxV: np.ndarray

    @property
    def each_FxM(self) -> np.ndarray:
        """Accuracy of each network, in percent."""
        return 100 * self._right(self.probabilities_FxMxVxK).mean(axis=-1)

    def averaged(self) -> np.ndarray:
        """Probabilities of each fold's networks together, [F, V, K]."""
        log_probabilities = np.log(np.maximum(self.probabilities_FxMxVxK, calibration.LEAST))
        average_FxVxK = jax.vmap(metrics.average_members)(log_probabilities)
        return np.exp(np.asarray(average_FxVxK, np.float64))

    def accuracy(self, probabilities_FxVxK: np.ndarray) -> float:
        """In percent of all digits."""
        return 100 * float(self._right(probabilities_FxVxK[:, None]).mean())

    def out_of_fold(self) -> np.ndarray:
        """`averaged` in the order of the data, [N, K]: what has not seen a digit, of each digit."""
        inside_FxV = self.labels_FxV >= 0
        averaged_FxVxK = self.averaged()
        ordered_NxK = np.empty((inside_FxV.sum(), averaged_FxVxK.shape[-1]))
        ordered_NxK[self.rows_FxV[inside_FxV]] = averaged_FxVxK[inside_FxV]
        return ordered_NxK

    def _right(self, probabilities_FxMxVxK: np.ndarray) -> np.ma.MaskedArray:
        right = probabilities_FxMxVxK.argmax(axis=-1) == self.labels_FxV[:, None]
        padding = np.broadcast_to(self.labels_FxV[:, None] < 0, right.shape)
        return np.ma.masked_array(right, padding)


def score(name: str, folder: str, dataset: Dataset, views: Sequence[int]) -> list[Scored]:
    """Predicts with every network of a run what it has not seen, with so many views each time."""
    record = workdir.read_run(folder)
    if record.data_fingerprint != dataset.fingerprint or not record.config.folds:
        raise UserError(f"{folder}: not a cross-validation on {dataset.name}")
    if not workdir.is_finished(folder):
        raise UserError(f"{folder}: has not finished its {record.config.epochs} epochs")
    assert dataset.labels_N is not None
    population = populations.make(record.config, dataset.labels_N)
    mesh = meshes.make(len(population))
    params_M = predict.restore(folder, record)
    folds = record.config.folds
    rows_FxV = population.held_MxV[:: len(population) // folds]
    labels_FxV = np.where(rows_FxV < 0, -1, dataset.labels_N[rows_FxV])

    def viewed(count: int) -> Scored:
        program = backend.jit(
            functools.partial(predict.logits, record.config, mesh, views=count),
            mesh,
            record.config,
            out_shardings=meshes.replicated(mesh),
        )
        logits_MxVxK = program(params_M, population.held_MxV, dataset.images_NxHxW)
        probabilities = np.asarray(jax.nn.softmax(logits_MxVxK), np.float64)
        probabilities_FxMxVxK = probabilities.reshape(folds, -1, *probabilities.shape[1:])
        return Scored(name, record, probabilities_FxMxVxK, labels_FxV, rows_FxV)

    return [viewed(count) for count in views]


def accuracy_table(runs: list[Scored], viewed: list[Scored]) -> Iterator[str]:
    """A row per recipe."""
    yield (
        "| recipe | parameters | epochs | networks | one network, % | the networks of a fold "
        "averaged, % | with 8 views, % |"
    )
    yield "|---|---|---|---|---|---|---|"
    for run, views in zip(runs, viewed, strict=True):
        config, each = run.record.config, run.each_FxM
        folds, members = each.shape
        parameters = sum(layer.trainable for layer in summary.layers(config))
        together = "" if members == 1 else f"{run.accuracy(run.averaged()):.3f}"
        yield (
            f"| `{run.name}.py` | {parameters:,} | {config.epochs} | {folds} x {members} "
            f"| {each.mean():.3f} ± {each.std(ddof=1):.3f} | {together} "
            f"| {views.accuracy(views.averaged()):.3f} |"
        )


def calibration_table(runs: list[Scored]) -> Iterator[str]:
    """Before and after a temperature that was fitted on the other folds."""
    yield (
        "| recipe | temperature | cross-entropy | after | expected calibration error, % | after |"
    )
    yield "|---|---|---|---|---|---|"
    for run in runs:
        inside_FxV = run.labels_FxV >= 0
        before_FxVxK, temperatures, after = run.averaged(), [], []
        for fold, inside_V in enumerate(inside_FxV):
            others = np.arange(len(inside_FxV)) != fold
            fitted = inside_FxV & others[:, None]
            temperature = calibration.fit_temperature(before_FxVxK[fitted], run.labels_FxV[fitted])
            temperatures.append(temperature)
            after.append(calibration.tempered(before_FxVxK[fold][inside_V], temperature))
        labels_N = run.labels_FxV[inside_FxV]
        cells = [f"{np.mean(temperatures):.2f}"]
        both = (before_FxVxK[inside_FxV], np.concatenate(after))
        cells += [f"{calibration.cross_entropy(each, labels_N):.4f}" for each in both]
        cells += [f"{100 * calibration.expected_error(each, labels_N):.3f}" for each in both]
        yield f"| `{run.name}.py` | {' | '.join(cells)} |"


def ablation_table(runs: list[Scored]) -> Iterator[str]:
    """What each ingredient is worth: the networks of the first run against those of the others."""
    yield "| recipe | networks | one network, % | difference to the first |"
    yield "|---|---|---|---|"
    first = runs[0]
    for run in runs:
        each = run.each_FxM
        for field in ("seed", "split_seed", "folds", "members"):
            if getattr(run.record.config, field) != getattr(first.record.config, field):
                raise UserError(f"{run.name}: its config.{field} is not that of {first.name}")
        difference = each - first.each_FxM
        error = difference.std(ddof=1) / np.sqrt(difference.size)
        cell = "" if run is first else f"{difference.mean():+.3f} ± {error:.3f}"
        yield (
            f"| {run.name} | {each.size} | {each.mean():.3f} ± {each.std(ddof=1):.3f} | {cell} |"
        )


def with_rows_kept(table: Iterator[str], page: str) -> list[str]:
    """A table of recipes, the rows of the page for those that it has not; the page's order."""
    heading, rule, *rows = table
    below = page.partition(f"{heading}\n{rule}\n")[2]
    kept = itertools.takewhile(lambda line: line.startswith("|"), below.splitlines())
    return [heading, rule, *{row.split("|")[1]: row for row in (*kept, *rows)}.values()]


def accuracy_by_members(run: Scored) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of the accuracy of random subsets of the members, by size."""
    random, members = np.random.default_rng(0), run.each_FxM.shape[1]
    each_SxM = np.stack([random.permutation(members) for _ in range(SUBSETS)])
    accuracy_SxM = np.empty((SUBSETS, members))
    for subset, order_M in enumerate(each_SxM):
        sums = np.cumsum(run.probabilities_FxMxVxK[:, order_M], axis=1)
        accuracy_SxM[subset] = [run.accuracy(sums[:, size]) for size in range(members)]
    return accuracy_SxM.mean(axis=0), accuracy_SxM.std(axis=0)


def draw_members(runs: list[Scored]) -> Any:
    """Accuracy against the number of members averaged."""
    figure = figures.empty_figure(900, 520, layout="constrained")
    axes = figure.subplots()
    for run in runs:
        mean_M, spread_M = accuracy_by_members(run)
        sizes = np.arange(1, len(mean_M) + 1)
        (line,) = axes.plot(sizes, mean_M, "o-", label=f"{run.name}.py", ms=4)
        low_M, high_M = mean_M - spread_M, mean_M + spread_M
        axes.fill_between(sizes, low_M, high_M, color=line.get_color(), alpha=0.15)
    axes.set_xlabel("members averaged")
    axes.set_ylabel("cross-validated accuracy, %")
    axes.set_title(f"Mean and standard deviation of {SUBSETS} random subsets of the members")
    figures.quiet_axes(axes)
    axes.legend(frameon=False, loc="lower right")
    return figure


def main() -> None:
    """Writes the tables between the markers of docs/results.md, and the pictures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", required=True)
    parser.add_argument("--ablation", nargs="*", default=[], metavar="TEXT=WORKDIR")
    parser.add_argument("runs", nargs="*", metavar="RECIPE=WORKDIR")
    flags = parser.parse_args()
    # Orbax warns of what is asked for on purpose.
    logging.set_verbosity(logging.ERROR)
    dataset = data.load_train(flags.data)

    def scored(pairs: list[str], *views: int) -> list[list[Scored]]:
        named = [pair.rpartition("=")[::2] for pair in pairs]
        return [score(name, folder, dataset, views) for name, folder in named]

    runs, viewed = map(list, zip(*scored(flags.runs, 1, 8), strict=True))
    several = [run for run in runs if run.each_FxM.shape[1] > 1]
    page = RESULTS.read_text()
    parts: list[tuple[str, Iterable[str]]] = [
        ("Accuracy", with_rows_kept(accuracy_table(runs, viewed), page)),
        ("Calibration", with_rows_kept(calibration_table(runs), page)),
    ]
    answers = {run.name: run.out_of_fold() for run in runs}
    assert dataset.labels_N is not None
    labels_N = dataset.labels_N
    parts.append(("Mistakes in common", mistakes.common_table(answers, labels_N)))
    if flags.ablation:
        ingredients = [run for (run,) in scored(flags.ablation, 1)]
        parts.append(("Ingredients", ablation_table(ingredients)))
    text = "\n\n".join("\n".join([f"## {title}\n", *part]) for title, part in parts)
    print(text)
    if several:
        report.write(draw_members(several), PICTURES / "members.png", overwrite=True)
    of_first_NxK = answers[runs[0].name]
    wrong = report.draw_mistakes(dataset.images_NxHxW, labels_N, of_first_NxK, limit=240)
    report.write(wrong, PICTURES / "wrong_digits.png", overwrite=True)
    common = mistakes.draw_wrong_in_all(answers, labels_N, dataset.images_NxHxW)
    report.write(common, PICTURES / "wrong_in_all.png", overwrite=True)
    doubtful = mistakes.doubtful_labels(of_first_NxK, labels_N)
    print(f"{len(doubtful)} labels in doubt, rows {', '.join(map(str, doubtful))}")
    before, _, rest = page.partition(BEGIN)
    RESULTS.write_text(f"{before}{BEGIN}\n{text}\n{END}{rest.partition(END)[2]}")


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(str(error))
