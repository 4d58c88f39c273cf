"""Strict types, strict ranks and two CPU devices for every test."""

import os
import tempfile

os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["JAX_NUM_CPU_DEVICES"] = "2"
# Before anything of the package is imported: no test reads or writes the user's own cache. The
# processes of one test run share theirs, with what the programs have compiled.
if "PYTEST_XDIST_WORKER" not in os.environ:
    os.environ["LENET_JAX_CACHE"] = tempfile.mkdtemp(prefix="lenet-jax-tests-")

import jax

from lenet_jax import mesh

mesh.prepare()
jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")
