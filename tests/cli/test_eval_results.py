"""``nil-audit score --eval-results``: what is written, what is said, and without a folder."""

from collections.abc import Callable
from pathlib import Path

import yaml
from huggingface_hub import parse_eval_result_entries

from tests.cli.conftest import Done
from tests.mmlu import answering_checkpoint, mmlu_rows, write_mmlu

Here = Callable[..., Done]


def test_a_score_for_the_hub(run_here: Here, tmp_path: Path) -> None:
    model, data = answering_checkpoint(tmp_path / "tiny-one"), write_mmlu(tmp_path / "mmlu_pro", *mmlu_rows())
    asked = ("score", model, "--data", data, "--questions", "14", "--protocol", "mc", "--eval-results")
    refused = run_here(*asked)
    assert refused.returncode == 2
    assert refused.stderr.endswith("Error: --eval-results writes files; name a folder for them with --out DIR.\n")
    done = run_here(*asked, "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert "The questions are 56 where MMLU-Pro has 12,032" in done.stderr
    assert done.stderr.strip().endswith(f"Next: hf upload ORG/NAME {tmp_path / 'out' / 'hub' / 'tiny-one'}")
    (file,) = (tmp_path / "out" / "hub").rglob("*.yaml")
    assert file.relative_to(tmp_path).as_posix() == "out/hub/tiny-one/.eval_results/mmlu_pro.yaml"
    (entry,) = parse_eval_result_entries(yaml.safe_load(file.read_text()))
    assert entry.dataset_revision is None and "protocol=mc; shots=5; questions=14 of 56 (a sample)" in str(entry.notes)
