import subprocess
import sys
from pathlib import Path

import exchange
from ai_edge_litert.interpreter import Interpreter


def load(path):
    target = Path(path).with_suffix("")
    converter = Path(sys.executable).with_name("onnx2tf")
    subprocess.run(
        [converter, "-i", path, "-o", target, "-kat", "images", "-nuo"],
        check=True,
        capture_output=True,
    )
    interpreter = Interpreter(str(target / (Path(path).stem + "_float32.tflite")))

    def run(images):
        (pixels,), (answer,) = interpreter.get_input_details(), interpreter.get_output_details()
        interpreter.resize_tensor_input(pixels["index"], images.shape)
        interpreter.allocate_tensors()
        interpreter.set_tensor(pixels["index"], images)
        interpreter.invoke()
        return interpreter.get_tensor(answer["index"])

    return run


exchange.main(load)
