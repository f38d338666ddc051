"""Layers without weights, in the form that a CPU computes fastest; elsewhere they are torch's own.

Values are those of torch's layers up to rounding, and so are gradients. Who needs second derivatives takes
`plain_normalised_sum`, as `normalised_sum` has none.
"""

import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional


def memory_format(x: Tensor) -> torch.memory_format:
    """Return the memory format in which this code is fastest: on a CPU, channels last halves a forward pass."""
    return torch.channels_last if x.ndim == 4 and x.device.type == "cpu" else torch.contiguous_format


def average_pool(x: Tensor) -> Tensor:
    """Average each 3x3 neighbourhood of (B, C, H, W), leaving out what lies beyond the border; keeps the size."""
    large = len(x) >= 16  # small batches are faster with torch's own pooling
    if large and x.device.type == "cpu" and x.dtype == torch.float32 and torch.backends.mkldnn.is_available():
        pooled: Tensor = _DepthwiseAverage.apply(x)
        return pooled
    return functional.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)


class _DepthwiseAverage(torch.autograd.Function):
    """`avg_pool2d` as a convolution, which takes a third of the time: oneDNN has a good one, and no such pooling.

    Sums over neighbourhoods are symmetric, so the backward pass is the forward pass with the division first.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.window, ctx.share = _window(x.shape[1], x.shape[2], x.shape[3])
        return functional.conv2d(x, ctx.window, padding=1, groups=x.shape[1]).mul_(ctx.share)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (gradient,) = gradients
        return functional.conv2d(gradient * ctx.share, ctx.window, padding=1, groups=gradient.shape[1])


@functools.lru_cache(maxsize=16)
def _window(channels: int, height: int, width: int) -> tuple[Tensor, Tensor]:
    """Return a 3x3 window of ones for each channel, and 1 over the number of neighbours of each place (1, 1, H, W)."""
    ones = torch.ones(1, 1, height, width)
    return torch.ones(channels, 1, 3, 3), 1 / functional.conv2d(ones, torch.ones(1, 1, 3, 3), padding=1)


def normalised_sum(convolved: Sequence[Tensor], others: Sequence[Tensor] = ()) -> Tensor:
    """Return the sum of `others` and of what BatchNorm, on batch statistics, makes of each of `convolved`.

    All have the shape (B, C, H, W). BatchNorm has no weight and bias here, which start at 1 and 0. Unless gradients are
    recorded, `convolved` may be overwritten. A single one of `others` is returned as it is.
    """
    if convolved and all(_has_columns(x) for x in (*convolved, *others)):
        if torch.is_grad_enabled() and any(x.requires_grad for x in (*convolved, *others)):
            total: Tensor = _NormalisedSum.apply(len(convolved), *convolved, *others)
            return total
        return _scaled_sum(convolved, others, [_statistics(x) for x in convolved], out=convolved[0])
    return plain_normalised_sum(convolved, others)


def plain_normalised_sum(convolved: Sequence[Tensor], others: Sequence[Tensor] = ()) -> Tensor:
    """Return the same as `normalised_sum` in torch's own layers, which have second derivatives and take longer."""
    normalised = [functional.batch_norm(x, None, None, training=True) for x in convolved]
    return functools.reduce(torch.add, [*normalised, *others])


class _NormalisedSum(torch.autograd.Function):
    """BatchNorms and the additions behind them in one, with less than half of the passes over memory.

    With channels last in memory, a tensor is a matrix of pixels and channels. It is taken for one of fewer and longer
    rows, so that what is done to every row is done to many channels at once.
    """

    @staticmethod
    def forward(ctx: Any, count: int, *tensors: Tensor) -> Tensor:
        convolved, others = tensors[:count], tensors[count:]
        ctx.statistics = [_statistics(x) for x in convolved]
        ctx.count = count
        ctx.save_for_backward(*convolved)
        return _scaled_sum(convolved, others, ctx.statistics, out=torch.empty_like(convolved[0]))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        # with y = (x - m) s, the gradient of x is s (g - mean(g) - y mean(g y)), each mean over a channel
        gradient = gradient.contiguous(memory_format=torch.channels_last)
        channels, pixels = gradient.shape[1], gradient.numel() // gradient.shape[1]
        g = _columns(gradient)
        g_mean = _by_channel(g.sum(0), channels).sum(0) / pixels
        gradients: list[Tensor | None] = []
        for number, (x, (mean, scale)) in enumerate(zip(ctx.saved_tensors, ctx.statistics, strict=True)):
            if not ctx.needs_input_grad[1 + number]:
                gradients.append(None)
                continue
            columns = _columns(x)
            gx_mean = _by_channel(_sums_of_products(g, columns), channels).sum(0) / pixels
            gy_mean = scale * (gx_mean - mean * g_mean)
            slope = -scale * scale * gy_mean
            found = torch.empty_like(x)
            out = _columns(found)
            torch.addcmul(_wide(-scale * g_mean - slope * mean, g), g, _wide(scale, g), out=out)
            out.addcmul_(columns, _wide(slope, g))
            gradients.append(found)
        passed = [gradient if needed else None for needed in ctx.needs_input_grad[1 + ctx.count :]]
        return None, *gradients, *passed


def normalised_sum_of_jets(convolved: Sequence[Tensor], others: Sequence[Tensor] = ()) -> Tensor:
    """Return what `normalised_sum` does, with two first derivatives and the mixed second one; nothing is recorded.

    Tensors are jets, as `metrics.curvature` has them: (4B, C, H, W), a quarter each of x, x_ε + x, x_δ and x_εδ + x_δ.
    `convolved` may be overwritten. A single one of `others` is returned as it is.
    """
    if not convolved:
        return functools.reduce(torch.add, others)
    # also what has columns by its strides alone, as with images of one pixel, is made to have them
    parts = [[_columns(part) for part in x.contiguous(memory_format=torch.channels_last).chunk(4)] for x in convolved]
    factors = [_factors_of_jet(columns, convolved[0].shape[1]) for columns in parts]
    shifts = torch.stack([shift for _, shift in factors]).sum(0)
    out = torch.empty_like(convolved[0], memory_format=torch.channels_last)
    for quarter, total in enumerate(map(_columns, out.chunk(4))):
        started = False
        for columns, (by_source, _) in zip(parts, factors, strict=True):
            for x, factor in zip(columns, by_source[quarter], strict=True):
                if factor is None:
                    continue
                if started:
                    total.addcmul_(x, _wide(factor, total))
                else:
                    torch.addcmul(_wide(shifts[quarter], total), x, _wide(factor, total), out=total)
                    started = True
    for x in others:
        out += x
    return out


def _factors_of_jet(columns: Sequence[Tensor], channels: int) -> tuple[list[list[Tensor | None]], Tensor]:
    """Return by which factor (C,) each quarter of a jet counts in each of the normalised one, and what is added (4, C).

    With y = (x - m) s and s = (v + 1e-5)^-½ for mean m and variance v of a channel: s_ε = -½ s³ v_ε,
    s_εδ = -½ s³ v_εδ + ¾ s⁵ v_ε v_δ, where v_ε = 2 cov(x, x_ε) and v_εδ = 2 cov(x_ε, x_δ) + 2 cov(x, x_εδ).
    """
    x = columns[0]
    pixels = x.numel() // channels

    def mean(row: Tensor) -> Tensor:
        return _by_channel(row, channels).double().sum(0) / pixels

    means = [mean(part.sum(0)) for part in columns]

    def covariance(a: int, b: int) -> Tensor:
        return mean(_sums_of_products(columns[a], columns[b])) - means[a] * means[b]

    v, with_step = covariance(0, 0), covariance(0, 2)
    s = (v + 1e-5).rsqrt()
    v_growth = 2 * (covariance(0, 1) - v)
    v_both = 2 * (covariance(1, 2) + covariance(0, 3) - 2 * with_step)
    s_growth, s_step = -(s**3) * v_growth / 2, -(s**3) * with_step
    s_both = -(s**3) * v_both / 2 + 3 * s**5 * v_growth * with_step / 2
    factors: list[list[Tensor | None]] = [
        [s, None, None, None],
        [s_growth, s, None, None],
        [s_step, None, s, None],
        [s_both, s_step, s_growth, s],
    ]
    shift = -torch.stack(
        [sum((f * m for f, m in zip(row, means, strict=True) if f is not None), torch.zeros_like(s)) for row in factors]
    )
    return [[None if f is None else f.to(x.dtype) for f in row] for row in factors], shift.to(x.dtype)


_COLUMNS = 512  # enough for vector instructions, few enough for the nearest cache

_Statistics = tuple[Tensor, Tensor]
"""The mean of each channel, and 1 over its standard deviation: shape (C,) each."""


def _has_columns(x: Tensor) -> bool:
    several = x.numel() > x.shape[1]  # else there is nothing to normalise by, and torch says so
    return several and x.device.type == "cpu" and x.is_contiguous(memory_format=torch.channels_last)


def _columns(x: Tensor) -> Tensor:
    """View (B, C, H, W), channels last, as rows of as many pixels as make about `_COLUMNS` numbers."""
    channels = x.shape[1]
    pixels = math.gcd(x.numel() // channels, max(1, _COLUMNS // channels))
    return x.permute(0, 2, 3, 1).view(-1, pixels * channels)


def _by_channel(row: Tensor, channels: int) -> Tensor:
    """View what was found for each column, shape (pixels * C,), as (pixels, C)."""
    return row.view(-1, channels)


def _wide(by_channel: Tensor, columns: Tensor) -> Tensor:
    """Repeat a value for each channel, shape (C,), for each column of a row."""
    return by_channel.repeat(columns.shape[1] // len(by_channel))


def _statistics(x: Tensor) -> _Statistics:
    mean, variance = (
        _by_channel(found, x.shape[1]) for found in torch.batch_norm_update_stats(_columns(x), None, None, 0.0)
    )
    total = mean.mean(0)
    return total, (variance + (mean - total) ** 2).mean(0).add(1e-5).rsqrt()


def _scaled_sum(
    convolved: Sequence[Tensor], others: Sequence[Tensor], statistics: Sequence[_Statistics], out: Tensor
) -> Tensor:
    """Compute `normalised_sum` into `out`, which may be the first of `convolved`."""
    total = _columns(out)
    shift = -torch.stack([mean * scale for mean, scale in statistics]).sum(0)
    for number, (x, (_, scale)) in enumerate(zip(convolved, statistics, strict=True)):
        if number == 0:
            torch.addcmul(_wide(shift, total), _columns(x), _wide(scale, total), out=total)
        else:
            total.addcmul_(_columns(x), _wide(scale, total))
    for x in others:
        total.add_(_columns(x))
    return out


def _sums_of_products(a: Tensor, b: Tensor) -> Tensor:
    """Sum the products of each column of two matrices; torch has no such sum that does not write them down."""
    if a.device.type != "cpu":
        return (a * b).sum(0)
    return torch.from_numpy(np.einsum("ij,ij->j", a.numpy(), b.numpy()))
