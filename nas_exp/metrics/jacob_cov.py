"""`jacob_cov`: how differently an untrained network's outputs depend on different images."""

import numpy as np
import torch
from torch import Tensor, nn

from nas_exp.cells import CellNetwork
from nas_exp.metrics import Batch
from nas_exp.metrics.backward import input_gradients

_K = 1e-5  # of the paper: keeps both terms finite where the correlation matrix is singular


def jacob_cov(network: nn.Module | CellNetwork, batch: Batch) -> float:
    """Return -Σ(log(λ + k) + 1/(λ + k)) over the eigenvalues λ of the correlations between images, k = 1e-5.

    What is correlated are the gradients of the sum of the logits with respect to each image, (B, 3HW). The best value,
    -B, is that of images whose gradients are not correlated. NaN where a gradient is constant, as when nothing leads
    from input to output. Labels are not used.

    Source: Mellor et al., *Neural Architecture Search without Training*, first version (2020), as in Abdelfattah et
    al., *Zero-Cost Proxies for Lightweight NAS* (2021). It looks at the slopes of the logits; `naswot`, of the paper's
    last version, at the codes of the ReLUs.
    """
    return score_of_correlations(input_gradients(network, batch.images))


def score_of_correlations(gradients: Tensor) -> float:
    """Return `jacob_cov` of the images' gradients (B, 3HW)."""
    correlations = correlate(gradients)
    if not correlations.isfinite().all():
        return float("nan")
    shifted = torch.linalg.eigvalsh(correlations) + _K
    return -float((shifted.log() + 1 / shifted).sum())


def correlate(rows: Tensor) -> Tensor:
    """Return the correlations between rows (n, m): shape (n, n), float64, on the CPU; NaN where a row is constant."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return torch.from_numpy(np.atleast_2d(np.corrcoef(rows.detach().cpu().double().numpy())))
