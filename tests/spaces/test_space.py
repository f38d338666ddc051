"""What every search space can do, on a small one of somebody's own."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from nas_exp.errors import InputError
from nas_exp.spaces.space import Dataset, Space, Weights

DATASET = Dataset(num_classes=3, image_size=4)


class Small(Space):
    """Two, three or four options at three positions."""

    choices = (("narrow", "wide"), ("one", "two", "three"), ("a", "b", "c", "d"))

    def build(self, options: Sequence[str], dataset: Dataset) -> nn.Module:
        width = 2 if options[0] == "narrow" else 4
        return nn.Sequential(nn.Flatten(), nn.Linear(48, width), nn.ReLU(), nn.Linear(width, dataset.num_classes))


SPACE = Small().named("small", {})
archs = st.integers(0, len(SPACE) - 1)


def test_a_space_has_as_many_architectures_as_there_are_choices() -> None:
    assert len(SPACE) == 24
    assert SPACE.radices == (2, 3, 4)


@given(archs)
def test_index_options_and_string_are_one_architecture(arch: int) -> None:
    first, second, third = SPACE.options(arch)
    assert arch == (first * 3 + second) * 4 + third
    assert SPACE.index((first, second, third)) == arch
    assert SPACE.parse(SPACE.spell(arch)) == arch


def test_strings_name_the_options() -> None:
    assert SPACE.spell(23) == "wide,three,d"
    assert SPACE.parse_all(["wide,three,d", "wide,three", "wide,d,three"]).tolist() == [23, -1, -1]


@given(archs)
def test_neighbours_differ_at_one_position(arch: int) -> None:
    neighbours = SPACE.neighbours(arch).tolist()
    assert len({*neighbours}) == 1 + 2 + 3
    for other in neighbours:
        pairs = zip(SPACE.options(arch), SPACE.options(other), strict=True)
        assert sum(a != b for a, b in pairs) == 1


def test_samples_without_replacement_are_different() -> None:
    drawn = SPACE.sample(np.random.default_rng(0), 24, replace=False)
    assert sorted(drawn.tolist()) == list(range(24))


@pytest.mark.parametrize(
    ("mistake", "told"),
    [
        (lambda: SPACE.options(24), "architecture 24: expected an arch_index from 0 to 23"),
        (lambda: SPACE.index((0, 3, 0)), "options [0, 3, 0]: expected 3 numbers, below (2, 3, 4)"),
        (lambda: SPACE.parse("wide"), "architecture 'wide': expected a string like narrow,one,a"),
    ],
)
def test_mistakes_are_told_in_a_line(mistake: object, told: str) -> None:
    with pytest.raises(InputError) as error:
        mistake()  # type: ignore[operator]
    assert str(error.value) == told


def test_a_space_beyond_what_an_index_holds_is_refused() -> None:
    class Endless(Space):
        choices = (tuple(map(str, range(10))),) * 19

    with pytest.raises(InputError, match=r"^space=endless: has more than 9,223,372,036,854,775,807 architectures"):
        Endless().named("endless", {})


def test_spaces_are_equal_by_what_scores_depend_on() -> None:
    assert Small().named("small", {"depth": 1}) == Small().named("small", {"depth": 1})
    assert Small().named("small", {"depth": 1}) != Small().named("small", {"depth": 2})
    assert hash(Small().named("small", {})) == hash(SPACE)


def test_weights_follow_from_the_seed_alone() -> None:
    def weights(seed: int) -> list[float]:
        network = SPACE.network(7, "modules", DATASET, Weights(seed, "float64", "cpu"))
        return torch.cat([parameter.flatten() for parameter in network.parameters()]).tolist()

    state = torch.get_rng_state()
    first = weights(0)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(9)
    assert weights(0) == first
    assert weights(1) != first
