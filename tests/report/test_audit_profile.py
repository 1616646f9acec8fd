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
from nil_audit.report.audit.profile import profile_frame, profile_summary_table, profile_table
from nil_audit.report.audit.profile_words import profile_sentence
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


def test_the_sentence_states_both_changes_and_what_makes_most_of_them() -> None:
    profile = profile_section(blocks=7)
    said = profile_sentence([entry_of(profile=profile)])
    efficiency = unbiased(profile, "typical_efficiency")
    spread = 0.5 * np.log(unbiased(profile, "typical_rank"))
    trends = depth_trends(profile)
    wanted: list[float] = []
    shares = []
    for pair, early, late in ((("start", "first"), [0], [1, 2]), (("first", "last"), [1, 2], [5, 6])):
        change = np.mean([efficiency[one] for one in late]) - np.mean([efficiency[one] for one in early])
        by_spread = np.mean([spread[one] for one in late]) - np.mean([spread[one] for one in early])
        interval = trends["typical_efficiency"].changes[pair].interval
        assert interval is not None and change < 0
        wanted += [-change, -interval[1], -interval[0]]
        shares.append(by_spread / change)
    tail = unbiased(profile, "tail")
    tail_falls = tail[0] - np.mean(tail[5:])
    dip = re.search(r" \(lowest between them, (−?[\d.]+) \[[^]]*\] in 3–4\)\.", said)
    assert dip and numbers(dip[1]) == pytest.approx([np.mean(efficiency[3:5])], abs=0.00501)
    assert np.mean(efficiency[3:5]) < np.mean(efficiency[5:])
    assert f" The tail falls by {tail_falls:.2f} [" in said and said.count("nats") == 2
    assert numbers(said)[:6] == pytest.approx(wanted, abs=0.00501)
    assert max(shares) < 1 / 3 and said.count(", mostly by sensitivity") == 2
    assert (
        said.startswith("From the embedding (block 0) to the next blocks (1–2) typical efficiency falls by")
        and "; from there to the last third (5–6) it falls by" in said
    )
    assert " The tail falls by" in said and "nats in all" in said


def test_what_makes_most_of_a_change_is_named() -> None:
    words = {
        0.2: "mostly by sensitivity",
        0.45: "by sensitivity and spread over directions alike",
        0.8: "mostly by spread",
    }
    for share, wanted in words.items():
        profile = profile_section(blocks=2)
        first, second = (row["products"] for row in profile["rows"])
        second.update(copy.deepcopy(first))
        trends = depth_trends(profile)
        assert trends["typical_efficiency"].changes["start", "first"].value == 0
        # The direction Gram moves ln(rank), the log norm the sensitivity: a fall of 1 nat in all.
        gram = np.array(first["direction_gram"])
        second["direction_gram"] = (gram * np.exp(2 * share)).tolist()
        second["log_norm"] = (np.array(first["log_norm"]) + 1 - share).tolist()
        said = profile_sentence([entry_of(profile=profile)])
        assert f"efficiency falls by 1.00 [1.00, 1.00] nats, {wanted}" in said


def test_a_rise_is_called_one_and_noise_is_not() -> None:
    profile = turned(profile_section(blocks=2))
    first, second = unbiased(profile, "typical_efficiency")
    rising = profile_sentence([entry_of(profile=profile)])
    assert f"to block 1 typical efficiency rises by {second - first:.2f} [" in rising and "falls" not in rising
    assert "The tail rises by" in rising
    flat = profile_section(blocks=3)
    flat["rows"] = [
        {**row, **{key: copy.deepcopy(flat["rows"][0][key]) for key in ("estimates", "products")}}
        for row in flat["rows"]
    ]
    for place, row in enumerate(flat["rows"]):
        noise = np.random.default_rng(place).normal(0, 0.2, 16)
        row["products"]["log_norm"] = (np.array(row["products"]["log_norm"]) + noise - noise.mean()).tolist()
        row["estimates"]["unbiased"]["excess"] = {"value": 0.0, "low": -0.1, "high": 0.1, "se": 0.05}
    said = profile_sentence([entry_of(profile=flat)])
    pattern = (
        r"From the embedding \(block 0\) to block 1 typical efficiency stays within noise \(0\.00 \[[^]]*\] nats\);"
        r" from there to the last block \(2\) it stays within noise \(0\.00 \[[^]]*\]\)\."
    )
    assert re.fullmatch(pattern, said)


def test_blocks_on_either_side_of_the_null_are_counted_by_their_intervals() -> None:
    profile = profile_section(blocks=6)
    for row, (low, high) in zip(
        profile["rows"], [(0.1, 0.3), (0.1, 0.2), (-0.1, 0.1), (-0.3, -0.1), (0.0, 0.1), (0.1, 0.2)], strict=True
    ):
        row["estimates"]["unbiased"]["excess"] = {"value": (low + high) / 2, "low": low, "high": high, "se": 0.1}
    profile["rows"][5]["estimates"]["unbiased"]["excess"] = {"value": None}
    said = profile_sentence([entry_of(profile=profile)])
    assert "; the AOFE-ratio lies above its rotation null at 2 and below it at 1 of 5 blocks" in said
    for row in profile["rows"][:2]:
        row["estimates"]["unbiased"]["excess"] |= {"value": 0.0, "low": -0.1, "high": 0.1}
    assert "; the AOFE-ratio lies below its rotation null at 1 of 5 blocks" in profile_sentence(
        [entry_of(profile=profile)]
    )


def test_two_blocks_are_no_thirds_and_one_has_no_trend() -> None:
    two, one = profiles(2, 1)
    said = profile_sentence([two])
    assert "(block 0) to block 1 typical efficiency" in said and "third" not in said and "from there" not in said
    assert [row[0] for row in texts(profile_summary_table([two]))] == ["Block 0", "Block 1", "To 1"]
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
    assert profile_sentence([entries[0], entries[2]]).startswith(
        "From the embedding (block 0) of model-of-7-blocks to the next blocks"
    )
    up = entry_of("up", profile=turned(profile_section(blocks=3)))
    counted = profile_sentence([*[entries[1]] * 6, up])
    assert "rises in 1 and falls in 6 of 7 models; it is lowest at the embedding for 1 and in the last third" in counted


def test_the_summary_of_one_model_adds_up() -> None:
    entry = profiles(7)[0]
    table = profile_summary_table([entry])
    efficiency = unbiased(entry.record.profile or {}, "typical_efficiency")
    rows = {row[0].text: row for row in table.rows}
    parts = ["Block 0", "Blocks 1–2", "Blocks 3–4", "Blocks 5–6"]
    assert list(rows) == [*parts, "To 1–2", "To 3–4", "To 5–6"]
    assert rows["Blocks 3–4"][1].value == pytest.approx(np.mean(efficiency[3:5]))
    for place in range(1, 5):
        start, *levels = (rows[part][place].value for part in parts)
        for part, level in zip(("To 1–2", "To 3–4", "To 5–6"), levels, strict=True):
            assert rows[part][place].value == pytest.approx(level - start, abs=1e-12)
            start = level
    changes = depth_trends(entry.record.profile or {})
    for name, place in (("typical_efficiency", 1), ("tail", 3), ("excess", 4)):
        stars = [changes[name].changes[pair].excludes_zero for pair in (("start", "first"), ("first", "middle"))]
        assert [rows[part][place].text.endswith("*") for part in ("To 1–2", "To 3–4")] == stars
    assert not any("*" in cell.text for part in parts for cell in rows[part])
    assert "* the 95% interval excludes zero" in table.note
    assert max(map(len, lines(table))) <= 80


@pytest.mark.parametrize(
    ("blocks", "left_out", "shown"),
    [
        (12, 0, [0, 3, 6, 9, 11]),
        (6, 0, [0, 2, 3, 4, 5]),
        (5, 0, [0, 1, 2, 4, 4]),
        (4, 0, [0, 1, 2, 3, 3]),
        (3, 0, [0, 1, None, 2, 2]),
        (2, 0, [0, None, 1, None, 1]),
        (12, 5, [0, None, None, None, 10]),
    ],
)
def test_the_summary_of_several_has_the_blocks_at_the_quarters(
    blocks: int, left_out: int, shown: list[int | None]
) -> None:
    entry = entry_of(profile=profile_section(blocks=blocks, left_out=left_out))
    table = profile_summary_table([entry, entry])
    efficiency = {
        row["depth"]: row["estimates"]["unbiased"]["typical_efficiency"]["value"]
        for row in (entry.record.profile or {})["rows"]
    }
    for row in table.rows:
        assert [cell.value for cell in row[1:6]] == [None if one is None else efficiency[one] for one in shown]
        assert [cell.text == "–" for cell in row[1:6]] == [one is None for one in shown]
        assert row[6].text == "–" if blocks == 2 else row[6].text.endswith("*")
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
    assert profile_frame(bare_record()).empty
    assert profile_frame(entries[0].record).equals(profile_frame([entries[0].record]))


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


def test_the_ansatz_sentence_counts_maps_above_the_bound_and_has_what_untrained_networks_have() -> None:
    ansatz = ansatz_section(blocks=6, holds=0.3)
    maps = ansatz["maps"]
    for place, one in enumerate(maps):
        one["beats_through_map"] = place in (0, 5, 9, 10, 14, 19)
    above = sum(one["typical"]["low"] > 1.96 * one["null_sd"] for one in maps)
    assert 0 < above < 30
    said = ansatz_sentence([entry_of(ansatz=ansatz)])
    assert said.startswith(
        f"Neural Feature Ansatz: {100 * above / 30:.0f}% of 30 maps lie above a random basis, which says little, since"
    )
    assert (
        "; 6 (20%) lie above a bound on what that path can give (below it nothing is shown): query 3, MLP gate 3. M"
        in said
    )
    middle = [f"{median(one['typical']['value'] for one in maps if one['role'] == role):.2f}" for role in ROLES]
    query, key, value, into, gate = middle
    assert said.replace("−", "-").endswith(
        f"Median ρ (in brackets of untrained networks): query {query}, key {key} (0 to 0.2); value {value},"
        f" MLP in {into}, MLP gate {gate} (0.1 to 0.5)."
    )
    for one in maps:
        one["beats_through_map"] = False
        one["role"] = "state_space_in" if one["role"] == "mlp_gate" else one["role"]
    said = ansatz_sentence([entry_of(ansatz=ansatz)]).replace("−", "-")
    assert "; none lies above a bound on what that path can give (below it nothing is shown). Median" in said
    assert said.endswith(f"value {value}, MLP in {into} (0.1 to 0.5); state space in {gate}.")


def test_a_model_of_one_block_has_no_other_blocks() -> None:
    ansatz = ansatz_section(blocks=1)
    for one in ansatz["maps"]:
        one["other_blocks"] = {"typical": None, "mean": None}
    for shares in ansatz["shares"].values():
        shares["beats_other_blocks"] = None
    entry = entry_of(ansatz=ansatz)
    assert all(row[4] == "–" == row[7] for row in texts(ansatz_table(entry)))
    assert ansatz_sentence([entry_of()]) == ""


def test_the_ansatz_of_several_is_named_and_of_many_a_range() -> None:
    entries = [entry_of(f"m{place}", ansatz=ansatz_section(place, 2, holds=0.2 + 0.1 * place)) for place in range(7)]
    held = [(entry.record.ansatz or {})["maps"] for entry in entries]
    few = ansatz_sentence([*entries[:2], entry_of("without")])
    middles = {
        role: [median(one["typical"]["value"] for one in maps if one["role"] == role) for maps in held]
        for role in ROLES
    }
    for place in range(2):
        above = sum(one["beats_through_map"] for one in held[place])
        by_role = ", ".join(f"{role.replace('mlp_', 'MLP ')} {middles[role][place]:.2f}" for role in ROLES)
        assert f" m{place} {by_role}, {above or 'none'} of 10" in few.replace("−", "-")
    assert "without" not in few and few.count("untrained networks: query, key 0 to 0.2; value, MLP in, MLP gate") == 1
    many = ansatz_sentence(entries).replace("−", "-")
    for role, found in middles.items():
        assert f"{role.replace('mlp_', 'MLP ')} {min(found):.2f} to {max(found):.2f}" in many
    shares = [100 * (entry.record.ansatz or {})["shares"]["all"]["beats_through_map"] for entry in entries]
    assert f"; {min(shares):.0f}% to {max(shares):.0f}% of their maps lie above a bound" in many
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
            assert text.startswith("(") is not one["beats_null"] and ("*" in text) is one["beats_through_map"]
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
    assert ansatz_frame(bare_record()).empty
    alone = record_with(bare_record(), ansatz=ansatz)
    assert ansatz_frame(alone).equals(ansatz_frame([alone]))
