"""`num_layers`: how many layers of a network are trained. What every metric has to beat."""

from nas_exp.metrics import Batch
from nas_exp.networks.counts import Blueprint


def num_layers(network: Blueprint, batch: Batch) -> float:
    """Return the number of convolutions and linear layers; those that lead nowhere count. The mini-batch is not used.

    In this space it is 9 plus 3N for each convolution of the cell, so it takes seven values. BatchNorms are not counted
    on their own: all but the last of them belong to a convolution.

    Source: Tybl and Neumann, *Training-free Neural Architecture Search through Variance of Knowledge of Deep Network
    Weights* (2025), in whose ranking the number of layers comes before `vkdnw`.
    """
    return float(network.layers())
