"""The specification curve: every estimate in its place, cut intervals counted, a stroke a choice."""

import itertools

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.lines import Line2D

from nil_audit.comparison.findings import Choice, Specification, SpecificationCurve
from nil_audit.report.plots.palette import ALERT, LINE, MUTED
from nil_audit.report.plots.specification import specification_plot
from nil_audit.report.plots.style import PHONE, WIDTH, svg_text
from tests.report.plots.measured import assert_readable

LABELS = {
    "control": ("how size is held fixed", {"line": "a straight line", "curve": "a smooth curve and the rank"}),
    "release": ("date of release", {"none": "no date", "linear": "as a line", "spline": "as a curve"}),
    "estimator": ("how families count", {f"e{n}": f"estimator number {n}" for n in range(8)}),
    "subset": ("which models", {f"s{n}": f"subset number {n}" for n in range(10)}),
    "covariates": ("lineage and domain", {"none": "neither", "both": "lineage and domain"}),
}


def curve_of(count: int, *, wild: int = 0, seed: int = 0) -> SpecificationCurve:
    rng = np.random.default_rng(seed)
    keys = list(LABELS)
    options = [
        dict(zip(keys, one, strict=True)) for one in itertools.product(*(LABELS[key][1] for key in keys[:4]), ["none"])
    ]
    values = np.sort(rng.normal(0.6, 0.5, count))
    halves = rng.uniform(0.2, 0.9, count)
    halves[rng.permutation(count)[:wild]] = 40.0
    found = tuple(
        Specification(
            **options[place], value=value, low=value - half, high=value + half, models=100, primary=place == count // 3
        )
        for place, value, half in zip(rng.permutation(len(options))[:count], values, halves, strict=True)
    )
    found = tuple(Specification(**{**vars(one), "primary": place == count // 3}) for place, one in enumerate(found))
    choices = []
    for key in keys:
        medians = {
            option: float(np.median([one.value for one in found if getattr(one, key) == option]))
            for option in LABELS[key][1]
            if any(getattr(one, key) == option for one in found)
        }
        choices.append(Choice(choice=key, medians=medians, span=max(medians.values()) - min(medians.values())))
    return SpecificationCurve(
        specifications=found,
        median=float(np.median(values)),
        positive=float((values > 0).mean()),
        significant_positive=0.0,
        significant_negative=0.0,
        p=None,
        permutations=0,
        choices=tuple(sorted(choices, key=lambda one: -one.span)),
    )


def strokes(line: Line2D) -> np.ndarray:
    """(n, 2, 2) the ends of the strokes of a line with gaps."""
    return np.column_stack([line.get_xdata(), line.get_ydata()]).reshape(-1, 3, 2)[:, :2]


def with_gaps(lines: list[Line2D]) -> list[Line2D]:
    return [line for line in lines if np.isnan(np.asarray(line.get_ydata(), dtype=float)).any()]


@pytest.mark.parametrize("phone", [False, True])
def test_every_specification_has_its_interval_and_colour(phone: bool):
    curve = curve_of(400)
    axes = specification_plot(curve, LABELS, predicted="as the law predicts", phone=phone).axes[0]
    *intervals, values = with_gaps(axes.lines)
    bottom, top = axes.get_ylim()
    drawn = {}
    for line in intervals:
        for (place, low), (_, high) in strokes(line):
            drawn[int(place)] = (low, high, to_hex(line.get_color()))
    assert len(drawn) == 400
    for place, one in enumerate(curve.specifications):
        colour = LINE if one.low > 0 else ALERT if one.high < 0 else MUTED
        assert drawn[place] == pytest.approx((max(one.low, bottom), min(one.high, top), colour))
    heights = strokes(values)
    np.testing.assert_allclose(heights[:, 0, 1], [one.value for one in curve.specifications])
    np.testing.assert_allclose(heights.mean(axis=1)[:, 0], range(400))
    levels = {line.get_ydata()[0] for line in axes.lines if len(line.get_xdata()) == 2 and line.get_xdata()[0] == 0}
    assert {0.0, 1.0, curve.median} <= levels
    (main,) = [line for line in axes.lines if line.get_marker() == "D"]
    one = curve.specifications[133]
    assert one.primary and (main.get_xdata()[0], main.get_ydata()[0]) == (133, one.value)


def test_wild_intervals_are_cut_and_counted_and_leave_the_rest_readable():
    axes = specification_plot(curve_of(300, wild=7), LABELS, predicted="as the law predicts").axes[0]
    bottom, top = axes.get_ylim()
    assert bottom > -5 and top < 6
    cut = int(axes.get_xlabel().split("; ")[1].split()[0])
    assert cut >= 7 and axes.get_xlabel().startswith("300 specifications")
    whole = specification_plot(curve_of(1), LABELS, predicted="as the law predicts").axes[0]
    assert "cut" not in whole.get_xlabel()


def test_the_grid_has_a_stroke_for_each_specification_in_the_row_of_its_option():
    curve = curve_of(350)
    _, grid = specification_plot(curve, LABELS, predicted="as the law predicts").axes
    rows = [
        (choice.choice, option)
        for choice in curve.choices
        if len(choice.medians) > 1
        for option in (None, *(key for key in LABELS[choice.choice][1] if key in choice.medians))
    ]
    drawn = {
        (round(float(place)), round(float((low + high) / 2)))
        for line in with_gaps(grid.lines)
        for (place, low), (_, high) in strokes(line)
    }
    expected = {
        (place, row)
        for row, (choice, option) in enumerate(rows)
        for place, one in enumerate(curve.specifications)
        if option is not None and getattr(one, choice) == option
    }
    assert drawn == expected
    words = [text.get_text() for text in grid.texts]
    # a choice of one option decides nothing
    assert "lineage and domain" not in words and "how size is held fixed" in words
    titles = [LABELS[choice][0] for choice, option in rows if option is None]
    assert [word for word in words if word in titles] == titles
    (bold,) = [
        text
        for text in grid.texts
        if text.get_text() in LABELS["control"][1].values() and text.get_fontweight() == "bold"
    ]
    main = next(one for one in curve.specifications if one.primary)
    assert bold.get_text() == LABELS["control"][1][main.control]


def test_a_phone_gets_the_medians():
    curve = curve_of(200)
    _, medians = specification_plot(curve, LABELS, predicted="as the law predicts", phone=True).axes
    (points,) = [line for line in medians.lines if line.get_marker() == "o"]
    expected = sorted(value for one in curve.choices if len(one.medians) > 1 for value in one.medians.values())
    assert sorted(points.get_xdata()) == expected


@pytest.mark.parametrize("phone", [False, True])
@pytest.mark.parametrize("count", [1, 5, 480])
def test_it_can_be_read_and_is_small(count: int, phone: bool):
    figure = specification_plot(curve_of(count, wild=count // 40), LABELS, predicted="as the law predicts", phone=phone)
    assert figure.get_size_inches()[0] == (PHONE if phone else WIDTH)
    assert_readable(figure)
    assert len(svg_text(figure)) < 220_000
