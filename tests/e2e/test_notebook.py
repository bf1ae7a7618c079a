"""The notebook runs from top to bottom, and its figures are those of a real training."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).parents[2] / "examples" / "classic.ipynb"


# The kernel's sockets are closed by its own threads, after the test.
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.mnist
def test_notebook_runs_and_reads(mnist_folder: Path) -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    NotebookClient(notebook, timeout=300, kernel_name="python3").execute(cwd=str(NOTEBOOK.parent))
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    printed = "\n".join(
        output.text for cell in cells for output in cell.outputs if output.output_type == "stream"
    )
    accuracy = re.search(r"test (\d\d\.\d+)%", printed)
    assert accuracy is not None
    assert 97.2 < float(accuracy.group(1)) < 98.6
    assert re.search(r"^7 \d\d", printed, re.MULTILINE), "the drawn seven is read"
    pictures = sum(
        "image/png" in output.get("data", {}) for cell in cells for output in cell.outputs
    )
    assert pictures >= 7
