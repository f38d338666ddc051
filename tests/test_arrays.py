"""Finding numbers in sorted arrays."""

import numpy as np
import pytest

from nas_exp.arrays import positions


@pytest.mark.parametrize("ascending", [[], [0], [3, 4, 5, 6], [0, 1, 2, 3], [-5, 2, 9, 2**62]])
def test_each_number_is_found_where_it_is_and_no_other_number_is_found(ascending: list[int]) -> None:
    wanted = np.array([-(2**63), -5, -1, 0, 1, 2, 3, 4, 6, 7, 9, 2**62, 2**63 - 1])
    expected = [ascending.index(number) if number in ascending else -1 for number in wanted.tolist()]
    found = positions(np.array(ascending, dtype=np.int64), wanted)
    assert found.tolist() == expected
    assert positions(np.array(ascending, dtype=np.int64), wanted.reshape(13, 1)).tolist() == [[x] for x in expected]
