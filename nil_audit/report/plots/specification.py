"""The specification curve: every defensible estimate, sorted, above the choices that made it.

After Simonsohn, Simmons and Nelson (2020, Nature Human Behaviour 4, 1208-1214).
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from nil_audit.comparison.findings import Specification, SpecificationCurve
from nil_audit.report.plots.palette import ALERT, INK, LINE, MUTED, PAPER
from nil_audit.report.plots.points import text_size
from nil_audit.report.plots.style import HALO, PHONE, PREDICTED, WIDTH, Drawing, new_figure, plot_style, row_text
from nil_audit.report.render.text import interval_text, signed
from nil_audit.stats.estimate import Array, Estimate

_SIZE = 7.0
_PITCH = 9.8
"""Points from a row of choices to the next."""
_KINDS = ((ALERT, 0.8, "below 0"), (MUTED, 0.4, "holds 0"), (LINE, 0.8, "above 0"))
"""Colour, how opaque, and words: what holds 0 stays pale in greyscale too."""
_SHARE = 0.95
"""Of the ends of intervals that the axis holds; those beyond are cut and counted."""

Labels = Mapping[str, tuple[str, Mapping[str, str]]]
"""By choice ("control"): what it is called, and what its options are called, in the order they are shown in."""


def specification_plot(curve: SpecificationCurve, labels: Labels, *, predicted: str, phone: bool = False) -> Drawing:
    """Estimates with their 95% intervals, lowest first, and below each what was chosen for it.

    Args:
        curve: At least one specification.
        labels: Of the choices and their options; a choice that has one option alone is left out.
        predicted: What an effect of 1 is: "as the law predicts".
        phone: Whether it is drawn as narrow as a phone: the medians by option take the place of the grid.

    Returns:
        The figure. Intervals that reach beyond its axis are cut there, and their number is said.
    """
    rows = tuple(_rows(curve, labels))
    with plot_style():
        width, upper, between, foot, head = 72.0 * (PHONE if phone else WIDTH), 165.0, 28.0, 6.0, 22.0
        foot += 24.0 * phone
        lower = _PITCH * (len(rows) + 0.4)
        height = head + upper + between + lower + foot
        names = max(text_size(words, _SIZE, bold=True)[0] for words, *_ in _texts(rows, labels))
        left, right = (42.0, 34.0) if phone else (max(names + 12.0, 60.0), 40.0)
        figure = new_figure(height / 72.0, PHONE if phone else WIDTH)
        figure.set_layout_engine("none")
        inner = (left / width, 1 - (left + right) / width)
        estimates = figure.add_axes((inner[0], (foot + lower + between) / height, inner[1], upper / height))
        thin = min(2.0, 0.62 * (width - left - right) / len(curve.specifications))
        _estimates(estimates, curve, predicted, thin, phone=phone)
        if phone:
            inner = ((names + 12.0) / width, 1 - (names + 20.0) / width)
        choices = figure.add_axes((inner[0], foot / height, inner[1], lower / height))
        choices.set_ylim(len(rows) - 0.3, -0.7)
        if phone:
            _medians(choices, curve, rows, labels)
        else:
            _grid(choices, curve, rows, labels, thin)
        return figure


def _rows(curve: SpecificationCurve, labels: Labels) -> Iterator[tuple[str, str | None]]:
    """Choice and option of each row, the choice that moves the effect most first; a title has no option."""
    for choice in curve.choices:
        if len(choice.medians) > 1:
            yield choice.choice, None
            yield from ((choice.choice, option) for option in labels[choice.choice][1] if option in choice.medians)


def _texts(rows: Sequence[tuple[str, str | None]], labels: Labels) -> list[tuple[str, int, bool]]:
    """Words, place and weight of the name of each row."""
    return [
        (labels[choice][0] if option is None else labels[choice][1][option], place, option is None)
        for place, (choice, option) in enumerate(rows)
    ] or [("", 0, False)]


def _kind(one: Specification) -> int:
    return 2 if one.low > 0 else 0 if one.high < 0 else 1


def _estimates(axes: Axes, curve: SpecificationCurve, predicted: str, thin: float, *, phone: bool) -> None:
    found = curve.specifications
    values, lows, highs = (np.array([getattr(one, key) for one in found]) for key in ("value", "low", "high"))
    kinds = np.array([_kind(one) for one in found])
    main = [place for place, one in enumerate(found) if one.primary]
    bottom, top = _limits(values, lows, highs, main)
    axes.set_ylim(bottom, top)
    axes.set_xlim(-1.5, len(found) + 0.5)
    places = np.arange(len(found), dtype=float)
    shown = []
    for kind, (colour, alpha, words) in enumerate(_KINDS):
        chosen = kinds == kind
        if chosen.any():
            shown.append((colour, alpha, f"{words}: {chosen.sum()}"))
            axes.plot(
                *_strokes(places[chosen], np.maximum(lows[chosen], bottom), np.minimum(highs[chosen], top)),
                color=colour,
                lw=thin,
                alpha=alpha,
                solid_capstyle="butt",
                zorder=1,
            )
    heights, spots = _strokes(values, places - 0.5, places + 0.5)
    axes.plot(spots, heights, color=INK, lw=2.0, solid_capstyle="butt", zorder=3)
    for height, dashes in ((0.0, "-"), (1.0, PREDICTED)):
        axes.axhline(height, color=INK, lw=0.9, ls=dashes, zorder=2)
    axes.axhline(curve.median, color=MUTED, lw=0.9, ls=(0, (1, 1.5)), zorder=2)
    for place in main:
        one = found[place]
        axes.plot([place, place], [max(one.low, bottom), min(one.high, top)], color=INK, lw=1.6, zorder=4)
        axes.plot([place], [one.value], marker="D", ms=6.5, color=INK, mec=PAPER, mew=0.9, zorder=5)
        _name_main(axes, place, Estimate(value=one.value, low=one.low, high=one.high), phone=phone)
    # On the left the sorted estimates are below 1 and on the right above 0: there the names of these lines are clear.
    names = ((1.0, predicted, 0.0, "left", "bottom"), (0.0, "no effect", 1.0, "right", "bottom"))
    for height, words, where, side, va in (
        *names,
        (curve.median, f"median\n{curve.median:.2f}", 1.0, "left", "center"),
    ):
        axes.annotate(
            words,
            (where, height),
            xycoords=axes.get_yaxis_transform(),
            xytext=(4 if side == "left" else -3, 0 if va == "center" else 2),
            textcoords="offset points",
            ha=side,
            va=va,
            fontsize=_SIZE,
            color=INK,
            label=HALO,
            annotation_clip=False,
            zorder=6,
        )
    cut = int(((lows < bottom) | (highs > top)).sum())
    said = f"{cut} interval{'s' * (cut != 1)} cut at the edge" if cut else ""
    axes.set_xlabel(
        f"{len(found)} specifications, lowest first{f'; {said}' if said else ''}", fontsize=_SIZE, labelpad=3
    )
    axes.set_ylabel("effect of shape (1: predicted)")
    axes.xaxis.set_ticks([])
    axes.yaxis.set_major_locator(MaxNLocator(nbins=7, steps=[1, 2, 5, 10]))
    handles = [
        Line2D([], [], color=colour, alpha=alpha, lw=4.0, label=f"{'95% interval ' * (not place and not phone)}{words}")
        for place, (colour, alpha, words) in enumerate(shown)
    ]
    axes.legend(
        handles=handles, loc="lower left", bbox_to_anchor=(-0.02, 1.01), ncols=3, handlelength=0.9, columnspacing=1.0
    )


def _name_main(axes: Axes, place: int, estimate: Estimate, *, phone: bool) -> None:
    """Name the primary below its interval, on the side where there is room."""
    late = place > 0.55 * axes.get_xlim()[1]
    words = "the answer" if phone else f"the answer: {interval_text(estimate)}"
    axes.annotate(
        words,
        (place, axes.get_ylim()[0]),
        xytext=(-4 if late else 4, 4),
        textcoords="offset points",
        ha="right" if late else "left",
        va="bottom",
        fontsize=7.5,
        fontweight="bold",
        label=HALO,
        zorder=6,
    )
    axes.plot([place, place], [axes.get_ylim()[0], estimate.value], color=INK, lw=0.7, ls=(0, (1, 1.5)), zorder=2)


def _limits(values: Array, lows: Array, highs: Array, main: Sequence[int]) -> tuple[float, float]:
    """Ends of the axis: 0, 1, the primary's interval, all values but the wildest, and most ends of intervals."""
    tail = 50 * (1 - _SHARE)
    low = min(0.0, np.percentile(lows, 2 * tail), np.percentile(values, tail / 2), *lows[main])
    high = max(1.0, np.percentile(highs, 100 - 2 * tail), np.percentile(values, 100 - tail / 2), *highs[main])
    # Room for the name of the answer at the foot, and of the line at 1 at the head.
    return float(low - 0.12 * (high - low)), float(high + 0.08 * (high - low))


def _strokes(places: Array, starts: Array, ends: Array) -> tuple[Array, Array]:
    """Parallel strokes as one line with gaps, which is one path of a drawing and not hundreds."""
    nothing = np.full(len(places), np.nan)
    return np.column_stack([places, places, nothing]).ravel(), np.column_stack([starts, ends, nothing]).ravel()


def _grid(
    axes: Axes, curve: SpecificationCurve, rows: Sequence[tuple[str, str | None]], labels: Labels, thin: float
) -> None:
    """A stroke for each specification in the rows of its options; the primary's are set apart."""
    found = curve.specifications
    axes.set_xlim(-1.5, len(found) + 0.5)
    axes.set_axis_off()
    kinds = np.array([_kind(one) for one in found])
    medians = {choice.choice: choice.medians for choice in curve.choices}
    main = next((one for one in found if one.primary), None)
    row_text(axes, 1.0, -0.9, "median", "left", shift=6.0, color=MUTED)
    for place, (choice, option) in enumerate(rows):
        if option is None:
            continue
        chosen = np.array([getattr(one, choice) == option for one in found])
        for kind, (colour, alpha, _) in enumerate(_KINDS):
            where = np.flatnonzero(chosen & (kinds == kind)).astype(float)
            if len(where):
                ends = np.full(len(where), place - 0.36), np.full(len(where), place + 0.36)
                axes.plot(*_strokes(where, *ends), color=colour, lw=thin, alpha=alpha, solid_capstyle="butt")
        row_text(axes, 1.0, place, signed(medians[choice][option]), "left", shift=6.0)
    if main is not None:
        own = [place for place, (choice, option) in enumerate(rows) if getattr(main, choice) == option]
        axes.plot([found.index(main)] * len(own), own, ls="", marker="D", ms=3.6, color=INK, mec=PAPER, mew=0.5)
    _names(axes, rows, labels, main)


def _medians(axes: Axes, curve: SpecificationCurve, rows: Sequence[tuple[str, str | None]], labels: Labels) -> None:
    """The median effect of each option, on one axis."""
    medians = {choice.choice: choice.medians for choice in curve.choices}
    shown = [(place, medians[choice][option]) for place, (choice, option) in enumerate(rows) if option is not None]
    ends = [0.0, 1.0, *(median for _, median in shown)]
    room = 0.08 * (max(ends) - min(ends))
    axes.set_xlim(min(ends) - room, max(ends) + room)
    for height, dashes in ((0.0, "-"), (1.0, PREDICTED)):
        axes.axvline(height, color=INK, lw=0.9, ls=dashes, zorder=1)
    axes.plot([m for _, m in shown], [place for place, _ in shown], ls="", marker="o", ms=4.6, color=LINE, mec="none")
    axes.yaxis.set_visible(False)
    axes.spines["left"].set_visible(False)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=4, steps=[1, 2, 5, 10]))
    axes.set_xlabel("median effect by choice", fontsize=_SIZE, labelpad=1)
    _names(axes, rows, labels, next((one for one in curve.specifications if one.primary), None))


def _names(axes: Axes, rows: Sequence[tuple[str, str | None]], labels: Labels, main: Specification | None) -> None:
    for words, place, title in _texts(rows, labels):
        choice, option = rows[place] if rows else ("", None)
        own = option is not None and main is not None and getattr(main, choice) == option
        colour = MUTED if title else INK
        row_text(
            axes, 0.0, place, words, "right", shift=-6.0, color=colour, weight="bold" if own or title else "normal"
        )
