"""The matrix K_H of the paper's equation 1, which `relu` and `naswot` share."""

from collections.abc import Collection

import torch
from torch import Tensor, nn

from nas_exp.cells import CellNetwork


def hamming_kernel(
    network: nn.Module | CellNetwork, images: Tensor, relus: Collection[nn.ReLU] | None = None
) -> Tensor:
    """Return K_H, the number of ReLU units on which the codes of two images agree: shape (B, B), float64, exact.

    The code of an image has a 1 for each unit whose input is positive. With C the (B, N_A) matrix of codes and
    P = C Cᵀ, the Hamming distance of images i and j is P_ii + P_jj - 2 P_ij; P is a sum over layers, so the codes of
    the whole network never exist at once.

    Args:
        network: any network; of a module, the `nn.ReLU` modules count.
        images: (B, 3, H, W).
        relus: the ReLUs of a module whose units count; by default all of the network.
    """
    products = _CodeProducts(len(images), images.device)
    with torch.no_grad():
        if isinstance(network, CellNetwork):
            network(images, observe=products.add)
        else:
            _watch(network, images, relus, products)
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


def _watch(network: nn.Module, images: Tensor, relus: Collection[nn.ReLU] | None, products: "_CodeProducts") -> None:
    if relus is None:
        relus = [module for module in network.modules() if isinstance(module, nn.ReLU)]
    handles = [relu.register_forward_pre_hook(lambda _, inputs: products.add(inputs[0], 1)) for relu in relus]
    try:
        network(images)
    finally:
        for handle in handles:
            handle.remove()


class _CodeProducts:
    """Sums C Cᵀ over ReLUs."""

    def __init__(self, batch_size: int, device: torch.device) -> None:
        self.total = torch.zeros(batch_size, batch_size, dtype=torch.float64, device=device)
        self.units = 0

    def add(self, x: Tensor, times: int) -> None:
        """Count a ReLU, given its input or its output (B, …), `times` times."""
        self.units += times * x[0].numel()
        # Sums of zeros and ones stay exact in float32 up to 2^24 units a layer
        codes = torch.gt(x, 0, out=torch.empty_like(x, dtype=torch.float32))
        # Units in the order they have in memory: flattening then copies nothing, and a product does not mind
        codes = codes.permute(0, *sorted(range(1, x.ndim), key=x.stride, reverse=True)).flatten(1)
        if codes.device.type == "cpu":
            # NumPy sees that a product with its own transpose is symmetric and does half the work; torch does not
            array = codes.numpy()
            product = torch.from_numpy(array @ array.T)
        else:
            product = codes @ codes.T
        self.total += times * product.to(torch.float64)
