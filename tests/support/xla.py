"""Flags of XLA for the tests."""

import os
import subprocess
import sys

# A test is compilation for the most part. Without optimisation that takes a third of the time, but
# fused loops round as it comes; without the fusion emitters a fifth less.
QUICK_TO_COMPILE = (
    "--xla_backend_optimization_level=0",
    "--xla_cpu_use_fusion_emitters=false",
)


def known(*flags):
    """Those of the flags that the installed jaxlib knows, as XLA_FLAGS takes them.

    Flags come and go with the releases of jaxlib, and one that it does not know ends the process
    that starts JAX, without a Python error. So other processes try them.
    """
    if not _starts(*flags):
        flags = [flag for flag in flags if _starts(flag)]
    return " ".join(flags)


def _starts(*flags):
    environment = os.environ | {"JAX_PLATFORMS": "cpu", "XLA_FLAGS": " ".join(flags)}
    command = [sys.executable, "-c", "import jax; jax.devices()"]
    return subprocess.run(command, env=environment, capture_output=True).returncode == 0
