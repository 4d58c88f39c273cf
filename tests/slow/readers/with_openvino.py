import exchange
import openvino


def load(path):
    # Without it, a CPU that has bfloat16 uses that.
    network = openvino.compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return lambda images: network(images)[0]


exchange.main(load)
