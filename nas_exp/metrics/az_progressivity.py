"""`az_progressivity`: whether the features of an untrained network spread further from block to block."""

import torch
from torch import Tensor

from nas_exp.metrics.az_expressivity import block_entropies
from nas_exp.metrics.passes import computed_from


@computed_from(block_entropies)
def az_progressivity(entropies: Tensor) -> float:
    """Return min_l (S_l - S_{l-1}) over all blocks (cells and reductions) l, block 0 being the stem.

    S is the entropy that `az_expressivity` adds up. The score is -inf where an output is constant. Labels are not used.

    Source: Lee and Ham, *AZ-NAS: Assembling Zero-Cost Proxies for Network Architecture Search* (2024), and their code.
    """
    return float(entropies.diff().min().nan_to_num(nan=-torch.inf))
