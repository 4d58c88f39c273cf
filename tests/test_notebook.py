"""The notebook from a clean kernel to a submission, on the CPU and the sample."""

import re
from pathlib import Path

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient

from lenet_jax import submission, workdir

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
    }.items():
        monkeypatch.setenv(f"LENET_JAX_{name}", value)
    monkeypatch.delenv("KAGGLE_KEY", raising=False)
    done = notebook()
    NotebookClient(done, timeout=240, resources={"metadata": {"path": str(tmp_path)}}).execute()
    pictures = [
        output
        for cell in done.cells
        for output in cell.get("outputs", [])
        if "image/png" in output.get("data", {})
    ]
    assert len(pictures) == 3
    labels_N = submission.validate(tmp_path / "submission.csv", 1000)
    assert len(np.unique(labels_N)) == 10
    assert len(workdir.read_metrics(tmp_path / "run")) == 1
    assert any("Accuracy on sample" in texts(cell) for cell in done.cells if "outputs" in cell)
