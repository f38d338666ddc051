"""`jacob_cov`: how differently an untrained network's outputs depend on different images."""

import numpy as np
import torch
from torch import Tensor

from nas_exp.metrics.backward import ImageGradients, image_gradients
from nas_exp.metrics.passes import computed_from

_K = 1e-5  # of the paper: keeps both terms finite where the correlation matrix is singular


@computed_from(image_gradients)
def jacob_cov(found: ImageGradients) -> float:
    """Return -Σ(log(λ + k) + 1/(λ + k)) over the eigenvalues λ of the correlations between images, k = 1e-5.

    What is correlated are the gradients of the sum of the logits with respect to each image, (B, 3HW). The best value
    is -B, where they are not correlated. NaN where a gradient is constant. Labels are not used.

    Source: Mellor et al., *Neural Architecture Search without Training*, first version (2020), as in Abdelfattah et
    al., *Zero-Cost Proxies for Lightweight NAS* (2021).
    """
    return score_of_correlations(found.gradients)


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
