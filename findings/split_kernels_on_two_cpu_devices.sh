#!/usr/bin/env bash
# jax 0.10.2: a loop on two CPU devices of one process gives wrong numbers, without a word, where
# both keep all of XLA's threads busy. XLA:CPU splits a large kernel into a task for each thread and
# does what no other thread takes itself, but the tasks that are left over stay in the thread's queue
# of 1,024. With two such kernels a turn it is full after 512 turns, Eigen runs what finds no place
# there on the spot, and from then on a matrix product comes out with parts of another operand.
# Right are one device, more threads than devices (somebody empties the queue) and the pass
# `cpu-parallel-task-assigner` left out, which is also as fast where every core is a device. In jax
# 0.7.2 it begins at turn 256, in 0.9.2 at turn 342.
# Exit status 0 while that is so.
set -euo pipefail
PYTHON=${PYTHON:-python3}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"$PYTHON" -m venv environment
environment/bin/python -m pip install --quiet jax==0.10.2 jaxlib==0.10.2
cat > loop.py <<'PROGRAM'
import sys

import jax

devices, left_out = int(sys.argv[1]), sys.argv[2]
jax.config.update("jax_platforms", "cpu")
jax.config.update("jax_num_cpu_devices", devices)

import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, PartitionSpec as P

rng = np.random.default_rng(0)
maps = rng.standard_normal((64, 12, 12, 32), np.float32)
kernel = rng.standard_normal((576, 64), np.float32)


def turn(number, maps, kernel):
    """A 3x3 convolution as a product of patches; the same in every turn."""
    maps = maps + 0 * number
    columns = jnp.stack([maps[:, :, k : k + 10] for k in range(3)])
    patches = jnp.stack([columns[:, :, k : k + 10] for k in range(3)])
    return jnp.abs(kernel.T @ patches.reshape(576, -1)).sum()


def turns(numbers, *arrays):
    return jax.lax.map(lambda number: turn(number, *arrays), numbers)


mesh = Mesh(np.array(jax.devices()), "d")
split = jax.shard_map(turns, mesh=mesh, in_specs=(P("d"), P(), P()), out_specs=P("d"))
options = {"xla_disable_hlo_passes": left_out} if left_out else {}
sums = np.asarray(jax.jit(split, compiler_options=options)(np.zeros(800 * devices, "f4"), maps, kernel))
wrong = np.abs(sums / sums[0] - 1).reshape(devices, -1) > 1e-6
first = min((int(row.argmax()) for row in wrong if row.any()), default=None)
print(f"{wrong.sum()} of {wrong.size} turns wrong, from turn {first}" if wrong.any() else "right")
PROGRAM
# NPROC is how many threads XLA has.
two=$(NPROC=2 environment/bin/python loop.py 2 "")
without=$(NPROC=2 environment/bin/python loop.py 2 cpu-parallel-task-assigner)
one=$(NPROC=2 environment/bin/python loop.py 1 "")
eight=$(NPROC=8 environment/bin/python loop.py 2 "")
environment/bin/python -c 'import jax; print("jax", jax.__version__)'
echo "two devices: $two; the pass left out: $without; one device: $one; eight threads: $eight"
[[ $two == *"from turn 51"? && "$without $one $eight" == "right right right" ]]
