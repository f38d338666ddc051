"""`swap`: how many different patterns the images of a mini-batch make on the ReLUs of an untrained network."""

import numpy as np
import numpy.typing as npt
from torch import Tensor

from nas_exp.metrics import Batch
from nas_exp.metrics.hamming_kernel import flat
from nas_exp.networks.interface import AnyNetwork, as_network


def swap(network: AnyNetwork, batch: Batch) -> float:
    """Return the number of different sample-wise activation patterns over all ReLU units of the network.

    The pattern of a unit is on which of the B images its input is positive. Labels are not used.

    Source: Peng et al., *SWAP-NAS: Sample-Wise Activation Patterns for Ultra-Fast NAS* (2024), definition 3.3, without
    regularisation.
    """
    patterns: list[npt.NDArray[np.uint8]] = []

    def add(x: Tensor, _: int) -> None:
        # units that share a ReLU have the same pattern, so how often it is applied does not matter
        bits = np.packbits(np.greater(flat(x).cpu().numpy(), 0), axis=0)
        patterns.append(np.ascontiguousarray(bits.T))

    as_network(network).observe_relus(batch.images, add)
    return float(count_different(np.concatenate(patterns)))


def count_different(rows: npt.NDArray[np.uint8]) -> int:
    """Count the different rows of (units, bytes)."""
    # a row of up to eight bytes is a number, and numbers are sorted several times as fast as rows are
    words = -(-rows.shape[1] // 8)
    padded = np.zeros((len(rows), 8 * words), dtype=np.uint8)
    padded[:, : rows.shape[1]] = rows
    numbers = padded.view(np.uint64)
    return len(np.unique(numbers[:, 0]) if words == 1 else np.unique(numbers, axis=0))
