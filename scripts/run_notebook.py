"""Run the example notebook from top to bottom, offline, and store what it shows (``make notebook``)."""

import os
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).resolve().parent.parent / "examples" / "tour.ipynb"


def executed(timeout: int = 240) -> nbformat.NotebookNode:
    """The notebook with fresh outputs, run with the interpreter that runs this, in an empty folder with an empty cache.

    What goes to stderr, which is of the machine and not of the notebook, is left out.

    Args:
        timeout: Seconds that a cell may take.

    Raises:
        nbclient.exceptions.CellExecutionError: A cell failed.
    """
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    with tempfile.TemporaryDirectory() as folder:
        # A kernel specification of one's own elsewhere must not take the place of this interpreter.
        kernels = {"JUPYTER_PATH": folder, "JUPYTER_PREFER_ENV_PATH": "1"}
        quiet = {"HF_HUB_OFFLINE": "1", "TQDM_DISABLE": "1", "MPLBACKEND": "module://matplotlib_inline.backend_inline"}
        quiet["OMP_NUM_THREADS"] = "1"  # so small a model is slower on several threads wherever others work too
        before = dict(os.environ)
        os.environ.update(kernels)
        try:
            client = NotebookClient(
                notebook,
                timeout=timeout,
                kernel_name="python3",
                record_timing=False,
                resources={"metadata": {"path": folder}},
            )
            client.execute(env={**before, **kernels, **quiet, "NIL_AUDIT_CACHE": f"{folder}/cache"})
        finally:
            os.environ.clear()
            os.environ.update(before)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [one for one in cell.outputs if one.get("name") != "stderr"]
    # What the kernel says of itself would differ from one machine to the next.
    notebook.metadata["language_info"] = {"name": "python"}
    return notebook


def main() -> None:
    """Store the notebook with fresh outputs."""
    nbformat.write(executed(), NOTEBOOK)


if __name__ == "__main__":
    main()
