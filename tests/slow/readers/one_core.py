"""What a program of one form of a network tells `table.py`; only NumPy is needed for it."""

import json
import os
import sys
import time

import numpy as np


def main(load):
    """Answers digits one at a time on one core, as `python one_core_FORM.py FILE DIGITS.npy`.

    Prints a line of JSON: the digits answered, and the milliseconds of each in the mean.

    Args:
      load: path -> a function of pixels, uint8 [1, 28, 28] -> probabilities [10].
    """
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    network, images = load(sys.argv[1]), np.load(sys.argv[2])
    for image in images[:100]:
        network(image[None])
    begun = time.perf_counter()
    answers = [int(np.argmax(network(image[None]))) for image in images]
    seconds = time.perf_counter() - begun
    print(json.dumps({"answers": answers, "milliseconds": 1000 * seconds / len(images)}))
