"""Which figures a comparison has, which numbers they show, and what their captions say."""

import pytest

from nil_audit.comparison.compare import compare
from nil_audit.comparison.result import Comparison
from nil_audit.errors import DataError
from nil_audit.report.comparison.figures import draw_figures, main_plot
from nil_audit.report.comparison.words import effect_text
from nil_audit.report.plots.style import Drawing
from nil_audit.report.render.page import Figure
from tests.drawn import lighten
from tests.report.conftest import synthetic_frame
from tests.report.plots.measured import assert_readable

NAMES = ["effect", "score-against-ratio", "adjusted-score", "specification-curve"]


@pytest.fixture(scope="module")
def figures(comparison: Comparison) -> dict[str, Figure]:
    """The figures of the comparison; their PNG and PDF are looked at where the page is written."""
    with pytest.MonkeyPatch.context() as patch:
        lighten(patch)
        return draw_figures(comparison)


def words(figure: Drawing) -> list[str]:
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def test_a_comparison_has_four_figures_each_for_screen_and_phone(figures: dict[str, Figure]):
    assert list(figures) == NAMES
    for name, figure in figures.items():
        assert figure.name == name and figure.caption.endswith(".") and figure.description.endswith(".")
        assert figure.svg.count("<svg") == 1 and figure.narrow and figure.narrow != figure.svg
        assert "None" not in figure.caption and "nan" not in figure.caption


def test_the_figure_of_the_effect_shows_the_answer_first_and_at_most_ten_estimates(
    comparison: Comparison, figures: dict[str, Figure]
):
    figure = main_plot(comparison)
    main = comparison.findings.effect("primary")
    shown = words(figure)
    assert main is not None and f"the answer, {main.estimate.n} models" in shown and effect_text(main) in shown
    assert f"below {main.detectable:.2f}" in shown
    numbers = [text for text in shown if text.endswith("]")]
    assert numbers[0] == effect_text(main) and 6 <= len(numbers) <= 10
    controls = [one for one in comparison.findings.effects if one.row == "control"]
    assert len(controls) == 5 and {effect_text(one) for one in controls} <= set(numbers)
    assert {"no effect", "as the law predicts"} <= set(shown)
    assert_readable(figure)
    caption = figures["effect"].caption
    assert f"below {main.detectable:.2f}" in caption and f"{main.groups} families" in caption


def test_captions_say_what_a_figure_does_not_show(figures: dict[str, Figure]):
    for name, words in zip(
        NAMES, ("not that shape is the cause", "not held fixed", "also holds", "not that many"), strict=True
    ):
        assert words in figures[name].caption


def test_without_known_sizes_there_is_score_against_ratio_alone():
    frame = synthetic_frame(30).assign(parameters=float("nan"))
    found = compare(frame, permutations=0, splits=2)
    assert list(draw_figures(found)) == ["score-against-ratio"]
    assert "depth-width ratio" in main_plot(found).axes[0].get_xlabel()


def test_without_the_specification_curve_the_other_figures_stay():
    found = compare(synthetic_frame(30), quick=True, splits=2)
    assert list(draw_figures(found)) == NAMES[:3]


def test_where_every_model_is_flagged_nothing_is_drawn():
    found = compare(synthetic_frame(12).assign(flag="wrong"), quick=True)
    assert draw_figures(found) == {}
    with pytest.raises(DataError, match="nothing to draw"):
        main_plot(found)


def test_of_a_loss_units_are_per_cent_and_better_is_up():
    frame = synthetic_frame(40).assign(my_loss=lambda rows: 3.0 - 0.1 * rows["score"])
    found = compare(frame, outcome="my_loss", lower_is_better=True, quick=True)
    figures = draw_figures(found)
    assert "my_loss (lower is better)" in figures["score-against-ratio"].svg
    assert "(% of loss)" in figures["adjusted-score"].svg and "chance" not in figures["adjusted-score"].svg
