"""The table of published scores: complete, sourced, flagged, and found again by a model's name."""

import math
from pathlib import Path

import pytest

from nil_audit.catalog.scores import (
    MMLU_PRO_CHANCE,
    MMLU_PRO_QUESTIONS,
    PROTOCOL_TITLES,
    normalised,
    published_for,
    published_scores,
)
from nil_audit.errors import DataError


def test_every_row_has_a_model_a_source_and_a_known_protocol() -> None:
    table = published_scores(include_flagged=True)
    assert len(table) == 282
    assert set(table["protocol"]) == set(PROTOCOL_TITLES)
    assert set(table["kind"]) == {"base", "instruct"}
    assert table["source"].str.len().min() > 10
    assert table["model"].str.fullmatch(r"[\w.-]+/[\w.-]+").all()
    assert table["accuracy"].between(0.05, 0.7).all()


def test_leaderboard_scores_are_whole_numbers_of_correct_answers() -> None:
    table = published_scores(protocol="leaderboard")
    correct = table["accuracy"] * MMLU_PRO_QUESTIONS
    assert (table["questions"] == MMLU_PRO_QUESTIONS).all()
    assert (correct - correct.round()).abs().max() < 0.01


def test_flagged_rows_are_marked_and_unused() -> None:
    flagged = published_scores(include_flagged=True).query("flag != ''")
    assert len(flagged) == 6
    assert set(published_scores()["flag"]) == {""}
    assert "allenai/OLMo-7B-0424-hf" in set(flagged["model"])
    assert "internlm/internlm2-7b" not in set(published_scores(protocol="leaderboard")["model"])


def test_standard_error_is_binomial_and_absent_where_the_number_of_questions_is_unstated() -> None:
    row = published_for("EleutherAI/pythia-160m")[0]
    p = row["accuracy"]
    assert row["stderr"] == pytest.approx(math.sqrt(p * (1 - p) / 12031), rel=1e-12)
    assert row["stderr_kind"] == "binomial"
    olmes = next(r for r in published_for("apple/DCLM-7B") if r["protocol"] == "olmes")
    assert olmes["stderr"] is None
    assert olmes["questions"] is None
    assert olmes["normalised"] is None


def test_a_published_score_belongs_to_its_revision() -> None:
    final = published_for("EleutherAI/pythia-410m")
    assert final == published_for("EleutherAI/pythia-410m@main") != []
    for other in ("EleutherAI/pythia-410m@step1000", "EleutherAI/pythia-410m@" + "a" * 40, "./EleutherAI/pythia-410m"):
        assert published_for(other) == []


def test_each_row_says_which_edition_of_the_questions_it_was_measured_on() -> None:
    table = published_scores(include_flagged=True)
    assert set(table["data"]) == {"2024"}
    assert table["date"].max() < "2026"  # from when on the other edition is the current one
    rows = {row["protocol"]: row["data"] for row in published_for("Qwen/Qwen2.5-7B")}
    assert rows == {"leaderboard": "2024", "olmes": "2024"}


def test_lookup_ignores_case_and_puts_the_leaderboard_first() -> None:
    rows = published_for("qwen/QWEN2.5-7B@main")
    assert [r["protocol"] for r in rows] == ["leaderboard", "olmes"]
    assert rows[0]["normalised"] == pytest.approx((rows[0]["accuracy"] - 0.1) / 0.9)
    assert {r["origin"] for r in rows} == {"published"}
    assert published_for("nobody/nothing") == []
    assert published_for("./a/folder") == []


def test_one_row_a_model_prefers_bfloat16_then_the_latest() -> None:
    table = published_scores(protocol="leaderboard", one_per_model=True)
    assert not table.duplicated(["model", "protocol"]).any()
    gpt2 = table[table["model"] == "openai-community/gpt2"].iloc[0]
    assert (gpt2["precision"], gpt2["date"]) == ("bfloat16", "2024-06-26")
    assert set(table["model"]) == set(published_scores(protocol="leaderboard")["model"])


def test_the_frame_is_the_callers_own() -> None:
    mine = published_scores()
    mine.loc[:, "accuracy"] = 0.0
    assert published_scores()["accuracy"].min() > 0.05


@pytest.mark.parametrize("wrong", [{"protocol": "nonsense"}, {"kind": "chat"}])
def test_an_unknown_protocol_or_kind_is_named(wrong: dict[str, str]) -> None:
    with pytest.raises(DataError, match="there are"):
        published_scores(**wrong)


def test_size_and_chance_are_those_of_the_test_split(shared: Path) -> None:
    import pyarrow.parquet

    table = pyarrow.parquet.read_table(shared / "data" / "mmlu_pro" / "test.parquet", columns=["options"])
    options = [len(row) for row in table["options"].to_pylist()]
    assert len(options) == MMLU_PRO_QUESTIONS == 12_032
    assert sum(1 / k for k in options) / len(options) == pytest.approx(0.11124323, abs=5e-9)
    assert pytest.approx(0.11124323, abs=5e-7) == MMLU_PRO_CHANCE


def test_the_normalised_score_is_the_leaderboards() -> None:
    assert [normalised(p) for p in (0.1, 0.55, 1.0)] == pytest.approx([0, 0.5, 1])
