import os
import subprocess
import sys
from pathlib import Path

import exchange
import MNN
import MNN.expr
import MNN.nn


def load(path):
    converted = Path(path).with_suffix(".mnn")
    converter = Path(sys.executable).with_name("mnnconvert")
    command = [converter, "-f", "ONNX", "--modelFile", path, "--MNNModel", converted]
    # It has the first pip of the PATH install a package: let that be its own environment's.
    path = {"PATH": f"{converter.parent}{os.pathsep}{os.environ['PATH']}"}
    subprocess.run(
        [*command, "--bizCode", "lenet"], env=os.environ | path, check=True, capture_output=True
    )
    network = MNN.nn.load_module_from_file(str(converted), ["images"], ["probabilities"])

    def run(images):
        kind = {"uint8": MNN.expr.uint8, "float32": MNN.expr.float}[str(images.dtype)]
        placed = MNN.expr.placeholder(list(images.shape), MNN.expr.NCHW, kind)
        placed.write(images)
        answer = network.forward([placed])[0]
        return MNN.expr.convert(answer, MNN.expr.NCHW).read()

    return run


exchange.main(load)
