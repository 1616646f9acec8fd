"""The Hub's evaluation results: whose they are, of which protocol, and what is refused."""

from pathlib import Path
from typing import Any

import pytest

from nil_audit.comparison.reading.hub_results import hub_result_scores
from nil_audit.comparison.reading.inputs import read_inputs
from nil_audit.comparison.reading.join import read_frame
from nil_audit.errors import DataError
from nil_audit.score.protocols import REVISIONS
from tests.comparison.files import put, record, score_row

CARD = "{url: 'https://huggingface.co/MiniMaxAI/MiniMax-M2', name: Model Card, user: someone}"


def results(value: Any = 41.5, *, data: str = "TIGER-Lab/MMLU-Pro", more: str = "", **fields: str) -> str:
    """One result as the Hub has it."""
    inner = "".join(f"\n    {name}: {text}" for name, text in fields.items())
    return f"- dataset:\n    id: {data}{inner}\n  value: {value}\n{more}"


def put_results(folder: Path, text: str, name: str = "mmlu_pro.yaml") -> Path:
    return put(folder / ".eval_results" / name, text)


def test_a_result_is_of_the_repository_that_it_lies_in(tmp_path: Path) -> None:
    more = f"  date: '2026-01-15'\n  source: {CARD}\n"
    for folder in ("MiniMaxAI/MiniMax-M2", "MiniMaxAI--MiniMax-M2", "models--MiniMaxAI--MiniMax-M2/snapshots/abc"):
        (found,) = hub_result_scores(put_results(tmp_path / folder, results(more=more)))
        assert (found.model, found.place) == ("MiniMaxAI/MiniMax-M2", "hub"), folder
        assert (found.accuracy, found.percent, found.created) == (0.415, True, "2026-01-15T00:00:00+00:00")
        assert found.source.startswith("Model Card of MiniMaxAI, by ")
    (found,) = hub_result_scores(put(tmp_path / "downloaded.yaml", results(more=more)))
    assert found.model == "MiniMaxAI/MiniMax-M2"
    put(tmp_path / "runs" / "a" / "config.json", {"model_type": "llama"})
    (found,) = hub_result_scores(put_results(tmp_path / "runs" / "a", results(0.3)))
    assert (found.model, found.place, found.accuracy, found.percent) == (
        str(tmp_path / "runs" / "a"),
        "local",
        0.3,
        False,
    )


@pytest.mark.parametrize(
    ("more", "revision", "protocol"),
    [
        ("", "", "hub-an-unnamed-source-of-org"),
        (f"  source: {CARD}\n", "", "hub-model-card-of-minimaxai"),
        (f"  source: {CARD}\n  notes: '0-shot, CoT'\n", "", "hub-model-card-of-minimaxai-0-shot-cot"),
        (f"  source: {CARD}\n", REVISIONS["2024"], "hub-model-card-of-minimaxai-2024"),
        (f"  source: {CARD}\n", "0123456789abcdef", "hub-model-card-of-minimaxai-01234567"),
        ("  source: {url: 'https://arxiv.org/abs/2407.10671v2'}\n", "", "hub-arxiv-org-abs-2407-10671v2"),
        (
            "  source: {url: 'https://huggingface.co/spaces/a/traces/tree/main?x=1', name: Traces}\n", "",
            "hub-traces-of-huggingface-co-spaces-a-traces",
        ),
        ("  source: [1, 2]\n  notes: 3\n", "", "hub-an-unnamed-source-of-org-3"),
        ("  source: {url: 'http://[', name: Broken}\n", "", "hub-broken"),
    ],
)  # fmt: skip
def test_a_protocol_says_what_the_result_states(tmp_path: Path, more: str, revision: str, protocol: str) -> None:
    fields = {"revision": f"'{revision}'"} if revision else {}
    (found,) = hub_result_scores(put_results(tmp_path / "org" / "name", results(more=more, **fields)))
    assert found.protocol == protocol
    assert ("revision" in found.source) == bool(revision)


def test_the_whole_benchmark_alone_is_read(tmp_path: Path) -> None:
    rows = (
        results(50, task_id="default"), results(51, task_id="mmlu_pro"), results(52, task_id="math"),
        results(20, data="cais/hle"), results(0.53, data="tiger-lab/mmlu-pro"),
    )  # fmt: skip
    found = hub_result_scores(put_results(tmp_path / "org" / "name", "".join(rows)))
    assert [one.accuracy for one in found] == pytest.approx([0.5, 0.51, 0.53])


def test_a_folder_of_repositories_is_read_beside_everything_else(tmp_path: Path) -> None:
    put_results(tmp_path / "Qwen" / "Qwen2-7B", results(40.1, more=f"  source: {CARD}\n"))
    put_results(tmp_path / "EleutherAI" / "pythia-1b", results(0.2, more=f"  source: {CARD}\n"), "any.yml")
    put_results(tmp_path / "a" / "b", results(data="cais/hle"))
    put(tmp_path / "elsewhere.yaml", "neither: read")
    folder = tmp_path / "run"
    put(folder / "config.json", {"model_type": "llama"})
    put_results(folder, results(0.3))
    put(tmp_path / "record.json", record(str(folder), digest="sha256:a"))
    frame, excluded, notes = read_frame([tmp_path])
    found = frame[frame["protocol"].str.startswith("hub-")].set_index("model")
    assert found["score"].to_dict() == {"Qwen/Qwen2-7B": 0.401, "EleutherAI/pythia-1b": 0.2, str(folder): 0.3}
    assert found.loc["EleutherAI/pythia-1b", "depth"] == 16
    assert excluded == []
    assert "Open records give scores in per cent, which were divided by 100: Qwen/Qwen2-7B." in notes


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("- dataset: [", "is not YAML"),
        ("- !!python/object/apply:os.system ['true']", "is not YAML"),
        ("[" * 600, "is not YAML"),
        ("- value: 2026-13-45", "is not YAML"),
        ("", "holds no list of evaluation results"),
        ("a: 1", "holds no list of evaluation results"),
        ("- 3", "a result without 'dataset' and its 'id'"),
        ("- dataset: {id: 3}", "a result without 'dataset' and its 'id'"),
        (results("high"), "a score of MMLU-Pro that is 'high', no number"),
        (results(""), "no number"),
        (results(".inf"), "no number"),
        (results(-1), "the score -1 of MMLU-Pro, which is no accuracy"),
        (results(141.5), "no accuracy"),
        ("#" * 1_000_001, "larger than a model's evaluation results are"),
    ],
)
def test_a_damaged_file_is_a_note_in_a_folder_and_a_sentence_where_named(tmp_path: Path, text: str, words: str) -> None:
    put_results(tmp_path / "org" / "good", results(0.3))
    bad = put_results(tmp_path / "org" / "bad", text)
    read = read_inputs([tmp_path])
    assert [one.model for one in read.scores] == ["org/good"]
    assert len(read.notes) == 1 and read.notes[0].startswith("Passed over: ") and words in read.notes[0]
    with pytest.raises(DataError) as caught:
        read_inputs([bad])
    assert words in str(caught.value) and str(caught.value).endswith(".")


def test_a_file_that_says_nothing_of_use_is_told_what_is_missing(tmp_path: Path) -> None:
    for source in ("", "  source: {url: 'https://huggingface.co/spaces/a'}\n"):
        with pytest.raises(DataError, match=r"does not say which model it is of; put it .* ORG/NAME/\.eval_results/"):
            read_inputs([put(tmp_path / "alone.yaml", results(more=source))])
    with pytest.raises(DataError, match="holds no score of MMLU-Pro as a whole"):
        read_inputs([put_results(tmp_path / "org" / "name", results(data="cais/hle"))])


def own(*, checkpoint: str, model: str = "", protocol: str = "mc", stderr: str = "; stderr=2.66") -> str:
    """A result as nil-audit writes it."""
    notes = f"protocol={protocol}; shots=5; questions=280 of 12032 (a sample){stderr}; checkpoint={checkpoint}"
    notes += f"; model={model}" * bool(model) + "; nil_audit=0.1.0; lm_eval=0.4.13"
    return results(0.71, task_id="mmlu_pro", more=f"  date: '2026-02-01T00:00:00+00:00'\n  notes: {notes}\n")


def test_what_nil_audit_wrote_keeps_its_protocol_and_error(tmp_path: Path) -> None:
    file = put_results(tmp_path / "hub" / "Qwen--Qwen2-7B", own(checkpoint="git:a", model="Qwen/Qwen2-7B@step1"))
    (found,) = hub_result_scores(file)
    assert (found.model, found.place, found.protocol, found.measured) == ("Qwen/Qwen2-7B@step1", "hub", "mc", True)
    assert (found.accuracy, found.stderr, found.questions) == pytest.approx((0.0071, 0.0266, 280))
    assert (found.created, found.digest, found.shape) == ("2026-02-01T00:00:00+00:00", "git:a", None)
    (local,) = hub_result_scores(put_results(tmp_path / "hub" / "run", own(checkpoint="sha256:b", stderr="")))
    assert (local.model, local.place, local.stderr) == (str(tmp_path / "hub" / "run"), "local", None)
    (said,) = read_inputs([file]).scores
    assert (said.origin, said.values["source"], said.protocol) == ("measured", "measured by nil-audit", "mc")


def test_a_run_that_wrote_both_kinds_of_file_counts_once(tmp_path: Path) -> None:
    row = score_row("run", 0.0070912, protocol="mc", checkpoint="sha256:b", questions=280)
    put(tmp_path / "scores.json", {"scores": [row]})
    put_results(tmp_path / "hub" / "run", own(checkpoint="sha256:b"))
    frame, _, notes = read_frame([tmp_path])
    assert frame[["model", "score", "depth"]].to_numpy().tolist() == [["run", 0.0070912, 6]]
    assert not any("one checkpoint" in note or "scores of protocol" in note for note in notes)


def test_the_shape_of_a_clone_is_read_beside_its_results(tmp_path: Path) -> None:
    shape = {"num_hidden_layers": 3, "hidden_size": 48, "num_attention_heads": 4, "vocab_size": 100}
    folder = tmp_path / "clone"
    put(folder / "config.json", {"model_type": "llama", "architectures": ["LlamaForCausalLM"], **shape})
    put_results(folder, results(71.5, more=f"  source: {CARD}\n"))
    frame, excluded, _ = read_frame([folder / ".eval_results"])
    assert frame[["model", "depth", "width", "score"]].to_numpy().tolist() == [[str(folder), 3, 48, 0.715]]
    assert frame["protocol"].tolist() == ["hub-model-card-of-minimaxai"] and excluded == []
