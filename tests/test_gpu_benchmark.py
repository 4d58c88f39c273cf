"""`benchmarks/gpu.py` where there is no GPU: it says so, and measures the CPU if that is asked."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def run(*flags, cwd):
    command = [sys.executable, ROOT / "benchmarks" / "gpu.py", *flags]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=os.environ)


def test_without_a_gpu_it_refuses_in_one_line(tmp_path):
    done = run("--data=sample", "--output=gpu.md", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert re.fullmatch("error: JAX finds no gpu here, but cpu; .*--platform=cpu .*\n", done.stderr)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_the_table_is_written_and_says_where_it_comes_from(tmp_path):
    small = "--batches=256 --members 1 2 --epochs 1 2 --seeds=2 --target=0.01".split()  # noqa: SIM905
    done = run("--data=sample", "--platform=cpu", "--output=gpu.md", *small, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    table = (tmp_path / "gpu.md").read_text()
    assert table == done.stdout
    head, command, *lines = table.splitlines()
    assert re.match(r"20\d\d-\d\d-\d\d, 2 x cpu \(cpu\), .*jax \d.*Python 3.*, commit ", head)
    assert "3,000 digits of sample" in head
    assert command.startswith("`python benchmarks/gpu.py --data=sample --platform=cpu")
    rows = [line.split(" | ") for line in lines if re.match(r"\| \d", line)]
    assert [row[:2] for row in rows[:2]] == [["| 256", "1"], ["| 256", "2"]]
    for _, members, steps, images, *_ in rows[:2]:
        images_of_a_step = 256 * float(members)
        expected = float(steps.replace(",", "")) * images_of_a_step
        # Steps are rounded to a tenth.
        assert float(images.replace(",", "")) == pytest.approx(
            expected, abs=0.05 * images_of_a_step + 1
        )
    seconds, accuracy = float(rows[2][1]), float(rows[2][2].partition("%")[0])
    assert 0 < seconds < 100
    assert 8 < accuracy < 100
    # The first of two tries has got there.
    assert rows[2][3] == "2 of 2 |"
    assert len(rows) == 3
