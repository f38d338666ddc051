"""Checks for authors of a metric, an algorithm or a search space, to be called in their own tests.

Each raises `AssertionError` with what it found. None needs pytest, images or a benchmark.
"""

from nas_exp.testing.algorithm import check_algorithm
from nas_exp.testing.metric import check_metric
from nas_exp.testing.space import check_space

__all__ = ["check_algorithm", "check_metric", "check_space"]
