"""`fisher`: how much the loss would change if channels were taken away."""

from torch import nn

from nas_exp.cells import CellNetwork
from nas_exp.metrics import Batch
from nas_exp.metrics.backward import LossGradients, loss_gradients


def fisher(network: nn.Module | CellNetwork, batch: Batch) -> float:
    """Return Σ over convolutions and linear layers of n Σ_c ½ mean_b (Σ_p a ∂L/∂a)².

    a is the output of a layer, before anything follows it, with images b, channels c and pixels p; n is the number of
    weights that make one channel, since the sum is over weights and each has its channel's value. L is the mean
    cross-entropy of the mini-batch. Unlike `snip` it looks at activations, not at weights.

    Source: Theis et al., *Faster gaze prediction with dense networks and Fisher pruning* (2018), and Turner et al.,
    *BlockSwap* (2020), summed over the weights as in the code of Abdelfattah et al., *Zero-Cost Proxies for Lightweight
    NAS* (2021).
    """
    return sum_of_channel_saliences(loss_gradients(network, batch, saliences=True))


def sum_of_channel_saliences(found: LossGradients) -> float:
    """Return Σ n Σ_c ½ mean_b s² over the layers' saliences s (B, channels), n the weights that make one channel."""
    pairs = zip(found.weights, found.saliences, strict=True)
    return float(sum(w[0].numel() * s.double().square().mean(0).sum() / 2 for w, s in pairs))
