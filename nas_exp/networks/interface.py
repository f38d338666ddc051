"""What metrics see of a network. `as_network` makes any `torch.nn.Module` such a network."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.utils.hooks import RemovableHandle

from nas_exp.errors import InputError

Observer = Callable[[Tensor, int], None]
"""Is called with the input or the output of a ReLU (B, …) and the number of times that the ReLU counts."""

Watcher = Callable[[Tensor, Tensor], None]
"""Is called with the weight and the output of a convolution or linear layer."""


class UntrainedNetwork(ABC):
    """A network as metrics see it; its parameters stay as they are. Its *layers* are convolutions and linear layers."""

    @abstractmethod
    def __call__(self, images: Tensor, *, observe: Observer | None = None) -> Tensor:
        """Map images (B, 3, H, W) to logits (B, num_classes); `observe` is called for every ReLU."""

    @abstractmethod
    def weights_and_logits(
        self, images: Tensor, *, watch: Watcher | None = None, observe: Observer | None = None
    ) -> tuple[list[Tensor], Tensor]:
        """Return the layers' weights, which record gradients, and the logits (B, num_classes) computed from them.

        Args:
            images: (B, 3, H, W).
            watch: is called for every layer as soon as its output is known.
            observe: is called for every ReLU.
        """

    @abstractmethod
    def magnitudes_and_logits(self, images: Tensor, *, batch_norm: bool) -> tuple[list[Tensor], Tensor]:
        """Return the same in float64 when every parameter is replaced by its absolute value.

        Args:
            images: (B, 3, H, W), float64.
            batch_norm: whether BatchNorm is computed; otherwise it is the identity.
        """

    @abstractmethod
    def observe_relus(self, images: Tensor, observe: Observer, *, reached_only: bool = False) -> None:
        """Run a forward pass without gradients.

        Args:
            images: (B, 3, H, W).
            observe: is called for every ReLU.
            reached_only: whether ReLUs that no gradient of the logits reaches are left out.
        """

    @abstractmethod
    def through_blocks(self, images: Tensor, after_block: Callable[[Tensor], Tensor]) -> None:
        """Run a forward pass that applies `after_block` to what each block hands to the next, the stem included.

        Args:
            images: (B, 3, H, W).
            after_block: maps a block's output (B, C, H, W) to the next block's input, of the same shape, which that
                block may overwrite.

        Raises:
            InputError: the network does not say what its blocks are.
        """


AnyNetwork = nn.Module | UntrainedNetwork
"""What our metrics take."""


def as_network(network: AnyNetwork) -> UntrainedNetwork:
    """Return a network as metrics see it: itself, or a module behind `ModuleNetwork`."""
    return network if isinstance(network, UntrainedNetwork) else ModuleNetwork(network)


class ModuleNetwork(UntrainedNetwork):
    """Any module in training mode that maps images to logits.

    Its ReLUs are its `nn.ReLU` modules, its layers its `nn.Conv2d` and `nn.Linear` modules, also those that lead
    nowhere. Its blocks are its attribute `stem` and the modules in its attribute `blocks`. The running statistics of
    its BatchNorm layers change; training mode does not read them.
    """

    def __init__(self, module: nn.Module) -> None:
        self.module = module

    def __call__(self, images: Tensor, *, observe: Observer | None = None) -> Tensor:
        """Return the module's logits."""
        with _removed_afterwards(self._observed(observe)):
            logits: Tensor = self.module(images)
            return logits

    def weights_and_logits(
        self, images: Tensor, *, watch: Watcher | None = None, observe: Observer | None = None
    ) -> tuple[list[Tensor], Tensor]:
        """Return the layers' weights in the order of `modules()`, and the logits."""
        layers = self._layers()
        with _removed_afterwards(_watched(layers, watch)):
            return [layer.weight for layer in layers], self(images, observe=observe)

    def magnitudes_and_logits(self, images: Tensor, *, batch_norm: bool) -> tuple[list[Tensor], Tensor]:
        """Return the magnitudes in the order of `named_parameters()`, and the logits."""
        weights = {layer.weight for layer in self._layers()}
        parameters = dict(self.module.named_parameters())
        magnitudes = {name: p.detach().to(torch.float64).abs() for name, p in parameters.items()}
        recorded = [magnitudes[name].requires_grad_() for name, p in parameters.items() if p in weights]
        with _batch_norm(self.module, batch_norm):
            return recorded, functional_call(self.module, magnitudes, (images,))

    def observe_relus(self, images: Tensor, observe: Observer, *, reached_only: bool = False) -> None:
        """Show every ReLU's input, once for each time that it is applied."""
        relus = reached_relus(self.module, images) if reached_only else None
        with torch.no_grad(), _removed_afterwards(self._observed(observe, relus)):
            self.module(images)

    def through_blocks(self, images: Tensor, after_block: Callable[[Tensor], Tensor]) -> None:
        """Run the module with hooks on its blocks."""
        stem, blocks = getattr(self.module, "stem", None), getattr(self.module, "blocks", None)
        if not isinstance(stem, nn.Module) or not isinstance(blocks, nn.ModuleList | nn.Sequential):
            raise InputError(f"{type(self.module).__name__}: it has no blocks; expected modules `stem` and `blocks`")
        handles = [block.register_forward_hook(lambda _, __, output: after_block(output)) for block in [stem, *blocks]]
        with _removed_afterwards(handles):
            self.module(images)

    def _layers(self) -> list[nn.Conv2d | nn.Linear]:
        return [module for module in self.module.modules() if isinstance(module, nn.Conv2d | nn.Linear)]

    def _observed(self, observe: Observer | None, relus: Collection[nn.ReLU] | None = None) -> list[RemovableHandle]:
        if observe is None:
            return []
        if relus is None:
            relus = [module for module in self.module.modules() if isinstance(module, nn.ReLU)]
        return [relu.register_forward_pre_hook(lambda _, inputs: observe(inputs[0], 1)) for relu in relus]


def reached_relus(module: nn.Module, images: Tensor) -> set[nn.ReLU]:
    """Return the ReLUs that a backward pass from the logits reaches; two of the images (B, 3, H, W) suffice."""
    outputs: list[tuple[nn.ReLU, Tensor]] = []
    handles = [
        relu.register_forward_hook(lambda relu, _, output: outputs.append((relu, output)))
        for relu in module.modules()
        if isinstance(relu, nn.ReLU)
    ]
    with _removed_afterwards(handles), torch.enable_grad():
        # A graph through every layer, even if the parameters are frozen
        total = module(images[:2].detach().requires_grad_()).sum()
    attached = [(relu, output) for relu, output in outputs if output.requires_grad]
    if not attached or not total.requires_grad:
        return set()
    gradients = torch.autograd.grad(total, [output for _, output in attached], allow_unused=True)
    return {relu for (relu, _), gradient in zip(attached, gradients, strict=True) if gradient is not None}


def _watched(layers: Iterable[nn.Conv2d | nn.Linear], watch: Watcher | None) -> list[RemovableHandle]:
    if watch is None:
        return []
    return [layer.register_forward_hook(lambda layer, _, output: watch(layer.weight, output)) for layer in layers]


@contextmanager
def _removed_afterwards(handles: Iterable[RemovableHandle]) -> Iterator[None]:
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def _batch_norm(module: nn.Module, kept: bool) -> Iterator[None]:
    norms = [norm for norm in module.modules() if isinstance(norm, nn.BatchNorm2d) and not kept]
    for norm in norms:
        norm.forward = _identity  # type: ignore[method-assign,assignment]
    try:
        yield
    finally:
        for norm in norms:
            del norm.forward


def _identity(x: Tensor) -> Tensor:
    return x
