"""`num_layers`: how many layers of a network are trained: a baseline for every other metric."""

from nas_exp.metrics import Batch
from nas_exp.networks.counts import Counts


def num_layers(network: Counts, batch: Batch) -> float:
    """Return the number of convolutions and linear layers, those that lead nowhere included.

    The mini-batch is not used.

    Source: Tybl and Neumann, *Training-free Neural Architecture Search through Variance of Knowledge of Deep Network
    Weights* (2025), who rank by it before `vkdnw`.
    """
    return float(network.layers())
