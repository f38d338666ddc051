"""`fisher`: how much the loss would change if channels were taken away."""

from nas_exp.metrics.backward import LossGradients, loss_gradients
from nas_exp.metrics.passes import computed_from


@computed_from(loss_gradients, saliences=True)
def fisher(found: LossGradients) -> float:
    """Return Σ over convolutions and linear layers of n Σ_c ½ mean_b (Σ_p a ∂L/∂a)².

    a is the output of a layer, before anything follows it, with images b, channels c and pixels p. n is the number of
    weights of a channel. L is the mean cross-entropy of the mini-batch.

    Source: Theis et al., *Faster gaze prediction with dense networks and Fisher pruning* (2018), summed over
    the weights as in the code of Abdelfattah et al., *Zero-Cost Proxies for Lightweight NAS* (2021).
    """
    pairs = zip(found.weights, found.saliences, strict=True)
    return float(sum(w[0].numel() * s.double().square().mean(0).sum() / 2 for w, s in pairs))
