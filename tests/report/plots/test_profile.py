"""Plots over relative depth: every line and band at the record's numbers, gaps where there are none, all to be read."""

import copy
import math
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text

from nil_audit.auditing.record import Record
from nil_audit.interaction.metrics import rotation_scatter
from nil_audit.report.audit.depth_figures import ansatz_figure, ansatz_plot, profile_figure, profile_plot
from nil_audit.report.audit.ranking import Entry
from nil_audit.report.plots import style
from nil_audit.report.plots.over_depth import looks
from nil_audit.report.plots.palette import LINE, PAPER
from nil_audit.report.plots.profile import PANELS
from tests.drawn import lighten
from tests.report.plots.measured import assert_readable
from tests.report.records import CHANNELS, bare_record
from tests.report.sections import ROLES, ansatz_section, profile_section, record_with

COUNTS = (6, 12, 2, 4, 7, 3, 5, 8)


@cache
def record_of_place(place: int, left_out: int = 0) -> Record:
    sections = {
        "profile": profile_section(place, COUNTS[place], left_out=left_out),
        "ansatz": ansatz_section(place, COUNTS[place]),
    }
    return record_with(bare_record(), **sections)


def entries(models: int, left_out: int = 0) -> list[Entry]:
    """Models whose records no other test sees."""
    return [
        Entry(name=f"organisation/model-{place}-of-a-long-name", record=copy.deepcopy(record_of_place(place, left_out)))
        for place in range(models)
    ]


def panel(figure: Figure, words: str) -> Axes:
    (found,) = [axes for axes in figure.axes if axes.get_title(loc="left") == words]
    return found


def curves(axes: Axes, *, dashed: bool = False) -> list[Line2D]:
    """Lines over depth; a line across the whole panel is none."""
    return [
        line
        for line in axes.lines
        if line.is_dashed() is dashed and list(np.asarray(line.get_xdata(), dtype=float)) != [0.0, 1.0]
    ]


def numbers(rows: Sequence[Mapping[str, Any]], name: str) -> list[float]:
    found = [row["estimates"]["unbiased"][name]["value"] for row in rows]
    return [math.nan if one is None else one for one in found]


def legible(figure: Figure) -> None:
    """Whether all that is written is inside the figure, titles and keys too, and no key lies on a panel."""
    assert_readable(figure)
    width, height = figure.get_size_inches() * figure.dpi
    titles = [text for axes in figure.axes for text in axes.get_children() if isinstance(text, Text)]
    keys = [text for legend in figure.legends for text in legend.get_texts()]
    shown = [text for text in [*titles, *keys, *figure.texts] if text.get_text()]
    boxes = [text.get_window_extent() for text in shown]
    for text, box in zip(shown, boxes, strict=True):
        assert box.x0 >= -0.5 and box.x1 <= width + 0.5 and box.y0 >= -0.5 and box.y1 <= height + 0.5, text.get_text()
    for place, box in enumerate(boxes):
        for other in boxes[place + 1 :]:
            assert (
                min(box.x1, other.x1) - max(box.x0, other.x0) <= 1 or min(box.y1, other.y1) - max(box.y0, other.y0) <= 3
            )
    for legend in figure.legends:
        assert all(legend.get_window_extent().y0 >= axes.get_window_extent().y1 for axes in figure.axes)


def test_every_number_of_a_model_is_drawn_at_its_depth_with_its_band() -> None:
    (entry,) = found = entries(1)
    rows = (entry.record.profile or {})["rows"]
    figure = profile_plot(found)
    assert len(figure.axes) == len(PANELS) == 8
    for name, words in PANELS.items():
        axes = panel(figure, words)
        (line,) = curves(axes)
        assert np.asarray(line.get_xdata()).tolist() == [place / 6 for place in range(6)]
        assert np.asarray(line.get_ydata()).tolist() == numbers(rows, name)
        band = axes.collections[0]
        assert len(axes.collections) == 1 + (name == "excess")
        ends = {round(float(y), 12) for y in band.get_paths()[0].vertices[:, 1]}
        wanted = [row["estimates"]["unbiased"][name][end] for row in rows for end in ("low", "high")]
        assert ends == {round(one, 12) for one in wanted}
        low, high = axes.get_ylim()
        assert low < min(numbers(rows, name)) and max(numbers(rows, name)) < high
        assert to_hex(line.get_color()) == LINE
    (null,) = curves(panel(figure, PANELS["aofe_ratio"]), dashed=True)
    assert np.asarray(null.get_ydata()).tolist() == numbers(rows, "rotation_null")
    excess = panel(figure, PANELS["excess"])
    assert len([line for line in excess.lines if set(line.get_ydata()) == {0.0}]) == 1
    # tests/interaction/test_metrics.py holds the scatter against simulated bases.
    halves = [1.96 * rotation_scatter(rank, CHANNELS) for rank in numbers(rows, "effective_rank")]
    shade = excess.collections[1].get_paths()[0].vertices[:, 1]
    assert {round(float(y), 12) for y in shade} == {round(y, 12) for half in halves for y in (-half, half)}
    assert excess.get_ylim()[0] < -max(halves) and max(halves) < excess.get_ylim()[1]


def test_the_typical_token_and_the_mean_share_an_axis() -> None:
    figure = profile_plot(entries(2))
    for one, other in (("typical_efficiency", "interaction_efficiency"), ("typical_rank", "effective_rank")):
        assert panel(figure, PANELS[one]).get_ylim() == panel(figure, PANELS[other]).get_ylim()
        assert panel(figure, PANELS[one]).get_yscale() == panel(figure, PANELS[other]).get_yscale()
    scales = {name: panel(figure, words).get_yscale() for name, words in PANELS.items()}
    assert {name for name, scale in scales.items() if scale == "log"} == {"typical_rank", "effective_rank", "trace"}


@pytest.mark.parametrize(("models", "phone"), [(1, False), (4, True), (7, False)])
def test_models_are_told_apart_and_all_can_be_read(models: int, phone: bool) -> None:
    found = entries(models)
    figure = profile_plot(found, phone=phone)
    legible(figure)
    lines = curves(figure.axes[0])
    assert [len(np.asarray(line.get_xdata())) for line in lines] == list(COUNTS[:models])
    keys = [text.get_text() for text in figure.legends[0].get_texts()]
    told = 1 < models <= 6
    assert len({to_hex(line.get_color()) for line in lines}) == (models if told else 1)
    assert len({line.get_marker() for line in lines}) == (models if told else 1)
    assert len(figure.axes[0].collections) == (models if models <= 6 else 0)
    assert keys[: models if told else 0] == [f"model-{place}-of-a-long-name" for place in range(models * told)]
    assert keys[-2:] == ["rotation null of the AOFE-ratio", "95% of random bases"]


def brightness(colour: str) -> float:
    """Relative luminance (WCAG 2) of a colour."""
    parts = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return float(np.dot(linear, (0.2126, 0.7152, 0.0722)))


@pytest.mark.parametrize("models", range(2, 7))
def test_lines_differ_in_lightness_too_and_from_the_paper(models: int) -> None:
    found = [brightness(look.colour) for look in looks(models)]
    assert found == sorted(found, reverse=True)
    contrasts = [(one + 0.05) / (other + 0.05) for one, other in pairwise([brightness(PAPER), *found])]
    assert contrasts[0] > 2 and min(contrasts) > 1.25


def test_numbers_that_are_undefined_leave_a_gap() -> None:
    (entry,) = found = entries(1)
    rows = (entry.record.profile or {})["rows"]
    undefined = {"value": None, "low": None, "high": None, "se": None}
    for name in ("effective_rank", "trace"):
        rows[2]["estimates"]["unbiased"][name] = undefined
    for row in rows:
        row["estimates"]["unbiased"]["tail"] = undefined
    rows[3]["estimates"]["unbiased"]["trace"] |= {"low": -40.0}
    figure = profile_plot(found)
    for name in ("effective_rank", "trace"):
        values = np.asarray(curves(panel(figure, PANELS[name]))[0].get_ydata())
        np.testing.assert_array_equal(values, numbers(rows, name))
        assert np.isnan(values[2]) and panel(figure, PANELS[name]).get_ylim()[0] > 0
    assert np.isnan(np.asarray(curves(panel(figure, PANELS["tail"]))[0].get_ydata())).all()


def test_a_band_that_reaches_far_is_cut_and_flattens_no_panel() -> None:
    (entry,) = found = entries(1)
    rows = (entry.record.profile or {})["rows"]
    one = rows[0]["estimates"]["unbiased"]["interaction_efficiency"]
    one |= {"low": one["value"] - 1000, "high": one["value"] + 1000}
    low, high = panel(profile_plot(found), PANELS["interaction_efficiency"]).get_ylim()
    values = [value for name in ("typical_efficiency", "interaction_efficiency") for value in numbers(rows, name)]
    assert low < min(values) and max(values) < high
    assert high - low < 2.7 * (max(values) - min(values))


def test_blocks_that_were_left_out_have_no_marker() -> None:
    figure = profile_plot(entries(2, left_out=3))
    first, second = curves(figure.axes[0])
    assert np.asarray(first.get_xdata()).tolist() == [0, 0.5]
    assert np.asarray(second.get_xdata()).tolist() == [0, 0.25, 0.5, 0.75]


def test_each_role_has_a_panel_with_the_null_and_other_blocks() -> None:
    (entry,) = found = entries(1)
    ansatz = entry.record.ansatz or {}
    figure = ansatz_plot(found)
    legible(figure)
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["Query", "Key", "Value", "MLP in", "MLP gate"]
    for axes, role in zip(figure.axes, ROLES, strict=True):
        maps = [one for one in ansatz["maps"] if one["role"] == role]
        (line,) = curves(axes)
        assert np.asarray(line.get_ydata()).tolist() == [one["typical"]["value"] for one in maps]
        others, path = curves(axes, dashed=True)
        assert set(path.get_ydata()) == {0.5}
        assert np.asarray(others.get_ydata()).tolist() == [one["other_blocks"]["typical"] for one in maps]
        (null,) = axes.patches
        ends = sorted({float(y) for y in null.get_path().vertices[:, 1] * null.get_height() + null.get_y()})
        assert ends == pytest.approx([-1.96 * maps[0]["null_sd"], 1.96 * maps[0]["null_sd"]])
        assert len({axes.get_ylim() for axes in figure.axes}) == 1


@pytest.mark.parametrize("models", [2, 3])
def test_models_of_other_roles_are_overlaid_where_they_have_them(models: int) -> None:
    found = entries(models)
    ansatz = found[0].record.ansatz or {}
    for one in ansatz["maps"]:
        if one["role"] in ("mlp_gate", "key"):
            one["role"] = {"mlp_gate": "state_space_in", "key": "query"}[one["role"]]
    figure = ansatz_plot(found, phone=models == 3)
    legible(figure)
    assert len(figure.axes) == 6 and figure.axes[5].get_title(loc="left") == "State space in"
    assert [len(curves(axes)) for axes in figure.axes] == [models, models - 1, models, models, models - 1, 1]
    assert len(curves(figure.axes[0], dashed=True)) == (4 if models == 2 else 0)
    # Of several maps of one role in a block the median is drawn, without a band.
    both = [one["typical"]["value"] for one in ansatz["maps"] if one["role"] == "query" and one["depth"] == 0]
    assert len(both) == 2
    assert np.asarray(curves(figure.axes[0])[0].get_ydata())[0] == pytest.approx(np.mean(both))


def test_figures_say_what_they_show_and_hold_any_name(monkeypatch: pytest.MonkeyPatch) -> None:
    lighten(monkeypatch)
    found = entries(2)
    found[0] = Entry(name="_<b>$x_1$&", record=found[0].record)
    ansatz = ansatz_figure(found)
    assert ansatz is not None and ansatz.narrow is not None and "_&lt;b&gt;$x_1$&amp;" in ansatz.svg
    monkeypatch.setattr(style, "svg_text", lambda _: "<svg/>")
    profile, alone = profile_figure(found), profile_figure(found[1:])
    assert profile is not None and alone is not None and found[1].name in alone.caption
    for figure, name in ((profile, "depth-profile"), (ansatz, "ansatz")):
        assert figure.name == name
        assert "2 models" in figure.caption and "95%" in figure.caption and "2 models" in figure.description
    empty = [Entry(name="none", record=bare_record())]
    assert profile_figure(empty) is None and ansatz_figure(empty) is None
