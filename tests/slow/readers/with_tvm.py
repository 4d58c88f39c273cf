import exchange
import onnx
import tvm
from tvm import relax
from tvm.relax.frontend.onnx import from_onnx


def load(path):
    network = from_onnx(onnx.load(path), keep_params_in_input=False)
    machine = relax.VirtualMachine(tvm.compile(network, target="llvm"), tvm.cpu())
    return lambda images: machine["main"](tvm.runtime.tensor(images)).numpy()


exchange.main(load)
