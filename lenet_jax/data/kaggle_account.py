"""What keeps Kaggle from answering, and exactly what to click."""

import contextlib
from collections.abc import Iterator

from lenet_jax.errors import UserError
from lenet_jax.files import shown

COMPETITION = "digit-recognizer"
PAGE = f"https://www.kaggle.com/competitions/{COMPETITION}"

_TOKEN = (
    "on kaggle.com click your picture, Settings, API, Create New Token, and save the token as "
    "~/.kaggle/access_token (or the kaggle.json of Create Legacy API Key as ~/.kaggle/kaggle.json)"
)


def no_credentials(asker: str) -> UserError:
    """The error of a computer that holds no token, or one that has run out."""
    return UserError(
        f"{asker}: no Kaggle credentials on this computer, or none that Kaggle accepts; {_TOKEN}"
    )


@contextlib.contextmanager
def explaining(asker: str) -> Iterator[None]:
    """Turns what Kaggle's clients raise inside the body into one line that says what to do.

    Args:
      asker: the flag that asked for Kaggle.

    Raises:
      UserError: Kaggle refuses or cannot be reached, a file cannot be read or written.
    """
    # Both clients are built on it.
    import requests

    try:
        yield
    except requests.RequestException as error:
        status = None if error.response is None else error.response.status_code
        raise UserError(f"{asker}: {_advice(status, error)}") from None
    # Of a damaged kaggle.json, a full disk and the like.
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"{asker}: Kaggle's client gives up ({shown(reason)})") from None


def _advice(status: int | None, error: Exception) -> str:
    reason = " ".join(str(error).split())[:200]
    if status == 401:
        return f"Kaggle does not accept the credentials of this computer (401); {_TOKEN}"
    if status == 403:
        return (
            f"the rules of the competition are not accepted yet (403); open {PAGE}, click Join "
            "Competition, then I Understand and Accept, and run the same command again"
        )
    if status is None:
        return f"Kaggle cannot be reached ({reason}); check the network and try again"
    return f"Kaggle answers with status {status} ({reason}); try again later"
