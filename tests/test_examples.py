"""The notebook runs from top to bottom, with the interpreter that runs the tests, and shows what it says."""

import importlib.util
import re
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOK = ROOT / "examples" / "tour.ipynb"


@pytest.fixture(scope="module")
def stored() -> nbformat.NotebookNode:
    return nbformat.read(NOTEBOOK, as_version=4)


@pytest.fixture(scope="module")
def fresh() -> nbformat.NotebookNode:
    spec = importlib.util.spec_from_file_location("run_notebook", ROOT / "scripts" / "run_notebook.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module.executed()


def _shown(cell: Any, kind: str = "text/html") -> str:
    """What a cell shows of one kind."""
    outputs = cell.get("outputs", ())
    return "".join(str(one.get("data", {}).get(kind, one.get("text", ""))) for one in outputs)


@pytest.mark.filterwarnings("ignore")  # those of Jupyter's own machinery in this process
def test_the_notebook_shows_each_result_by_itself(fresh: nbformat.NotebookNode) -> None:
    by_themselves = [_shown(cell) for cell in fresh.cells if 'class="nil-audit"' in _shown(cell)]
    for words in (
        "Its typical efficiency is",
        "is more efficient than",
        "The data cannot tell whether shape matters",
        "Nothing can be said: 2 models with a usable score, and at least 10 models with known size are needed",
        "my-lab/next",
        "Loss is lowest at a depth-width ratio R of",
    ):
        assert any(words in shown for shown in by_themselves), words
    drawn = [cell for cell in fresh.cells if _shown(cell, "image/png")]
    assert [cell.source for cell in drawn] == [
        f"{name}.plot()" for name in ("record", "audits", "found", "report", "calibration")
    ]


def test_the_stored_outputs_are_fresh(fresh: nbformat.NotebookNode, stored: nbformat.NotebookNode) -> None:
    """``make notebook`` stores them anew. What was measured may differ in its digits from one processor to the next."""
    assert [cell.source for cell in fresh.cells] == [cell.source for cell in stored.cells]
    measured = True
    for one, other in zip(fresh.cells, stored.cells, strict=True):
        measured &= not one.source.startswith("## Compare models")
        texts = [_shown(one), _shown(other)]
        if measured:
            texts = [re.sub(r"[-+−]?\d[\d.,]*(e[-+]?\d+)?", "#", text) for text in texts]
        assert texts[0] == texts[1], one.source


def test_the_committed_notebook_is_valid_and_free_of_local_paths(stored: nbformat.NotebookNode) -> None:
    nbformat.validate(stored)
    outputs = str([cell.get("outputs") for cell in stored.cells])
    assert "/home/" not in outputs
    assert "/tmp/" not in outputs
    assert "Traceback" not in outputs
    assert NOTEBOOK.stat().st_size < 600_000
