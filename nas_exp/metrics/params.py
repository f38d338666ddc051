"""`params`: how many parameters a network has. What every metric has to beat."""

from nas_exp.metrics import Batch
from nas_exp.networks.counts import Blueprint


def params(network: Blueprint, batch: Batch) -> float:
    """Return the number of trainable parameters, in millions; those of layers that lead nowhere count.

    As NAS-Bench-201 counts them, and as `algo.cost=params` does. The mini-batch is not used.

    Source: Dong and Yang, *NAS-Bench-201* (2020); as a metric, White et al., *A Deeper Look at Zero-Cost Proxies for
    Lightweight NAS* (2022), among others.
    """
    return float(network.params()) / 1e6
