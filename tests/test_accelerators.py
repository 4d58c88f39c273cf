"""`make accelerators`: what is read from compilers' texts, and what is refused.

The texts in tests/compiled are those of jax 0.10.2, with the figures of other passes cut out, of a
loop whose turn fetches 64 rows of digits and 50,176 elements and has two products.
"""

import importlib
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import jax
import pytest

from lenet_jax.distributed import mesh
from lenet_jax.errors import UserError

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "benchmarks/accelerators"
COMPILED = ROOT / "tests/compiled"

sys.path.append(str(FOLDER))
checks, compile_all, compile_one, devices, environments, gpu_text, hlo, table, tpu_text = map(
    importlib.import_module,
    (
        "checks",
        "compile_all",
        "compile_one",
        "devices",
        "environments",
        "gpu_text",
        "hlo",
        "table",
        "tpu_text",
    ),
)


def text(name):
    return hlo.Text((COMPILED / f"{name}.hlo.txt").read_text())


def row(device, step, **fields):
    trained = {"cpu_seconds": 6.0, "temp_bytes": 2**20, "step": step}
    return {
        "recipe": "default",
        "device": device,
        "jax": "0.10.2",
        "mesh": f"{devices.DEVICES[device].name}: 1 along member, 1 along batch",
        "images": 64,
        "programs": {"train_until": trained | fields},
    }


@pytest.fixture
def tpu_step():
    return tpu_text.step(text("v5e"), devices.DEVICES["v5e-1"], flops=2_007_040)


def gpu_step(thunks):
    sequence = (COMPILED / f"{thunks}.thunks.txt").read_text()
    return gpu_text.step(text("t4"), sequence, devices.DEVICES["t4"])


def test_cycles_of_a_tpu_are_the_compilers_and_those_of_gathers(tpu_step):
    lines = (COMPILED / "v5e.hlo.txt").read_text().split("\n%")
    loop = next(part for part in lines if part.startswith(text("v5e").biggest_loop() + " "))
    told = sum(int(part.split('"')[0]) for part in loop.split('estimated_cycles":"')[1:])
    assert told == 11_345
    assert tpu_step["cycles"] == told + 10 * (64 + 50_176)
    assert tpu_step["us"] == [pytest.approx(tpu_step["cycles"] / 1500)] * 2


def test_elements_fetched_one_by_one_are_refused_by_name_and_rows_are_not(tpu_step):
    (fault,) = checks.faults(row("v5e-1", tpu_step))
    assert "50,176 elements one by one: gather.16 from bf16[64,784]" in fault
    assert "take_along_axis" in fault
    few = [gather for gather in tpu_step["gathers"] if gather["size"] > 1]
    assert [gather["slices"] for gather in few] == [64]
    assert checks.faults(row("v5e-1", tpu_step | {"gathers": few})) == []


def test_of_a_slice_that_is_fetched_ahead_only_the_slice_is_moved():
    whole, part = "s8[77070336]{0:T(1024)(128)(4,1)}", "s8[4194304]{0:T(1024)(128)(4,1)S(1)}"
    source = hlo.Instruction("source", whole, "parameter", "0)")
    rest = "%source), slice={[0:4194304]}"
    fetch = hlo.Instruction("fetch", f"(({whole}), {part}, s32[]{{:S(2)}})", "slice-start", rest)
    assert tpu_text.moved_by(fetch, {"source": source}) == 4_194_304
    copy = hlo.Instruction("copy", f"({part}, {whole}, u32[]{{:S(2)}})", "copy-start", "%source)")
    assert tpu_text.moved_by(copy, {"source": source}) == 77_070_336


def test_an_error_without_a_message_is_told_by_its_place():
    assert compile_one._told(NotImplementedError()) == "NotImplementedError: it says no more"
    with pytest.raises(UserError) as caught:
        mesh.make(1, jax.devices()[:1], sizes="batch:2")
    assert "(mesh.py, line " in compile_one._told(caught.value)


def test_a_loop_in_a_graph_asks_nothing_of_the_host():
    step = gpu_step("t4")
    assert step["loop_in_graph"]
    assert (step["alone"], step["graphs"], step["waits"]) == (0, 0, 0)
    # The seven kernels of the body and the one that compares.
    assert step["in_graphs"] == 8
    assert step["us"] == [8 * 1.5] * 2
    assert checks.faults(row("t4", step)) == []


def test_graphs_and_waits_of_every_step_are_refused():
    step = gpu_step("t4-old-driver")
    assert (step["alone"], step["in_graphs"], step["graphs"], step["waits"]) == (3, 5, 3, 1)
    fixed = 5 * 1.5 + 3 * 8 + 15
    assert step["us"] == [fixed + 3 * 3, fixed + 3 * 5]
    graphs, waits = checks.faults(row("t4", step))
    assert "3 CUDA graphs" in graphs
    assert "waits 1 times" in waits


def test_a_step_of_kernels_that_the_host_launches_is_refused():
    step = gpu_step("t4") | {"loop_in_graph": False, "alone": 8, "in_graphs": 0}
    (fault,) = checks.faults(row("t4", step))
    assert "8 kernels that the host launches one by one" in fault


def test_of_a_product_its_arrays_are_counted_and_its_workspace_is_not():
    program = text("t4")
    products = [
        (instruction, here)
        for instruction, here in program.instructions(program.biggest_loop())
        if "cublas" in instruction.rest
    ]
    assert len(products) == 2
    for instruction, here in products:
        assert "s8[4194304]" in instruction.type
        # [64, 784] x [784, 10], or [784, 64] x [64, 10]: the same three arrays.
        arrays = 4 * (64 * 784 + 784 * 10 + 64 * 10)
        assert gpu_text.touched(program, instruction, here) == arrays
        assert gpu_text.flops(program, instruction, here) == 2 * 64 * 784 * 10


def test_of_what_is_gathered_from_only_a_part_counts():
    program = text("t4")
    digits, fetched = 1000 * 784, 64 * 784 * 4
    (fusion, here), *_ = [
        (instruction, here)
        for instruction, here in program.instructions(program.biggest_loop())
        if any(inner.opcode == "gather" for inner, _ in program.within(instruction))
    ]
    read = [hlo.array_bytes(here[name].type) for name in fusion.operands]
    assert digits in read
    assert gpu_text.touched(program, fusion, here) == fetched + sum(
        min(each, 4 * fetched) for each in read
    )


def test_a_program_that_does_not_compile_or_compiles_for_long_is_refused(tpu_step):
    slow = row("v5e-1", tpu_step | {"gathers": []}, cpu_seconds=61)
    assert "61 s of CPU to compile" in checks.faults(slow)[0]
    slow["programs"]["create"] = {"error": "INTERNAL: Unsupported instruction opcode"}
    assert "create does not compile: INTERNAL" in checks.faults(slow)[1]
    assert "no programs: status 139" in checks.faults(slow | {"error": "status 139"})[0]


def compilers():
    """The environment variables with which the compiler for GPUs is found, None without one."""
    if importlib.util.find_spec("jax_cuda12_plugin"):
        return {}
    wheels = ROOT / ".venv-accel/t4"
    return {"PYTHONPATH": str(wheels)} if (wheels / "installed").exists() else None


@pytest.mark.skipif(compilers() is None, reason="the compiler is not here; `make t4` installs it")
def test_a_barrier_that_no_pass_removes_is_refused():
    # What `mesh.prepare` once asked of every compiler, and the CPU's alone can do without.
    flags = {"XLA_FLAGS": "--xla_disable_hlo_passes=cse_barrier_expander"}
    command = [sys.executable, FOLDER / "compile_one.py", "--device=t4", "--programs=train_until"]
    command += [f"--recipe={ROOT / 'configs/smoke.py'}"]
    done = subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, **compilers(), **flags}
    )
    assert done.returncode == 1
    assert "smoke on t4 under jax" in done.stderr
    assert "train_until does not compile" in done.stderr
    told = json.loads(done.stdout.splitlines()[-1])["programs"]["train_until"]
    assert "opt-barrier" in told["error"]


def test_every_recipe_is_compiled_for_every_device(monkeypatch):
    configs = ROOT / "configs"
    monkeypatch.setattr(sys, "argv", ["compile_all.py"])
    wanted = list(compile_all.wanted(compile_all.arguments()))
    newest, *_, oldest = environments.versions()
    # Each variant of a recipe has a file of its own.
    assert {recipe for _, recipe, _ in wanted} == {file.stem for file in configs.glob("*.py")}
    assert {device for version, _, device in wanted if version == newest} == set(devices.DEVICES)
    assert {device for version, _, device in wanted if version == oldest} == {"t4", "v5e-1"}


def test_a_cut_off_run_goes_on_and_another_ones_rows_are_not_taken(tmp_path):
    results, key = tmp_path / "results.jsonl", {"recipe": "default", "sources": "1"}
    whole, broken = json.dumps(key | {"python": "3"}), json.dumps(key | {"error": "ended"})
    results.write_text(f"{whole}\n{broken}\n{whole[:20]}")
    assert compile_all.already(results, key)["python"] == "3"
    assert compile_all.already(results, key | {"sources": "2"}) is None
    assert compile_all.already(tmp_path / "none", key) is None


def test_the_table_is_renewed_between_its_marks(tmp_path, tpu_step):
    page = tmp_path / "page.md"
    page.write_text(f"before\n{table.BEGIN}\nold\n{table.END}\nafter\n")
    written = table.markdown([row("v5e-1", tpu_step), row("t4", gpu_step("t4"))])
    table.renew(page, written)
    table.renew(page, written)
    assert page.read_text() == f"before\n{table.BEGIN}\n\n{written}\n\n{table.END}\nafter\n"
    heads = [len(line.split(" | ")) for line in written.splitlines() if line.startswith("| ")]
    assert set(heads) == {12}
    page.write_text("nothing")
    with pytest.raises(ValueError, match="to write between"):
        table.renew(page, written)


def test_the_newest_rows_of_a_cut_off_run_can_be_shown(tmp_path, tpu_step):
    results, page = tmp_path / "results.jsonl", tmp_path / "page.md"
    page.write_text(f"{table.BEGIN}{table.END}")
    first, newest = row("v5e-1", tpu_step), row("v5e-1", tpu_step | {"operations": 1_234})
    rows = [json.dumps(each) for each in (first, row("t4", gpu_step("t4")), newest)]
    results.write_text("\n".join([*rows, rows[0][:30]]))
    command = [sys.executable, FOLDER / "table.py", results, f"--page={page}"]
    subprocess.run(command, check=True)
    assert page.read_text() == (
        f"{table.BEGIN}\n\n{table.markdown([row('t4', gpu_step('t4')), newest])}\n\n{table.END}"
    )
    assert "| 1,234 |" in page.read_text()


def test_the_page_has_the_marks():
    page = (ROOT / "docs/scaling.md").read_text()
    assert page.index(table.BEGIN) < page.index(table.END)
