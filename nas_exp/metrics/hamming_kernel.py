"""The matrix K_H of the paper's equation 1, which `relu` and `naswot` share."""

import weakref
from collections.abc import Collection

import torch
from torch import Tensor, nn


def hamming_kernel(network: nn.Module, images: Tensor, relus: Collection[nn.ReLU] | None = None) -> Tensor:
    """Return K_H, the number of ReLU units on which the codes of two images agree: shape (B, B), float64, exact.

    The code of an image has a 1 for each unit whose input is positive. With C the (B, N_A) matrix of codes and
    P = C Cᵀ, the Hamming distance of images i and j is P_ii + P_jj - 2 P_ij; P is a sum over layers, so the codes of
    the whole network never exist at once.

    Args:
        network: any network with `nn.ReLU` modules.
        images: (B, 3, H, W).
        relus: the ReLUs whose units count; by default all of the network.
    """
    if relus is None:
        relus = [module for module in network.modules() if isinstance(module, nn.ReLU)]
    products = _CodeProducts(len(images), images.device)
    handles = [relu.register_forward_pre_hook(products.add) for relu in relus]
    try:
        with torch.no_grad():
            network(images)
    finally:
        for handle in handles:
            handle.remove()
    active = products.total.diagonal()
    return products.units - (active[:, None] + active[None, :] - 2 * products.total)


def log_determinant(kernel: Tensor) -> float:
    """Return log|det K| of a kernel (B, B) from `hamming_kernel`, natural logarithm, `-inf` where it is singular.

    Source: the paper's equation 2.
    """
    # By eigenvalues, not by an LU decomposition, which leaves noise for a pivot that is zero: K is positive
    # semi-definite, since 2K = N_A 11ᵀ + SSᵀ with S the codes in ±1
    eigenvalues = torch.linalg.eigvalsh(kernel.cpu())
    if eigenvalues[0] <= len(kernel) * torch.finfo(kernel.dtype).eps * eigenvalues[-1]:
        return -torch.inf
    return float(eigenvalues.log().sum())


class _CodeProducts:
    """Sums C Cᵀ over the inputs of ReLUs."""

    def __init__(self, batch_size: int, device: torch.device) -> None:
        self.total = torch.zeros(batch_size, batch_size, dtype=torch.float64, device=device)
        self.units = 0
        self._known: dict[int, tuple[weakref.ref[Tensor], int, Tensor]] = {}

    def add(self, relu: nn.Module, inputs: tuple[Tensor]) -> None:
        """Count one ReLU's units; a forward pre-hook."""
        (x,) = inputs
        self.units += x[0].numel()
        self.total += self._product(x)

    def _product(self, x: Tensor) -> Tensor:
        # Edges that leave one node put a ReLU each on the same tensor: multiply its codes once
        if (known := self._known.get(id(x))) is not None:
            reference, version, product = known
            if reference() is x and version == x._version:
                return product
        # Sums of zeros and ones stay exact in float32 up to 2^24 units a layer
        codes = torch.gt(x, 0, out=torch.empty_like(x, dtype=torch.float32))
        # Units in the order they have in memory: flattening then copies nothing, and a product does not mind
        codes = codes.permute(0, *sorted(range(1, x.ndim), key=x.stride, reverse=True)).flatten(1)
        product = (codes @ codes.T).to(torch.float64)
        self._known[id(x)] = (weakref.ref(x), x._version, product)
        return product
