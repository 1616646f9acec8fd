"""One small MMLU-Pro and two checkpoints for all tests of scoring."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.mmlu import answering_checkpoint, mmlu_rows, write_mmlu


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """56 questions, 4 a category, and 70 worked examples, as parquet."""
    return write_mmlu(tmp_path_factory.mktemp("mmlu_pro"), *mmlu_rows())


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with a context of 1,024 tokens, one a byte."""
    return answering_checkpoint(tmp_path_factory.mktemp("models") / "answering")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A results cache of the test's own."""
    monkeypatch.setenv("NIL_AUDIT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(scope="session")
def loaded(checkpoint: Path) -> tuple[Any, Any]:
    """The checkpoint's model and tokenizer."""
    return load(checkpoint)


def load(folder: Path) -> tuple[Any, Any]:
    """A folder's model and tokenizer."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    return AutoModelForCausalLM.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)


@pytest.fixture(scope="session")
def model_with() -> Callable[..., tuple[Any, Any]]:
    """Makes further checkpoints in memory: other weights, other contexts."""
    import tempfile

    def make(**options: Any) -> tuple[Any, Any]:
        with tempfile.TemporaryDirectory() as folder:
            return load(answering_checkpoint(Path(folder), **options))

    return make
