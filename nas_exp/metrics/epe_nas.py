"""`epe_nas`: how differently an untrained network's outputs depend on images of the same class."""

import numpy as np
import torch
from torch import Tensor

from nas_exp.metrics.backward import ImageGradients, image_gradients
from nas_exp.metrics.jacob_cov import correlate
from nas_exp.metrics.passes import computed_from

_K = 1e-5  # of the paper: keeps the logarithm finite where two images are not correlated
_MANY = 100
"""Beyond so many classes there are too few images of each to add up, and classes are compared with each other."""


@computed_from(image_gradients)
def epe_nas(found: ImageGradients) -> float:
    """Return Σ_c |e_c| over the classes c of the mini-batch, or for more than 100 classes the mean of Σ_d |e_c - e_d|.

    e_c = Σ log(|R| + k), k = 1e-5, over the correlations R between the images of class c. As in `jacob_cov`, what is
    correlated are the gradients of the sum of the logits with respect to each image. For more than 100 classes e_c is
    divided by the number of images of the class, and classes with one image are left out; the score is 0 if that leaves
    none. NaN where the gradients of a class that counts are constant.

    Source: Lopes et al., *EPE-NAS: Efficient Performance Estimation Without Training for Neural Architecture Search*
    (2021), equations 2 to 5, and the authors' code, which NASLib has.
    """
    return score_of_classes(found.gradients, found.labels, found.num_classes)


def score_of_classes(gradients: Tensor, labels: Tensor, num_classes: int) -> float:
    """Return `epe_nas` of the images' gradients (B, 3HW) and labels (B,)."""
    many = num_classes > _MANY
    classes, counts = torch.unique(labels, return_counts=True)
    scores = []
    for label in classes[counts > 1] if many else classes:
        logarithms = (correlate(gradients[labels == label]).abs() + _K).log()
        scores.append(float(logarithms.sum()) / (len(logarithms) if many else 1))
    e = np.array(scores)
    if not many:
        return float(np.abs(e).sum())
    return float(np.abs(e[:, None] - e).sum() / max(1, len(e)))
