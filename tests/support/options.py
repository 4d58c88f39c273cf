"""Trains and predicts in children of one process, each with other options of JAX.

A line of JSON on standard input, option -> value, gives one on standard output, {"came": numbers
and a checksum of probabilities, "said": lines} or {"error": text}. Children begin where JAX is
imported and not started, as a program does, and share what is compiled.
"""

import hashlib
import json
import os
import sys
import tempfile
import traceback
from pathlib import Path

import jax
import numpy as np

from lenet_jax import api, data
from lenet_jax.config import Config
from lenet_jax.distributed import settings
from lenet_jax.inference import predict
from lenet_jax.report import build
from lenet_jax.runs import workdir
from lenet_jax.training import loop

DIGITS = data.load_train("sample").take(np.arange(0, 4000, 20))
CONFIG = Config(epochs=1, members=2, batch_size=50, dropout=0.1, warmup_epochs=0.0)


def job(options):
    """What comes of a run as the programs make it, with options set before."""
    for name, value in options.items():
        jax.config.update(name, value)
    said = settings.drop_unknown_flags() + settings.take_over()
    api._prepare()
    with tempfile.TemporaryDirectory() as folder:
        result = loop.train(CONFIG, DIGITS, folder, say=lambda line: None)
        build.write_results(folder, result)
        build.write_report(folder, result, say=said.append)
        record = workdir.read_run(folder)
        probabilities_NxK = predict.from_run(folder, record, DIGITS.images_NxHxW)
        card = (Path(folder) / workdir.CARD).read_text()
    row = result.rows[-1]
    digest = hashlib.sha256(probabilities_NxK.tobytes()).hexdigest()
    settled = next((line for line in card.splitlines() if line.startswith("- settings")), "")
    return {"came": [row["train_loss"], row["holdout_accuracy"], digest], "said": said} | (
        {"card": settled} if settled else {}
    )


def answer(options):
    """The job's answer, in a child; what ends it without a word is an error too."""
    # Imported, not started: nothing of it runs in another thread yet.
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            text = json.dumps(job(options))
        except BaseException:
            text = json.dumps({"error": traceback.format_exc()})
        os.write(writing, text.encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        text = pipe.read()
    status = os.waitpid(child, 0)[1]
    return json.loads(text) if text else {"error": f"ended with {status}"}


if __name__ == "__main__":
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))), flush=True)
