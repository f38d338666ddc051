"""Where to put the labels of points so that they do not overlap."""

from dataclasses import dataclass

import numpy as np

from nas_exp.arrays import FloatArray

_ANGLES = 32
_DISTANCES = (0.0, 0.5, 1.0, 1.7, 2.5, 3.5, 4.7, 6.0, 7.5, 9.0, 11.0, 13.0)
"""Between a label and its point, in heights of the label, beyond the nearest that leaves the point free."""
_ROUNDS = 6
_ON_LABEL, _ON_POINT, _ON_CURVE, _ON_LINE, _OUTSIDE = 1000.0, 50.0, 8.0, 5.0, 10000.0
"""The cost of a label on another, on a point, on a curve, on the line to another's point, or outside."""


def place_labels(
    points: FloatArray, sizes: FloatArray, frame: FloatArray, curves: FloatArray, *, gap: float
) -> FloatArray:
    """Return the centres of labels, each as near to its point as it can be without covering anything.

    Labels are placed one after the other, the most crowded first, each where it costs least. Further rounds place each
    again beside all others. Without enough room some overlap.

    Args:
        points: x and y of each point, shape (n, 2), n at least 1, all in one unit, such as pixels.
        sizes: width and height of each label, shape (n, 2).
        frame: the lowest and the highest x and y, shape (2, 2).
        curves: places on lines that should not be covered, shape (m, 2).
        gap: the space to leave around each label and each point.

    Returns:
        Shape (n, 2), the same each time.
    """
    sheet = _Sheet(points, sizes + gap, frame, curves, gap)
    candidates = [sheet.around(label) for label in range(len(points))]
    without_others = [sheet.costs_alone(label, places) for label, places in enumerate(candidates)]
    distances = np.abs(points[:, None] - points[None]).max(axis=2)
    crowded_first = np.argsort((distances / sheet.sizes.mean()).clip(max=3).sum(axis=1), kind="stable")
    centres = np.full_like(points, np.nan)
    for _ in range(_ROUNDS):
        before = centres.copy()
        for label in crowded_first:
            centres[label] = np.nan
            costs = without_others[label] + sheet.costs_of_others(label, candidates[label], centres)
            centres[label] = candidates[label][np.argmin(costs)]
        if np.array_equal(before, centres):
            break
    return centres


@dataclass(frozen=True, eq=False)
class _Sheet:
    """The arguments of `place_labels`, the sizes with the gap around them."""

    points: FloatArray
    sizes: FloatArray
    frame: FloatArray
    curves: FloatArray
    gap: float

    def around(self, label: int) -> FloatArray:
        """Return where the centre of a label could be: shape (candidates, 2), the nearest first."""
        size = self.sizes[label]
        angles = np.arange(_ANGLES) * 2 * np.pi / _ANGLES
        direction = np.stack([np.cos(angles), np.sin(angles)], axis=1)
        # as far out as the border of a rectangle of this size is in this direction
        border = (size / 2 / np.maximum(np.abs(direction), 1e-9)).min(axis=1)[:, None] + self.gap
        return np.concatenate(
            [self.points[label] + direction * (border + distance * size[1]) for distance in _DISTANCES]
        )

    def costs_alone(self, label: int, candidates: FloatArray) -> FloatArray:
        """Return what it costs to put a label at each of some places, other labels apart: shape (candidates,)."""
        half = self.sizes[label] / 2
        far = np.hypot(*(candidates - self.points[label]).T) / self.sizes[label, 1]
        is_outside = ((candidates - half < self.frame[0]) | (candidates + half > self.frame[1])).any(axis=1)
        on_points = _hits(candidates, self.points, half + self.gap)
        on_curve = _hits(candidates, self.curves, half) > 0
        return far + _OUTSIDE * is_outside + _ON_POINT * on_points + _ON_CURVE * on_curve

    def costs_of_others(self, label: int, candidates: FloatArray, centres: FloatArray) -> FloatArray:
        """Return what it costs beside others, whose centres are shape (n, 2), NaN for those that are nowhere yet."""
        half = self.sizes[label] / 2
        placed = np.isfinite(centres[:, 0])
        others, half_others = centres[placed], self.sizes[placed] / 2
        common = np.maximum(half + half_others - np.abs(candidates[:, None] - others), 0).prod(axis=2)
        on_labels = common.sum(axis=1) / np.prod(self.sizes[label])
        on_lines = _hits(candidates, _along(self.points[placed], others), half)
        own_lines = _along(np.broadcast_to(self.points[label], candidates.shape), candidates)
        through = _hits(own_lines, others, half_others).reshape(-1, len(candidates)).sum(axis=0)
        return _ON_LABEL * on_labels + _ON_LINE * (on_lines + through)


def _hits(centres: FloatArray, points: FloatArray, reach: FloatArray) -> FloatArray:
    """Return how many points are less than `reach` from each centre in both directions: shape (centres,)."""
    return (np.abs(centres[:, None] - points) < reach).all(axis=2).sum(axis=1).astype(np.float64)


def _along(start: FloatArray, end: FloatArray) -> FloatArray:
    """Return places on the lines between points, shape (n, 2) each: shape (8 n, 2)."""
    shares = np.linspace(0.1, 0.9, 8)[:, None, None]
    return (start + shares * (end - start)).reshape(-1, 2)
