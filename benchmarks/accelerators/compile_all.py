"""Compiles every recipe for every accelerator, on a machine without, and renews docs/scaling.md.

python benchmarks/accelerators/compile_all.py
python benchmarks/accelerators/compile_all.py --recipes=default --devices=t4,v5e-1 --jax=0.10.2

Each version of jax has a virtual environment of its own, which is made. What is compiled goes into
a file, row by row: what a cut-off run has compiled is not compiled again, unless the sources have
changed. Exits with 1, and says what is wrong, if a program does not compile, or takes too long for
it, or is one that an accelerator runs slowly; see `checks.py`.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import checks
import compile_one
import devices
import environments
import table

from lenet_jax.config.recipes import shipped

ROOT = environments.ROOT
# Under the oldest version only what Colab and Kaggle have.
OLDEST_DEVICES = ("t4", "v5e-1")
# What rows are made by, beside the product.
DESCRIBING = ("compile_one", "devices", "gpu_text", "hlo", "thunks", "tpu_text")
# Of one recipe and device; a compiler that never ends is a fault too.
SECONDS = 3600


def main() -> None:
    """Compiles, prints the table, and exits with the status."""
    flags = arguments()
    rows, wrong = [], []
    for jax_version, recipe, device in wanted(flags):
        key = {"jax": jax_version, "recipe": recipe, "device": device}
        key |= {"sources": sources(), "asked": ",".join(flags.programs)}
        row = already(flags.results, key)
        if row is None:
            python = flags.python.get(jax_version) or environments.make(
                flags.environments, jax_version
            )
            row = compiled(python, recipe, device, flags.programs) | key
            flags.results.parent.mkdir(exist_ok=True, parents=True)
            with flags.results.open("a") as file:
                print(json.dumps(row), file=file)
        rows.append(row)
        wrong += checks.faults(row)
        print(f"jax {jax_version} {table.line(row)}", file=sys.stderr, flush=True)
    text = table.markdown(rows)
    print(text)
    if flags.page:
        table.renew(flags.page, text)
    if wrong:
        sys.exit("\n".join(wrong))


def arguments() -> argparse.Namespace:
    """The flags, with lists and paths for what the user has given."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--recipes", type=_words, help="of configs/, all by default")
    parser.add_argument("--devices", type=_words, default=[*devices.DEVICES])
    parser.add_argument("--jax", type=_words, default=[*environments.versions()])
    parser.add_argument("--programs", type=_words, default=[*compile_one.PROGRAMS])
    parser.add_argument(
        "--python",
        action="append",
        default=[],
        metavar="VERSION=PATH",
        help="an interpreter to use in place of an environment that is made",
    )
    parser.add_argument("--environments", type=Path, default=ROOT / ".venv-accel")
    parser.add_argument("--results", type=Path, help="file of the rows; in --environments")
    parser.add_argument("--page", type=Path, help="that has the marks to write the table between")
    flags = parser.parse_args()
    flags.python = dict(given.split("=", 1) for given in flags.python)
    flags.results = flags.results or flags.environments / "results.jsonl"
    unknown = {*flags.devices} - {*devices.DEVICES}
    unknown |= {*flags.jax} - {*environments.versions()} - {*flags.python}
    unknown |= {*(flags.recipes or ())} - {*recipes()}
    if unknown:
        parser.error(f"there is no {', '.join(sorted(unknown))}")
    return flags


def _words(text: str) -> list[str]:
    return text.split(",")


def recipes() -> dict[str, str]:
    """Every recipe and variant, by its name, but for a variant that has a file of its own."""
    known = shipped()
    return {name: path for name, path in known.items() if name.partition(":")[2] not in known}


def wanted(flags: argparse.Namespace) -> Iterator[tuple[str, str, str]]:
    """What is to be compiled: (version of jax, recipe, device)."""
    for jax_version in flags.jax:
        oldest = jax_version == [*environments.versions()][-1]
        for recipe in recipes():
            for device in flags.devices:
                if flags.recipes and recipe not in flags.recipes:
                    continue
                if not oldest or device in OLDEST_DEVICES:
                    yield jax_version, recipe, device


def sources() -> str:
    """A number that changes with what is compiled and how it is described."""
    # Recipes depend on each other, and on a teacher's.
    files = [file for folder in ("lenet_jax", "configs") for file in (ROOT / folder).rglob("*.py")]
    files += [environments.HERE / f"{name}.py" for name in DESCRIBING]
    digest = hashlib.blake2b(os.environ.get("XLA_FLAGS", "").encode(), digest_size=8)
    for file in sorted(files):
        digest.update(str(file.relative_to(ROOT)).encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()


def already(results: Path, key: dict[str, str]) -> dict[str, Any] | None:
    """The row of an earlier run that was of the same sources, if there is one."""
    if not results.exists():
        return None
    rows = [json.loads(text) for text in results.read_text().splitlines() if text.endswith("}")]
    same = (row for row in reversed(rows) if key.items() <= row.items())
    # A process that was ended by something says nothing about the programs.
    return next((row for row in same if "error" not in row), None)


def compiled(python: Path | str, recipe: str, device: str, programs: list[str]) -> dict[str, Any]:
    """The line of `compile_one.py`; `error` says why there is none."""
    command = [python, environments.HERE / "compile_one.py", f"--recipe={recipes()[recipe]}"]
    command += [f"--device={device}", f"--programs={','.join(programs)}"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)
    except subprocess.TimeoutExpired:
        return {"error": f"it was still compiling after {SECONDS} s"}
    lines = done.stdout.splitlines()
    # Also with status 1, if it is for what the line says.
    if not lines:
        told = [text for text in done.stderr.splitlines() if text.strip()]
        return {"error": f"status {done.returncode}, {told[-1] if told else 'without a word'}"}
    row: dict[str, Any] = json.loads(lines[-1])
    return row


if __name__ == "__main__":
    main()
