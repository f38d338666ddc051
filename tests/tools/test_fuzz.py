"""A few random command lines; `python -m tests.tools.fuzz` runs as many as one likes."""

import pytest

from tests.forks import Forks
from tests.tools.fuzz import failures


@pytest.mark.slow
@pytest.mark.parametrize(("count", "seed"), [(15, 3), (60, 2)])
def test_random_command_lines_are_answered_in_the_programs_own_words(forks: Forks, count: int, seed: int) -> None:
    told, codes = failures(forks, count, seed)
    assert not told, "\n\n".join(told)
    assert codes[0] > count // 20
    assert codes[2] > count // 12
