"""One model is one row: by checkpoint, by id and revision; of several records and scores of it one counts, named."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from nil_audit.comparison.compare import compare
from nil_audit.comparison.reading.clean import checked
from nil_audit.comparison.reading.join import read_frame
from tests.comparison.files import lm_eval, put, record, score_row

QWEN = "Qwen/Qwen2.5-0.5B"
PYTHIA = "EleutherAI/pythia-410m"


def read(folder: Path) -> tuple[pd.DataFrame, dict[str, str], list[str]]:
    """The clean table with the protocol as index, what was left out, and the notes."""
    frame, excluded, notes = read_frame([folder])
    clean, unusable, more = checked(frame)
    return clean, {one.what: one.reason for one in (*excluded, *unusable)}, [*notes, *more]


def said(notes: list[str], *words: str) -> bool:
    return any(all(word in note for word in words) for note in notes)


def test_scores_that_were_measured_count_as_measured_with_their_shape(tmp_path: Path) -> None:
    put(tmp_path / "scores.json", {"scores": [score_row("runs/a"), score_row("runs/b", 0.3)]})
    clean, excluded, notes = read(tmp_path)
    assert excluded == {}
    assert clean["model"].tolist() == ["runs/a", "runs/b"]
    assert set(clean["origin"]) == {"measured"} and set(clean["protocol"]) == {"leaderboard"}
    assert clean[["depth", "width", "parameters"]].to_numpy().tolist() == [[6, 144, 1_666_656]] * 2
    assert set(clean["family"]) == {"runs/"}
    assert said(notes, "No family is named of runs/a and runs/b", "columns model and family")
    assert said(notes, "training tokens of runs/a and runs/b", "columns model, parameters_b, tokens_t and release")


def test_a_score_without_a_shape_finds_it_in_a_record_of_the_same_checkpoint(tmp_path: Path) -> None:
    row = score_row("/elsewhere/mine", checkpoint="sha256:1")
    del row["shape"]
    put(tmp_path / "scores.json", {"scores": [row]})
    clean, excluded, _ = read_frame([tmp_path])
    assert clean.empty and excluded[0].reason.startswith("Depth and width are not known")
    put(tmp_path / "record.json", record("./mine", digest="sha256:1"))
    clean, excluded, notes = read(tmp_path)
    assert (clean["model"].tolist(), clean["score"].tolist(), excluded) == (["./mine"], [0.2], {})
    assert said(notes, "./mine and /elsewhere/mine are one checkpoint: they count as one model, ./mine.")


def test_two_checkpoints_that_were_in_one_folder_are_two_models(tmp_path: Path) -> None:
    put(tmp_path / "1.json", record("./run", digest="sha256:11111111", score=0.2))
    put(tmp_path / "2.json", record("./run", digest="sha256:22222222", score=0.3, depth=12))
    put(tmp_path / "results.json", lm_eval("./run", 0.4))
    clean, _, notes = read(tmp_path)
    assert clean["model"].tolist() == ["./run (sha256:11111111)", "./run (sha256:22222222)"]
    assert clean["score"].tolist() == [0.2, 0.3]
    assert said(notes, "./run stands for 2 checkpoints here", "results.json does not say which it scored")


def test_a_folder_that_is_named_like_a_hub_id_has_nothing_of_it(tmp_path: Path) -> None:
    put(tmp_path / "a.json", record(QWEN, digest="sha256:1", score=0.2, depth=7, width=70))
    put(tmp_path / "ids.csv", f"model,tokens_t\n{QWEN},0.5\n")
    clean, _, notes = read(tmp_path)
    assert clean["protocol"].tolist() == ["mc"]
    assert (clean["tokens"][0], clean["family"][0], clean["release"][0]) == (5e11, "Qwen/", "")
    assert said(notes, f"{QWEN} is a folder here: what is published of models of the Hub by that name is not taken")


def test_a_folder_and_the_hub_model_of_its_name_are_two(tmp_path: Path) -> None:
    put(tmp_path / "a.json", record(QWEN, digest="sha256:1", score=0.2, depth=7, width=70))
    put(tmp_path / "b.json", record(QWEN, source="hub", digest="git:1"))
    clean, _, _ = read(tmp_path)
    assert set(clean["model"]) == {QWEN, f"{QWEN} (sha256:1)"}
    assert clean[clean["model"] == QWEN]["origin"].eq("published").all()
    assert clean[clean["model"] != QWEN]["protocol"].tolist() == ["mc"]


def test_the_shipped_list_speaks_of_the_hub_also_beside_a_folder_of_its_names(tmp_path: Path) -> None:
    lists = Path(__file__).resolve().parents[3] / "model_lists"
    put(tmp_path / "a.json", record(QWEN, digest="sha256:1", score=0.2, depth=7, width=70))
    for path in (lists / "qwen.csv", put(tmp_path / "copy" / "mine.csv", (lists / "qwen.csv").read_text())):
        frame, _, _ = read_frame([tmp_path / "a.json", path])
        hub = frame[(frame["model"] == QWEN) & (frame["protocol"] == "leaderboard")]
        assert hub[["depth", "width"]].to_numpy().tolist() == [[24, 896]]
        assert frame[frame["protocol"] == "mc"]["depth"].tolist() == [7]


def test_four_revisions_in_a_list_are_four_rows_of_one_family(tmp_path: Path) -> None:
    names = [PYTHIA, *(f"{PYTHIA}@step{step}" for step in (1000, 2000, 3000))]
    lines = "\n".join(f"{name},{0.12 + 0.01 * index},mine" for index, name in enumerate(names))
    put(tmp_path / "list.csv", f"model,score,protocol\n{lines}\n")
    clean, excluded, notes = read(tmp_path)
    own = clean[clean["protocol"] == "mine"].set_index("model")
    assert (list(own.index), excluded) == (names, {})
    assert set(own["family"]) == {"Pythia"}
    assert own["depth"].eq(24).all() and own["width"].eq(1024).all() and own["parameters"].nunique() == 1
    # What changes in training belongs to the last checkpoint alone.
    assert own["tokens"].notna().tolist() == [True, False, False, False]
    assert own["release"].ne("").tolist() == [True, False, False, False]
    assert clean["model"][clean["protocol"] == "leaderboard"].tolist() == [PYTHIA]
    assert said(notes, f"Of {PYTHIA}@step1000, {PYTHIA}@step2000 and {PYTHIA}@step3000 family and shape are taken")


def test_a_revision_that_is_main_is_the_model(tmp_path: Path) -> None:
    put(tmp_path / "a.json", record(f"{PYTHIA}@main", source="hub", digest="git:1"))
    clean, _, _ = read(tmp_path)
    assert clean["model"].tolist() == [PYTHIA] and clean["origin"].tolist() == ["published"]
    put(tmp_path / "a.json", record(f"{PYTHIA}@step1000", source="hub", digest="git:1"))
    frame, excluded, _ = read_frame([tmp_path])
    assert frame.empty and excluded[0].what == f"{PYTHIA}@step1000"
    assert excluded[0].reason.startswith("No score of it is known")


def test_a_revision_of_a_model_in_ones_own_list_is_of_its_family(tmp_path: Path) -> None:
    put(tmp_path / "list.csv", "model,family,depth,width,score\nme/x,mine,3,64,0.2\nme/x@early,,3,64,0.15\n")
    clean, _, _ = read(tmp_path)
    assert clean["family"].tolist() == ["mine", "mine"]
    frame = pd.DataFrame({"model": ["gpt2", "gpt2@v1"], "depth": 12, "width": 768, "score": [0.2, 0.1]})
    assert checked(frame)[0]["family"].tolist() == ["gpt2", "gpt2"]


@pytest.mark.parametrize(
    ("path", "family"),
    [
        ("runs/deep", "runs/"),
        ("runs/deep/checkpoint-1000", "runs/"),
        ("/data/runs/deep/step2000", "/data/runs/"),
        ("./mine", "./"),
        ("/mine", "/"),
    ],
)
def test_folders_of_one_folder_and_checkpoints_of_one_run_are_of_one_family(
    tmp_path: Path, path: str, family: str
) -> None:
    put(tmp_path / "scores.json", {"scores": [score_row(path)]})
    assert read(tmp_path)[0]["family"].tolist() == [family]


def test_a_name_and_the_commit_that_it_led_to_are_one_model(tmp_path: Path) -> None:
    put(tmp_path / "a.json", record("me/x@abc", source="hub", digest="git:abc"))
    put(tmp_path / "b.json", record("me/x", source="hub", digest="git:abc", created="2026-03-01", score=0.2))
    put(tmp_path / "c.json", record("me/x@def", source="hub", digest="git:def", score=0.3))
    clean, _, notes = read(tmp_path)
    assert clean["model"].tolist() == ["me/x", "me/x@def"]
    assert said(notes, "me/x@abc and me/x are one checkpoint: they count as one model, me/x.")
    assert said(notes, "Of me/x there are 2 records: the one in float32 of 2026-03-01", "b.json) counts, not")


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"probe": "other"}, "Records differ in probe, so"),
        ({"dtype": "bfloat16"}, "Records differ in dtype, so"),
        ({"window": 256}, "Records differ in window, so"),
        ({"context": 0}, "Records differ in context, so"),
        ({"prefix": None}, "Records differ in document start, so"),
        ({"estimator": 1}, "Records differ in estimator, so"),
    ],
)
def test_metrics_of_another_setting_are_not_mixed_in(tmp_path: Path, other: dict[str, Any], words: str) -> None:
    for name, changes in (("a", {}), ("b", {}), ("c", other)):
        put(tmp_path / f"{name}.json", record(name, score=0.2, digest=f"sha256:{name}", **changes))
    clean, _, notes = read(tmp_path)
    assert clean["spread"].notna().tolist() == [True, True, False]
    assert said(notes, words, "those of the 2 that share one setting", "are used, and 1 are not: c.")


def test_metrics_over_more_and_less_text_are_compared(tmp_path: Path) -> None:
    for name, tokens in (("a", 131_072), ("b", 131_072), ("c", 8192)):
        put(tmp_path / f"{name}.json", record(name, score=0.2, digest=f"sha256:{name}", tokens=tokens))
    clean, _, notes = read(tmp_path)
    assert clean["spread"].notna().tolist() == [True, True, True]
    assert not any("differ in" in note for note in notes)


def test_of_a_model_measured_twice_the_record_of_the_common_setting_counts(tmp_path: Path) -> None:
    put(tmp_path / "a.json", record("a", score=0.2, digest="sha256:a"))
    put(tmp_path / "b16.json", record("b", score=0.3, digest="sha256:b", dtype="bfloat16", created="2026-05-01"))
    put(tmp_path / "b32.json", record("b", digest="sha256:b"))
    put(tmp_path / "c16.json", record("c", digest="sha256:c", dtype="bfloat16", score=0.3))
    put(tmp_path / "d.json", record("d", digest="sha256:d", score=0.3))
    clean, _, notes = read(tmp_path)
    assert clean["model"].tolist() == ["a", "b", "c", "d"]
    assert clean["spread"].notna().tolist() == [True, True, False, True]
    assert said(notes, "Of b there are 2 records: the one in float32", "b32.json) counts, not the one in bfloat16")
    assert said(notes, "those of the 3 that share one setting (dtype float32) are used, and 1 are not: c.")


def test_of_two_scores_the_one_on_most_questions_counts_then_the_latest(tmp_path: Path) -> None:
    rows = [
        score_row("./a", 0.21, created="2026-01-05T00:00:00"),
        score_row("./a", 0.22, created="2026-01-07T00:00:00"),
        score_row("./a", 0.23, created="2026-01-06T00:00:00"),
    ]
    put(tmp_path / "scores.json", {"scores": rows})
    assert read(tmp_path)[0]["score"].tolist() == [0.22]
    whole = score_row("./a", 0.25, questions=12_032, created="2026-01-01T00:00:00")
    put(tmp_path / "full" / "scores.json", {"scores": [whole]})
    clean, _, notes = read(tmp_path)
    assert clean["score"].tolist() == [0.25]
    assert said(
        notes,
        "Of ./a there are 4 scores of protocol leaderboard: 25.0% measured on 12,032 questions at 2026-01-01T00:00",
        "counts, not 22.0% measured on 140 questions at 2026-01-07T00:00",
    )
    assert said(notes, "of one kind the one on most questions counts, then the latest")


def test_a_score_in_a_record_and_in_scores_json_is_one_and_needs_no_word(tmp_path: Path) -> None:
    row = score_row("./a", checkpoint="sha256:a")
    document = record("./a", digest="sha256:a")
    put(tmp_path / "record.json", {**document, "scores": [row]})
    put(tmp_path / "scores.json", {"scores": [row]})
    clean, _, notes = read(tmp_path)
    assert clean["score"].tolist() == [0.2]
    assert not said(notes, "scores of protocol")


def test_models_scored_by_another_protocol_are_named_with_the_flag_that_makes_them_comparable(tmp_path: Path) -> None:
    lists = Path(__file__).resolve().parents[3] / "model_lists"
    put(tmp_path / "scores.json", {"scores": [score_row("./a b", protocol="mc"), score_row("./c", protocol="mc")]})
    found = compare(tmp_path, lists / "qwen.csv", permutations=99, splits=5)
    assert found.options.protocol == "leaderboard"
    assert said(
        list(found.notes),
        "Not compared, since scored by protocol mc and not by leaderboard, which is compared: ./a b and ./c; 'nil-audit"
        " score './a b' ./c --protocol leaderboard --out scores/' makes them comparable.",
    )
    assert {"./a b", "./c"} <= {one.what for one in found.excluded}
    put(tmp_path / "scores.json", {"scores": [score_row("./a b"), score_row("./c")]})
    found = compare(tmp_path, lists / "qwen.csv", permutations=99, splits=5)
    assert found.models.set_index("model").loc[["./a b", "./c"], "origin"].tolist() == ["measured"] * 2
    assert not said(list(found.notes), "Not compared")


def test_a_list_that_says_otherwise_than_the_record_is_named(tmp_path: Path) -> None:
    put(tmp_path / "a.json", record("./a", digest="sha256:a", score=0.2))
    put(tmp_path / "list.csv", "model,depth,width,family\n./a,12,896,mine\n")
    clean, _, notes = read(tmp_path)
    assert (clean["depth"][0], clean["family"][0]) == (24, "mine")
    assert "list.csv gives ./a the depth 12; 24 counts." in notes


def test_facts_of_the_shipped_list_are_of_its_own_shape(tmp_path: Path) -> None:
    put(tmp_path / "list.csv", f"model,depth,width\n{QWEN},12,896\n")
    clean, _, _ = read(tmp_path)
    assert clean["depth"].eq(12).all() and clean["parameters"].isna().all()
