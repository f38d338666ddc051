"""A second derivative of the loss without any backward pass, for cell networks."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from nas_exp.metrics import Batch
from nas_exp.networks.cells import CellNetwork
from nas_exp.networks.layers import normalised_sum_of_jets
from nas_exp.networks.skeleton import Position


def growth_of_slope(network: CellNetwork, batch: Batch, direction: Mapping[Position, Tensor]) -> float:
    """Return ∂²L/∂ε∂δ of the mean cross-entropy L at the weights (1 + ε)(θ + δd), for ε = δ = 0.

    That is dᵀ(Hθ + g), g the gradient and H the Hessian, found without either. Every tensor x of the network is carried
    forward as a *jet*: one batch of the four tensors x, x_ε + x, x_δ and x_εδ + x_δ, indices for derivatives. A layer
    with weight W and direction D maps a jet (a, b, c, d) to the derivatives Wa, Wb, Wc + Da and Wd + Db of its output.
    ReLU, whose second derivative is zero, keeps of all four what is positive in the first.

    Args:
        network: the network.
        batch: the mini-batch.
        direction: d, for the weight of each layer that a signal passes.
    """
    weights = {position: network.weights[position].detach() for position in network.layers()}
    direction_of = {id(weight): direction[position] for position, weight in weights.items()}

    def convolve(jet: Tensor, weight: Tensor, **geometry: Any) -> Tensor:
        found = functional.conv2d(jet, weight, **geometry)
        half, quarter = len(found) // 2, len(found) // 4
        found[half:] += functional.conv2d(jet[:half], direction_of[id(weight)], **geometry)
        found[quarter:half] += found[:quarter]
        found[half + quarter :] += found[half : half + quarter]
        return found

    with torch.no_grad():
        images = torch.cat([batch.images, batch.images, torch.zeros_like(batch.images), torch.zeros_like(batch.images)])
        jet = network.features(
            images, weights=weights, convolve=convolve, combine=normalised_sum_of_jets, rectify=_rectify
        )
        last = network.skeleton.classifier
        logits, of_growth, of_step, of_both = functional.linear(jet, weights[last]).chunk(4)
        stepped, grown_and_stepped = functional.linear(jet[: len(jet) // 2], direction[last]).chunk(2)
        of_step, of_both = (of_step + stepped).double(), (of_both + grown_and_stepped).double()
        of_growth = of_growth.double()
        p = (logits + network.weights[network.skeleton.classifier_bias]).double().softmax(1)
        wrong = p - functional.one_hot(batch.labels, p.shape[1])
        second = (p * of_growth * of_step).sum(1) - (p * of_growth).sum(1) * (p * of_step).sum(1)
        return float(((wrong * of_both).sum(1) + second).mean())


def _rectify(jet: Tensor, *, inplace: bool) -> Tensor:
    parts = jet.unflatten(0, (4, -1))
    positive = (parts[0] > 0).to(jet.dtype)
    return (parts.mul_(positive) if inplace else parts * positive).flatten(0, 1)
