"""Which architectures task.archs names."""

import pytest

from nas_exp.errors import InputError
from nas_exp.tasks.score import select
from tests.topology import TOPOLOGY, str_of_index


def test_architectures_are_named_by_index_or_by_string() -> None:
    assert select(TOPOLOGY, [7, str_of_index(9), str_of_index(7), 3]) == [7, 9, 3]


def test_a_string_that_is_no_architecture_is_named() -> None:
    with pytest.raises(InputError, match=r"task.archs: architecture 'resnet': expected .*, or an arch_index"):
        select(TOPOLOGY, ["resnet"])
