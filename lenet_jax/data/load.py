"""From the value of `--data` to digits."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lenet_jax.data import download, formats, kaggle, sample
from lenet_jax.data.dataset import Dataset
from lenet_jax.data.location import Asked, Counted, Location, Say, ignore
from lenet_jax.errors import UserError
from lenet_jax.files import printable

_FOLDER = "data"
# What `--data` takes.
HELP_TO_TRAIN = (
    "Digits to train on: auto (data/ here if it holds digits, else the sample), sample (5,000 "
    "digits, no network needed), kaggle or mnist (downloaded), or the path of any of these, "
    f"pictures left out: {formats.help_text()}."
)
HELP_TO_PREDICT = (
    "Digits to predict: auto (data/ here if it holds digits, else the sample's test digits), "
    "sample, kaggle or mnist (downloaded), or the path of any of these: "
    f"{formats.help_text()}; for --report what the run was trained on."
)
HELP_TRANSPOSED = (
    "The digits of --data are stored column by column, as EMNIST's CSVs are; they are turned."
)


def load_train(
    data: str = "auto",
    *,
    cwd: str | os.PathLike[str] | None = None,
    say: Say | None = None,
    counted: Counted | None = None,
    transposed: bool = False,
) -> Dataset:
    """Digits to train on, always with labels.

    Args:
      data: `auto`, `sample`, `kaggle` or `mnist` (downloaded), or the path of a file or folder of
        one of `formats.FORMATS`.
      cwd: the folder that relative paths start from; the current one by default.
      say: is given the line that says what `auto` has chosen.
      counted: is given the number of rows of a CSV before they are parsed, which takes seconds; of
        other sources and of what is in the cache it is not told.
      transposed: the digits are stored column by column, as EMNIST's CSVs are.

    Raises:
      UserError: one line that names the place and says what to do.
    """
    asked = Asked(part="train", say=say or ignore, counted=counted, transposed=transposed)
    return _load(data, asked, cwd)


def load_test(
    data: str = "auto",
    *,
    cwd: str | os.PathLike[str] | None = None,
    say: Say | None = None,
    counted: Counted | None = None,
    transposed: bool = False,
    deskew: bool = False,
) -> Dataset:
    """Digits to predict; with labels where the source has them (the sample, IDX, some CSVs).

    The other arguments and errors are those of `load_train`; `data` may also be the path of a
    picture or of a folder of pictures, whose slanted digits `deskew` straightens.
    """
    asked = Asked(
        part="test", say=say or ignore, counted=counted, transposed=transposed, deskew=deskew
    )
    return _load(data, asked, cwd)


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
        return kaggle.sample_submission(Location(path, name)) if path.exists() else None


def path_of(data: str) -> Path | None:
    """The file or folder that a value of `--data` names, None for what is brought or downloaded."""
    if data in ("sample", "kaggle", "mnist"):
        return None
    with _naming(data):
        return _path(_FOLDER if data == "auto" else data, None)


def _load(data: str, asked: Asked, cwd: str | os.PathLike[str] | None) -> Dataset:
    if not data:
        # An unset variable of a shell, which would stand for the current folder.
        raise UserError("--data: empty; give auto, sample, kaggle, mnist or a path, . for this one")
    data = _downloaded(_resolve(data, cwd, asked.say), asked.say)
    if data == "sample":
        if asked.transposed:
            raise UserError("sample: its digits stand upright; leave --transposed out")
        return sample.load(asked.part)
    with _naming(data) as name:
        path = _path(data, cwd)
        if not path.exists():
            raise UserError(
                f"{name}: no such file or folder; --data takes auto, sample, kaggle, mnist or the "
                f"path of {formats.names()}"
            )
        return formats.load(Location(path, name), asked)


@contextmanager
def _naming(data: str) -> Iterator[str]:
    """Gives the name of a path for messages, and names it where the system refuses it.

    That is a folder that may not be listed, a name too long, a zero byte or an unknown ~user in it.
    """
    name = printable(data)
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
        if folder.is_dir() and _holds_labels(Location(folder, _FOLDER)):
            chosen = _FOLDER
            line = f"--data=auto: taking the digits in {_FOLDER}/"
    if say is not None:
        say(line)
    return chosen


def _holds_labels(location: Location) -> bool:
    found = formats.find(location)
    return found is not None and found[0].module != "picture_files"


def _downloaded(data: str, say: Say | None) -> str:
    """Replaces `kaggle` and `mnist` by the folder of their files."""
    if data == "kaggle":
        return os.fspath(download.kaggle())
    return os.fspath(download.mnist(say)) if data == "mnist" else data


def _path(data: str, cwd: str | os.PathLike[str] | None) -> Path:
    # A shell leaves the tilde of --data=~/x as it is.
    return Path(cwd or ".") / Path(data).expanduser()
