"""`az_progressivity`: whether the features of an untrained network spread further from block to block."""

import torch
from torch import Tensor

from nas_exp.metrics.az_expressivity import block_entropies
from nas_exp.metrics.passes import computed_from


@computed_from(block_entropies)
def az_progressivity(entropies: Tensor) -> float:
    """Return min_l (S_l - S_{l-1}) over all blocks (cells and reductions) l, block 0 being the stem.

    S is the entropy of the principal components of a block's output that `az_expressivity` adds up. -inf where an
    output is constant. Labels are not used.

    Source: Lee and Ham, *AZ-NAS: Assembling Zero-Cost Proxies for Network Architecture Search* (2024), with the details
    of the authors' code, which has 64 images of normal noise and He's normal weights where we have images of the
    dataset and PyTorch's default weights.
    """
    return float(entropies.diff().min().nan_to_num(nan=-torch.inf))
