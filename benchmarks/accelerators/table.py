"""The table of what was compiled, in Markdown, and its place in a page.

python benchmarks/accelerators/table.py .venv-accel/results.jsonl --page=docs/scaling.md

writes that of the rows which a run that was cut off has left, without compiling any.
"""

import argparse
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import compile_one
import devices
import environments
import gpu_text
import tpu_text

BEGIN = "<!-- make accelerators: begin -->"
END = "<!-- make accelerators: end -->"
_COLUMNS = (
    "recipe",
    "device",
    "mesh, member x batch",
    "compile, s of CPU",
    "kernels or operations a step",
    "cycles a step",
    "graphs a step",
    "waits a step",
    "temporaries, MiB",
    "collectives a step",
    "us a step",
    "images/s",
)


def markdown(rows: Iterable[dict[str, Any]]) -> str:
    """The tables of all rows, one for each version of jax."""
    rows = list(rows)
    parts = []
    for jax_version in dict.fromkeys(row["jax"] for row in rows):
        here = [row for row in rows if row["jax"] == jax_version]
        versions = sorted(
            {f"{name} {at}" for row in here for name, at in row.get("versions", {}).items()}
        )
        pythons = sorted({f"Python {row['python']}" for row in here if "python" in row})
        head = f"With {', '.join([*versions, *pythons])}:"
        lines = ["| " + " | ".join(_COLUMNS) + " |", "|---" * len(_COLUMNS) + "|"]
        parts += [head, "\n".join([*lines, *map(line, here)])]
    return "\n\n".join([*parts, _constants()])


def line(row: dict[str, Any]) -> str:
    """A row of the table."""
    return "| " + " | ".join(_cells(row)) + " |"


def renew(page: Path, text: str) -> None:
    """Writes the tables between the two marks of a page.

    Raises:
      ValueError: the page has not got them.
    """
    before, begin, rest = page.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{page} has no {BEGIN} and {END} to write between")
    page.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}")


def finished(results: Path) -> list[dict[str, Any]]:
    """The newest row of each recipe, device and version of jax in a file, in order of these."""
    rows = [json.loads(text) for text in results.read_text().splitlines() if text.endswith("}")]
    newest = {(row["jax"], row["recipe"], row["device"]): row for row in rows}
    order = [*devices.DEVICES]
    versions = [*environments.versions()]
    return sorted(
        newest.values(),
        key=lambda row: (versions.index(row["jax"]), row["recipe"], order.index(row["device"])),
    )


def main() -> None:
    """Writes the table into a page, or prints it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("results", type=Path, help="file of `compile_all.py`")
    parser.add_argument("--page", type=Path, help="that has the marks to write between")
    flags = parser.parse_args()
    text = markdown(finished(flags.results))
    if flags.page:
        renew(flags.page, text)
    else:
        print(text)


def _cells(row: dict[str, Any]) -> list[str]:
    named = [f"`{row['recipe']}.py`", devices.DEVICES[row["device"]].name]
    if "error" in row:
        return [*named, "does not compile", *[""] * (len(_COLUMNS) - 3)]
    mesh = " x ".join(word for word in row["mesh"].split(": ")[1].split() if word.isdigit())
    programs = row["programs"]
    compiled = "/".join(
        f"{programs[name]['cpu_seconds']:.0f}" if "cpu_seconds" in programs[name] else "fails"
        for name in compile_one.PROGRAMS
        if name in programs
    )
    trained = programs.get("train_until", {})
    temporaries = f"{trained['temp_bytes'] / 2**20:,.0f}" if "temp_bytes" in trained else ""
    if "step" not in trained:
        return [*named, mesh, compiled, *[""] * 4, temporaries, *[""] * 3]
    step = trained["step"]
    exchanges = ", ".join(f"{n} {kind}" for kind, n in step["collectives"].items()) or "none"
    on_gpu = isinstance(devices.DEVICES[row["device"]], devices.Gpu)
    known = not on_gpu or devices.knows_drivers(row["jax"])
    cycles = "" if on_gpu else f"{step['cycles']:,}"
    graphs = waits = ""
    if on_gpu and known:
        graphs = "all steps in one" if step["loop_in_graph"] else f"{step['graphs']}"
        waits = f"{step['waits']}"
    images, (least, most) = row["images"], step["us"]
    us = f"{least:,.1f}" if most < 1.01 * least else f"{least:,.1f} to {most:,.1f}"
    # Rounded to three figures: an estimate has no more.
    rate = f"{float(f'{1e6 * images / most:.2e}'):,.0f}"
    estimated = [us, rate] if known else ["", ""]
    operations = f"{step['operations']:,}"
    return [
        *named, mesh, compiled, operations, cycles, graphs, waits, temporaries, exchanges,
        *estimated,
    ]  # fmt: skip


def _constants() -> str:
    low, high = gpu_text.LAUNCH
    chips = [device for device in devices.DEVICES.values() if isinstance(device, devices.Tpu)]
    clocks = ", ".join(f"{chip.clock / 1e9:.2f} GHz for {chip.name}" for chip in chips)
    return (
        "It is estimated by the compilers, nothing ran. Seconds are of create/shuffle/train_until/"
        "evaluate/predict; temporaries are of train_until, on each device. A step is that of all "
        "networks; collectives are of one step.\n\n"
        "A TPU's step is the largest of its cycles (libtpu's own estimates, and "
        f"{tpu_text.GATHER_CYCLES} for each gathered element or row, of which it tells none; "
        f"{clocks}), its bytes of HBM by the bandwidth and its operations by the peak in bfloat16. "
        f"A GPU's step is the largest of its launches ({gpu_text.NODE:g} us for a kernel of a CUDA "
        f"graph, {gpu_text.GRAPH:g} us for a graph, {low:g} to {high:g} us for a kernel alone, "
        f"{gpu_text.WAIT:g} us for a wait of the host), the bytes that kernels touch by the "
        "bandwidth, as if there were no cache, and the arithmetic of products by the peak in "
        "float32. jax 0.7 can be told of no driver and so makes no graphs here; how long a step "
        "takes there is left out."
    )


if __name__ == "__main__":
    main()
