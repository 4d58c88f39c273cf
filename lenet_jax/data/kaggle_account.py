"""What keeps Kaggle from answering, and exactly what to click."""

import contextlib
from collections.abc import Iterator
from typing import Any

from lenet_jax.errors import UserError
from lenet_jax.files import printable

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
        raise UserError(f"{asker}: {_advice(error)}") from None
    # Of a damaged kaggle.json, a full disk and the like.
    except (OSError, ValueError) as error:
        raise UserError(f"{asker}: Kaggle's client gives up ({_brief(error)})") from None


def _advice(error: Any) -> str:
    """What to do about what `requests` raises, with Kaggle's own sentence behind it."""
    response = error.response
    if response is None:
        return f"Kaggle cannot be reached ({_brief(error)}); check the network and try again"
    said = _sentence(response)
    told = f'; Kaggle says: "{said}"' if said else ""
    status = response.status_code
    if status == 401:
        advice = f"Kaggle does not accept the credentials of this computer (401); {_TOKEN}"
    elif status == 403:
        # It has other reasons too: a phone that is not verified, a token without the right.
        advice = (
            "Kaggle refuses (403), most often for the rules of the competition, which are to be "
            f"accepted once: open {PAGE}, click Join Competition, then I Understand and Accept, "
            "and run the same command again"
        )
    else:
        advice = f"Kaggle answers with status {status}; try again later"
        told = told or f" ({_brief(error)})"
    return f"{advice}{told}"


def _sentence(response: Any) -> str:
    """What Kaggle says itself in an answer, empty where it says nothing that people can read."""
    try:
        said = response.json()["message"]
    except (KeyError, TypeError, ValueError):
        return ""
    return _brief(said) if isinstance(said, str) else ""


def _brief(text: object) -> str:
    return printable(" ".join(str(text).split())[:200])
