"""The layers of a network's modules that a signal passes."""

from torch import nn

from nas_exp.network import Cell, Network
from nas_exp.space import live_edges


def live_modules(network: Network) -> list[nn.Module]:
    """All modules of the network but those of edges that no signal passes, in order."""
    dead = {
        module
        for block in network.blocks
        if isinstance(block, Cell)
        for number, edge in enumerate(block.edges)
        if number not in live_edges(network.spec)
        for module in edge.modules()
    }
    return [module for module in network.modules() if module not in dead]
