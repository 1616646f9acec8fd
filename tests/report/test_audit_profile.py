"""The depth profile and the ansatz check in words, tables and data frames: their numbers are those of the record."""

import copy
import io
import math
import re
from collections.abc import Mapping
from statistics import median
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from nil_audit.auditing.depth import depth_trends
from nil_audit.interaction.metrics import METRICS
from nil_audit.report.audit.ansatz import (
    ansatz_block_table,
    ansatz_frame,
    ansatz_of_many,
    ansatz_sentence,
    ansatz_table,
)
from nil_audit.report.audit.page import audit_files
from nil_audit.report.audit.profile import (
    profile_frame,
    profile_sentence,
    profile_summary_table,
    profile_table,
)
from nil_audit.report.audit.ranking import Entry
from nil_audit.report.render.page import Page, Section, Table
from nil_audit.report.render.terminal import render_terminal
from tests.report.records import bare_record, record_of
from tests.report.sections import ROLES, ansatz_section, profile_section, record_with


def entry_of(name: str = "model", **sections: Mapping[str, Any] | None) -> Entry:
    return Entry(name=name, record=record_with(bare_record(f"org/{name}"), **sections))


def profiles(*blocks: int) -> list[Entry]:
    return [
        entry_of(f"model-of-{count}-blocks", profile=profile_section(place, count))
        for place, count in enumerate(blocks)
    ]


def texts(table: Table) -> list[list[str]]:
    return [[cell.text for cell in row] for row in table.rows]


def lines(table: Table) -> list[str]:
    page = Page(title="t", kicker="k", answer=("a",), sections=(Section(name="s", title="S", blocks=(table,)),))
    console = Console(width=80, record=True, file=io.StringIO(), force_terminal=False)
    console.print(render_terminal(page, 80, details=True), crop=False)
    return console.export_text().splitlines()


def numbers(text: str) -> list[float]:
    """Every decimal number of a sentence."""
    return [float(one) for one in re.findall(r"-?\d+\.\d+", text.replace("−", "-"))]


def unbiased(profile: Mapping[str, Any], name: str) -> list[float]:
    return [row["estimates"]["unbiased"][name]["value"] for row in profile["rows"]]


def turned(profile: Mapping[str, Any]) -> dict[str, Any]:
    """The profile with its blocks in the opposite order."""
    rows = [
        {**row, "depth": at["depth"], "relative": at["relative"]}
        for row, at in zip(profile["rows"][::-1], profile["rows"], strict=True)
    ]
    return {**profile, "rows": rows}


def test_the_sentence_states_both_changes_and_their_parts() -> None:
    profile = profile_section(blocks=7)
    said = profile_sentence([entry_of(profile=profile)])
    efficiency = unbiased(profile, "typical_efficiency")
    spread = 0.5 * np.log(unbiased(profile, "typical_rank"))
    trend = depth_trends(profile)["typical_efficiency"]
    wanted: list[float] = []
    for pair, early, late in ((("start", "first"), [0], [1, 2]), (("first", "last"), [1, 2], [5, 6])):
        change = np.mean([efficiency[one] for one in late]) - np.mean([efficiency[one] for one in early])
        by_spread = np.mean([spread[one] for one in late]) - np.mean([spread[one] for one in early])
        interval = trend.changes[pair].interval
        assert interval is not None and change < 0
        wanted += [-change, -interval[1], -interval[0], by_spread, change - by_spread]
    assert numbers(said)[:10] == pytest.approx(wanted, abs=0.00501)
    assert said.startswith("Over the 7 blocks typical efficiency falls by")
    assert "nats from the first to the first third of the others (" in said and "nats to the last third (" in said
    parts = [np.mean([efficiency[one] for one in rows]) for rows in ([0], [1, 2], [3, 4], [5, 6])]
    lowest = ("the first", "the first third of the others", "the middle third", "the last third")[int(np.argmin(parts))]
    assert f"it is lowest in {lowest}, " in said
    assert numbers(said)[10] == pytest.approx(min(parts), abs=0.00501)
    tail = unbiased(profile, "tail")
    assert f"The tail falls by {tail[0] - np.mean(tail[1:3]):.2f}" in said
    assert f"nats, then falls by {np.mean(tail[1:3]) - np.mean(tail[5:]):.2f}" in said


def test_a_rise_is_called_one_and_noise_is_not() -> None:
    profile = turned(profile_section(blocks=2))
    first, second = unbiased(profile, "typical_efficiency")
    rising = profile_sentence([entry_of(profile=profile)])
    assert f"typical efficiency rises by {second - first:.2f} [" in rising and "falls" not in rising
    assert "The tail rises by" in rising
    flat = profile_section(blocks=3)
    flat["rows"] = [{**row, **{key: flat["rows"][0][key] for key in ("estimates", "products")}} for row in flat["rows"]]
    for place, row in enumerate(flat["rows"]):
        products = copy.deepcopy(row["products"])
        noise = np.random.default_rng(place).normal(0, 0.2, 16)
        products["log_norm"] = (np.array(products["log_norm"]) + noise - noise.mean()).tolist()
        row["products"] = products
    said = profile_sentence([entry_of(profile=flat)])
    assert said.count("does not change by more than noise (0.00 [") == 4 and "lowest" not in said


def test_blocks_on_either_side_of_the_null_are_counted_by_their_intervals() -> None:
    profile = profile_section(blocks=6)
    for row, (low, high) in zip(
        profile["rows"], [(0.1, 0.3), (0.1, 0.2), (-0.1, 0.1), (-0.3, -0.1), (0.0, 0.1), (0.1, 0.2)], strict=True
    ):
        row["estimates"]["unbiased"]["excess"] = {"value": (low + high) / 2, "low": low, "high": high, "se": 0.1}
    profile["rows"][5]["estimates"]["unbiased"]["excess"] = {"value": None}
    said = profile_sentence([entry_of(profile=profile)])
    assert "the AOFE-ratio is above its rotation null at 2 and below it at 1 of 5 blocks" in said


def test_two_blocks_are_no_thirds_and_one_has_no_trend() -> None:
    two, one = profiles(2, 1)
    said = profile_sentence([two])
    assert "nats from the first to the second (" in said and "third" not in said and "then" not in said
    assert [row[0] for row in texts(profile_summary_table([two]))] == ["First block", "Second", "To second"]
    assert profile_sentence([one]) == "" == profile_sentence([entry_of()])
    assert len(profile_table(one).rows) == 1 and not profile_summary_table([one]).rows


def test_of_several_models_each_is_named_and_of_many_they_are_counted() -> None:
    entries = [*profiles(7, 3), entry_of("without")]
    said = profile_sentence(entries)
    for entry, first, last in zip(entries, ([1, 2], [1]), ([5, 6], [2]), strict=False):
        efficiency = np.array(unbiased(entry.record.profile or {}, "typical_efficiency"))
        step, then = efficiency[0] - efficiency[first].mean(), efficiency[first].mean() - efficiency[last].mean()
        assert re.search(rf"{entry.name} falls by {step:.2f} \[[^]]*\], then falls by {then:.2f} \[", said)
    assert "without" not in said
    assert profile_sentence([entries[0], entries[2]]).startswith("Over the 7 blocks of model-of-7-blocks typical")
    up = entry_of("up", profile=turned(profile_section(blocks=3)))
    counted = profile_sentence([*[entries[1]] * 6, up])
    assert (
        "rises in 1 and falls in 6 of 7 models; it is lowest in the first block for 1 and in the last third" in counted
    )


def test_the_summary_of_one_model_adds_up() -> None:
    entry = profiles(7)[0]
    table = profile_summary_table([entry])
    efficiency = unbiased(entry.record.profile or {}, "typical_efficiency")
    rows = {row[0].text: row for row in table.rows}
    parts = ["First block", "First third", "Middle third", "Last third"]
    assert list(rows) == [*parts, "To first", "To middle", "To last"]
    assert rows["Middle third"][1].value == pytest.approx(np.mean(efficiency[3:5]))
    for place in range(1, 5):
        start, *levels = (rows[part][place].value for part in parts)
        for part, level in zip(("To first", "To middle", "To last"), levels, strict=True):
            assert rows[part][place].value == pytest.approx(level - start, abs=1e-12)
            start = level
    assert rows["To last"][1].strong and not rows["Last third"][1].strong
    assert max(map(len, lines(table))) <= 80


def test_the_summary_of_several_has_the_blocks_nearest_to_the_quarters() -> None:
    entries = profiles(12, 2)
    table = profile_summary_table(entries)
    for row, entry, blocks in zip(table.rows, entries, ([0, 3, 6, 9, 11], [0, 0, 1, 1, 1]), strict=True):
        efficiency = unbiased(entry.record.profile or {}, "typical_efficiency")
        assert [cell.value for cell in row[1:6]] == [efficiency[block] for block in blocks]
        assert row[6].strong is (entry is entries[0]) and (row[6].text == "–") is (entry is entries[1])
    assert max(map(len, lines(table))) <= 80


@pytest.mark.parametrize("left_out", [0, 5])
def test_every_block_measured_has_its_row_in_80_columns(left_out: int) -> None:
    profile = profile_section(blocks=12, left_out=left_out)
    profile["rows"][1]["estimates"]["unbiased"]["effective_rank"] = {"value": None, "low": None, "high": None}
    table = profile_table(entry_of(profile=profile))
    assert [row[0].text for row in table.rows] == [str(row["depth"]) for row in profile["rows"]]
    assert [row[1].value for row in table.rows] == unbiased(profile, "typical_efficiency")
    assert table.rows[1][5].text == "–"
    assert table.note == ("3 of 12 blocks: the sums of all would not have fitted in memory." if left_out else "")
    shown = lines(table)
    assert max(map(len, shown)) <= 80
    for row in texts(table):
        assert all(any(text in line for line in shown) for text in row)


def test_the_profile_frame_holds_every_number_of_every_block() -> None:
    entries = [*profiles(6, 2), entry_of("without")]
    frame = profile_frame([entry.record for entry in entries])
    assert len(frame) == 8 and frame["model"].nunique() == 2
    assert frame["relative_depth"].tolist() == [place / 6 for place in range(6)] + [0.0, 0.5]
    for kind, prefix in (("unbiased", ""), ("plugin", "plugin_")):
        for name in METRICS:
            rows = [row["estimates"][kind][name] for one in entries[:2] for row in (one.record.profile or {})["rows"]]
            assert frame[prefix + name].tolist() == [row["value"] for row in rows]
            assert frame[f"{prefix}{name}_se"].tolist() == [row["se"] for row in rows]
    assert profile_frame([bare_record()]).empty


@given(data=st.data())
@settings(max_examples=5, deadline=None)
def test_any_number_may_be_undefined(data: st.DataObject) -> None:
    profile, ansatz = profile_section(blocks=3), ansatz_section(blocks=3)
    found = [one for row in profile["rows"] for kind in row["estimates"].values() for one in kind.values()]
    found += [one[kind] for one in ansatz["maps"] for kind in ("typical", "mean")]
    for place in data.draw(st.sets(st.integers(0, len(found) - 1))):
        found[place] |= dict.fromkeys(found[place])
    if data.draw(st.booleans()):
        for one in ansatz["maps"]:
            one["typical"] |= dict.fromkeys(one["typical"])
    for row in profile["rows"][: data.draw(st.integers(0, 3))]:
        row["products"]["direction_gram"] = (-np.eye(16) - 1).tolist()
    entry = entry_of(profile=profile, ansatz=ansatz)
    said = [ansatz_sentence([entry] * 7)]
    for entries in ([entry], [entry] * 2):
        tables = [profile_table(entry), profile_summary_table(entries), ansatz_table(entry), ansatz_of_many(entries)]
        said += [text for table in (*tables, ansatz_block_table(entry)) for row in texts(table) for text in row]
        said += [profile_sentence(entries), ansatz_sentence(entries)]
    assert not any(re.search(r"\b(nan|None)\b", text) for text in said)


def test_files_of_an_audit_hold_them_only_where_a_record_does() -> None:
    plain = record_of()
    both = record_with(plain, profile=profile_section(), ansatz=ansatz_section())
    assert not {"profile.csv", "ansatz.csv"} & audit_files([plain]).keys()
    assert len(audit_files([plain, both])["profile.csv"]) == 6
    assert len(audit_files([plain, both])["ansatz.csv"]) == 30


def test_the_ansatz_sentence_counts_maps_above_the_null_and_beyond_the_path_through_them() -> None:
    ansatz = ansatz_section(blocks=6, holds=0.3)
    maps = ansatz["maps"]
    ansatz["shares"]["all"]["beats_through_map"] = 1 / 3
    above = sum(one["typical"]["low"] > 1.96 * one["null_sd"] for one in maps)
    assert 0 < above < 30
    said = ansatz_sentence([entry_of(ansatz=ansatz)])
    assert said.startswith(
        f"Neural Feature Ansatz: {above} ({100 * above / 30:.0f}%) of 30 maps that read the residual stream are more"
    )
    assert (
        "as half or more of an untrained network's are" in said
        and "; 10 (33%) by more than that path explains. Median" in said
    )
    middle = {role: median(one["typical"]["value"] for one in maps if one["role"] == role) for role in ROLES}
    words = ", ".join(f"{role.replace('mlp_', 'MLP ')} {value:.2f}" for role, value in middle.items())
    others = median(one["other_blocks"]["typical"] for one in maps)
    assert said.replace("−", "-").endswith(f"Median ρ (1: proportional): {words}; other blocks {others:.2f}.")


def test_a_model_of_one_block_has_no_other_blocks() -> None:
    ansatz = ansatz_section(blocks=1)
    for one in ansatz["maps"]:
        one["other_blocks"] = {"typical": None, "mean": None}
    for shares in ansatz["shares"].values():
        shares["beats_other_blocks"] = None
    entry = entry_of(ansatz=ansatz)
    assert "other blocks" not in ansatz_sentence([entry])
    assert all(row[4] == "–" == row[7] for row in texts(ansatz_table(entry)))
    assert ansatz_sentence([entry_of()]) == ""


def test_the_ansatz_of_several_is_named_and_of_many_a_range() -> None:
    entries = [entry_of(f"m{place}", ansatz=ansatz_section(place, 2, holds=0.2 + 0.1 * place)) for place in range(7)]
    found = [(entry.record.ansatz or {})["shares"]["all"] for entry in entries]
    few = ansatz_sentence([*entries[:2], entry_of("without")])
    for entry, one in zip(entries[:2], found, strict=False):
        beats = [f"{100 * one[key]:.0f}%" for key in ("beats_null", "beats_through_map")]
        assert f"{entry.name} {' and '.join(beats)} of 10 (median ρ " in few
    assert "without" not in few and few.count("an untrained network") == 1
    many = ansatz_sentence(entries)
    for key in ("beats_null", "beats_through_map"):
        shares = [100 * one[key] for one in found]
        assert f"({min(shares):.0f}% to {max(shares):.0f}%, median {median(shares):.0f}%)" in many
    table = ansatz_of_many(entries)
    maps = (entries[3].record.ansatz or {})["maps"]
    assert texts(table)[3][4] == f"{median(one['typical']['value'] for one in maps if one['role'] == 'query'):.2f}"
    assert max(map(len, lines(table))) <= 80


def test_a_row_a_role_has_medians_and_one_for_all() -> None:
    ansatz = ansatz_section(blocks=5)
    ansatz["left_out"] = ["Block 3's maps are of experts."]
    table = ansatz_table(entry_of(ansatz=ansatz))
    found = texts(table)
    assert [row[0] for row in found] == ["Query", "Key", "Value", "MLP in", "MLP gate", "All"]
    for row, role in zip(found, (*ROLES, ""), strict=True):
        maps = [one for one in ansatz["maps"] if not role or one["role"] == role]
        assert row[1] == str(len(maps))
        assert row[5] == f"{median(one['typical']['value'] for one in maps):.2f}".replace("-", "−")
        assert row[6] == "0.50"
        assert row[7] == f"{median(one['other_blocks']['typical'] for one in maps):.2f}".replace("-", "−")
        assert row[8] == f"{median(one['mean']['value'] for one in maps):.2f}".replace("-", "−")
        assert row[3] == f"{100 * np.mean([one['beats_through_map'] for one in maps]):.0f}%"
        assert row[2] == f"{100 * np.mean([one['beats_null'] for one in maps]):.0f}%"
    assert "experts" in table.note and max(map(len, lines(table))) <= 80


def test_a_row_a_block_brackets_what_is_not_above_the_null() -> None:
    ansatz = ansatz_section(blocks=4, holds=0.5)
    second = {**ansatz["maps"][0], "typical": {"value": None, "low": None, "high": None, "se": None}}
    ansatz["maps"].insert(1, second)
    table = ansatz_block_table(entry_of(ansatz=ansatz))
    found = texts(table)
    assert [row[0] for row in found] == ["0", "0", "1", "2", "3"]
    assert found[1][1:] == ["–"] * 5
    for row, depth in zip((found[0], *found[2:]), range(4), strict=True):
        for text, role in zip(row[1:], ROLES, strict=True):
            (one,) = [
                one
                for one in ansatz["maps"]
                if (one["depth"], one["role"]) == (depth, role) and one["typical"]["value"] is not None
            ]
            assert text.startswith("(") is not one["beats_null"]
            assert numbers(text)[0] == pytest.approx(one["typical"]["value"], abs=one["typical"]["se"])
    assert max(map(len, lines(table))) <= 80


def test_the_ansatz_frame_holds_every_map() -> None:
    ansatz = ansatz_section(blocks=3)
    ansatz["maps"][0]["typical"] = {"value": None, "low": None, "high": None, "se": None}
    frame = ansatz_frame([record_with(bare_record(), ansatz=ansatz), bare_record("org/without")])
    assert len(frame) == 15 and frame["relative_depth"].tolist()[::5] == [0.0, 1 / 3, 2 / 3]
    assert frame["through_map_mean"].tolist() == [0.4] * 15
    for key in ("role", "path", "rows", "norm", "null_sd", "beats_null", "beats_through_map"):
        assert frame[key].tolist() == [one[key] for one in ansatz["maps"]]
    assert math.isnan(frame["typical"][0])
    assert frame["typical_low"].tolist()[1:] == [one["typical"]["low"] for one in ansatz["maps"][1:]]
    assert frame["other_blocks_mean"].tolist() == [one["other_blocks"]["mean"] for one in ansatz["maps"]]
    assert ansatz_frame([bare_record()]).empty
