"""The text of a compiled program, which both compilers write in XLA's HLO."""

import collections
import dataclasses
import functools
import math
import re
from collections.abc import Iterator

# Bits of an element where they are not 32.
BITS = {
    **dict.fromkeys(("pred", "s8", "u8"), 8),
    **dict.fromkeys(("bf16", "f16", "s16", "u16"), 16),
    **dict.fromkeys(("f64", "s64", "u64"), 64),
}
COLLECTIVES = ("all-reduce", "all-gather", "reduce-scatter", "all-to-all", "collective-permute")
# They cost nothing themselves.
FREE = frozenset(
    (
        *("parameter", "get-tuple-element", "tuple", "bitcast", "constant", "after-all"),
        *("while", "conditional", "call"),
    )
)
# type[shape]{order of axes, minor first:tiles and memory space}
ARRAY = re.compile(r"([a-z]\w*)\[([\d,]*)\](?:\{([\d,]*)(?::([^}]*))?\})?")
_HEAD = re.compile(r"(ENTRY )?%?(\S+) \(.*\{$")
_INSTRUCTION = re.compile(r"\s+(?:ROOT )?%?(\S+) = (\(.*?\)|\S+) ([a-z][\w-]*)\((.*)")


@dataclasses.dataclass(frozen=True)
class Instruction:
    """One line of a computation.

    Attributes:
      name: without the percent sign.
      type: of the result, an array or several in parentheses.
      opcode: e.g. `fusion`.
      rest: of the line, operands first.
    """

    name: str
    type: str
    opcode: str
    rest: str

    @functools.cached_property
    def operands(self) -> list[str]:
        """Names of the operands."""
        return re.findall(r"%([^,\s)]+)", self.rest.split("), ")[0])

    def called(self) -> list[str]:
        """Names of the computations that a fusion or a call runs."""
        return re.findall(r"(?:calls|to_apply)=%?([^,\s]+)", self.rest)

    def attribute(self, pattern: str) -> str:
        """What the first group of a pattern finds in the line, empty if nothing."""
        found = re.search(pattern, self.rest)
        return found[1] if found else ""

    @property
    def source(self) -> str:
        """Where the program has it from, as JAX names places."""
        return self.attribute(r'op_name="([^"]*)"')


def sizes(shape: str) -> list[int]:
    """Sizes of axes, `"2,3"` -> `[2, 3]`."""
    return [int(size) for size in shape.split(",") if size]


def array_bytes(type_: str) -> int:
    """Bytes of the arrays in a type, without padding."""
    return sum(
        BITS.get(dtype, 32) * math.prod(sizes(shape)) // 8
        for dtype, shape, *_ in ARRAY.findall(type_)
    )


class Text:
    """A compiled program, taken apart.

    Attributes:
      head: the first line.
      computations: by name, each its instructions by name.
      entry: name of the computation that is run.
    """

    def __init__(self, text: str) -> None:
        self.head = text.split("\n", 1)[0]
        self.computations: dict[str, dict[str, Instruction]] = {}
        self.entry = ""
        inside: dict[str, Instruction] | None = None
        for line in text.splitlines():
            if head := _HEAD.match(line):
                inside = self.computations[head[2]] = {}
                if head[1]:
                    self.entry = head[2]
            elif inside is not None and (found := _INSTRUCTION.match(line)):
                inside[found[1]] = Instruction(*found.groups())
        if not self.entry:
            raise ValueError("the text of the compiled program has no entry; its form has changed")

    def instructions(self, name: str) -> Iterator[tuple[Instruction, dict[str, Instruction]]]:
        """What a computation runs, in its calls too, each with all that its computation has."""
        here = self.computations[name]
        for instruction in here.values():
            if instruction.opcode == "call":
                for called in instruction.called():
                    yield from self.instructions(called)
            else:
                yield instruction, here

    def within(
        self, instruction: Instruction
    ) -> Iterator[tuple[Instruction, dict[str, Instruction]]]:
        """What a fusion is made of, fusions inside it included."""
        for name in instruction.called():
            for inner, here in self.instructions(name):
                yield inner, here
                if inner.opcode == "fusion":
                    yield from self.within(inner)

    def loops(self, name: str) -> Iterator[tuple[str, int | None]]:
        """The loops of a computation: (body, turns; None where the compiler does not know them)."""
        for instruction, _ in self.instructions(name):
            if instruction.opcode != "while":
                continue
            known = instruction.attribute(r'known_trip_count":\{"n":"(\d+)')
            condition = instruction.attribute(r"condition=%?([^,\s]+)")
            limits = [
                inside.rest.split(")")[0]
                for inside, _ in self.instructions(condition)
                if inside.opcode == "constant"
            ]
            if not known and len(limits) == 1 and limits[0].isdigit():
                # libtpu compares the turn with a constant and says no more.
                known = limits[0]
            yield instruction.attribute(r"body=%?([^,\s]+)"), int(known) if known else None

    def trips(self, name: str, times: int = 1) -> Iterator[tuple[str, int]]:
        """A computation and the bodies of the loops in it, each with how often it runs."""
        yield name, times
        for body, trips in self.loops(name):
            yield from self.trips(body, times * (trips or 1))

    def biggest_loop(self) -> str:
        """Body of the loop with most operations, for `train_until` a step; else the entry."""
        bodies = [body for body, _ in self.loops(self.entry)]
        return max(bodies, key=self.operations, default=self.entry)

    def operations(self, name: str) -> int:
        """How many operations a turn of a computation runs."""
        return sum(
            times
            for body, times in self.trips(name)
            for instruction, _ in self.instructions(body)
            if costs(instruction)
        )

    def collectives(self, name: str) -> dict[str, int]:
        """How many exchanges between devices a turn of a computation has."""
        found: collections.Counter[str] = collections.Counter()
        for body, times in self.trips(name):
            for instruction, _ in self.instructions(body):
                kind = instruction.opcode.removesuffix("-start")
                if kind in COLLECTIVES:
                    found[kind] += times
        return dict(found)


def costs(instruction: Instruction) -> bool:
    """Whether an instruction is something to be done."""
    return instruction.opcode not in FREE and not instruction.opcode.endswith("-done")
