"""Results in a notebook: a line, HTML that is safe, small and at home in light and dark, a table, a plot."""

import io
import math
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from IPython.core.formatters import DisplayFormatter
from matplotlib.figure import Figure
from PIL import Image

from nil_audit.auditing.record import Record, difference, read_record
from nil_audit.auditing.several import Audits
from nil_audit.candidate.check import CandidateReport, check_candidate
from nil_audit.comparison.compare import compare
from nil_audit.comparison.result import Comparison
from nil_audit.displayed import Displayed
from nil_audit.errors import DataError
from nil_audit.interaction.metrics import LOSSES, METRICS
from nil_audit.report.render.fragment import MOST_ROWS, render_fragment
from nil_audit.report.render.page import table
from tests.auditing.test_record import SCHEMA_1
from tests.report.conftest import HOSTILE
from tests.report.records import bare_record, record_of

CONFIG = {
    "model_type": "llama",
    "num_hidden_layers": 12,
    "hidden_size": 1536,
    "num_attention_heads": 24,
    "num_key_value_heads": 8,
    "intermediate_size": 4096,
    "vocab_size": 32000,
    "tie_word_embeddings": True,
}
TAGS = {"div", "style", "p", "strong", "table", "caption", "thead", "tbody", "tr", "th", "td", "span", "a", "svg"} | {
    "line",
    "circle",
}


class Tags(HTMLParser):
    """Every element of a fragment with its attributes, and its text; fails where one is not closed in its turn."""

    def __init__(self, fragment: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(fragment)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self._open:
            self.text += data


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIL_AUDIT_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def candidate() -> CandidateReport:
    return check_candidate(CONFIG, name="my-lab/next")


@pytest.fixture(scope="module")
def small() -> Comparison:
    """Too few models for an answer, some with hostile names."""
    names = [*HOSTILE, "x" * 100_000]
    frame = pd.DataFrame({"model": names, "depth": 12, "width": range(640, 640 + len(names)), "score": 0.2})
    return compare(frame, permutations=99, splits=5)


def _several(count: int = 3) -> Audits:
    return Audits([record_of(f"org/{name}", shift=0.2 * place, text=1) for place, name in enumerate("abc"[:count])])


def _all(comparison: Comparison, small: Comparison, candidate: CandidateReport) -> list[Displayed]:
    hostile = [record_of(name, seed=place) for place, name in enumerate(HOSTILE)]
    return [
        comparison,
        small,
        candidate,
        check_candidate(CONFIG, name=HOSTILE[1]),
        record_of(),
        bare_record(HOSTILE[0]),
        record_of("y" * 100_000, notes=["<b>a note</b>"]),
        *hostile,
        Audits(hostile, notes=["<img src=x> failed."]),
        _several(),
    ]


def test_repr_is_one_short_line(comparison, small, candidate) -> None:
    for shown in _all(comparison, small, candidate):
        line = repr(shown)
        assert len(line) <= 250 and line.startswith("<") and line.endswith(">")
        assert line.isprintable(), ascii(line)


def test_the_line_gives_the_headline_number_with_its_interval(comparison, candidate) -> None:
    record = record_of("org/model")
    found = record.metric("typical_efficiency")
    assert found is not None
    numbers = f"{found.value:.2f} [{found.low:.2f}, {found.high:.2f}]"
    assert repr(record) == f"<Record of org/model: typical efficiency {numbers} nats, inside>"
    assert repr(bare_record()) == "<Record of org/model: R 0.0521, inside; interaction not measured>"
    assert repr(Audits([bare_record()])) == "<Audits of 1 model: interaction not measured>"
    assert (
        repr(Audits([read_record(SCHEMA_1), bare_record()])) == "<Audits of 2 models: no typical efficiency is known>"
    )
    unlike = Audits([record_of("org/a"), record_of("org/b", window=256)])
    assert repr(unlike) == "<Audits of 2 models: no two measured alike>"
    best = record_of("org/c", shift=0.4, text=1).metric("typical_efficiency")
    assert repr(_several()) == (
        f"<Audits of 3 models: most efficient org/c, {best.value:.2f} [{best.low:.2f}, {best.high:.2f}] nats>"
    )
    primary = comparison.answer.primary.estimate
    numbers = f"{primary.value:.2f} [{primary.low:.2f}, {primary.high:.2f}]"
    assert repr(comparison) == f"<Comparison of 39 models of 9 families, leaderboard: {numbers}, contradicted>"
    loss = replace(comparison, outcome=replace(comparison.outcome, name="loss", column="loss"), grouped="model")
    assert repr(loss).startswith("<Comparison of 39 models, loss: ")
    regret, best = candidate.verdict.regret, candidate.best
    assert best is not None
    assert repr(candidate) == (
        f"<CandidateReport of my-lab/next, 12 x 1536: {candidate.verdict.label}, expected regret {regret.expected:.1%}"
        f" [{100 * regret.low:.1f}, {100 * regret.high:.1f}], consider {best.shape.depth} x {best.shape.width}>"
    )


def test_html_loads_nothing_runs_nothing_and_stays_small(comparison, small, candidate) -> None:
    for shown in _all(comparison, small, candidate):
        fragment = shown._repr_html_()
        assert len(fragment) < 60_000
        found = Tags(fragment)
        assert {tag for tag, _ in found.found} <= TAGS
        for tag, attributes in found.found:
            assert not [name for name in attributes if name.startswith("on") or name in ("src", "style")]
            if tag == "a":
                assert attributes["href"].startswith("https://arxiv.org/abs/")
        assert "url(" not in fragment and "@import" not in fragment
        assert "‮" not in fragment


def test_html_says_the_answer_and_shows_the_main_table(comparison, candidate) -> None:
    text = Tags(comparison._repr_html_()).text
    assert "The data contradict the law: shape costs" in text and "The law says: of models of one size" in text
    assert "month of release, as a curve" in text and "The answer would be" in text and "Effect, 95%" in text
    text = Tags(candidate._repr_html_()).text
    assert "Consider" in text and "my-lab/next (12 x 1536), which is disputed: expected to cost" in text
    assert "12 x 1536 *" in text and "gain, %" in text
    text = Tags(record_of("org/model")._repr_html_()).text
    assert "org/model (30 x 576" in text and "Its typical efficiency is" in text and "Typical spread" in text
    assert "was not measured" in Tags(bare_record()._repr_html_()).text
    text = Tags(_several()._repr_html_()).text
    assert text.index("org/c") < text.index("org/b") < text.index("org/a") and "Minus the next" in text


def test_hostile_names_are_shown_as_they_are(small) -> None:
    text = Tags(small._repr_html_()).text
    assert "<script>alert(1)</script>" in text and "evil/<img src=x onerror=alert(2)>" in text
    assert "Nothing can be said: " in text


def test_many_models_are_cut_and_the_rest_told() -> None:
    one = record_of()
    audits = Audits(replace(one, model={**one.model, "name": f"org/model-{place}"}) for place in range(60))
    fragment = audits._repr_html_()
    assert len(fragment) < 60_000 and fragment.count("<tr>") == MOST_ROWS + 1
    assert f"The first {MOST_ROWS} of 60 rows; .table() gives all of them." in fragment
    assert len(audits.table()) == 60


def test_intervals_are_drawn_to_scale() -> None:
    rows = table("c", ("Model", "Value"), [("a", "1"), ("b", "2"), ("c", "-")])
    spans = [(-1.0, 0.0, 1.0), (0.0, 1.0, 3.0), None]
    drawn = [tag for tag in Tags(render_fragment(["x"], rows, spans=spans, heading="h")).found if tag[0] != "div"]
    circles = [float(one["cx"]) for tag, one in drawn if tag == "circle"]
    bars = [(float(one["x1"]), float(one["x2"])) for tag, one in drawn if one.get("stroke-width") == "3"]
    unit = circles[1] - circles[0]
    assert len(circles) == 2 and 0 < unit < 40
    assert bars[0] == pytest.approx((circles[0] - unit, circles[0] + unit), abs=0.11)
    assert bars[1] == pytest.approx((circles[0], circles[0] + 3 * unit), abs=0.11)
    assert bars[0][0] >= 0 and bars[1][1] <= 120
    assert "<svg" not in render_fragment(["x"], rows, spans=[None, None, None])


def test_a_records_table_has_every_metric_in_both_estimates() -> None:
    record = record_of()
    frame = record.table()
    assert list(frame.index) == [
        "typical_efficiency",
        *(name for name in METRICS if name.startswith("ty") and name != "typical_efficiency"),
        "tail",
        *(name for name in METRICS if not name.startswith("ty") and name != "tail"),
        *LOSSES,
    ]
    for name in METRICS:
        for kind, prefix in (("unbiased", ""), ("plugin", "plugin_")):
            found = record.metric(name, kind)  # type: ignore[arg-type]
            for part in ("value", "se", "low", "high"):
                assert frame.loc[name, f"{prefix}{part}"] == getattr(found, part)
    assert frame.loc[list(LOSSES), "plugin_value"].isna().all() and set(map(str, frame.dtypes)) == {"float64"}
    with pytest.raises(DataError, match="The record of org/model holds no interaction; measure it"):
        bare_record().table()


def test_the_table_of_several_is_ranked_with_differences_to_the_next() -> None:
    audits = _several()
    frame = audits.table()
    assert list(frame.index) == ["org/c", "org/b", "org/a"]
    gap = difference(audits[2], audits[1])
    assert gap is not None and gap.paired
    row = frame.loc["org/c"]
    assert (row["minus_next"], row["minus_next_low"], row["minus_next_high"]) == (
        gap.estimate.value,
        *gap.estimate.interval,
    )
    assert row["paired"] and math.isnan(frame.loc["org/a", "minus_next"])
    assert row["efficiency"] == row["typical_efficiency"] == audits[2].metric("typical_efficiency").value
    assert row["depth"] == 30


def test_a_comparisons_table_has_every_effect_the_answers_first(comparison: Comparison) -> None:
    frame = comparison.table()
    effects = comparison.findings.effects
    assert len(frame) == len(effects) and frame["row"].iloc[0] == "primary" and frame.index.is_unique
    for (_, row), one in zip(frame.iterrows(), effects, strict=True):
        assert (row["value"], row["low"], row["high"]) == (one.estimate.value, one.estimate.low, one.estimate.high)
        assert (row["detectable"], row["verdict"], row["models"]) == (one.detectable, one.verdict, one.estimate.n)
    assert {"control", "release", "estimator", "subset", "groups", "p"} <= set(frame)


def test_a_comparison_without_an_answer_has_an_empty_table_of_the_same_columns(small, comparison) -> None:
    frame = small.table()
    assert len(frame) == 0 and list(frame) == list(comparison.table())


def test_a_candidates_table_has_itself_and_its_options(candidate: CandidateReport) -> None:
    frame = candidate.table()
    assert list(frame["role"]) == [
        "candidate",
        *("advised" if one is candidate.best else "alternative" for one in candidate.options),
    ]
    first = frame.iloc[0]
    assert (first["gain"], first["change_law"], first["depth"], first["regret"]) == (
        *(0, 0, 12),
        candidate.verdict.regret.expected,
    )
    for option, (_, row) in zip(candidate.options, frame.iloc[1:].iterrows(), strict=True):
        assert (row["depth"], row["width"]) == (option.shape.depth, option.shape.width)
        for name, found in (("gain", option.gain), *((f"change_{key}", one) for key, one in option.change.items())):
            assert [row[f"{name}{part}"] for part in ("", "_low", "_high")] == [found.value, found.low, found.high]
        assert (row["within"], row["dominated"]) == (option.verdict.regret.within, option.dominated)
        assert row["decode_h100"] == option.serving[0].decode_seconds


@pytest.mark.parametrize(
    "make",
    [
        lambda comparison, small, candidate: comparison,
        lambda comparison, small, candidate: small,
        lambda comparison, small, candidate: candidate,
        lambda comparison, small, candidate: record_of(),
        lambda comparison, small, candidate: bare_record(),
        lambda comparison, small, candidate: _several(),
    ],
    ids=["comparison", "small", "candidate", "record", "shape", "several"],
)
def test_a_plot_is_a_figure_that_a_notebook_shows(make: Callable[..., Any], comparison, small, candidate) -> None:
    figure = make(comparison, small, candidate).plot()
    assert isinstance(figure, Figure)
    saved = io.BytesIO()
    figure.savefig(saved, format="png", dpi=50)
    assert Image.open(saved).size[0] == 350
    # IPython's own choice of formats, without pyplot's part in it
    data, metadata = DisplayFormatter().format(figure)
    shown, size = Image.open(io.BytesIO(data["image/png"])), metadata["image/png"]
    assert shown.size == pytest.approx((2 * size["width"], 2 * size["height"]), abs=2)


def test_a_comparison_of_flagged_models_has_no_plot(small: Comparison) -> None:
    flagged = replace(small, models=small.models.assign(flag="wrong"))
    with pytest.raises(DataError, match="Every model of this comparison is flagged"):
        flagged.plot()


def test_what_is_shown_is_chosen_by_class() -> None:
    class Own(Record):
        pass

    fields = {name: getattr(record_of(), name) for name in ("created", "nil_audit", "model", "shape", "verdict")}
    assert repr(Own(**fields)) == repr(bare_record())
    assert DisplayFormatter().format(bare_record())[0].keys() == {"text/plain", "text/html"}


NOTEBOOK = """<!doctype html><html><head><style>
body { background: BACK; color: FORE; font: 14px sans-serif; }
.output table { margin-left: auto; border: 1px solid red; color: red; background: white; }
.output tbody tr:nth-child(odd) { background: white; } .output tbody tr:hover { background: yellow; }
.output td, .output th { text-align: right; color: red; background: white; vertical-align: middle; }
</style></head><body><div class="output">FRAGMENT</div></body></html>"""
"""A notebook with strong views on tables, as several have."""


@pytest.mark.browser
@pytest.mark.parametrize(("back", "fore"), [("#ffffff", "#111111"), ("#111111", "#eeeeee")])
@pytest.mark.parametrize("width", [1280, 390])
def test_it_takes_the_colours_of_the_notebook(
    browser, comparison, candidate, tmp_path: Path, back: str, fore: str, width: int
) -> None:
    fragment = comparison._repr_html_() + candidate._repr_html_() + _several()._repr_html_()
    page = tmp_path / "notebook.html"
    text = NOTEBOOK.replace("BACK", back).replace("FORE", fore).replace("FRAGMENT", fragment)
    page.write_text(text, encoding="utf-8")
    browser.open(page, width=width)
    looks = browser.run(
        "[...document.querySelectorAll('.nil-audit table, .nil-audit tr, .nil-audit th, .nil-audit td')].map(one => {"
        "const look = getComputedStyle(one); return [look.color, look.backgroundColor]; })"
    )
    colour = f"rgb({', '.join(str(int(fore[place : place + 2], 16)) for place in (1, 3, 5))})"
    assert len(looks) > 100 and {tuple(look) for look in looks} == {(colour, "rgba(0, 0, 0, 0)")}
    assert browser.run("document.documentElement.scrollWidth <= innerWidth")
    heights = browser.run("[...document.querySelectorAll('.nil-audit tbody tr')].map(one => one.offsetHeight)")
    assert max(heights) < (40 if width > 1000 else 80)  # no word is broken letter by letter
    assert browser.requests() == [page.resolve().as_uri()] and not browser.problems()
    dots = browser.run("[...document.querySelectorAll('.nil-audit td span')].map(one => getComputedStyle(one).color)")
    assert min(_contrast(dot, back) for dot in dots) >= 3


def _contrast(colour: str, back: str) -> float:
    """WCAG contrast of a computed colour and a hexadecimal one."""
    numbers = [int(part) for part in re.findall(r"\d+", colour)[:3]]
    light, dark = sorted((_luminance(numbers), _luminance(bytes.fromhex(back[1:]))), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: Any) -> float:
    parts = [one / 255 for one in colour]
    linear = [one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
