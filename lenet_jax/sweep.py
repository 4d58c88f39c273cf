"""The trials of a sweep: which hyperparameters are tried, and with which values."""

import dataclasses
import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

from lenet_jax.errors import UserError

# Of NumPy, of JAX, or only its shape and dtype.
Array = Any


@dataclasses.dataclass(frozen=True)
class Hyperparameters:
    """The numbers of a recipe that may differ between members, by the names of their fields.

    Each is an attribute, as of `Config`, and a leaf of a tree for JAX, which `population.py` tells
    it; float32 [] in a step.
    """

    numbers: Mapping[str, Array]

    def __getattr__(self, name: str) -> Array:
        """The number of a field."""
        try:
            return self.__dict__["numbers"][name]
        except KeyError:
            raise AttributeError(f"there is no hyperparameter {name}") from None


def trials(text: str) -> list[dict[str, float]]:
    """All combinations of the values that a text names.

    Args:
      text: `field=value,value,...; field=value,...`; empty for a single trial that changes nothing.

    Returns:
      field -> value for each trial; the last field runs fastest.

    Raises:
      UserError: another syntax, or a field twice. Which fields there are, `Config` knows.

    Examples:
      >>> trials("shift=1,2; elastic=0.5")
      [{'shift': 1.0, 'elastic': 0.5}, {'shift': 2.0, 'elastic': 0.5}]
    """
    values: dict[str, list[float]] = {}
    for part in filter(str.strip, text.split(";")):
        name, equals, listed = (piece.strip() for piece in part.partition("="))
        if not (equals and name) or name in values:
            why = "is there twice" if name in values else "has no values"
            raise UserError(f"config.sweep: {name!r} {why}; write field=value,value; field=value")
        try:
            values[name] = [float(value) for value in listed.split(",")]
        except ValueError:
            raise UserError(f"config.sweep: {name}={listed}: numbers must follow") from None
        if not all(map(math.isfinite, values[name])):
            raise UserError(f"config.sweep: {name}={listed}: must be finite")
    return [dict(zip(values, trial, strict=True)) for trial in itertools.product(*values.values())]


def named(trial: Mapping[str, float]) -> str:
    """A trial as people read it.

    Examples:
      >>> named({"shift": 1.0, "elastic": 0.5})
      'shift=1, elastic=0.5'
    """
    return ", ".join(f"{field}={value:g}" for field, value in trial.items())


def accuracies(
    text: str, networks: Sequence[Mapping[str, float]]
) -> list[tuple[dict[str, float], list[float]]]:
    """The trials of a sweep in their order, each with the hold-out accuracies of its networks.

    Args:
      text: as for `trials`.
      networks: rows of `networks.csv`.

    Examples:
      >>> rows = [{"shift": shift, "holdout_accuracy": 0.9} for shift in (1.0, 2.0, 1.0)]
      >>> accuracies("shift=1,2", rows)
      [({'shift': 1.0}, [0.9, 0.9]), ({'shift': 2.0}, [0.9])]
    """
    return [
        (trial, [row["holdout_accuracy"] for row in networks if trial.items() <= row.items()])
        for trial in trials(text)
    ]
