"""Shows a folder in the browsers of this computer, and of no other."""

import functools
import http.server
import os
import sys
from collections.abc import Callable
from typing import Any

from lenet_jax.errors import UserError
from lenet_jax.files import is_remote, printable

LOOPBACK = "127.0.0.1"


class _Handler(http.server.SimpleHTTPRequestHandler):
    """Serves files without a line on standard error for each of them."""

    extensions_map = http.server.SimpleHTTPRequestHandler.extensions_map | {
        ".webmanifest": "application/manifest+json",
    }

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""

    def end_headers(self) -> None:
        """A page that was exported anew must not be hidden by the one before."""
        self.send_header("Cache-Control", "no-cache")
        super().end_headers()


class _Server(http.server.ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Says nothing of browsers that hang up; of our own mistakes, what they are."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


def serve(folder: str | os.PathLike[str], port: int, say: Callable[[str], None]) -> None:
    """Serves a folder on loopback until Ctrl-C or SIGTERM.

    Args:
      folder: with an `index.html`.
      port: 0 takes any that is free.
      say: is given the line with the address.

    Raises:
      UserError: the port cannot be had, or the folder is not on this computer.
    """
    if is_remote(folder):
        raise UserError(
            f"{printable(folder)}: only a folder of this computer is served; give --output"
        )
    handler = functools.partial(_Handler, directory=os.fspath(folder))
    try:
        server = _Server((LOOPBACK, port), handler)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"--port={port}: cannot be had ({reason}); give another one") from None
    with server:
        try:
            say(f"Draw at http://{LOOPBACK}:{server.server_port}/ (Ctrl-C ends it)")
            server.serve_forever()
        except KeyboardInterrupt:
            say("")
