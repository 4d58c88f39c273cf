"""Sends a submission to Kaggle with its official client, and waits for the score."""

import contextlib
import io
import math
import os
import time
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

from lenet_jax.data import Dataset, kaggle_account
from lenet_jax.environment import packages
from lenet_jax.errors import UserError
from lenet_jax.files import printable

ASKER = "--submit"
SUBMISSIONS = f"{kaggle_account.PAGE}/submissions"
# Seconds. Kaggle scores 28,000 rows in a few, unless it is busy.
PATIENCE = 300.0
SLOWEST = 15.0


def submit(
    dataset: Dataset,
    path: str | os.PathLike[str],
    message: str,
    *,
    say: Callable[[str], None] = print,
) -> float | None:
    """Sends a file to the competition.

    Args:
      dataset: what was predicted.
      path: of the submission, written and validated.
      message: the description that Kaggle shows beside the score.
      say: is given what people should read.

    Returns:
      The public score, in [0, 1], or None if Kaggle, which has taken the file, tells none within
      `PATIENCE` seconds.

    Raises:
      UserError: these are not the digits that Kaggle scores, the client is not installed or too
        old, there are no credentials, the rules are not accepted, Kaggle cannot be reached, or it
        finds the file wrong.
    """
    if dataset.source != "kaggle-test":
        raise UserError(
            f"{ASKER}: {dataset.name} is not Kaggle's test set of 28,000 digits, so nothing was "
            "sent; give --data=kaggle or the path of digit-recognizer.zip"
        )
    api = _client()
    with kaggle_account.explaining(ASKER):
        with contextlib.redirect_stdout(io.StringIO()):
            answer = api.competition_submit(
                os.fspath(path), message, kaggle_account.COMPETITION, quiet=True
            )
        if answer.message == api.COMPETITION_SUBMIT_UPLOAD_FAILED_MESSAGE or not answer.ref:
            raise UserError(f"{ASKER}: Kaggle did not take {printable(path)} ({answer.message})")
    say(f"Sent {printable(path)} to Kaggle; waiting for the score")
    # Kaggle has the file: whatever keeps the score from coming, it was sent.
    try:
        with kaggle_account.explaining(ASKER):
            score = _wait(api, answer.ref)
    except _Unscored as wrong:
        raise UserError(str(wrong)) from None
    except UserError as error:
        say(f"The submission was accepted; its score will be at {SUBMISSIONS} ({error})")
        return None
    if score is None:
        say(
            f"The submission was accepted; its score will be at {SUBMISSIONS} (none came within "
            f"{PATIENCE:.0f} s)"
        )
    else:
        say(f"Kaggle's public score: {score:.5f}")
    return score


def _client() -> Any:
    """Kaggle's client, signed in."""
    # Without credentials the client prints pages of help and ends the process.
    silence = io.StringIO()
    with (
        contextlib.redirect_stdout(silence),
        contextlib.redirect_stderr(silence),
        kaggle_account.explaining(ASKER),
    ):
        try:
            packages.needed("kaggle", ASKER)
            from kaggle.api.kaggle_api_extended import KaggleApi

            # Older ones would send the file and then end in a traceback.
            if not hasattr(KaggleApi, "get_submission"):
                raise UserError(
                    f"{ASKER}: the package kaggle {version('kaggle')} cannot ask for a score, so "
                    "nothing was sent; get 2.2.5 or newer with pip install --upgrade kaggle"
                )
            api = KaggleApi()
            api.authenticate()
        # The last is what it raises of a kaggle.json that holds something else.
        except (SystemExit, AttributeError):
            raise kaggle_account.no_credentials(ASKER) from None
    return api


class _Unscored(Exception):
    """Kaggle has looked at the file and gives it no score."""


def _wait(api: Any, ref: int) -> float | None:
    """Asks for the score until there is one, None after `PATIENCE` seconds.

    A submission that is done may have no score yet, and an answer that fails says nothing about
    it: both are asked about again. The last failure is raised where no answer came after it.
    """
    from requests import RequestException

    begun, pause = time.monotonic(), min(1.0, SLOWEST)
    while True:
        failure = None
        try:
            found = api.get_submission(ref)
        except RequestException as error:
            failure = error
        else:
            if found.status.name == "ERROR":
                reason = printable(found.error_description or "no reason given")
                raise _Unscored(f"{ASKER}: Kaggle finds the file wrong ({reason})")
            score = _number(found.public_score)
            if found.status.name == "COMPLETE" and score is not None:
                return score
        if time.monotonic() - begun + pause > PATIENCE:
            # One too new to be found is no failure.
            if failure is not None and getattr(failure.response, "status_code", 0) != 404:
                raise failure
            return None
        time.sleep(pause)
        pause = min(1.5 * pause, SLOWEST)


def _number(score: str | None) -> float | None:
    """A score as Kaggle writes it, None where it writes none."""
    try:
        value = float(score or "")
    except ValueError:
        return None
    return value if math.isfinite(value) else None
