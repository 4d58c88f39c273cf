"""From the value of `--data` to digits."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from lenet_jax.data import download, idx, kaggle, pictures, sample
from lenet_jax.data.dataset import Dataset, Part
from lenet_jax.errors import UserError
from lenet_jax.files import shown

_FOLDER = "data"
# What `--data` of a prediction takes.
HELP_TO_PREDICT = (
    "Digits to predict: auto (data/ here if it holds digits, else the sample's test digits), "
    "sample, kaggle or mnist (downloaded), or the path of Kaggle's zip, of its CSVs, of an IDX "
    "folder, of a picture or a folder of pictures; for --report what the run was trained on."
)

Say = Callable[[str], None]
Counted = Callable[[int], object]


def load_train(
    data: str = "auto",
    *,
    cwd: str | os.PathLike[str] | None = None,
    say: Say | None = None,
    counted: Counted | None = None,
) -> Dataset:
    """Digits to train on, always with labels.

    Args:
      data: `auto`, `sample`, `kaggle` or `mnist` (downloaded), or the path of Kaggle's zip, of a
        folder or file of its CSVs, or of a folder of IDX files.
      cwd: the folder that relative paths start from; the current one by default.
      say: is given the line that says what `auto` has chosen.
      counted: is given the number of rows of a CSV before they are parsed, which takes seconds; of
        other sources and of what is in the cache it is not told.

    Raises:
      UserError: one line that names the place and says what to do.
    """
    return _load(data, "train", cwd, say, counted)


def load_test(
    data: str = "auto",
    *,
    cwd: str | os.PathLike[str] | None = None,
    say: Say | None = None,
    counted: Counted | None = None,
    deskew: bool = False,
) -> Dataset:
    """Digits to predict; with labels where the source has them (the sample, IDX, some CSVs).

    The other arguments and errors are those of `load_train`; `data` may also be the path of a
    picture or of a folder of pictures, whose slanted digits `deskew` straightens.
    """
    return _load(data, "test", cwd, say, counted, deskew)


def sample_submission(
    data: str = "auto", *, cwd: str | os.PathLike[str] | None = None
) -> bytes | None:
    """The content of Kaggle's `sample_submission.csv` where `data` brings it, else None.

    Raises:
      UserError: it is there and cannot be read.
    """
    data = _downloaded(_resolve(data, cwd, None), None)
    if data == "sample":
        return None
    with _naming(data) as name:
        path = _path(data, cwd)
        if not path.exists() or (not kaggle.holds(path) and pictures.holds(path)):
            return None
        return kaggle.sample_submission(path, name)


def _load(
    data: str,
    part: Part,
    cwd: str | os.PathLike[str] | None,
    say: Say | None,
    counted: Counted | None,
    deskew: bool = False,
) -> Dataset:
    data = _downloaded(_resolve(data, cwd, say), say)
    if data == "sample":
        return sample.load(part)
    with _naming(data) as name:
        path = _path(data, cwd)
        if not path.exists():
            raise UserError(
                f"{name}: no such file or folder; --data takes auto, sample, kaggle, mnist or the "
                "path of Kaggle's zip, of its CSVs, of a folder of IDX files or, to predict, of "
                "pictures"
            )
        if path.is_dir() and not kaggle.holds(path) and idx.holds(path):
            return idx.load(path, part, name)
        if part == "test" and not kaggle.holds(path) and pictures.holds(path):
            return pictures.load(path, name, deskew=deskew)
        return kaggle.load(path, part, name, counted)


@contextmanager
def _naming(data: str) -> Iterator[str]:
    """Gives the name of a path for messages, and names it where the system refuses it.

    That is a folder that may not be listed, a name too long, a zero byte or an unknown ~user in it.
    """
    name = shown(data)
    try:
        yield name
    except (OSError, ValueError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"{name}: cannot be read ({reason})") from None


def _resolve(data: str, cwd: str | os.PathLike[str] | None, say: Say | None) -> str:
    """Replaces `auto` by what it stands for, and says so."""
    if data != "auto":
        return data
    chosen = "sample"
    line = f"--data=auto: no digits in {_FOLDER}/ here, taking the sample of 5,000 MNIST digits"
    with _naming(_FOLDER):
        folder = _path(_FOLDER, cwd)
        if folder.is_dir() and (kaggle.holds(folder) or idx.holds(folder)):
            chosen = _FOLDER
            line = f"--data=auto: taking the digits in {_FOLDER}/"
    if say is not None:
        say(line)
    return chosen


def _downloaded(data: str, say: Say | None) -> str:
    """Replaces `kaggle` and `mnist` by the folder of their files."""
    if data == "kaggle":
        return os.fspath(download.kaggle())
    return os.fspath(download.mnist(say)) if data == "mnist" else data


def _path(data: str, cwd: str | os.PathLike[str] | None) -> Path:
    # A shell leaves the tilde of --data=~/x as it is.
    return Path(cwd or ".") / Path(data).expanduser()
