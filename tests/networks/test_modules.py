import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from nas_exp.errors import InputError
from nas_exp.networks.cell_graph import EDGES, NONE, NOR_CONV_3X3, OPERATIONS, Spec
from nas_exp.networks.modules import Cell, Network, initialise
from nas_exp.spaces.topology import str_of_spec

SPECS = st.tuples(*[st.integers(0, len(OPERATIONS) - 1)] * len(EDGES))
CONVOLUTIONS = (NOR_CONV_3X3,) * len(EDGES)


def make(spec: Spec, seed: int = 0, *, C: int = 4, N: int = 1, num_classes: int = 10) -> Network:
    network = Network(spec, C=C, N=N, num_classes=num_classes)
    initialise(network, seed)
    return network


def edge_weights(network: Network) -> dict[tuple[int, int], dict[str, torch.Tensor]]:
    return {
        (number, edge): dict(operation.named_parameters())
        for number, block in enumerate(network.blocks)
        if isinstance(block, Cell)
        for edge, operation in enumerate(block.edges)
    }


@pytest.mark.parametrize(("size", "num_classes"), [(32, 10), (32, 100), (16, 120)])
@settings(max_examples=6, deadline=None)
@given(spec=SPECS, N=st.integers(1, 2), seed=st.integers(0, 2**32 - 1))
def test_logits_equal_the_official_network_with_the_same_weights(
    size: int, num_classes: int, spec: Spec, N: int, seed: int
) -> None:
    reason = "needs the official network: pip install --no-deps xautodl==1.0.0"
    official_network = pytest.importorskip("xautodl.models.cell_infers.tiny_network", reason=reason)
    genotypes = pytest.importorskip("xautodl.models.cell_searchs.genotypes", reason=reason)
    genotype = genotypes.Structure.str2structure(str_of_spec(spec))
    official = official_network.TinyNetwork(4, N, genotype, num_classes).double()
    network = make(spec, seed, N=N, num_classes=num_classes).double()
    with torch.no_grad():
        for theirs, ours in zip(official.parameters(), network.parameters(), strict=True):
            theirs.copy_(ours)
        images = torch.randn(3, 3, size, size, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
        _, expected = official(images)
        torch.testing.assert_close(network(images), expected, rtol=1e-9, atol=1e-12)


def test_a_cut_cell_still_has_a_gradient_path_to_the_images() -> None:
    images = torch.ones(2, 3, 8, 8, requires_grad=True)
    make((NONE,) * len(EDGES))(images).sum().backward()
    assert images.grad is not None


def test_rejects_a_spec_outside_the_space() -> None:
    with pytest.raises(InputError, match="6 operation numbers"):
        Network((3, 3), C=4, N=1, num_classes=10)


@settings(max_examples=20, deadline=None)
@given(first=SPECS, second=SPECS)
def test_architectures_share_the_weights_of_the_operations_they_share(first: Spec, second: Spec) -> None:
    networks = make(first), make(second)
    one, other = (edge_weights(network) for network in networks)
    for number, edge in one:
        if first[edge] == second[edge]:
            torch.testing.assert_close(one[number, edge], other[number, edge], rtol=0, atol=0)
    for name in ("stem", "classifier"):
        for a, b in zip(*(getattr(network, name).parameters() for network in networks), strict=True):
            assert torch.equal(a, b)


def test_no_two_convolutions_of_a_network_share_weights() -> None:
    weights = [module.weight for module in make(CONVOLUTIONS, N=2).modules() if isinstance(module, nn.Conv2d)]
    for a, b in itertools.combinations(weights, 2):
        assert a.shape != b.shape or not torch.equal(a, b)


def test_weights_are_a_function_of_the_seed() -> None:
    first, same, other = make(CONVOLUTIONS, 1), make(CONVOLUTIONS, 1), make(CONVOLUTIONS, 2)
    torch.rand(1)
    for a, b in zip(first.parameters(), same.parameters(), strict=True):
        assert torch.equal(a, b)
    assert not torch.equal(first.classifier.weight, other.classifier.weight)
    assert not torch.equal(first.classifier.bias, other.classifier.bias)


def test_the_draw_does_not_depend_on_the_dtype_of_the_network() -> None:
    network = Network(CONVOLUTIONS, C=4, N=1, num_classes=10).double()
    initialise(network, 5)
    for double, single in zip(network.parameters(), make(CONVOLUTIONS, 5).parameters(), strict=True):
        assert torch.equal(double, single.double())


def test_changing_a_network_does_not_change_the_next_one() -> None:
    network = make(CONVOLUTIONS)
    expected = network.classifier.weight.detach().clone()
    with torch.no_grad():
        network.classifier.weight.zero_()
    assert torch.equal(make(CONVOLUTIONS).classifier.weight, expected)


def test_weights_are_distributed_as_pytorch_initialises_by_default() -> None:
    network = make(CONVOLUTIONS, C=16, num_classes=1000)
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            torch.manual_seed(0)
            default = type(layer).__base__.reset_parameters  # type: ignore[union-attr]
            drawn = [p.detach().clone() for p in layer.parameters()]
            default(layer)
            for ours, theirs in zip(drawn, layer.parameters(), strict=True):
                bound = layer.weight[0].numel() ** -0.5
                assert ours.abs().max() <= bound
                assert theirs.abs().max() <= bound
                # A uniform variable on ±b has variance b²/3; the sample's is within 5 standard errors of it
                tolerance = 5 * np.sqrt(0.8 / ours.numel())
                assert ours.var().item() == pytest.approx(bound**2 / 3, rel=tolerance)
                assert ours.mean().item() == pytest.approx(0, abs=5 * bound / np.sqrt(3 * ours.numel()))
