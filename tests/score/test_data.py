"""MMLU-Pro as read: format and order make no difference, and whatever is wrong with it is a sentence."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nil_audit.catalog.scores import MMLU_PRO_QUESTIONS
from nil_audit.errors import DataError, SourceError
from nil_audit.score.data import load_benchmark
from tests.mmlu import Rows, mmlu_rows, write_mmlu


def test_every_format_and_order_of_questions_gives_the_same_benchmark(tmp_path: Path) -> None:
    test, validation = mmlu_rows()
    kinds = {kind: load_benchmark(write_mmlu(tmp_path / kind, test, validation, kind)) for kind in ("parquet", "json")}
    reordered = load_benchmark(write_mmlu(tmp_path / "data" / "data", test[::-1], validation, "jsonl").parent)
    assert len({*(one.digest for one in kinds.values()), reordered.digest}) == 1
    assert reordered.questions == kinds["json"].questions
    assert [row["question_id"] for row in reordered.questions] == list(range(70, 126))


def test_order_of_worked_examples_and_any_changed_text_change_the_digest(tmp_path: Path) -> None:
    test, validation = mmlu_rows()
    first = load_benchmark(write_mmlu(tmp_path / "a", test, validation))
    swapped = load_benchmark(write_mmlu(tmp_path / "b", test, validation[::-1]))
    test[5]["options"] = [option + " " for option in test[5]["options"]]
    spaced = load_benchmark(write_mmlu(tmp_path / "c", test, validation))
    assert len({first.digest, swapped.digest, spaced.digest}) == 3


def test_the_real_data_are_whole(shared: Path) -> None:
    benchmark = load_benchmark(shared / "data" / "mmlu_pro")
    assert len(benchmark.questions) == MMLU_PRO_QUESTIONS
    assert len(benchmark.examples) == 70
    assert benchmark.examples[0]["category"] == "math"


def _drop(column: str) -> Callable[[Rows, Rows], None]:
    def spoil(test: Rows, validation: Rows) -> None:
        for row in test:
            del row[column]

    return spoil


def _set(column: str, value: Any) -> Callable[[Rows, Rows], None]:
    def spoil(test: Rows, validation: Rows) -> None:
        test[3][column] = value

    return spoil


def _empty_category(test: Rows, validation: Rows) -> None:
    test[:] = [row for row in test if row["category"] != "law"]


def _four_examples(test: Rows, validation: Rows) -> None:
    validation.remove(next(row for row in validation if row["category"] == "law"))


SPOILT = {
    "missing column": (_drop("options"), "lacks the column options"),
    "answer that is no option": (_set("answer", "J"), "the answer 'J', which is out of the range of its"),
    "answer that is no letter": (_set("answer", "AB"), "out of the range"),
    "answer index elsewhere": (_set("answer_index", 9), "answer_index 9, which does not name it"),
    "duplicate id": (_set("question_id", 70), "question ids more than once"),
    "id that is no number": (_set("question_id", 1.5), "not a whole number"),
    "empty category": (_empty_category, "no question of the category 'law'"),
    "unnamed category": (_set("category", ""), "the category '', which MMLU-Pro does not have"),
    "too few examples": (_four_examples, "4 worked examples of the category 'law'"),
    "no options": (_set("options", []), "0 options"),
    "eleven options": (_set("options", ["x"] * 11), "11 options"),
    "options that are one text": (_set("options", "yes"), "not a list of texts"),
    "blank question": (_set("question", " \n"), "has no text"),
}


@pytest.mark.parametrize("name", SPOILT)
def test_what_is_wrong_with_the_data_is_said(name: str, tmp_path: Path) -> None:
    spoil, sentence = SPOILT[name]
    test, validation = mmlu_rows()
    spoil(test, validation)
    with pytest.raises(DataError) as caught:
        load_benchmark(write_mmlu(tmp_path / "MMLU", test, validation, "json"))
    assert sentence in str(caught.value)
    assert str(tmp_path / "MMLU") in str(caught.value)


def test_files_that_are_not_there_or_not_readable(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="There is no folder"):
        load_benchmark(tmp_path / "nowhere")
    with pytest.raises(SourceError, match="no test split of MMLU-Pro"):
        load_benchmark(tmp_path)
    (tmp_path / "test.parquet").write_bytes(b"PAR1 cut short")
    with pytest.raises(DataError, match=r"test\.parquet cannot be read as parquet"):
        load_benchmark(tmp_path)
    (tmp_path / "test.parquet").unlink()
    (tmp_path / "test.json").write_text('{"question": "alone"}')
    with pytest.raises(DataError, match="not a list of objects"):
        load_benchmark(tmp_path)


def test_without_data_and_network_the_error_names_the_alternative(monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    def unreachable(*_: Any, **__: Any) -> Any:
        raise ConnectionError("no route")

    monkeypatch.setattr(datasets, "load_dataset", unreachable)
    with pytest.raises(SourceError, match=r"cannot be fetched from the Hub \(ConnectionError\).*--data DIR"):
        load_benchmark()


def test_the_hubs_rows_are_read_as_a_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    test, validation = mmlu_rows()
    local = load_benchmark(write_mmlu(tmp_path, test, validation))
    splits = {"test": datasets.Dataset.from_list(test), "validation": datasets.Dataset.from_list(validation)}
    monkeypatch.setattr(datasets, "load_dataset", lambda name, split: splits[split])
    hub = load_benchmark()
    assert (hub.source, hub.digest) == ("TIGER-Lab/MMLU-Pro", local.digest)
