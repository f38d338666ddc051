"""The checks that authors call pass on what ships, and find the faults that they are about."""

import functools
import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from nas_exp.algos import Trajectory, ls, rea, rs, tpe, two_stage
from nas_exp.metrics.grad_norm import grad_norm
from nas_exp.metrics.l2_norm import l2_norm
from nas_exp.metrics.relu import relu
from nas_exp.spaces.space import Dataset, Space
from nas_exp.spaces.topology import TopologySpace
from nas_exp.testing import check_algorithm, check_metric, check_space


class Pyramid(Space):
    """Networks of one or two layers."""

    choices = (("narrow", "wide"), ("flat", "deep", "deeper"))
    name = "pyramid"

    def build(self, options: Any, images: Dataset) -> nn.Module:
        width = 4 if options[0] == "narrow" else 8
        layers: list[nn.Module] = [nn.Conv2d(3, width, 3), nn.ReLU()]
        for _ in range(["flat", "deep", "deeper"].index(options[1])):
            layers += [nn.Conv2d(width, width, 3), nn.ReLU()]
        return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, images.num_classes))


def test_spaces_that_ship_and_one_of_ones_own_pass() -> None:
    check_space(TopologySpace(C=4, N=1))
    check_space(Pyramid())


def test_metrics_that_ship_pass() -> None:
    check_metric(relu, network="cells")
    check_metric(grad_norm)
    check_metric(l2_norm, space=Pyramid(), arch_index=range(6))


def test_algorithms_that_ship_pass() -> None:
    check_algorithm(rs.search, N=20)
    check_algorithm(rea.search, N=20, P=5, S=2, space=Pyramid())
    check_algorithm(ls.search, N=20, improvement="first")
    check_algorithm(tpe.search, N=15, startup=5)
    check_algorithm(two_stage.search, others=["final"], N=10, P=None, S=2, k=3)


class Misspelled(Pyramid):
    def parse(self, arch_str: str) -> int:
        return 0


class Unseeded(Pyramid):
    def network(self, *arguments: Any, **keywords: Any) -> nn.Module:
        return self.build(("wide", "flat"), Dataset(10, 16))


@pytest.mark.parametrize(("space", "told"), [(Misspelled(), "parse"), (Unseeded(), "one seed")])
def test_faults_of_a_space_are_found(space: Space, told: str) -> None:
    with pytest.raises(AssertionError, match=told):
        check_space(space)


def random_score(network: nn.Module, batch: Any) -> float:
    return float(torch.rand(1))


def constant_score(network: nn.Module, batch: Any) -> float:
    return 1.0


def endless_score(network: nn.Module, batch: Any) -> float:
    return float("inf")


def score_that_trains(network: nn.Module, batch: Any) -> float:
    with torch.no_grad():
        next(network.parameters()).add_(1)
    return 1.0


counter = itertools.count()


def score_that_counts(network: nn.Module, batch: Any) -> float:
    return float(next(counter))


@pytest.mark.parametrize(
    ("metric", "told"),
    [
        (random_score, "other order"),
        (score_that_counts, "other order"),
        (constant_score, "all of"),
        (endless_score, "the score is inf"),
        (score_that_trains, "changed the network"),
    ],
)
def test_faults_of_a_metric_are_found(metric: Callable[..., float], told: str) -> None:
    with pytest.raises(AssertionError, match=told):
        check_metric(metric)


def unseeded(score: Any, space: Space, rng: np.random.Generator, *, N: int) -> Trajectory:
    return rs.search(score, space, np.random.default_rng(), N=N)


def always_the_same(score: Any, space: Space, rng: np.random.Generator, *, N: int) -> Trajectory:
    return rs.search(score, space, np.random.default_rng(0), N=N)


def boastful(score: Any, space: Space, rng: np.random.Generator, *, N: int) -> Trajectory:
    found = rs.search(score, space, rng, N=N)
    return Trajectory(found.arch_index[1:], found.score[1:])


@pytest.mark.parametrize(
    ("search", "told"),
    [(unseeded, "one seed"), (always_the_same, "different seeds"), (boastful, "not what was scored")],
)
def test_faults_of_an_algorithm_are_found(search: Callable[..., Trajectory], told: str) -> None:
    with pytest.raises(AssertionError, match=told):
        check_algorithm(functools.partial(search), N=12)
