"""The notebook from a clean kernel to a submission, on the CPU and the sample."""

import re
import sys
from pathlib import Path

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from lenet_jax.runs import checksums, workdir
from lenet_jax.runs.copies import FINISHED
from lenet_jax.submission import writer

PATH = Path(__file__).parent.parent / "notebooks" / "colab.ipynb"


def notebook():
    return nbformat.read(PATH, as_version=4)


def texts(cell):
    return "".join(output.get("text", "") for output in cell.outputs)


def test_the_notebook_is_kept_without_output_and_leaves_jax_alone():
    cells = [cell for cell in notebook().cells if cell.cell_type == "code"]
    assert not any(cell.outputs or cell.execution_count for cell in cells)
    (needed,) = (line for line in cells[0].source.splitlines() if line.startswith("needed ="))
    assert "optax" in needed
    assert '"jax' not in needed


def test_the_badge_opens_this_notebook_where_its_code_comes_from():
    first, code = notebook().cells[0].source, notebook().cells[2].source
    (owner,) = re.findall(r"github/([^/]+)/lenet-jax/blob/main/notebooks/colab\.ipynb", first)
    assert "colab-badge.svg" in first
    assert f'REPOSITORY = "https://github.com/{owner}/lenet-jax"' in code


# The client's own loop and sockets.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_the_notebook_runs_from_a_clean_kernel(tmp_path, monkeypatch):
    root = PATH.parent.parent
    (tmp_path / "lenet-jax").symlink_to(root)
    for name, value in {
        "EPOCHS": "1",
        "MEMBERS": "2",
        "DATA": "sample",
        "WORKDIR": str(tmp_path / "run"),
        "MIRROR": str(tmp_path / "drive"),
    }.items():
        monkeypatch.setenv(f"LENET_JAX_{name}", value)
    monkeypatch.delenv("KAGGLE_KEY", raising=False)
    done = notebook()
    # Compilations of tenths of a second are told of as those of ten seconds are.
    soon = (
        "from lenet_jax.distributed import compilation_progress as progress\n"
        "progress.FIRST_SECONDS = 0.1"
    )
    done.cells.insert(3, nbformat.v4.new_code_cell(soon))
    NotebookClient(done, timeout=240, resources={"metadata": {"path": str(tmp_path)}}).execute()
    pictures = [
        output
        for cell in done.cells
        for output in cell.get("outputs", [])
        if "image/png" in output.get("data", {})
    ]
    assert len(pictures) == 3
    labels_N = writer.validate(tmp_path / "submission.csv", 1000)
    assert len(np.unique(labels_N)) == 10
    assert len(workdir.read_metrics(tmp_path / "run")) == 1
    assert any("Accuracy on sample" in texts(cell) for cell in done.cells if "outputs" in cell)
    told = [texts(cell) for cell in done.cells if "outputs" in cell]
    version = sys.version.split()[0]
    assert told[0].startswith(f"This machine, on the CPU: Python {version}, jax ")
    assert "2 x cpu" in told[0]
    assert any(re.search(r"^Compiling .*train_until.*: \d+ s so far$", text, re.M) for text in told)
    assert checksums.damage(tmp_path / "drive" / FINISHED) is None


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_runtime_whose_accelerator_jax_does_not_use_stops_in_the_first_cell(
    tmp_path, monkeypatch
):
    (tmp_path / "lenet-jax").symlink_to(PATH.parent.parent)
    (tmp_path / "root" / "dev").mkdir(parents=True)
    (tmp_path / "root" / "dev" / "accel0").touch()
    monkeypatch.setenv("LENET_JAX_DEVICES", str(tmp_path / "root"))
    monkeypatch.setenv("COLAB_RELEASE_TAG", "release-colab_20260819")
    # Nobody has asked for the CPU, and JAX takes it without a word.
    monkeypatch.delenv("JAX_PLATFORMS")
    stopped = notebook()
    client = NotebookClient(stopped, timeout=240, resources={"metadata": {"path": str(tmp_path)}})
    with pytest.raises(CellExecutionError, match=r"a TPU \(/dev/accel0\), but JAX runs on the CPU"):
        client.execute()
    ran = [cell for cell in stopped.cells if cell.get("execution_count")]
    assert len(ran) == 1
    (output,) = (output for output in ran[0].outputs if output.output_type == "error")
    assert output.ename == "SystemExit"
    assert output.evalue.startswith("Colab, Python 3.")
