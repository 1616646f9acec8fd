"""The audit's page and files: numbers with errors, widths, names that collide."""

import copy
import csv
import io
import itertools
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

import nil_audit
from nil_audit.auditing.record import Record, record_from
from nil_audit.report.audit import audit_files, audit_page
from nil_audit.report.render.folder import write_report
from nil_audit.report.render.markdown import render_markdown
from nil_audit.report.render.terminal import render_terminal
from nil_audit.report.render.text import error_text
from nil_audit.stats.estimate import Estimate
from tests.tiny import checkpoint_folder, english

NAME = "org/a-model-with-a-long-name-1.5B"


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Record:
    folder = tmp_path_factory.mktemp("audit")
    probe = folder / "probe.txt"
    probe.write_text(english(2000))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NIL_AUDIT_CACHE", str(folder / "cache"))
        found = nil_audit.audit(
            str(checkpoint_folder(folder / "tiny")), probe=str(probe), window=16, tokens=512, robust=True
        )
    return replace(
        found,
        model={**found.model, "name": NAME, "source": "hub", "revision": "0" * 40},
        scores=(
            {
                "benchmark": "mmlu_pro",
                "protocol": "mc",
                "accuracy": 0.2,
                "stderr": 0.01,
                "questions": 280,
                "at_chance": True,
                "origin": "measured",
            },
            {"benchmark": "mmlu_pro", "protocol": "olmes", "accuracy": 0.3, "origin": "published", "source": "a card"},
        ),
    )


def _shown(records: Sequence[Record], width: int, *, details: bool = False) -> list[str]:
    console = Console(width=width, record=True, file=io.StringIO(), force_terminal=False)
    console.print(render_terminal(audit_page(records, command="nil-audit x"), width, details=details), crop=False)
    return console.export_text().splitlines()


@pytest.mark.parametrize("width", [60, 80, 120, 170])
def test_fits_the_terminal_and_uses_it(record: Record, width: int) -> None:
    plain = replace(record, interaction={**record.interaction, "variants": {}})
    lines = _shown([plain, plain], width)
    assert max(map(len, lines)) <= width
    assert any("chance" in line for line in lines)
    assert "[1] a card." in lines
    for metrics in (("Efficiency", "Spread", "Sensitivity"), ("AOFE", "AOFE-ratio", "Excess"), ("Loss/token",)):
        assert width < 80 or sum(all(name in line for name in metrics) for line in lines) == 1
    assert sum("± jackknife" in line for line in lines) == 1
    assert any(line.startswith("Measured on 512 tokens of probe.txt in windows of 16") for line in lines)
    if width >= 120:
        assert any("0.2000 ± 0.0100, at chance" in line and "measured, n 280" in line for line in lines)
        # A sentence and a row of six tables each, and one score more.
        assert sum(NAME in line for line in lines) == 2 * (1 + 1 + 3 + 2)


def test_the_answer_is_a_sentence_a_model_and_of_many_a_count(record: Record) -> None:
    page = audit_page([record], command="nil-audit x")
    (sentence,) = page.answer
    assert sentence.startswith(f"{NAME}: ") and "of the best" in sentence
    several = [replace(record, verdict={**record.verdict, "label": label}) for label in ("outside", *["inside"] * 6)]
    page = audit_page(several, command="nil-audit x")
    assert page.answer == ("7 models: 6 inside, 1 outside.",)
    assert sentence not in _shown(several, 300) and render_markdown(page).count(sentence) == 7


def test_a_record_of_schema_1_says_the_same(record: Record) -> None:
    document = record.to_dict()
    document["schema"] = 1
    document["verdict"]["words"] = "old words"
    for study in document["verdict"]["studies"].values():
        study["predicted_excess_loss"]["words"] = "old words"
        study.pop("extrapolation")
    old = audit_page([record_from(document)], command="nil-audit x")
    assert old == audit_page([record], command="nil-audit x")


def test_csv_has_value_and_error_of_both_estimates_and_only_measured_scores(record: Record, tmp_path: Path) -> None:
    bare = replace(record, shape=replace(record.shape, parameters=None), interaction=None, superposition=None)
    write_report(tmp_path, "audit", audit_page([record, bare], command="x"), audit_files([record, bare]))
    row, empty = csv.DictReader(io.StringIO((tmp_path / "audit.csv").read_text()))
    assert float(row["aofe_ratio"]) == record.interaction["estimates"]["unbiased"]["aofe_ratio"]["value"]
    assert float(row["plugin_aofe_ratio_se"]) == record.interaction["estimates"]["plugin"]["aofe_ratio"]["se"]
    assert row["mmlu_pro_mc"] == "0.2"
    assert "mmlu_pro_olmes" not in row
    # What another model lacks makes no whole number a decimal one.
    assert row["parameters"] == str(record.shape.parameters.total) and row["tokens"] == "512"
    assert empty["parameters"] == empty["aofe_ratio"] == "" and empty["depth"] == str(record.shape.depth)


def test_models_of_one_name_do_not_overwrite_each_other_or_leave_the_folder(record: Record, tmp_path: Path) -> None:
    def named(name: str | Path) -> Record:
        return replace(record, model={**record.model, "name": str(name)})

    for folder in ("a/model", "b/model"):
        (tmp_path / folder).mkdir(parents=True)
    records = [named(tmp_path / "a/model"), named(tmp_path / "b/model")]
    records += [named("../../etc/passwd"), named("org/../../x")]
    page = audit_page(records, command="nil-audit")
    paths = write_report(tmp_path / "out", "audit", page, audit_files(records))
    assert len(set(paths)) == 7
    assert all(path.resolve().is_relative_to(tmp_path / "out") for path in paths)


METRICS = ("interaction_efficiency", "spread", "sensitivity", "aofe", "aofe_ratio", "excess", "kappa", "trace")
PLACES = (
    *(("estimates", kind, name) for kind in ("plugin", "unbiased") for name in METRICS),
    *(("variants", variant, "estimates", "unbiased", name) for variant in ("late", "direction") for name in METRICS),
    *(("loss", name) for name in ("loss_per_token", "loss_per_byte", "sensitivity_per_byte")),
)
"""Where a record holds a number that noise can leave undefined."""


def _undefined(record: Record, places: Sequence[tuple[str, ...]], *, whole: bool = False) -> Record:
    """The record with the numbers of these metrics null, or each metric as a whole."""
    interaction = copy.deepcopy(dict(record.interaction))
    for *path, name in places:
        where = interaction
        for key in path:
            where = where[key]
        where[name] = None if whole else dict.fromkeys(where[name])
    return replace(record, interaction=interaction)


def test_a_variant_that_noise_left_undefined_is_a_dash(record: Record) -> None:
    for variant, whole in itertools.product(("late", "direction"), (False, True)):
        place = ("variants", variant, "estimates", "unbiased", "aofe_ratio")
        (line,) = [
            line
            for line in _shown([_undefined(record, [place], whole=whole)], 100)
            if line.startswith("AOFE-ratio") and line.count("±") == 2
        ]
        assert line.count("–") == 1


@given(places=st.sets(st.sampled_from(PLACES)), whole=st.booleans())
@settings(max_examples=20, deadline=None)
def test_any_metrics_may_be_undefined(record: Record, places: set[tuple[str, ...]], whole: bool) -> None:
    bare = _undefined(record, sorted(places), whole=whole)
    costs = dict.fromkeys(bare.interaction["cost"])
    for one in (bare, replace(bare, interaction={**bare.interaction, "cost": costs}, superposition={"aofe": None})):
        page = audit_page([one], command="nil-audit x")
        assert "None" not in render_markdown(page) and "nan" not in "\n".join(_shown([one], 80, details=True))
        assert len(audit_files([one])["audit.csv"]) == 1


def test_quiet_is_told_every_verdict_of_a_few_models_and_the_count_of_many(record: Record) -> None:
    few = [replace(record, model={**record.model, "name": f"org/{number}"}) for number in range(3)]
    assert audit_page(few, command="x").headlines == 3
    assert audit_page(few * 3, command="x").headlines == 1


def test_robust_variants_and_details_are_shown(record: Record) -> None:
    lines = _shown([record], 80, details=True)
    text = "\n".join(lines)
    assert max(map(len, lines)) <= 80
    late = record.interaction["variants"]["late"]["estimates"]["unbiased"]["aofe_ratio"]
    assert error_text(Estimate.from_dict(late)) in text
    for word in ("Without first 4", "Direction only", "Plug-in", "Peak memory", "tokens/s", "nil-audit x"):
        assert word in text
    short = "\n".join(_shown([record], 80))
    assert "Without first 4" in short and "Plug-in" not in short and "nil-audit x" not in short
