"""What a reader's script and `table.py` say to each other; only NumPy is needed for it."""

import json
import sys
import traceback
from pathlib import Path

import numpy as np


def main(load):
    """Runs one file, as `python with_NAME.py REQUEST.json`, batch by batch.

    Args:
      load: path -> a function of pixels, uint8 or float32 [B, 28, 28] -> probabilities [B, 10].
    """
    request = json.loads(Path(sys.argv[1]).read_text())
    digits = np.load(request["digits"]).astype(request["pixels"])
    output = Path(request["output"])
    answer = {}
    try:
        network = load(request["file"])
        for size in request["sizes"]:
            got = np.asarray(_answer(network, digits[:size], request["batch"]))
            answer[str(size)] = got.reshape(size, 10).astype(np.float64)
            # Now, for the next batch may end the process.
            np.savez(output.with_suffix(".npz"), **answer)
    except Exception:
        output.with_suffix(".txt").write_text(traceback.format_exc())


def _answer(network, images, batch):
    if batch is None:
        return network(images)
    pieces = range(0, len(images), batch)
    return np.concatenate([network(images[start : start + batch]) for start in pieces])
