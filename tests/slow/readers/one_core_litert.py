import one_core
from ai_edge_litert.interpreter import Interpreter


def load(path):
    interpreter = Interpreter(path, num_threads=1)
    interpreter.allocate_tensors()
    (pixels,), (answer,) = interpreter.get_input_details(), interpreter.get_output_details()

    def run(image):
        interpreter.set_tensor(pixels["index"], image.astype(pixels["dtype"]))
        interpreter.invoke()
        return interpreter.get_tensor(answer["index"])

    return run


one_core.main(load)
