import exchange
from tinygrad import Tensor
from tinygrad.nn.onnx import OnnxRunner


def load(path):
    def run(images):
        # A runner keeps the first size of a batch.
        return OnnxRunner(path)({"images": Tensor(images)})["probabilities"].numpy()

    return run


exchange.main(load)
