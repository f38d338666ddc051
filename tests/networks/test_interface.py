"""Any module as a network that metrics can see."""

import pytest
import torch

from nas_exp.errors import InputError
from nas_exp.metrics.az_trainability import az_trainability
from nas_exp.networks.cells import cell_network_of
from nas_exp.networks.interface import as_network
from tests.metrics.networks import cell_network, other_network, random_batch


def test_a_network_is_adapted_once() -> None:
    module, cells = other_network(), cell_network_of(cell_network((3,) * 6, 0))
    network = as_network(module)
    assert as_network(network) is network
    assert as_network(cells) is cells
    assert torch.equal(network(random_batch(0).images), module(random_batch(0).images))


def test_a_module_without_blocks_is_refused_where_blocks_are_needed() -> None:
    with pytest.raises(InputError, match=r"^OtherNetwork: it has no blocks; expected modules `stem` and `blocks`"):
        az_trainability(other_network(), random_batch(0), noise_seed=0)


def test_one_forward_pass_shows_layers_and_relus_and_leaves_no_hook() -> None:
    module, layers, relus = other_network(), list[torch.Tensor](), list[int]()
    weights, logits = as_network(module).weights_and_logits(
        random_batch(0).images,
        watch=lambda weight, _: layers.append(weight),
        observe=lambda _, times: relus.append(times),
    )
    assert [id(weight) for weight in layers] == [id(weight) for weight in weights]
    assert logits.shape == (5, 10)
    assert relus == [1, 1, 1, 1]  # one of the three ReLUs is applied twice
    assert not any(each._forward_hooks or each._forward_pre_hooks for each in module.modules())
