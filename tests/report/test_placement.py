import numpy as np
import pytest

from nas_exp.arrays import FloatArray
from nas_exp.report.placement import place_labels

FRAME = np.array([[0.0, 0.0], [700.0, 500.0]])
NOTHING = np.empty((0, 2))


def overlap(a: FloatArray, a_size: FloatArray, b: FloatArray, b_size: FloatArray) -> bool:
    return bool((np.abs(a - b) < (a_size + b_size) / 2).all())


@pytest.mark.parametrize("seed", range(5))
def test_labels_lie_on_no_other_and_on_no_point(seed: int) -> None:
    # as 26 metrics of similar cost and quality
    rng = np.random.default_rng(seed)
    points = np.concatenate([rng.normal((350, 350), (60, 40), (20, 2)), rng.uniform((30, 30), (670, 470), (6, 2))])
    sizes = np.stack([rng.uniform(30, 110, len(points)), np.full(len(points), 16.0)], axis=1)
    centres = place_labels(points, sizes, FRAME, NOTHING, gap=3.0)
    for number, (centre, size) in enumerate(zip(centres, sizes, strict=True)):
        assert (centre - size / 2 >= FRAME[0]).all()
        assert (centre + size / 2 <= FRAME[1]).all()
        assert not any(overlap(centre, size, point, np.zeros(2)) for point in points)
        assert not any(overlap(centre, size, centres[other], sizes[other]) for other in range(number))
    assert (place_labels(points, sizes, FRAME, NOTHING, gap=3.0) == centres).all()


def test_a_label_with_room_is_beside_its_point() -> None:
    point, size = np.array([350.0, 250.0]), np.array([60.0, 16.0])
    centre = place_labels(point[None], size[None], FRAME, NOTHING, gap=3.0)[0]
    away = np.maximum(np.abs(centre - point) - size / 2, 0)
    assert 3.0 <= np.hypot(*away) < 8.0


def test_a_label_at_the_border_is_inside() -> None:
    points, sizes = FRAME.copy(), np.array([[60.0, 16.0]] * 2)
    centres = place_labels(points, sizes, FRAME, NOTHING, gap=3.0)
    assert (centres - sizes / 2 >= FRAME[0]).all()
    assert (centres + sizes / 2 <= FRAME[1]).all()


def test_labels_keep_off_curves() -> None:
    points, sizes = np.array([[350.0, 250.0]]), np.array([[60.0, 16.0]])
    # from the point to the right and up, where labels go first
    right = np.linspace([350.0, 250.0], [700.0, 250.0], 200)
    up = np.linspace([350.0, 250.0], [350.0, 500.0], 200)
    curves = np.concatenate([right, up])
    centre = place_labels(points, sizes, FRAME, curves, gap=3.0)[0]
    assert not any(overlap(centre, sizes[0], place, np.zeros(2)) for place in curves)
