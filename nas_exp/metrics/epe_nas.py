"""`epe_nas`: how differently an untrained network's outputs depend on images of the same class."""

import numpy as np
import torch
from torch import Tensor, nn

from nas_exp.cells import CellNetwork
from nas_exp.metrics import Batch
from nas_exp.metrics.backward import input_gradients
from nas_exp.metrics.jacob_cov import correlate

_K = 1e-5  # of the paper: keeps the logarithm finite where two images are not correlated
_MANY = 100
"""Beyond so many classes there are too few images of each to add up, and classes are compared with each other."""


def epe_nas(network: nn.Module | CellNetwork, batch: Batch) -> float:
    """Return the score of the correlations between images of the same class.

    As in `jacob_cov`, what is correlated are the gradients of the sum of the logits with respect to each image. With R
    the correlations between the images of class c, e_c = Σ log(|R| + k), k = 1e-5. The score is Σ|e_c| over the classes
    in the mini-batch. For more than 100 classes, e_c is divided by the number of images of the class, classes with a
    single image are left out, and the score is the mean over the others of Σ_d |e_c - e_d|, or 0 if there are none.
    NaN where the gradients of a class that counts are constant.

    Source: Lopes et al., *EPE-NAS: Efficient Performance Estimation Without Training for Neural Architecture Search*
    (2021), equations 2 to 5, with the details of the authors' code, which NASLib has.
    """
    gradients = input_gradients(network, batch.images)
    return score_of_classes(gradients, batch.labels, num_classes(network))


def num_classes(network: nn.Module | CellNetwork) -> int:
    """Return the width of a network's logits."""
    if isinstance(network, CellNetwork):
        return len(network.weights[network.layers()[-1]])
    *_, classifier = [module for module in network.modules() if isinstance(module, nn.Linear)]
    return classifier.out_features


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
