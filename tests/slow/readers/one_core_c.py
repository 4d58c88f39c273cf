"""The C header, compiled as a device's compiler would and called through ctypes."""

import ctypes
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import one_core

SOURCE = """
#include "lenet5.h"
void answer(const uint8_t *pixels, float *probabilities) {
  static float workspace[LENET5_WORKSPACE];
  lenet5(pixels, workspace, probabilities);
}
"""


def load(path):
    with tempfile.TemporaryDirectory() as folder:
        source, library = Path(folder, "lenet5.c"), Path(folder, "lenet5.so")
        source.write_text(SOURCE)
        flags = ["-std=c99", "-O2", "-shared", "-fPIC", f"-I{Path(path).parent}"]
        subprocess.run(["cc", *flags, source, "-o", library, "-lm"], check=True)
        answer = ctypes.CDLL(str(library)).answer
    probabilities = np.zeros(10, np.float32)
    into = probabilities.ctypes.data_as(ctypes.c_void_p)

    def run(image):
        answer(image.ctypes.data_as(ctypes.c_void_p), into)
        return probabilities

    return run


one_core.main(load)
