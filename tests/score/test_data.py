"""MMLU-Pro as read: format and order make no difference, and whatever is wrong with it is a sentence."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nil_audit.catalog.scores import MMLU_PRO_QUESTIONS
from nil_audit.errors import DataError, SourceError, UsageError
from nil_audit.score.data import load_benchmark
from nil_audit.score.plan import plan_score
from nil_audit.score.protocols import LETTERS
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


class _HubsDataSet:
    """Stands in for ``datasets.load_dataset``: remembers the revisions asked for, and gives the commit it has."""

    def __init__(self, test: Rows, validation: Rows, commit: str | None = None) -> None:
        self.splits, self.commit, self.asked = {"test": test, "validation": validation}, commit, []

    def __call__(self, name: str, *, split: str, revision: str | None) -> Any:
        import datasets

        self.asked.append((name, split, revision))
        found = datasets.Dataset.from_list(self.splits[split])
        if self.commit:
            url = f"hf://datasets/{name}@{self.commit}/data/{split}-00000-of-00001.parquet"
            found.info.download_checksums = {url: {"num_bytes": 1, "checksum": None}}
        return found


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Callable[..., _HubsDataSet]:
    """Puts a data set in the Hub's place."""
    import datasets

    def put(*arguments: Any, **options: Any) -> _HubsDataSet:
        stand_in = _HubsDataSet(*arguments, **options)
        monkeypatch.setattr(datasets, "load_dataset", stand_in)
        return stand_in

    return put


def _without_spaces(rows: Rows) -> Rows:
    return [{**row, "options": [option.strip() for option in row["options"]]} for row in rows]


def test_the_hubs_rows_are_read_as_a_folders(tmp_path: Path, hub: Callable[..., _HubsDataSet]) -> None:
    test, validation = mmlu_rows()
    local = load_benchmark(write_mmlu(tmp_path, test, validation))
    hub(test, validation)
    found = load_benchmark()
    assert (found.source, found.digest) == ("TIGER-Lab/MMLU-Pro", local.digest)
    assert (found.edition, local.edition, local.revision) == ("2024", "2024", None)


@pytest.mark.parametrize(("protocol", "edition"), [("leaderboard", "2024"), ("mc", "2026"), ("cot", "2026")])
def test_each_protocol_reads_its_own_revision_of_the_hubs_data_set(
    protocol: str, edition: str, hub: Callable[..., _HubsDataSet]
) -> None:
    known = {"2024": "3373e0b32277875b8db2aa555a333b78a08477ea", "2026": "b189ec765aa7ed75c8acfea42df31fdae71f97be"}
    stand_in = hub(*mmlu_rows(), commit=known[edition])
    plan = plan_score(protocol)
    assert stand_in.asked == [("TIGER-Lab/MMLU-Pro", split, known[edition]) for split in ("test", "validation")]
    assert plan.benchmark.revision == known[edition]


def test_a_chosen_revision_is_passed_on_resolved_and_recorded(hub: Callable[..., _HubsDataSet]) -> None:
    stand_in = hub(*mmlu_rows(), commit="c" * 40)
    assert plan_score(data_revision="main").benchmark.revision == "c" * 40
    assert [revision for *_, revision in stand_in.asked] == ["main", "c" * 40]  # both splits of one commit
    hub(*mmlu_rows())
    assert plan_score(data_revision="a-branch").benchmark.revision == "a-branch"


def test_a_cache_that_holds_another_revision_is_not_taken_for_the_one_asked_for(
    hub: Callable[..., _HubsDataSet],
) -> None:
    hub(*mmlu_rows(), commit="c" * 40)
    with pytest.raises(SourceError, match=f"at revision {'c' * 40}, not at 3373e0b32277875b8db2aa555a333b78a08477ea"):
        plan_score("leaderboard")


def test_a_revision_of_the_hub_and_a_folder_exclude_each_other(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--data-revision chooses what is read from the Hub, --data reads a folder"):
        plan_score(data=tmp_path, data_revision="main")


def test_the_edition_is_told_by_the_content_and_names_the_leaderboards_protocol(tmp_path: Path) -> None:
    test, validation = mmlu_rows()
    spaced, stripped = (
        write_mmlu(tmp_path / name, rows, validation) for name, rows in (("a", test), ("b", _without_spaces(test)))
    )
    names = {
        (asked, edition): plan_score(asked, data=folder).protocol.name
        for asked in ("leaderboard", "mc", "cot")
        for edition, folder in (("2024", spaced), ("2026", stripped))
    }
    assert {key: name for key, name in names.items() if name != key[0]} == {("leaderboard", "2026"): "leaderboard-2026"}
    plan = plan_score(data=stripped)
    (note,) = plan.notes
    assert "leaderboard-2026 cannot be compared with published leaderboard scores" in note
    assert "--data-revision 3373e0b32277875b8db2aa555a333b78a08477ea" in note
    assert plan_score(data=spaced).notes == ()
    assert plan_score("mc", data=spaced).notes == plan_score("mc", data=stripped).notes != ()
    assert plan.protocol.folder == plan_score(data=spaced).protocol.folder


def test_the_local_copy_is_the_edition_of_2024(shared: Path) -> None:
    benchmark = load_benchmark(shared / "data" / "mmlu_pro")
    spaced = [(row, option) for row in benchmark.questions for option in row["options"] if option.startswith(" ")]
    assert len(spaced) == 475
    assert sum(row["options"][LETTERS.index(row["answer"])] == option for row, option in spaced) == 473
    assert benchmark.edition == "2024"
