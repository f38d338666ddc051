"""Training-free metrics: one file and one function `metric(network, batch) -> float` each; higher is better.

Most metrics take any `torch.nn.Module` in training mode that maps images to logits (`networks.interface`). Network and
batch share device and dtype. A metric leaves the weights as they were.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, eq=False)
class Batch:
    """One mini-batch: `images` (B, 3, H, W) in the network's dtype, `labels` (B,) int64 class numbers."""

    images: Tensor
    labels: Tensor
