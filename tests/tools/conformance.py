"""Our metrics against what the field's own code computed for given weights and inputs.

Run `python -m tests.tools.conformance [--device DEVICE] FILE`. The file is a JSON list with one record a network; a
record names `spec`, `dataset`, `seed`, `batch_size`, `C` and `N`, which determine weights and inputs, and any of the
columns below. Each metric is computed on both forms of the network, modules and cells, or on those that it takes.
Prints the largest relative error of each column. Exit code 0: all within 1e-4; 1: not; 2: the file cannot be used.
"""

import argparse
import json
import math
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from nas_exp.errors import InputError
from nas_exp.metrics import Batch
from nas_exp.metrics.epe_nas import epe_nas
from nas_exp.metrics.fisher import fisher
from nas_exp.metrics.grad_norm import grad_norm
from nas_exp.metrics.grasp import grasp
from nas_exp.metrics.hamming_kernel import hamming_kernel
from nas_exp.metrics.jacob_cov import jacob_cov
from nas_exp.metrics.l2_norm import l2_norm
from nas_exp.metrics.naswot import naswot
from nas_exp.metrics.plain import plain
from nas_exp.metrics.relu import relu
from nas_exp.metrics.snip import snip
from nas_exp.metrics.synflow import synflow
from nas_exp.metrics.synflow_bn import synflow_bn
from nas_exp.metrics.zico import zico
from nas_exp.networks.cells import CellNetwork, cell_network_of
from nas_exp.networks.devices import resolve
from nas_exp.networks.modules import Network

TOLERANCE = 1e-4

Record = dict[str, Any]


class Inputs(NamedTuple):
    """What a record's `seed` draws, the same with a second mini-batch behind it, and ones of the same image size."""

    data: Batch
    pair: Batch
    ones: Batch


def _modules(network: Network) -> Network:
    return network


class Golden(NamedTuple):
    """The column that holds a metric's golden values, our computation of it, and on which forms of the network."""

    column: str
    compute: Callable[[Any, Inputs], float]
    forms: tuple[Callable[[Network], Network | CellNetwork], ...] = (_modules, cell_network_of)


GOLDENS = {
    "relu": Golden("relu_all", lambda network, inputs: relu(network, inputs.data)),
    "relu units": Golden("relu_all_units", lambda network, inputs: _units(network, inputs.data.images)),
    "naswot": Golden("relu_live", lambda network, inputs: naswot(network, inputs.data)),
    "naswot units": Golden(
        "relu_live_units", lambda network, inputs: _units(network, inputs.data.images, reached=True)
    ),
    "synflow": Golden("synflow", lambda network, inputs: synflow(network, inputs.ones)),
    "grad_norm": Golden("grad_norm", lambda network, inputs: grad_norm(network, inputs.data)),
    "snip": Golden("snip", lambda network, inputs: snip(network, inputs.data)),
    "grasp": Golden("grasp", lambda network, inputs: grasp(network, inputs.data)),
    "fisher": Golden("fisher", lambda network, inputs: fisher(network, inputs.data)),
    "jacob_cov": Golden("jacob_cov", lambda network, inputs: jacob_cov(network, inputs.data)),
    "plain": Golden("plain", lambda network, inputs: plain(network, inputs.data)),
    "synflow_bn": Golden("synflow_bn", lambda network, inputs: synflow_bn(network, inputs.ones)),
    "epe_nas": Golden("epe_nas", lambda network, inputs: epe_nas(network, inputs.data)),
    "l2_norm": Golden("l2_norm", lambda network, inputs: l2_norm(network, inputs.data), forms=(_modules,)),
    "zico": Golden("zico", lambda network, inputs: zico(network, inputs.pair, batches=2)),
}

IMAGE_SIZE = {"cifar10": 32, "cifar100": 32, "ImageNet16-120": 16}
NUM_CLASSES = {"cifar10": 10, "cifar100": 100, "ImageNet16-120": 120}


@dataclass
class Outcome:
    """The comparison of one metric with all records that hold a golden value of it."""

    comparisons: int = 0
    largest_error: float = 0.0
    worst_record: int = 0

    def add(self, record: int, error: float) -> None:
        """Take in one record's relative error."""
        if self.comparisons == 0 or error > self.largest_error:
            self.largest_error, self.worst_record = error, record
        self.comparisons += 1


def compare(records: Sequence[Record], *, device: str = "cpu") -> dict[str, Outcome]:
    """Return the outcome of every metric that the records hold a golden value of, computed on a device.

    Raises:
        InputError: a record does not describe a network, or no record holds a golden value.
    """
    outcomes: dict[str, Outcome] = defaultdict(Outcome)
    for number, record in enumerate(records):
        for metric, error in _errors(number, record, device):
            outcomes[metric].add(number, error)
    if not outcomes:
        raise InputError(f"expected one of the columns {', '.join(golden.column for golden in GOLDENS.values())}")
    return {metric: outcomes[metric] for metric in GOLDENS if metric in outcomes}


def _errors(number: int, record: Record, device: str) -> Iterator[tuple[str, float]]:
    try:
        network, inputs = rebuild(record, device=device)
        for metric, golden in GOLDENS.items():
            if golden.column in record:
                for form in golden.forms:
                    yield metric, relative_error(golden.compute(form(network), inputs), float(record[golden.column]))
    except KeyError as error:
        raise InputError(f"record {number}: no or unknown {error}") from error
    except (InputError, TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"record {number}: {error}") from error


def rebuild(record: Record, *, device: str = "cpu") -> tuple[Network, Inputs]:
    """Return a record's network and inputs, in float64, weights and inputs drawn as the record's authors drew them."""
    size, num_classes, seed = IMAGE_SIZE[record["dataset"]], NUM_CLASSES[record["dataset"]], record["seed"]
    network = Network(record["spec"], C=record["C"], N=record["N"], num_classes=num_classes).double()
    rng = np.random.RandomState(seed)
    with torch.no_grad():
        for layer in network.modules():
            if isinstance(layer, nn.Conv2d | nn.Linear):
                shape = tuple(layer.weight.shape)
                layer.weight.copy_(torch.from_numpy(rng.standard_normal(shape) * np.sqrt(2 / math.prod(shape[1:]))))
        network.classifier.bias.copy_(torch.from_numpy(0.1 * rng.standard_normal(num_classes)))
    data, second = (_draw_batch(seed + n, record["batch_size"], size, num_classes, device) for n in (1, 2))
    pair = Batch(torch.cat([data.images, second.images]), torch.cat([data.labels, second.labels]))
    ones = Batch(torch.ones_like(data.images[:1]), data.labels[:1])
    return network.to(device), Inputs(data, pair, ones)


def _draw_batch(seed: int, batch_size: int, size: int, num_classes: int, device: str) -> Batch:
    rng = np.random.RandomState(seed)
    images = torch.from_numpy(rng.standard_normal((batch_size, 3, size, size)))
    labels = torch.from_numpy(rng.randint(0, num_classes, (batch_size,)).astype(np.int64))
    return Batch(images.to(device), labels.to(device))


def relative_error(found: float, expected: float) -> float:
    """Return |found - expected| / |expected|; 0 for equal values, NaN and infinities included, else inf for those."""
    if found == expected or (math.isnan(found) and math.isnan(expected)):
        return 0.0
    if not (math.isfinite(found) and math.isfinite(expected)) or expected == 0:
        return math.inf
    return abs(found - expected) / abs(expected)


def _units(network: Network | CellNetwork, images: Tensor, *, reached: bool = False) -> float:
    # An image's code agrees with itself on every unit
    return float(hamming_kernel(network, images, reached_only=reached)[0, 0])


def main(argv: Sequence[str] | None = None) -> int:
    """Compare, print the table and return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.tools.conformance", description="Metrics against golden values."
    )
    parser.add_argument("file", help="a JSON list of records")
    parser.add_argument("--device", default="cpu", help="where networks are computed: cpu (default), cuda, cuda:N")
    arguments = parser.parse_args(argv)
    file = arguments.file
    torch.set_num_threads(1)
    try:
        with open(file, encoding="utf-8") as stream:
            records = json.load(stream)
        if not isinstance(records, list) or not records:
            raise InputError("expected a JSON list with one record a network")
        outcomes = compare(records, device=resolve(arguments.device))
    except OSError as error:
        return _unusable(file, error.strerror or str(error))
    except (ValueError, InputError) as error:
        return _unusable(file, str(error))
    print(f"{'metric':<14}{'comparisons':>12}{'largest relative error':>24}  worst record")
    for metric, outcome in outcomes.items():
        spec = records[outcome.worst_record]["spec"]
        print(f"{metric:<14}{outcome.comparisons:>12}{outcome.largest_error:>24.2e}  {outcome.worst_record} {spec}")
    failed = [metric for metric, outcome in outcomes.items() if outcome.largest_error > TOLERANCE]
    print(f"FAILED past {TOLERANCE:g}: {', '.join(failed)}" if failed else f"all within {TOLERANCE:g}")
    return 1 if failed else 0


def _unusable(file: str, reason: str) -> int:
    print(f"{file}: {' '.join(reason.split())}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
