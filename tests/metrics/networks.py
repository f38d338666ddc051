"""Small networks and batches on which the metrics are held against their plain references."""

import torch
from hypothesis import strategies as st
from torch import Tensor, nn

from nas_exp.metrics import Batch
from nas_exp.networks.cell_graph import EDGES, OPERATIONS
from nas_exp.networks.modules import Network, initialise

SPECS = st.tuples(*[st.integers(0, len(OPERATIONS) - 1)] * len(EDGES))
SEEDS = st.integers(0, 2**32 - 1)


def cell_network(spec: tuple[int, ...], seed: int) -> Network:
    network = Network(spec, C=4, N=1, num_classes=10).double()
    initialise(network, seed)
    return network


def random_batch(seed: int, batch_size: int = 5) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    images = torch.randn(batch_size, 3, 8, 8, dtype=torch.float64, generator=generator)
    return Batch(images, torch.randint(0, 10, (batch_size,), generator=generator))


def ones_batch() -> Batch:
    return Batch(torch.ones(1, 3, 8, 8, dtype=torch.float64), torch.zeros(1, dtype=torch.int64))


class OtherNetwork(nn.Module):
    """Not of the space: biases, max pooling, ReLUs in place, a ReLU used twice, a branch that is cut off."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first = nn.Conv2d(3, 6, 3)
        self.relu = nn.ReLU(inplace=True)
        self.norm = nn.BatchNorm2d(6)
        self.second = nn.Conv2d(6, 4, 3, groups=2)
        self.pool = nn.MaxPool2d(2)
        self.hidden = nn.Linear(16, 7)
        self.hidden_relu = nn.ReLU()
        self.unused = nn.Linear(7, 7)
        self.unused_relu = nn.ReLU()
        self.classifier = nn.Linear(7, 10)

    def forward(self, images: Tensor) -> Tensor:
        x = self.norm(self.relu(self.first(images)))
        x = self.pool(self.relu(self.second(x))).flatten(1)
        x = self.hidden_relu(self.hidden(x))
        self.unused_relu(self.unused(x))
        return self.classifier(x)


def other_network() -> OtherNetwork:
    return OtherNetwork().double()
