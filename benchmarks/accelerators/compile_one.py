"""Compiles the programs of one recipe for one accelerator, on a machine that has none.

python benchmarks/accelerators/compile_one.py --recipe=configs/default.py --device=t4

They are compiled as a run would compile them, one after the other, each with its seconds; what is
known of them is printed as a line of JSON. Needs the product's dependencies, and `libtpu` or
`jax-cuda12-plugin` with `jax-cuda12-pjrt`, but no driver. Exits with 1, after the line, if a
program does not compile or is not as `checks.py` has it, and says what is wrong.
"""

import argparse
import contextlib
import json
import os
import platform
import resource
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import checks
import devices
import gpu_text
import hlo
import tpu_text

ROOT = Path(__file__).resolve().parent.parent.parent
PROGRAMS = ("create", "shuffle", "train_until", "evaluate", "predict")
# Of train.csv and test.csv.
ROWS, TEST_ROWS = 42_000, 28_000
VIEWS = 8


def main() -> None:
    """Prints the line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--recipe", default="default", help="as --config of run_train.py takes it")
    parser.add_argument("--device", default="t4", choices=devices.DEVICES)
    parser.add_argument("--programs", default=",".join(PROGRAMS))
    parser.add_argument("--dump", type=Path, help="folder for the texts of train_until")
    flags = parser.parse_args()
    device, jax_version = devices.DEVICES[flags.device], version("jax")
    with contextlib.ExitStack() as stack:
        dump = flags.dump or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        dump.mkdir(exist_ok=True, parents=True)
        os.environ |= devices.variables(device, jax_version)
        # What the user has put into XLA_FLAGS is asked of these compilers, as it would be in a run.
        asked = [os.environ.get("XLA_FLAGS", ""), devices.flags(device, jax_version)]
        asked += [f"--xla_dump_to={dump}", "--xla_dump_hlo_as_text"]
        os.environ["XLA_FLAGS"] = " ".join([*asked, "--xla_dump_hlo_module_re=.*train_until.*"])
        sys.path.insert(0, str(ROOT))
        row = compile_recipe(flags.recipe, device, flags.programs.split(","), dump)
    row |= {
        "recipe": Path(flags.recipe).name.replace(".py", ""),
        "device": flags.device,
        "jax": jax_version,
    }
    print(json.dumps(row), flush=True)
    if wrong := checks.faults(row):
        sys.exit("\n".join(wrong))


def compile_recipe(
    recipe: str, device: devices.Device, wanted: list[str], dump: Path
) -> dict[str, Any]:
    """What is known of the programs of one recipe on one device; imports jax.

    Args:
      recipe: as `--config` takes it.
      device: that they are compiled for.
      wanted: of `PROGRAMS`.
      dump: where XLA writes its texts.
    """
    from lenet_jax.distributed import mesh as meshes

    meshes.prepare()
    from lenet_jax import data
    from lenet_jax.config import recipes
    from lenet_jax.training import population, compilation
    from lenet_jax.inference import predict

    config = recipes.config_of(recipe)
    # A run has the teacher's config from the teacher's folder, which has its recipe's name.
    teacher = None
    if config.teacher:
        teacher = recipes.config_of(Path(config.teacher).name).without_sweep()
    topology = devices.topology(device, version("jax"))
    mesh = meshes.make(config.num_models, topology.devices, sizes=config.mesh)
    held = data.held_out(ROWS, config.holdout)
    sizes = compilation.Sizes(
        members=config.num_models,
        rows=ROWS,
        num_examples=ROWS - held,
        held=max(1, held),
        num_teachers=teacher.models_per_fold if teacher else 0,
    )
    told: dict[str, dict[str, Any]] = {}
    # Programs are compiled side by side; held up here, each has the process's time to itself.
    alone = threading.Lock()

    def timed(name: str, compile_: Callable[[], Any]) -> Any:
        if name not in wanted:
            return None
        with alone:
            begun, used = time.perf_counter(), _cpu_seconds()
            try:
                compiled = compile_()
            except Exception as error:
                told[name] = {"error": _told(error)}
                return None
            spent = {"cpu_seconds": _cpu_seconds() - used, "seconds": time.perf_counter() - begun}
            told[name] = spent | _memory(compiled)
            if name == "train_until":
                num_models = config.num_models // mesh.shape[meshes.MEMBER]
                told[name]["step"] = _step(compiled, device, num_models, dump)
            return compiled

    def compiled(program: Any, *given: Any) -> Any:
        return timed(program.__name__, lambda: program.lower(*given).compile())

    with _replaced(compilation, "_compiled", compiled):
        compilation.compile_ahead(population.common(config), mesh, sizes, teacher)
    predicted = config, mesh, config.num_models, TEST_ROWS, VIEWS
    timed("predict", lambda: predict._program(*predicted))
    along = (f"{size} along {axis}" for axis, size in mesh.shape.items())
    return {
        "python": platform.python_version(),
        "versions": {name: version(name) for name in _compilers(device)},
        "mesh": f"{device.name}: {', '.join(along)}",
        "images": config.batch_size * config.num_models,
        "programs": told,
    }


@contextlib.contextmanager
def _replaced(module: Any, name: str, value: Any) -> Iterator[None]:
    before = getattr(module, name)
    setattr(module, name, value)
    try:
        yield
    finally:
        setattr(module, name, before)


def _compilers(device: devices.Device) -> list[str]:
    wheels = ["libtpu"] if isinstance(device, devices.Tpu) else ["jax-cuda12-plugin"]
    return ["jax", "jaxlib", *wheels]


def _told(error: Exception) -> str:
    """One line: kind, first line of the message, which JAX may leave empty, and where it was."""
    kind, message = type(error).__name__, str(error).partition("\n")[0]
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if (ROOT / "lenet_jax") in Path(frame.filename).parents]
    location = f" ({Path(ours[-1].filename).name}, line {ours[-1].lineno})" if ours else ""
    return f"{kind}: {message or 'it says no more'}{location}"


def _cpu_seconds() -> float:
    return sum(resource.getrusage(resource.RUSAGE_SELF)[:2])


def _memory(compiled: Any) -> dict[str, int]:
    memory = compiled.memory_analysis()
    names = ("argument", "output", "temp")
    return {f"{name}_bytes": getattr(memory, f"{name}_size_in_bytes", 0) for name in names}


def _step(compiled: Any, device: devices.Device, num_models: int, dump: Path) -> dict[str, Any]:
    # Before jax 0.8 or so a program compiled for a GPU has no text; XLA's dump has it.
    text = compiled.as_text() or _newest(dump, "gpu_after_optimizations").read_text()
    (dump / "train_until.txt").write_text(text)
    if isinstance(device, devices.Tpu):
        flops = compiled.cost_analysis().get("flops", 0)
        return tpu_text.step(hlo.Text(text), device, flops, num_models)
    sequence = _newest(dump, "thunk_sequence_after_thunk_passes", "thunk_sequence").read_text()
    return gpu_text.step(hlo.Text(text), sequence, device)


def _newest(dump: Path, *kinds: str) -> Path:
    """The newest text of the first kind that there is one of."""
    for kind in kinds:
        if found := list(dump.glob(f"*train_until*.{kind}.txt")):
            return max(found, key=lambda file: file.stat().st_mtime_ns)
        if found := list(dump.glob(f"*train_until*{kind}.txt")):
            return max(found, key=lambda file: file.stat().st_mtime_ns)
    raise FileNotFoundError(f"XLA has dumped no {' or '.join(kinds)} of train_until")


if __name__ == "__main__":
    main()
