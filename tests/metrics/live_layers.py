"""The parts of a network that a signal passes, in both forms."""

from torch import nn

from nas_exp.networks.cell_graph import live_edges
from nas_exp.networks.cells import CellNetwork, cell_network_of
from nas_exp.networks.modules import Cell, Network


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


def live_cells(network: Network) -> CellNetwork:
    """The fast form of the network, as `network: live_cells` has it."""
    return CellNetwork(network.spec, cell_network_of(network).weights, N=network.N, dead_relus=False)
