"""Stratified hold-outs and folds: every class has its share on both sides."""

import numpy as np
from numpy.typing import NDArray

from lenet_jax.data.dataset import Labels
from lenet_jax.errors import UserError

Indices = NDArray[np.int64]


def holdout(labels_N: Labels, fraction: float, seed: int) -> tuple[Indices, Indices]:
    """Parts the rows in two, the same way for the same labels, share and seed.

    Args:
      labels_N: class of each row.
      fraction: part of the rows held out, in [0, 1); 0 holds out none.
      seed: of the draw, in 0 .. 2**32 - 1.

    Returns:
      Positions of the training rows and of the held-out rows, each sorted.

    Raises:
      UserError: too few rows to leave one of each class on both sides.

    Examples:
      >>> train_N, held_N = holdout(np.array([0, 0, 0, 0, 1, 1, 1, 1]), fraction=0.25, seed=0)
      >>> len(train_N), len(held_N), set(train_N) & set(held_N)
      (6, 2, set())
    """
    rows_N = np.arange(len(labels_N))
    if fraction == 0:
        return rows_N, rows_N[:0]
    _at_least(labels_N, 2, f"a hold-out of {fraction:g}")
    classes = len(np.unique(labels_N))
    held = held_out(len(labels_N), fraction)
    if not classes <= held <= len(labels_N) - classes:
        raise UserError(
            f"a hold-out of {fraction:g} puts {held} of {len(labels_N)} rows aside, which leaves "
            f"no row of some of the {classes} classes on one side; change holdout or give more rows"
        )
    return _stratified(labels_N, held, np.random.RandomState(seed))


def held_out(rows: int, fraction: float) -> int:
    """How many rows `holdout` puts aside."""
    # As scikit-learn rounds.
    return int(np.ceil(fraction * rows))


def _stratified(
    labels_N: Labels, held: int, random: np.random.RandomState
) -> tuple[Indices, Indices]:
    """The draw of scikit-learn's StratifiedShuffleSplit, row for row, without its import.

    That import takes as long as the whole cached start of a run; a test holds the two equal.
    """
    classes_N = np.unique(labels_N, return_inverse=True)[1]
    counts_K = np.bincount(classes_N)
    by_class = np.split(np.argsort(classes_N, kind="mergesort"), np.cumsum(counts_K)[:-1])
    train_K = _shared_out(counts_K, len(labels_N) - held, random)
    held_K = _shared_out(counts_K - train_K, held, random)
    train, aside = [], []
    for rows, trained, left in zip(by_class, train_K, held_K, strict=True):
        drawn = rows[random.permutation(len(rows))]
        train.append(drawn[:trained])
        aside.append(drawn[trained : trained + left])
    return np.sort(np.concatenate(train)), np.sort(np.concatenate(aside))


def _shared_out(counts_K: Indices, total: int, random: np.random.RandomState) -> Indices:
    """Shares `total` draws out among classes, as near to their counts as whole numbers come.

    What rounding down leaves goes to the largest remainders, equal ones by lot.
    """
    exact_K = counts_K / counts_K.sum() * total
    drawn_K = np.floor(exact_K)
    missing = int(total - drawn_K.sum())
    remainders_K = exact_K - drawn_K
    for remainder in np.sort(np.unique(remainders_K))[::-1]:
        if missing <= 0:
            break
        (equal,) = np.where(remainders_K == remainder)
        chosen = random.choice(equal, size=min(len(equal), missing), replace=False)
        drawn_K[chosen] += 1
        missing -= len(chosen)
    rounded_K: Indices = drawn_K.astype(np.int64)
    return rounded_K


def folds(labels_N: Labels, k: int, seed: int) -> list[tuple[Indices, Indices]]:
    """Parts the rows in k folds, each of which is held out once.

    Args:
      labels_N: class of each row.
      k: number of folds, at least 2.
      seed: of the draw, in 0 .. 2**32 - 1.

    Returns:
      k pairs of sorted positions: training rows, held-out rows.

    Raises:
      UserError: fewer than two folds, or a class with fewer than k rows.
    """
    if k < 2:
        raise UserError(f"{k} folds: there must be at least 2")
    _at_least(labels_N, k, f"{k} folds")
    # Imported where it is needed: it takes as long as the whole cached start.
    from sklearn.model_selection import StratifiedKFold

    splitter = StratifiedKFold(n_splits=k, shuffle=True, random_state=seed)
    return [
        (np.sort(train_N), np.sort(held_N))
        for train_N, held_N in splitter.split(np.arange(len(labels_N)), labels_N)
    ]


def _at_least(labels_N: Labels, rows: int, what: str) -> None:
    classes, counts = np.unique(labels_N, return_counts=True)
    if not len(classes):
        raise UserError(f"{what}: there are no rows to split")
    least = int(np.argmin(counts))
    if counts[least] < rows:
        raise UserError(
            f"{what}: needs {rows} rows of each class, and class {classes[least]} has "
            f"{counts[least]}; give more rows or ask for less"
        )
