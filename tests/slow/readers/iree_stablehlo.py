"""A StableHLO file of one batch size in IREE, as the how-to shows it.

python iree_stablehlo.py MODULE.mlirbc REQUEST.json
"""

import sys

import exchange
import iree.compiler
import iree.runtime
import numpy as np

module = sys.argv.pop(1)


def load(_):
    program = iree.compiler.compile_file(
        module,
        input_type="stablehlo",
        target_backends=["llvm-cpu"],
        extra_args=["--iree-llvmcpu-target-cpu=generic"],
    )
    config = iree.runtime.Config("local-task")
    vm_module = iree.runtime.VmModule.copy_buffer(config.vm_instance, program)
    main = iree.runtime.load_vm_module(vm_module, config)["main"]
    # The first argument says for which platform of the file, of which the CPU is number 0.
    return lambda images: main(np.int32(0), images).to_host()


exchange.main(load)
