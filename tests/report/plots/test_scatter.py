"""Score against R and against the dose: points where the models are, lines where the numbers say, all readable."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import PathCollection
from matplotlib.colors import to_hex

from nil_audit.law.studies import study
from nil_audit.report.plots.palette import INTERVAL, LINE
from nil_audit.report.plots.scatter import adjusted_against_dose, score_against_ratio
from nil_audit.report.plots.style import PHONE, WIDTH, Drawing, steps
from tests.report.plots.measured import assert_readable, writing

LAW = study("law").interval()
BANDS = {"small": "under 1B", "middle": "1B to 5B", "large": "5B and more"}


def models(count: int = 113, seed: int = 0) -> pd.DataFrame:
    """Models of which a quarter share one ratio, as those of 32 blocks and 4,096 channels do."""
    rng = np.random.default_rng(seed)
    ratio = np.exp(rng.normal(np.log(0.012), 0.5, count))
    ratio[: count // 4] = 1 / 128
    score = np.clip(0.11 + rng.gamma(1.2, 0.1, count), 0.1, 0.9)
    dose = np.where(np.arange(count) < count // 4, 10.0, rng.gamma(1.5, 3.0, count))
    return pd.DataFrame(
        {
            "model": [f"org/Some-Model-{place}B-Base-v{place % 3}.1" for place in range(count)],
            "ratio": ratio,
            "score": score,
            "at_floor": score < 0.125,
            "band": rng.choice(list(BANDS), count),
            "adjusted_dose": dose,
            "residual": 3.0 * rng.normal(size=count) - 0.5 * (dose - dose.mean()),
        }
    )


def against_ratio(frame: pd.DataFrame, **choices) -> Drawing:
    names = choices.pop("notable", frame["model"].tolist())
    return score_against_ratio(frame, bands=BANDS, interval=LAW, axis="MMLU-Pro accuracy", notable=names, **choices)


def against_dose(frame: pd.DataFrame, *, phone: bool = False, slope: float = 0.5) -> Drawing:
    grid = np.linspace(frame["adjusted_dose"].min(), frame["adjusted_dose"].max(), 60)
    away = grid - frame["adjusted_dose"].mean()
    trend = pd.DataFrame(
        {"x": grid, "y": -slope * away, "low": -slope * away - abs(away), "high": -slope * away + abs(away)}
    )
    return adjusted_against_dose(
        frame,
        bands=BANDS,
        axes_labels=("cost of its shape (points)", "better than its size predicts (points)"),
        predicted="as the law\npredicts",
        trend=trend,
        notable=frame["model"].tolist(),
        phone=phone,
    )


def points(figure: Drawing) -> np.ndarray:
    parts = [one.get_offsets() for one in figure.axes[0].collections if isinstance(one, PathCollection)]
    return np.concatenate([np.asarray(part) for part in parts])


def words(figure: Drawing) -> list[str]:
    return [text.get_text() for text in figure.axes[0].texts]


def test_every_model_stands_at_its_score_and_at_its_ratio_where_no_other_has_it():
    frame = models()
    drawn = points(against_ratio(frame))
    np.testing.assert_array_equal(np.sort(drawn[:, 1]), np.sort(frame["score"]))
    alone = frame["ratio"].to_numpy()[113 // 4 :]
    assert set(alone) <= set(drawn[:, 0])


def test_models_of_one_ratio_are_fanned_out_so_that_each_is_seen():
    figure = against_ratio(models())
    axes = figure.axes[0]
    places = axes.transData.transform(points(figure)) * 72 / figure.dpi
    radius = np.sqrt(26 / np.pi)
    (column,) = axes.transData.transform([(1 / 128, 0.2)])[:, 0] * 72 / figure.dpi
    near = places[np.abs(places[:, 0] - column) < 5.3 * radius]
    gaps = np.hypot(*(near[:, None] - near[None]).transpose(2, 0, 1)) + 100 * np.eye(len(near))
    assert len(near) >= 28 and gaps.min() > 0.4 * radius
    assert (np.sort(gaps.min(axis=0)) >= 2 * radius - 1e-6).mean() > 0.5


def test_the_interval_is_shaded_its_optimum_and_the_floor_are_lines():
    figure = against_ratio(models(), floor=0.1243)
    axes = figure.axes[0]
    (span,) = [patch for patch in axes.patches if to_hex(patch.get_facecolor()) == INTERVAL]
    assert (span.get_x(), span.get_x() + span.get_width()) == pytest.approx((LAW.low, LAW.high))
    assert any(set(line.get_xdata()) == {LAW.optimum} for line in axes.lines)
    assert any(set(line.get_ydata()) == {0.1243} for line in axes.lines) and "chance floor" in words(figure)
    assert not {"chance floor"} & set(words(against_ratio(models())))


def test_colour_is_the_size_band_and_hollow_is_the_floor():
    frame = models(40)
    colours = dict(zip(BANDS, steps(len(BANDS)), strict=True))
    drawn = {}
    for one in against_ratio(frame).axes[0].collections:
        if isinstance(one, PathCollection):
            edges, faces = one.get_edgecolors(), one.get_facecolors()
            hollow = len(faces) == 1 < len(edges)
            for place, at in enumerate(np.asarray(one.get_offsets())):
                drawn[at[1]] = (to_hex((edges if hollow else faces)[place]), hollow)
    for _, model in frame[~frame["score"].duplicated(keep=False)].iterrows():
        assert drawn[model["score"]] == (colours[model["band"]], model["at_floor"])


def test_of_a_loss_the_axis_runs_downwards_and_has_its_own_unit():
    frame = models(20).assign(score=np.linspace(2.6, 2.9, 20), at_floor=False)
    figure = against_ratio(frame, percent=False, lower_is_better=True)
    bottom, top = figure.axes[0].get_ylim()
    assert bottom > 2.9 and top < 2.6
    figure.canvas.draw()
    assert not any("%" in tick.get_text() for tick in figure.axes[0].get_yticklabels())
    assert figure.axes[0].get_ylabel().endswith("(lower is better)")


def test_the_lines_of_no_effect_of_the_prediction_and_of_the_fit_meet_at_the_mean():
    frame = models()
    figure = against_dose(frame)
    axes = figure.axes[0]
    middle = frame["adjusted_dose"].mean(), frame["residual"].mean()
    two = [line for line in axes.lines if len(line.get_xdata()) == 2 and tuple(line.get_xdata()) == axes.get_xlim()]
    slopes = {}
    for line in two:
        (x0, x1), (y0, y1) = line.get_xdata(), line.get_ydata()
        slopes[round((y1 - y0) / (x1 - x0), 9)] = line
        assert np.interp(middle[0], [x0, x1], [y0, y1]) == pytest.approx(middle[1])
    assert slopes.keys() == {0.0, -1.0}
    (fit,) = [line for line in axes.lines if line.get_color() == LINE]
    np.testing.assert_allclose(np.diff(fit.get_ydata()) / np.diff(fit.get_xdata()), -0.5)
    assert {"no effect", "as the law\npredicts", "fitted"} <= set(words(figure))
    np.testing.assert_array_equal(np.sort(points(figure)[:, 1]), np.sort(frame["residual"]))


@pytest.mark.parametrize("slope", [-1.0, 0.0, 0.02, 0.98, 3.0])
def test_names_of_lines_that_end_in_one_place_are_written_apart(slope: float):
    for phone in (False, True):
        assert_readable(against_dose(models(), phone=phone, slope=slope))


@pytest.mark.parametrize("phone", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_all_writing_is_whole_inside_and_apart(seed: int, phone: bool):
    for figure in (
        against_ratio(models(seed=seed), floor=0.1243, phone=phone),
        against_dose(models(seed=seed), phone=phone),
    ):
        assert_readable(figure)
        assert figure.get_size_inches()[0] == (PHONE if phone else WIDTH)
        labels = [text for text in writing(figure) if "Some-Model" in text.get_text()]
        assert len(labels) >= (2 if phone else 10) and not any("…" in text.get_text() for text in labels)


def test_one_model_alone_can_be_drawn():
    assert_readable(against_ratio(models(113)[:1], floor=0.1243))
    assert_readable(against_dose(models(113)[:1]))


@pytest.mark.parametrize("phone", [False, True])
def test_names_of_a_narrow_interval_do_not_run_into_each_other(phone: bool):
    frame = models(20)
    frame.loc[0, "ratio"], frame.loc[1, "ratio"] = 0.0001, 0.9
    figure = against_ratio(frame, notable=[], phone=phone)
    assert_readable(figure)
    assert any("R*" in text for text in words(figure)) and not any("interval" in text for text in words(figure))
    assert phone or "interval 0.017 to 0.089" in words(against_ratio(models(20)))
