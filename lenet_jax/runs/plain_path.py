"""A plain name for a folder of any name, for libraries that take some characters for more.

The globs of `epath` do not escape the path that they start from, and `**` is an error to them;
TensorStore takes no backslash and no byte that is not UTF-8; older Orbax makes a URL of a path.
"""

import contextlib
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

from lenet_jax.errors import UserError
from lenet_jax.files import printable

_WINDOWS = os.name == "nt"
# Backslashes and drives belong to paths there.
_ODD = re.compile(r"[\[\]]" if _WINDOWS else r"[][*?\\%#|{}<>\x00-\x1f\x7f\ud800-\udfff]|:/")


def is_plain(path: str | os.PathLike[str]) -> bool:
    """Whether every library takes a path for what it is."""
    return _ODD.search(os.fspath(path)) is None


@contextlib.contextmanager
def of(folder: Path) -> Iterator[Path]:
    """Gives the body a plain path of a folder: its own, or that of a link to it.

    Args:
      folder: absolute; it need not be there.

    Raises:
      UserError: there can be no link, or only one that is not plain either.
    """
    if is_plain(folder):
        yield folder
        return
    with contextlib.ExitStack() as stack:
        try:
            temporary = stack.enter_context(tempfile.TemporaryDirectory(prefix="lenet-jax-"))
            link = Path(temporary, "folder")
            link.symlink_to(folder, target_is_directory=True)
        # Windows wants a privilege for it.
        except OSError as error:
            raise _refused(folder, error.strerror or str(error)) from None
        if not is_plain(link):
            raise _refused(folder, f"nor has {printable(tempfile.gettempdir())} a plain name")
        yield link


def _refused(folder: Path, reason: str) -> UserError:
    return UserError(
        f"{printable(folder)}: checkpoints cannot lie in a folder of such a name ({reason}); give "
        "another --workdir, without []*?\\ and what is not UTF-8"
    )
