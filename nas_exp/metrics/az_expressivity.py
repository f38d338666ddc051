"""`az_expressivity`: over how many directions the features of an untrained network spread."""

import torch
from torch import Tensor

from nas_exp.metrics import Batch
from nas_exp.metrics.passes import computed_from
from nas_exp.networks.interface import AnyNetwork, as_network

_K = 1e-8  # of the authors' code: keeps the logarithm finite


def block_entropies(network: AnyNetwork, batch: Batch) -> Tensor:
    """Return the entropy of each block's output, the stem's first: shape (blocks,), float64, NaN if constant."""
    entropies = []

    def after_block(x: Tensor) -> Tensor:
        entropies.append(_entropy(x))
        return x

    with torch.no_grad():
        as_network(network).through_blocks(batch.images, after_block)
    return torch.stack(entropies)


@computed_from(block_entropies)
def az_expressivity(entropies: Tensor) -> float:
    """Return Σ_l S_l over the stem and all blocks (cells and reductions) l.

    S = -Σ p log(p + k), k = 1e-8, is the entropy of the principal components of a block's output: p are the eigenvalues
    of the (C, C) covariance over its B·H·W pixels, divided by their sum. The score is -inf where an output is constant.
    Labels are not used.

    Source: Lee and Ham, *AZ-NAS: Assembling Zero-Cost Proxies for Network Architecture Search* (2024), and their code.
    """
    return float(entropies.sum().nan_to_num(nan=-torch.inf))


def _entropy(x: Tensor) -> Tensor:
    pixels = x.permute(0, 2, 3, 1).flatten(0, 2)
    covariance = torch.cov(pixels.T, correction=0).cpu().double()
    # rounding may leave what should be zero below it
    eigenvalues = torch.linalg.eigvalsh(covariance).clamp(min=0)
    shares = eigenvalues / eigenvalues.sum()
    return -(shares * (shares + _K).log()).sum()
