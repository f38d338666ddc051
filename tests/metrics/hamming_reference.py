"""log|det K_H| as the paper's equations 1 and 2 state it: the codes of the whole network and explicit distances."""

import numpy as np
import torch
from torch import nn

from nas_exp.metrics import Batch


def log_det_kernel(network: nn.Module, batch: Batch, relus: list[nn.ReLU]) -> float:
    codes: list[torch.Tensor] = []
    handles = [
        relu.register_forward_pre_hook(lambda _, inputs: codes.append((inputs[0] > 0).flatten(1))) for relu in relus
    ]
    network(batch.images)
    for handle in handles:
        handle.remove()
    c = torch.cat(codes, dim=1).numpy()
    distances = (c[:, None] != c[None, :]).sum(axis=-1)
    _, log_det = np.linalg.slogdet((c.shape[1] - distances).astype(np.float64))
    return float(log_det)


def all_relus(network: nn.Module) -> list[nn.ReLU]:
    return [module for module in network.modules() if isinstance(module, nn.ReLU)]
