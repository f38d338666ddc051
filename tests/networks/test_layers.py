"""Layers in their fast form against torch's own."""

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from nas_exp.networks.layers import average_pool, memory_format, normalised_sum

DTYPES = [torch.float32, torch.float64]


def draw(*shape: int, dtype: torch.dtype, seed: int) -> Tensor:
    x = torch.randn(*shape, dtype=dtype, generator=torch.Generator().manual_seed(seed))
    # another mean and deviation for each channel
    x = (
        x * torch.linspace(0.3, 2, shape[1], dtype=dtype)[:, None, None]
        + torch.linspace(-1, 5, shape[1])[:, None, None]
    )
    return x.to(dtype).contiguous(memory_format=memory_format(x))


def plain_sum(convolved: Sequence[Tensor], others: Sequence[Tensor]) -> Tensor:
    normalised = [functional.batch_norm(x, None, None, training=True) for x in convolved]
    return torch.stack([*normalised, *others]).sum(0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("batch_size", "channels", "size"), [(4, 3, 5), (16, 16, 8), (17, 1, 1), (64, 3, 4)])
def test_average_pool_and_its_gradient_are_torchs(
    dtype: torch.dtype, batch_size: int, channels: int, size: int
) -> None:
    x = torch.randn(batch_size, channels, size, size + 2, dtype=dtype, generator=torch.Generator().manual_seed(0))
    x = x.contiguous(memory_format=memory_format(x)).requires_grad_()
    expected = functional.avg_pool2d(x, 3, 1, 1, count_include_pad=False)
    torch.testing.assert_close(average_pool(x), expected)
    upstream = torch.randn(expected.shape, dtype=dtype)
    (found_gradient,) = torch.autograd.grad(average_pool(x), x, upstream)
    (expected_gradient,) = torch.autograd.grad(expected, x, upstream)
    torch.testing.assert_close(found_gradient, expected_gradient)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "shape", [(8, 16, 6, 4), (5, 16, 7, 3), (9, 3, 1, 1), (128, 64, 2, 2), (3, 1, 5, 5), (2, 600, 2, 2)]
)
@pytest.mark.parametrize(("count", "others"), [(1, 0), (1, 2), (3, 1)])
def test_normalised_sum_and_its_gradient_are_torchs(
    dtype: torch.dtype, shape: tuple[int, ...], count: int, others: int
) -> None:
    tensors = [draw(*shape, dtype=dtype, seed=seed).requires_grad_() for seed in range(count + others)]
    expected = plain_sum(tensors[:count], tensors[count:])
    found = normalised_sum(tensors[:count], tensors[count:])
    torch.testing.assert_close(found, expected, rtol=1e-4 if dtype == torch.float32 else 1e-10, atol=1e-5)
    upstream = torch.randn(expected.shape, dtype=dtype)  # not channels last, as a gradient may come
    expected_gradients = torch.autograd.grad(expected, tensors, upstream)
    for gradient, expected_gradient in zip(
        torch.autograd.grad(found, tensors, upstream), expected_gradients, strict=True
    ):
        torch.testing.assert_close(gradient, expected_gradient, rtol=1e-4, atol=1e-5)
    with torch.no_grad():
        again = normalised_sum([x.detach().clone() for x in tensors[:count]], tensors[count:])
    torch.testing.assert_close(again, found)


def test_normalised_sum_is_more_accurate_than_torchs_batch_norm() -> None:
    x = draw(128, 16, 32, 32, dtype=torch.float32, seed=0)
    exact = functional.batch_norm(x.double(), None, None, training=True)
    torchs = functional.batch_norm(x, None, None, training=True)
    assert (normalised_sum([x.clone()]) - exact).abs().mean() < (torchs - exact).abs().mean()


def test_normalised_sum_leaves_what_gradients_or_others_need() -> None:
    convolved = draw(4, 16, 4, 4, dtype=torch.float32, seed=0).requires_grad_()
    other = draw(4, 16, 4, 4, dtype=torch.float32, seed=1)
    copies = convolved.detach().clone(), other.clone()
    total = normalised_sum([convolved], [other])
    total.relu_()  # the caller may do so
    total.sum().backward()
    with torch.no_grad():
        normalised_sum([convolved.clone()], [other])
    assert torch.equal(convolved, copies[0])
    assert torch.equal(other, copies[1])


def test_normalised_sum_refuses_second_derivatives() -> None:
    x = draw(4, 16, 4, 4, dtype=torch.float32, seed=0).requires_grad_()
    (gradient,) = torch.autograd.grad(normalised_sum([x]).square().sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()


def test_one_value_a_channel_cannot_be_normalised() -> None:
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        normalised_sum([torch.ones(1, 3, 1, 1)])


def test_a_single_other_is_returned_as_it_is() -> None:
    other = torch.ones(2, 3, 4, 4)
    assert normalised_sum([], [other]) is other
