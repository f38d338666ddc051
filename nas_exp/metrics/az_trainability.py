"""`az_trainability`: whether gradients keep their size on their way through the blocks of an untrained network."""

import functools
from typing import Annotated

import torch
from torch import Tensor
from torch.nn import functional

from nas_exp.bounds import AtLeast
from nas_exp.metrics import Batch
from nas_exp.networks.interface import AnyNetwork, as_network

_K = 1e-6  # of the authors' code: keeps the score finite where no gradient passes


def az_trainability(network: AnyNetwork, batch: Batch, *, noise_seed: Annotated[int, AtLeast(0)]) -> float:
    """Return the mean over all blocks (cells and reductions) of 2 - s - 1/(s + k), k = 1e-6.

    s is the largest singular value of the (C_in, C_out) matrix G_inᵀ G_out / (B·H·W), with a row for each pixel. G_out
    is a gradient of random signs for the block's output, G_in the gradient of its input that follows. Where a block
    halves the image, the four pixels that become one are channels of one row. The best value is 0, at s = 1; it is -inf
    where a block returns its input. Labels are not used.

    Args:
        network: a module with blocks, or a fast network.
        batch: the mini-batch.
        noise_seed: of the signs, which blocks whose outputs have the same shape share.

    Source: Lee and Ham, *AZ-NAS: Assembling Zero-Cost Proxies for Network Architecture Search* (2024), and their code.
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
        as_network(network).through_blocks(batch.images, after_block)
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
