"""Configs from the names and values of their fields, and what differs between two."""

import dataclasses
import difflib
from collections.abc import Mapping
from typing import Any

from lenet_jax.config.fields import Config
from lenet_jax.errors import UserError

# Fields that there were, with the value that left out what they are about: it did not help.
DELETED = {"erasing": 0.0, "mixup": 0.0, "stroke": 0.0}


def from_mapping(fields: Mapping[str, Any], *, source: str = "config") -> Config:
    """Builds a `Config` from field values; fields left out keep their defaults.

    Of the fields that are `DELETED`, those that did nothing are passed over.

    Args:
      fields: name -> value.
      source: where the fields come from, for messages.

    Raises:
      UserError: an unknown field (the message lists near misses) or a value out of range.
    """
    known = [field.name for field in dataclasses.fields(Config)]
    fields = {name: value for name, value in fields.items() if value != DELETED.get(name)}
    for name in fields:
        if name not in known:
            raise UserError(f"{source}: {unknown_field(name, known)}")
    return Config(**fields)


def unknown_field(name: str, known: list[str]) -> str:
    """A message for a misspelt field that lists the near misses, or all fields if none is near.

    Examples:
      >>> unknown_field("epoch", ["seed", "epochs"])
      'there is no field config.epoch; did you mean epochs?'
    """
    if name in DELETED:
        return f"config.{name} is gone, for it did not help (docs/results.md); train without it"
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    if near:
        return f"there is no field config.{name}; did you mean {' or '.join(near)}?"
    return f"there is no field config.{name}; there are {', '.join(known)}"


def differences(stored: Config, asked: Config) -> list[str]:
    """Fields in which a run cannot go on from another's checkpoint, as `name: stored -> asked`."""
    pairs = [
        (field, getattr(stored, field.name), getattr(asked, field.name))
        for field in dataclasses.fields(Config)
        if not field.metadata["resumable"]
    ]
    return [f"{field.name}: {old!r} -> {new!r}" for field, old, new in pairs if old != new]
