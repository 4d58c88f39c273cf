"""What the host does to run a program on a GPU, of XLA's dump of its thunks."""

import collections
import dataclasses
import re
from collections.abc import Iterator

_THUNK = re.compile(r"( *)(?:\d+: )?(k[A-Z]\w+)\b")
_OPENING = ("kCommandBuffer", "kSequential", "kConditional")
_PLAIN = ("kSequential", "kConditional", "kAsyncStart")


@dataclasses.dataclass
class Thunk:
    """One thing that the host does; `inside` is what a sequence, a graph or a loop holds."""

    kind: str
    indent: int
    inside: list["Thunk"] = dataclasses.field(default_factory=list)
    condition: list["Thunk"] = dataclasses.field(default_factory=list)


def parse(text: str) -> list[Thunk]:
    """The sequence of a program, nested as its indentation is."""
    root: list[Thunk] = []
    # (indentation of what was opened, where its lines go)
    stack: list[tuple[int, list[Thunk]]] = [(-1, root)]
    loops: list[Thunk] = []
    latest: Thunk | None = None
    for line in text.splitlines():
        word = line.strip()
        if word == "condition:" and latest:
            # What came last is the loop.
            loops.append(latest)
            stack.append((latest.indent, latest.condition))
        elif word == "body:" and loops:
            loop = loops.pop()
            while stack[-1][1] is not loop.condition:
                stack.pop()
            stack[-1] = (loop.indent, loop.inside)
        elif found := _THUNK.match(line):
            thunk = latest = Thunk(found[2], len(found[1]))
            while thunk.indent <= stack[-1][0]:
                stack.pop()
            siblings = stack[-1][1]
            opener = siblings[-1] if siblings else None
            if opener and opener.kind in _OPENING and thunk.indent > opener.indent:
                stack.append((opener.indent, opener.inside))
                siblings = opener.inside
            siblings.append(thunk)
    return root


def loops(thunks: list[Thunk], graph: bool = False) -> Iterator[tuple[Thunk, bool]]:
    """The loops of a sequence, each with whether it lies in a graph."""
    for thunk in thunks:
        if thunk.kind == "kWhile":
            yield thunk, graph
        else:
            yield from loops(thunk.inside, graph or thunk.kind == "kCommandBuffer")


@dataclasses.dataclass
class Asked:
    """What a sequence asks of host and GPU.

    Attributes:
      alone: kernels that the host launches.
      in_graphs: kernels that a graph launches.
      graphs: that the host launches.
      waits: of the host, for a number that it must know before it goes on.
    """

    alone: int = 0
    in_graphs: int = 0
    graphs: int = 0
    waits: int = 0


def asked_of_step(loop: Thunk, trips: Iterator[int | None], known: bool, graph: bool) -> Asked:
    """What one turn of a loop asks, its condition included.

    Args:
      loop: a `kWhile`.
      trips: of the loops inside it, in their order.
      known: whether the compiler knows how many turns the loop takes; if not the host asks after
        each, but for a loop that lies in a graph.
      graph: whether it does.
    """
    total: collections.Counter[str] = collections.Counter()
    _add(total, loop.inside, trips, 1, graph)
    if not known:
        _add(total, loop.condition, iter(()), 1, graph)
        total["waits"] += not graph
    return Asked(**total)


def _add(
    total: collections.Counter[str],
    thunks: list[Thunk],
    trips: Iterator[int | None],
    times: int,
    graph: bool,
) -> None:
    for thunk in thunks:
        if thunk.kind == "kCommandBuffer":
            total["graphs"] += times
            _add(total, thunk.inside, trips, times, True)
        elif thunk.kind == "kWhile":
            more = next(trips, None)
            _add(total, thunk.inside, trips, times * (more or 1), graph)
            if not more:
                _add(total, thunk.condition, trips, times, graph)
                total["waits"] += times * (not graph)
        elif thunk.kind in _PLAIN:
            _add(total, thunk.inside, trips, times, graph)
        else:
            total["in_graphs" if graph else "alone"] += times
