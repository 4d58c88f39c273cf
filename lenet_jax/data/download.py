"""Downloads: Kaggle's competition through kagglehub, MNIST's four files through pooch.

What is downloaded is kept: kagglehub asks Kaggle only whether there is something newer, pooch
compares checksums with what is there.
"""

import contextlib
import functools
import logging
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from lenet_jax.data import kaggle_account
from lenet_jax.data.cache import VARIABLE, folder
from lenet_jax.environment import packages
from lenet_jax.errors import UserError
from lenet_jax.files import printable

# A mirror's address, for networks that do not let through to the usual one.
MIRROR = "LENET_JAX_MNIST_URL"
MNIST_URL = "https://ossci-datasets.s3.amazonaws.com/mnist/"
MNIST_SHA256 = {
    f"{name}-ubyte.gz": checksum
    for name, checksum in (
        ("train-images-idx3", "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"),
        ("train-labels-idx1", "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"),
        ("t10k-images-idx3", "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"),
        ("t10k-labels-idx1", "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),
    )
}

Say = Callable[[str], object]


@functools.cache
def kaggle() -> Path:
    """The folder of the competition's CSVs, downloaded if it is not there or has changed.

    Raises:
      UserError: kagglehub is not installed, there are no credentials, the rules of the competition
        are not accepted, or Kaggle cannot be reached.
    """
    asker = "--data=kaggle"
    # Standard output is for results; kagglehub takes the stream that it finds at its import.
    with contextlib.redirect_stdout(sys.stderr):
        kagglehub = packages.needed("kagglehub", asker)
        from kagglehub.exceptions import UnauthenticatedError

        try:
            with kaggle_account.explaining(asker):
                return Path(kagglehub.competition_download(kaggle_account.COMPETITION))
        except UnauthenticatedError:
            raise kaggle_account.no_credentials(asker) from None


def mnist(say: Say | None = None) -> Path:
    """The folder of MNIST's four IDX files, downloaded as far as they are not there.

    Raises:
      UserError: pooch is not installed, the files cannot be fetched, or they are not MNIST's.
    """
    kept = folder()
    if kept is None:
        raise UserError(f"--data=mnist: no folder to keep the files in; set {VARIABLE} to one")
    return fetch(os.environ.get(MIRROR, MNIST_URL), MNIST_SHA256, kept / "mnist", say)


def fetch(url: str, sha256: Mapping[str, str], target: Path, say: Say | None = None) -> Path:
    """Fetches files whose checksums are known into a folder; those that are there stay.

    Args:
      url: that the names of the files are appended to.
      sha256: name -> checksum, 64 hexadecimal digits.
      target: the folder, made if it is missing.
      say: is given a line before each download.

    Raises:
      UserError: pooch is not installed, a file cannot be fetched or written, or has another
        checksum, in which case it is not kept.
    """
    asker = "--data=mnist"
    pooch = packages.needed("pooch", asker)
    import requests

    pooch.get_logger().setLevel(logging.ERROR)
    base = url if url.endswith("/") else f"{url}/"
    files = pooch.create(path=target, base_url=base, registry=dict(sha256), allow_updates=True)
    for name in sha256:
        try:
            if say is not None and not files.abspath.joinpath(name).is_file():
                say(f"{asker}: getting {base}{name}")
            files.fetch(name)
        except requests.RequestException as error:
            reason = " ".join(str(error).split())[:200]
            raise UserError(
                f"{asker}: {printable(base)}{name} cannot be fetched ({reason}); check the "
                f"network, or set {MIRROR} to a mirror"
            ) from None
        except ValueError:
            raise UserError(
                f"{asker}: {printable(base)}{name} is not MNIST's file (its SHA-256 differs) and "
                f"was not kept; try again, or set {MIRROR} to another mirror"
            ) from None
        except OSError as error:
            reason = error.strerror or str(error)
            raise UserError(f"{printable(target)}: cannot be written ({reason})") from None
    return target
