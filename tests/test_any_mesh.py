"""Results do not depend on the mesh: 1, 4 and 8 devices, members and batch split."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_results_and_checkpoints_are_the_same_on_any_mesh():
    unset = ("JAX_NUM_CPU_DEVICES", "XLA_FLAGS")
    env = {name: value for name, value in os.environ.items() if name not in unset}
    done = subprocess.run(
        [sys.executable, ROOT / "tests/support/any_mesh.py"],
        env=env | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])},
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout.split()[-1]) < 1e-4
