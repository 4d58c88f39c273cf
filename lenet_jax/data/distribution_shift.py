"""Tells digits that are not what a network was trained on: inverted, turned, blank, noise.

Digits that a run is to predict are compared with those that it was trained on; digits to train on
with MNIST's, for pictures are made like these. The thresholds were chosen on Kaggle's train.csv, so
that no part of it, down to ten digits of one class, is told to be anything else; `_ONE_CLASS` on
UCI's digits.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lenet_jax.data import appearance, orientation
from lenet_jax.data.appearance import Appearance, Usual
from lenet_jax.data.dataset import Dataset
from lenet_jax.data.orientation import TURNS

# Digits, before anything but that they are blank is told of them.
_LEAST = 10
# Fraction of blank ones above the usual one.
_BLANK = 0.1
# Times as high, or as low, as usual.
_RANGE = 2.0
# How much nearer to the usual ones border and ink are after inversion.
_POLARITY = 0.5
# Of the usual correlation of neighbours, and of the usual likeness.
_NOISE, _UNLIKE = 0.4, 0.6
# Of the usual likeness, once a turn is undone; what that adds to it, also in standard errors, of
# digits that differ from each other by so much at least.
_TURNED, _GAIN, _ERRORS, _DEVIATION = 0.85, 0.03, 4.0, 0.1
# Fraction of digits that are most like the same class. Of a single one, by another hand, a mirrored
# 2 may pass for an 8.
_ONE_CLASS = 0.5


@dataclasses.dataclass
class _Found:
    """What is unusual about digits.

    Attributes:
      seen: each completes "these digits ...".
      remedies: each completes "give ...".
    """

    seen: list[str] = dataclasses.field(default_factory=list)
    remedies: list[str] = dataclasses.field(default_factory=list)

    def line(self, name: str, unlike: str, otherwise: str) -> str | None:
        """One line for people, None where there is nothing."""
        if not self.seen:
            return None
        prefix = f"{name}: " if name else ""
        given = f"give {' and '.join(self.remedies)}" if self.remedies else "see how they were made"
        return (
            f"WARNING: {prefix}these digits {' and '.join(self.seen)}, unlike {unlike}; {given}, "
            f"or {otherwise}"
        )


def prediction_warning(kept: Mapping[str, Any], dataset: Dataset) -> str | None:
    """One line where digits are not like those that a run was trained on, else None.

    Args:
      kept: what `appearance.of_training` gave of these; empty for a run that kept nothing.
      dataset: to be predicted. Pictures, which are made alike, are not looked at.
    """
    usual = appearance.read(kept)
    if usual is None or dataset.locations is not None:
        return None
    some = dataset.images_NxHxW[orientation.some_of(len(dataset))]
    found, digits_NxHxW = _compared(some, usual.appearance)
    if len(digits_NxHxW) and usual.class_means:
        _add_turn(found, digits_NxHxW, usual)
    return found.line(dataset.name, "what the run was trained on", "most will be read wrong")


def training_warning(dataset: Dataset) -> str | None:
    """One line where a network trained on these digits would read pictures wrong, else None."""
    some = dataset.take(orientation.some_of(len(dataset)))
    found, digits_NxHxW = _compared(some.images_NxHxW, appearance.MNIST.appearance)
    if len(digits_NxHxW) == len(some) and some.labels_N is not None:
        turn = orientation.turn_of_classes(digits_NxHxW, some.labels_N)
        if turn is not None:
            found.seen.append(turn.seen)
            found.remedies.append(turn.remedy)
    return found.line(dataset.name, "what pictures are made into", "pictures will be read wrong")


def _compared(
    images_NxHxW: NDArray[np.uint8], usual: Appearance
) -> tuple[_Found, NDArray[np.float32]]:
    """What needs no class means; and the digits in the usual polarity, none where that says all."""
    found = _Found()
    seen, digits_NxHxW = appearance.seen(images_NxHxW)
    if seen is None:
        found.seen.append("are all blank")
        return found, digits_NxHxW
    if seen.blank > usual.blank + _BLANK:
        found.seen.append(f"are blank, {seen.blank:.0%} of them")
    none = digits_NxHxW[:0]
    if len(digits_NxHxW) < _LEAST:
        return found, none
    as_they_are = abs(seen.border - usual.border) + abs(seen.ink - usual.ink)
    inverted = abs(1 - seen.border - usual.border) + abs(1 - seen.ink - usual.ink)
    if as_they_are - inverted > _POLARITY:
        dark = "are dark on light" if seen.border > usual.border else "are light on dark"
        found.seen.append(dark)
        found.remedies.append(f"{seen.highest:g} minus each pixel")
        digits_NxHxW = 1 - digits_NxHxW
    if not 1 / _RANGE < seen.highest / usual.highest < _RANGE:
        found.seen.append(f"have pixels up to {seen.highest:g} and not {usual.highest:g}")
        found.remedies.append(f"each pixel times {usual.highest / seen.highest:.3g}")
    if seen.correlation < _NOISE * usual.correlation:
        found.seen.append("look like noise")
        return found, none
    return found, digits_NxHxW


def _add_turn(found: _Found, digits_NxHxW: NDArray[np.float32], usual: Usual) -> None:
    """Adds how digits lie, or that they are like nothing the run knows."""
    upright_NxK, turned_NxK = orientation.correlations(digits_NxHxW, usual.class_means)
    turn = max(TURNS, key=lambda turn: float(turned_NxK[turn].max(1).mean()))
    likeness = float(turned_NxK[turn].max(1).mean())
    gain_N = turned_NxK[turn].max(1) - upright_NxK.max(1)
    error = max(float(gain_N.std()), _DEVIATION) / np.sqrt(len(gain_N))
    is_better = float(gain_N.mean()) > max(_GAIN, _ERRORS * error)
    most = np.bincount(turned_NxK[turn].argmax(1)).max() / len(gain_N)
    if is_better and likeness > _TURNED * usual.likeness and most < _ONE_CLASS:
        found.seen.append(turn.seen)
        found.remedies.append(turn.remedy)
    elif float(upright_NxK.max(1).mean()) < _UNLIKE * usual.likeness:
        found.seen.append("have other shapes")
