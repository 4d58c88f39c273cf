"""What a file of this folder says about the format that it reads."""

import dataclasses
from collections.abc import Callable

from lenet_jax.data.dataset import Dataset
from lenet_jax.data.place import Asked, Place


@dataclasses.dataclass(frozen=True, kw_only=True)
class Format:
    """A kind of files that digits come in.

    Attributes:
      name: what people call it.
      what: which files of it are read, for `--help` and the table of the docs.
      learnt: from where its layout is known.
      holds: whether a place holds it; looks at names and first bytes, and reads no more.
      load: reads it.
      extra: of this package that its reading needs, empty for none.
    """

    name: str
    what: str
    learnt: str
    holds: Callable[[Place], bool]
    load: Callable[[Place, Asked], Dataset]
    extra: str = ""
