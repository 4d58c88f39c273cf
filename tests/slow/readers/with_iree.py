import subprocess
import sys
from pathlib import Path

import exchange
import iree.compiler
import iree.runtime


def load(path):
    text = Path(path).with_suffix(".mlir")
    importer = [sys.executable, "-m", "iree.compiler.tools.import_onnx", path, "-o", text]
    subprocess.run(importer, check=True, capture_output=True)
    program = iree.compiler.compile_file(str(text), target_backends=["llvm-cpu"])
    config = iree.runtime.Config("local-task")
    module = iree.runtime.VmModule.copy_buffer(config.vm_instance, program)
    # The graph's name, as an identifier of MLIR.
    (name,) = [name for name in module.function_names if "$" not in name and "__" not in name]
    network = iree.runtime.load_vm_module(module, config)[name]
    return lambda images: network(images).to_host()


exchange.main(load)
