"""The notebook runs from top to bottom, with the interpreter that runs the tests, and shows what it says."""

import os
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).resolve().parent.parent / "examples" / "compare_your_models.ipynb"


@pytest.mark.filterwarnings("ignore")  # those of Jupyter's own machinery in this process
def test_the_notebook_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    # A kernel specification of one's own elsewhere must not take the place of this interpreter.
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    monkeypatch.setenv("JUPYTER_PREFER_ENV_PATH", "1")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    code = "import sys; assert sys.executable == " + repr(sys.executable)
    notebook.cells.insert(0, nbformat.v4.new_code_cell(code))
    client = NotebookClient(
        notebook, timeout=240, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    )
    client.execute(env=dict(os.environ))
    shown = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    text = "".join(str(output.get("text", "")) for output in shown)
    assert "The data do not support the law" in text
    assert "Nothing can be said about the law: 2 models of 1 family" in text
    assert any("image/png" in output.get("data", {}) for output in shown)
    assert any("report.html" in str(output.get("data", {}).get("text/plain", "")) for output in shown)


def test_the_committed_notebook_is_valid_and_free_of_local_paths() -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    outputs = str([cell.get("outputs") for cell in notebook.cells])
    assert "/home/" not in outputs
    assert "/tmp/" not in outputs
    assert "Traceback" not in outputs
