"""A made-up grid of 10**18 architectures, as somebody's own space."""

from collections.abc import Sequence

from torch import nn

from nas_exp.spaces.space import Dataset, Space


class Grid(Space):
    """Eighteen layers with ten widths each."""

    choices = (tuple(map(str, range(10))),) * 18

    def build(self, options: Sequence[str], dataset: Dataset) -> nn.Module:
        return nn.Sequential(nn.Flatten(), nn.Linear(3 * dataset.image_size**2, dataset.num_classes))
