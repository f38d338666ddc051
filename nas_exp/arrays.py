"""Array types, and how to find values in a sorted array."""

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]


def positions(ascending: IntArray, wanted: npt.ArrayLike) -> IntArray:
    """Return where each wanted number is, -1 where it is missing; in the shape of `wanted`.

    Args:
        ascending: numbers in ascending order, each once: shape (n,). Without gaps between them it is a matter of
            subtraction.
        wanted: the numbers to find.
    """
    numbers = np.asarray(wanted, dtype=np.int64)
    if not len(ascending):
        return np.full(numbers.shape, -1)
    if ascending[-1] - ascending[0] == len(ascending) - 1:
        place = numbers - ascending[0]
        return np.where((place >= 0) & (place < len(ascending)), place, -1)
    place = np.minimum(np.searchsorted(ascending, numbers), len(ascending) - 1)
    return np.where(ascending[place] == numbers, place, -1)
