"""A kind of files that digits come in."""

import dataclasses
import importlib
from typing import Any

from lenet_jax.data.dataset import Dataset
from lenet_jax.data.location import Asked, Location


@dataclasses.dataclass(frozen=True, kw_only=True)
class Format:
    """What people are told of a format, and the file of this folder that reads it.

    That file has two functions, `holds(place)` and `load(place, asked)`, and is imported when they
    are called: Kaggle's zip needs no other.

    Attributes:
      name: what people call it.
      what: which files of it are read, for `--help` and the table of the docs.
      learnt: from where its layout is known.
      module: the file that reads it.
      extra: the package that its reading needs, empty for none.
    """

    name: str
    what: str
    learnt: str
    module: str
    extra: str = ""

    @property
    def _reader(self) -> Any:
        return importlib.import_module(f"lenet_jax.data.{self.module}")

    def holds(self, location: Location) -> bool:
        """Whether a place holds it; names and first bytes are looked at, and no more is read."""
        held: bool = self._reader.holds(location)
        return held

    def load(self, location: Location, asked: Asked) -> Dataset:
        """The digits of a place that holds it.

        Raises:
          UserError: something in it is wrong; one line that names it.
        """
        dataset: Dataset = self._reader.load(location, asked)
        return dataset
