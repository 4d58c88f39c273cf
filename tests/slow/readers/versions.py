"""StableHLO files between versions of jax, and in IREE; `make readers` writes what came of it.

python tests/slow/readers/versions.py FOLDER

Each version of jax writes a run's file, for any batch and for one picture at a time, and reads
those of the others by `lenet_jax.load`. The exit status is 1 if a file is read wrong, is refused in
more than one line, or is refused by the jax that wrote it.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import environments
import numpy as np
from readers import READERS, Reader
from table import TOLERANCE
from table_pages import PAGE, between, markdown

import lenet_jax
from lenet_jax.data import sample

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
# With empty lines, or Markdown sees no table.
BEGIN, END = "<!-- versions -->\n\n", "\n<!-- /versions -->\n"
OURS = f"{ROOT}[export]"
VERSIONS = (
    Reader(
        "jax 0.7.2", "",
        (OURS, "jax==0.7.2", "jaxlib==0.7.2", "flax==0.11.2", "optax==0.2.8",
         "orbax-checkpoint==0.11.36", "numpy==2.3.5"),
    ),
    Reader("jax 0.10.2", "", (OURS, "jax==0.10.2", "jaxlib==0.10.2", "flax==0.12.8")),
    Reader("jax 0.12.0.1", "", (OURS, "jax==0.12.0.1", "flax==0.12.12"), python="3.12"),
)  # fmt: skip
FORMS = {"any batch": (), "`--batch=1`": ("--batch=1",)}
READ = """
import sys, numpy, lenet_jax
from lenet_jax.errors import UserError
try:
    numpy.save(sys.argv[3], lenet_jax.load(sys.argv[1])(numpy.load(sys.argv[2])))
except UserError as error:
    print(error)
"""
MODULE = """
import sys
from pathlib import Path
from jax import export
exported = export.deserialize(bytearray(Path(sys.argv[1]).read_bytes()))
Path(sys.argv[2]).write_bytes(exported.mlir_module_serialized)
"""


def main() -> None:
    folder = Path(sys.argv[1])
    run = folder / "runs" / "one"
    digits = sample.load("test").images_NxHxW[:20]
    expected = lenet_jax.load(run)(digits)
    rows, wrong = [], []
    with tempfile.TemporaryDirectory() as files:
        np.save(Path(files, "digits.npy"), digits)
        pythons = {version.name: environments.make(version, folder) for version in VERSIONS}
        for writer, python in pythons.items():
            for form, flags in FORMS.items():
                path = Path(files, f"{writer}{form}.stablehlo")
                program = [ROOT / "run_export.py", f"--workdir={run}", "--format=stablehlo"]
                _call([python, *program, f"--output={path}", *flags])
                told = []
                for reader, other in pythons.items():
                    got, line = _load(other, path, Path(files))
                    right = got is not None and np.abs(got - expected).max() <= TOLERANCE
                    told.append("right" if right else line and f"refused: {_reason(line)}")
                    if not right and (not line or reader == writer or "\n" in line):
                        wrong.append(f"{writer}, {form}, in {reader}")
                rows.append((f"{writer}, {form}", *told, _iree(folder, python, path, expected)))
                print(*rows[-1], sep=" | ", flush=True)
    head = ("written by", *(f"in {name}" for name in pythons), "in IREE 3.13.0")
    PAGE.write_text(between(PAGE.read_text(), BEGIN, END, markdown([head, *rows])))
    if wrong:
        sys.exit(f"not right: {'; '.join(wrong)}")


def _load(python: Path, path: Path, folder: Path) -> tuple[np.ndarray | None, str]:
    """What `lenet_jax.load` gives, and what it says where it refuses."""
    answer = folder / "answer.npy"
    answer.unlink(missing_ok=True)
    line = _call([python, "-c", READ, path, folder / "digits.npy", answer]).strip()
    return (np.load(answer) if answer.exists() else None), line


def _reason(line: str) -> str:
    return line.partition("does not read it (")[2].partition(");")[0] or line


def _iree(folder: Path, python: Path, path: Path, expected: np.ndarray) -> str:
    """What IREE makes of a file, in a word."""
    (reader,) = (reader for reader in READERS if reader.name.startswith("IREE"))
    module, request, answers = (path.parent / f"iree.{end}" for end in ("mlirbc", "json", "npz"))
    answers.unlink(missing_ok=True)
    _call([python, "-c", MODULE, path, module])
    asked = {
        "digits": str(path.parent / "digits.npy"),
        "pixels": "uint8",
        "file": "",
        "batch": 1,
        "sizes": [len(expected)],
        "output": str(answers),
    }
    request.write_text(json.dumps(asked))
    subprocess.run(
        [environments.make(reader, folder), HERE / "iree_stablehlo.py", module, request],
        capture_output=True,
    )
    if not answers.exists():
        return "refused"
    difference = np.abs(np.load(answers)[str(len(expected))] - expected).max()
    return "right" if difference <= TOLERANCE else f"**wrong**, off by {difference:.1g}"


def _call(command: list) -> str:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return done.stdout


if __name__ == "__main__":
    main()
