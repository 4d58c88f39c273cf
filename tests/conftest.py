"""Strict types, strict ranks and two CPU devices for every test."""

import os
import tempfile

os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["JAX_NUM_CPU_DEVICES"] = "2"
os.environ["LENET_JAX_CACHE"] = tempfile.mkdtemp(prefix="lenet-jax-test-cache-")

import jax

from lenet_jax import mesh

mesh.prepare()
jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")
