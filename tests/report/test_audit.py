"""The audit's tables and files: numbers with errors, widths, names that collide."""

import csv
import io
import math
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from nil_audit.auditing.record import Record
from nil_audit.interaction.metrics import Estimate
from nil_audit.report.audit_document import csv_text, write_audit
from nil_audit.report.audit_table import audit_view, distance_words, with_error
from tests.interaction.test_brute_force import PROBE, checkpoint_of
from tests.tiny import tiny_model


@pytest.fixture(scope="module")
def record() -> Record:
    from nil_audit.auditing.audit import _interaction_document, verdict_document
    from nil_audit.auditing.record import plain
    from nil_audit.interaction.measure import measure

    checkpoint = checkpoint_of(tiny_model("llama"))
    return Record(
        created="2026-01-01T00:00:00+00:00",
        nil_audit="0.1.0",
        model={"name": "org/a-model-with-a-long-name-1.5B", "source": "hub", "revision": "0" * 40},
        shape=checkpoint.shape,
        verdict=verdict_document(checkpoint.shape),
        interaction=plain(_interaction_document(measure(checkpoint, PROBE, window=16, robust=True))),
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


@pytest.mark.parametrize(
    ("value", "se", "text"),
    [
        (1.94632, 0.0128, "1.946 ± 0.013"),
        (-0.010277, 0.000398, "-0.01028 ± 0.00040"),
        (424.4, 27.6, "424 ± 28"),
        (88193.0, 13677.0, "88,193 ± 13,677"),
        (1.5e7, 2e5, "(1.500 ± 0.020)e7"),
        (0.0000123, 0.0000021, "(1.23 ± 0.21)e-5"),
        (3.0, 0.0, "3"),
    ],
)
def test_number_is_shown_to_the_digits_of_its_error(value: float, se: float, text: str) -> None:
    assert with_error(Estimate(value=value, se=se, low=0, high=0, bias=0)) == text


def test_undefined_number_is_a_dash() -> None:
    assert with_error(None) == "–"
    assert with_error(Estimate(value=math.pi, se=math.nan, low=0, high=0, bias=0)) == "3.142"


@pytest.mark.parametrize(("width", "tables"), [(80, 3), (120, 2), (170, 1)])
def test_fits_the_terminal_and_uses_it(record: Record, width: int, tables: int) -> None:
    console = Console(width=width, record=True, file=io.StringIO(), force_terminal=False)
    plain = replace(record, interaction={**record.interaction, "variants": {}})
    console.print(audit_view([plain, plain], width))
    lines = console.export_text().splitlines()
    assert max(map(len, lines)) <= width
    assert any("chance" in line for line in lines)
    assert "[1] a card" in lines
    headers = [line for line in lines if "Efficiency" in line or "AOFE-ratio" in line or "Loss/token" in line]
    assert len(headers) == tables
    if width >= 120:
        assert any("0.2000 ± 0.0100, at chance" in line and "measured, n 280" in line for line in lines)
        assert sum("org/a-model-with-a-long-name-1.5B" in line for line in lines) == 2 * (1 + tables + 2)


def test_distance_is_said_in_words(record: Record) -> None:
    def words(distance: float) -> str:
        return distance_words(replace(record, verdict={**record.verdict, "distance": distance}))

    assert words(0.0) == "0, within"
    assert words(0.42) == "+0.42, too deep and narrow"
    assert words(-0.42) == "−0.42, too shallow and wide"


def test_csv_has_value_and_error_of_both_estimates_and_only_measured_scores(record: Record) -> None:
    (row,) = csv.DictReader(io.StringIO(csv_text([record])))
    assert float(row["aofe_ratio"]) == record.interaction["estimates"]["unbiased"]["aofe_ratio"]["value"]
    assert float(row["plugin_aofe_ratio_se"]) == record.interaction["estimates"]["plugin"]["aofe_ratio"]["se"]
    assert row["mmlu_pro_mc"] == "0.2"
    assert "mmlu_pro_olmes" not in row


def test_models_of_one_label_do_not_overwrite_each_other_or_leave_the_folder(record: Record, tmp_path: Path) -> None:
    def named(name: str, source: str = "local") -> Record:
        return replace(record, model={**record.model, "name": name, "source": source})

    records = [named("/a/model"), named("/b/model"), named("../../etc/passwd"), named("org/../../x", "hub")]
    paths = write_audit(records, tmp_path / "out", command="nil-audit")
    assert len(set(paths)) == 6
    assert all(path.resolve().is_relative_to(tmp_path / "out") for path in paths)


def test_robust_variants_and_details_are_shown(record: Record) -> None:
    console = Console(width=80, record=True, file=io.StringIO(), force_terminal=False)
    console.print(audit_view([record], 80, details=True))
    text = console.export_text()
    assert max(map(len, text.splitlines())) <= 80
    late = record.interaction["variants"]["late"]["estimates"]["unbiased"]["aofe_ratio"]
    assert with_error(Estimate(**late)) in text
    for word in ("Without first 4", "Direction only", "Plug-in", "Peak memory", "tokens/s"):
        assert word in text
