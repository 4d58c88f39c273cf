"""What is wrong with a recipe's programs on a device."""

from collections.abc import Iterator
from typing import Any

import devices

CPU_SECONDS = 60
# That a TPU fetches one by one, in a step; it takes some 10 cycles for each.
ELEMENTS = 1_000
GRAPHS = 2


def faults(row: dict[str, Any]) -> list[str]:
    """What is wrong with a line of `compile_one.py`, one sentence each; nothing if all is well."""
    where = f"{row['recipe']} on {row['device']} under jax {row['jax']}"
    return [f"{where}: {fault}" for fault in _faults(row)]


def _faults(row: dict[str, Any]) -> Iterator[str]:
    if "error" in row:
        yield f"no programs: {row['error']}"
        return
    for name, program in row["programs"].items():
        if "error" in program:
            yield f"{name} does not compile: {program['error']}"
            continue
        if program["cpu_seconds"] > CPU_SECONDS:
            spent = program["cpu_seconds"]
            yield f"{name} takes {spent:.0f} s of CPU to compile, {CPU_SECONDS} at most are meant"
        if "step" in program:
            tpu = isinstance(devices.DEVICES[row["device"]], devices.Tpu)
            yield from _of_tpu(program["step"]) if tpu else _of_gpu(program["step"], row["jax"])


def _of_tpu(step: dict[str, Any]) -> Iterator[str]:
    for gather in step["gathers"]:
        if gather["size"] == 1 and gather["slices"] > ELEMENTS:
            yield (
                f"a step fetches {gather['slices']:,} elements one by one: {gather['name']} from "
                f"{gather['from']}, {gather['source'] or 'of unknown source'}"
            )


def _of_gpu(step: dict[str, Any], jax_version: str) -> Iterator[str]:
    if not devices.knows_drivers(jax_version):
        # It makes no graphs for a driver that it knows nothing of.
        return
    if step["graphs"] > GRAPHS:
        yield f"a step is {step['graphs']} CUDA graphs, {GRAPHS} at most are meant"
    if step["graphs"] == 0 and not step["loop_in_graph"]:
        yield f"a step is {step['alone']} kernels that the host launches one by one, and no graph"
    if step["waits"]:
        yield f"the host waits {step['waits']} times in a step"
