"""`meco`: how far the channels of an untrained network's features are from being linearly dependent."""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from nas_exp.metrics import Batch
from nas_exp.networks.cells import CellNetwork


def meco(network: CellNetwork, batch: Batch) -> float:
    """Return Σ λ over the convolutions that a signal passes, λ the smallest eigenvalue of the channels' correlations.

    What is correlated are the channels of a convolution's output, (C_out, H·W), for the first image of the mini-batch,
    which passes alone. Correlations with a constant channel count as 0. A layer with at least as many channels as
    pixels adds 0. Labels are not used.

    Args:
        network: the fast form (`network: live_cells`); in others convolutions that lead nowhere would count.
        batch: the mini-batch.

    Source: Jiang et al., *MeCo: Zero-Shot NAS with One Data and Single Forward Pass via Minimum Eigenvalue of
    Correlation* (2023), equation 1.
    """
    eigenvalues: list[Tensor] = []

    def convolve(x: Tensor, weight: Tensor, **geometry: Any) -> Tensor:
        y = functional.conv2d(x, weight, **geometry)
        eigenvalues.append(smallest_eigenvalue(y[0].flatten(1)))
        return y

    with torch.no_grad():
        network.features(batch.images[:1], convolve=convolve)
    return float(torch.stack(eigenvalues).sum())


def smallest_eigenvalue(channels: Tensor) -> Tensor:
    """Return the smallest eigenvalue of the correlations between rows (C, pixels); 0 for those with a constant row."""
    correlations = torch.corrcoef(channels.cpu().double()).nan_to_num(nan=0.0)
    # rounding may leave what should be zero below it
    return torch.linalg.eigvalsh(correlations)[0].clamp(min=0)
