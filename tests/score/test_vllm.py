"""The vLLM backend where vLLM is missing, and that lm-eval's wrapper takes what it is given."""

import ast
import importlib.util
import inspect
from pathlib import Path

import lm_eval
import pytest

from nil_audit.errors import UsageError
from nil_audit.score.engines import vllm
from nil_audit.score.plan import plan_score
from nil_audit.source import Source

missing = pytest.mark.skipif(importlib.util.find_spec("vllm") is not None, reason="vLLM is installed here")


@missing
def test_without_vllm_the_sentence_names_the_extra(data: Path) -> None:
    with pytest.raises(UsageError, match=r"pip install 'nil-audit\[vllm\]', or use --backend hf"):
        plan_score(data=data, backend="vllm")


def test_lm_evals_wrapper_takes_these_arguments() -> None:
    source = (Path(lm_eval.__file__).parent / "models" / "vllm_causallms.py").read_text()
    classes = [node for node in ast.parse(source).body if isinstance(node, ast.ClassDef) and node.name == "VLLM"]
    init = next(node for node in classes[0].body if isinstance(node, ast.FunctionDef) and node.name == "__init__")
    accepted = {argument.arg for argument in init.args.args}
    calls = [node for node in ast.walk(ast.parse(inspect.getsource(vllm.load_vllm))) if isinstance(node, ast.Call)]
    given = next(node for node in calls if getattr(node.func, "id", "") == "VLLM")
    assert {keyword.arg for keyword in given.keywords} <= accepted


def test_several_processes_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    source = Source(name="any", kind="hub", reference="any", revision=None, folder=None, config={})
    with pytest.raises(UsageError, match="vLLM starts its own processes"):
        vllm.load_vllm(source, dtype="bfloat16", trust_remote_code=False)


def test_vllm_records_no_batch_size(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nil_audit.score.plan.find_spec", lambda _: True)
    assert plan_score(data=data, backend="vllm").batch_size is None
