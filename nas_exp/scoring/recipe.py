"""How the scores of one table are computed."""

from dataclasses import dataclass

from nas_exp.config.types import Metric
from nas_exp.datasets.images import MiniBatch
from nas_exp.spaces.space import Dataset, Space


@dataclass(frozen=True, eq=False)
class Recipe:
    """All that a process needs to know to score architectures. Picklable; recipes with one key are equal."""

    key: str
    """A digest of the table's identity, and the device."""
    metric: Metric
    space: Space
    dataset: Dataset
    """What networks are built for."""
    batch: MiniBatch | None
    """The mini-batch; None for metrics that see an image of ones."""
    device: str

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Recipe) and other.key == self.key

    def __hash__(self) -> int:
        return hash(self.key)
