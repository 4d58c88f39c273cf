"""What libtpu's text says of one turn of a loop.

Cycles are libtpu's own estimates of each operation. It gives none for gathers; its schedule for a
v5e takes single elements one by one, 10 cycles each, and rows 9 (libtpu 0.0.42.1, bundles of the
inner loops).
"""

import math
import re
from typing import Any

from devices import Tpu
from hlo import ARRAY, BITS, Text, Instruction, costs, sizes

GATHER_CYCLES = 10


def padded(dtype: str, shape: str, order: str, layout: str) -> int:
    """Bytes of an array with its padding to tiles."""
    along = sizes(shape)
    tile = re.search(r"T\(([\d,]+)\)", layout)
    if along and tile:
        # Minor dimensions first, as the order has them.
        along = [along[axis] for axis in sizes(order)]
        for position, side in enumerate(reversed(sizes(tile[1]))):
            if position < len(along):
                along[position] = -(-along[position] // side) * side
    return math.prod(along) * BITS.get(dtype, 32) // 8


def in_hbm(type_: str) -> int:
    """Padded bytes of the arrays in a type that lie in HBM; S(n) is memory of the core."""
    return sum(padded(*array) for array in ARRAY.findall(type_) if "S(" not in array[3])


def moved_by(instruction: Instruction, here: dict[str, Instruction]) -> int:
    """Padded bytes that an operation moves to and from HBM, gathers as if they read all."""
    operands = [here[operand].type for operand in instruction.operands if operand in here]
    arrays = [found[0] for found in ARRAY.finditer(instruction.type)]
    if instruction.opcode == "slice-start":
        # ((from), to, context): of what it is a slice of only the slice is read.
        source, to = arrays[:2]
        return padded(*ARRAY.findall(to)[0]) * (("S(" not in source) + ("S(" not in to))
    # (to, from, context)
    result = arrays[0] if instruction.opcode == "copy-start" else instruction.type
    return in_hbm(result) + sum(map(in_hbm, operands))


def gathers(text: Text, body: str) -> list[dict[str, Any]]:
    """The gathers of a turn: name, type, how many slices of what size, and their source."""
    return [
        told
        for name, times in text.trips(body)
        for instruction, here in text.instructions(name)
        for told in _gathers_of(text, instruction, here, times)
    ]


def _gathers_of(
    text: Text, instruction: Instruction, here: dict[str, Instruction], times: int
) -> list[dict[str, Any]]:
    found = []
    for inner, inside in [(instruction, here), *text.within(instruction)]:
        array = ARRAY.match(inner.type)
        if inner.opcode == "gather" and array:
            size = math.prod(sizes(inner.attribute(r"slice_sizes=\{([\d,]*)\}")))
            operand = inner.operands[0]
            # What is gathered from lies in HBM or in the core: that the fusion's operand says.
            source = here.get(instruction.operands[0]) if instruction.operands else None
            found.append(
                {
                    "name": inner.name,
                    "from": inside[operand].type if operand in inside else "?",
                    "slices": times * math.prod(sizes(array[2])) // size,
                    "size": size,
                    "source": inner.source,
                    "read": times * in_hbm(array[0]),
                    "whole": times * in_hbm(source.type) if source else 0,
                }
            )
    return found


def step(text: Text, chip: Tpu, flops: float, num_models: int = 1) -> dict[str, Any]:
    """What a step of all networks of a chip takes.

    Args:
      text: of the program.
      chip: that it is for.
      flops: of a network's step, by XLA's cost analysis.
      num_models: of the chip, trained one after the other: the loop over them has that over their
        steps inside. A single one has the latter alone.

    Returns:
      Operations, cycles, bytes, collectives, gathers, and microseconds by the slowest of these.
    """
    body = text.biggest_loop()
    if num_models > 1:
        body = max((inside for inside, _ in text.loops(body)), key=text.operations)
    cycles = moved = 0
    for name, times in text.trips(body):
        for instruction, here in text.instructions(name):
            if not costs(instruction):
                continue
            cycles += times * int(instruction.attribute(r'estimated_cycles":"(\d+)') or 0)
            moved += times * moved_by(instruction, here)
    fetched = gathers(text, body)
    gather_cycles = GATHER_CYCLES * sum(gather["slices"] for gather in fetched)
    # Of what is gathered from only the slices are read.
    moved -= sum(gather["whole"] - gather["read"] for gather in fetched if gather["whole"])
    cycles += gather_cycles
    microseconds = {
        "cycles": 1e6 * num_models * cycles / chip.clock,
        "memory": 1e6 * num_models * moved / chip.bandwidth,
        "arithmetic": 1e6 * num_models * flops / chip.flops,
    }
    return {
        "operations": num_models * text.operations(body),
        "cycles": num_models * cycles,
        "bytes": num_models * moved,
        "collectives": text.collectives(body),
        "gathers": [{key: g[key] for key in _TOLD} for g in fetched],
        "microseconds": microseconds,
        "us": [max(microseconds.values())] * 2,
    }


_TOLD = ("name", "from", "slices", "size", "source")
