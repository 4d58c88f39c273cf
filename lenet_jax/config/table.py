"""What is known of a field of `Config`, where it is declared: default, text, range, uses."""

import dataclasses
import math
from typing import Any, NamedTuple

import numpy as np

from lenet_jax.errors import UserError


class Range(NamedTuple):
    """The numbers that a field may have.

    Examples:
      >>> str(Range(0, 1, open_high=True)), Range(0, 1, open_high=True).holds(1.0)
      ('[0, 1)', False)
    """

    low: float
    high: float
    open_low: bool = False
    open_high: bool = False

    def holds(self, value: float) -> bool:
        """Whether a number lies in it."""
        above = value > self.low if self.open_low else value >= self.low
        # As the compiled program will know it: what rounds to 1 there is 1.
        below = np.float32(value) < self.high if self.open_high else value <= self.high
        return bool(above and below)

    def __str__(self) -> str:
        low, high = "(" if self.open_low else "[", ")" if self.open_high else "]"
        return f"{low}{self.low:g}, {self.high:{'g' if self.high % 1 else '.0f'}}{high}"


def field(
    default: Any,
    told: str,
    allowed: Range | tuple[str, ...] | None = None,
    *,
    swept: bool = False,
    resumable: bool = False,
    models: tuple[str, ...] = (),
) -> Any:
    """A field of `Config`, and all that is known of it.

    Args:
      default: its value where a recipe names none.
      told: what it is, for `--help`, `help(Config)` and the documentation.
      allowed: a range of numbers, the words to choose from, or None for any value of its type.
      swept: whether members of one run may differ in it: a number that is data of the compiled
        program.
      resumable: whether a run may go on from the checkpoint of one that differs in it: it changes
        neither the arrays of the state nor the numbers that come out of a step.
      models: that know the field; of the others nobody may set it. Empty for all models.
    """
    known = {"told": told, "allowed": allowed, "swept": swept, "resumable": resumable}
    return dataclasses.field(default=default, metadata={**known, "models": models})


def checked(field: dataclasses.Field[Any], value: Any) -> Any:
    """A field's value, an integer standing for a float if it must, and for nothing else.

    Raises:
      UserError: it is of another type, or not allowed.
    """
    if field.type is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if type(value) is not field.type:
        wanted = getattr(field.type, "__name__", field.type)
        raise UserError(f"config.{field.name}={value!r}: must be of type {wanted}")
    if field.type is float and not math.isfinite(value):
        raise UserError(f"config.{field.name}={value!r}: must be a finite number")
    allowed = field.metadata["allowed"]
    if isinstance(allowed, Range):
        if not allowed.holds(value):
            raise UserError(f"config.{field.name}={value!r}: must lie in {allowed}")
    elif allowed is not None and value not in allowed:
        raise UserError(f"config.{field.name}={value!r}: choose one of {', '.join(allowed)}")
    return value


def check_model(model: str, field: dataclasses.Field[Any], value: Any) -> None:
    """Raises UserError if a field that the model does not know has another value than usual."""
    models = field.metadata["models"]
    if models and model not in models and value != field.default:
        known = " and ".join(map(repr, models))
        raise UserError(
            f"config.{field.name}={value!r}: only for config.model={known}, not {model!r}"
        )


def described(field: dataclasses.Field[Any]) -> str:
    """What is said of a field, with what it may be."""
    told: str = field.metadata["told"]
    allowed = field.metadata["allowed"]
    if allowed is None:
        return told
    words = f"in {allowed}" if isinstance(allowed, Range) else f"one of {', '.join(allowed)}"
    return f"{told}; {words}"
