"""`params`: how many parameters a network has: a baseline for every other metric."""

from nas_exp.metrics import Batch
from nas_exp.networks.counts import Counts


def params(network: Counts, batch: Batch) -> float:
    """Return the number of trainable parameters, in millions.

    Counted as NAS-Bench-201 does and as `algo.cost=params` does, layers that lead nowhere included. The mini-batch is
    not used.

    Source: Dong and Yang, *NAS-Bench-201* (2020); as a metric, White et al., *A Deeper Look at Zero-Cost Proxies for
    Lightweight NAS* (2022).
    """
    return float(network.params()) / 1e6
