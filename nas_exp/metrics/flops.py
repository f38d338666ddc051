"""`flops`: how much a network computes: a baseline for every other metric."""

from nas_exp.metrics import Batch
from nas_exp.networks.counts import Counts


def flops(network: Counts, batch: Batch) -> float:
    """Return the multiply-adds of one image's forward pass, in millions.

    Counted as NAS-Bench-201 does and as `algo.cost=flops` does, layers that lead nowhere included. Of the images
    (B, 3, H, W), H = W, only the size is used.

    Source: Dong and Yang, *NAS-Bench-201* (2020); as a metric, White et al., *A Deeper Look at Zero-Cost Proxies for
    Lightweight NAS* (2022).
    """
    return float(network.flops(batch.images.shape[-1])) / 1e6
