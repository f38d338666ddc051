"""What the blocks of a network hand to each other: stem, cells and reductions, in order."""

from collections.abc import Callable

from torch import Tensor

from nas_exp.networks.cells import CellNetwork
from nas_exp.networks.modules import Network


def through_blocks(network: Network | CellNetwork, images: Tensor, after_block: Callable[[Tensor], Tensor]) -> None:
    """Run a forward pass in which `after_block` is applied to what each block hands to the next, the stem included.

    Args:
        network: either form; blocks may overwrite what they are handed.
        images: (B, 3, H, W).
        after_block: maps (B, C, H, W) to what the next block is given, of the same shape.
    """
    if isinstance(network, CellNetwork):
        network.features(images, weights=network.weights, after_block=after_block)
        return
    blocks = [network.stem, *network.blocks]
    handles = [block.register_forward_hook(lambda _, __, output: after_block(output)) for block in blocks]
    try:
        network(images)
    finally:
        for handle in handles:
            handle.remove()
