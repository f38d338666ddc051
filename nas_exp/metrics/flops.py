"""`flops`: how much a network computes. What every metric has to beat."""

from nas_exp.metrics import Batch
from nas_exp.networks.counts import Blueprint


def flops(network: Blueprint, batch: Batch) -> float:
    """Return the multiply-adds of one image's forward pass, in millions; those of layers that lead nowhere count.

    Of the images (B, 3, H, W), H = W, the size alone is used. As NAS-Bench-201 counts them, and as `algo.cost=flops`
    does: those of convolutions and of the classifier, with its bias, and nothing else.

    Source: Dong and Yang, *NAS-Bench-201* (2020); as a metric, White et al., *A Deeper Look at Zero-Cost Proxies for
    Lightweight NAS* (2022), among others. It is the complexity of Lee and Ham, *AZ-NAS* (2024).
    """
    return float(network.flops(batch.images.shape[-1])) / 1e6
