"""`az_trainability`: whether gradients keep their size on their way through the blocks of an untrained network."""

import functools
from typing import Annotated

import torch
from torch import Tensor
from torch.nn import functional

from nas_exp.bounds import AtLeast
from nas_exp.metrics import Batch
from nas_exp.metrics.blocks import through_blocks
from nas_exp.networks.cells import CellNetwork
from nas_exp.networks.modules import Network

_K = 1e-6  # of the authors' code: keeps the score finite where no gradient passes


def az_trainability(network: Network | CellNetwork, batch: Batch, *, noise_seed: Annotated[int, AtLeast(0)]) -> float:
    """Return the mean over all blocks (cells and reductions) of 2 - s - 1/(s + k), k = 1e-6.

    s is the largest singular value of the (C_in, C_out) matrix G_inᵀ G_out / (B·H·W): G_out are random signs for the
    gradient of a block's output and G_in is the gradient of its input that follows, a row a pixel; where the block
    halves the image, the four pixels that become one are channels of one row. The best value is 0, at s = 1. -inf where
    a block hands on what it gets, since there is nothing to train. Labels are not used.

    Args:
        network: either form.
        batch: the mini-batch.
        noise_seed: of the signs. Blocks whose outputs have the same shape share them, and so do all networks.

    Source: Lee and Ham, *AZ-NAS: Assembling Zero-Cost Proxies for Network Architecture Search* (2024), with the details
    of the authors' code, which draws new signs for each block and has 64 images of normal noise and He's normal weights
    where we have images of the dataset and PyTorch's default weights.
    """
    scores: list[Tensor] = []
    block_input: Tensor | None = None

    def after_block(output: Tensor) -> Tensor:
        nonlocal block_input
        if block_input is not None:
            scores.append(_score(block_input, output, noise_seed))
        block_input = output.detach().requires_grad_()
        return block_input.clone()  # which the block may overwrite

    with torch.enable_grad():
        through_blocks(network, batch.images, after_block)
    return float(torch.stack(scores).mean())


def _score(x: Tensor, y: Tensor, noise_seed: int) -> Tensor:
    """Return the score of a block with input x and output y."""
    g_out = _signs(tuple(y.shape), noise_seed, y.dtype, str(y.device))
    if y.requires_grad:
        (g_in,) = torch.autograd.grad(y, [x], g_out, materialize_grads=True)
    else:
        g_in = torch.zeros_like(x)
    if g_in.shape == g_out.shape and torch.equal(g_in, g_out):
        return torch.tensor(-torch.inf, dtype=torch.float64)
    g_in = functional.pixel_unshuffle(g_in, x.shape[2] // y.shape[2])
    rows_in, rows_out = (g.permute(0, 2, 3, 1).flatten(0, 2) for g in (g_in, g_out))
    product = (rows_in.T @ rows_out).cpu().double() / len(rows_out)
    s = torch.linalg.matrix_norm(product, 2)
    return 2 - s - 1 / (s + _K)


@functools.lru_cache(maxsize=32)  # three shapes a seed
def _signs(shape: tuple[int, ...], seed: int, dtype: torch.dtype, device: str) -> Tensor:
    """Draw +1 or -1, each with probability ½. Kept for the process; must not be changed."""
    generator = torch.Generator().manual_seed(seed)
    return (2 * torch.randint(2, shape, generator=generator) - 1).to(dtype=dtype, device=device)
