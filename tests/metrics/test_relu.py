import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from nas_exp.metrics import Batch
from nas_exp.metrics.hamming_kernel import _CodeProducts, _PackedCodes, hamming_kernel, packed_distances
from nas_exp.metrics.relu import relu
from nas_exp.networks.cell_graph import Spec
from tests.metrics.hamming_reference import all_relus, log_det_kernel
from tests.metrics.networks import SEEDS, SPECS, cell_network, ones_batch, other_network, random_batch


@settings(max_examples=25, deadline=None)
@given(spec=SPECS, seed=SEEDS)
def test_equals_the_determinant_of_explicit_hamming_distances(spec: Spec, seed: int) -> None:
    network, batch = cell_network(spec, seed), random_batch(seed)
    expected = log_det_kernel(network, batch, all_relus(network))
    assert relu(network, batch) == pytest.approx(expected, rel=1e-12)


def test_works_on_any_network() -> None:
    network, batch = other_network(), random_batch(0)
    expected = log_det_kernel(network, batch, all_relus(network))
    assert relu(network, batch) == pytest.approx(expected, rel=1e-12)


def test_is_minus_infinity_where_images_share_a_code() -> None:
    network, batch = cell_network((3, 2, 1, 3, 4, 3), 0), random_batch(0)
    twins = Batch(batch.images[[0, 1, 2, 1, 4]], batch.labels)
    assert relu(network, twins) == -math.inf


def test_is_minus_infinity_where_distinct_codes_leave_the_kernel_singular() -> None:
    network = nn.Sequential(nn.ReLU(), nn.Flatten())
    codes = torch.tensor([[1, 1], [1, -1], [-1, 1], [-1, -1]], dtype=torch.float64)
    batch = Batch(codes.repeat(1, 9 * 3).reshape(4, 3, 3, 6), torch.zeros(4, dtype=torch.int64))
    assert relu(network, batch) == -math.inf


def test_is_minus_infinity_without_any_relu() -> None:
    assert relu(nn.Sequential(nn.Flatten()), ones_batch()) == -math.inf


def test_kernel_is_exact_and_counts_every_unit_on_its_diagonal() -> None:
    network, batch = cell_network((3,) * 6, 0).float(), random_batch(0)
    kernel = hamming_kernel(network, batch.images.float())
    cell_relus, reductions = 6 * (4 * 64 + 8 * 16 + 16 * 4), (4 * 64 + 8 * 16) + (8 * 16 + 16 * 4)
    assert kernel.diagonal().tolist() == [cell_relus + reductions + 16 * 4] * 5
    assert torch.equal(kernel, kernel.round())
    assert torch.equal(kernel, kernel.T)


def test_a_tensor_changed_in_place_between_two_relus_is_counted_both_times() -> None:
    class Negating(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.relus = nn.ModuleList([nn.ReLU(), nn.ReLU()])

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            x = images.clone()
            self.relus[0](x)
            x -= 0.5
            return self.relus[1](x).flatten(1)

    network, batch = Negating(), random_batch(0)
    assert relu(network, batch) == pytest.approx(log_det_kernel(network, batch, all_relus(network)), rel=1e-12)


def test_leaves_no_hook_behind() -> None:
    network = cell_network((3,) * 6, 0)
    relu(network, random_batch(0))
    assert not any(module._forward_pre_hooks for module in network.modules())


@settings(max_examples=40, deadline=None)
@given(rows=st.integers(1, 9), units=st.integers(1, 3000), seed=st.integers(0, 999))
def test_packed_distances_count_differing_bits(rows: int, units: int, seed: int) -> None:
    codes = np.random.default_rng(seed).integers(0, 2, (rows, units), dtype=bool)
    expected = (codes[:, None] != codes[None, :]).sum(axis=-1)
    assert np.array_equal(packed_distances(np.packbits(codes, axis=1)), expected)


def test_packed_distances_are_exact_for_any_number_of_units() -> None:
    units = 2**27  # beyond what float32 counts by ones
    bits = np.packbits(np.stack([np.zeros(units, dtype=bool), np.ones(units, dtype=bool)]), axis=1)
    bits[1, -1] = 0xFE
    assert packed_distances(bits)[0, 1] == units - 1


def test_devices_that_multiply_codes_find_the_same_distances() -> None:
    packed, products = _PackedCodes(), _CodeProducts()
    generator = torch.Generator().manual_seed(0)
    for times, channels in ((1, 3), (3, 8), (1, 5)):
        x = torch.randn(6, channels, 4, 7, generator=generator).contiguous(memory_format=torch.channels_last)
        packed.add(x, times)
        products.add(x, times)
    assert packed.units == products.units
    assert torch.equal(packed.distances(6), products.distances(6))
