"""Sends a submission to Kaggle with its official client, and waits for the score."""

import contextlib
import io
import os
import time
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

from lenet_jax.data import Dataset, kaggle_account
from lenet_jax.environment import packages
from lenet_jax.errors import UserError
from lenet_jax.files import shown

ASKER = "--submit"
# Kaggle scores 28,000 rows in a few seconds, unless it is busy.
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
      The public score, in [0, 1], or None if Kaggle has none after `PATIENCE` seconds.

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
            raise UserError(f"{ASKER}: Kaggle did not take {shown(path)} ({answer.message})")
        say(f"Sent {shown(path)} to Kaggle; waiting for the score")
        score = _wait(api, answer.ref)
    if score is None:
        say(f"No score after {PATIENCE:.0f} s; it will be at {kaggle_account.PAGE}/submissions")
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


def _wait(api: Any, ref: int) -> float | None:
    from requests import HTTPError

    begun, pause = time.monotonic(), 1.0
    while time.monotonic() - begun < PATIENCE:
        try:
            found = api.get_submission(ref)
        except HTTPError as error:
            # Too new to be found.
            if error.response is None or error.response.status_code != 404:
                raise
        else:
            if found.status.name == "ERROR":
                reason = shown(found.error_description or "no reason given")
                raise UserError(f"{ASKER}: Kaggle finds the file wrong ({reason})")
            if found.status.name == "COMPLETE":
                return float(found.public_score)
        time.sleep(pause)
        pause = min(1.5 * pause, SLOWEST)
    return None
