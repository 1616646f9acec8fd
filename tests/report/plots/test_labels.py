"""Labels of a plot: they never overlap, never hide a point, stay inside, and the most notable comes first."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from nil_audit.report.plots.labels import overlap, place_labels

BOUNDS = (0.0, 0.0, 400.0, 260.0)


@st.composite
def _scenes(draw: st.DrawFn) -> tuple[np.ndarray, dict[int, tuple[float, float]]]:
    seed = draw(st.integers(0, 10_000))
    count = draw(st.integers(1, 120))
    rng = np.random.default_rng(seed)
    # Points in a few clumps, as models of common shapes are.
    centres = rng.uniform((10, 10), (390, 250), (draw(st.integers(1, 8)), 2))
    points = centres[rng.integers(len(centres), size=count)] + rng.normal(0, draw(st.floats(0, 40)), (count, 2))
    points = np.clip(points, (2, 2), (398, 258))
    order = rng.permutation(count)[: draw(st.integers(1, 40))]
    sizes = {int(index): (float(rng.uniform(15, 110)), 7.6) for index in order}
    return points, sizes


@given(_scenes())
@settings(max_examples=80, deadline=None)
def test_no_two_labels_overlap_and_none_covers_a_point_or_leaves_the_plot(scene):
    points, sizes = scene
    placed = place_labels(points, sizes, BOUNDS, radius=3.0, most=30)
    boxes = [label.box for label in placed]
    for place, box in enumerate(boxes):
        assert not any(overlap(box, other) for other in boxes[place + 1 :])
        assert box[0] >= 0 and box[1] >= 0 and box[2] <= 400 and box[3] <= 260
        covered = (points[:, 0] > box[0]) & (points[:, 0] < box[2]) & (points[:, 1] > box[1]) & (points[:, 1] < box[3])
        assert not covered.any()
    assert len(placed) <= 30
    for label in placed:
        width, height = sizes[label.index]
        assert np.isclose(label.box[2] - label.box[0], width) and np.isclose(label.box[3] - label.box[1], height)
        if label.leader:
            assert label.box[0] <= label.leader[0] <= label.box[2] and label.box[1] <= label.leader[1] <= label.box[3]


def test_the_most_notable_is_labelled_even_where_its_surroundings_are_full():
    grid = np.stack(np.meshgrid(np.arange(100, 200, 4.0), np.arange(100, 200, 4.0)), axis=-1).reshape(-1, 2)
    middle = int(np.argmin(np.hypot(*(grid - 150).T)))
    other = middle + 1
    placed = place_labels(grid, {middle: (60.0, 8.0), other: (60.0, 8.0)}, BOUNDS, radius=3.0, most=5)
    assert [label.index for label in placed] == [middle]
    assert placed[0].leader is not None


def test_a_lone_point_is_labelled_at_its_right_without_a_line():
    placed = place_labels(np.array([[100.0, 100.0]]), {0: (40.0, 8.0)}, BOUNDS, radius=3.0, most=5)
    (label,) = placed
    assert label.leader is None
    assert 103 <= label.box[0] <= 106 and label.box[1] + label.box[3] == 200


def test_labels_come_in_the_order_asked_for_and_no_more_than_asked_for():
    points = np.array([[50.0 * i, 40.0 * i] for i in range(1, 6)])
    sizes = dict.fromkeys((3, 1, 4, 0), (20.0, 8.0))
    assert [label.index for label in place_labels(points, sizes, BOUNDS, radius=3.0, most=3)] == [3, 1, 4]


def test_no_label_is_written_over_other_writing():
    other = (104.0, 90.0, 180.0, 110.0)
    (label,) = place_labels(np.array([[100.0, 100.0]]), {0: (40.0, 8.0)}, BOUNDS, radius=3.0, most=5, avoid=[other])
    assert not overlap(label.box, other) and label.box[2] <= 97
