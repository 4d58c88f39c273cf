"""What the texts of XLA for GPUs say of one turn of a loop.

Nothing is timed by a GPU, so microseconds are counts times the constants below; which algorithms
the libraries would take is not known.
"""

import dataclasses
import math
import re
from collections.abc import Iterator
from typing import Any

import thunks
from devices import Gpu
from hlo import ARRAY, Instruction, Text, array_bytes, costs, sizes

# Assumed, microseconds: a kernel that the host launches, least and most; a node of a CUDA graph;
# the launch of a graph; a copy to the host and the wait for it.
LAUNCH, NODE, GRAPH, WAIT = (3.0, 5.0), 1.5, 8.0, 15.0
_FETCHES = ("gather", "dynamic-slice")


def touched(text: Text, instruction: Instruction, here: dict[str, Instruction]) -> int:
    """Bytes that a kernel reads and writes."""
    result = instruction.type
    if instruction.opcode == "custom-call":
        # The libraries' workspaces are parts of what they give back; they need not be touched.
        result = re.sub(r"\bs8\[\d+\](\{0\})?", "", result)
    read = [array_bytes(here[name].type) for name in instruction.operands if name in here]
    written = array_bytes(result)
    inside = [instruction.opcode, *(inner.opcode for inner, _ in text.within(instruction))]
    if any(opcode in inside for opcode in _FETCHES):
        # Of what is fetched from only a part is read: for each number of the result at most four.
        read = [min(each, 4 * written) for each in read]
    return written + sum(read)


def flops(text: Text, instruction: Instruction, here: dict[str, Instruction]) -> int:
    """Of products and convolutions, by libraries or by kernels of XLA's own."""
    if instruction.opcode == "custom-call":
        return _library_flops(instruction, here)
    total = 0
    for inner, inside in [(instruction, here), *text.within(instruction)]:
        array = ARRAY.match(inner.type)
        if inner.opcode == "dot" and array and inner.operands[0] in inside:
            left = ARRAY.match(inside[inner.operands[0]].type)
            summed = sizes(inner.attribute(r"lhs_contracting_dims=\{([\d,]*)\}"))
            if left:
                along = sizes(left[2])
                total += 2 * math.prod(sizes(array[2])) * math.prod(along[axis] for axis in summed)
    return total


def _library_flops(instruction: Instruction, here: dict[str, Instruction]) -> int:
    target = instruction.attribute(r'custom_call_target="([^"]+)')
    types = [instruction.type, *(here[one].type for one in instruction.operands[:2] if one in here)]
    arrays = [found for found in map(ARRAY.search, types) if found]
    if len(arrays) < 3:
        return 0
    out, left, right = (sizes(array[2]) for array in arrays)
    if "conv" in target:
        # Of one unit of the output: the kernel without its first axis.
        out, kernel = (right, out) if "Filter" in target else (out, right)
        return 2 * math.prod(out) * math.prod(kernel[1:])
    if "blas" in target:
        # [b, m, n], [b, m, k] and [b, k, n] have b*m*n*k operations.
        batch = out[0] if len(out) == 3 else 1
        return 2 * round(math.sqrt(math.prod(map(math.prod, (out, left, right))) / batch))
    return 0


def step(text: Text, sequence: str, gpu: Gpu) -> dict[str, Any]:
    """What one turn of the biggest loop takes.

    Args:
      text: of the program.
      sequence: XLA's dump of the thunks, after its passes if there is one of them.
      gpu: that it is for.

    Returns:
      Kernels, graphs, waits, bytes, and microseconds: [least, most] by the slowest of these.

    Raises:
      ValueError: the loops of the text and of the thunks are not the same.
    """
    body = text.biggest_loop()
    moved = arithmetic = 0
    for name, times in text.trips(body):
        for instruction, here in text.instructions(name):
            if costs(instruction):
                moved += times * touched(text, instruction, here)
                arithmetic += times * flops(text, instruction, here)
    bodies = list(text.loops(text.entry))
    found = list(thunks.loops(thunks.parse(sequence)))
    if len(found) != len(bodies):
        raise ValueError(f"{len(bodies)} loops in the text, {len(found)} in the thunks")
    (loop, graph), known = next(
        (at, trips is not None)
        for at, (name, trips) in zip(found, bodies, strict=True)
        if name == body
    )
    asked = thunks.asked_of_step(loop, _trips_inside(text, body), known, graph)
    fixed = NODE * asked.in_graphs + GRAPH * asked.graphs + WAIT * asked.waits
    bounds = {
        "memory": 1e6 * moved / gpu.bandwidth,
        "arithmetic": 1e6 * arithmetic / gpu.flops,
    }
    launches = [fixed + each * asked.alone for each in LAUNCH]
    return {
        **dataclasses.asdict(asked),
        "loop_in_graph": graph,
        "operations": asked.alone + asked.in_graphs,
        "bytes": moved,
        "collectives": text.collectives(body),
        "microseconds": bounds | {"launches": launches[-1]},
        "us": [max(each, *bounds.values()) for each in launches],
    }


def _trips_inside(text: Text, body: str) -> Iterator[int | None]:
    for inside, trips in text.loops(body):
        yield trips
        yield from _trips_inside(text, inside)
