"""Standard output and standard error that take every text, whatever the locale."""

import codecs
import io
import sys

_NAME = "as-it-can"


def take_any_text() -> None:
    """Lets both take every text; call it before anything is printed.

    Bytes of a file name that are no text come out as they were, so that a command with it can be
    pasted; a character that the terminal's code has not is written as its escape.
    """
    codecs.register_error(_NAME, _as_it_can)
    for stream in (sys.stdout, sys.stderr):
        # A notebook's takes every text, and a closed one is None.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_NAME)


def _as_it_can(error: UnicodeError) -> tuple[str | bytes, int]:
    for name in ("surrogateescape", "backslashreplace"):
        try:
            return codecs.lookup_error(name)(error)
        except UnicodeError:
            continue
    raise error
