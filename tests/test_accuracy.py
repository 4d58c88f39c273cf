"""The tables of docs/results.md, `benchmarks/accuracy.py`."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from lenet_jax.config import Config
from lenet_jax.errors import UserError
from support.networks import record

ROOT = Path(__file__).parent.parent


def loaded(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / f"benchmarks/{name}.py")
    module = importlib.util.module_from_spec(spec)
    # A dataclass looks its own module up.
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


mistakes, accuracy = loaded("mistakes"), loaded("accuracy")

FOLDS, MEMBERS, DIGITS = 2, 3, 10


def scored(wrong, name="some", **fields):
    """A run whose member m of each fold reads the first `wrong[m]` digits wrongly.

    The second fold has a digit less, and what stands in its place is read wrongly by all.
    """
    labels_FxV = np.tile(np.arange(DIGITS), (FOLDS, 1))
    said_FxMxVxK = np.tile(np.eye(10)[labels_FxV][:, None], (1, MEMBERS, 1, 1))
    for member, count in enumerate(wrong):
        said_FxMxVxK[:, member, :count] = np.roll(said_FxMxVxK[:, member, :count], 1, axis=-1)
    labels_FxV[1, -1] = -1
    said_FxMxVxK[1, :, -1] = np.nan
    return accuracy.Scored(
        name=name,
        record=record(Config(folds=FOLDS, members=MEMBERS, epochs=7, **fields)),
        probabilities_FxMxVxK=0.9 * said_FxMxVxK + 0.01,
        labels_FxV=labels_FxV,
        rows_FxV=np.arange(FOLDS * DIGITS).reshape(FOLDS, DIGITS),
    )


def test_a_recipe_that_is_not_scored_keeps_its_row():
    first, *others = (scored([wrong, 0, 0], name) for wrong, name in ((1, "a"), (2, "b"), (3, "a")))
    page = "\n".join(["before", *accuracy.calibration_table([first, others[0]]), "<!-- end -->"])
    table = accuracy.with_rows_kept(accuracy.calibration_table(others[1:]), page)
    assert table == list(accuracy.calibration_table([others[1], others[0]]))
    nowhere = accuracy.with_rows_kept(accuracy.calibration_table([first]), "no table")
    assert nowhere == list(accuracy.calibration_table([first]))


def test_every_network_and_their_average_are_scored_on_the_digits_of_their_fold():
    run = scored([1, 1, 4])
    by_hand = [[90, 90, 60], [100 * 8 / 9, 100 * 8 / 9, 100 * 5 / 9]]
    np.testing.assert_allclose(run.each_FxM, by_hand)
    # Two of three carry the average.
    together = 100 * 17 / 19
    assert run.accuracy(run.averaged()) == pytest.approx(together)
    (row,) = list(accuracy.accuracy_table([run], [run]))[2:]
    mean, spread = np.mean(by_hand), np.std(by_hand, ddof=1)
    assert row == (
        f"| `some.py` | 61,706 | 7 | 2 x 3 | {mean:.3f} ± {spread:.3f} | {together:.3f} "
        f"| {together:.3f} |"
    )


def test_more_members_are_more_right_where_the_wrong_ones_are_few():
    mean_M, spread_M = accuracy.accuracy_by_members(scored([0, 0, 9]))
    assert mean_M[-1] == 100
    assert spread_M[-1] == 0
    assert mean_M[0] == pytest.approx(np.mean([100, 100, 100 / 19]), abs=10)


def test_an_ingredient_is_worth_the_mean_difference_of_pairs():
    rows = list(accuracy.ablation_table([scored([1, 2, 3], "base"), scored([0, 1, 2], "better")]))
    difference = np.repeat([10, 100 / 9], MEMBERS)
    error = difference.std(ddof=1) / np.sqrt(FOLDS * MEMBERS)
    assert rows[2].endswith("|  |")
    assert rows[3].endswith(f"| +{difference.mean():.3f} ± {error:.3f} |")


@pytest.mark.parametrize("fields", [{"seed": 1}, {"split_seed": 1}])
def test_what_is_no_pair_is_refused(fields):
    runs = [scored([1, 2, 3], "base"), scored([0, 1, 2], "other", **fields)]
    with pytest.raises(UserError, match=f"other: its config.{next(iter(fields))}"):
        list(accuracy.ablation_table(runs))


def test_a_temperature_mends_other_folds_than_it_was_fitted_on():
    (row,) = list(accuracy.calibration_table([scored([1, 1, 1])]))[2:]
    name, temperature, before, after, *_ = row.strip("| ").split(" | ")
    assert name == "`some.py`"
    # 0.91 sure of 17 in 19.
    assert float(temperature) == pytest.approx(1, abs=0.2)
    assert abs(float(before) - float(after)) < 0.02


def test_each_digit_is_answered_by_what_has_not_seen_it():
    run = scored([1, 1, 4])
    answers_N = run.out_of_fold().argmax(axis=1)
    # The first digit of each fold, by two of three.
    assert list(answers_N) == [1, *range(1, 10), 1, *range(1, 9)]


def test_mistakes_are_counted_where_two_make_them():
    labels_N = np.arange(10)
    one, other = np.eye(10), np.eye(10)
    one[:4], other[2:5] = np.roll(one[:4], 1, axis=1), np.roll(other[2:5], 3, axis=1)
    answers = {"one": one, "other": other}
    assert list(mistakes.wrong_in_all(answers, labels_N)) == [2, 3]
    rows = list(mistakes.common_table(answers, labels_N))[2:]
    assert rows == ["| `one.py` | 4 |  | 50 |", "| `other.py` | 3 | 67 |  |"]
    figure = mistakes.draw_wrong_in_all(answers, labels_N, np.zeros((10, 28, 28), np.uint8))
    told = [text.get_text() for text in figure.texts]
    assert {"2 digits that all get wrong", "2 \N{RIGHTWARDS ARROW} 3 5"} <= set(told)


def test_labels_that_confident_networks_contradict_are_in_doubt():
    true_N = np.arange(2000) % 10
    # Of threes they are never as sure as of other digits.
    sure_N = np.where(true_N == 3, 0.5, 0.9)[:, None]
    said_NxK = sure_N * np.eye(10)[true_N] + (1 - sure_N) / 10
    labels_N = true_N.copy()
    mistaken_N = np.random.default_rng(0).choice(2000, 30, replace=False)
    labels_N[mistaken_N] = (true_N[mistaken_N] + 1) % 10
    assert set(mistakes.doubtful_labels(said_NxK, labels_N)) == set(mistaken_N)
    # One that nothing is sure of is left alone.
    said_NxK[mistaken_N[0]] = 0.1
    assert set(mistakes.doubtful_labels(said_NxK, labels_N)) == set(mistaken_N[1:])


def test_a_run_without_folds_is_told_in_one_line(trained):
    command = [sys.executable, ROOT / "benchmarks/accuracy.py", "--data=sample", f"some={trained}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.strip() == f"{trained}: not a cross-validation on sample (train part)"
