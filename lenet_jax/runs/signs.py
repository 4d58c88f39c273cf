"""By what files of a run are known whose names other people give to theirs, too."""

import os
from typing import Any

from lenet_jax.files import to_path

# The page of a report.
PAGE = "report.html"
# In the head of every model card, and of no other file.
OF_CARD = "tags: [jax, flax, lenet-5, mnist, digit-recognizer]"
# In the head of every page, likewise.
OF_PAGE = '<meta name="generator" content="lenet-jax">'


def is_card(path: Any) -> bool:
    """Whether a file is the model card of a run, with whatever somebody has added."""
    return _holds(path, OF_CARD)


def is_report(folder: str | os.PathLike[str]) -> bool:
    """Whether a folder is the report of a run, with whatever somebody has added."""
    return _holds(to_path(folder) / PAGE, OF_PAGE)


def _holds(path: Any, sign: str) -> bool:
    try:
        return sign.encode() in path.read_bytes()
    except OSError:
        return False
