"""Measures training over members, batch and CPU devices, and fits docs/scaling.md's cost model.

python benchmarks/scaling.py [--devices=1,2,4,8] [--most=1024]

Prints Markdown. Each number of devices has a process of its own, one after the other; a device is a
thread, so more devices than cores show memory and correctness, not speed.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
MEMBERS = (1, 4, 16, 64, 256, 1024)
BATCHES = (32, 64, 128, 256, 512, 1024)
IMAGES = 4096
POPULATION = 256
# Float32 numbers that a step sums over the batch axis: gradients and three metrics.
REDUCED = 61_706 + 3


def child(most):
    """Measures on the devices that this process was given; prints JSON."""
    import jax
    from jax import lax
    from jax.sharding import PartitionSpec as P

    from lenet_jax.distributed import backend, multihost, mesh
    from lenet_jax.training import epoch, population as populations
    from lenet_jax.config import Config

    mesh.prepare()
    devices = jax.device_count()
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (IMAGES, 28, 28)).astype(np.uint8)
    labels = rng.integers(0, 10, IMAGES).astype(np.int32)

    def measure(members, batch, only_memory=False):
        population = populations.make(
            Config(members=members, batch_size=batch, holdout=0.0), labels
        )
        on = mesh.make(members)
        replicated, stacked = mesh.replicated(on), mesh.stacked(on)
        run = epoch.programs(population.config, on, population.num_examples)
        seeds = multihost.put(population.seeds_M, stacked)
        state = jax.block_until_ready(run.create(seeds))
        given = (
            multihost.put(population.member, stacked),
            *multihost.put((images, labels), replicated),
        )
        begin, one = multihost.put((np.int32(0), np.int32(1)), replicated)
        jitted: Any = run.train_until
        program = jitted.lower(state, *given, begin, one, None).compile()
        held = {device.id: 0 for device in jax.devices()}
        for leaf in jax.tree.leaves(state):
            if jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key):
                leaf = jax.random.key_data(leaf)
            for shard in leaf.addressable_shards:
                held[shard.device.id] += shard.data.nbytes
        analysis = program.memory_analysis()
        point = {
            "devices": devices,
            "along_member": on.shape["member"],
            "members": members,
            "batch": batch,
            "state_bytes": max(held.values()),
            "temporary_bytes": getattr(analysis, "temp_size_in_bytes", 0),
        }
        if only_memory:
            return point
        # Within one epoch, which is what a call may do; the first is warm-up.
        steps = max(1, min(IMAGES // batch - 1, 256 // members))
        state = jax.block_until_ready(program(state, *given, begin, one, None))
        at, seconds = 1, []
        for _ in range(5):
            if at + steps > IMAGES // batch:
                state, at = jax.block_until_ready(run.create(seeds)), 0
            begun = time.perf_counter()
            span = multihost.put((np.int32(at), np.int32(at + steps)), replicated)
            state = jax.block_until_ready(program(state, *given, *span, None))
            seconds.append((time.perf_counter() - begun) / steps)
            at += steps
        # The least: whatever else the machine does only adds.
        return point | {"seconds": min(seconds)}

    def all_reduce(numbers):
        on = mesh.make(1)
        times = 50

        def sums(x):
            return lax.fori_loop(0, times, lambda _, y: lax.psum(y, "batch") * 0.5, x)

        summed = jax.shard_map(sums, mesh=on, in_specs=P(), out_specs=P(), check_vma=False)
        program = backend.jit(summed, on)
        x = multihost.put(np.ones(numbers, np.float32), mesh.replicated(on))
        jax.block_until_ready(program(x))
        seconds = []
        for _ in range(5):
            begun = time.perf_counter()
            jax.block_until_ready(program(x))
            seconds.append((time.perf_counter() - begun) / times)
        return {"devices": devices, "bytes": 4 * numbers, "seconds": min(seconds)}

    cores = len(os.sched_getaffinity(0))
    out: dict[str, list] = {"points": [], "memory": [], "reduces": []}
    if devices <= cores:
        for members in MEMBERS:
            if members <= most:
                out["points"].append(measure(members, 128))
        for batch in BATCHES:
            if batch != 128 and devices == 1:
                out["points"].append(measure(1, batch))
        if devices > 1:
            out["reduces"] = [all_reduce(REDUCED * times) for times in (1, 4, 16)]
    out["memory"].append(measure(POPULATION, 128, only_memory=True))
    print(json.dumps(out))


def fit(points, reduces):
    """(per member and step, per image, per all-reduce, per byte) in seconds."""
    one = [point for point in points if point["devices"] == 1]
    rows = np.array([[point["members"], point["members"] * point["batch"]] for point in one], float)
    seconds = np.array([point["seconds"] for point in one])
    compute = np.linalg.lstsq(rows / seconds[:, None], np.ones(len(one)), rcond=None)[0]
    if not reduces:
        return (*compute, 0.0, 0.0)
    rows = np.array([[1.0, point["bytes"]] for point in reduces])
    seconds = np.array([point["seconds"] for point in reduces])
    wire = np.linalg.lstsq(rows / seconds[:, None], np.ones(len(reduces)), rcond=None)[0]
    return (*compute, *wire)


def modelled(point, costs):
    """Seconds of a step by the cost model."""
    step, image, reduce, byte = costs
    shards = point["devices"] // point["along_member"]
    mine = point["members"] / point["along_member"]
    alone = mine * (step + image * point["batch"] / shards)
    return alone + (mine * (reduce + 4 * REDUCED * byte) if shards > 1 else 0.0)


def main():
    """Measures in one process per number of devices and prints tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--devices", default="1,2,4,8")
    parser.add_argument("--most", type=int, default=MEMBERS[-1])
    parser.add_argument("--child", action="store_true")
    arguments = parser.parse_args()
    if arguments.child:
        child(arguments.most)
        return
    found: dict[str, list] = {"points": [], "memory": [], "reduces": []}
    for devices in arguments.devices.stacked(","):
        done = subprocess.run(
            [sys.executable, __file__, "--child", f"--most={arguments.most}"],
            env=os.environ
            | {"JAX_PLATFORMS": "cpu", "JAX_NUM_CPU_DEVICES": devices, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        for name, more in json.loads(done.stdout.splitlines()[-1]).items():
            found[name] += more
    costs = fit(found["points"], found["reduces"])
    print("| devices | mesh | members | batch | ms per step | images/s, all members | model, ms |")
    print("|---|---|---|---|---|---|---|")
    errors = []
    for point in found["points"]:
        expected = modelled(point, costs)
        errors.append(abs(expected / point["seconds"] - 1))
        rate = point["members"] * point["batch"] / point["seconds"]
        shape = f"{point['along_member']} x {point['devices'] // point['along_member']}"
        print(
            f"| {point['devices']} | {shape} | {point['members']:,} | {point['batch']:,} | "
            f"{1e3 * point['seconds']:.2f} | {rate:,.0f} | {1e3 * expected:.2f} |"
        )
    print(
        f"\nThe model is off by {np.median(errors):.0%} in the median, {max(errors):.0%} at most."
    )
    print("\n| costs of | seconds |\n|---|---|")
    for name, cost in zip(
        ("a member's step", "an image", "an all-reduce", "a byte of it"), costs, strict=True
    ):
        print(f"| {name} | {cost:.3g} |")
    print("\n| devices | state of 256 members, MiB per device | temporary, MiB per device |")
    print("|---|---|---|")
    for point in found["memory"]:
        mebi = [point[name] / 2**20 for name in ("state_bytes", "temporary_bytes")]
        print(f"| {point['devices']} | {mebi[0]:.1f} | {mebi[1]:.1f} |")


if __name__ == "__main__":
    main()
