"""What the networks of architectures are made of, told without making them: layers, parameters, multiply-adds."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from nas_exp.arrays import IntArray
from nas_exp.spaces.topology import NOR_CONV_1X1, NOR_CONV_3X3

_STAGES = 3


@dataclass(frozen=True)
class _Conv:
    """A convolution without bias; `shrunk` is how often the image was halved when it leaves it."""

    kernel: int
    inputs: int
    outputs: int
    shrunk: int
    batch_norm: bool = True

    @property
    def weights(self) -> int:
        return self.kernel**2 * self.inputs * self.outputs

    @property
    def params(self) -> int:
        return self.weights + 2 * self.outputs * self.batch_norm


@dataclass(frozen=True, eq=False)
class Blueprint:
    """The networks of one size. Of operations that no signal passes, everything counts.

    Attributes:
        specs: the architectures, shape (…, 6): operation numbers, in the order of `space.EDGES`. What is counted has
            the shape (…).
        C: channels of the first stage.
        N: cells a stage.
        num_classes: width of the logits.
    """

    specs: IntArray
    C: int
    N: int
    num_classes: int

    def params(self) -> IntArray:
        """Count trainable parameters, as NAS-Bench-201 does: of convolutions, BatchNorms, classifier and its bias."""
        last_norm = 2 * self._last_channels
        return self._over_convolutions(lambda conv: conv.params, last_norm + self._classifier)

    def flops(self, image_size: int) -> IntArray:
        """Count an image's multiply-adds, as NAS-Bench-201 does: of convolutions, classifier and its bias, no more."""
        return self._over_convolutions(
            lambda conv: conv.weights * (image_size // 2**conv.shrunk) ** 2, self._classifier
        )

    def layers(self) -> IntArray:
        """Count the layers that have weights to train: convolutions and the classifier."""
        return self._over_convolutions(lambda _: 1, 1)

    @property
    def _last_channels(self) -> int:
        return self.C * 2 ** (_STAGES - 1)

    @property
    def _classifier(self) -> int:
        return (self._last_channels + 1) * self.num_classes

    def _over_convolutions(self, count: Callable[[_Conv], int], rest: int) -> IntArray:
        """Add up something over all convolutions of every network, and what the rest has of it."""
        total = np.full(self.specs.shape[:-1], rest + sum(map(count, self._around_cells())))
        for operation, kernel in ((NOR_CONV_1X1, 1), (NOR_CONV_3X3, 3)):
            of_cells = 0
            for stage in range(_STAGES):
                channels = self.C * 2**stage
                of_cells += self.N * count(_Conv(kernel, channels, channels, stage))
            total = total + of_cells * np.count_nonzero(self.specs == operation, axis=-1)
        return total

    def _around_cells(self) -> Iterator[_Conv]:
        """Yield the convolutions that every network has: the stem's, and those of the blocks between stages."""
        yield _Conv(3, 3, self.C, 0)
        for stage in range(1, _STAGES):
            inputs, outputs = self.C * 2 ** (stage - 1), self.C * 2**stage
            yield _Conv(3, inputs, outputs, stage)
            yield _Conv(3, outputs, outputs, stage)
            yield _Conv(1, inputs, outputs, stage, batch_norm=False)
